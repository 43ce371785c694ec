"""Do intervals go missing at random? Tests against the level just before, the hour, the weekday, and the
level of the other arm at that time. Pure.

Days are the unit: intervals of one day that go missing together are one event. Every test is two-sided, by t
over the days concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from insitu.arrays import Floats, Ints
from trials.series.slots import Calendar, Unit, day_groups
from trials.statistics.intervals import t_quantile

FEWEST: Final = 5
"""Days with a silence that a test needs."""
LEVEL: Final = 0.95
HOURS: Final = 3
"""Length of the parts of the day that are compared."""
PARTS: Final = 24 // HOURS


class Pattern(NamedTuple):
    """A feature that missing intervals share. `share` and `usual` are in per cent, or percentiles."""

    code: str
    share: float
    usual: float
    part: str


def side_before(units: Sequence[Unit]) -> float:
    """Whether silence follows levels that are extreme on one side: +1 high, −1 low, 0 neither."""
    ranks = _by_day([_before(unit) for unit in units])
    return float(np.sign(ranks.mean() - 0.5)) if _differs(ranks, 0.5, LEVEL) else 0.0


def patterns(units: Sequence[Unit], beside: Callable[[Unit], Floats] | None) -> list[Pattern]:
    """Every pattern that is found. `beside`: unit → level of the other arm in its slots; None: there is no
    other arm.
    """
    found = []
    ranks = _by_day([_before(unit) for unit in units])
    if _differs(ranks, 0.5, LEVEL):
        found.append(Pattern("missing_by_level", 100 * float(ranks.mean()), 50.0, ""))
    if beside is not None:
        ranks = _by_day(_besides(units, beside))
        if _differs(ranks, 0.5, LEVEL):
            found.append(Pattern("missing_by_other", 100 * float(ranks.mean()), 50.0, ""))
    shares = Shares.of(units)
    return found if shares is None else [*found, *_by_hour(shares), *_by_weekday(shares)]


def _before(unit: Unit) -> tuple[Ints, Floats]:
    """(day, rank 0 to 1 of the value) of the last slot before each silence."""
    silent = unit.missing
    at = np.flatnonzero(silent[1:] & unit.valid[:-1])
    return unit.calendar.day[at], _ranks(np.sort(unit.value[unit.valid]), unit.value[at])


def _besides(units: Sequence[Unit], beside: Callable[[Unit], Floats]) -> Iterator[tuple[Ints, Floats]]:
    """(day, rank of the other arm's level among its levels in planned slots) of each missing slot of each
    unit.
    """
    whole: dict[Calendar, Floats] = {}
    for unit in units:
        level = beside(unit)
        known = np.isfinite(level) & unit.inside
        at = np.flatnonzero(unit.missing & known)
        ordered = whole.get(unit.calendar) if unit.outside is None else None
        if ordered is None:
            ordered = np.sort(level[known])
        if unit.outside is None:  # the same for every unit with these slots
            whole[unit.calendar] = ordered
        yield unit.calendar.day[at], _ranks(ordered, level[at])


def _ranks(ordered: Floats, some: Floats) -> Floats:
    places = np.searchsorted(ordered, some, "left") + np.searchsorted(ordered, some, "right")
    return np.asarray(places / (2 * max(1, len(ordered))))


def _by_day(ranked: Iterable[tuple[Ints, Floats]]) -> Floats:
    """Mean of the ranks of each day on which there are any."""
    parts = list(ranked)
    days = np.concatenate([day for day, _ in parts]) if parts else np.empty(0, np.int64)
    ranks = np.concatenate([rank for _, rank in parts]) if parts else np.empty(0)
    if not len(days):
        return np.empty(0)
    _, groups = np.unique(days, return_inverse=True)
    return np.asarray(np.bincount(groups, weights=ranks) / np.bincount(groups))


def _differs(values: Floats, usual: float, level: float) -> bool:
    n = len(values)
    if n < FEWEST:
        return False
    error = max(float(values.std(ddof=1)) / np.sqrt(n), 1e-12)
    return bool(abs(float(values.mean()) - usual) > t_quantile(level, n - 1) * error)


class Shares(NamedTuple):
    """Planned slots, and those of them that are missing, of several units together."""

    days: Ints
    due: Floats
    """(days, parts of the day)."""
    gone: Floats

    @classmethod
    def of(cls, units: Sequence[Unit]) -> Shares | None:
        """None if nothing is missing."""
        if not any(unit.missing.any() for unit in units):
            return None
        days = np.unique(np.concatenate([day_groups(unit.calendar)[1] for unit in units]))
        size = len(days) * PARTS
        due, gone = np.zeros(size), np.zeros(size)
        parts = {calendar: _parts(calendar, days) for calendar in dict.fromkeys(u.calendar for u in units)}
        for unit in units:
            at, whole = parts[unit.calendar]
            silent = unit.missing
            due += whole - np.bincount(at[~(silent | unit.valid)], minlength=size)
            gone += np.bincount(at[silent], minlength=size)
        return cls(days, due.reshape(-1, PARTS), gone.reshape(-1, PARTS))

    def by_part(self) -> Floats:
        """(days, parts): share that is missing; NaN where none is planned."""
        return _shares(self.due, self.gone)

    def by_day(self) -> tuple[Ints, Floats]:
        """(days on which any is planned, share of each that is missing)."""
        shares = _shares(self.due.sum(axis=1), self.gone.sum(axis=1))
        there = np.isfinite(shares)
        return self.days[there], shares[there]


def _parts(calendar: Calendar, days: Ints) -> tuple[Ints, Ints]:
    """(number of the part of the day among those of `days`, of each slot; slots in each part)."""
    groups, ordinals = day_groups(calendar)
    part = np.clip((calendar.hour // HOURS).astype(np.int64), 0, PARTS - 1)
    at = np.searchsorted(days, ordinals)[groups] * PARTS + part
    return at, np.bincount(at, minlength=len(days) * PARTS)


def _shares(due: Floats, gone: Floats) -> Floats:
    return np.where(due > 0, gone / np.maximum(due, 1), np.nan)


def _by_hour(shares: Shares) -> list[Pattern]:
    """The part of the day in which most is missing, if that is no chance among all parts."""
    table, number = shares.by_part(), PARTS
    level = 1 - (1 - LEVEL) / number
    best: Pattern | None = None
    for part in range(number):
        others = np.delete(table, part, axis=1)
        kept = np.isfinite(table[:, part]) & np.isfinite(others).any(axis=1)
        if not kept.any():
            continue
        rest = np.nanmean(others[kept], axis=1)
        apart = table[kept, part] - rest
        if apart.mean() > 0 and _differs(apart, 0.0, level):
            share, usual = 100 * float(table[kept, part].mean()), 100 * float(rest.mean())
            if best is None or share > best.share:
                hours = f"{HOURS * part:02d}–{HOURS * (part + 1):02d} h"
                best = Pattern("missing_by_hour", share, usual, hours)
    return [] if best is None else [best]


WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _by_weekday(missing: Shares) -> list[Pattern]:
    """The weekday on which most is missing, against the other days; Welch's t, at a seventh of the level."""
    ordinals, shares = missing.by_day()
    found = []
    for weekday in range(7):
        own = shares[(ordinals - 1) % 7 == weekday]
        rest = shares[(ordinals - 1) % 7 != weekday]
        if len(own) < 4 or len(rest) < FEWEST:
            continue
        v1, v2 = float(own.var(ddof=1)) / len(own), float(rest.var(ddof=1)) / len(rest)
        apart = float(own.mean() - rest.mean())
        if v1 + v2 == 0:
            significant = apart > 0
        else:
            freedom = (v1 + v2) ** 2 / (v1**2 / (len(own) - 1) + v2**2 / (len(rest) - 1))
            significant = apart > t_quantile(1 - (1 - LEVEL) / 7, freedom) * np.sqrt(v1 + v2)
        if significant:
            share, usual = 100 * float(own.mean()), 100 * float(rest.mean())
            found.append(Pattern("missing_by_weekday", share, usual, WEEKDAYS[weekday]))
    return sorted(found, key=lambda one: -one.share)[:1]
