"""Forecasts a design's statistics from the days before the reporting period. `trials.judge.outlook` turns
them into what a protocol may expect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats
from insitu.model import PeriodName
from trials.designs.question import Answer, Question
from trials.sentences import NOTES, note
from trials.statement import Kind, Sentence, Statement
from trials.statistics.intervals import MIN_DAYS, varies
from trials.statistics.power import Basis

Bools = NDArray[np.bool_]
Days = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A question with the days so far in place of each period that the design needs."""

    question: Question
    baseline_days: int
    """Calendar days of the planned baseline; 0 if there is none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Forecast for an endpoint from the days so far."""

    bases: Mapping[str, Basis] = field(default_factory=dict)
    """Statistic → its scatter."""
    days: int = 0
    share: float = 1.0
    """Share of the calendar days between the first and the last counting day that count."""
    notes: Sequence[Statement] = ()


def share_of(days: Days) -> float:
    """Share of the calendar days from the first to the last that are in `days`."""
    return len(days) / float(days[-1] - days[0] + 1)


def of_days(days: Days, values: Floats, use: Callable[[Bools, float], Seen], *, lift: float = 0.0) -> Seen:
    """`use(counted, share)` on day values; only a note if they are too few or do not vary.

    `counted`: which days count. `lift`: size of the numbers whose differences are the values; rounding errors
    of that size are no variation.
    """
    counted = np.isfinite(values)
    count = int(counted.sum())
    if count < MIN_DAYS:
        return Seen(days=count, notes=[note("too_few_days", days=count, needed=MIN_DAYS)])
    share = share_of(days[counted])
    if not varies(values[counted] + lift):
        return Seen(days=count, share=share, notes=[note("constant_series")])
    return use(counted, share)


def candidate_days(question: Question) -> tuple[Days, Floats]:
    """Day values of the candidate before the reporting period."""
    days, values = question.days_of(question.arm("candidate", PeriodName.BASELINE))
    if not len(days):
        days, values = question.days_of(question.arm("candidate", PeriodName.REPORTING))
    return days, values


def of_answer(answer: Answer, sentences: Sequence[Sentence] = (), *, fixed: float = 0.0) -> Seen:
    """The answer of a design that took the days so far as its reporting period, as a forecast.

    `sentences`: the design's own. `fixed`: part of every half-width that more days do not lower.
    """
    days = [
        value.day.toordinal() for line in answer.lines[:1] for value in line.days if value.value is not None
    ]
    share = share_of(np.array(days, np.int64)) if days else 1.0
    if answer.blocked:
        own = {sentence.code: sentence for sentence in sentences if sentence.kind is Kind.NOTE}
        blocking = [finding for finding in answer.findings if finding.severity == "blocking"]
        return Seen(days=len(days), share=share, notes=[_as_note(finding, own) for finding in blocking])
    bases = {
        known.statistic: Basis.of(known.basis, fixed=fixed)
        for known in answer.statistics
        if known.basis is not None
    }
    return Seen(bases, len(days), share)


_SAME = {
    "identical_units": "constant_series",
    "no_common_intervals": "no_overlap",
    "no_observations": "no_overlap",
}
"""Finding → the note with the same meaning."""


def _as_note(finding: Statement, own: dict[str, Sentence]) -> Statement:
    """A blocking finding of a design, as a note."""
    if finding.code == "too_few_days":
        return note("too_few_days", days=int(str(finding.evidence["days"])), needed=MIN_DAYS)
    code = _SAME.get(finding.code, finding.code)
    return (NOTES | own).get(code, NOTES["incomplete"]).state()
