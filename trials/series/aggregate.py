"""How the results of a local day become one value, and which planned intervals an endpoint is about.

The day value is the unit of inference; everything here happens within a day. Days are those of the trial's
time zone, and every slot belongs to the local date on which it begins, also where a filter wraps midnight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache

import numpy as np

from insitu.arrays import Bools, Floats, Ints
from insitu.spacing import Spacing
from insitu.times import to_whole_second_us
from trials.plan.aggregation import ON_ENERGY, SHARES, WITH_STEP, Aggregation, Filter
from trials.plan.endpoint import Endpoint
from trials.series.inputs import Placement
from trials.series.scale import ARITHMETIC, Scale
from trials.series.slots import Calendar, Unit, day_groups, steps_of
from trials.series.sums import Filling, Sums, grouped, means_of, sums_of
from trials.statistics.metrics.levels import HOURS, PENALTIES, in_period

DAY_EVENING_NIGHT = {"ld": "day", "le": "evening", "ln": "night"}
PARTS = ("day", "evening", "night")
NO_LEVELS = ("duty", "sum")
"""Their slots hold shares or sums, on whatever scale the property is."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_STEPS = 10**9
"""More than a day can have; keeps the steps of one day apart from those of the next."""
LEVEL_PERCENTILE = {"la10": 90.0, "la90": 10.0}
"""LA10 is exceeded 10 % of the time: nine tenths of the levels lie below it."""


# -- which intervals


def inside(kept: Filter | None, aggregation: Aggregation, calendar: Calendar) -> Bools:
    """Slots in which the endpoint plans a result, by time alone: hours, weekdays, holidays, and the hours of
    ld, le and ln.
    """
    found = np.ones(calendar.n, bool)
    if aggregation.name in DAY_EVENING_NIGHT:
        found &= in_period(hours=calendar.hour, period=DAY_EVENING_NIGHT[aggregation.name])
    if kept is None:
        return found
    if kept.hours is not None:
        start, end = (int(text[:2]) + int(text[3:]) / 60 for text in kept.hours)
        after, before = calendar.hour >= start - 1e-9, calendar.hour < end - 1e-9
        found &= after & before if start < end else after | before
    if kept.weekdays is not None:
        found &= np.isin((calendar.day - 1) % 7, [WEEKDAYS.index(day) for day in kept.weekdays])
    if kept.holidays is not None:
        years = range(
            date.fromordinal(int(calendar.day[0])).year, date.fromordinal(int(calendar.day[-1])).year + 1
        )
        off = np.isin(calendar.day, [day.toordinal() for year in years for day in public_holidays(year)])
        found &= off if kept.holidays == "only" else ~off
    return found


def restricted(unit: Unit, planned: Bools) -> Unit:
    """The unit without the slots that are not planned: they have no value, and are not missing."""
    if planned.all() or (unit.outside is not None and (planned | unit.outside).all()):
        return unit
    outside = ~planned if unit.outside is None else ~planned | unit.outside
    return replace(
        unit, value=np.where(outside, np.nan, unit.value), excused=unit.excused | outside, outside=outside
    )


def own_plan(endpoint: Endpoint) -> str | None:
    """The endpoint's name, if it does not plan every interval of its arms: then it has a capture of its
    own.
    """
    return (
        endpoint.name
        if endpoint.filter is not None or endpoint.aggregation.name in DAY_EVENING_NIGHT
        else None
    )


def is_about(endpoint: Endpoint, device: str, places: Sequence[Placement]) -> bool:
    """Whether the filter admits the device and a site where it stood. A device whose site is unknown stays
    in, as missing.
    """
    kept = endpoint.filter
    if kept is None:
        return True
    here = kept.sites is None or not places or any(place.site in kept.sites for place in places)
    return here and (kept.devices is None or device in kept.devices)


def about(endpoint: Endpoint, unit: Unit, places: Sequence[Placement], *, by_half: bool = True) -> Unit:
    """The unit with the slots that the endpoint plans: its hours and days, without the time that the device
    spent at other sites. `by_half` as in `within`.
    """
    planned = inside(endpoint.filter, endpoint.aggregation, unit.calendar)
    if endpoint.filter is not None and endpoint.filter.sites is not None:
        elsewhere = [(p.start, p.end) for p in places if p.site not in endpoint.filter.sites]
        planned &= ~within(elsewhere, unit.calendar, by_half=by_half)
    return restricted(unit, planned)


