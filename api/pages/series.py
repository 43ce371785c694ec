"""A device's series for its page: buckets on the property's averaging scale, and their span."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats
from insitu.model import AveragingScale, Flag
from insitu.times import to_datetime, to_us
from store.observations import SeriesKept
from store.read.streams import Stream

SPANS: Final = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
DEFAULT_SPAN: Final = "7d"
BUCKETS: Final = 360
"""A series has at most this many buckets with smallest and largest result; a screen cannot show more."""
_LOWEST_DB, _HIGHEST_DB = -200.0, 300.0
_WIDTHS_S: Final = (60, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket; `flag` is its worst flag (4 FAIL, 3 SUSPECT, else 1). `middle` is None if a mean has no
    meaning.
    """

    at: datetime
    low: float
    high: float
    middle: float | None
    n: int
    flag: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A datastream with its points in `[start, end)`, each `width` wide."""

    stream: Stream
    points: list[Point]
    start: datetime
    end: datetime
    width: timedelta


def width_for(span: timedelta, expected_s: float | None) -> timedelta:
    """The narrowest standard width that needs at most BUCKETS buckets and is no narrower than the device's
    interval.
    """
    least = max(span.total_seconds() / BUCKETS, expected_s or 0.0)
    return timedelta(seconds=next((w for w in _WIDTHS_S if w >= least), 86_400))


def draw_series(
    streams: Sequence[Stream], series: Mapping[int, SeriesKept], end: datetime, span: timedelta
) -> list[Drawn]:
    """One Drawn for each datastream, in the given order; buckets begin at `end − span`."""
    expected = min((every for s in streams if (every := s.usual_interval_s())), default=None)
    width = width_for(span, expected)
    start = end - span
    return [
        Drawn(s, _points(series[s.datastream_id], s.averaging_scale, start, end, width), start, end, width)
        for s in streams
    ]


def _points(series: SeriesKept, scale: str, start: datetime, end: datetime, width: timedelta) -> list[Point]:
    """The buckets of `[start, end)` that contain a result."""
    start_us, width_us = to_us(start), width // timedelta(microseconds=1)
    low, high = np.searchsorted(series.time_us, [start_us, to_us(end)])
    if low == high:
        return []
    results, flags = series.result[low:high], series.flag[low:high]
    bins = (series.time_us[low:high] - start_us) // width_us
    firsts = np.flatnonzero(np.r_[True, bins[1:] != bins[:-1]])
    sizes = np.diff(np.r_[firsts, len(bins)])
    return [
        Point(to_datetime(start_us + bin * width_us), smallest, largest, middle, n, flag)
        for bin, smallest, largest, middle, n, flag in zip(
            bins[firsts].tolist(),
            np.minimum.reduceat(results, firsts).tolist(),
            np.maximum.reduceat(results, firsts).tolist(),
            _middles(results, firsts, sizes, scale),
            sizes.tolist(),
            _worst(flags, firsts),
            strict=True,
        )
    ]


def _worst(flags: NDArray[np.int8], firsts: NDArray[np.intp]) -> list[int]:
    failed = np.logical_or.reduceat(flags == Flag.FAIL, firsts)
    suspect = np.logical_or.reduceat(flags == Flag.SUSPECT, firsts)
    worst: list[int] = np.where(failed, Flag.FAIL, np.where(suspect, Flag.SUSPECT, Flag.PASS)).tolist()
    return worst


def _middles(
    results: Floats, firsts: NDArray[np.intp], sizes: NDArray[np.intp], scale: str
) -> list[float | None]:
    if scale == AveragingScale.ENERGETIC:
        return _levels(results, firsts)
    with np.errstate(over="ignore"):
        means = np.add.reduceat(results, firsts) / sizes
    if scale == AveragingScale.CIRCULAR:  # the mean of 359° and 1° is not 180°
        means[sizes > 1] = np.nan
    return _known(means)


def _levels(results: Floats, firsts: NDArray[np.intp]) -> list[float | None]:
    """10·log10 of the mean of 10^(L/10), over valid levels."""
    usable = (results >= _LOWEST_DB) & (results <= _HIGHEST_DB)
    energy = np.add.reduceat(np.where(usable, 10 ** (np.where(usable, results, 0.0) / 10), 0.0), firsts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _known(10 * np.log10(energy / np.add.reduceat(usable.astype(np.float64), firsts)))


def _known(values: Floats) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
