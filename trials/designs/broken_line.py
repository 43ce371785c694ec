"""A line for each of two periods. Where a change was made, a season goes on: it moves both lines alike there,
and only a change makes a step between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats
from trials.designs.question import Answer, Question
from trials.sentences import finding
from trials.statement import Sentence

Days = NDArray[np.int64]


class Side(NamedTuple):
    """The days that count in one period."""

    days: Days
    values: Floats
    columns: Floats
    """(n, k): what else moves the values."""

    @classmethod
    def of(cls, days: Days, values: Floats, columns: Sequence[Floats] = ()) -> Side:
        """Those on which everything is known."""
        table = np.stack([values, *columns], axis=1)
        kept = np.isfinite(table).all(axis=1)
        return cls(days[kept], values[kept], table[kept, 1:])


TRENDS: Final = 4
"""1, t, step, step·t."""
STEP: Final = 2
MOST_DAYS: Final = 60
"""Values on either side of a change that its step is read from: a season bends over more of them."""
LEAST_SHARE: Final = 0.5
"""Of the effect that must be a step."""
STEP_EARLIER: Final = Sentence(
    "step_earlier",
    "blocking",
    "The values fit a step before the change better than one at it (days in between: {days}), so that "
    "something else may have made the effect of {effect}: find out what happened then, or measure a control.",
)
EARLIER: Final = 7
"""Most values before a change at which its step is looked for. Made-up dates see what lies further back."""


def broken_line(days: Days, at: float) -> Floats:
    """(n, 4): 1, days since `at`, step, days since `at` after the step."""
    t = days - at
    step = (days >= at).astype(float)
    return np.stack([np.ones(len(days)), t, step, step * t], axis=1)


def check_step(
    question: Question, result: Answer, before: Side, after: Side, effect: float, ends: tuple[float, float]
) -> None:
    """Blocks unless an effect is a step in the middle between the periods: one that excludes 0 on the side of
    the effect, and makes half of it or more. Where there is no effect there must be no step beyond its
    interval, which a drift could hide. As many values on both sides, so that a season that bends moves both
    lines alike. `ends`: of the interval of the effect.
    """
    number = min(len(before.days), len(after.days), MOST_DAYS)
    if number < TRENDS:
        return
    days, values, columns = (
        np.concatenate([one[-number:], other[:number]]) for one, other in zip(before, after, strict=True)
    )
    at = (before.days[-1] + after.days[0]) / 2
    lines = np.concatenate([broken_line(days, at), columns], axis=1)
    fit = question.inference.least_squares(lines, values, days, TRENDS)
    low, high = fit.interval(STEP, question.level)
    step = float(fit.coefficients[STEP])
    if ends[0] > 0 or ends[1] < 0:
        is_step = (low > 0 if effect > 0 else high < 0) and step / effect >= LEAST_SHARE
    else:
        is_step = low <= 0 <= high or ends[0] <= step <= ends[1]
    if not is_step:
        result.findings.append(finding("step_disagrees", step=step, low=low, high=high, effect=effect))
    elif question.rules.place_steps and (ends[0] > 0 or ends[1] < 0):
        earlier = _days_earlier(days, values, columns, number)
        if earlier:
            result.findings.append(STEP_EARLIER.state(days=earlier, effect=effect))


def _days_earlier(days: Days, values: Floats, columns: Floats, number: int) -> int:
    """Days before the change at which a step leaves the least scatter; 0 where that is the change. `number`:
    of the values on either side.
    """
    places = [number - back for back in range(min(EARLIER, number - TRENDS) + 1)]
    left = [
        _scatter(np.concatenate([broken_line(days, (days[at - 1] + days[at]) / 2), columns], axis=1), values)
        for at in places
    ]
    best = places[int(np.argmin(left))]
    return int(days[number] - days[best])


def _scatter(lines: Floats, values: Floats) -> float:
    """Sum of the squares that a fit leaves."""
    coefficients = np.linalg.lstsq(lines, values, rcond=None)[0]
    return float(np.sum((values - lines @ coefficients) ** 2))
