"""One function judges a device's condition, for pages, for the API, and for callers without either."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from insitu.model import Role, WindowKind
from store.access import Viewer
from store.catalogue.windows import add_window
from store.database import Connection, connect
from store.read.fleet import list_devices
from tests.api.conftest import SignIn
from tests.api.world import World
from trials.workflow.condition import Judged, load_conditions, load_device


@pytest.fixture
def conn(world_url: str) -> Iterator[Connection]:
    with connect(world_url, application="tests") as connection:
        yield connection


def judged(conn: Connection, world: World, host_id: int | None = None) -> dict[str, Judged]:
    by_id = load_conditions(
        conn, list(world.devices.values()), now=world.now, simulated=False, host_id=host_id
    )
    return {code: by_id[number] for code, number in world.devices.items()}


def states(conn: Connection, world: World) -> dict[str, tuple[str, list[str]]]:
    return {
        code: (str(one.condition.state), [cause.key for cause in one.condition.causes])
        for code, one in judged(conn, world).items()
    }


def test_devices_in_every_state_are_judged_from_ids_and_one_now(conn: Connection, world: World) -> None:
    found = states(conn, world)
    assert found["p1-north"] == ("online", [])
    assert found["p2-north"] == ("retired", [])
    assert found["p2-silent"] == ("silent", ["silent"])
    assert found["n1-battery"] == ("degraded", ["low_battery"])
    assert found["n1-probe"] == ("degraded", ["silent_datastream:humidity"])
    assert found["n2-late"] == ("late", ["late"])
    assert found["d1-window"] == ("in_window", [])
    assert found["d2-never"] == ("never_seen", [])
    assert found["d3-clock"] == ("degraded", ["clock_off"])


def test_the_api_says_what_the_function_says(client: SignIn, conn: Connection, world: World) -> None:
    found = states(conn, world)
    for trial in ("platform-air", "ward-ventilation"):
        for one in client("lab").get(f"/api/v1/trials/{trial}/devices").json()["items"]:
            assert (one["state"], one["causes"]) == found[one["code"]], one["code"]


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize("now", ["at the end", "a day before", "before everything"])
def test_one_device_by_itself_is_judged_as_among_all(
    conn: Connection, world: World, simulated: bool, now: str
) -> None:
    """Results counted here and counts from the database give the same shares, days and causes."""
    at = (
        world.now
        - {
            "at the end": timedelta(),
            "a day before": timedelta(days=1, hours=3),
            "before everything": timedelta(days=100),
        }[now]
    )
    (host_id,) = conn.execute(
        "SELECT organisation_id FROM organisation WHERE code = 'metro-demo'"
    ).fetchall()[0]
    for host in (None, host_id):
        together = load_conditions(
            conn, list(world.devices.values()), now=at, simulated=simulated, host_id=host
        )
        for code, number in world.devices.items():
            alone = load_device(conn, number, now=at, simulated=simulated, host_id=host)
            assert alone.judged == together[number], code


def test_a_host_sees_what_concerns_its_own_sites(own_world_url: str, world: World) -> None:
    """A device that moved from one host's site to another's: each host sees its own windows and places."""
    with connect(own_world_url, application="tests") as conn:
        number = world.devices["p1-north"]
        conn.execute(
            "UPDATE deployment SET period = tstzrange(lower(period), %s) WHERE device_id = %s",
            (world.now - timedelta(days=1), number),
        )
        conn.execute(
            "INSERT INTO deployment (device_id, site_id, position, period) SELECT %s, site_id, 'hall', "
            "tstzrange(%s, NULL) FROM site WHERE code = 'hospital-south'",
            (number, world.now - timedelta(days=1)),
        )
        add_window(
            conn,
            kind=WindowKind.INCIDENT,
            site="hospital-south",
            start=world.now - timedelta(hours=2),
            end=world.now + timedelta(hours=2),
            reason="of the hospital alone",
            declared_by="hospital",
            now=world.now,
        )
        hosts = dict(
            conn.execute("SELECT code, organisation_id FROM organisation WHERE kind = 'host'").fetchall()
        )
        seen = {
            name: judged(conn, world, host)["p1-north"].condition
            for name, host in (
                ("all", None),
                ("metro", hosts["metro-demo"]),
                ("hospital", hosts["hospital-demo"]),
            )
        }
        assert {name: str(one.state) for name, one in seen.items()} == {
            "all": "in_window",
            "metro": "retired",
            "hospital": "in_window",
        }
        assert seen["metro"].window is None
        record = load_device(conn, number, now=world.now, simulated=False, host_id=hosts["metro-demo"])
        assert record.windows == []
        assert {place.site for place in record.positions} == {"station-centre"}


def test_a_viewer_is_bound_to_a_host_where_the_organisation_is_one(conn: Connection, world: World) -> None:
    def viewer(role: str) -> Viewer:
        return Viewer(1, "someone", "Someone", "en", Role(role), 42, "Somewhere", True)

    assert {role: viewer(role).host_id for role in Role if viewer(role).host_id} == {"operator": 42}
    assert {row.device for row in list_devices(conn, viewer("lab"), now=world.now)} == set(world.devices)
