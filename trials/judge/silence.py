"""Do intervals go missing at random? Tests against the level just before, the hour, the weekday, and the
level of the other arm at that time. Pure.

Days are the unit: intervals of one day that go missing together are one event. Every test is two-sided, by t
over the days concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from insitu.arrays import Floats, Ints
from trials.series.slots import Unit
from trials.statistics.intervals import t_quantile

FEWEST: Final = 5
"""Days with a silence that a test needs."""
LEVEL: Final = 0.95
HOURS: Final = 3
"""Length of the parts of the day that are compared."""


class Pattern(NamedTuple):
    """A feature that missing intervals share. `share` and `usual` are in per cent, or percentiles."""

    code: str
    share: float
    usual: float
    part: str


def after_level(units: Sequence[Unit], sign: float) -> bool:
    """Whether silence follows levels that are extreme on that side (+1 high, −1 low)."""
    ranks = _by_day(units, _before)
    return _differs(ranks, 0.5, LEVEL) and sign * (float(ranks.mean()) - 0.5) > 0


def patterns(units: Sequence[Unit], beside: Callable[[Unit], Floats] | None) -> list[Pattern]:
    """Every pattern that is found. `beside`: unit → level of the other arm in its slots; None: there is no
    other arm.
    """
    found = []
    ranks = _by_day(units, _before)
    if _differs(ranks, 0.5, LEVEL):
        found.append(Pattern("missing_by_level", 100 * float(ranks.mean()), 50.0, ""))
    if beside is not None:
        ranks = _by_day(units, lambda unit: _beside(unit, beside(unit)))
        if _differs(ranks, 0.5, LEVEL):
            found.append(Pattern("missing_by_other", 100 * float(ranks.mean()), 50.0, ""))
    return [*found, *_by_hour(units), *_by_weekday(units)]


def _before(unit: Unit) -> tuple[Ints, Floats]:
    """(day, rank 0 to 1 of the value) of the last slot before each silence."""
    silent = unit.missing
    at = np.flatnonzero(silent[1:] & unit.valid[:-1])
    return unit.calendar.day[at], _ranks(unit.value[unit.valid], unit.value[at])


def _beside(unit: Unit, level: Floats) -> tuple[Ints, Floats]:
    """(day, rank of the other arm's level among its levels in planned slots) of each missing slot."""
    known = np.isfinite(level) & unit.inside
    at = np.flatnonzero(unit.missing & known)
    return unit.calendar.day[at], _ranks(level[known], level[at])


def _ranks(all_values: Floats, some: Floats) -> Floats:
    ordered = np.sort(all_values)
    places = np.searchsorted(ordered, some, "left") + np.searchsorted(ordered, some, "right")
    return np.asarray(places / (2 * max(1, len(ordered))))


def _by_day(units: Sequence[Unit], ranked: Callable[[Unit], tuple[Ints, Floats]]) -> Floats:
    """Mean of the ranks of each day on which there are any."""
    parts = [ranked(unit) for unit in units]
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


def _by_hour(units: Sequence[Unit]) -> list[Pattern]:
    """The part of the day in which most is missing, if that is no chance among all parts."""
    number = 24 // HOURS
    table = _shares(units, lambda unit: (unit.calendar.hour // HOURS).astype(np.int64), number)
    if table is None:
        return []
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


def _by_weekday(units: Sequence[Unit]) -> list[Pattern]:
    """The weekday on which most is missing, against the other days; Welch's t, at a seventh of the level."""
    days = _shares(units, lambda unit: np.zeros(unit.calendar.n, np.int64), 1, with_days=True)
    if days is None:
        return []
    shares, ordinals = days[:, 0], days[:, 1].astype(np.int64)
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


def _shares(
    units: Sequence[Unit], part_of: Callable[[Unit], Ints], number: int, *, with_days: bool = False
) -> Floats | None:
    """(days, parts): share of the planned slots that are missing; NaN where none is planned. `with_days`: one
    more column, the ordinals of the days.
    """
    if not units or not any(unit.missing.any() for unit in units):
        return None
    days = np.unique(np.concatenate([unit.calendar.day for unit in units]))
    due, gone = np.zeros(len(days) * number), np.zeros(len(days) * number)
    for unit in units:
        silent = unit.missing
        at = np.searchsorted(days, unit.calendar.day) * number + np.clip(part_of(unit), 0, number - 1)
        planned = silent | unit.valid
        due += np.bincount(at[planned], minlength=len(due))
        gone += np.bincount(at[silent], minlength=len(due))
    with np.errstate(invalid="ignore"):
        table = np.where(due > 0, gone / np.maximum(due, 1), np.nan).reshape(len(days), number)
    if not with_days:
        return table
    both = np.column_stack([table, days])
    return np.asarray(both[np.isfinite(both[:, 0])])
