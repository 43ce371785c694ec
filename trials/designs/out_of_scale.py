"""Results that are too large, or all too small, to compute with. Pure."""

from __future__ import annotations

import numpy as np

from trials.designs.question import Question
from trials.sentences import finding
from trials.series.scale import ARITHMETIC
from trials.series.slots import Unit
from trials.series.sums import Filling
from trials.statement import Statement

LARGEST, SMALLEST, LOUDEST = 1e100, 1e-100, 1000.0
"""Beyond these, sums of squares (or energies of levels in dB) exceed a float64. Nothing measured comes
near.
"""


def out_of_scale(question: Question) -> list[Statement]:
    """A finding for each arm or covariate whose results are too large, or all too small, to compute with."""
    found = []
    named = [
        (question.endpoint.arms.get(role, role), question.scale.is_level, units)
        for (role, _), units in question.units.items()
    ]
    named += [
        (name, question.covariate_scales.get(name, ARITHMETIC).is_level, units)
        for (name, _), units in question.covariates.items()
    ]
    for name, levels, units in named:
        largest = max((_largest(question, unit) for unit in units), default=0.0)
        if largest > (LOUDEST if levels else LARGEST) or 0 < largest < SMALLEST:
            found.append(finding("out_of_scale", arm=name, largest=largest))
    return list({one.evidence["arm"]: one for one in found}.values())


def _largest(question: Question, unit: Unit) -> float:
    """The largest absolute value; 0 without any."""

    def seen(unit: Unit) -> float:
        values = unit.value[unit.valid]
        return max(abs(float(values.min())), abs(float(values.max()))) if len(values) else 0.0

    def filled(unit: Unit, filling: Filling) -> float:
        return max(question.once("largest", unit, seen), float(np.abs(filling.given).max(initial=0.0)))

    return question.once_filled("largest", unit, seen, filled)