def within(spans: Sequence[tuple[datetime, datetime | None]], calendar: Calendar, *, by_half: bool) -> Bools:
    """Slots that lie within the spans `[start, end)`, end None for one that lasts: at least half of the slot,
    all spans taken together; else (rules 1) its beginning, within any of them.
    """
    found = np.zeros(calendar.n, bool)
    covered = np.zeros(calendar.n, np.int64)
    reached_us = calendar.period_us[0]
    last_us = int(calendar.edges_us[-1]) if calendar.n else reached_us
    for start, end in sorted(spans, key=lambda span: span[0]):
        start_us = to_whole_second_us(start)
        end_us = last_us if end is None else to_whole_second_us(end)
        found |= (calendar.starts_us >= start_us) & (calendar.starts_us < end_us)
        fresh = np.clip(calendar.edges_us, max(start_us, reached_us), max(end_us, reached_us))
        covered += np.diff(fresh) if end_us > max(start_us, reached_us) else 0
        reached_us = max(reached_us, end_us)
    return 2 * covered >= np.diff(calendar.edges_us) if by_half else found


@lru_cache(maxsize=64)
def public_holidays(year: int) -> tuple[date, ...]:
    """The eleven of metropolitan France (Code du travail, L3133-1); Easter by the algorithm of Meeus, Jones
    and Butcher.
    """
    a, (b, c) = year % 19, divmod(year, 100)
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * weekday) // 451
    month, day = divmod(h + weekday - 7 * m + 114, 31)
    easter = date(year, month, day + 1)
    fixed = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))
    return tuple(
        sorted([date(year, *one) for one in fixed] + [easter + timedelta(days=n) for n in (1, 39, 50)])
    )


def due_units(units: Sequence[Unit], groups: Ints, number: int) -> Ints:
    """How many of the units plan anything in each group."""
    due = np.zeros(number, np.int64)
    for unit in units:
        due += np.bincount(groups[unit.inside], minlength=number) > 0
    return due


def partial_groups(units: Sequence[Unit], groups: Ints, number: int, share: float) -> Ints:
    """The first and the last group (a day, or a step of a grid) if they plan less than `share` of the slots
    that the groups between them plan in the middle: the period has cut them. None where nothing lies between.
    """
    planned = np.zeros(number, np.int64)
    for unit in units:
        planned += np.bincount(groups[unit.inside], minlength=number)
    between = planned[1:-1]
    if not (between > 0).any():
        return np.empty(0, np.int64)
    least = share * np.median(between[between > 0])
    return np.array([at for at in (0, number - 1) if planned[at] < least], np.int64)


# -- one value a day


def as_counted(aggregation: Aggregation, result: Floats) -> Floats:
    """Results as they go into a slot: for `duty` 1 or 0 for on or off, else unchanged."""
    if aggregation.name != "duty":
        return result
    return (result > (aggregation.threshold or 0.0)).astype(np.float64)


def day_sums(aggregation: Aggregation, unit: Unit, *, scale: Scale, by_part: bool = True) -> Sums:
    """The sums of each local day, for `filled_day_values`; of each part of it for Lden, if `by_part`."""
    groups, number, weights = _grouping(aggregation, unit.calendar, by_part=by_part)
    unit = restricted(unit, inside(None, aggregation, unit.calendar))
    return sums_of(unit, groups, number, scale=_scale_within(aggregation, scale), weights=weights)


def day_values(
    aggregation: Aggregation,
    unit: Unit,
    *,
    share: float,
    scale: Scale,
    percent: bool = False,
    by_part: bool = True,
) -> Floats:
    """One value for every local day of the unit's calendar; NaN where fewer than `share` of its planned slots
    are valid.

    A share is 0 to 1, or 0 to 100 with `percent`. `count` and `sum` are for the whole planned day: the mean
    of the valid slots times the number planned, so that a missing interval does not count as 0. A day cut by
    the period has a mean, but no sum, no extreme and no share: those of an hour are not those of a day. On a
    scale of totals the mean is a sum too. Lden weighs the levels of day, evening and night, and half of each
    must be there; without `by_part` (before rules 6) it weighs the slots that are there.
    """
    sums = day_sums(aggregation, unit, scale=scale, by_part=by_part)
    return _of_sums(aggregation, unit, sums, share=share, scale=scale, percent=percent, by_part=by_part)


