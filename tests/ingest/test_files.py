"""Files of loggers and spreadsheets: what is understood, what becomes of each row, and what running it again changes."""

from __future__ import annotations

import csv
import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.files.layout import understand
from ingest.files.load import Loader, Summary, fingerprint
from ingest.files.mapping import make_map
from ingest.http import ingest_payload
from ingest.replay import replay
from insitu.clock import SYSTEM
from insitu.errors import CorrectInput
from insitu.model import DatastreamRole
from store import catalogue as store_catalogue
from store.access import audit, audit_problem
from store.catalogue import snapshot
from store.corrections import Correction, corrections
from store.database import Connection
from store.ledger import recount, reject_rows
from store.times import to_us
from tests.fix_catalogue import START, SmallTrial
from tests.stack import Stack, stamp
from tests.test_cli import INSITU, complaint, run

Load = Callable[..., Summary]
NOON = "2026-03-02T12:00:00Z"


@pytest.fixture
def load(conn: Connection, catalogue: SmallTrial, tmp_path: Path) -> Load:
    """load(content, said…) writes a file and imports it for device `a`."""

    def run(content: str | bytes | Path, *, name: str = "x.csv", reason: str = "", dry: bool = False, **said: Any) -> Summary:
        path = content if isinstance(content, Path) else tmp_path / name
        if not isinstance(content, Path):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        given = {"trial": "t", **({} if "device_column" in said or "device" in said else {"device": "a"}), **said}
        layout = understand(path, make_map({k: v for k, v in given.items() if v is not None}, source="test"), snapshot(conn))
        correction = Correction("t", "lab", reason, path.name, fingerprint(path)) if reason else None
        loader = Loader(conn, layout, clock=SYSTEM, dry=dry, correction=correction)
        summary = loader.run(lambda done, so_far: None)
        assert recount(conn) == []
        return summary

    return run


def stored(conn: Connection, stream: int) -> list[tuple[str, float]]:
    found = conn.execute(
        "SELECT phenomenon_time, result FROM observation WHERE datastream_id = %s ORDER BY 1", (stream,)
    ).fetchall()
    conn.rollback()
    return [(at.astimezone(UTC).isoformat()[:-6], result) for at, result in found]


def reasons(summary: Summary) -> dict[str, tuple[int, int, int]]:
    """Reason → (rows, results, first row)."""
    return {str(reason): (found.rows, found.results, found.first_row) for reason, found in summary.refused.items()}


def deploy_since(conn: Connection, device_id: int, start: datetime) -> None:
    conn.execute("UPDATE deployment SET period = tstzrange(%s, NULL) WHERE device_id = %s", (start, device_id))
    conn.execute("UPDATE device SET name = name")  # the catalogue moves
    conn.commit()


# -- what is understood ----------------------------------------------------------------------------------------------------


def test_a_wide_file_is_understood_from_its_header(conn: Connection, catalogue: SmallTrial, load: Load) -> None:
    done = load(f"Time,PM25 (µg/m3),fan,battery\n{NOON},12.5,1,80\n2026-03-02T12:15:00+01:00,13,false,79\n")
    assert (done.rows, done.contained, done.stored, done.refused) == (2, 4, 4, {})
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == [("2026-03-02T11:15:00", 13.0), ("2026-03-02T12:00:00", 12.5)]
    assert stored(conn, catalogue.datastreams["a", "fan"]) == [("2026-03-02T11:15:00", 0.0), ("2026-03-02T12:00:00", 1.0)]


