"""The question put to a design, and its answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from math import isfinite
from typing import Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from insitu.arrays import Floats
from insitu.errors import CorrectInput
from insitu.model import PeriodName
from insitu.spacing import Spacing
from trials.evaluation import DayValue, Estimate, Line, Pair
from trials.plan.aggregation import ON_ENERGY, Aggregation
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Capture
from trials.plan.rules import Rules
from trials.sentences import finding
from trials.series.aggregate import day_sums, day_values, due_units, filled_day_values, partial_groups
from trials.series.edges import local_grid
from trials.series.scale import ARITHMETIC, Scale
from trials.series.slots import Calendar, Unit, day_groups, mean_of_units, steps_of
from trials.series.standing import Standing
from trials.series.sums import Filling, Fillings, Sums, means_of, sums_of
from trials.statement import Statement
from trials.statistics.inference import INDEPENDENT, NEIGHBOURS, TRUE_LAGS, Inference
from trials.statistics.intervals import DayJackknife, MeanOfDays

Days = NDArray[np.int64]
ArmRole = Literal["candidate", "reference", "control"]
DAY_US = 86_400_000_000
LONGER = (("week", 7, 7), ("month", 28, 31), ("year", 365, 366))
"""Name of an interval → least and most days that it has."""
Made = dict[tuple[object, ...], object]
Kind = TypeVar("Kind")

DAY_VALUES = TypeAdapter(list[DayValue])
SLOTS_A_STEP = 4
"""Sums of steps are kept for fillings if a step has this many slots or more."""


@dataclass(frozen=True, slots=True)
class Question:
    """An endpoint with its arms' units for each period, and the protocol's settings for it."""

    endpoint: Endpoint
    capture: Capture
    level: float
    seed: int
    scale: Scale
    """Averaging scale of the property."""
    units: dict[tuple[ArmRole, PeriodName], list[Unit]]
    covariates: dict[tuple[str, PeriodName], list[Unit]] = field(default_factory=dict)
    """(property, period) of the candidate arm, for the season check."""
    covariate_scales: dict[str, Scale] = field(default_factory=dict)
    """Property of a covariate → its averaging scale; arithmetic where it is not named."""
    rules: Rules = field(default_factory=Rules)
    bare: bool = False
    """Compute only what decides: no sensitivity, no placebos, no pairs for the figure. For other choices of
    the same analysis, and for benches that ask thousands of times.
    """
    steady: bool = False
    """Its arms are whole on every day that counts: a device that is not there has the level of that day, and
    its own distance from the others (`trials.series.standing`).
    """
    made: Made = field(default_factory=dict, repr=False)
    """Cache of values made from single units; questions that hold different units may share it."""
    fillings: Fillings = field(default_factory=Fillings, repr=False)
    """Values in place of what is missing from its units (`trials.judge.completion`)."""

    def without(self, names: Collection[str]) -> Question:
        """The same question as if these units had never been there."""
        kept = {key: [unit for unit in found if unit.name not in names] for key, found in self.units.items()}
        return replace(self, units=kept)

    def arm(self, role: ArmRole, period: PeriodName) -> list[Unit]:
        return self.units.get((role, period), [])

    @property
    def inference(self) -> Inference:
        """How its means get their intervals."""
        if not self.rules.true_lags:
            return NEIGHBOURS
        return TRUE_LAGS if self.endpoint.independent is None else INDEPENDENT

    @property
    def inference_by(self) -> str:
        """The one value of its intervals: a day, or the planned interval where that is longer."""
        if self.endpoint.independent is not None:
            return "sample"
        step = max((unit.calendar.step_us for units in self.units.values() for unit in units), default=DAY_US)
        days = step / DAY_US
        if days <= 1:
            return "day"
        return next((name for name, low, high in LONGER if low <= days <= high), "interval")

    @property
    def aggregation(self) -> Aggregation:
        return Aggregation.of(self.endpoint.aggregation)

    @property
    def day_scale(self) -> Scale:
        """The scale on which day values are averaged over days and devices: shares and percentiles are plain
        numbers on every scale, and so are totals.
        """
        return self.scale.between if self.aggregation.name in ON_ENERGY else ARITHMETIC

    def covariate_days(self, name: str, period: PeriodName) -> tuple[Days, Floats]:
        """Day values of a covariate, on its own scale, whatever the endpoint's is."""
        plain = replace(
            self,
            endpoint=self.endpoint.model_copy(update={"aggregation": "mean"}),
            scale=self.covariate_scales.get(name, ARITHMETIC),
            fillings=Fillings(),
        )
        return plain.days_of(self.covariates.get((name, period), []))

    def days_of(self, units: list[Unit]) -> tuple[Days, Floats]:
        """(ordinals, mean over units of the endpoint's aggregation) of every local day; NaN where the day
        does not count.
        """
        if not units:
            return np.empty(0, np.int64), np.empty(0)
        groups, days = day_groups(units[0].calendar)

        def due(unit: Unit) -> Days:
            return due_units([unit], groups, len(days))

        tables = [self._day_values(unit) for unit in units]
        number_due = np.sum([self.once("due", unit, due) for unit in units], axis=0)
        values = mean_of_units(tables, share=self.capture.day, scale=self.day_scale, due=number_due)
        values[self._partial(units, groups, len(days), "days")] = np.nan
        if self.steady:
            values = self._with_all(units, values)
        return days, values

    def _with_all(self, units: list[Unit], values: Floats) -> Floats:
        """Day values of a whole arm, with every device on each day that counts."""
        cell = next((cell for cell, found in self.units.items() if found is units), None)
        standing = None if cell is None else self.standing(cell[0])
        if cell is None or standing is None:
            return values
        whole = mean_of_units(list(standing.of_period(cell[1])), share=0.0, scale=self.day_scale)
        return np.where(np.isfinite(values), whole, np.nan)

    def standing(self, role: ArmRole) -> Standing | None:
        """The devices of an arm over all its periods; None where nobody comes or goes, and for
        directions.
        """
        arms = {period: found for (of, period), found in self.units.items() if of == role and found}
        if max((len(found) for found in arms.values()), default=0) < 2 or self.day_scale.is_circular:
            return None
        tables = {
            period: {unit.name: self._day_values(unit) for unit in found} for period, found in arms.items()
        }
        return Standing.of(tables)

    def _partial(self, units: list[Unit], groups: Days, number: int, what: object) -> Days:
        """Days, or steps of the grid, that the period cuts too short to count. `what`: which groups."""
        if not self.rules.whole_days:
            return np.empty(0, np.int64)
        share = self.capture.day
        key = ("partial", what, share, *units)
        return self.once(key, units[0], lambda _: partial_groups(units, groups, number, share))

    def _day_values(self, unit: Unit) -> Floats:
        """The endpoint's aggregation of each local day of one unit."""
        chosen, share, percent = self.aggregation, self.capture.day, self.endpoint.unit == "%"
        scale, by_part = self.scale, self.rules.weigh_parts

        def values(unit: Unit) -> Floats:
            return day_values(chosen, unit, share=share, scale=scale, percent=percent, by_part=by_part)

        def sums(unit: Unit) -> Sums:
            return day_sums(chosen, unit, scale=scale, by_part=by_part)

        def filled(unit: Unit, filling: Filling) -> Floats:
            made = partial(self.once, ("day sums", chosen, scale), unit, sums)
            return filled_day_values(
                chosen, unit, filling, made, share=share, scale=scale, percent=percent, by_part=by_part
            )

        return self.once_filled(("days", chosen, share, scale, percent), unit, values, filled)

    def devices(self) -> dict[str, int]:
        """`candidate_devices` and so on → number of devices of that arm in the reporting period."""
        return {
            f"{role}_devices": len(units)
            for (role, period), units in self.units.items()
            if period is PeriodName.REPORTING and units
        }

    def once(self, what: object, unit: Unit, make: Callable[[Unit], Kind]) -> Kind:
        """`make(unit)`, computed once. `what` names everything else that it depends on."""
        key = (what, unit)
        if key not in self.made:
            self.made[key] = make(unit)
        return cast(Kind, self.made[key])

    def once_filled(
        self,
        what: object,
        unit: Unit,
        make: Callable[[Unit], Kind],
        make_filled: Callable[[Unit, Filling], Kind],
    ) -> Kind:
        """`once`, for the unit with its filling if it has one."""
        filling = self.fillings.of.get(unit)
        if filling is None:
            return self.once(what, unit, make)
        key = (what, unit)
        if key not in self.fillings.made:
            self.fillings.made[key] = make_filled(unit, filling)
        return cast(Kind, self.fillings.made[key])

    def on_grid(self, *arms: list[Unit]) -> tuple[Days, list[list[Floats]]]:
        """(local day in which each step of the endpoint's grid begins, value of each unit of each arm); all
        units are of one period.

        A step is valid with the protocol's share of its planned slots. Steps lie on the local clock and
        calendar (`trials.series.edges`). A series slower than the grid may end on an earlier step; on a scale
        of totals it has no steps, and a step that the period cuts has no value.
        """
        grid = self.endpoint.grid
        number = max(len(steps_of(unit.calendar, grid)[1]) for units in arms for unit in units)
        of_first = steps_of(arms[0][0].calendar, grid)[1]
        days = np.pad(of_first, (0, number - len(of_first)))
        return days, [[self._step_values(unit, number) for unit in units] for units in arms]

    def _step_values(self, unit: Unit, number: int) -> Floats:
        """Mean of each of `number` steps of one unit."""
        grid, share = self.endpoint.grid, self.capture.day
        scale = self.scale if self.rules.every_scale else self.day_scale
        what = ("grid", grid, number, share, scale, self.rules.whole_days)

        def sums(unit: Unit) -> Sums:
            return sums_of(unit, steps_of(unit.calendar, grid)[0], number, scale=scale)

        def means(unit: Unit, sums: Sums) -> Floats:
            found = means_of(sums, share=share, scale=scale)
            found[self._partial([unit], steps_of(unit.calendar, grid)[0], number, grid)] = np.nan
            if scale.is_total:
                found[_cut_steps(unit.calendar, steps_of(unit.calendar, grid)[0], grid)] = np.nan
            return found

        def values(unit: Unit) -> Floats:
            return means(unit, sums(unit))

        def filled(unit: Unit, filling: Filling) -> Floats:
            if SLOTS_A_STEP * number > unit.calendar.n:  # sums would take more memory than they spare
                return values(filling.in_unit(unit))
            known = self.once(("sums", *what), unit, sums)
            return means(unit, filling.in_sums(known, unit, steps_of(unit.calendar, grid)[0], scale=scale))

        return self.once_filled(what, unit, values, filled)


