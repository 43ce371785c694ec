"""Reads many observations at once: the result is the same as one by one, whatever order they came in."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

import store.kept as kept_module
from insitu.errors import RetryLater
from insitu.model import Arrival, Observation
from insitu.times import to_us
from store.database import Connection, abort, connect
from store.kept import SeriesKept, received_early, series_kept
from store.limits import limit_to
from store.observations import merge, series
from tests.fix_catalogue import START, SmallTrial

DAY, LATE = timedelta(days=1), timedelta(hours=1)


def received(conn: Connection, streams: list[int], *, shuffled: bool) -> None:
    """Five days of one datastream, two of the other with a hole of a day between them; every ninth result two
    hours late; stored in batches of 37.
    """
    rng = np.random.default_rng(3)
    rows = []
    for number, days in zip(streams, ((0, 1, 2, 3, 4), (1, 3)), strict=True):
        for day in days:
            for at in range(0, 86_400, 1_801):
                when = to_us(START + day * DAY) + at * 1_000_000 + int(rng.integers(0, 1_000_000))
                delay = 7_200_000_000 if at % 9 == 0 else 1_000_000
                rows.append(Observation(number, when, float(rng.normal()), when + delay, 0))
    if shuffled:
        rng.shuffle(rows)  # type: ignore[arg-type]
    for first in range(0, len(rows), 37):
        merge(conn, rows[first : first + 37])
        conn.commit()


@pytest.mark.parametrize("alone_below", [0, 10**9], ids=["two connections", "one connection"])
@pytest.mark.parametrize("shuffled", [False, True], ids=["as measured", "in any order"])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START, START + 5 * DAY),
        (START + 0.31 * DAY, START + 3.77 * DAY),
        (START + 1.2 * DAY, START + 1.3 * DAY),
        (START - 9 * DAY, START),
    ],
    ids=["whole days", "cut days", "a part of a day", "nothing"],
)
def test_many_at_once_are_the_same_observations_as_one_by_one(
    conn: Connection,
    catalogue: SmallTrial,
    shuffled: bool,
    start: datetime,
    end: datetime,
    alone_below: int,
) -> None:
    streams = [catalogue.datastreams["a", "pm25"], catalogue.datastreams["b", "pm25"]]
    silent = catalogue.datastreams["a", "fan"]
    received(conn, streams, shuffled=shuffled)
    plain = series(conn, [*streams, silent], start, end)
    kept = series_kept(conn, [*streams, silent], start, end, late_after=LATE, alone_below=alone_below)
    assert set(kept) == {*streams, silent}
    for number, one in plain.items():
        assert np.array_equal(kept[number].time_us, one.time_us)
        assert kept[number].result.tobytes() == one.result.tobytes()
        assert np.array_equal(kept[number].flag, one.flag)
        assert np.array_equal(
            kept[number].arrival == Arrival.LATE, one.received_us - one.time_us > 3_600_000_000
        )
    assert len(kept[silent].time_us) == 0
    if start == START:
        assert [len(kept[number].time_us) for number in streams] == [240, 96]
        assert 0 < (kept[streams[0]].arrival == Arrival.LATE).sum() < 240


def test_after_many_observations_the_connection_is_as_usable_as_before(
    conn: Connection, catalogue: SmallTrial
) -> None:
    stream = catalogue.datastreams["a", "pm25"]
    received(conn, [stream, catalogue.datastreams["b", "pm25"]], shuffled=False)
    first = series_kept(conn, [stream], START, START + DAY, late_after=LATE)
    again = series_kept(conn, [stream], START, START + DAY, late_after=LATE)
    assert first[stream].time_us.tolist() == again[stream].time_us.tolist()
    assert series_kept(conn, [], START, START + DAY, late_after=LATE) == {}


def test_results_that_came_before_their_own_time_are_listed_with_their_receipts(
    conn: Connection, catalogue: SmallTrial
) -> None:
    first, second = catalogue.datastreams["a", "pm25"], catalogue.datastreams["b", "pm25"]
    received(conn, [first, second], shuffled=False)
    early = {to_us(START + hours * timedelta(hours=1)): hours for hours in (49, 3, 70, 26)}
    rows = [Observation(first, at, 5.0, at - hours, 0) for at, hours in early.items()]
    merge(conn, [*rows, Observation(second, to_us(START) + 7, 5.0, to_us(START) + 7, 0)])
    found = received_early(conn, [first, second], START, START + timedelta(hours=70))
    assert [*found] == [first]
    assert [*found[first].items()] == sorted((at, at - hours) for at, hours in early.items() if hours < 70)
    assert received_early(conn, [], START, START + DAY) == {}


def two(conn: Connection, streams: list[int]) -> dict[int, SeriesKept]:
    return series_kept(conn, streams, START, START + 5 * DAY, late_after=LATE, alone_below=0)


def test_what_this_transaction_has_written_is_read_too(conn: Connection, catalogue: SmallTrial) -> None:
    """A second connection could not see it."""
    streams = [catalogue.datastreams["a", "pm25"], catalogue.datastreams["b", "pm25"]]
    received(conn, streams, shuffled=False)
    at = to_us(START) + 1_000_001
    merge(conn, [Observation(streams[0], at, 5.0, at, 0)])
    conn.execute("UPDATE observation SET flag = 4 WHERE datastream_id = %s", (streams[1],))
    kept = two(conn, streams)
    assert len(kept[streams[0]].time_us) == 241
    assert set(kept[streams[1]].flag.tolist()) == {4}


def test_both_connections_see_the_same_moment(
    conn: Connection, catalogue: SmallTrial, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody commits between the snapshot and the second connection."""
    streams = [catalogue.datastreams["a", "pm25"], catalogue.datastreams["b", "pm25"]]
    received(conn, streams, shuffled=False)
    open_second = kept_module.connect_beside

    def after_a_commit(first: Connection, snapshot: str) -> Connection:
        with connect(database_url, application="other") as other:
            other.execute("DELETE FROM observation")
        return open_second(first, snapshot)

    monkeypatch.setattr(kept_module, "connect_beside", after_a_commit)
    assert len(two(conn, streams)[streams[1]].time_us) == 96
    assert len(series(conn, streams, START, START + 5 * DAY)[streams[1]].time_us) == 0