def test_what_was_understood_is_said_before_anything_is_written(conn: Connection, catalogue: SmallTrial, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("date;heure;pm25;lux\n02/03/2026;12:00;1,5;3\n25/03/2026;12:00;;\n", "utf-8")
    said = make_map({"trial": "t", "device": "a", "zone": "Europe/Paris"}, source="test")
    text = "\n".join(understand(path, said, snapshot(conn)).sentences)
    for part in (
        "semicolon",
        "line 1",
        "date and heure, %d/%m/%Y %H:%M",
        "Europe/Paris",
        "pm25 → a/pm25",
        "comma",
        "left out   lux",
    ):
        assert part in text


def test_a_long_file_has_a_row_for_each_result_and_may_name_its_devices(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    rows = [f"{NOON},a,pm25,1.5", f"{NOON},b,pm25,2.5", f"{NOON},b,fan,TRUE", f"{NOON},a,nox,1", f"{NOON},z,pm25,1"]
    done = load("time,device,property,value\n" + "\n".join(rows) + "\n", device=None)
    assert (done.rows, done.stored) == (5, 3)
    assert reasons(done) == {"unknown_property": (1, 1, 5), "unknown_device": (1, 0, 6)}
    assert stored(conn, catalogue.datastreams["b", "fan"]) == [("2026-03-02T12:00:00", 1.0)]


def test_the_habits_of_a_spreadsheet_are_read(conn: Connection, catalogue: SmallTrial, load: Load) -> None:
    lines = [
        "Station logger;;", "Serial;4711;", "Date;Heure;Température;pm25;", ";;°C;µg/m3;", '13/03/2026;00:15;20,5;"1,25";',
        "13/03/2026;00:30;20,5;;", "13/03/2026;00:45;20,5;NA;", "13/03/2026;01:00;20,5;-;", "13/03/2026;01:15;20,5;+7;", ";;;;", "", "",
    ]  # fmt: skip
    text = "\r\n".join(lines)
    for encoding in ("utf-8-sig", "cp1252", "utf-16"):
        said = {"encoding": "cp1252"} if encoding == "cp1252" else {}
        done = load(text.encode(encoding), skip_lines=2, units_row=True, zone="Europe/Paris", **said)
        assert (done.rows, done.empty, done.contained, done.refused) == (5, 3, 2, {}), encoding
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == [("2026-03-12T23:15:00", 1.25), ("2026-03-13T00:15:00", 7.0)]


@pytest.mark.parametrize(
    ("content", "said", "says"),
    [
        ("time,pm25\n2026-03-02 12:00,1\n", {}, "--zone"),
        ("time,pm25\n2026-03-02 12:00,1\n", {"zone": "Europe/Pari"}, "Europe/Pari"),
        ("time,pm25\n03/04/2026 12:00,1\n", {"zone": "UTC"}, "--time-format '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'"),
        ("time,pm25\nyesterday,1\n", {}, "yesterday"),
        (f"time,lux\n{NOON},1\n", {}, "--map"),
        (f"when,pm25\n{NOON},1\n", {}, "--time-column"),
        (f"time,pm25\n{NOON},1\n", {"columns": {"lux": "pm25"}}, "'lux'"),
        (f"time,lux\n{NOON},1\n", {"columns": {"lux": "nox"}}, "fan, pm25"),
        (f"time,lux\n{NOON},1\n", {"columns": {"lux": "z/pm25"}}, "'z'"),
        (f"time,pm25\n{NOON},1\n", {"device": None}, "--device"),
        (f"time,pm25\n{NOON},1\n", {"trial": "nowhere"}, "nowhere"),
        (f'time;pm25\n{NOON};"1,5"\n{NOON};1.5\n', {}, "--decimal"),
        ("one column\n", {}, "--delimiter"),
        ("\n", {}, "--skip-lines"),
        ("time,température\n".encode("cp1252"), {}, "--encoding"),
        (f"time,pm25,pm25\n{NOON},1,2\n", {}, "more than one column"),
        (b"PAR1 nonsense", {}, "Parquet"),
    ],
)
def test_what_cannot_be_understood_is_asked_for_and_nothing_is_written(
    conn: Connection, load: Load, content: str | bytes, said: dict[str, Any], says: str
) -> None:
    with pytest.raises(CorrectInput, match=r"\S") as asked:
        load(content, **said)
    assert says in str(asked.value)
    assert conn.execute("SELECT count(*) FROM ledger").fetchone() == (0,)


def test_a_column_is_for_another_device_where_the_map_says_so(conn: Connection, catalogue: SmallTrial, load: Load) -> None:
    done = load(f"time,one,two\n{NOON},1,2\n", device=None, columns={"one": "a/pm25", "two": "b/pm25"})
    assert (done.rows, done.stored) == (1, 2)
    assert [stored(conn, catalogue.datastreams[d, "pm25"])[0][1] for d in "ab"] == [1.0, 2.0]


# -- local time --------------------------------------------------------------------------------------------------------------


def local(times: list[str]) -> str:
    return "time,pm25\n" + "".join(f"{time},{number}\n" for number, time in enumerate(times))


def test_a_local_time_that_the_clocks_skipped_is_refused_with_its_row(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    done = load(local(["2026-03-29 01:45", "2026-03-29 02:00", "2026-03-29 02:59:59", "2026-03-29 03:00"]), zone="Europe/Paris")
    assert reasons(done) == {"invalid_shape": (2, 0, 3)}
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == [("2026-03-29T00:45:00", 0.0), ("2026-03-29T01:00:00", 3.0)]
    kept = reject_rows(conn, trials=["t"])
    assert {
        ("x.csv, row 3" in r.detail or "x.csv, row 4" in r.detail) and "does not exist in Europe/Paris" in r.detail for r in kept
    } == {True}
    assert b'"2026-03-29T02:00:00"' in kept[-1].payload


HOUR = ["2025-10-26 02:00", "2025-10-26 02:30"]
SUMMER, WINTER = ["2025-10-26T00:00:00", "2025-10-26T00:30:00"], ["2025-10-26T01:00:00", "2025-10-26T01:30:00"]
BEFORE, AFTER = "2025-10-26 01:30", "2025-10-26 03:00"


@pytest.mark.parametrize(
    ("times", "read"),
    [
        ([BEFORE, *HOUR, *HOUR, AFTER], [*SUMMER, *WINTER]),
        ([*HOUR, *HOUR], [*SUMMER, *WINTER]),
        ([BEFORE, HOUR[0], HOUR[0], AFTER], [SUMMER[0], WINTER[0]]),
        ([AFTER, *HOUR[::-1], *HOUR[::-1], BEFORE], [*WINTER[::-1], *SUMMER[::-1]]),
        ([BEFORE, *HOUR, AFTER], None),
        ([BEFORE, *HOUR, *HOUR, *HOUR, AFTER], None),
        ([BEFORE, *HOUR, *HOUR[::-1], AFTER], None),
        ([AFTER, *HOUR, *HOUR, "2025-10-26 03:30"], None),
        ([HOUR[0], HOUR[0]], None),
    ],
)
def test_the_hour_that_comes_twice_is_told_apart_by_the_order_or_refused(
    conn: Connection, catalogue: SmallTrial, load: Load, times: list[str], read: list[str] | None
) -> None:
    deploy_since(conn, catalogue.devices["a"], datetime(2025, 10, 1, tzinfo=UTC))
    done = load(local(times), zone="Europe/Paris")
    found = {result: at for at, result in stored(conn, catalogue.datastreams["a", "pm25"])}
    inside = [found.get(float(number)) for number, time in enumerate(times) if time in HOUR]
    assert inside == (read or [None] * len(inside))
    assert sum(rows for rows, _, _ in reasons(done).values()) == (0 if read else len(inside))
    if read is None:
        assert "shown twice in Europe/Paris" in reject_rows(conn, trials=["t"])[0].detail


def test_each_series_of_a_file_runs_through_the_doubled_hour_by_itself(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    for device in "ab":
        deploy_since(conn, catalogue.devices[device], datetime(2025, 10, 1, tzinfo=UTC))
    rows = [f"{at},{d},{n}" for n, at in enumerate([BEFORE, *HOUR, *HOUR, AFTER]) for d in "ab"]
    done = load("time,device,pm25\n" + "\n".join(rows) + "\n", device=None, zone="Europe/Paris")
    assert (done.stored, done.refused) == (12, {})
    assert [at for at, _ in stored(conn, catalogue.datastreams["b", "pm25"])][1:5] == [*SUMMER, *WINTER]


# -- the same path -------------------------------------------------------------------------------------------------------------


def quarter_hours(n: int) -> list[str]:
    return [f"{(START + timedelta(minutes=15 * i)).isoformat()},{i}.5" for i in range(n)]


def test_a_file_that_is_imported_again_changes_nothing(conn: Connection, load: Load) -> None:
    content = "time,pm25\n" + "\n".join([*quarter_hours(9000), "nonsense,1", "2026-03-03T00:00:00Z,high"]) + "\n"
    first, second = load(content), load(content)
    assert (first.stored, first.duplicate) == (9000, 0)
    assert (second.stored, second.duplicate) == (0, 9000)
    assert reasons(first) == reasons(second) == {"invalid_shape": (1, 0, 9002), "wrong_type": (1, 1, 9003)}
    assert len(reject_rows(conn, trials=["t"])) == 2
    assert conn.execute("SELECT sum(received), sum(accepted), sum(repeated), sum(rejected) FROM ledger").fetchone() == (
        18_004, 9000, 9002, 2,
    )  # fmt: skip


def test_a_differing_result_is_a_conflict_that_names_its_row(conn: Connection, catalogue: SmallTrial, load: Load) -> None:
    load(f"time,pm25\n{NOON},1.5\n")
    done = load(f"time,pm25\n{NOON},1.5\n{NOON},2.5\n", name="later.csv")
    assert (done.duplicate, reasons(done)) == (1, {"conflicting_result": (1, 1, 3)})
    (kept,) = reject_rows(conn, trials=["t"])
    assert kept.detail.startswith("later.csv, row 3: Another result")
    assert kept.topic == "insitu/v1/t/a/obs"
    assert kept.payload == b'{"time":"2026-03-02T12:00:00Z","results":{"pm25":2.5}}'
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == [("2026-03-02T12:00:00", 1.5)]


@pytest.mark.parametrize("bad", [[0], [499], list(range(0, 500, 7))])
@pytest.mark.parametrize(
    "poison", ["31/02/2026,1", "2026-03-02T00:00:00Z", '2026-03-02T00:00:00Z,"1', "2026-03-02T00:00:00Z,1,2,3"]
)
def test_a_bad_row_costs_itself_only(conn: Connection, load: Load, bad: list[int], poison: str) -> None:
    rows = quarter_hours(500)
    for number, at in enumerate(bad):
        rows[at] = poison.replace("1", str(number + 1), 1) if poison.startswith("31") else f"{poison}{number}"
    done = load("time,pm25\n" + "\n".join(rows) + "\n")
    assert done.stored == 500 - len(bad)
    assert sum(rows for rows, _, _ in reasons(done).values()) == len(bad)
    assert {first for _, _, first in reasons(done).values()} == {bad[0] + 2}
    assert len(reject_rows(conn, trials=["t"], most=200)) == len(bad)


def test_what_was_refused_is_replayed_after_the_registration(conn: Connection, catalogue: SmallTrial, load: Load) -> None:
    content = f"time,property,result\n{NOON},nox,4\n{NOON},pm25,1\n"
    assert reasons(load(content)) == {"unknown_property": (1, 1, 2)}
    store_catalogue.add_datastream(
        conn, device_id=catalogue.devices["a"], name="nox", property="pm25", unit="1", role=DatastreamRole.CANDIDATE
    )
    conn.commit()
    assert replay(conn, clock=SYSTEM)[:2] == (1, 1)
    assert recount(conn) == []
    assert load(content).duplicate == 2


def test_a_comment_may_hold_line_ends_and_a_lost_quotation_mark_swallows_nothing(conn: Connection, load: Load) -> None:
    rows = [f'{NOON},1,"two\nlines"', '2026-03-02T12:01:00Z,"2,x', "2026-03-02T12:02:00Z,3,", '2026-03-02T12:03:00Z,4,"']
    rows += [f"{at},z" for at in quarter_hours(60)]
    done = load("time,pm25,comment\n" + "\n".join(rows) + "\n")
    assert (done.rows, done.stored, reasons(done)) == (64, 62, {"invalid_shape": (2, 0, 4)})
    assert b'\\"2,x' in reject_rows(conn, trials=["t"])[-1].payload


def test_bytes_that_are_no_text_and_odd_numbers_are_refused_by_row(conn: Connection, load: Load) -> None:
    cells = ["1e999", "0x1F", "1_000", "1 234", "1,5", "١٢", "NaNa", "=1+1"]
    rows = [f'{(START + timedelta(minutes=i)).isoformat()},"{cell}"' for i, cell in enumerate(cells)]
    done = load(("time,pm25\n" + "\n".join(rows) + "\n").encode() + b"2026-03-02T00:00:00Z,1\xb5\n", decimal=".")
    assert done.stored == 0
    assert reasons(done) == {"not_finite": (1, 1, 2), "wrong_type": (7, 7, 3), "invalid_shape": (1, 0, 10)}


def test_a_file_is_no_sign_of_life(conn: Connection, load: Load) -> None:
    load(f"time,pm25\n{NOON},1.5\n")
    assert conn.execute("SELECT count(*) FROM device_contact").fetchone() == (0,)
    assert conn.execute("SELECT unchecked_from IS NOT NULL FROM datastream_latest").fetchone() == (True,)


def test_a_dry_run_says_what_would_happen_and_writes_nothing(conn: Connection, load: Load) -> None:
    load(f"time,pm25\n{NOON},1.5\n")
    before = conn.execute("SELECT sum(received) FROM ledger").fetchone()
    content = f"time,pm25\n{NOON},2.5\n2026-03-03T12:00:00Z,3\nnonsense,4\n"
    done = load(content, dry=True)
    assert (done.stored, sorted(reasons(done))) == (1, ["conflicting_result", "invalid_shape"])
    done = load(content, dry=True, reason="swapped tubes")
    assert (done.stored, done.duplicate, done.corrected, sorted(reasons(done))) == (1, 1, 1, ["invalid_shape"])
    assert conn.execute("SELECT sum(received), (SELECT count(*) FROM observation) FROM ledger").fetchone() == (*before, 1)  # type: ignore[misc]
    assert corrections(conn, "t") == []


# -- Parquet -------------------------------------------------------------------------------------------------------------------


def test_parquet_keeps_its_types_and_its_zones(conn: Connection, catalogue: SmallTrial, load: Load, tmp_path: Path) -> None:
    at = [START + timedelta(hours=h) for h in range(6)]
    results = pa.array([1.5, None, float("nan"), float("inf"), 2.5, 3.5])
    devices = pa.array(["a", "a", "b", "b", "b", None]).dictionary_encode()
    for kind, zone in ((pa.timestamp("ns", "America/New_York"), None), (pa.timestamp("ms"), "UTC")):
        conn.execute("TRUNCATE observation, reject, ledger, ledger_reason, datastream_latest")
        conn.commit()
        given = at if zone is None else [one.replace(tzinfo=None) for one in at]
        path = tmp_path / "x.parquet"
        pq.write_table(pa.table({"time": pa.array(given, kind), "device": devices, "pm25": results}), path, row_group_size=2)
        done = load(path, device=None, zone=zone)
        assert (done.rows, done.empty, done.stored) == (6, 2, 2)
        assert reasons(done) == {"not_finite": (1, 1, 4), "unknown_device": (1, 0, 6)}
        assert stored(conn, catalogue.datastreams["b", "pm25"]) == [("2026-03-01T04:00:00", 2.5)]


def test_parquet_has_integers_decimals_booleans_and_separate_dates(
    conn: Connection, catalogue: SmallTrial, load: Load, tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    day = datetime(2026, 3, 29)  # noqa: DTZ001 - a date
    table = pa.table(
        {
            "date": pa.array([day.date()] * 3, pa.date32()),
            "time": pa.array([timedelta(hours=h) // timedelta(microseconds=1) for h in (1, 2, 4)], pa.time64("us")),
            "pm25": pa.array([Decimal("1.10"), Decimal("-2.25"), Decimal(3)], pa.decimal128(10, 2)),
            "fan": pa.array([True, False, None]),
            "n": pa.array([1, 2, 3], pa.uint8()),
        }
    )
    pq.write_table(table, path)
    done = load(path, zone="Europe/Paris")
    assert (done.stored, reasons(done)) == (3, {"invalid_shape": (1, 0, 2)})
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == [("2026-03-29T00:00:00", 1.1), ("2026-03-29T02:00:00", 3.0)]
    done = load(path, zone="UTC", columns={"n": "b/pm25", "pm25": "", "fan": ""})
    assert [result for _, result in stored(conn, catalogue.datastreams["b", "pm25"])] == [1.0, 2.0, 3.0]


# -- corrections ---------------------------------------------------------------------------------------------------------------


def test_a_correction_replaces_what_differs_keeps_what_was_and_asks_for_new_checks(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    stream = catalogue.datastreams["a", "pm25"]
    rows = quarter_hours(10)
    load("time,pm25\n" + "\n".join(rows))
    conn.execute("UPDATE observation SET flag = 1")
    conn.execute("UPDATE datastream_latest SET unchecked_from = NULL")
    conn.commit()
    changed = [row.replace(".5", ".75") if n in (3, 9) else row for n, row in enumerate(rows)]
    done = load("time,pm25\n" + "\n".join(changed), name="corrected.csv", reason="the span was wrong")
    assert (done.stored, done.duplicate, done.corrected, done.refused) == (0, 10, 2, {})
    assert [result for _, result in stored(conn, stream)] == [0.5, 1.5, 2.5, 3.75, 4.5, 5.5, 6.5, 7.5, 8.5, 9.75]
    assert conn.execute("SELECT flag, count(*) FROM observation GROUP BY 1 ORDER BY 1").fetchall() == [(1, 8), (2, 2)]
    unchecked, latest = conn.execute("SELECT unchecked_from, result FROM datastream_latest").fetchone()  # type: ignore[misc]
    assert (unchecked, latest) == (START + timedelta(minutes=45), 9.75)
    kept = corrections(conn, "t")
    assert [(c.old_result, c.new_result, c.reason, c.login, c.file) for c in kept] == [
        (9.5, 9.75, "the span was wrong", "lab", "corrected.csv"), (3.5, 3.75, "the span was wrong", "lab", "corrected.csv"),
    ]  # fmt: skip
    assert [(line.action, line.subject, line.detail["results"]) for line in audit(conn)] == [("correct", "t", 2)]
    assert audit_problem(conn) is None


def test_a_correction_that_is_run_again_changes_nothing_even_where_the_file_contradicts_itself(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    load(f"time,pm25\n{NOON},1\n")
    filling = "\n".join(quarter_hours(4100))
    content = f"time,pm25\n{NOON},2\n{filling.replace('2026-03-02T12:00:00+00:00,', '2026-06-02T12:07:00Z,')}\n{NOON},3\n"
    first = load(content, reason="r")
    second = load(content, reason="r")
    assert (first.corrected, second.corrected, second.stored) == (1, 0, 0)
    assert reasons(first) == reasons(second) == {"conflicting_result": (1, 1, 4103)}
    assert [c.new_result for c in corrections(conn, "t")] == [2.0]
    again = load(f"time,pm25\n{NOON},1\n", reason="it was right before")
    assert again.corrected == 1
    assert ("2026-03-02T12:00:00", 1.0) in stored(conn, catalogue.datastreams["a", "pm25"])


def test_checks_run_again_over_what_was_corrected_and_are_then_done(conn: Connection, catalogue: SmallTrial, load: Load) -> None:
    """What was corrected is not the newest receipt of the datastream: a row of an earlier time came later."""
    import numpy as np

    from store.observations import series
    from store.quality import save_flags, unchecked

    stream = catalogue.datastreams["a", "pm25"]
    load("time,pm25\n2026-03-05T00:00:00Z,1\n")
    load("time,pm25\n2026-03-01T00:00:00Z,1\n")
    conn.execute("UPDATE datastream_latest SET unchecked_from = NULL")
    conn.commit()
    load("time,pm25\n2026-03-05T00:00:00Z,2\n", reason="r")
    (due,) = unchecked(conn, "t")
    found = series(conn, [stream], due.unchecked_from, datetime(2200, 1, 1, tzinfo=UTC))[stream]
    newest = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(found.received_us.max()))
    save_flags(
        conn, datastream_id=stream, times_us=found.time_us, flags=np.ones(1, np.int8), by_check={}, checks=[], ran=[], parameters="{}",
        sha256="", now=START, received_before=newest,
    )  # fmt: skip
    assert to_us(due.unchecked_from) == int(found.time_us[0])
    assert unchecked(conn, "t") == []


# -- the command line, and what may end it -----------------------------------------------------------------------------------------


def york(name: str) -> Path:
    given = os.environ.get("INSITU_YORK_DIR")
    for folder in [Path(given)] if given else [parent / "shared" / "data" for parent in Path(__file__).resolve().parents]:
        if (folder / name).is_file():
            return folder / name
    pytest.skip("the York series are not here: set INSITU_YORK_DIR to the folder of york_no2_2020.csv")


@pytest.mark.york
@pytest.mark.parametrize(("name", "column"), [("york_no2_2020.csv", "T200U(a)"), ("york_no2_2021.csv", "T200U(b)")])
def test_a_published_collocation_comes_in_with_one_command(
    conn: Connection, catalogue: SmallTrial, database_url: str, name: str, column: str
) -> None:
    for device in "ab":
        deploy_since(conn, catalogue.devices[device], datetime(2020, 1, 1, tzinfo=UTC))
    path = york(name)
    command = ["import", str(path), "--trial", "t", "--map", "NO2_T500=a/pm25", "--map", f"{column}=b/pm25"]
    done = run(*command, INSITU_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    with path.open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    for device, header in (("a", "NO2_T500"), ("b", column)):
        expected = [(row["Timestamp"][:-1], float(row[header])) for row in table if row[header] not in ("", "NA")]
        assert stored(conn, catalogue.datastreams[device, "pm25"]) == expected
    again = run(*command, INSITU_DATABASE_URL=database_url)
    assert again.returncode == 0
    assert " 0 stored" in again.stdout
    assert recount(conn) == []


def big(tmp_path: Path, n: int = 20_000) -> Path:
    path = tmp_path / "big.csv"
    rows = [f"{(START + timedelta(minutes=i)).isoformat()},{i}.5" for i in range(n)]
    rows[7] = rows[7] + ",x"
    path.write_text("time,pm25\n" + "\n".join(rows) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("more", [[], ["--correct", "--reason", "r"]])
def test_an_import_that_was_killed_is_completed_by_the_same_command(
    conn: Connection, catalogue: SmallTrial, database_url: str, tmp_path: Path, load: Load, more: list[str]
) -> None:
    """With a correction, the third commit is the second batch's corrections: its merge has not happened yet."""
    deploy_since(conn, catalogue.devices["a"], START)
    load(f"time,pm25\n{START.isoformat()},0\n2026-03-04T18:40:00Z,0\n") if more else None
    command = ["import", str(big(tmp_path)), "--trial", "t", "--device", "a", *more]
    killed = run(*command, INSITU_DATABASE_URL=database_url, INSITU_FAILPOINT="before_commit:4")
    assert killed.returncode == -9
    part = conn.execute("SELECT count(*) FROM observation").fetchone()
    conn.rollback()
    assert part is not None
    assert 0 < part[0] < 19_999
    assert recount(conn) == []
    done = run(*command, INSITU_DATABASE_URL=database_url)
    assert done.returncode == 1
    assert "the first in row 9" in done.stdout
    assert conn.execute("SELECT count(*) FROM observation").fetchone() == (19_999,)
    assert conn.execute("SELECT count(*) FROM correction").fetchone() == (2 if more else 0,)
    assert conn.execute("SELECT count(*), min(topic) FROM reject").fetchone() == (1, "insitu/v1/t/a/obs")
    assert recount(conn) == []


def test_a_database_that_goes_away_is_said_and_what_is_stored_stays(
    conn: Connection, catalogue: SmallTrial, database_url: str, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [*INSITU, "import", str(big(tmp_path, 200_000)), "--trial", "t", "--device", "a"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "INSITU_DATABASE_URL": database_url},
    )  # fmt: skip
    limit = time.monotonic() + 30
    while conn.execute("SELECT count(*) FROM observation").fetchone() == (0,):
        conn.rollback()
        assert time.monotonic() < limit
        time.sleep(0.02)
    conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'insitu import'")
    conn.commit()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the same command again completes it" in said
    assert "Traceback" not in said
    assert recount(conn) == []


def test_a_map_that_is_kept_in_a_file_says_the_same_as_the_options(
    conn: Connection, catalogue: SmallTrial, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text("Tag;Zeit;Staub\n02.03.2026;12:00;1,5\n", "utf-8")
    (tmp_path / "map.toml").write_text(
        'trial = "t"\ntime_columns = ["Tag", "Zeit"]\nzone = "Europe/Paris"\n[columns]\nStaub = "b/pm25"\n', "utf-8"
    )
    command = ["import", str(tmp_path / "x.csv"), "--columns", str(tmp_path / "map.toml")]
    tried = run(*command, "--dry-run", INSITU_DATABASE_URL=database_url)
    assert "Nothing was written" in tried.stdout
    assert "Tag and Zeit, %d.%m.%Y %H:%M" in tried.stdout
    assert conn.execute("SELECT count(*) FROM ledger").fetchone() == (0,)
    conn.rollback()
    done = run(*command, "--zone", "UTC", INSITU_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    assert stored(conn, catalogue.datastreams["b", "pm25"]) == [("2026-03-02T12:00:00", 1.5)]
    (tmp_path / "map.toml").write_text('trail = "t"\n', "utf-8")
    assert "trail" in complaint(run(*command, INSITU_DATABASE_URL=database_url))
    assert "--reason" in complaint(run(*command[:2], "--trial", "t", "--correct", INSITU_DATABASE_URL=database_url))
    assert "nowhere.csv" in complaint(run("import", "nowhere.csv", "--trial", "t", INSITU_DATABASE_URL=database_url))


def test_the_same_result_by_mqtt_http_and_file_is_one_row(stack: Stack, tmp_path: Path) -> None:
    device = stack.device("t/a")
    device.send({"boot": "k", "seq": 1, "time": stamp(5), "results": {"pm25": 7.5}})
    stack.wait_for(1)
    device.close()
    answer = ingest_payload(
        stack.conn, topic="insitu/v1/t/a/obs", payload=f'{{"time": "{stamp(5)}", "results": {{"pm25": 7.5}}}}'.encode(), clock=SYSTEM
    )  # fmt: skip
    stack.conn.commit()
    assert (answer.stored, answer.duplicate) == (0, 1)
    path = tmp_path / "x.csv"
    path.write_text(f"time,pm25\n{stamp(5)},7.50\n{stamp(4)},8\n{stamp(5)},9\n", "utf-8")
    done = run("import", str(path), "--trial", "t", "--device", "a", INSITU_DATABASE_URL=stack.database_url)
    assert done.returncode == 1
    assert "1 stored, 1 there already" in done.stdout
    assert "conflicting_result: 1 results of 1 rows, the first in row 4" in done.stdout
    assert "insitu replay --trial t" in done.stderr
    assert stack.rows("SELECT result FROM observation ORDER BY 1") == [(7.5,), (8.0,)]
    assert stack.rows("SELECT sum(stored), sum(duplicate), sum(conflicting) FROM ledger") == [(2, 2, 1)]
    assert recount(stack.conn) == []
