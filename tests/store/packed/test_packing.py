"""Which results are packed, and when; what a check finds; nobody reads past the one reader."""

from __future__ import annotations

import re
import threading
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from insitu.clock import SYSTEM, Clock
from insitu.model import Observation
from insitu.times import to_datetime, to_us
from jobs.packing import Packer
from proving.faults.packed import read_packed
from store.database import Connection, connect
from store.imports import Origin, add_parts, begin_import, withdraw_import
from store.observations import count, latest_of, merge, series
from store.packed.checking import find_wrong_days
from store.packed.codec import Damaged
from store.packed.spans import spans_to_pack
from store.quality import take_turn
from store.queries import queries
from store.read.streams import count_by_day, list_streams
from tests.fix_catalogue import START, SmallTrial
from tests.store.packed.test_moments import grid, streams
from tests.store.packed.test_twins import pack_all, raw

__all__ = ["streams"]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = START + 30 * DAY
LATE = to_us(datetime(2021, 3, 2, tzinfo=UTC)) + 7
"""Between two results of `old`."""


def packed(conn: Connection) -> list[tuple[int, datetime, datetime, int]]:
    return conn.execute(
        "SELECT datastream_id, start_time AT TIME ZONE 'Europe/Paris', end_time AT TIME ZONE 'Europe/Paris', "
        "n FROM packed_day ORDER BY 1, 2"
    ).fetchall()


def test_whole_local_days_are_packed_and_the_newest_results_stay(
    conn: Connection, streams: list[int]
) -> None:
    """Four days from midnight in London: in Paris they begin at one. The last 50 results cut the fourth."""
    pack_all(conn, LATER)
    first = [row for row in packed(conn) if row[0] == streams[0]]
    assert [(start.day, start.hour, end.day, n) for _, start, end, n in first] == [
        (1, 0, 2, 92),
        (2, 0, 3, 96),
        (3, 0, 4, 96),
    ]
    assert conn.execute("SELECT count(*) FROM observation").fetchone() == (2 * 100,)


def test_days_of_23_and_25_hours_are_days(conn: Connection, catalogue: SmallTrial) -> None:
    stream = catalogue.datastreams["a", "pm25"]
    for first in (datetime(2026, 3, 27, 23, tzinfo=UTC), datetime(2026, 10, 23, 22, tzinfo=UTC)):
        start = to_us(first)
        merge(conn, [Observation(stream, start + at * 900_000_000, 1.0, start, 0) for at in range(4 * 96)])
        conn.commit()
    pack_all(conn, datetime(2026, 12, 1, tzinfo=UTC))
    assert [(start.month, start.day, n) for _, start, _, n in packed(conn)] == [
        (3, 28, 96),
        (3, 29, 92),
        (3, 30, 96),
        (3, 31, 96),
        (4, 1, 4),
        (10, 24, 96),
        (10, 25, 100),
        (10, 26, 96),
    ]


@pytest.mark.parametrize("interval", [None, HOUR])
def test_few_results_are_packed_by_month_once_it_is_over(
    conn: Connection, catalogue: SmallTrial, interval: timedelta | None
) -> None:
    stream = catalogue.datastreams["a", "pm25"]
    conn.execute("UPDATE datastream SET expected_interval = %s", (interval,))
    merge(
        conn, [Observation(stream, to_us(START + at * HOUR), 1.0, to_us(START), 0) for at in range(100 * 24)]
    )
    pack_all(conn, START + 45 * DAY)
    assert [(start.month, start.day, end.month, end.day, n) for _, start, end, n in packed(conn)] == [
        (3, 1, 4, 1, 742)
    ]


def test_spans_never_overlap_when_the_zone_changes() -> None:
    day = 86_400_000_000
    first = to_us(START)
    there = spans_to_pack(first, first + 5 * day, [], is_slow=False, zone="UTC", shift_us=0)
    more = spans_to_pack(
        first, first + 9 * day, there, is_slow=False, zone="America/New_York", shift_us=-300_000_000
    )
    assert set(there) <= set(more)
    assert all(one[1] <= other[0] for one, other in pairwise(more))
    assert more[-1][1] - more[0][0] == sum(end - start for start, end in more)


