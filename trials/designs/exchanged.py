"""Have two devices exchanged their names when the change was made? Then the rhythm of the day in which they
differ is turned upside down. Rules 6.

docs/decisions/0044 has the measurements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from insitu.arrays import Floats
from insitu.model import PeriodName
from trials.designs.clocks import is_sure
from trials.designs.question import Question
from trials.series.slots import Unit
from trials.statement import Sentence, Statement

ALARMS: Final = 0.005
"""Probability of a false alarm in one endpoint, over all pairs."""
TURNED: Final = -0.5
"""Share of the difference in the baseline that there must be on the other side."""
LEAST_A_DAY: Final = 4
"""Planned intervals of a day, in which a rhythm shows."""
MOST_PAIRS: Final = 400
NAMES_EXCHANGED: Final = Sentence(
    "names_exchanged",
    "warning",
    "The verdict stays open: since the change {device} has the daily rhythm that {other} had before, and the "
    "other way round ({turned} times their difference). Compare serial numbers: two devices may have "
    "exchanged names or places.",
)


def exchanged(question: Question) -> Iterator[Statement]:
    """The pair of a treated and a control device whose difference is turned most surely, if any is."""
    if not question.rules.ask_names or question.fillings.of or question.steady or not question.scale.is_plain:
        return
    before, after = (
        [{unit.name: unit for unit in question.arm(role, period)} for role in ("candidate", "control")]
        for period in (PeriodName.BASELINE, PeriodName.REPORTING)
    )
    pairs = [(one, other) for one in before[0] for other in before[1]]
    pairs = [(one, other) for one, other in pairs if one in after[0] and other in after[1]]
    if not 0 < len(pairs) <= MOST_PAIRS:
        return
    level, found = 1 - 2 * ALARMS / len(pairs), []
    for one, other in pairs:
        was = _rhythm(before[0][one], before[1][other])
        now = _rhythm(after[0][one], after[1][other])
        turned = _turned(was, now, level)
        if turned is not None:
            found.append((turned, one, other))
    if found:
        turned, one, other = min(found)
        yield NAMES_EXCHANGED.state(device=one, other=other, turned=turned)


def _rhythm(one: Unit, other: Unit) -> Floats:
    """(days, slots of a day): difference of the two, without the mean of each slot's day; only days that
    have all their slots.
    """
    calendar = one.calendar
    number = round(86_400_000_000 / calendar.step_us)
    if number < LEAST_A_DAY or not np.array_equal(calendar.edges_us, other.calendar.edges_us):
        return np.empty((0, 0))
    slot = np.minimum((calendar.hour * number / 24 + 1e-6).astype(np.int64), number - 1)
    rows = np.full((int(calendar.day[-1] - calendar.day[0]) + 1, number), np.nan)
    rows[calendar.day - calendar.day[0], slot] = one.value - other.value
    there = np.isfinite(rows)
    rows = rows[there.mean(axis=1) >= 0.75]
    if not len(rows):
        return np.empty((0, number))
    away = rows - np.nanmean(rows, axis=1, keepdims=True)
    return np.asarray(np.where(np.isfinite(away), away, 0.0))


def _turned(was: Floats, now: Floats, level: float) -> float | None:
    """Size of the rhythm of one period in the other, both ways; None unless both are turned surely."""
    if min(len(was), len(now)) < 2 or was.shape[1] != now.shape[1]:
        return None
    sizes = []
    for first, second in ((was, now), (now, was)):
        rhythm = first.mean(axis=0)
        power = float(rhythm @ rhythm)
        if power == 0:
            return None
        each = second @ rhythm / power
        if each.mean() > TURNED or not is_sure(-each, level):
            return None
        sizes.append(float(each.mean()))
    return max(sizes)
