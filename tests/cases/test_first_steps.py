"""The stumbling blocks of somebody who uses Insitu for the first time, each tried by the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.replay import replay
from insitu.clock import SYSTEM
from insitu.errors import CorrectInput, InsituError
from insitu.model import Observation
from insitu.times import to_us
from store.broker_events import BrokerEvents, EventKind, count_events
from store.catalogue.datastreams import list_datastreams
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.properties import add_property
from store.database import Connection
from store.observations import merge
from tests.cli.calling import Told, told, told_here
from tests.examples import examples
from tests.fix_catalogue import START, SmallTrial
from tests.fix_files import NOON, Load, stored
from tests.test_cli import complaint, run

__all__ = ["told", "told_here"]

ANY = re.compile(r"[\s\S]*")


@pytest.fixture
def bare(conn: Connection, catalogue: SmallTrial) -> int:
    """Device `new` stands from START on and has no datastream."""
    for code, unit, fr in (("temperature", "Cel", "Température"), ("humidity", "%", "Humidité")):
        add_property(conn, code=code, name={"en": code.title(), "fr": fr}, unit=unit)
    number = add_device(conn, trial="t", code="new", now=START)
    deploy(conn, device_id=number, site="station", position="shelf", start=START)
    conn.commit()
    return number


def streams_of(conn: Connection, device: str) -> dict[str, tuple[str, str]]:
    found = {s.name: (s.property, s.sent_unit) for s in list_datastreams(conn, "t") if s.device == device}
    conn.rollback()
    return found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("wide.csv", "time;Température (°F);PM2,5 (µg/m³);RH_%;NR\n2026-03-02T12:00:00Z;50;3,5;41;1\n"),
        (
            "long.csv",
            "time,property,value,unit\n2026-03-02T12:00:00Z,Température,50,°F\n"
            '2026-03-02T12:00:00Z,"PM2,5",3.5,µg/m³\n2026-03-02T12:00:00Z,RH_%,41,%\n',
        ),
    ],
)
def test_an_import_into_a_device_without_datastreams_prints_tables_that_work_as_they_are(
    conn: Connection, bare: int, told_here: Told, tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.write_text(content, "utf-8")
    command = ("import", str(path), "--trial", "t", "--device", "new")
    with pytest.raises(CorrectInput, match="new has no datastream yet") as caught:
        told_here(*command)
    tables = str(caught.value).partition("\n\n")[2]
    registration = tmp_path / "map.toml"
    registration.write_text(tables, "utf-8")
    told_here("register", str(registration))
    told_here(*command, err=ANY)
    found = dict(
        conn.execute(
            "SELECT p.code, round(result::numeric, 3)::float8 FROM observation "
            "JOIN datastream USING (datastream_id) JOIN observed_property p USING (property_id)"
        ).fetchall()
    )
    assert found == {"temperature": 10.0, "pm25": 3.5, "humidity": 41.0}


def test_a_column_that_could_be_several_properties_is_left_to_the_user(
    conn: Connection, bare: int, told_here: Told, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("time,inside (°C),outside (°C),serial\n2026-03-02T12:00:00Z,1,2,7\n", "utf-8")
    with pytest.raises(CorrectInput) as caught:
        told_here("import", str(path), "--trial", "t", "--device", "new")
    said = str(caught.value)
    assert said.count('property = "?"  # choose: temperature') == 2
    assert "# without a property that fits, so left out: serial" in said
    (tmp_path / "map.toml").write_text(said.partition("\n\n")[2], "utf-8")
    with pytest.raises(CorrectInput, match="property"):
        told_here("register", str(tmp_path / "map.toml"))


def test_enrol_of_a_device_without_datastreams_prints_no_snippet_and_measure_adds_some(
    conn: Connection, bare: int, told_here: Told
) -> None:
    said = told_here("enrol", "t", "new")
    assert "token" in said
    assert "mosquitto_pub" not in said
    assert "`insitu enrol t new --measure PROPERTY` adds datastreams" in said
    said = told_here("enrol", "t", "new", "--measure", "temperature", "--measure", "h=humidity")
    assert "t/new measures now also: temperature, h." in said
    assert "mosquitto_pub" in said
    assert streams_of(conn, "new") == {"temperature": ("temperature", "Cel"), "h": ("humidity", "%")}
    told_here("enrol", "t", "new", "--measure", "temperature", "--measure", "pm25")
    assert set(streams_of(conn, "new")) == {"temperature", "h", "pm25"}
    with pytest.raises(CorrectInput, match="has a datastream 'h' already, of humidity"):
        told_here("enrol", "t", "new", "--measure", "h=temperature")


def test_a_swap_in_the_past_says_how_many_results_of_the_old_device_are_later(
    conn: Connection, catalogue: SmallTrial, bare: int, told_here: Told
) -> None:
    stream = catalogue.datastreams["a", "pm25"]
    times = [START + timedelta(days=4, hours=hour) for hour in range(24)]
    merge(conn, [Observation(stream, to_us(at), 1.0, to_us(at), 0) for at in times])
    conn.commit()
    said = told_here("swap", "t", "a", "new", "--at", "2026-03-05T20:00", "--reason", "dead", err=ANY)
    assert (
        "4 results of a are from then or later: stored with a, and an evaluation that names a uses them"
        in said
    )
    assert len(stored(conn, stream)) == 24


@settings(
    max_examples=examples(quick=12, nightly=30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(minutes=st.lists(st.integers(-2880, 2880), min_size=1, max_size=6, unique=True))
def test_a_file_has_no_day_of_grace_around_a_deployment_neither_at_the_import_nor_at_a_replay(
    conn: Connection, catalogue: SmallTrial, load: Load, minutes: list[int]
) -> None:
    conn.execute(
        "TRUNCATE observation, import_part, import, reject, ledger, ledger_reason, datastream_latest "
        "RESTART IDENTITY CASCADE"
    )
    end = START + timedelta(days=1)
    conn.execute("UPDATE deployment SET period = tstzrange(%s, %s)", (START, end))
    conn.commit()
    times = [START + timedelta(minutes=one) for one in minutes]
    summary = load("time,pm25\n" + "".join(f"{at.isoformat()},1\n" for at in times))
    inside = sorted(f"{at:%Y-%m-%dT%H:%M:%S}" for at in times if START <= at <= end)
    assert [at for at, _ in stored(conn, catalogue.datastreams["a", "pm25"])] == inside
    assert summary.stored == len(inside)
    assert sum(one.results for one in summary.refused.values()) == len(times) - len(inside)
    replay(conn, clock=SYSTEM)
    assert [at for at, _ in stored(conn, catalogue.datastreams["a", "pm25"])] == inside


def test_a_row_from_before_the_deployment_names_it_and_comes_in_once_that_is_corrected(
    conn: Connection, catalogue: SmallTrial, told_here: Told, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("time,pm25\n2026-02-28T23:00:00Z,1\n2026-03-01T01:00:00Z,2\n", "utf-8")
    with pytest.raises(InsituError, match="not everything"):
        told_here("import", str(path), "--trial", "t", "--device", "a")
    (detail,) = conn.execute("SELECT detail FROM reject").fetchone() or ("",)
    conn.rollback()
    assert (
        "2026-02-28 23:00:00 UTC is before the deployment of a, which began at 2026-03-01 00:00:00" in detail
    )
    told_here("deployment", "t", "a", "--start", "2026-02-28", "--reason", "logbook")
    told_here("replay", "--trial", "t")
    assert len(stored(conn, catalogue.datastreams["a", "pm25"])) == 2


def test_a_device_whose_messages_are_denied_is_something_to_look_at(
    conn: Connection, catalogue: SmallTrial, told_here: Told, database_url: str
) -> None:
    now = datetime.now(UTC)
    told_here("enrol", "t", "a")
    conn.execute(
        "INSERT INTO device_contact (device_id, first_seen_at, last_seen_at) VALUES (%s, %s, %s)",
        (catalogue.devices["a"], now, now),
    )
    conn.commit()
    (before,) = [line for line in told_here("devices", "t").splitlines() if " a " in line]
    assert "online" in before
    told_here("enrol", "t", "b")
    for name in ("t.a", "t.b"):
        count_events(conn, [BrokerEvents(name, EventKind.PUBLISH_DENIED, now, 3, "tele/x/SENSOR")])
    conn.execute("INSERT INTO broker_log (path, inode, offset_bytes, read_at) VALUES ('x', 0, 0, now())")
    conn.commit()
    lines = told_here("devices", "t").splitlines()
    (online,) = [line for line in lines if " a " in line]
    (unseen,) = [line for line in lines if " b " in line]
    assert "degraded" in online
    for line in (online, unseen):
        assert "the broker denied its messages (3 in the last 24 hours)" in line
    asked = run("check", INSITU_DATABASE_URL=database_url)
    assert re.search(r"^LOOK denied by the broker: .*t/a 3, last on 'tele/x/SENSOR'", asked.stdout, re.M)


def test_results_of_an_import_are_told_of_a_device_that_never_sent(
    catalogue: SmallTrial, load: Load, told_here: Told
) -> None:
    load(f"time,pm25\n{NOON},1\n")
    (line,) = [line for line in told_here("devices", "t").splitlines() if " a " in line]
    assert "no message yet, imported results up to 2026-03-02 12:00 UTC" in line


def test_a_conflicting_result_names_the_import_that_stored_the_first(
    conn: Connection, catalogue: SmallTrial, load: Load, database_url: str, tmp_path: Path
) -> None:
    load(f"time,pm25\n{NOON},1\n", name="march.csv")
    path = tmp_path / "again.csv"
    path.write_text(f"time,pm25\n{NOON},2\n2026-03-02T13:00:00Z,3\n2026-03-02T13:00:00Z,4\n", "utf-8")
    done = run("import", str(path), "--trial", "t", "--device", "a", INSITU_DATABASE_URL=database_url)
    assert "not everything" in complaint(done)
    assert "from import 1 (march.csv); the first one stands" in done.stdout
    assert "`insitu withdraw 1 --reason WHY`" in done.stdout
    assert "--correct --reason WHY" in done.stdout
    details = [text for (text,) in conn.execute("SELECT detail FROM reject ORDER BY reject_id")]
    assert any("An earlier row of this file" in text for text in details)
    conn.rollback()
    at = datetime(2026, 3, 3, tzinfo=UTC)
    merge(conn, [Observation(catalogue.datastreams["a", "pm25"], to_us(at), 1.0, to_us(at), 0)])
    conn.commit()
    path.write_text(f"time,pm25\n{at.isoformat()},2\n", "utf-8")
    done = run("import", str(path), "--trial", "t", "--device", "a", INSITU_DATABASE_URL=database_url)
    assert "from the device itself" in done.stdout