def test_a_withdrawn_import_leaves_the_latest_of_what_is_packed(
    conn: Connection, catalogue: SmallTrial
) -> None:
    """Its results were the newest 60; what is the newest now was packed."""
    stream = catalogue.datastreams["a", "pm25"]
    merge(conn, grid(stream, 4))
    conn.commit()
    number = begin_import(conn, Origin("f.csv", "lab", "t", "00"), now=LATER)
    rows = grid(stream, 5, first=4 * 96)[:60]
    merge(conn, rows, number)
    add_parts(conn, number, [stream] * 60, [to_datetime(one.time_us) for one in rows])
    conn.commit()
    pack_all(conn, LATER)
    before = [row for row in raw(conn) if row[-1] != number]
    assert conn.execute("SELECT max(end_time) > %s FROM packed_day", (START + 3.5 * DAY,)).fetchone() == (
        True,
    )
    withdraw_import(conn, number, login="lab", reason="wrong", now=LATER)
    assert raw(conn) == before
    (latest,) = latest_of(conn, [stream])
    assert to_us(latest.phenomenon_time) == grid(stream, 4)[-1].time_us
    (listed,) = [one for one in list_streams(conn, [catalogue.devices["a"]]) if one.datastream_id == stream]
    assert listed.latest_flag == 2
    assert conn.execute("SELECT count(*) >= 50 FROM observation").fetchone() == (True,)


def test_a_repeat_of_packed_results_is_a_repeat_and_unpacks_nothing(
    conn: Connection, streams: list[int]
) -> None:
    pack_all(conn, LATER)
    before, days = raw(conn), packed(conn)
    again = grid(streams[0], 4)
    merged = merge(conn, [*again, again[9]._replace(result=-1.0)])
    assert (merged.stored, len(merged.duplicate), merged.conflicting) == (0, 4 * 96, [4 * 96])
    assert (raw(conn), packed(conn)) == (before, days)


def test_a_late_result_waits_beside_its_day_and_joins_it(conn: Connection, streams: list[int]) -> None:
    pack_all(conn, LATER)
    late = Observation(streams[0], to_us(START) + 5, 7.0, to_us(LATER), 0)
    assert merge(conn, [late, late]).stored == 1
    conn.commit()
    conn.commit()
    assert len(series(conn, streams[:1], START, START + HOUR)[streams[0]].time_us) == 5
    assert pack_all(conn, LATER) == 1
    assert [n for number, *_, n in packed(conn) if number == streams[0]] == [93, 96, 96]
    assert merge(conn, [late]).duplicate == [0]


def test_local_days_are_counted_without_opening_them(
    conn: Connection, catalogue: SmallTrial, streams: list[int]
) -> None:
    """By their summaries, though their bytes are gone. The day that began before the span is left out."""
    pack_all(conn, LATER)
    conn.execute("UPDATE packed_day SET columns = ''")
    devices = list(catalogue.devices.values())
    counts = count_by_day(conn, devices, START + 2 * HOUR, LATER)
    assert list(zip(counts.datastream_id, counts.day, counts.n, counts.failed, strict=True)) == [
        (stream, date(2026, 3, day), n, 0)
        for stream in streams
        for day, n in ((2, 96), (3, 96), (4, 96), (5, 4))
    ]


def test_days_of_another_zone_are_opened_and_counted(
    conn: Connection, catalogue: SmallTrial, streams: list[int]
) -> None:
    pack_all(conn, LATER)
    late = Observation(streams[0], to_us(START + 30 * HOUR) + 5, 7.0, to_us(LATER), 0)
    merge(conn, [late])
    conn.execute("UPDATE trial SET time_zone = 'UTC'")
    devices = list(catalogue.devices.values())
    counts = count_by_day(conn, devices, START, LATER)
    assert counts.n == [96, 97, 96, 96, 96, 96, 96, 96]
    assert counts.day == [date(2026, 3, day) for day in (1, 2, 3, 4)] * 2
    conn.execute("UPDATE packed_day SET columns = ''")
    with pytest.raises(Damaged):
        count_by_day(conn, devices, START, LATER)


# -- the job


def packer(**more: object) -> Packer:
    known: dict[str, object] = {"after": 2 * DAY, "stop": threading.Event(), "work_s": 60.0} | more
    return Packer(SYSTEM, **known)  # type: ignore[arg-type]


@pytest.fixture
def old(conn: Connection, catalogue: SmallTrial) -> list[int]:
    """Two datastreams with four days of results that are years old by the clock of the system."""
    numbers = [catalogue.datastreams["a", "pm25"], catalogue.datastreams["b", "pm25"]]
    earlier = to_us(START) - to_us(datetime(2021, 3, 1, tzinfo=UTC))
    for number in numbers:
        merge(conn, [one._replace(time_us=one.time_us - earlier) for one in grid(number, 4)])
        conn.commit()
    conn.commit()
    return numbers


