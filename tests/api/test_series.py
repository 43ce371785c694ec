"""Buckets of a device's chart, with numbers small enough for a pencil."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.pages.series import BUCKETS, Drawn, Point, load_series, load_single, width_for
from insitu.model import AveragingScale, Observation, Stamp
from insitu.times import to_us
from store.database import Connection
from store.observations import merge
from store.read.streams import Stream
from tests.fix_catalogue import SmallTrial

END = datetime(2026, 3, 10, 12, tzinfo=UTC)
SPAN = timedelta(hours=24)
START = END - SPAN


def stream(number: int, scale: AveragingScale = AveragingScale.ARITHMETIC) -> Stream:
    given: dict[str, Any] = dict.fromkeys(Stream.__dataclass_fields__)
    unit = {"energetic": "dB", "circular": "deg"}.get(scale, "1")
    given |= {"datastream_id": number, "averaging_scale": scale, "unit": unit, "expected_interval_s": 3600.0}
    return Stream(**given)


class Charted:
    """Draws what it stores, of device a."""

    def __init__(self, conn: Connection, catalogue: SmallTrial) -> None:
        self.conn = conn
        self.a, self.b = catalogue.datastreams["a", "pm25"], catalogue.datastreams["b", "pm25"]

    def store(self, number: int, *rows: tuple[float, float, int]) -> None:
        """(minutes after the start, result, flag)."""
        times = [to_us(START + timedelta(minutes=minutes)) for minutes, _, _ in rows]
        results = [result for _, result, _ in rows]
        merge(self.conn, [Observation(number, t, r, t, 0) for t, r in zip(times, results, strict=True)])
        self.conn.commit()  # a merge has a transaction of its own
        for minutes, _, flag in rows:
            self.conn.execute(
                "UPDATE observation SET flag = %s WHERE datastream_id = %s AND phenomenon_time = %s",
                (flag, number, START + timedelta(minutes=minutes)),
            )

    def drawn(
        self, *rows: tuple[float, float, int], scale: AveragingScale = AveragingScale.ARITHMETIC
    ) -> Drawn:
        self.conn.execute("TRUNCATE observation")
        self.store(self.a, *rows)
        (one,) = load_series(self.conn, [stream(self.a, scale)], END, SPAN)
        return one

    def middles(self, scale: str, *results: float) -> list[float | None]:
        """Of one bucket."""
        rows = [(number, result, 1) for number, result in enumerate(results)]
        return [point.middle for point in self.drawn(*rows, scale=AveragingScale(scale)).points]


@pytest.fixture
def charted(conn: Connection, catalogue: SmallTrial) -> Charted:
    return Charted(conn, catalogue)


def test_a_bucket_has_its_smallest_its_largest_its_mean_and_its_worst_flag(charted: Charted) -> None:
    one = charted.drawn((0, 4.0, 1), (20, 1.0, 3), (59, 10.0, 1), (60, 7.0, 2), (200, 5.0, 4), (210, 5.0, 3))
    assert (one.width, one.start, one.end) == (timedelta(hours=1), START, END)
    assert one.points == [
        Point(START, 1.0, 10.0, 5.0, 3, 3),
        Point(START + timedelta(hours=1), 7.0, 7.0, 7.0, 1, 1),
        Point(START + timedelta(hours=3), 5.0, 5.0, 5.0, 2, 4),
    ]


def test_only_results_within_the_span_are_drawn(charted: Charted) -> None:
    minute = SPAN / timedelta(minutes=1)
    one = charted.drawn((-1, 9.0, 1), (0, 1.0, 1), (minute - 1, 2.0, 1), (minute, 9.0, 1))
    assert [(point.low, point.n) for point in one.points] == [(1.0, 1), (2.0, 1)]
    assert charted.drawn((-5, 1.0, 1)).points == []
    assert charted.drawn().points == []


@pytest.mark.parametrize(("stamp", "first_hour"), [("begin", 0), ("instant", 0), ("end", -1)])
def test_a_result_is_drawn_where_its_interval_lies(charted: Charted, stamp: str, first_hour: int) -> None:
    """Hourly means stamped at the full hours of the day: one that ends at 9:00 is the mean from 8 to 9."""
    hours = range(25)
    charted.conn.execute("TRUNCATE observation")
    charted.store(charted.a, *[(60 * hour, float(hour), 1) for hour in hours])
    one = replace(stream(charted.a), stamp=Stamp(stamp))
    (drawn,) = load_series(charted.conn, [one], END, SPAN)
    expected = {START + timedelta(hours=hour + first_hour): float(hour) for hour in hours}
    assert {point.at: point.middle for point in drawn.points} == {
        at: value for at, value in expected.items() if START <= at < END
    }
    single = load_single(charted.conn, one, START, END, 100)
    assert single is not None
    half = timedelta(minutes={"begin": 30, "instant": 0, "end": -30}[stamp])
    assert [point.at for point in single] == [
        at for hour in hours if START <= (at := START + timedelta(hours=hour) + half) < END
    ]


def test_levels_are_averaged_by_energy_and_directions_as_vectors(charted: Charted) -> None:
    """60 dB and 70 dB: 10·log10((10⁶ + 10⁷) / 2). 359° and 1° are north, 0° and 90° north-east."""
    assert charted.middles("energetic", 60.0, 70.0) == [pytest.approx(10 * math.log10(5.5e6))]
    assert charted.middles("energetic", 60.0, 9000.0) == [pytest.approx(60.0)], "9000 dB is no level"
    assert charted.middles("energetic", 9000.0) == [None]
    (north,) = charted.middles("circular", 359.0, 1.0)
    assert north is not None
    assert min(north, 360 - north) < 1e-9
    assert charted.middles("circular", 0.0, 90.0) == [pytest.approx(45)]
    assert charted.middles("circular", 359.0) == [pytest.approx(359)]
    assert charted.middles("circular", 0.0, 180.0) == [None], "opposite directions have no mean"


def test_a_result_counts_for_as_long_as_it_holds(charted: Charted) -> None:
    """10 for 45 minutes and 50 for 15: 20. It holds into the next hour until 15 past, when 0 comes: 12.5."""
    one = charted.drawn((0, 10.0, 1), (45, 50.0, 1), (75, 0.0, 1), scale=AveragingScale.TIME_WEIGHTED)
    assert [point.middle for point in one.points] == [pytest.approx(20), pytest.approx(12.5)]


def test_an_amount_is_shown_for_one_result_so_that_a_gap_is_not_0(charted: Charted) -> None:
    assert charted.middles("sum", 3.0, 5.0) == charted.middles("sum", 4.0) == [4.0]


def test_a_mean_that_no_number_can_hold_is_none(charted: Charted) -> None:
    assert charted.middles("arithmetic", 1.7e308, 1.7e308) == [None]


def test_each_datastream_has_its_own_buckets_in_the_order_given(charted: Charted) -> None:
    charted.store(charted.a, (0, 1.0, 1))
    charted.store(charted.b, (0, 2.0, 1))
    both = load_series(charted.conn, [stream(charted.b), stream(charted.a)], END, SPAN)
    assert [one.points[0].low for one in both] == [2.0, 1.0]


@pytest.mark.parametrize("days", [1, 7, 30, 90])
def test_a_chart_has_no_more_buckets_than_a_screen_can_show(days: int) -> None:
    assert timedelta(days=days) / width_for(timedelta(days=days), 1.0) <= BUCKETS
