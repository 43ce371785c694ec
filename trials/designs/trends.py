"""A mean over a period whose level moves: where the line through the period begins and ends, the same
criteria may give another verdict. Rules 6.

docs/decisions/0044 has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from trials.designs.question import Answer, Days, Question, Trend
from trials.statement import Sentence
from trials.statistics.intervals import MeanOfDays

TREND_TURNS: Final = Sentence(
    "trend_turns",
    "warning",
    "The verdict is about the {period} period as a whole. Within it the {statistic} has a trend of {slope} "
    "per day: by a straight line it is {begin} at the beginning and {end} at the end, and at one of the two "
    "the verdict would be another. Look at the figure, and ask whether a sensor drifts, or an effect fades "
    "or grows.",
)


class Span(NamedTuple):
    """Days of a period, as ordinals."""

    first: int
    last: int
    centre: float
    """Mean of those that count."""

    @classmethod
    def of(cls, days: Days, counted: Days) -> Span:
        return cls(int(days[0]), int(days[-1]), float(counted.mean()))

    @property
    def middle(self) -> float:
        return (self.first + self.last) / 2


def note_trend(
    question: Question,
    result: Answer,
    period: str,
    mean: MeanOfDays,
    span: Span,
    statistics: Mapping[str, Callable[[float], float]],
) -> None:
    """Adds the trend of a period to the answer, if it shows. `statistics`: each as a function of how far the
    mean of the period is off.
    """
    if not question.rules.tell_trends or not mean.has_trend(question.level):
        return
    begin, end = (mean.slope * (day - span.centre) for day in (span.first, span.last))
    values = {name: (of(begin), of(end)) for name, of in statistics.items()}
    result.trends.append(Trend(period, mean.slope, values))
