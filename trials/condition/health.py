"""Health: how a device has gone for some weeks, by battery, restarts, firmware, and how its messages
fared.

Nothing here changes a state: a state is about now, health is about the way it goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats
from insitu.model import Arrival

WITHIN: Final = timedelta(days=90)
"""How far back batteries, restarts and firmware are looked at."""
RECENT: Final = timedelta(days=7)
"""How far back messages are counted."""
_CHARGED: Final = 10.0
"""Percentage points above the lowest level so far: the battery was charged or replaced."""
_LEAST_SPAN: Final = timedelta(days=3)
_LEAST_LEVELS: Final = 8
_NORMAL_975: Final = 1.959964
_RESTARTED_S: Final = 60.0
"""A start computed from an uptime this much after the one before it is another start."""
_WRAPS_S: Final = (2**32 / 1000, 2**32 / 100)
"""Counters of 32 bits that begin again at 0: of milliseconds after 50 days, of hundredths after 497."""
_DRIFT: Final = 0.01
"""Share of the time between two statuses by which the clock of an uptime may be wrong."""


@dataclass(frozen=True, slots=True)
class Level:
    """Battery level (%) at a moment."""

    at: datetime
    percent: float


@dataclass(frozen=True, slots=True)
class BatteryOutlook:
    """How a battery goes since it was charged or replaced.

    `percent_per_day` is the median slope between all pairs of levels (Theil and Sen); negative: it empties.
    `days_left` and its range `soonest` to `latest` (days from the last level, at the ends of the slope's 95 %
    interval by Sen, 1968) are a straight line to 0 %. They are None where the levels don't say that it
    empties; `latest` alone is None where it may also last for ever.
    """

    percent: float
    since: datetime
    percent_per_day: float
    days_left: float | None
    soonest: float | None
    latest: float | None


@dataclass(frozen=True, slots=True)
class Uptime:
    """Seconds since the device started, as it said at a moment."""

    at: datetime
    uptime_s: float


@dataclass(frozen=True, slots=True)
class FirmwareSince:
    """`since` is None for the oldest within WITHIN: nobody looked further back."""

    firmware: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Messages by what became of them; the others add up to `received`."""

    received: int = 0
    whole: int = 0
    in_part: int = 0
    """Some of their results were refused."""
    refused: int = 0
    repeated: int = 0
    """Came once more; stored nothing."""

    @property
    def refused_share(self) -> float | None:
        return (self.refused + self.in_part) / self.received if self.received else None

    @property
    def repeated_share(self) -> float | None:
        return self.repeated / self.received if self.received else None


@dataclass(frozen=True, slots=True)
class StreamShare:
    """Completeness of one datastream over the days of the strip; None where nothing was planned."""

    name: str
    share: float | None


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a device. `restarts`: their times within WITHIN, oldest first."""

    battery: BatteryOutlook | None
    restarts: tuple[datetime, ...]
    firmwares: tuple[FirmwareSince, ...]
    """Newest first."""
    ever: Traffic
    lately: Traffic
    """Within RECENT."""
    late_share: float | None
    """Of the results of the gaps' days: those that came late, after others or from the device's memory."""
    streams: tuple[StreamShare, ...]

    def restarts_since(self, start: datetime) -> int:
        return sum(when >= start for when in self.restarts)


def look_at_battery(levels: Sequence[Level]) -> BatteryOutlook | None:
    """The outlook of a battery from its levels in order of time; None for too few of them since it was
    charged: at least 8 over three days.
    """
    kept = _since_charged(levels)
    if len(kept) < _LEAST_LEVELS or kept[-1].at - kept[0].at < _LEAST_SPAN:
        return None
    days = np.array([(one.at - kept[0].at) / timedelta(days=1) for one in kept])
    slope, low, high = slope_of(days, np.array([one.percent for one in kept]))
    now = kept[-1].percent
    empties = slope < 0 and low < 0
    return BatteryOutlook(
        percent=now,
        since=kept[0].at,
        percent_per_day=slope,
        days_left=now / -slope if empties else None,
        soonest=now / -low if empties else None,
        latest=now / -high if empties and high < 0 else None,
    )


def _since_charged(levels: Sequence[Level]) -> Sequence[Level]:
    first, lowest = 0, np.inf
    for number, level in enumerate(levels):
        if level.percent >= lowest + _CHARGED:
            first, lowest = number, level.percent
        lowest = min(lowest, level.percent)
    return levels[first:]


def slope_of(x: Floats, y: Floats) -> tuple[float, float, float]:
    """(Median slope, lower and upper end of its 95 % interval) by Theil and Sen (Sen 1968, with ties in `y`).

    `x` increases. The interval takes the values as independent of each other.
    """
    first, second = np.triu_indices(len(x), 1)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    _, ties = np.unique(y, return_counts=True)
    n = len(x)
    variance = (n * (n - 1) * (2 * n + 5) - float(np.sum(ties * (ties - 1) * (2 * ties + 5)))) / 18
    out = _NORMAL_975 * np.sqrt(max(variance, 0.0))
    low = max(round((len(slopes) - out) / 2) - 1, 0)
    high = min(round((len(slopes) + out) / 2), len(slopes) - 1)
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])


def find_restarts(pairs: Iterable[tuple[Uptime, Uptime]]) -> list[datetime]:
    """Times at which a device started again, from what it says of its uptime in pairs of statuses that follow
    each other, in order of time. The first start is none, and neither is a counter that begins again at 0.
    """
    found: list[datetime] = []
    for before, after in pairs:
        started, was = (one.at - timedelta(seconds=one.uptime_s) for one in (after, before))
        later_s, between_s = (started - was).total_seconds(), (after.at - before.at).total_seconds()
        wrong_s = max(_RESTARTED_S, _DRIFT * between_s)
        if later_s > wrong_s and all(abs(later_s - wrap) > wrong_s for wrap in _WRAPS_S):
            found.append(max(started, before.at))
    return found


def share_late(arrivals: Sequence[NDArray[np.int8]]) -> float | None:
    """Share of results that were kept back, by the `Arrival` of each; counts only those known to be sent."""
    codes = np.concatenate([*arrivals, np.empty(0, np.int8)])
    late, in_time = (int(np.count_nonzero(codes == code)) for code in (Arrival.LATE, Arrival.IN_TIME))
    return late / (late + in_time) if late + in_time else None
