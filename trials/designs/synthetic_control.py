"""Design 8: many controls. A weighted mean of donors that follows the treated arm in the baseline is its
counterfactual in the reporting period.

Every series is taken about its own baseline mean. Each donor in turn is treated the same way, as a placebo:
the size of those placebo effects shows how far the effect may be off by chance.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats
from insitu.model import PeriodName
from trials.designs.design import BOTH, EFFECT, RELATIVE_EFFECT, Design, named
from trials.designs.question import Answer, ArmRole, Known, Question, line
from trials.sentences import finding
from trials.statement import Sentence, Statement
from trials.statistics.intervals import MIN_DAYS, always_valid_reach, varies
from trials.statistics.metrics.permutation import rank_p
from trials.statistics.metrics.synthetic import donor_weights

Days = NDArray[np.int64]

ARMS: tuple[ArmRole, ...] = ("candidate", "control")
MIN_DONORS = 19
"""With fewer donors the rank of the treated arm among J + 1 cannot reach 5 %."""
MIN_FIT = 0.5
"""Share of the treated arm's baseline variance that the synthetic control must follow."""
TOO_FEW_DONORS = Sentence(
    "too_few_donors",
    "blocking",
    "Only {donors} donors can be used; at least {needed} are needed for the rank to reach the level.",
)
POOR_FIT = Sentence(
    "poor_fit",
    "blocking",
    "The synthetic control follows only {fit} % of the variance of the treated arm in the baseline; "
    "{needed} % are needed.",
)
DONOR_FIT = Sentence(
    "donor_fit",
    "note",
    "The synthetic control follows {fit} % of the variance of the treated arm in the baseline (at least "
    "{needed} %).",
)
PLACEBO_RANK = Sentence(
    "placebo_rank",
    "note",
    "Each of {donors} donors as if it had been treated: the effect has p = {p} among them.",
)


class Compared(NamedTuple):
    effect: float
    rmspe: float
    """Root mean square error in the baseline."""
    counterfactual: Floats


def answer(question: Question) -> Answer:
    """Mean of treated − synthetic in the reporting period, about its mean in the baseline; interval from the
    placebo effects of the donors.
    """
    result = Answer(findings=_absent(question))
    if result.blocked:
        return result
    before, after_days, after = _tables(question, result)
    if len(before) >= MIN_DAYS and not varies(before[:, 0]):
        result.findings.append(finding("constant_series", arm=question.endpoint.arms["candidate"]))
        return result
    donors = before.shape[1] - 1
    needed = max(MIN_DONORS, ceil(round(1 / (1 - question.level), 9)) - 1)
    if donors < needed:
        result.findings.append(TOO_FEW_DONORS.state(donors=max(0, donors), needed=needed))
        return result
    for period, table in (("baseline", before), ("reporting", after)):
        if len(table) < MIN_DAYS:
            result.findings.append(finding("too_few_days", days=len(table), period=period, needed=MIN_DAYS))
    if result.blocked:
        return result
    found = _compare(before, after, 0, list(range(1, donors + 1)))
    fit = 1 - found.rmspe**2 / float(np.var(before[:, 0]))
    result.findings.append(
        (DONOR_FIT if fit >= MIN_FIT else POOR_FIT).state(fit=100 * fit, needed=100 * MIN_FIT)
    )
    placebos = [
        _compare(before, after, j, [k for k in range(1, donors + 1) if k != j]) for j in range(1, donors + 1)
    ]
    moving = [p for p in placebos if p.rmspe > 0]
    if found.rmspe <= 1e-9 * float(np.std(before[:, 0])):
        result.findings.append(finding("identical_units", arm=question.endpoint.arms["candidate"]))
    elif len(moving) < needed:
        result.findings.append(TOO_FEW_DONORS.state(donors=len(moving), needed=needed))
    if result.blocked:
        return result
    errors = _error_of_days(question, after_days, after[:, 0] - found.counterfactual, len(before))
    _statistics(question, result, found, moving, (errors, len(after)))
    _equal_weights(question, result, before, after)
    result.lines.append(line("counterfactual", None, after_days, found.counterfactual))
    return result


def _absent(question: Question) -> list[Statement]:
    return [
        finding("no_observations", arm=role, period=str(period))
        for role in ARMS
        for period in (PeriodName.BASELINE, PeriodName.REPORTING)
        if not question.arm(role, period)
    ]


def _tables(question: Question, result: Answer) -> tuple[Floats, Days, Floats]:
    """(baseline, days of the reporting period, reporting period). Column 0 is the treated arm, then the
    donors with enough days; complete days only.
    """
    tables = []
    for period in (PeriodName.BASELINE, PeriodName.REPORTING):
        days, treated = question.days_of(question.arm("candidate", period))
        result.lines.append(line(f"treated_{period}", question.endpoint.arms["candidate"], days, treated))
        series = [question.days_of([unit])[1] for unit in question.arm("control", period)]
        tables.append((days, np.stack([treated, *series], axis=1)))
    used = np.all([np.isfinite(table).mean(axis=0) >= question.capture.days for _, table in tables], axis=0)
    used &= [
        bool(np.isfinite(column).any()) and varies(column[np.isfinite(column)]) for column in tables[0][1].T
    ]
    used[0] = True
    (_, before), (days, after) = ((days, table[:, used]) for days, table in tables)
    complete = np.isfinite(after).all(axis=1)
    return before[np.isfinite(before).all(axis=1)], days[complete], after[complete]


