"""Completeness by local day from counts: what arrived and did not fail, against what was planned while the
device stood there.

Planned intervals come from the deployment and the expected interval, not from the first and last result;
declared windows leave the denominator. A day on which nothing was planned has no share.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Final
from zoneinfo import ZoneInfo

from store.database import Connection
from store.read.places import DeviceWindow, Placed
from store.read.streams import DayCount, Stream, count_by_day

DAYS: Final = 14
_FRESH_S: Final = 20.0
_FULL, _FAIR = 0.9, 0.75


@dataclass(frozen=True, slots=True)
class Bar:
    """One local day; `share` None where nothing was planned."""

    day: date
    share: float | None

    @property
    def level(self) -> str:
        """How it is drawn: full, fair, poor."""
        share = self.share or 0.0
        return "full" if share >= _FULL else ("fair" if share >= _FAIR else "poor")


class Strips:
    """Daily counts of devices, at most some seconds old: a fleet page asks for half a million rows' worth of
    them.
    """

    def __init__(self) -> None:
        self._counts: dict[int, tuple[float, list[DayCount]]] = {}
        self._lock = threading.Lock()

    def counts(self, conn: Connection, device_ids: Sequence[int], now: datetime) -> dict[int, list[DayCount]]:
        """Of the last DAYS local days and a bit before; the ids must be visible to whoever asks."""
        with self._lock:
            limit = time.monotonic() - _FRESH_S
            missing = [n for n in device_ids if n not in self._counts or self._counts[n][0] < limit]
        if missing:
            found: dict[int, list[DayCount]] = {n: [] for n in missing}
            for one in count_by_day(conn, missing, now - timedelta(days=DAYS + 1), now):
                found[one.device_id].append(one)
            with self._lock:
                self._counts |= {n: (time.monotonic(), counts) for n, counts in found.items()}
        with self._lock:
            return {n: self._counts[n][1] for n in device_ids}


Span = tuple[datetime, datetime]


def _overlap_s(spans: Sequence[Span], other: Span) -> float:
    return sum(max(0.0, (min(end, other[1]) - max(start, other[0])).total_seconds()) for start, end in spans)


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """What of `spans` lies in none of `holes`; both disjoint and sorted."""
    left: list[Span] = []
    for start, end in spans:
        reached = start
        for low, high in holes:
            if high <= reached or low >= end:
                continue
            if low > reached:
                left.append((reached, low))
            reached = max(reached, high)
        if reached < end:
            left.append((reached, end))
    return left


def planned_spans(
    places: Sequence[Placed], windows: Sequence[DeviceWindow], now: datetime, retired_at: datetime | None
) -> list[Span]:
    """When the device was planned to send: deployed, not retired, outside declared windows, up to now."""
    last = min(now, retired_at or now)
    deployed = _merged([(p.start, min(p.end or last, last)) for p in places if p.start < last])
    return _without(deployed, _merged([(w.start, min(w.end or now, now)) for w in windows if w.start < now]))


def bars(
    counts: Sequence[DayCount],
    streams: Sequence[Stream],
    spans: Sequence[Span],
    now: datetime,
    time_zone: str,
) -> list[Bar]:
    """The last DAYS local days, today included; the mean over the device's datastreams."""
    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    usable = {(one.datastream_id, one.day): one.n - one.failed for one in counts}
    found = []
    for back in range(DAYS - 1, -1, -1):
        day = today - timedelta(days=back)
        midnight, next_one = (
            datetime.combine(d, time_of_day(), zone) for d in (day, day + timedelta(days=1))
        )
        seconds = _overlap_s(spans, (midnight, min(next_one, now)))
        found.append(
            Bar(
                day,
                _share(
                    seconds, [(usable.get((s.datastream_id, day), 0), s.expected_interval_s) for s in streams]
                ),
            )
        )
    return found


def _share(seconds: float, streams: Sequence[tuple[int, float | None]]) -> float | None:
    """The mean over (results, expected interval s) of results against planned intervals in `seconds`."""
    shares = []
    for n, expected in streams:
        planned = int(seconds / expected) if expected else 0
        if planned:
            shares.append(min(1.0, n / planned))
    return sum(shares) / len(shares) if shares else None


def overall(days: Sequence[Bar]) -> float | None:
    """The mean of the days on which something was planned."""
    shares = [bar.share for bar in days if bar.share is not None]
    return sum(shares) / len(shares) if shares else None


def since_start(stored: int, streams: Sequence[Stream], spans: Sequence[Span]) -> float | None:
    """Results stored so far against the planned intervals of all datastreams so far."""
    seconds = sum((end - start).total_seconds() for start, end in spans)
    planned = sum(int(seconds / s.expected_interval_s) for s in streams if s.expected_interval_s)
    return min(1.0, stored / planned) if planned else None
