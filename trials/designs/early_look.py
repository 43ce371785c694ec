"""Design 12: an early look at any of designs 4–11, while the reporting period lasts. A wrapper: no endpoint
names it as its design.

Whoever looks often and stops when it suits finds an effect where there is none. So every statistic answers
with an interval that holds at all looks together (`trials.statistics.intervals.always_valid_reach`), and the
one decision that a look may lead to is to stop for harm. Designs 1–3 describe what they have seen, and decide
nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from insitu.model import Verdict
from trials.designs.question import Answer, Known
from trials.findings import finding
from trials.plan.parts import Target
from trials.statistics import criteria
from trials.statistics.intervals import MIN_DAYS

METHOD = "always_valid"
NO_EFFECT = {
    "effect": 0.0,
    "relative_effect": 0.0,
    "difference": 0.0,
    "level_change": 0.0,
    "slope_change": 0.0,
    "ratio": 1.0,
    "rate_ratio": 1.0,
    "slope_ratio": 1.0,
}
"""What a statistic is when nothing happens. Others (a mean against a limit, a limit of agreement) have no
such value.
"""


def look(answer: Answer, *, days: int, planned: int) -> Answer:
    """The answer after `days` of the `planned` days of the reporting period, its intervals made to hold at
    every look.

    A statistic without an always-valid form keeps the interval of a single look; the finding
    `descriptive_only` says so.
    """
    findings = list(answer.findings)
    if not answer.blocked and any(known.early for known in answer.statistics):
        if days < MIN_DAYS:
            findings.append(finding("too_few_days", days=days, period="reporting", needed=MIN_DAYS))
        else:
            findings.append(finding("early_look", days=days, planned=planned))
    elif not answer.blocked:
        findings.append(finding("descriptive_only", days=days, planned=planned))
    return replace(
        answer, statistics=[_widened(known, planned) for known in answer.statistics], findings=findings
    )


def _widened(known: Known, planned: int) -> Known:
    if known.early is None:
        return known
    return replace(known, interval=partial(_at, known, planned), method=METHOD)


def _at(known: Known, planned: int, level: float) -> tuple[float, float]:
    return known.interval(level) if known.early is None else known.early(level, planned)


def stop_for_harm(statistic: str, low: float, high: float, target: Target) -> Verdict:
    """`not_met` where [low, high] shows harm, else `inconclusive`; never `met`.

    Harm: no part of the interval lies in the target, and, where the target is open on one side and the
    statistic has a value that means no effect, all of it lies beyond that value on the unwanted side. Too
    little of the wanted effect is no harm.
    """
    if criteria.judge(low, high, target) is not Verdict.NOT_MET:
        return Verdict.INCONCLUSIVE
    nothing = NO_EFFECT.get(statistic)
    if nothing is not None and target.low is None and low <= nothing:
        return Verdict.INCONCLUSIVE
    if nothing is not None and target.high is None and high >= nothing:
        return Verdict.INCONCLUSIVE
    return Verdict.NOT_MET


def undecided(_statistic: str, _low: float, _high: float, _target: Target) -> Verdict:
    """What an early look says of a design that only describes."""
    return Verdict.INCONCLUSIVE