def filled_day_values(
    aggregation: Aggregation,
    unit: Unit,
    filling: Filling,
    sums: Callable[[], Sums],
    *,
    share: float,
    scale: Scale,
    percent: bool = False,
    by_part: bool = True,
) -> Floats:
    """`day_values` of the filled unit; `sums`: `day_sums` of the unit without its filling."""
    if aggregation.name in WITH_STEP:  # they need more than sums
        return day_values(aggregation, filling.in_unit(unit), share=share, scale=scale, percent=percent)
    groups, _, weights = _grouping(aggregation, unit.calendar, by_part=by_part)
    within_day = _scale_within(aggregation, scale)
    more = filling.in_sums(sums(), unit, groups, scale=within_day, weights=weights)
    return _of_sums(aggregation, unit, more, share=share, scale=scale, percent=percent, by_part=by_part)


def _scale_within(aggregation: Aggregation, scale: Scale) -> Scale:
    return ARITHMETIC if aggregation.name in NO_LEVELS else scale


def _grouping(
    aggregation: Aggregation, calendar: Calendar, *, by_part: bool
) -> tuple[Ints, int, Floats | None]:
    """(group of each slot, number of groups, weight of each slot): local days; for Lden the three parts of
    each, or before rules 6 days with the penalties as weights.
    """
    groups, days = day_groups(calendar)
    if aggregation.name != "lden":
        return groups, len(days), None
    if not by_part:
        return groups, len(days), penalties(calendar)
    return _part_groups(calendar), len(PARTS) * len(days), None


@lru_cache(maxsize=64)
def _part_groups(calendar: Calendar) -> Ints:
    """Group of each slot: three for each local day, day, evening and night."""
    part = sum(at * in_period(hours=calendar.hour, period=name) for at, name in enumerate(PARTS))
    groups = len(PARTS) * day_groups(calendar)[0] + part
    groups.flags.writeable = False  # cached: every caller gets the same array
    return groups


def _lden_of(sums: Sums, calendar: Calendar, *, share: float, scale: Scale) -> Floats:
    """Lden of each day from the sums of its parts (Directive 2002/49/EC, annex I); NaN where the day has too
    few slots with a value, or a part fewer than half of those that it usually has.
    """
    planned, valid, total, worth, length = (
        np.reshape(one, (-1, len(PARTS)))
        for one in (
            sums.planned,
            sums.valid,
            sums.total,
            sums.worth,
            np.bincount(_part_groups(calendar), minlength=len(sums.valid)),
        )
    )
    enough = ((valid > 0) & (2 * valid >= np.median(length, axis=0))).all(axis=1)
    enough &= valid.sum(axis=1) >= share * planned.sum(axis=1)
    weights = np.array([HOURS[name] * 10 ** (PENALTIES[name] / 10) for name in PARTS]) / sum(HOURS.values())
    values = np.full(len(enough), np.nan)
    values[enough] = scale.unfold(total[enough] / worth[enough] @ weights)
    return values


def _of_sums(
    aggregation: Aggregation,
    unit: Unit,
    sums: Sums,
    *,
    share: float,
    scale: Scale,
    percent: bool,
    by_part: bool,
) -> Floats:
    scale = _scale_within(aggregation, scale)
    if aggregation.name == "lden" and by_part:
        return _lden_of(sums, unit.calendar, share=share, scale=scale)
    unit = restricted(unit, inside(None, aggregation, unit.calendar))
    groups, days = day_groups(unit.calendar)
    number = len(days)
    means = means_of(sums, share=share, scale=scale)
    if aggregation.name in ON_ENERGY and not scale.is_total:
        return means
    means[cut_days(unit.calendar, groups)] = np.nan
    if aggregation.name in ON_ENERGY:
        return means
    factor = 100.0 if percent and aggregation.name in SHARES else 1.0
    if aggregation.name == "duty":
        return factor * means
    if aggregation.name == "sum":
        return means * _planned(unit, groups, number)
    values = _of_days(aggregation, unit, groups, means, share=share, scale=scale)
    if aggregation.name == "count":
        step_us = unit.calendar.step_us if aggregation.step is None else aggregation.step.about_us
        return values * np.rint(_planned(unit, groups, number) * (unit.calendar.step_us / step_us))
    return factor * values


