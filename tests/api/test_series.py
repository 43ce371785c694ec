"""Buckets of a device's chart, with numbers small enough for a pencil."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from api.pages.series import BUCKETS, Drawn, Point, draw_series, width_for
from insitu.model import AveragingScale
from store.observations import SeriesKept
from store.read.streams import Stream

END = datetime(2026, 3, 10, 12, tzinfo=UTC)
SPAN = timedelta(hours=24)
START = END - SPAN


def stream(scale: str = AveragingScale.ARITHMETIC, number: int = 1) -> Stream:
    given: dict[str, Any] = dict.fromkeys(Stream.__dataclass_fields__)
    given |= {"datastream_id": number, "averaging_scale": scale, "expected_interval_s": 3600.0}
    return Stream(**given)


def series(*rows: tuple[float, float, int]) -> SeriesKept:
    """(minutes after the start, result, flag)."""
    minutes, results, flags = zip(*rows, strict=True) if rows else ((), (), ())
    time_us = [round((START + timedelta(minutes=m)).timestamp() * 1e6) for m in minutes]
    late = np.zeros(len(rows), bool)
    return SeriesKept(np.array(time_us, np.int64), np.array(results, float), np.array(flags, np.int8), late)


def drawn(given: SeriesKept, scale: str = AveragingScale.ARITHMETIC) -> Drawn:
    (one,) = draw_series([stream(scale)], {1: given}, END, SPAN)
    return one


def middles(scale: str, *results: float) -> list[float | None]:
    """The middle value of each bucket."""
    rows = [(number, result, 1) for number, result in enumerate(results)]
    return [point.middle for point in drawn(series(*rows), scale).points]


def test_a_bucket_has_its_smallest_its_largest_its_mean_and_its_worst_flag() -> None:
    one = drawn(series((0, 4.0, 1), (20, 1.0, 3), (59, 10.0, 1), (60, 7.0, 2), (200, 5.0, 4), (210, 5.0, 3)))
    assert (one.width, one.start, one.end) == (timedelta(hours=1), START, END)
    assert one.points == [
        Point(START, 1.0, 10.0, 5.0, 3, 3),
        Point(START + timedelta(hours=1), 7.0, 7.0, 7.0, 1, 1),
        Point(START + timedelta(hours=3), 5.0, 5.0, 5.0, 2, 4),
    ]


def test_only_results_within_the_span_are_drawn() -> None:
    minute = SPAN / timedelta(minutes=1)
    one = drawn(series((-1, 9.0, 1), (0, 1.0, 1), (minute - 1, 2.0, 1), (minute, 9.0, 1)))
    assert [(point.low, point.n) for point in one.points] == [(1.0, 1), (2.0, 1)]
    assert drawn(series((-5, 1.0, 1))).points == []
    assert drawn(series()).points == []


def test_levels_are_averaged_by_energy_and_directions_not_at_all() -> None:
    """60 dB and 70 dB: 10·log10((10⁶ + 10⁷) / 2)."""
    assert middles("energetic", 60.0, 70.0) == [pytest.approx(10 * math.log10(5.5e6))]
    assert middles("energetic", 60.0, 9000.0) == [pytest.approx(60.0)], "9000 dB is no level"
    assert middles("energetic", 9000.0) == [None]
    assert middles("circular", 359.0, 1.0) == [None]
    assert middles("circular", 359.0) == [359.0]


def test_a_mean_that_no_number_can_hold_is_none() -> None:
    assert middles("arithmetic", 1.7e308, 1.7e308) == [None]


def test_each_datastream_has_its_own_buckets_in_the_order_given() -> None:
    streams = [stream(number=2), stream(number=1)]
    kept = {1: series((0, 1.0, 1)), 2: series((0, 2.0, 1))}
    assert [one.points[0].low for one in draw_series(streams, kept, END, SPAN)] == [2.0, 1.0]


@pytest.mark.parametrize("days", [1, 7, 30, 90])
def test_a_chart_has_no_more_buckets_than_a_screen_can_show(days: int) -> None:
    assert timedelta(days=days) / width_for(timedelta(days=days), 1.0) <= BUCKETS
