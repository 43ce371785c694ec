"""Differences of directions: their mean vector's angle, and the size of single ones. Shared by designs 1 and
9.

A difference is taken the shorter way round. Their mean is the angle of Σ(cos d, sin d): a vane mounted the
wrong way round differs by 180°, and by neither 0° nor −180° on average.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from insitu.arrays import Floats, Ints
from trials.designs import other_choices
from trials.designs.question import Answer, Known, Question, too_wide
from trials.sentences import finding
from trials.series.scale import Scale
from trials.statistics.intervals import LOG, DayJackknife, OfSums


def add_direction(
    question: Question,
    result: Answer,
    name: str,
    numbers: Ints,
    sums: Floats,
    lengths: tuple[int, ...],
    *,
    counts: Mapping[str, int],
    middle: float | None = None,
) -> None:
    """Adds the mean direction of per-day `sums` (`sums_of`) as statistic `name`; blocks an endpoint that asks
    for it if the differences have none.

    In (−turn/2, turn/2]. Where the interval would reach further than a quarter turn it is the whole circle.
    `lengths`: of the bootstrap's blocks. `counts`: name of a count → count.
    """
    scale = question.scale
    total = sums.sum(axis=0)
    length = float(np.hypot(total[1], total[2]) / total[0])
    centre = float(scale.difference(scale.unfold(np.asarray(total[1] + 1j * total[2])), 0.0))
    angle = _angle_about(centre, scale)
    if np.isfinite(centre):
        jack = DayJackknife.of(
            numbers,
            sums,
            angle,
            middle=middle,
            mean=question.inference.mean,
            unordered=not question.inference.ordered,
        )
        too_wide(question, result, jack.spread, "reporting", name)
        known = Known(
            name,
            centre,
            _within_quarter(jack.interval, centre, scale.turn),
            question.endpoint.unit,
            "day_jackknife",
            int(total[0]),
            jack.spread.n_effective,
            lambda level, planned: _within_quarter(
                lambda at: jack.always_valid(at, planned), centre, scale.turn
            )(level),
            counts,
            jack,
        )
        low, high = known.interval(question.level)
        if high - low < scale.turn:
            result.statistics.append(known)
            other_choices.of_sums(question, result, known, sums, angle, lengths)
            return
    if any(criterion.statistic == name for criterion in question.endpoint.criteria):
        result.findings.append(finding("no_mean_direction", length=length))


def add_sizes(
    question: Question,
    result: Answer,
    numbers: Ints,
    sums: Floats,
    *,
    counts: Mapping[str, int],
    short: float,
) -> None:
    """Adds RMSE and MAE of the differences. `counts`: name of a count → count. `short`: as in
    `DayJackknife.of`.
    """
    sizes: dict[str, OfSums] = {
        "rmse": lambda s: np.sqrt(s[..., 3] / s[..., 0]),
        "mae": lambda s: s[..., 4] / s[..., 0],
    }
    for name, statistic in sizes.items():
        jack = DayJackknife.of(
            numbers,
            sums,
            statistic,
            LOG,
            short=short,
            mean=question.inference.mean,
            unordered=not question.inference.ordered,
        )
        too_wide(question, result, jack.spread, "reporting", name)
        known = Known(
            name,
            jack.estimate,
            jack.interval,
            question.endpoint.unit,
            "day_jackknife",
            int(sums[:, 0].sum()),
            jack.spread.n_effective,
            counts=counts,
            basis=jack,
        )
        result.statistics.append(known)


def sums_of(days: Ints, numbers: Ints, d: Floats, scale: Scale) -> Floats:
    """Per day of `numbers`: n, Σcos d, Σsin d, Σd², Σ|d|."""
    groups = np.searchsorted(numbers, days)
    vectors = scale.fold(d)
    columns = [np.ones(len(d)), np.real(vectors), np.imag(vectors), d**2, np.abs(d)]
    return np.stack(
        [np.bincount(groups, weights=column, minlength=len(numbers)) for column in columns], axis=1
    )


def _angle_about(centre: float, scale: Scale) -> OfSums:
    """The angle of the mean vector, continued beyond the half turn so that it never jumps near `centre`."""

    def angle(s: Floats) -> Floats:
        found = scale.unfold(np.asarray(s[..., 1] + 1j * s[..., 2]))
        return np.asarray(centre + scale.difference(found, centre))

    return angle


def _within_quarter(
    interval: Callable[[float], tuple[float, float]], centre: float, turn: float
) -> Callable[[float], tuple[float, float]]:
    def bounded(level: float) -> tuple[float, float]:
        low, high = interval(level)
        return (low, high) if high - low < turn / 2 else (centre - turn, centre + turn)

    return bounded