def test_the_job_packs_what_is_older_than_the_setting_says(conn: Connection, old: list[int]) -> None:
    before = raw(conn)
    conn.rollback()
    assert packer(after=36_500 * DAY)(conn) == 0
    assert packer()(conn) > 500
    assert raw(conn) == before
    assert find_wrong_days(conn) == []


def test_the_job_works_a_little_in_each_round_and_rests_when_all_is_packed(
    conn: Connection, old: list[int]
) -> None:
    now = [0.0]

    def tick() -> float:
        now[0] += 0.1
        return now[0]

    job = packer(work_s=0.5, monotonic=tick)
    moved = [job(conn) for _ in range(3)]
    assert moved[0] > 0
    assert sum(moved) > 500
    job(conn)
    merge(conn, [Observation(old[0], LATE, 1.0, to_us(START), 0)])
    conn.commit()
    assert job(conn) == 0
    now[0] += 700
    assert job(conn) == 1


def test_the_job_leaves_alone_what_somebody_works_on(
    conn: Connection, old: list[int], database_url: str
) -> None:
    with connect(database_url, application="other") as other:
        take_turn(other, "t")
        assert packer()(conn) == 0
        other.rollback()
        other.execute("SELECT FROM datastream_latest WHERE datastream_id = %s FOR UPDATE", (old[0],))
        packer()(conn)
        assert {number for number, *_ in packed(conn)} == {old[1]}
        other.rollback()
    packer()(conn)
    assert {number for number, *_ in packed(conn)} == set(old)


