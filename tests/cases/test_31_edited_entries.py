"""An entry of the catalogue that is edited and entered again is changed or refused, never called "there"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from cli.registration import Registration, read_registration
from insitu.errors import CorrectInput, NotFound
from store.audit import audit, audit_problem
from store.catalogue.datastreams import list_datastreams
from store.catalogue.deployments import list_deployments
from store.catalogue.sensors import list_trial_sensors
from store.database import Connection
from tests.cli.calling import Told, call, told, told_here
from tests.fix_database import clone

__all__ = ["told", "told_here"]

WHOLE: dict[str, list[dict[str, Any]]] = {
    "organisation": [
        {"code": "metro", "name": "Metro", "kind": "host"},
        {"code": "other", "name": "Other", "kind": "host"},
        {"code": "air", "name": "Air", "kind": "company"},
        {"code": "wind", "name": "Wind", "kind": "company"},
        {"code": "judge", "name": "Judge", "kind": "evaluator"},
        {"code": "jury", "name": "Jury", "kind": "evaluator"},
    ],
    "person": [{"login": "p-1", "name": "Operator", "organisation": "metro", "language": "fr"}],
    "site": [
        {
            "code": "s-1",
            "host": "metro",
            "name": "Station",
            "kind": "platform",
            "latitude": 48.5,
            "longitude": 2.5,
        },
        {"code": "s-2", "host": "metro", "name": "Depot"},
    ],
    "property": [
        {"code": "pm25", "name": {"en": "PM2.5"}, "unit": "ug/m3", "averaging_scale": "arithmetic"},
        {"code": "pm10", "name": {"en": "PM10"}, "unit": "ug/m3"},
    ],
    "need": [
        {"code": "n-1", "host": "metro", "title": {"en": "Air"}, "description": {"en": "Cleaner"}},
        {"code": "n-2", "host": "metro", "title": {"en": "Noise"}},
    ],
    "trial": [
        {
            "code": "t1",
            "title": {"en": "Trial"},
            "host": "metro",
            "company": "air",
            "evaluator": "judge",
            "need": "n-1",
            "time_zone": "Europe/Paris",
            "ends_at": "2027-01-01T00:00:00Z",
        },
        {"code": "t2", "title": {"en": "Second"}, "host": "metro", "company": "air"},
    ],
    "device": [
        {
            "trial": "t1",
            "code": "sw1",
            "name": "First",
            "model": "PM-4",
            "serial": "0017",
            "site": "s-1",
            "position": "roof",
            "start": "2026-03-01T00:00:00Z",
            "sensor": {
                "make": "Maker",
                "model": "S-100",
                "serial": "A-17",
                "calibrated_at": "2026-02-01T00:00:00Z",
                "calibration": "span gas",
            },
        },
        {"trial": "t1", "code": "sw2", "site": "s-1"},
    ],
    "mapping": [
        {
            "trial": "t1",
            "devices": ["sw1"],
            "field": "pm2_5",
            "property": "pm25",
            "unit": "mg/m3",
            "role": "candidate",
            "result_type": "number",
            "every": 900,
            "stamp": "begin",
        }
    ],
    "network_server": [{"code": "lora", "kind": "chirpstack"}, {"code": "lora2", "kind": "chirpstack"}],
    "network_address": [
        {"network_server": "lora", "address": "chirpstack/0101010101010101", "trial": "t1", "device": "sw1"}
    ],
}
EDITED: dict[str, Any] = {
    "organisation.name": "New",
    "organisation.kind": "lab",
    "person.name": "New",
    "person.organisation": "other",
    "person.language": "en",
    "person.role": "buyer",
    "site.host": "other",
    "site.name": "New",
    "site.kind": "new",
    "site.latitude": 48.75,
    "site.longitude": 2.75,
    "property.name": {"en": "New"},
    "property.unit": "mg/m3",
    "property.averaging_scale": "sum",
    "need.host": "other",
    "need.title": {"en": "New"},
    "need.description": {"en": "New"},
    "trial.title": {"en": "New"},
    "trial.host": "other",
    "trial.company": "wind",
    "trial.evaluator": "jury",
    "trial.need": "n-2",
    "trial.time_zone": "Europe/Berlin",
    "trial.ends_at": "2027-02-01T00:00:00Z",
    "device.name": "New",
    "device.model": "PM-5",
    "device.serial": "0018",
    "device.site": "s-2",
    "device.position": "cellar",
    "device.start": "2026-03-02T00:00:00Z",
    "device.sensor": {"make": "Maker", "model": "S-100", "serial": "B-18"},
    "device.sensor.make": "Other",
    "device.sensor.model": "S-200",
    "device.sensor.serial": "B-18",
    "device.sensor.calibrated_at": "2026-05-01T00:00:00Z",
    "device.sensor.calibration": "zero air",
    "device.sensor.from": "2026-05-01T00:00:00Z",
    "mapping.devices": ["sw1", "sw2"],
    "mapping.property": "pm10",
    "mapping.unit": "ug/m3",
    "mapping.role": "reference",
    "mapping.result_type": "boolean",
    "mapping.every": 600,
    "mapping.stamp": "end",
    "mapping.text": True,
    "mapping.decimal": ",",
    "mapping.thousands": "'",
    "mapping.with_unit": True,
    "mapping.true": ["on"],
    "mapping.false": ["off"],
    "mapping.missing": [-1],
    "mapping.ignore": True,
    "mapping.health": "battery",
    "mapping.time": "iso",
    "mapping.zone": "Europe/Paris",
    "mapping.time_field": "at",
    "mapping.expect": ["C"],
    "mapping.scale": 2.5,
    "mapping.offset": 1.5,
    "mapping.remove": True,
    "network_server.kind": "things_stack",
    "network_address.network_server": "lora2",
    "network_address.device": "sw2",
    "network_address.trial": "t2",
}
"""Another value for each field that is no part of the entry's name."""
NAMES = {"code", "login", "address", "field"}
IDENTITY = {"device.trial", "mapping.trial", "mapping.field"}


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value if re.fullmatch(r"\d{4}-\d\d-\d\dT\S+Z", value) else f'"{value}"'
    return str(value)