def _cut_steps(calendar: Calendar, steps: Days, grid: Spacing) -> list[int]:
    """Steps that the period cuts, so that their slots do not make up a whole one; all of them if the slots
    are longer than the grid.
    """
    if calendar.step_us > grid.about_us or calendar.time_zone is None:
        return [int(step) for step in np.unique(steps)]
    start_us, end_us = calendar.period_us
    of_dates = bool(grid.days or grid.months)  # counted from the date on which the period begins
    sooner = start_us if of_dates else start_us - DAY_US
    edges = local_grid(sooner, end_us + 2 * grid.about_us, grid, calendar.time_zone, whole=False).edges_us
    first = calendar.cut[0] if of_dates else int(calendar.edges_us[0]) not in edges
    found = [(int(steps[0]), first), (int(steps[-1]), int(calendar.edges_us[-1]) not in edges)]
    return [step for step, is_cut in found if is_cut]


@dataclass(frozen=True, slots=True)
class Known:
    """A statistic with its interval at any level."""

    statistic: str
    value: float
    interval: Callable[[float], tuple[float, float]]
    unit: str
    method: str
    n: int
    n_effective: float | None = None
    early: Callable[[float, int], tuple[float, float]] | None = None
    """(level, planned days of the reporting period) → interval that holds at every look while it lasts; None:
    it has no such form.
    """
    counts: Mapping[str, int] = field(default_factory=dict)
    """Name of a count (days, pairs, steps, …) → count: what `n` takes together."""
    basis: MeanOfDays | DayJackknife | None = None
    """The scatter behind the interval, if it rests on days alone; `trials.statistics.power` computes other
    lengths from it.
    """
    inference_by: str | None = None
    """As in `Estimate`; `Design.answer` sets it."""

    def estimate(self, level: float) -> Estimate:
        low, high = self.interval(level)
        return Estimate(
            statistic=self.statistic,
            value=self.value,
            low=low,
            high=high,
            level=level,
            unit=self.unit,
            method=self.method,
            n=self.n,
            n_effective=self.n_effective,
            counts=dict(self.counts) or None,
            inference_by=self.inference_by,
        )


