"""Do two series that should say the same agree better when one of them is moved in time? Then a clock is off,
a stamp marks the other end of its interval, or a device responds slowly. Rules 6.

docs/designs/1-reference-collocation.md has the measurements, docs/decisions/0038 the reasons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from insitu.arrays import Bools, Floats, Ints
from trials.designs.question import Question
from trials.series.scale import Scale
from trials.statement import Sentence, Statement
from trials.statistics.intervals import t_quantile, varies

HOUR: Final = timedelta(hours=1)
MOVES: Final = (1, 2, 3)
"""Steps, and hours, by which a series is moved to either side."""
PARTS: Final = (1, 2, 4, 8)
"""Numbers of equal parts of the days that are asked, each by itself."""
MIN_DAYS: Final = 7
ALARMS: Final = 0.005
"""Probability of a false alarm in one endpoint, over all devices, moves and parts."""
LEAST: Final = 0.1
"""Share of the mean square by which two series must agree better, to be told."""
CLOCK_OFF = Sentence(
    "clock_off",
    "blocking",
    "From {start} to {end} the results of {device} agree better with {beside} when they are moved by "
    "{minutes} min: check the clocks and time zones of both, which end of its interval a time marks, and "
    "whether {device} responds slowly. Import corrected times or declare the stamp, then evaluate again.",
)
SENTENCES = (CLOCK_OFF,)
"""The findings that the designs with it state."""


@dataclass(frozen=True, slots=True)
class Move:
    """A series agrees better with another one when its results are moved."""

    steps: int
    """Of the grid; negative: to earlier times."""
    first: int
    last: int
    """Days, as ordinals."""
    gained: float
    """Mean square that vanishes, times the days, over the mean square of all."""


def clock_findings(
    question: Question, days: Ints, pairs: list[tuple[str, str, Floats, Floats]]
) -> Iterator[Statement]:
    """A doubt about the pair of series that gains most by being moved. `days`: local day of each step of the
    grid. `pairs`: (device, name of what stands beside it, series of the one, of the other).

    Values that were filled in for missing ones tell no time: the series are judged as they came.
    """
    moves = _moves(question)
    if not question.rules.doubt_clocks or question.fillings.of or not moves:
        return
    level = 1 - 2 * ALARMS / max(1, len(pairs) * len(moves) * sum(PARTS))
    found = [
        (move, device, beside)
        for device, beside, series, other in pairs
        if (move := find_move(days, series, other, moves, level, question.scale))
    ]
    if found:
        move, device, beside = max(found, key=lambda one: one[0].gained)
        yield CLOCK_OFF.state(
            device=device,
            beside=beside,
            minutes=round(move.steps * question.endpoint.grid.about_s() / 60),
            start=date.fromordinal(move.first).isoformat(),
            end=date.fromordinal(move.last).isoformat(),
        )


def _moves(question: Question) -> list[int]:
    """Moves in steps of the grid; none on one coarser than hours, where a clock matters less."""
    step = question.endpoint.grid.about
    if step > HOUR:
        return []
    an_hour = HOUR // step if not HOUR % step else 0
    sizes = {*MOVES, *(number * an_hour for number in MOVES)} - {0}
    return sorted([*sizes, *(-size for size in sizes)])


def find_move(
    days: Ints,
    series: Floats,
    other: Floats,
    moves: list[int],
    level: float,
    scale: Scale,
) -> Move | None:
    """The move by which the two agree better, surely at `level` and by `LEAST`, in all the days or in a part
    of them; of several the one that gains most.
    """
    comparable = _comparable(series, other, scale)
    if comparable is None:
        return None
    mine, theirs = comparable
    apart = _squares(mine, theirs)
    total = float(np.nanmean(apart))
    best: Move | None = None
    for steps in moves:
        better = apart - _squares(_moved(mine, steps), theirs)
        both = np.isfinite(better)
        numbers, groups = np.unique(days[both], return_inverse=True)
        gains, squares = (np.bincount(groups, of).astype(float) for of in (better[both], apart[both]))
        for part in _parts(numbers):
            gained = float(gains[part].sum())
            if gained < LEAST * float(squares[part].sum()) or gained <= 0:
                continue
            move = Move(
                steps, int(numbers[part][0]), int(numbers[part][-1]), gained / total if total else 0.0
            )
            if (best is None or move.gained > best.gained) and is_sure(gains[part], level):
                best = move
    return best


def is_sure(values: Floats, level: float) -> bool:
    """Whether the mean of these day values lies above 0, by a t whose error is wider where neighbours
    resemble each other.
    """
    away = values - values.mean()
    squares = float(np.sum(away**2))
    if squares == 0:
        return bool(values[0] > 0)
    alike = max(0.0, float(np.sum(away[1:] * away[:-1])) / squares)
    error = np.sqrt(squares / (len(values) - 1) / len(values) * (1 + alike) / (1 - alike))
    return bool(values.mean() > t_quantile(level, len(values) - 1) * error)


def _parts(numbers: Ints) -> Iterator[Bools]:
    """All the days, their halves, and so on, while a part has a week."""
    place = np.arange(len(numbers))
    for count in PARTS:
        if len(numbers) < count * MIN_DAYS:
            return
        which = place * count // len(numbers)
        yield from (which == number for number in range(count))


def _comparable(series: Floats, other: Floats, scale: Scale) -> tuple[Floats, Floats] | None:
    """Both without their bias, their slope and their tails, so that only what they say in common is left:
    ranks, and of directions unit vectors. One row for each step; NaN where there is no pair.
    """
    both = np.isfinite(series) & np.isfinite(other)
    mine, theirs = series[both], other[both]
    if not (len(mine) and varies(mine) and varies(theirs)):
        return None
    if scale.is_circular:
        bias = scale.mean(scale.difference(mine, theirs))
        if not np.isfinite(bias):
            return None
        rows = [_vectors(scale.difference(mine, bias), scale), _vectors(theirs, scale)]
    else:
        rows = [_ranks(mine)[:, None], _ranks(theirs)[:, None]]
    placed = [np.full((len(series), row.shape[1]), np.nan) for row in rows]
    for table, row in zip(placed, rows, strict=True):
        table[both] = row
    return placed[0], placed[1]


def _vectors(directions: Floats, scale: Scale) -> Floats:
    folded = np.asarray(scale.fold(directions))
    return np.stack([folded.real, folded.imag], axis=1)


def _ranks(values: Floats) -> Floats:
    """From 0 to 1; equal values share theirs."""
    _, which, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - count / 2)[which] / len(values))


def _squares(mine: Floats, theirs: Floats) -> Floats:
    return np.asarray(((mine - theirs) ** 2).sum(axis=1))


def _moved(series: Floats, steps: int) -> Floats:
    """The series `steps` later, NaN where nothing is known."""
    moved = np.full_like(series, np.nan)
    if abs(steps) < len(series):
        place = slice(max(0, steps), len(series) + min(0, steps))
        moved[place] = series[max(0, -steps) : len(series) - max(0, steps)]
    return moved
