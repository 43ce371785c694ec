"""What a design is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from insitu.errors import CorrectInput
from insitu.model import PeriodName
from trials.aggregate import day_values, due_units
from trials.evaluation import DayValue, Estimate, Finding, Line, Pair
from trials.protocol import ON_ENERGY, Aggregation, Capture, Endpoint
from trials.slots import Unit, day_groups, mean_of_units

Floats = NDArray[np.float64]
Days = NDArray[np.int64]
ArmRole = Literal["candidate", "reference", "control"]


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


def line(name: str, arm: str | None, days: Days, values: Floats) -> Line:
    """A daily series for the figures."""
    return Line(
        name=name,
        arm=arm,
        days=[
            DayValue(day=date.fromordinal(int(day)), value=float(v) if np.isfinite(v) else None)
            for day, v in zip(days, values, strict=True)
        ],
    )