def write(path: Path, tables: dict[str, list[dict[str, Any]]]) -> str:
    path.write_text(
        "\n".join(
            f"[[{table}]]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in entry.items())
            for table, entries in tables.items()
            for entry in entries
        ),
        "utf-8",
    )
    return str(path)


def edited(name: str, value: Any) -> dict[str, list[dict[str, Any]]]:
    table, *keys = name.split(".")
    entry = dict(WHOLE[table][0])
    if len(keys) == 2:
        entry[keys[0]] = {**entry[keys[0]], keys[1]: value}
    else:
        entry[keys[0]] = value
    return {**WHOLE, table: [entry, *WHOLE[table][1:]]}


def content(conn: Connection) -> dict[str, list[str]]:
    """Every row of the catalogue."""
    tables = (
        "organisation person site observed_property need trial device sensor deployment mapping datastream "
    )
    tables += "network_server network_address"
    found = {
        table: [line for (line,) in conn.execute(f"SELECT x::text FROM {table} x ORDER BY 1".encode())]
        for table in tables.split()
    }
    conn.rollback()
    found["mapping"] = [line.partition(",")[2] for line in found["mapping"]]  # its numbers are new each time
    return found


@pytest.fixture(scope="module")
def entered(
    database_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Name of a database in which `WHOLE` has been entered; nobody is connected to it."""
    with clone(database_server, migrated_template) as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("INSITU_DATABASE_URL", url)
        environment.setenv("INSITU_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        call("register", write(tmp_path_factory.mktemp("entered") / "1.toml", WHOLE))
        yield conninfo_to_dict(url)["dbname"]


@pytest.fixture
def database_url(request: pytest.FixtureRequest, database_server: str) -> Iterator[str]:
    """Tests of one `edit` each begin where `WHOLE` has been entered, the others with nothing."""
    template = "entered" if "edit" in request.fixturenames else "migrated_template"
    with clone(database_server, request.getfixturevalue(template)) as url:
        yield url


def test_every_field_of_every_table_has_an_edit() -> None:
    """A new field needs its edit here."""
    for table, entries in Registration.model_fields.items():
        if table in ("datastream", "topic"):
            continue  # below, and in tests/ingest/test_fixed_topics.py
        (kind,) = entries.annotation.__args__  # type: ignore[union-attr]
        named = {f"{table}.{name}" for name in kind.model_fields if name not in NAMES} - IDENTITY
        assert named <= set(EDITED), named - set(EDITED)


def test_what_is_entered_again_is_there(conn: Connection, told_here: Told, tmp_path: Path) -> None:
    path = write(tmp_path / "1.toml", WHOLE)
    told_here("register", path)
    before, lines = content(conn), len(audit(conn))
    conn.rollback()
    again = told_here("register", path)
    assert set(re.findall(r"^\w+", again, re.MULTILINE)) == {"there"}
    assert content(conn) == before
    assert len(audit(conn)) == lines


@pytest.mark.parametrize("edit", EDITED)
def test_an_edited_field_is_changed_or_refused_with_what_differs(
    conn: Connection, told_here: Told, tmp_path: Path, edit: str
) -> None:
    """`WHOLE` has been entered."""
    before, lines = content(conn), len(audit(conn))
    conn.rollback()
    after = write(tmp_path / "2.toml", edited(edit, EDITED[edit]))
    said, refused = "", ""
    try:
        said = told_here("register", after)
    except (CorrectInput, NotFound) as error:
        refused = str(error)
    if refused:
        assert content(conn) == before
        assert len(audit(conn)) == lines
        key = edit.split(".")[-1]
        shown = {"site": "place", "position": "place", "sensor": "serial", "averaging_scale": "scale"}
        shown |= dict.fromkeys(("ignore", "health", "time", "expect"), "is no result")
        told_of = (shown.get(key, key), "one address is one device", "'t2' has no device 'sw1'")
        assert any(part in refused for part in told_of), refused
    else:
        assert content(conn) != before, said
        assert re.search("changed|entered|removed", said), said
        assert len(audit(conn)) > lines
        conn.rollback()
        told_here("register", after)
    conn.rollback()
    assert audit_problem(conn) is None


CORRECTIONS = [name for name in EDITED if name.startswith("device.sensor.") and not name.endswith("from")]
CORRECTIONS += ["device.model", "device.serial", "device.site", "device.position"]


@pytest.mark.parametrize("edit", CORRECTIONS)
def test_what_reports_tell_of_is_corrected_with_a_reason_only(
    conn: Connection, told_here: Told, tmp_path: Path, edit: str
) -> None:
    """`WHOLE` has been entered."""
    after = write(tmp_path / "2.toml", edited(edit, EDITED[edit]))
    with pytest.raises(CorrectInput, match=r"was .* is "):
        told_here("register", after)
    said = told_here("register", after, "--reason", "misread the label")
    assert "changed device t1/sw1: " in said
    assert audit(conn)[-1].detail["reason"] == "misread the label"
    conn.rollback()
    assert "there   device t1/sw1" in told_here("register", after)


def test_a_sensor_that_is_changed_in_place_has_its_interval_and_its_datastreams_go_on(
    conn: Connection, told_here: Told, tmp_path: Path
) -> None:
    path = write(tmp_path / "1.toml", WHOLE)
    told_here("register", path)
    with pytest.raises(CorrectInput, match=r"sensor.serial was 'A-17', is 'B-18'"):
        told_here("register", write(tmp_path / "2.toml", edited("device.sensor.serial", "B-18")))
    changed = {**WHOLE["device"][0]["sensor"], "serial": "B-18", "from": "2026-05-02T00:00:00Z"}
    two = write(tmp_path / "2.toml", edited("device.sensor", changed))
    assert "from 2026-05-02 00:00 UTC" in told_here("register", two)
    told_here(
        "sensor", "t1", "sw1", "--calibrated-at", "2026-06-01", "--at", "2026-06-02", "--reason", "yearly"
    )
    found = [
        (
            one.serial,
            f"{one.calibrated_at:%m-%d}",
            one.start and f"{one.start:%m-%d}",
            one.end and f"{one.end:%m-%d}",
        )
        for one in list_trial_sensors(conn, "t1")
    ]
    assert found == [
        ("A-17", "02-01", None, "05-02"),
        ("B-18", "02-01", "05-02", "06-02"),
        ("B-18", "06-01", "06-02", None),
    ]
    (stream,) = list_datastreams(conn, "t1")
    assert (stream.sensor_serial, stream.calibrated_at and stream.calibrated_at.month) == ("B-18", 6)
    conn.rollback()
    for file in (path, two):
        assert "there   device t1/sw1" in told_here("register", file)
    with pytest.raises(CorrectInput, match="can only come later"):
        told_here("sensor", "t1", "sw1", "--serial", "C-1", "--at", "2026-06-01", "--reason", "r")
    told_here("sensor", "t1", "sw1", "--serial", "B-81", "--correct", "--reason", "misread")
    assert [one.serial for one in list_trial_sensors(conn, "t1")] == ["A-17", "B-18", "B-81"]
    assert [line.action for line in audit(conn)][-3:] == ["change device", "change sensor", "correct sensor"]


def test_a_later_start_elsewhere_is_a_move(conn: Connection, told_here: Told, tmp_path: Path) -> None:
    told_here("register", write(tmp_path / "1.toml", WHOLE))
    moved = edited("device.site", "s-2")
    moved["device"][0] |= {"start": "2026-04-01T00:00:00Z"}
    path = write(tmp_path / "2.toml", moved)
    assert "place was s-1, roof" in told_here("register", path)
    stays = [one for one in list_deployments(conn, "t1") if one.device == "sw1"]
    assert [(one.site, one.end is None) for one in stays] == [("s-1", False), ("s-2", True)]
    conn.rollback()
    assert "there   device t1/sw1" in told_here("register", path)


def test_a_datastream_that_is_edited_changes_what_is_stated_only(
    conn: Connection, told_here: Told, tmp_path: Path
) -> None:
    told_here("register", write(tmp_path / "1.toml", {**WHOLE, "mapping": []}))
    told_here("register", write(tmp_path / "0.toml", {}))
    conn.execute(
        "INSERT INTO datastream (device_id, property_id, name, unit, role) SELECT device_id, "
        "property_id, 'x', 'ug/m3', "
        "'candidate' FROM device, observed_property p WHERE device.code = 'sw1' AND p.code = 'pm25'"
    )
    conn.commit()
    entry = {"trial": "t1", "device": "sw1", "field": "x", "every": 900, "stamp": "end"}
    told_here("register", write(tmp_path / "2.toml", {"datastream": [entry]}))
    del entry["stamp"]
    assert "there   datastream t1/sw1/x" in told_here(
        "register", write(tmp_path / "2.toml", {"datastream": [entry]})
    )
    said = told_here("register", write(tmp_path / "2.toml", {"datastream": [{**entry, "every": 600}]}))
    assert "every was PT15M, is PT10M" in said
    assert str(list_datastreams(conn, "t1")[0].stamp) == "end"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("trial.time_zone", "Europe/Pariss", "is not a time zone"),
        ("trial.time_zone", "Europe", "is not a time zone"),
        ("trial.title", {"de": "Versuch"}, "trial.0.title"),
        ("trial.evaluator", "nobody", "nobody"),
        ("trial.need", "nothing", "nothing"),
        ("person.language", "de", "person.0.language"),
        ("property.unit", "grams", "property.0"),
        ("mapping.unit", "mg/l/l", "pm2_5"),
        ("site.latitude", 91, "site.0.latitude"),
        ("site.name", "", "site.0.name"),
        ("site.name", "a\\u0000b", "control characters"),
    ],
)
def test_a_wrong_value_is_refused_at_entry(
    conn: Connection, told_here: Told, tmp_path: Path, name: str, value: Any, said: str
) -> None:
    path = write(tmp_path / "1.toml", edited(name, value))
    with pytest.raises(Exception, match=re.escape(said)):
        told_here("register", path)
    assert conn.execute("SELECT count(*) FROM organisation").fetchone() == (0,)
    told_here("register", write(tmp_path / "2.toml", WHOLE))
    with pytest.raises(Exception, match=re.escape(said)):
        told_here("register", path)


def test_half_a_place_on_the_map_is_refused(tmp_path: Path) -> None:
    tables = {"site": [{"code": "s", "host": "h", "name": "S", "latitude": 48.5}]}
    with pytest.raises(CorrectInput, match="give both, or none"):
        read_registration(Path(write(tmp_path / "1.toml", tables)))


def test_a_sensor_change_that_was_entered_wrongly_is_corrected_with_a_reason(
    conn: Connection, told_here: Told, tmp_path: Path
) -> None:
    path = write(tmp_path / "1.toml", WHOLE)
    told_here("register", path)
    for serial, at in (("B-18", "2026-05-02T09:00"), ("C-19", "2026-06-02T09:00")):
        told_here("sensor", "t1", "sw1", "--serial", serial, "--at", at, "--reason", "replaced")
    said = told_here("sensor", "t1", "sw1", "--correct", "--at", "2026-06-03T09:00", "--reason", "logbook")
    assert "C-19, since 2026-06-03 09:00 UTC" in said
    assert "B-18, since 2026-05-02 09:00 UTC until 2026-06-03 09:00 UTC" in said
    earlier = ("--correct", "--there-at", "2026-05-10", "--reason", "label")
    told_here(
        "sensor",
        "t1",
        "sw1",
        *earlier,
        "--serial",
        "B-81",
        "--calibrated-at",
        "2026-04-01",
        "--at",
        "2026-05-03",
    )
    found = [(one.serial, one.start and f"{one.start:%m-%d}") for one in list_trial_sensors(conn, "t1")]
    assert found == [("A-17", None), ("B-81", "05-03"), ("C-19", "06-03")]
    assert audit(conn)[-1].detail["changes"] == [
        "sensor.serial was 'B-18', is 'B-81'",
        "sensor.calibrated_at was nothing, is 2026-04-01 00:00 UTC",
        "sensor.from was 2026-05-02 09:00 UTC, is 2026-05-03 00:00 UTC",
    ]
    conn.rollback()
    for wrong, why in (
        (("--at", "2026-05-02", "--correct"), "is outside"),
        (("--at", "2026-06-04", *earlier[:3]), "is outside"),
        (("--at", "2026-03-04", "--correct", "--there-at", "2026-03-05"), "from the device's beginning"),
        (("--at", "2199-03-04", "--serial", "D-1"), "in the future"),
        (("--at", "2026-06-03T09:00", "--correct"), "has that entry already"),
        (("--serial", "D-1", "--there-at", "2026-03-05"), "say --correct too"),
    ):
        with pytest.raises(CorrectInput, match=why):
            told_here("sensor", "t1", "sw1", *wrong, "--reason", "r")


def test_the_present_sensor_with_another_from_is_no_second_sensor(
    conn: Connection, told_here: Told, tmp_path: Path
) -> None:
    told_here("register", write(tmp_path / "1.toml", WHOLE))
    changed = {**WHOLE["device"][0]["sensor"], "serial": "B-18", "from": "2026-05-02T00:00:00Z"}
    told_here("register", write(tmp_path / "2.toml", edited("device.sensor", changed)))
    moved = write(tmp_path / "3.toml", edited("device.sensor", {**changed, "from": "2026-05-03T00:00:00Z"}))
    with pytest.raises(CorrectInput, match=r"sensor.from was 2026-05-02 00:00 UTC, is 2026-05-03"):
        told_here("register", moved)
    told_here("register", moved, "--reason", "misread the logbook")
    found = [(one.serial, one.start and one.start.day) for one in list_trial_sensors(conn, "t1")]
    assert found == [("A-17", None), ("B-18", 3)]
