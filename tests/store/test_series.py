"""Reads many observations at once: the result is the same as one by one, whatever order they came in."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from insitu.model import Arrival, Observation
from insitu.times import to_us
from store.database import Connection
from store.observations import merge, series, series_kept
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
    conn: Connection, catalogue: SmallTrial, shuffled: bool, start: datetime, end: datetime
) -> None:
    streams = [catalogue.datastreams["a", "pm25"], catalogue.datastreams["b", "pm25"]]
    silent = catalogue.datastreams["a", "fan"]
    received(conn, streams, shuffled=shuffled)
    plain = series(conn, [*streams, silent], start, end)
    kept = series_kept(conn, [*streams, silent], start, end, late_after=LATE)
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
