"""Does the reference depart from the devices beside it at the same time of every day? Then it checks its zero
or its span, and the check was left among its results. Rules 6.

docs/decisions/0044 has the measurements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from insitu.arrays import Floats, Ints
from trials.designs.clocks import is_sure
from trials.designs.question import Question
from trials.statement import Sentence, Statement
from trials.statistics.intervals import varies

ALARMS: Final = 0.005
"""Probability of a false alarm in one endpoint, over all times of the day."""
MIN_DAYS: Final = 14
SHARE: Final = 0.9
"""Of the days, in which the reference departs to the same side."""
LEAST: Final = 0.25
"""Standard deviations of the reference by which it departs."""
TIMES: Final = 5.0
"""As much as at half of the other times."""
PEAKS: Final = 2.0
"""As much as what the devices say of the air at that time."""
DAILY_CHECK: Final = Sentence(
    "daily_check",
    "warning",
    "On {days} of {all} days {reference} departs from the devices beside it at {hour}, by {difference} "
    "against what it has just before and after: a check of its zero or span may stand among its results. "
    "Leave that time out by a filter, or import results without the checks, and evaluate again.",
)


def daily_checks(
    question: Question, days: Ints, candidates: list[Floats], reference: Floats, name: str
) -> Iterator[Statement]:
    """`days`: local day of each step; series of the candidates and of the reference on the steps."""
    per_day = round(86_400 / question.endpoint.grid.about_s())
    plain = question.rules.ask_daily_checks and not question.fillings.of and question.scale.is_plain
    if not plain or per_day < 12:
        return
    table = np.stack(candidates)
    there = np.isfinite(table)
    beside = np.where(there, table, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    beside[~there.any(axis=0)] = np.nan
    tables = _departures(days, reference, beside, per_day)
    if tables is None:
        return
    departs, moves = tables
    found = _time_of_day(departs, moves, float(np.nanstd(reference)))
    if found is not None:
        own = departs[:, found][np.isfinite(departs[:, found])]
        minutes = round(1440 * found / per_day)
        yield DAILY_CHECK.state(
            reference=name,
            hour=f"{minutes // 60:02d}:{minutes % 60:02d}",
            days=int(np.sum(np.sign(own) == np.sign(own.mean()))),
            all=len(own),
            difference=float(np.median(own)),
        )


def _departures(days: Ints, reference: Floats, beside: Floats, per_day: int) -> tuple[Floats, Floats] | None:
    """(days, times of the day) of the reference − its line on the devices, and of that line, each against the
    steps before and after. Only days with all their steps on the local clock.
    """
    both = np.isfinite(reference) & np.isfinite(beside)
    if both.sum() < MIN_DAYS * per_day / 2 or not varies(beside[both]):
        return None
    slope, level = np.polyfit(beside[both], reference[both], 1)
    line = level + slope * beside
    _, first, count = np.unique(days, return_index=True, return_counts=True)
    whole = first[count == per_day]
    if len(whole) < MIN_DAYS:
        return None
    departs, moves = (
        np.stack([middle[at : at + per_day] for at in whole])
        for middle in (_against_neighbours(reference - line), _against_neighbours(line))
    )
    return departs, moves


def _against_neighbours(values: Floats) -> Floats:
    """Each value − the mean of the one before and the one after."""
    middle = np.full(len(values), np.nan)
    middle[1:-1] = values[1:-1] - (values[:-2] + values[2:]) / 2
    return middle


def _time_of_day(departs: Floats, moves: Floats, deviation: float) -> int | None:
    """The time of the day at which the reference departs most, if that is surely more than at others, and if
    the air has no peak of every day there, which a slow device would miss.
    """
    there = np.isfinite(departs).sum(axis=0) >= MIN_DAYS
    medians, peaks = np.zeros(len(there)), np.zeros(len(there))
    if not there.any():
        return None
    medians[there] = np.nanmedian(departs[:, there], axis=0)
    peaks[there] = np.abs(np.nanmedian(moves[:, there], axis=0))
    around = np.maximum(peaks, np.maximum(np.roll(peaks, 1), np.roll(peaks, -1)))
    asked = np.where(np.abs(medians) > PEAKS * around, np.abs(medians), 0.0)
    best = int(np.argmax(asked))
    if asked[best] == 0:
        return None
    away = np.arange(len(medians))
    others = np.abs(medians[(np.abs(away - best) > 1) & (np.abs(away - best) < len(medians) - 1)])
    own = departs[:, best][np.isfinite(departs[:, best])]
    sign = np.sign(medians[best])
    level = 1 - 2 * ALARMS / len(medians)
    clear = abs(medians[best]) > max(LEAST * deviation, TIMES * float(np.median(others)))
    often = np.mean(np.sign(own) == sign) >= SHARE
    return best if clear and often and is_sure(sign * own, level) else None