@pytest.mark.parametrize("which", [0, 1])
def test_a_connection_that_is_cut_ends_both(
    conn: Connection, catalogue: SmallTrial, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    streams = [catalogue.datastreams["a", "pm25"], catalogue.datastreams["b", "pm25"]]
    received(conn, streams, shuffled=False)
    open_second = kept_module.connect_beside

    opened = []

    def then_cut(first: Connection, snapshot: str) -> Connection:
        opened.append(open_second(first, snapshot))
        abort((first, opened[0])[which])
        return opened[0]

    monkeypatch.setattr(kept_module, "connect_beside", then_cut)
    with pytest.raises(RetryLater):
        two(conn, streams)
    assert [one.closed for one in opened] == [True]


def test_the_second_connection_has_the_limits_of_the_first(
    conn: Connection, catalogue: SmallTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [catalogue.datastreams["a", "pm25"], catalogue.datastreams["b", "pm25"]]
    received(conn, streams, shuffled=False)
    open_second, seen = kept_module.connect_beside, []

    def and_look(first: Connection, snapshot: str) -> Connection:
        second = open_second(first, snapshot)
        seen.append([one.execute(LIMITS).fetchone() for one in (first, second)])
        return second

    monkeypatch.setattr(kept_module, "connect_beside", and_look)
    two(conn, streams)
    limit_to(conn, None)
    assert len(two(conn, streams)[streams[1]].time_us) == 96
    assert [first == second for first, second in seen] == [True, True]
    assert [first[0] for first, _ in seen if first] == ["none", "insitu_pages"]


LIMITS = "SELECT current_setting('role'), coalesce(current_setting('insitu.trials', true), '')"
