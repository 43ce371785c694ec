"""A device's series for its page: buckets on the property's averaging scale, and the span they cover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from insitu.model import AveragingScale, Flag
from store.database import Connection
from store.read.results import Bucket, list_buckets
from store.read.streams import Stream

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
    points: dict[int, list[Point]] = {stream.datastream_id: [] for stream in streams}
    scales = {stream.datastream_id: stream.averaging_scale for stream in streams}
    for bucket in list_buckets(conn, list(points), start, end, width):
        points[bucket.datastream_id].append(_point(bucket, scales[bucket.datastream_id]))
    return [Drawn(stream, points[stream.datastream_id], start, end, width) for stream in streams]


def _point(bucket: Bucket, scale: AveragingScale) -> Point:
    flag = Flag.FAIL if bucket.failed else Flag.SUSPECT if bucket.suspect else Flag.PASS
    return Point(bucket.at, bucket.smallest, bucket.largest, _middle(bucket, scale), bucket.n, flag)


def _middle(bucket: Bucket, scale: AveragingScale) -> float | None:
    if scale is AveragingScale.ENERGETIC:
        return 10 * math.log10(bucket.energy) if bucket.energy else None
    if scale is AveragingScale.CIRCULAR and bucket.n > 1:
        return None  # the mean of 359° and 1° is not 180°
    return bucket.mean