def test_a_round_without_time_goes_on_where_the_last_one_stopped(
    conn: Connection, old: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look through many datastreams may take longer than a round."""
    monkeypatch.setattr("jobs.packing.STREAMS", 1)
    monkeypatch.setattr("jobs.packing.STEP", 1)
    one, reached = packer(work_s=0.0), []
    while one(conn):
        reached.append({number for number, *_ in packed(conn)})
    assert reached[:2] == [{old[0]}, set(old)]
    assert one(conn) == 0
    monkeypatch.undo()
    assert packer()(conn) == 0


def test_nothing_is_packed_while_a_simulated_history_runs(conn: Connection, old: list[int]) -> None:
    now = datetime.now(UTC).timestamp()
    clock = Clock.simulated(real_start=now, history=60 * DAY, takes=HOUR)
    assert Packer(clock, 2 * DAY, threading.Event())(conn) == 0


def test_the_job_needs_no_more_than_the_account_of_the_parts(
    conn: Connection, old: list[int], database_url: str
) -> None:
    before = raw(conn)
    conn.rollback()
    with connect(database_url, application="parts") as parts:
        parts.execute("SET SESSION AUTHORIZATION insitu_service")
        parts.commit()
        assert packer()(parts) > 500
        assert merge(parts, [Observation(old[0], LATE, 1.0, to_us(START), 0)]).stored == 1
        parts.rollback()
    assert raw(conn) == before


# -- the check


PLANTED = {
    "UPDATE packed_day SET n = n + 1 WHERE start_time = %s": "its summary says n",
    "UPDATE packed_day SET failed = 1 WHERE start_time = %s": "its summary says failed",
    "UPDATE packed_day SET suspect = 1 WHERE start_time = %s": "its summary says suspect",
    "UPDATE packed_day SET unnumbered = 1 WHERE start_time = %s": "its summary says unnumbered",
    "UPDATE packed_day SET total = total + 1 WHERE start_time = %s": "its summary says total",
    "UPDATE packed_day SET largest = 'NaN' WHERE start_time = %s": "its summary says largest",
    "UPDATE packed_day SET first_received = '2000-01-01Z' WHERE start_time = %s": "says first_received",
    "UPDATE packed_day SET columns = set_byte(columns, 30, get_byte(columns, 30) # 1) "
    "WHERE start_time = %s": "checksum",
    "UPDATE packed_day SET columns = ''::bytea WHERE start_time = %s": "checksum",
    "UPDATE packed_day SET end_time = end_time - interval '1 hour' WHERE start_time = %s": "of another time",
    "UPDATE datastream_latest SET packed_to = NULL WHERE phenomenon_time > %s": "is marked as packed only",
    "INSERT INTO observation SELECT datastream_id, %s::timestamptz + interval '1 hour', 1, now(), 0 "
    "FROM packed_day LIMIT 1": "1 of its results are among the observations too",
}


@pytest.mark.parametrize("statement", PLANTED)
def test_a_planted_error_is_found_and_no_other(conn: Connection, streams: list[int], statement: str) -> None:
    conn.execute("DELETE FROM observation WHERE datastream_id = %s", (streams[1],))
    conn.execute("DELETE FROM datastream_latest WHERE datastream_id = %s", (streams[1],))
    pack_all(conn, LATER)
    assert find_wrong_days(conn) == []
    (day,) = conn.execute("SELECT min(start_time) FROM packed_day").fetchone() or (None,)
    conn.execute(statement.encode(), (day,))
    found = find_wrong_days(conn)
    assert found
    assert all(PLANTED[statement] in one for one in found), found
    assert len(found) == (3 if "packed_to" in statement else 1)


def test_days_that_overlap_are_found(conn: Connection, streams: list[int]) -> None:
    pack_all(conn, LATER)
    conn.execute(
        "UPDATE packed_day SET end_time = end_time + interval '1 hour' WHERE start_time = ("
        "SELECT min(start_time) FROM packed_day)"
    )
    assert any("before another packed day ends" in one for one in find_wrong_days(conn))


def test_the_oracle_reads_what_is_in_the_database(conn: Connection, streams: list[int]) -> None:
    pack_all(conn, LATER)
    ((record,),) = conn.execute("SELECT columns FROM packed_day ORDER BY 1 LIMIT 1").fetchall()
    assert len(read_packed(record)) in (92, 96)
    assert count(conn) == 2 * 4 * 96


# -- nobody reads past the reader


BOTH = {
    *("observations.count", "observations.first_receipt", "ledger.recount_stored"),
    *("imports.unknown_imports", "imports.origins", "replays.stored_of", "catalogue/swaps.later_results"),
    *("packed/reading.series", "packed/reading.by_day", "packed/reading.page", "packed/reading.in_order"),
    *(
        "packed/checking.all_days",
        "packed/checking.settle",
        "read/streams.daily_counts",
    ),
    "packed/changing.newest_days",
    "packed/sealing.new_days",
}
"""They read both homes in one statement, and so in one snapshot."""
NEWEST = {
    "read/streams.streams": "the latest flag and the last 50 spacings",
    "catalogue/swaps.streams_of": "whether there is a result",
    "mappings.datastreams_of_device": "whether there is a result",
    "mappings.change_datastream": "whether there is a result",
    "corrections.check_again": "the latest result",
    "imports.latest_again": "the latest result, after unpack_newest",
    "imports.no_latest": "whether there is a result, after unpack_newest",
    "packed/packing.packable": "the newest 50",
}
"""They need one of the newest 50 results alone, which are never packed."""
UNPACKED = {
    "corrections.differing": "days with a differing result were unpacked",
    "corrections.replace_results": "of what `differing` found",
    "imports.keep_withdrawn": "the days of the import were unpacked",
    "imports.put_back": "of what `keep_withdrawn` kept",
    "imports.take_out": "of what `keep_withdrawn` kept",
    "quality.raise_flags": "raise_packed_flags does the same in packed days",
    "observations.merge": "keys in packed days were found before",
    "observations.earlier_results": "of what `merge` met",
    "observations.settle": "a vacuum",
    "packed/packing.counts_before": "of what is not packed yet",
    "packed/packing.to_pack": "of what is packed now",
    "packed/packing.take_out": "of what is packed now",
}
"""They change results, which their callers have unpacked, or are the packer's own."""


def test_a_statement_that_reads_observations_reads_packed_days_too_or_says_why_not() -> None:
    """A new one belongs into `store.packed.reading`; or it reads both in one statement."""
    folder = Path(__file__).parents[3] / "store" / "sql"
    reading, both = set(), set()
    for path in folder.rglob("*.sql"):
        file = path.relative_to(folder).with_suffix("").as_posix()
        for name, text in queries(file).items():
            bare = re.sub(r"--[^\n]*", "", text)
            if re.search(r"\b(FROM|JOIN|INTO|UPDATE|USING|VACUUM \(ANALYZE\)|')\s*observation\b", bare):
                reading.add(f"{file}.{name}")
                if "packed_day" in bare:
                    both.add(f"{file}.{name}")
    assert both == BOTH
    assert reading - both == {*NEWEST, *UNPACKED}


def test_outside_the_named_statements_nobody_reads_observations() -> None:
    root = Path(__file__).parents[3]
    reading = [
        path.relative_to(root).as_posix()
        for room in ("insitu", "store", "ingest", "trials", "jobs", "api", "cli", "simulators")
        for path in sorted((root / room).rglob("*.py"))
        if re.search(r"\b(FROM|JOIN|INTO|UPDATE|COPY) observation\b", path.read_text("utf-8"))
    ]
    assert reading == ["store/observations.py"], "COPY alone"
