"""What a design is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import date
from math import isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from insitu.errors import CorrectInput
from insitu.model import PeriodName
from trials.aggregate import day_values, due_units
from trials.evaluation import DayValue, Estimate, Finding, Line, Pair
from trials.protocol import ON_ENERGY, Aggregation, Capture, Endpoint
from trials.slots import Unit, day_groups, grouped, mean_of_units

Floats = NDArray[np.float64]
Days = NDArray[np.int64]
ArmRole = Literal["candidate", "reference", "control"]

DAY_US = 86_400_000_000
DAY_VALUES = TypeAdapter(list[DayValue])


@dataclass(frozen=True, slots=True)
class Question:
    """An endpoint with its arms' units for each period, and what the protocol says about them."""

    endpoint: Endpoint
    capture: Capture
    level: float
    seed: int
    energetic: bool
    """Day values are levels in dB, averaged by energy."""
    units: dict[tuple[ArmRole, PeriodName], list[Unit]]
    covariates: dict[tuple[str, PeriodName], list[Unit]] = field(default_factory=dict)
    """(property, period) of the candidate arm, for the season check."""
    levels: bool = False
    """The property is a level in dB, though the day values (a share, a percentile) may be averaged as they are."""
    varied: bool = False
    """It is another choice itself (a device left out, SUSPECT in): the design need not make others of it."""
    bare: bool = False
    """Only what decides is asked for: no placebos and no pairs for the figure either. For measurements that ask thousands of times."""

    def without(self, names: Collection[str]) -> Question:
        """The same question when these units were never there."""
        kept = {key: [unit for unit in found if unit.name not in names] for key, found in self.units.items()}
        return replace(self, units=kept)

    def arm(self, role: ArmRole, period: PeriodName) -> list[Unit]:
        return self.units.get((role, period), [])

    @property
    def aggregation(self) -> Aggregation:
        return Aggregation.of(self.endpoint.aggregation)

    def days_of(self, units: list[Unit]) -> tuple[Days, Floats]:
        """(ordinals, mean over units of the endpoint's aggregation) of every local day; NaN where the day does not count."""
        if not units:
            return np.empty(0, np.int64), np.empty(0)
        groups, days = day_groups(units[0].calendar)
        chosen, percent = self.aggregation, self.endpoint.unit == "%"
        energetic = self.energetic if chosen.name in ON_ENERGY else self.levels
        tables = [day_values(chosen, unit, share=self.capture.day, energetic=energetic, percent=percent) for unit in units]
        due = due_units(units, groups, len(days))
        return days, mean_of_units(tables, share=self.capture.day, energetic=self.energetic, due=due)

    def on_grid(self, *arms: list[Unit]) -> tuple[Days, list[list[Floats]]]:
        """(local day in which each step of the endpoint's grid begins, value of each unit of each arm); all of one period.

        A step is valid with the protocol's share of its planned slots. Steps of 24 h are local days: 23 or 25 hours where the
        clocks change. A series slower than the grid ends on an earlier step.
        """
        grid_us = round(self.endpoint.grid.total_seconds() * 1e6)
        steps = [[_steps(unit, grid_us) for unit in units] for units in arms]
        number = 1 + max(int(step[-1]) for of_arm in steps for step in of_arm)
        days = np.zeros(number, np.int64)
        days[steps[0][0][::-1]] = arms[0][0].calendar.day[::-1]
        return days, [
            [
                grouped(unit, step, number, share=self.capture.day, energetic=self.energetic)
                for unit, step in zip(units, of_arm, strict=True)
            ]
            for units, of_arm in zip(arms, steps, strict=True)
        ]


def _steps(unit: Unit, grid_us: int) -> Days:
    """Grid step of each slot."""
    if grid_us == DAY_US:
        days: Days = unit.calendar.day - unit.calendar.day[0]
        return days
    return (unit.calendar.step_us * np.arange(unit.calendar.n, dtype=np.int64)) // grid_us


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
    """(level, planned days of the reporting period) → interval that holds at every look while it lasts; None: there is no such form."""

    def estimate(self, level: float) -> Estimate:
        low, high = self.interval(level)
        return Estimate(
            statistic=self.statistic, value=self.value, low=low, high=high, level=level, unit=self.unit, method=self.method,
            n=self.n, n_effective=self.n_effective,
        )  # fmt: skip


@dataclass(slots=True)
class Answer:
    """What a design found; `statistics` empty where it cannot be evaluated, and `findings` says why."""

    statistics: list[Known] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    sensitivity: list[tuple[str, Estimate]] = field(default_factory=list)

    def statistic(self, name: str) -> Known:
        """The statistic of that name; CorrectInput says what there is, or what stands in the way."""
        for known in self.statistics:
            if known.statistic == name and not self.blocked:
                return known
        there = [known.statistic for known in self.statistics] if not self.blocked else []
        why = [f"{one.code} {one.evidence}" for one in self.findings if one.severity == "blocking"]
        raise CorrectInput(f"There is no {name!r}: " + ("; ".join(why) or f"there is {', '.join(there) or 'nothing'}") + ".")

    @property
    def blocked(self) -> bool:
        return any(finding.severity == "blocking" for finding in self.findings)


STATISTIC_UNITS = {
    "r2": "1", "slope": "1", "slope_orthogonal": "1", "nrmse": "%", "ratio": "1", "cv": "%", "completeness": "%", "uptime": "%",
    "gaps": "1", "longest_gap": "h", "mtbf": "h", "rate_ratio": "1", "slope_ratio": "1", "relative_effect": "%",
}  # fmt: skip
"""Statistics that do not have the unit of their endpoint."""


def unit_of(statistic: str, endpoint_unit: str) -> str:
    """The unit of a statistic of an endpoint."""
    return f"{endpoint_unit}/d" if statistic == "slope_change" else STATISTIC_UNITS.get(statistic, endpoint_unit)


def line(name: str, arm: str | None, days: Days, values: Floats) -> Line:
    """A daily series for the figures."""
    known = zip(days.tolist(), values.tolist(), strict=True)
    points = [{"day": date.fromordinal(day), "value": value if isfinite(value) else None} for day, value in known]
    return Line(name=name, arm=arm, days=DAY_VALUES.validate_python(points))
