"""Forecasts of power that came true: how often is a verdict `met` where its own baseline foretold .8?

Day values of an AR(1). The baseline alone says which true value is just detectable; the reporting period then
has that truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from insitu.arrays import Floats, Ints
from insitu.model import Verdict
from proving.coverage.intervals import LEVEL
from simulators.signals import autoregressive
from trials.plan.parts import Target
from trials.statistics.criteria import judge
from trials.statistics.inference import TRUE_LAGS, Inference
from trials.statistics.intervals import MeanOfDays
from trials.statistics.power import Basis, met_region, smallest_effect

KINDS: Final = ("difference", "limit", "equivalence")
PHIS: Final = (0.0, 0.3, 0.5, 0.7)
PERIODS: Final = ((14, 30), (30, 30), (30, 90), (60, 60))
"""Days of (baseline, reporting)."""
GUARD, MARGIN = 0.8, 3.0
"""In standard deviations of a day: guard band of the limit, and of equivalence on either side."""


@dataclass(frozen=True, slots=True)
class Forecast:
    kind: str
    phi: float
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Foretold:
    """Shares of the replications."""

    cell: Forecast
    replications: int
    possible: float
    """The baseline says that something is detectable."""
    met: float
    """Of those."""


def cells() -> list[Forecast]:
    return [Forecast(kind, phi, before, after) for phi in PHIS for before, after in PERIODS for kind in KINDS]


def replicate(cell: Forecast, numbers: Iterable[int], by: Inference = TRUE_LAGS) -> list[Verdict | None]:
    """The verdict of each trial; None where the baseline says that nothing is detectable."""
    found = []
    for number in numbers:
        rng = np.random.default_rng([number, 7])
        values = autoregressive(rng, cell.before + cell.after, phi=cell.phi, sd=1.0)
        found.append(_VERDICTS[cell.kind](by, values, np.arange(len(values)), cell.before))
    return found


def _difference(by: Inference, values: Floats, days: Ints, before: int) -> Verdict | None:
    baseline, after = by.mean(days[:before], values[:before], None), len(days) - before
    basis = Basis.of(baseline, before_days=before)
    detectable = smallest_effect(basis=basis, days=after, level=LEVEL)
    if detectable is None:
        return None
    later = by.mean(days[before:], values[before:] - 5 - detectable, None)
    periods = by.difference(baseline, later)
    return _judged(by, [periods.before, periods.after], periods.interval(LEVEL), Target(high=-5))


def _limit(by: Inference, values: Floats, days: Ints, before: int) -> Verdict | None:
    basis = Basis.of(by.mean(days[:before], values[:before], None), fixed=GUARD)
    region = met_region(basis=basis, days=len(days) - before, level=LEVEL, target=(None, 68.0))
    if region is None:
        return None
    mean = by.mean(days[before:], values[before:] + (region[1] or 0.0), None)
    low, high = mean.interval(LEVEL)
    half = float(np.hypot(GUARD, (high - low) / 2))
    ends = (low + high) / 2 - half, (low + high) / 2 + half
    return _judged(by, [mean], ends, Target(high=68))


def _equivalence(by: Inference, values: Floats, days: Ints, before: int) -> Verdict | None:
    basis = Basis.of(by.mean(days[:before], values[:before], None))
    region = met_region(basis=basis, days=len(days) - before, level=LEVEL, target=(-MARGIN, MARGIN))
    if region is None:
        return None
    mean = by.mean(days[before:], values[before:] + (region[0] or 0.0), None)
    return _judged(by, [mean], mean.interval(LEVEL), Target(low=-MARGIN, high=MARGIN))


_VERDICTS: Final = {"difference": _difference, "limit": _limit, "equivalence": _equivalence}


def _judged(by: Inference, means: Sequence[MeanOfDays], ends: tuple[float, float], target: Target) -> Verdict:
    """As the designs judge: values that are too alike are not."""
    if any(by.needed(mean, LEVEL) is not None for mean in means):
        return Verdict.NOT_EVALUABLE
    return judge(*ends, target)


def shares(cell: Forecast, found: Sequence[Verdict | None]) -> Foretold:
    verdicts = [verdict for verdict in found if verdict is not None]
    met = verdicts.count(Verdict.MET) / max(1, len(verdicts))
    return Foretold(cell, len(found), len(verdicts) / len(found), met)


def table(found: Sequence[Foretold]) -> str:
    """A row for each φ and pair of periods, a column for each kind of target."""
    rows = [f"| φ | days | {' | '.join(KINDS)} |", "|---" * (2 + len(KINDS)) + "|"]
    by_row: dict[tuple[float, int, int], dict[str, str]] = {}
    for one in found:
        key = (one.cell.phi, one.cell.before, one.cell.after)
        by_row.setdefault(key, {})[one.cell.kind] = f"{one.met:.2f} ({one.possible:.2f})"
    rows += [
        f"| {phi:g} | {before}, {after} | {' | '.join(of.get(kind, '–') for kind in KINDS)} |"
        for (phi, before, after), of in by_row.items()
    ]
    return "\n".join(rows)
