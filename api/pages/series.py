"""A device's series for its page: buckets on the property's averaging scale, and the span they cover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from insitu.arrays import Ints
from insitu.model import Flag
from insitu.times import to_datetime, to_us
from store.database import Connection
from store.observations import series
from store.read.results import Bucket, Charted, list_buckets_between, list_single_results
from store.read.streams import Stream
from trials.plan.rules import Rules
from trials.series.exposure import held
from trials.series.scale import Scale, scale_of

SPANS: Final = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
DEFAULT_SPAN: Final = "7d"
BUCKETS: Final = 360
"""A series has at most this many buckets, of smallest and largest result each: more than a screen can
show.
"""
MOST: Final = 1e290
"""A sum of larger results may be no number any more."""
_WIDTHS_S: Final = (60, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket; `flag` is the worst in it (4 FAIL, 3 SUSPECT, else 1). `middle` None where a mean has no
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
    """A datastream with its points of `[start, end)`, each `width` wide."""

    stream: Stream
    points: list[Point]
    start: datetime
    end: datetime
    width: timedelta


def width_for(span: timedelta, expected_s: float | None) -> timedelta:
    """The narrowest usual width that keeps a series within BUCKETS and does not split the device's own
    interval.
    """
    least = max(span.total_seconds() / BUCKETS, expected_s or 0.0)
    return timedelta(seconds=next((w for w in _WIDTHS_S if w >= least), 86_400))


def load_series(conn: Connection, streams: Sequence[Stream], end: datetime, span: timedelta) -> list[Drawn]:
    """One Drawn a datastream, in the order given; buckets begin at `end − span`."""
    expected = min((every for s in streams if (every := s.usual_interval_s())), default=None)
    width = width_for(span, expected)
    start = end - span
    number = math.ceil(span / width)
    edges = to_us(start) + round(width.total_seconds() * 1e6) * np.arange(number + 1, dtype=np.int64)
    points = load_points(conn, streams, edges, end)
    return [Drawn(stream, points[stream.datastream_id], start, end, width) for stream in streams]


def load_points(
    conn: Connection, streams: Sequence[Stream], edges: Ints, end: datetime
) -> dict[int, list[Point]]:
    """Datastream → a point for each bucket between neighbouring edges (µs) that holds a result before
    `end`.
    """
    points: dict[int, list[Point]] = {stream.datastream_id: [] for stream in streams}
    scales = {s.datastream_id: scale_of(s.averaging_scale, s.unit, Rules()) for s in streams}
    asked = [_charted(stream, scales[stream.datastream_id]) for stream in streams]
    for bucket in list_buckets_between(conn, asked, edges, end):
        middle = _middle(bucket, scales[bucket.datastream_id])
        points[bucket.datastream_id].append(_point(bucket, middle))
    for stream in streams:
        if scales[stream.datastream_id].is_held:
            number = stream.datastream_id
            means = _held_means(conn, stream, edges, end)
            points[number] = [replace(p, middle=means.get(p.at, p.middle)) for p in points[number]]
    return points


def _charted(stream: Stream, scale: Scale) -> Charted:
    return Charted(
        stream.datastream_id,
        scale.decade if scale.is_level else None,
        scale.turn if scale.is_circular else None,
        stream.to_middle_us(),
    )


def load_single(
    conn: Connection, stream: Stream, start: datetime, end: datetime, most: int
) -> list[Point] | None:
    """A point for each result; None if there are more than `most`."""
    shift = stream.to_middle_us()
    found = list_single_results(conn, stream.datastream_id, start, end, most, to_middle_us=shift)
    return None if found is None else [_point(one, one.mean) for one in found]


def _point(bucket: Bucket, middle: float | None) -> Point:
    flag = Flag.FAIL if bucket.failed else Flag.SUSPECT if bucket.suspect else Flag.PASS
    return Point(bucket.at, bucket.smallest, bucket.largest, middle, bucket.n, flag)


def _middle(bucket: Bucket, scale: Scale) -> float | None:
    """Mean of the bucket's results on their scale; of amounts that of one result, so that a gap is not 0."""
    if scale.is_level:
        return _unfolded(scale, bucket.energy or None)
    if scale.is_circular:
        known = bucket.cosine is not None and bucket.sine is not None
        return _unfolded(scale, complex(bucket.cosine or 0.0, bucket.sine or 0.0) if known else None)
    return bucket.mean


def _unfolded(scale: Scale, mean: complex | None) -> float | None:
    """The value of a folded mean; None if there is none, or if directions cancel."""
    if mean is None:
        return None
    value = float(scale.unfold(np.asarray(mean)))
    return value if math.isfinite(value) else None


def _held_means(conn: Connection, stream: Stream, edges: Ints, end: datetime) -> dict[datetime, float]:
    """Time-weighted mean of each bucket: a result holds until the next one, and at most for the interval by
    which the datastream's silence is judged (an hour, if there is none).
    """
    longest = timedelta(seconds=stream.usual_interval_s() or 3600.0)
    start = to_datetime(int(edges[0]))
    found = series(conn, [stream.datastream_id], start - longest, end)[stream.datastream_id]
    usable = np.abs(found.result) < MOST
    longest_us = round(longest.total_seconds() * 1e6)
    means, _ = held(edges, found.time_us, found.result, usable, longest_us)
    return {
        to_datetime(int(edges[at])): float(means[at]) for at in np.flatnonzero(np.isfinite(means)).tolist()
    }