def _of_days(
    aggregation: Aggregation, unit: Unit, groups: Ints, means: Floats, *, share: float, scale: Scale
) -> Floats:
    """Percentile, extreme or share of the steps of each day that has a mean; NaN on the others."""
    number = len(means)
    of_steps, day_of_step, enough = _steps(aggregation, unit, groups, number, share=share, scale=scale)
    order = np.argsort(day_of_step, kind="stable")
    first = np.searchsorted(day_of_step[order], np.arange(number + 1))
    values = np.full(number, np.nan)
    for at in np.flatnonzero(np.isfinite(means) & enough):
        steps = of_steps[order[first[at] : first[at + 1]]]
        values[at] = _of_steps(aggregation, steps[np.isfinite(steps)])
    return values


def penalties(calendar: Calendar) -> Floats:
    """For Lden: the penalties of evening (5 dB) and night (10 dB) as factors of the energy."""
    evening, day = (in_period(hours=calendar.hour, period=period) for period in ("evening", "day"))
    return np.where(evening, 10**0.5, np.where(day, 1.0, 10.0))


def _planned(unit: Unit, groups: Ints, number: int) -> Floats:
    """Slots of each day that belong to the endpoint. Includes windows, since the day was that long."""
    return np.bincount(groups[unit.inside], minlength=number).astype(np.float64)


def cut_days(calendar: Calendar, groups: Ints) -> list[int]:
    """Days that the period cuts: the first if it begins after midnight, the last if it ends before
    midnight.
    """
    return [int(groups[at]) for at, is_cut in zip((0, -1), calendar.cut, strict=True) if is_cut]


def _of_steps(aggregation: Aggregation, steps: Floats) -> float:
    name = aggregation.name
    if aggregation.threshold is not None:
        return float(np.mean(steps > aggregation.threshold))
    if name in ("min", "max"):
        return float(steps.min() if name == "min" else steps.max())
    q = aggregation.q if aggregation.q is not None else LEVEL_PERCENTILE[name]
    return float(np.percentile(steps, q))  # linear between the steps: type 7 of Hyndman and Fan


def _steps(
    aggregation: Aggregation, unit: Unit, groups: Ints, number: int, *, share: float, scale: Scale
) -> tuple[Floats, Ints, Bools]:
    """(mean of each step, its day, whether enough steps of each day have one); steps begin at local midnight.

    On days on which the clocks change the last step may be shorter.
    """
    if aggregation.step is None:
        return unit.value, groups, np.ones(number, bool)
    within = _step_within(unit.calendar, groups, number, aggregation.step)
    steps, of_slot = np.unique(groups * MOST_STEPS + within, return_inverse=True)
    of_slot = of_slot.astype(np.int64)
    day_of_step: Ints = (steps // MOST_STEPS).astype(np.int64)
    values = grouped(unit, of_slot, len(steps), share=share, scale=scale)
    due = np.bincount(of_slot[~unit.excused | unit.valid], minlength=len(steps)) > 0
    planned = np.bincount(day_of_step, weights=due.astype(float), minlength=number)
    had = np.bincount(day_of_step, weights=np.isfinite(values).astype(float), minlength=number)
    return values, day_of_step, had >= share * planned


def _step_within(calendar: Calendar, groups: Ints, number: int, step: Spacing) -> Ints:
    """A number for the step in which each slot begins, different for the steps of one day."""
    if calendar.time_zone is not None:
        return steps_of(calendar, step)[0]
    first = np.searchsorted(groups, np.arange(number))
    since_first = (np.arange(calendar.n) - first[groups]) * calendar.step_us
    return since_first // step.about_us