@dataclass(frozen=True, slots=True)
class Trend:
    """A trend within a period that shows."""

    period: str
    slope: float
    """Of the day values, per day."""
    values: Mapping[str, tuple[float, float]]
    """Statistic → its value if the period were as a straight line has its beginning, or its end."""


@dataclass(slots=True)
class Answer:
    """The answer of a design. If it cannot be evaluated, `statistics` is empty and `findings` says why."""

    statistics: list[Known] = field(default_factory=list)
    findings: list[Statement] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    sensitivity: list[tuple[str, Estimate]] = field(default_factory=list)
    question: Question | None = field(default=None, repr=False)
    """The question on plain arrays (`designs.ask`); None in an evaluation, which has its inputs."""
    is_open: bool = False
    """A finding says why what its intervals decide stays open all the same."""
    trends: list[Trend] = field(default_factory=list)

    def statistic(self, name: str) -> Known:
        """The statistic of that name. CorrectInput lists the statistics, or the findings that block them."""
        for known in self.statistics:
            if known.statistic == name and not self.blocked:
                return known
        there = [known.statistic for known in self.statistics] if not self.blocked else []
        why = [f"{one.code} {one.evidence}" for one in self.findings if one.severity == "blocking"]
        raise CorrectInput(
            f"There is no {name!r}: " + ("; ".join(why) or f"there is {', '.join(there) or 'nothing'}") + "."
        )

    @property
    def blocked(self) -> bool:
        return any(finding.severity == "blocking" for finding in self.findings)


def line(name: str, arm: str | None, days: Days, values: Floats) -> Line:
    """A daily series for the figures."""
    known = zip(days.tolist(), values.tolist(), strict=True)
    points = [
        {"day": date.fromordinal(day), "value": value if isfinite(value) else None} for day, value in known
    ]
    return Line(name=name, arm=arm, days=DAY_VALUES.validate_python(points))


def at_any_level(ends: tuple[float, float]) -> Callable[[float], tuple[float, float]]:
    """An interval made for one level, for callers that ask for that level only."""
    return lambda _: ends


def too_wide(
    question: Question, result: Answer, mean: MeanOfDays, period: str, statistic: str | None = None
) -> None:
    """Blocks the endpoint if the interval of a mean is wider than the range of its values: then the values
    say more by themselves. `statistic`: only where a criterion names it, or none is named at all.
    """
    named = {criterion.statistic for criterion in question.endpoint.criteria}
    if statistic is not None and named and statistic not in named:
        return
    needed = question.inference.needed(mean, question.level)
    if needed is not None:
        result.findings.append(
            finding("too_few_effective_days", days=mean.n, period=period, needed=max(needed, mean.n + 1))
        )
