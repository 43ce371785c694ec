"""Design 2: units of one kind beside each other; how much do they differ from each other?

Uses the N steps of the protocol's grid in which all M units are valid. Every statistic comes from per-day
sums, with the day jackknife.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats
from insitu.model import PeriodName
from trials.designs import other_choices
from trials.designs.clocks import clock_findings
from trials.designs.design import REPORTING, Design, Statistic, named
from trials.designs.question import Answer, Known, Question, at_any_level, line, too_wide
from trials.sentences import finding
from trials.series.scale import Scale
from trials.series.slots import Unit, mean_of_units
from trials.statement import Kind, Sentence, Statement
from trials.statistics.intervals import LOG, MIN_DAYS, DayJackknife, OfSums, bootstrap, varies

Days = NDArray[np.int64]

MIN_STEPS = 20
REPLICATES = 2000
SHORT = 1.0
"""The half-widths are 1 + 1/√n′ times as wide, so that false verdicts stay as rare as stated
(docs/validation.md).
"""
ONE_UNIT = Sentence("one_unit", "blocking", "Arm {arm} has one device: how units differ takes at least two.")
ONE_UNIT_SO_FAR = Sentence(
    "one_unit", "note", "The arm has one device: how units differ takes at least two.", Kind.NOTE
)
NO_COMMON_INTERVALS = Sentence(
    "no_common_intervals", "blocking", "The units share only {steps} valid intervals."
)


def answer(question: Question) -> Answer:
    """SD, CV and between-unit uncertainty of the units of the candidate arm in the reporting period."""
    result = Answer()
    units = question.arm("candidate", PeriodName.REPORTING)
    arm = question.endpoint.arms["candidate"]
    if len(units) < 2:
        result.findings.append(ONE_UNIT.state(arm=arm))
        return result
    day_of_step, (tables,) = question.on_grid(units)
    table = np.stack(tables, axis=1)
    complete = np.isfinite(table).all(axis=1)
    table, days = table[complete], day_of_step[complete]
    numbers = np.unique(days)
    if len(table) < MIN_STEPS and len(numbers) < MIN_DAYS:
        result.findings.append(NO_COMMON_INTERVALS.state(steps=len(table)))
    elif len(numbers) < MIN_DAYS:
        result.findings.append(
            finding("too_few_days", days=len(numbers), period="reporting", needed=MIN_DAYS)
        )
    elif not all(varies(table[:, unit]) for unit in range(table.shape[1])):
        result.findings.append(finding("constant_series", arm=arm))
    elif not varies(1 + _ranges(table, question.scale)):
        result.findings.append(finding("identical_units", arm=arm))
    result.findings += _clocks(question, units, tables, day_of_step)
    if result.blocked:
        return result
    sums = _sums(days, numbers, table, question.scale)
    for name, statistic in _statistics(table.shape[1]):
        if name == "cv" and (not question.day_scale.is_plain or not _above_zero(sums)):
            continue
        jack = DayJackknife.of(
            numbers,
            sums,
            statistic,
            LOG,
            short=SHORT,
            mean=question.inference.mean,
            unordered=not question.inference.ordered,
        )
        too_wide(question, result, jack.spread, "reporting", name)
        unit = DESIGN.unit_of(name, question.endpoint.unit)
        known = Known(
            name,
            jack.estimate,
            jack.interval,
            unit,
            "day_jackknife",
            len(table),
            jack.spread.n_effective,
            counts={"steps": len(table), "days": len(numbers)},
            basis=jack,
        )
        result.statistics.append(known)
        if question.bare:
            continue
        _bootstrapped(question, result, known, sums, statistic)
    result.lines = [line(unit.name, arm, *question.days_of([unit])) for unit in units]
    return result


def _bootstrapped(question: Question, result: Answer, known: Known, sums: Floats, statistic: OfSums) -> None:
    block = max(1, int(np.rint(np.cbrt(len(sums)))))
    rows, drawn = other_choices.rows_to_draw(question, sums, block)
    ends = bootstrap(
        rows, statistic, block=drawn, replicates=REPLICATES, seed=question.seed, level=question.level
    )
    other = Known(known.statistic, known.value, at_any_level(ends), known.unit, "day_bootstrap", known.n)
    result.sensitivity.append(("day_bootstrap", other.estimate(question.level)))
    other_choices.of_sums(question, result, known, sums, statistic, (2 * block,))


def _clocks(question: Question, units: list[Unit], tables: list[Floats], days: Days) -> Iterator[Statement]:
    """A doubt if a unit agrees better with the mean of the others when it is moved in time."""
    pairs = []
    for number, (unit, values) in enumerate(zip(units, tables, strict=True)):
        others = [table for place, table in enumerate(tables) if place != number]
        mean = mean_of_units(others, share=1.0, scale=question.scale)
        names = ", ".join(other.name for other in units if other is not unit)
        pairs.append((unit.name, names, values, mean))
    return clock_findings(question, days, pairs)


def _ranges(table: Floats, scale: Scale) -> Floats:
    """Range of the units in each step; of directions about the first unit."""
    apart = scale.difference(table, table[:, :1]) if scale.is_circular else table
    return np.asarray(np.ptp(apart, axis=1))


def _sums(days: Days, numbers: Days, table: Floats, scale: Scale) -> Floats:
    """Per day: steps, Σ of the steps' means, Σ of the squares about the steps' means; of directions about the
    mean vector, the shorter way round.
    """
    groups = np.searchsorted(numbers, days)
    means = table.mean(axis=1)
    if scale.is_circular:
        vectors = scale.unfold(scale.fold(table).mean(axis=1))
        means = np.where(np.isfinite(vectors), vectors, table[:, 0])  # opposite: as far as can be
    apart = scale.difference(table, means[:, None])
    columns = [np.ones(len(table)), means, np.sum(apart**2, axis=1)]
    return np.stack(
        [np.bincount(groups, weights=column, minlength=len(numbers)) for column in columns], axis=1
    )


def _statistics(units: int) -> list[tuple[str, OfSums]]:
    def sd(s: Floats) -> Floats:
        return np.sqrt(s[..., 2] / (s[..., 0] * units - 1))

    return [
        ("sd", sd),
        ("cv", lambda s: 100 * sd(s) / (s[..., 1] / s[..., 0])),
        ("u_between", lambda s: np.sqrt(s[..., 2] / (s[..., 0] * (units - 1)))),
    ]


def _above_zero(sums: Floats) -> bool:
    """Whether the mean stays above 0 whichever day is left out; otherwise per cent of it mean nothing."""
    return bool((sums[:, 1].sum() - sums[:, 1] > 0).all())


DESIGN = Design(
    "replicates",
    title="Units of one kind beside each other",
    method="Replicates: over the steps in which all M units are valid, SD = √(Σ(x − x̄)²/(N·M − 1)), "
    "CV = 100·SD/x̄, u = √(Σ(x − x̄)²/(N·(M − 1))), x̄ the mean of a step; interval by the day jackknife, "
    "half-widths times 1 + 1/√n′.",
    arms=("candidate",),
    periods=REPORTING,
    statistics=named(
        Statistic("sd", "standard deviation between units", on_circle=True),
        Statistic("cv", "variation between units", unit="%", needs_zero=True),
        Statistic("u_between", "between-unit uncertainty", on_circle=True),
    ),
    function=answer,
    sentences=(ONE_UNIT, ONE_UNIT_SO_FAR, NO_COMMON_INTERVALS),
    other_choices=other_choices.DAY_BOOTSTRAP | other_choices.BLOCK_LENGTH,
    on_grid=True,
    early=False,
)