def _compare(
    before: Floats, after: Floats, treated: int, donors: list[int], *, equal: bool = False
) -> Compared:
    """`equal`: every donor has the same weight, however well it followed the treated arm."""
    means = before.mean(axis=0)
    centred, later = before - means, after - means
    fitted = np.full(len(donors), 1 / len(donors)) if equal else None
    weights = (
        donor_weights(treated=centred[:, treated], donors=centred[:, donors]) if fitted is None else fitted
    )
    gap = centred[:, treated] - centred[:, donors] @ weights
    counterfactual = later[:, donors] @ weights
    effect = float(np.mean(later[:, treated] - counterfactual))
    return Compared(effect, float(np.sqrt(np.mean(gap**2))), counterfactual + means[treated])


def _equal_weights(question: Question, result: Answer, before: Floats, after: Floats) -> None:
    """The plain mean of the donors as counterfactual, with its own placebo rank; a different model."""
    every = list(range(1, before.shape[1]))
    if question.bare:
        return
    found = _compare(before, after, 0, every, equal=True)
    placebos = [_compare(before, after, j, [k for k in every if k != j], equal=True) for j in every]
    ratios = np.sort([abs(p.effect) / p.rmspe for p in placebos if p.rmspe > 0])
    rank = ceil(round(question.level * (len(ratios) + 1), 9))
    if rank <= len(ratios):
        half = found.rmspe * float(ratios[rank - 1])
        interval = (found.effect - half, found.effect + half)
        known = Known(
            "effect", found.effect, lambda _: interval, question.endpoint.unit, "placebo_rank", len(ratios)
        )
        result.sensitivity.append(("equal_weights", known.estimate(question.level)))


def _error_of_days(question: Question, days: Days, gaps: Floats, before: int) -> float:
    """Standard error of the effect from the day values treated − synthetic of the reporting period.

    The baseline would understate it, because the weights were fitted there: its mean counts as uncertain as
    the mean of `before` days of the reporting period.
    """
    return question.inference.mean(days, gaps, None).standard_error * float(np.sqrt(1 + len(gaps) / before))


def _statistics(
    question: Question, result: Answer, found: Compared, placebos: list[Compared], of_days: tuple[float, int]
) -> None:
    """effect ± the placebos' ratio |effect|/RMSPE at the rank for the level, times the treated arm's RMSPE.

    `of_days`: standard error of the effect from day values, and their number; for early looks.
    """
    ratios = np.sort([abs(p.effect) / p.rmspe for p in placebos])

    def interval(level: float) -> tuple[float, float]:
        rank = ceil(round(level * (len(ratios) + 1), 9))
        half = found.rmspe * float(ratios[rank - 1]) if rank <= len(ratios) else float("inf")
        return found.effect - half, found.effect + half

    def early(level: float, planned: int) -> tuple[float, float]:
        """A rank says nothing new from day to day, so this is the wider of the rank's interval and that of
        day values.
        """
        low, high = interval(level)
        half = always_valid_reach(of_days[1], planned, level) * of_days[0]
        return min(low, found.effect - half), max(high, found.effect + half)

    n = len(ratios)
    unit, counts = question.endpoint.unit, {"donors": n, "reporting_days": of_days[1]}
    result.statistics.append(
        Known("effect", found.effect, interval, unit, "placebo_rank", n, None, early, counts)
    )
    level = float(found.counterfactual.mean())
    if not question.day_scale.is_level and level > 0 and found.counterfactual.min() > 0:

        def per_cent(ends: tuple[float, float]) -> tuple[float, float]:
            return 100 * ends[0] / level, 100 * ends[1] / level

        def relative(at: float) -> tuple[float, float]:
            return per_cent(interval(at))

        def early_relative(at: float, planned: int) -> tuple[float, float]:
            return per_cent(early(at, planned))

        name, value = "relative_effect", 100 * found.effect / level
        result.statistics.append(
            Known(
                name,
                value,
                relative,
                RELATIVE_EFFECT.unit_in(unit),
                "placebo_rank",
                n,
                None,
                early_relative,
                counts,
            )
        )
    p = rank_p(observed=found.effect / found.rmspe, placebos=ratios)
    result.findings.append(PLACEBO_RANK.state(donors=n, p=p))


DESIGN = Design(
    "synthetic_control",
    title="Synthetic control from many sites",
    method="Synthetic control: a weighted mean of the donors, weights ≥ 0 with sum 1, that follows the "
    "treated arm in the baseline, all about their baseline means. The effect is the mean of treated − "
    "synthetic; its interval comes from the rank of the same for each donor, over the baseline error.",
    arms=ARMS,
    periods=BOTH,
    statistics=named(EFFECT, RELATIVE_EFFECT),
    function=answer,
    sentences=(TOO_FEW_DONORS, POOR_FIT, DONOR_FIT, PLACEBO_RANK),
    other_choices={"equal_weights": "all donors with the same weight"},
    lines={
        "treated_baseline": "treated",
        "treated_reporting": "treated",
        "counterfactual": "without the intervention",
    },
    not_foretold="Not known: its interval comes from the rank among the donors, which more days do not "
    "change.",
    selects_by_capture=True,
    infers_by="donor",
    takes_independent=False,
)
