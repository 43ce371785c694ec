"""Data that are missing because of their value: how often is a verdict wrong, and what does the rule that
prevents it cost where they are missing at random?

Hourly AR(1) series of 30 days a period in which nothing happened, with the truth just on the margin. Of the
reporting period a share of the hours is lost: the highest, the lowest, those of the night, or any; beside
another series also those with the highest or the largest error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import scipy

from insitu.arrays import Bools, Floats, Ints
from insitu.model import AveragingScale, PeriodName, Verdict
from proving.coverage.intervals import CHUNK, SEED
from simulators.signals import autoregressive
from simulators.worlds.cell import FIRST
from trials.designs import DESIGNS, Answer, ask
from trials.judge.answers import judged
from trials.plan.parts import WORST_PERCENTILE

HOUR: Final = timedelta(hours=1)
DAYS: Final = 30
HOURS: Final = 24 * DAYS
NIGHT: Final = 8
"""Hours from 22:00 to 6:00."""
AT_NIGHT: Final = (np.arange(HOURS) + 2) % 24 < NIGHT
ERROR_HIGH, ERROR_LARGE = "error high", "error large"
ALONE: Final = ("high", "low", "night", "random")
LOST: Final = (*ALONE, ERROR_HIGH, ERROR_LARGE)
SHARES: Final = (0.05, 0.1, 0.15, 0.2, 0.225)
"""At a quarter the gate lets nothing through: too few days have 75 % of their hours."""
PHIS: Final = (0.0, 0.7, 0.95)
"""At 0 nothing that comes before a silence tells that it will come."""
MOST: Final = 0.025
"""Wrong verdicts on one side."""
STARTS: Final[Mapping[str, datetime]] = {
    PeriodName.BASELINE: FIRST - DAYS * timedelta(days=1),
    PeriodName.REPORTING: FIRST,
}
EFFECTS: Final = (3.0, 4.0, 5.0)
"""In standard errors of the mean of a whole period, of somebody who knows φ and σ."""
MEAN, SD = 20.0, 4.0
IN_DB: Final = "dB"
LEVEL: Final = 60.0
"""Mean of the levels of a world in dB."""
BY_ENERGY: Final = LEVEL + SD**2 * np.log(10) / 20
"""Level of the mean power of normal levels."""
SKEWED, BACKGROUND, HEAVY = "log-normal", "log-normal above 40", "Laplace"
LEANS: Final = 0.6
"""Standard deviation of the logarithm."""
ERROR: Final = 2.0
"""Standard deviation of the error of a device beside another one."""


@dataclass(frozen=True, slots=True)
class Silent:
    """A question and the way its data are lost."""

    design: str
    phi: float
    lost: str
    share: float
    effect: float = 0.0
    """Added to the reporting period, in standard errors; negative is better."""
    of: str = ""
    """The statistic or the unit, where the design has several worlds."""

    @property
    def name(self) -> str:
        return f"{self.design}, {self.of}" if self.of else self.design


@dataclass(frozen=True, slots=True)
class Judged:
    """Shares of the replications."""

    cell: Silent
    replications: int
    answered: float
    """Let through by the gate."""
    met: float
    not_met: float
    met_without: float
    """With the missing hours left out, as if they were missing at random."""


OTHERS: Final = (
    ("limit_compliance", "high", IN_DB),
    ("equivalence", ERROR_HIGH, "difference"),
    ("reference_collocation", ERROR_LARGE, "rmse"),
    ("replicates", ERROR_LARGE, "u_between"),
    ("limit_compliance", "high", SKEWED),
    ("limit_compliance", "high", BACKGROUND),
    ("equivalence", ERROR_HIGH, f"difference, {SKEWED}"),
    ("reference_collocation", ERROR_LARGE, f"rmse, {HEAVY}"),
    ("replicates", ERROR_LARGE, f"u_between, {SKEWED}"),
)
"""Levels, what is lost because of its difference from another series, and distributions that are not normal:
design, loss, statistic or unit or distribution.
"""


def standard_error(phi: float) -> float:
    """Of the mean of `HOURS` values of an AR(1)."""
    k = np.arange(1, HOURS)
    variance = SD**2 / HOURS * (1 + 2 * np.sum((1 - k / HOURS) * phi**k))
    return float(np.sqrt(variance))


def cells(phis: Sequence[float] = PHIS) -> list[Silent]:
    """Those in which nothing happened."""
    found = [
        Silent(design, phi, lost, share)
        for design in ("before_after", "limit_compliance")
        for phi in phis
        for lost in ALONE
        for share in SHARES
    ]
    return [
        *found,
        *(Silent("reference_collocation", phi, "night", share) for phi in phis for share in SHARES),
        *(
            Silent(design, phi, lost, share, of=of)
            for design, lost, of in OTHERS
            for phi in phis[:2]
            for share in SHARES
        ),
    ]


def powers(phi: float = 0.7) -> list[Silent]:
    """Those with an effect, and losses at random."""
    return [
        Silent("limit_compliance", phi, "random", share, -effect)
        for effect in EFFECTS
        for share in (0.0, *SHARES)
    ]


def replicate(cell: Silent, numbers: Iterable[int], worst: float) -> list[tuple[Verdict, Verdict]]:
    """(verdict without the rule, verdict with it) of each replication."""
    found = []
    for number in numbers:
        seed = [SEED, number, int(1000 * cell.phi), LOST.index(cell.lost), int(1000 * cell.share)]
        verdict = judged(_answer(cell, np.random.default_rng(seed)), worst_percentile=worst, tell=False)
        before = verdict.verdict if verdict.missing is None else verdict.missing.verdict_without
        found.append((before, verdict.verdict))
    return found


def _answer(cell: Silent, rng: np.random.Generator) -> Answer:
    """One draw; the target lies on the truth of a trial without effect."""
    if cell.of:
        return _other_answer(cell, rng)
    statistic, low, high = {
        "before_after": ("effect", None, 0.0),
        "limit_compliance": ("mean", None, MEAN),
        "reference_collocation": ("bias", -NIGHT * 12.0 / 24, NIGHT * 12.0 / 24),
    }[cell.design]
    return ask(
        cell.design,
        arms=_arms(cell, rng),
        start=STARTS,
        interval=HOUR,
        targets={statistic: (low, high)},
        parameters={"u_meas": 0.01} if cell.design == "limit_compliance" else {},
        bare=True,
    )


def _other_answer(cell: Silent, rng: np.random.Generator) -> Answer:
    """One draw of a world of `OTHERS`."""
    reporting = PeriodName.REPORTING
    if cell.design == "limit_compliance":
        values, mean = _alone(cell, rng)
        in_db: dict[str, Any] = {"unit": "dB", "scale": AveragingScale.ENERGETIC} if cell.of == IN_DB else {}
        return ask(
            cell.design,
            arms={"candidate": {reporting: np.where(_lost(cell, values, rng), np.nan, values)}},
            start=STARTS,
            interval=HOUR,
            targets={"mean": (None, mean)},
            parameters={"u_meas": 0.01},
            bare=True,
            **in_db,
        )
    arms: dict[str, Any]
    statistic, _, shape = cell.of.partition(", ")
    truth = _series(rng, cell.phi)
    errors = [shaped(autoregressive(rng, HOURS, phi=cell.phi, sd=1.0), shape) for _ in range(2)]
    if cell.design == "replicates":
        one, other = (truth + error for error in errors)
        kept = np.where(_lost(cell, one - other, rng), np.nan, one)
        arms = {"candidate": {reporting: {"one": kept, "other": other}}}
    else:
        kept = np.where(_lost(cell, errors[0], rng), np.nan, truth + errors[0])
        beside = "control" if cell.design == "equivalence" else "reference"
        arms = {"candidate": {reporting: {"one": kept}}, beside: {reporting: {"other": truth}}}
    target = (-5 * ERROR, 0.0) if cell.design == "equivalence" else (None, ERROR)
    return ask(cell.design, arms=arms, start=STARTS, interval=HOUR, targets={statistic: target}, bare=True)


def _alone(cell: Silent, rng: np.random.Generator) -> tuple[Floats, float]:
    """(values of one arm, their true mean; of levels by energy)."""
    if cell.of == IN_DB:
        return _series(rng, cell.phi) - MEAN + LEVEL, float(BY_ENERGY)
    above = 40.0 if cell.of == BACKGROUND else 0.0
    made = np.exp(LEANS * autoregressive(rng, HOURS, phi=cell.phi, sd=1.0) - LEANS**2 / 2)
    return above + MEAN * made, above + MEAN


def shaped(normal: Floats, shape: str) -> Floats:
    """Errors of mean 0 and standard deviation `ERROR` from a normal series of standard deviation 1."""
    if shape == SKEWED:
        made = np.exp(LEANS * normal - LEANS**2 / 2) - 1
        return np.asarray(ERROR * made / np.sqrt(np.exp(LEANS**2) - 1))
    if shape == HEAVY:
        beyond = 2 * scipy.special.ndtr(-np.abs(normal))
        return np.asarray(-ERROR / np.sqrt(2) * np.sign(normal) * np.log(beyond))
    return ERROR * normal


def _arms(cell: Silent, rng: np.random.Generator) -> dict[str, dict[str, Floats]]:
    """Role → period → hourly values, NaN where lost."""
    if cell.design == "reference_collocation":
        truth = _series(rng, cell.phi)
        error = autoregressive(rng, HOURS, phi=cell.phi, sd=1.0) + np.where(AT_NIGHT, 12.0, 0.0)
        kept = np.where(_lost(cell, truth + error, rng), np.nan, truth + error)
        return {"candidate": {PeriodName.REPORTING: kept}, "reference": {PeriodName.REPORTING: truth}}
    periods: dict[str, Floats] = {}
    for period in DESIGNS[cell.design].periods:
        values = _series(rng, cell.phi)
        if period is PeriodName.REPORTING:
            values = values + cell.effect * standard_error(cell.phi)
            values = np.where(_lost(cell, values, rng), np.nan, values)
        periods[period] = values
    return {"candidate": periods}


def _series(rng: np.random.Generator, phi: float) -> Floats:
    return MEAN + autoregressive(rng, HOURS, phi=phi, sd=SD)


def _lost(cell: Silent, values: Floats, rng: np.random.Generator) -> Bools:
    number = round(cell.share * HOURS)
    lost = np.zeros(HOURS, bool)
    lost[_order(cell.lost, values, rng)[:number]] = True
    return lost


def _order(kind: str, values: Floats, rng: np.random.Generator) -> Ints:
    """The hours that are lost, the first ones first."""
    if kind == "night":
        return rng.permutation(np.flatnonzero(AT_NIGHT))
    if kind == "random":
        return rng.permutation(HOURS)
    if kind == ERROR_LARGE:
        return np.argsort(-np.abs(values))
    return np.argsort(values if kind == "low" else -values)


def measure(
    asked: Sequence[Silent],
    *,
    replications: int,
    worst: float = WORST_PERCENTILE,
    pool: ProcessPoolExecutor | None = None,
) -> list[Judged]:
    """Measures every cell; the processes of `pool` share the replications."""
    spans = [range(first, min(first + CHUNK, replications)) for first in range(0, replications, CHUNK)]
    if pool is None:
        return [
            shares(cell, [one for span in spans for one in replicate(cell, span, worst)]) for cell in asked
        ]
    running = [(cell, [pool.submit(replicate, cell, span, worst) for span in spans]) for cell in asked]
    return [shares(cell, [one for part in parts for one in part.result()]) for cell, parts in running]


def shares(cell: Silent, found: Sequence[tuple[Verdict, Verdict]]) -> Judged:
    """Counts the verdicts without the rule and with it."""
    n = len(found)
    before, after = ([pair[place] for pair in found] for place in (0, 1))
    return Judged(
        cell,
        n,
        answered=sum(verdict is not Verdict.NOT_EVALUABLE for verdict in before) / n,
        met=after.count(Verdict.MET) / n,
        not_met=after.count(Verdict.NOT_MET) / n,
        met_without=before.count(Verdict.MET) / n,
    )


def table(found: Sequence[Judged]) -> str:
    """A row for each design, φ and kind of loss; a column for each share that is lost."""
    columns = sorted({one.cell.share for one in found})
    rows = [
        "| design | φ | lost | " + " | ".join(f"{100 * share:g} %" for share in columns) + " |",
        "|---" * (3 + len(columns)) + "|",
    ]
    by_row: dict[tuple[str, float, str], dict[float, str]] = {}
    for one in found:
        told = f"{one.met_without:.3f} → {one.met:.3f} · {one.not_met:.3f} · {one.answered:.2f}"
        by_row.setdefault((one.cell.name, one.cell.phi, one.cell.lost), {})[one.cell.share] = told
    rows += [
        f"| {design} | {phi:g} | {lost} | " + " | ".join(of.get(share, "–") for share in columns) + " |"
        for (design, phi, lost), of in by_row.items()
    ]
    return "\n".join(rows)


def table_of_power(found: Sequence[Judged]) -> str:
    """A row for each effect; a column for each share that is lost at random."""
    columns = sorted({one.cell.share for one in found})
    rows = [
        "| effect, standard errors | " + " | ".join(f"{100 * share:g} %" for share in columns) + " |",
        "|---" * (1 + len(columns)) + "|",
    ]
    for effect in sorted({-one.cell.effect for one in found}):
        of = [f"{one.met_without:.2f} → {one.met:.2f}" for one in found if one.cell.effect == -effect]
        rows.append(f"| {effect:g} | " + " | ".join(of) + " |")
    return "\n".join(rows)
