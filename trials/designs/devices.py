"""Does an answer rest on which devices of an arm are there? Rules 6. docs/decisions/0039 has the
measurements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from trials.designs.question import Answer, ArmRole, Question
from trials.series.standing import Absence
from trials.statement import Evidence, Sentence, Statement

DEVICE_EXPLAINS: Final = Sentence(
    "device_explains",
    "blocking",
    "The mean of {arm} moves with the devices that are there. Most of it is due to {device}, which lacks "
    "{silent} of {days} days of the {period} period. With each device at its own level on the days it lacks, "
    "the {statistic} is {steady}, and not {value}: leave {device} out of the arm, or measure again while all "
    "are there.",
)
TIPPING_DEVICE: Final = Sentence(
    "tipping_device",
    "warning",
    "Inconclusive because the mean of {arm} moves with the devices that are there: with each device at its "
    "own level on the days it lacks, the verdict would not be {verdict}. {device} lacks {silent} of {days} "
    "days of the {period} period: look at the sensitivity without it.",
)


class Lacking(NamedTuple):
    """The device whose absence moves an arm most."""

    role: ArmRole
    absence: Absence

    def told(self, question: Question) -> Evidence:
        """For a sentence."""
        one = self.absence
        return {
            "arm": question.endpoint.arms[self.role],
            "device": one.device,
            "silent": one.silent,
            "days": one.days,
            "period": str(one.period),
        }


def lacking(question: Question) -> Lacking | None:
    """None where each arm is the same on all its days."""
    found = []
    for role in dict.fromkeys(role for role, _ in question.units):
        standing = question.standing(role)
        found += [Lacking(role, one) for one in (standing.absences() if standing is not None else [])]
    return max(found, key=lambda one: one.absence.moves, default=None)


def check_devices(
    question: Question, function: Callable[[Question], Answer], answer: Answer
) -> list[Statement]:
    """Blocks if a statistic leaves its interval when each device has its own level on the days it lacks."""
    if question.steady or question.fillings.of or answer.blocked or not answer.statistics:
        return []
    who = lacking(question)
    if who is None:
        return []
    whole = function(replace(question, steady=True, bare=True))
    steady = {known.statistic: known.value for known in whole.statistics}
    named = {criterion.statistic for criterion in question.endpoint.criteria}
    for known in answer.statistics:
        if known.statistic not in steady or (named and known.statistic not in named):
            continue
        low, high = known.interval(question.level)
        value = steady[known.statistic]
        if not low <= value <= high:
            about: Evidence = {"statistic": known.statistic, "steady": value, "value": known.value}
            return [DEVICE_EXPLAINS.state(**who.told(question), **about)]
    return []
