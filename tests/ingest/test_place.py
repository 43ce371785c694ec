"""Finds the datastream and unit of a reading: by its source where two sources have the same field, by factors
from the snapshot.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from insitu.model import AveragingScale, Message
from store import ledger
from store.catalogue.properties import add_property
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.mapping import new_mapping
from store.mappings import replace_mappings
from store.read.refused import list_rejects
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_batch import T0, ingest, message

T0_S = T0 / 1e6


@pytest.fixture
def trial(conn: Connection, catalogue: SmallTrial) -> Connection:
    """Device `a` also has `t` in Cel, `air.value` and `water.value`, `p` sent in Pa and kept in hPa, `level`
    in dB.
    """
    for code, unit in (("temp", "Cel"), ("pressure", "hPa"), ("laeq", "dB")):
        scale = AveragingScale.ENERGETIC if unit == "dB" else None
        add_property(conn, code=code, name={"en": code}, unit=unit, averaging_scale=scale)
    mapped = (
        ("t", "temp", "Cel"),
        ("air.value", "temp", "Cel"),
        ("water.value", "temp", "Cel"),
        ("p", "pressure", "Pa"),
        ("level", "laeq", "dB"),
    )
    replace_mappings(
        conn, "t", [new_mapping(conn, field=f, property=p, unit=u, devices="a") for f, p, u in mapped]
    )
    conn.commit()
    return conn


def pack(*records: dict[str, Any]) -> Message:
    return message([{"bn": "urn:dev:x:", "bt": T0_S, **records[0]}, *records[1:]], suffix="senml")


def stored(conn: Connection) -> dict[str, float]:
    found = conn.execute(
        "SELECT name, result FROM observation JOIN datastream USING (datastream_id)"
    ).fetchall()
    return dict(found)


@pytest.mark.parametrize(
    ("record", "field", "result"),
    [
        ({"n": "t", "u": "Cel", "v": 21.5}, "t", 21.5),
        ({"n": "t", "v": 21.5}, "t", 21.5),
        ({"n": "t", "u": "K", "v": 294.65}, "t", 21.5),
        ({"n": "p", "v": 101_325}, "p", 1013.25),
        ({"n": "p", "u": "Pa", "v": 101_325}, "p", 1013.25),
        ({"n": "p", "u": "hPa", "v": 1013.25}, "p", 1013.25),
        ({"n": "p", "u": "bar", "v": 1.01325}, "p", 1013.25),
        ({"n": "level", "u": "dB", "v": 61.5}, "level", 61.5),
        ({"n": "fan", "u": "/", "vb": True}, "fan", 1.0),
    ],
)
def test_a_pack_may_say_any_unit_that_has_a_factor(
    trial: Connection, record: dict[str, Any], field: str, result: float
) -> None:
    assert ingest(trial, [pack(record)]).stored == 1
    assert stored(trial) == {field: pytest.approx(result, rel=1e-14)}


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (
            {"n": "t", "u": "%RH", "v": 45},
            "'t' came in '%'; the datastream takes it in 'Cel' or in one of K, [degF].",
        ),
        (
            {"n": "t", "u": "furlong", "v": 45},
            "'t' came in 'furlong'; the datastream takes it in 'Cel' or in one of K, [degF].",
        ),
        ({"n": "level", "u": "dBW", "v": 45}, "'level' came in 'dB[W]'; the datastream takes it in 'dB'."),
    ],
)
def test_a_unit_without_a_factor_refuses_that_result_only(
    trial: Connection, record: dict[str, Any], says: str
) -> None:
    outcome = ingest(trial, [pack(record, {"n": "p", "v": 101_325})])
    assert (outcome.stored, outcome.refused) == (1, 1)
    (reject,) = list_rejects(trial, ["t"])
    assert (reject.reason, reject.detail) == ("unit_mismatch", says)
    assert ledger.recount(trial) == []


@pytest.mark.parametrize(
    ("field", "number"),
    [("t", "1e400"), ("t", "NaN"), ("t", "9" * 320), ("huge", "1e308"), ("huge", "9" * 308)],
)
def test_what_is_no_finite_number_before_or_after_the_factor_is_refused(
    trial: Connection, field: str, number: str
) -> None:
    replace_mappings(trial, "t", [new_mapping(trial, field="huge", property="pressure", unit="bar")])
    trial.commit()
    ingest(trial, [message(f'{{"results":{{"{field}":{number}}}}}'.encode())])
    assert stored(trial) == {}
    assert [reject.reason for reject in list_rejects(trial, ["t"])] == ["not_finite"]


def test_a_base_unit_holds_until_a_record_names_its_own(trial: Connection) -> None:
    ingest(
        trial,
        [
            message(
                [{"bn": "x:", "bu": "K", "bt": T0_S, "n": "t", "v": 300}, {"n": "p", "u": "hPa", "v": 1000}],
                suffix="senml",
            )
        ],
    )
    assert stored(trial) == {"t": pytest.approx(26.85), "p": 1000.0}


def test_two_sources_of_one_field_are_told_apart_and_an_unnamed_one_is_explained(trial: Connection) -> None:
    stamp = T0 * 1000
    lines = f"air value=21 {stamp}\nwater value=9 {stamp}\nsoil value=4 {stamp}\nanything pm25=7 {stamp}\n"
    outcome = ingest(trial, [message(lines.encode(), suffix="influx")])
    assert stored(trial) == {"air.value": 21.0, "water.value": 9.0, "pm25": 7.0}
    assert outcome.refused == 1
    (reject,) = list_rejects(trial, ["t"])
    assert "'value' or 'soil.value'" in reject.detail


def test_a_name_in_full_goes_before_the_field_alone(trial: Connection) -> None:
    replace_mappings(
        trial,
        "t",
        [new_mapping(trial, field=f, property="temp", devices="b") for f in ("value", "urn:dev:roof.value")],
    )
    records = [
        {"bn": "urn:dev:roof:", "bt": T0_S, "n": "value", "v": 1},
        {"bn": "urn:dev:cellar:", "n": "value", "v": 2},
    ]
    ingest(trial, [message(records, suffix="senml", device="b")])
    assert stored(trial) == {"urn:dev:roof.value": 1.0, "value": 2.0}


def interval(conn: Connection, name: str = "t") -> tuple[float | None, bool]:
    stream = load_snapshot(conn).devices["t", "a"].datastreams[name]
    return (None if stream.interval_us is None else stream.interval_us / 1e6, stream.interval_declared)


def test_how_often_a_device_says_it_measures_is_kept_where_nobody_declared_it(trial: Connection) -> None:
    version = load_snapshot(trial).version
    ingest(trial, [pack({"n": "t", "v": 20, "ut": 60}, {"n": "p", "v": 1e5})])
    assert interval(trial) == interval(trial, "p") == (60.0, False)
    assert load_snapshot(trial).version == version + 1
    for n, every in enumerate((60, 66, 54)):  # within 10 %: no change, and no catalogue to read again
        ingest(trial, [pack({"n": "t", "t": n - 10, "v": 20, "ut": every})])
    assert load_snapshot(trial).version == version + 1
    ingest(trial, [pack({"n": "t", "t": -20, "v": 20, "ut": 67})])
    assert interval(trial) == (67.0, False)
    ingest(trial, [pack({"n": "pm25", "v": 20, "ut": 5})])
    assert interval(trial, "pm25") == (900.0, True)


@pytest.mark.parametrize("ut", [0, -60, 1e12, float("nan"), float("inf"), 10**399])
def test_an_interval_without_meaning_says_nothing(trial: Connection, ut: float) -> None:
    assert ingest(trial, [pack({"n": "t", "v": 20, "ut": ut})]).stored == 1
    assert interval(trial) == (None, False)


def sent(device_time_s: float, received_s: float, *, n: int = 1) -> Message:
    """`n` results, one a minute, with the newest last or, if n is negative, first."""
    newest = T0_S + device_time_s
    times = [newest - 60 * i for i in range(abs(n))][:: 1 if n < 0 else -1]
    return message(
        [{"time": t, "results": {"pm25": 1.0}} for t in times], at=round((T0_S + received_s) * 1e6)
    )


def offset(conn: Connection) -> float:
    (found,) = conn.execute("SELECT clock_offset FROM device_contact").fetchone() or (None,)
    assert found is not None
    return float(found)


HOUR = 3600.0


def test_a_clock_that_is_behind_or_ahead_is_measured_by_the_quickest_message(trial: Connection) -> None:
    """The clock is 12 s behind; the way takes between 0.2 s and 40 s."""
    for minute, delay in enumerate((40.0, 0.2, 7.0, 13.0)):
        ingest(trial, [sent(60 * minute, 60 * minute + 12 + delay)])
    assert offset(trial) == pytest.approx(-12.2)
    ingest(trial, [sent(600 + 95, 600 + 0.2)])
    assert offset(trial) == pytest.approx(94.8)


def test_a_backlog_is_no_slow_clock(trial: Connection) -> None:
    """One message in time, then two days of silence, then for five hours the backlog, oldest first."""
    ingest(trial, [sent(0, 0.5)])
    for step in range(24):
        ingest(trial, [sent((1 + 2 * step) * HOUR, 49 * HOUR + step * 780.0, n=3)])
        assert offset(trial) == pytest.approx(-0.5)
    ingest(trial, [sent(54.5 * HOUR, 54.5 * HOUR + 1.5)])
    assert offset(trial) == pytest.approx(-0.5)


def test_the_newest_result_of_a_message_counts_whatever_its_order(trial: Connection) -> None:
    for messages in ([sent(0, 2.0, n=30)], [sent(-7200, 5.0), sent(60, 63.0, n=-30), sent(-3600, 64.0)]):
        ingest(trial, messages)
        assert offset(trial) == pytest.approx(-2.0)


def test_a_clock_that_was_set_right_is_seen_to_be_right_within_half_a_day(trial: Connection) -> None:
    ingest(trial, [sent(500, 0.0)])
    for hour in range(1, 13):
        ingest(trial, [sent(hour * HOUR, hour * HOUR + 1)])
    assert offset(trial) == pytest.approx(-1.0)


def test_a_clock_that_loses_time_is_seen_within_half_a_day(trial: Connection) -> None:
    ingest(trial, [sent(0, 0.5)])
    for hour in range(1, 13):
        ingest(trial, [sent(hour * HOUR - 400, hour * HOUR + 0.5)])
    assert offset(trial) == pytest.approx(-400.5)


def test_a_message_without_time_says_nothing_of_the_clock(trial: Connection) -> None:
    ingest(
        trial,
        [
            sent(0, 0.5),
            message({"results": {"pm25": 2.0}}, at=T0 + 7 * 3_600_000_000),
            message(json.dumps({"battery": 3}).encode(), suffix="status"),
        ],
    )
    assert offset(trial) == pytest.approx(-0.5)
