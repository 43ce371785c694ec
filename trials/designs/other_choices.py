"""Other choices of the same analysis, shared by several designs: block lengths of the day bootstrap. They are
printed and never decide.
"""

from __future__ import annotations

import numpy as np

from insitu.arrays import Floats
from trials.designs.question import Answer, Known, Question
from trials.evaluation import Estimate
from trials.statistics.intervals import OfSums, block_weights, bootstrap

REPLICATES = 2000
BLOCK_LENGTH = {"block_length": "day-block bootstrap, days a block:"}
DAY_BOOTSTRAP = {"day_bootstrap": "day-block bootstrap"}
HAC = {"hac": "Newey–West errors"}
"""Name of a choice → its words, for `Design.other_choices`."""


def block_lengths(days: int) -> tuple[int, int]:
    """The usual ∛n days, and twice as many."""
    usual = max(1, int(np.rint(np.cbrt(days))))
    return usual, 2 * usual


def rows_to_draw(question: Question, sums: Floats, block: int) -> tuple[Floats, int]:
    """(per-day sums, days a block) of a bootstrap: single days, in an order of their own, where the protocol
    declares them independent.
    """
    return (sums, block) if question.inference.ordered else (sums[np.lexsort(sums.T)], 1)


def of_mean(
    question: Question, result: Answer, name: str, after: Floats, before: Floats | None = None
) -> None:
    """The mean of `after`, or after − before, by day-block bootstrap with two block lengths; none if values
    have no order. Neither may contain NaN.
    """
    if question.bare or result.blocked or not question.inference.ordered:
        return
    for length in block_lengths(len(after)):
        drawn = _means(after, length, question.seed)
        if before is not None:
            drawn = drawn - _means(before, length, question.seed + 1)
        value = float(after.mean()) - (0.0 if before is None else float(before.mean()))
        ends = np.quantile(drawn, [(1 - question.level) / 2, (1 + question.level) / 2])
        unit, n = question.endpoint.unit, len(after) + (0 if before is None else len(before))
        result.sensitivity.append(
            (f"block_length:{length}", _estimate(name, value, ends, question.level, unit, n))
        )


def of_sums(
    question: Question,
    result: Answer,
    known: Known,
    sums: Floats,
    statistic: OfSums,
    lengths: tuple[int, ...],
) -> None:
    """A statistic of per-day sums by day-block bootstrap with blocks of each of `lengths` days. Left out if
    it is undefined on some replicates, or if values have no order.
    """
    if question.bare or not question.inference.ordered:
        return
    for length in lengths:
        ends = bootstrap(
            sums, statistic, block=length, replicates=REPLICATES, seed=question.seed, level=question.level
        )
        if np.isfinite(ends).all():
            made = _estimate(known.statistic, known.value, ends, question.level, known.unit, known.n)
            result.sensitivity.append((f"block_length:{length}", made))


def _means(values: Floats, length: int, seed: int) -> Floats:
    """Means of days drawn in blocks; a block is at most as long as the series."""
    block = min(length, len(values))
    return np.asarray(
        block_weights(len(values), block=block, replicates=REPLICATES, seed=seed) @ values / len(values)
    )


def _estimate(
    name: str, value: float, ends: Floats | tuple[float, float], level: float, unit: str, n: int
) -> Estimate:
    return Estimate(
        statistic=name,
        value=value,
        low=float(ends[0]),
        high=float(ends[1]),
        level=level,
        unit=unit,
        method="day_bootstrap",
        n=n,
    )
