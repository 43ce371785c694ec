"""The device's page and the API say how a device has gone, as its statuses and its ledger do."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from store.database import Connection, connect
from tests.api.conftest import SignIn
from tests.api.world import World

NORTH = "/trials/platform-air/devices/p1-north"
DAY = timedelta(days=1)


def number_of(conn: Connection, device: str) -> int:
    found = conn.execute(b"SELECT device_id FROM device WHERE code = %s", (device,)).fetchone()
    assert found is not None
    return int(found[0])


def tell(
    conn: Connection,
    device: str,
    at: datetime,
    *,
    battery: float | None = None,
    uptime: float | None = None,
    firmware: str | None = None,
) -> None:
    conn.execute(
        b"INSERT INTO device_status (device_id, at, battery, uptime, firmware, received_at)"
        b" VALUES (%s, %s, %s, %s, %s, %s)",
        (number_of(conn, device), at, battery, uptime, firmware, at),
    )


@pytest.fixture
def told(own_world_url: str, world: World) -> World:
    """p1-north: a battery that loses 2 % a day, three firmwares, boots; d3-clock: uptimes without boots."""
    now = world.now
    with connect(own_world_url, application="tests") as conn:
        for device in ("p1-north", "d3-clock"):
            for table in (b"device_status", b"boot_sequence"):
                conn.execute(b"DELETE FROM " + table + b" WHERE device_id = %s", (number_of(conn, device),))
        for hours in range(0, 20 * 24, 3):
            at = now - 20 * DAY + timedelta(hours=hours)
            wobble = 1 if hours % 6 else -1  # the median of six hours has none of it
            tell(conn, "p1-north", at, battery=100 - hours / 12 + wobble)
        for days, firmware in ((30, "1.3"), (25, "1.4"), (24, "1.4"), (3, "1.3")):
            tell(conn, "p1-north", now - days * DAY + timedelta(minutes=1), firmware=firmware)
        for number, days in enumerate((200, 80, 5, 2)):
            conn.execute(
                b"INSERT INTO boot_sequence (device_id, boot, seen, first_seen_at, last_seen_at)"
                b" VALUES (%s, %s, '{[1,2)}', %s, %s)",
                (number_of(conn, "p1-north"), f"b{number}", now - days * DAY, now - days * DAY),
            )
        for hours, uptime in ((-50, 9e5), (-49, 9e5 + 3600), (-48, 600.0), (-47, 4200.0)):
            tell(conn, "d3-clock", now + timedelta(hours=hours), uptime=uptime)
        conn.execute(b"DELETE FROM ledger WHERE trial = 'platform-air' AND device = 'p1-north'")
        for hours, received, rejected, partly, repeated in (
            (30 * 24, 99, 99, 0, 0),
            (40, 60, 6, 3, 12),
            (2, 40, 0, 1, 3),
        ):
            conn.execute(
                b"INSERT INTO ledger (trial, device, hour, received, accepted, partly, rejected, repeated)"
                b" VALUES ('platform-air', 'p1-north', %s, %s, %s, %s, %s, %s)",
                (
                    now - timedelta(hours=hours),
                    received,
                    received - rejected - partly - repeated,
                    partly,
                    rejected,
                    repeated,
                ),
            )
        conn.commit()
    return world


def test_the_health_is_what_the_statuses_and_the_ledger_say(told: World, own_client: SignIn) -> None:
    found = own_client("lab").get(f"/api/v1{NORTH}/health").json()
    battery, now = found["battery"], told.now
    assert battery["percent_per_day"] == pytest.approx(-2.0, abs=0.05)
    assert battery["days_left"] == pytest.approx(battery["percent"] / 2.0, rel=0.03)
    assert battery["soonest"] <= battery["days_left"] <= battery["latest"]
    restarts = [datetime.fromisoformat(one) for one in found["restarts"]]
    assert restarts == [now - 80 * DAY, now - 5 * DAY, now - 2 * DAY]
    assert [one["firmware"] for one in found["firmwares"]] == ["1.3", "1.4", "1.3"]
    assert [one["since"] and datetime.fromisoformat(one["since"]) for one in found["firmwares"]] == [
        now - 3 * DAY + timedelta(minutes=1),
        now - 25 * DAY + timedelta(minutes=1),
        None,
    ]
    lately = {"received": 100, "whole": 75, "refused": 6, "in_part": 4, "repeated": 15}
    assert found["lately"] == lately
    assert found["ever"] == {**lately, "received": 199, "refused": 105}
    shares = [one["share"] for one in found["streams"]]
    of_device = own_client("lab").get(f"/api/v1{NORTH}").json()["completeness"]
    assert sum(shares) / len(shares) == pytest.approx(of_device, abs=0.01)


def test_restarts_follow_from_uptimes_where_no_message_names_a_boot(told: World, own_client: SignIn) -> None:
    (restart,) = (
        own_client("lab").get("/api/v1/trials/platform-air/devices/d3-clock/health").json()["restarts"]
    )
    assert datetime.fromisoformat(restart) == told.now - timedelta(hours=48, minutes=10)


@pytest.mark.parametrize("who", ["lab", "metro"])
def test_the_page_says_it_in_words_also_to_who_sees_no_result(
    told: World, own_client: SignIn, own_world_url: str, who: str
) -> None:
    page = own_client(who).get(NORTH).text
    days = round(own_client(who).get(f"/api/v1{NORTH}/health").json()["battery"]["days_left"])
    for words in (
        f"empty in about {days} days (",
        "2 in 7 days, 3 in 90 days",
        "100: 10 % refused wholly or in part, 15 % sent again",
        "since",
    ):
        assert words in page.replace("\xa0", " ").replace("10%", "10 %").replace("15%", "15 %"), words
    with connect(own_world_url, application="tests") as conn:
        conn.execute(b"UPDATE person SET language = 'fr'")
        conn.commit()
    assert f"vide dans environ {days} jours (" in own_client(who).get(NORTH).text.replace("\xa0", " ")


def test_a_device_of_which_little_is_known_says_so(own_client: SignIn, own_world_url: str) -> None:
    with connect(own_world_url, application="tests") as conn:
        for table in (b"device_status", b"boot_sequence"):
            conn.execute(b"DELETE FROM " + table)
        conn.execute(b"DELETE FROM ledger")
        conn.commit()
    found = own_client("lab").get(f"/api/v1{NORTH}/health").json()
    assert found["battery"] is None
    assert (found["restarts"], found["firmwares"]) == ([], [])
    assert "its levels say too little yet" in own_client("lab").get(NORTH).text
    with connect(own_world_url, application="tests") as conn:
        conn.execute(b"UPDATE device_contact SET battery = NULL")
        conn.commit()
    assert "its levels" not in own_client("lab").get(NORTH).text, "it never spoke of a battery"
