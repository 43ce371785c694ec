"""The verdict rule, once, the same for every design.

An estimate has a two-sided interval [L, U] at level 1 − α, a criterion a target set T. met: [L, U] ⊂ T;
not_met: [L, U] ∩ T = ∅; else inconclusive. Wanted downwards by at least δ: T = (−∞, −δ]; upwards: [δ, ∞);
equivalence: [−δ, δ]; limit: (−∞, limit].
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from insitu.model import Verdict
from trials.plan.parts import Target

Question = TypeVar("Question", bound=Hashable)


def judge(low: float, high: float, target: Target) -> Verdict:
    """Judges `[low, high]` by the target set; the target's bounds belong to it."""
    above = target.low is None or low >= target.low
    below = target.high is None or high <= target.high
    if above and below:
        return Verdict.MET
    if (target.low is not None and high < target.low) or (target.high is not None and low > target.high):
        return Verdict.NOT_MET
    return Verdict.INCONCLUSIVE


def all_of(verdicts: Sequence[Verdict], strict: Sequence[Verdict]) -> Verdict:
    """Several criteria of one endpoint: met if all are, not_met if any is at the corrected level (`strict`),
    else inconclusive.
    """
    if not verdicts or Verdict.NOT_EVALUABLE in verdicts:
        return Verdict.NOT_EVALUABLE
    if all(verdict is Verdict.MET for verdict in verdicts):
        return Verdict.MET
    return Verdict.NOT_MET if Verdict.NOT_MET in strict else Verdict.INCONCLUSIVE


def any_of(verdicts: Sequence[Verdict]) -> Verdict:
    """ "A or B" targets: met if one is met, not_met if all are not."""
    if Verdict.MET in verdicts:
        return Verdict.MET
    if all(verdict is Verdict.NOT_MET for verdict in verdicts):
        return Verdict.NOT_MET
    return Verdict.NOT_EVALUABLE if Verdict.NOT_EVALUABLE in verdicts else Verdict.INCONCLUSIVE


def overall(primary: Sequence[Verdict]) -> Verdict:
    """The trial's verdict from its primary endpoints: met only if all are."""
    if not primary or Verdict.NOT_EVALUABLE in primary:
        return Verdict.NOT_EVALUABLE
    if Verdict.NOT_MET in primary:
        return Verdict.NOT_MET
    return Verdict.MET if all(verdict is Verdict.MET for verdict in primary) else Verdict.INCONCLUSIVE


def holm(
    questions: Sequence[Question], alpha: float, decided: Callable[[Question, float], bool]
) -> dict[Question, float]:
    """Level of each of several questions that share α step by step (Holm, Scand. J. Statist. 6, 1979): of k,
    those that are decided at 1 − α/k leave the others 1 − α/(k − 1), and so on until none more is decided.
    The chance of any wrong decision stays below α.
    """
    levels: dict[Question, float] = {}
    left = list(questions)
    while left:
        level = 1 - alpha / len(left)
        done = [question for question in left if decided(question, level)]
        levels.update(dict.fromkeys(done or left, level))
        left = [question for question in left if question not in done] if done else []
    return levels


def margin(target: Target) -> float | None:
    """δ of a target for an effect: how far from 0 it begins (or, for equivalence, ends)."""
    bounds = [abs(bound) for bound in (target.low, target.high) if bound is not None]
    return max(bounds) if bounds else None
