"""Design 12: an early look at any of designs 4–11, while the reporting period lasts. A wrapper: no endpoint
names it as its design.

If you look often and stop when it suits you, you find effects that do not exist. So every statistic has an
interval that holds at all looks together (`trials.statistics.intervals.always_valid_reach`), and the only
decision from a look is to stop for harm. Designs 1–3 describe what they have seen, and decide nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from insitu.model import Verdict
from trials.designs.question import Answer, Known
from trials.designs.registry import find_statistic
from trials.plan.parts import Target
from trials.sentences import finding
from trials.statement import Sentence, Statement
from trials.statistics import criteria
from trials.statistics.intervals import MIN_DAYS

METHOD = "always_valid"
METHOD_WORDS = (
    "Early look: while the reporting period lasts, what lies ahead is not planned yet, and intervals are "
    "always valid: mean ± (s/√n′)·√(2(x + 1)/x·ln(√(x + 1)/α)), "
    "x = n/n*·(−2 ln α + ln(−2 ln α + 1)), n days so far of n* planned, never narrower than the interval of "
    "one look. The truth lies in all of them together with probability 1 − α. No look says met. It stops for "
    "harm where the whole interval lies outside the target and beyond no effect on the unwanted side."
)
EARLY_LOOK = Sentence(
    "early_look",
    "note",
    "An early look after {days} of {planned} days: intervals hold at all looks together, and are wider "
    "than those of the end.",
)
DESCRIPTIVE_ONLY = Sentence(
    "descriptive_only",
    "warning",
    "An early look after {days} of {planned} days: for this design the numbers describe what was seen "
    "so far, and decide nothing.",
)
ALIKE_SO_FAR = Sentence(
    "too_few_effective_days_so_far",
    "warning",
    "The {days} values of the {period} period so far resemble each other so much that the interval of their "
    "mean is wider than their range. Harm that it shows is harm; it says nothing else yet.",
)
SENTENCES = (EARLY_LOOK, DESCRIPTIVE_ONLY, ALIKE_SO_FAR)


def look(answer: Answer, *, days: int, planned: int) -> Answer:
    """The answer after `days` of the `planned` days of the reporting period, with intervals that hold at
    every look.

    A statistic without an always-valid form keeps the interval of a single look; the finding
    `descriptive_only` says so. Values that are too alike do not block a look: its interval is wide and holds
    the truth all the same, so that harm beyond it is certain, and no look says `met`.
    """
    answer = replace(answer, findings=[_so_far(one) for one in answer.findings])
    findings = list(answer.findings)
    if not answer.blocked and any(known.early for known in answer.statistics):
        if days < MIN_DAYS:
            findings.append(finding("too_few_days", days=days, period="reporting", needed=MIN_DAYS))
        else:
            findings.append(EARLY_LOOK.state(days=days, planned=planned))
    elif not answer.blocked:
        findings.append(DESCRIPTIVE_ONLY.state(days=days, planned=planned))
    return replace(
        answer, statistics=[_widened(known, planned) for known in answer.statistics], findings=findings
    )


def _so_far(found: Statement) -> Statement:
    if found.code != "too_few_effective_days":
        return found
    return ALIKE_SO_FAR.state(days=found.evidence["days"], period=found.evidence["period"])


def _widened(known: Known, planned: int) -> Known:
    if known.early is None:
        return known
    return replace(known, interval=partial(_at, known, planned), method=METHOD)


def _at(known: Known, planned: int, level: float) -> tuple[float, float]:
    return known.interval(level) if known.early is None else known.early(level, planned)


def stop_for_harm(statistic: str, low: float, high: float, target: Target) -> Verdict:
    """`not_met` where [low, high] shows harm, else `inconclusive`; never `met`.

    Harm: no part of the interval lies in the target; and, if the target is open on one side and the statistic
    has a value that means no effect, all of it lies beyond that value on the unwanted side. Too little of the
    wanted effect is no harm.
    """
    if criteria.judge(low, high, target) is not Verdict.NOT_MET:
        return Verdict.INCONCLUSIVE
    registered = find_statistic(statistic)
    nothing = registered.no_effect if registered else None
    if nothing is not None and target.low is None and low <= nothing:
        return Verdict.INCONCLUSIVE
    if nothing is not None and target.high is None and high >= nothing:
        return Verdict.INCONCLUSIVE
    return Verdict.NOT_MET


def undecided(_statistic: str, _low: float, _high: float, _target: Target) -> Verdict:
    """Verdict of an early look for a design that only describes."""
    return Verdict.INCONCLUSIVE
