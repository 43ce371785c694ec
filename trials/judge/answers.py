"""The verdict on plain arrays, as an evaluation would give it: gate, targets, and missing intervals. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from insitu.errors import CorrectInput
from insitu.model import Verdict
from trials.designs import DESIGNS, Answer, Question
from trials.evaluation import MissingSummary
from trials.judge.gate import captured_days, is_captured
from trials.judge.missing import missingness, survive
from trials.judge.trends import trend_findings
from trials.judge.verdicts import left_open, verdict_of
from trials.plan.parts import WORST_PERCENTILE
from trials.sentences import finding
from trials.statement import Statement


@dataclass(frozen=True, slots=True)
class Judged:
    verdict: Verdict
    findings: list[Statement]
    """Beside those of the answer: what blocks, what is missing, and what the missing have in common."""
    missing: MissingSummary | None
    """None where the gate lets nothing through, and for a census."""


def judged(answer: Answer, *, worst_percentile: float = WORST_PERCENTILE, tell: bool = True) -> Judged:
    """The verdict on an answer of `designs.ask` with targets, else CorrectInput. `worst_percentile`: as in a
    protocol's missing-data rule. `tell`: find the tipping point and what the missing have in common, too.
    """
    question = answer.question
    if question is None or not question.endpoint.criteria:
        raise CorrectInput("A verdict needs a target: designs.ask(…, targets={statistic: (low, high)}).")
    stopped = list(_gate(question))
    if stopped:
        return Judged(Verdict.NOT_EVALUABLE, stopped, None)
    verdict = Verdict.NOT_EVALUABLE if answer.blocked else left_open(answer, _verdict(question, answer))
    bare = replace(question, bare=True)

    def judge(filled: Question) -> Verdict:
        return _verdict(filled, DESIGNS[filled.endpoint.design].answer(filled))

    survived = survive(bare, verdict, judge, worst_percentile, tell=tell)
    common = missingness(bare) if tell and survived.summary is not None else []
    moving = list(trend_findings(question.endpoint, answer, question.level, survived.verdict))
    return Judged(survived.verdict, survived.findings + common + moving, survived.summary)


def _verdict(question: Question, answer: Answer) -> Verdict:
    known = {one.statistic: one for one in answer.statistics}
    return verdict_of(question.endpoint, known, question.level, blocked=not known)[1]


def _gate(question: Question) -> Iterator[Statement]:
    if not DESIGNS[question.endpoint.design].needs_capture:
        return
    for (role, period), units in question.units.items():
        days, days_valid = captured_days(units, question.capture, question.rules)
        if not is_captured(days, days_valid, question.capture):
            yield finding(
                "below_capture",
                arm=question.endpoint.arms[role],
                share=round(100 * days_valid / max(1, days), 1),
                period=str(period),
                needed=round(100 * question.capture.days, 1),
            )
