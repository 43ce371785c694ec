"""The averaging scale of a property: how its values are added, averaged and compared.

Values are folded onto a scale on which they can be added, averaged there, and unfolded again: levels as
powers, directions as unit vectors, everything else as it is. Slots, day values, designs and pages share these
objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats, Ints
from insitu.model import AveragingScale
from insitu.scales import decade_of, turn_of
from trials.plan.rules import Rules

Folded = Floats | NDArray[np.complex128]
"""Values on the scale of addition; directions are complex numbers of length 1."""
MOST_DECADES: Final = 290.0
"""Levels beyond are cut to it, so that their powers stay finite; `designs.out_of_scale` then reports
them.
"""
SHORTEST: Final = 1e-9
"""A mean of unit vectors that is shorter has no direction: 0°, 90°, 180°, 270°."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One averaging scale, in the unit of a property. `ARITHMETIC`, `ENERGETIC` (dB), `DEGREES` and
    `scale_of` make them.
    """

    name: AveragingScale
    decade: float = 10.0
    """Levels: growth of the level when the power grows tenfold."""
    turn: float = nan
    """Directions: a full circle."""

    @property
    def is_plain(self) -> bool:
        """Values are added as they are."""
        return self.name not in (AveragingScale.ENERGETIC, AveragingScale.CIRCULAR)

    @property
    def is_circular(self) -> bool:
        return self.name is AveragingScale.CIRCULAR

    @property
    def is_level(self) -> bool:
        return self.name is AveragingScale.ENERGETIC

    @property
    def is_total(self) -> bool:
        """The value of a stretch of time is the total of its parts, not their mean."""
        return self.name is AveragingScale.SUM

    @property
    def is_held(self) -> bool:
        """A result holds until the next one."""
        return self.name is AveragingScale.TIME_WEIGHTED

    @property
    def between(self) -> Scale:
        """The scale on which values of whole days or devices are averaged: a mean of totals is a mean."""
        return ARITHMETIC if self.is_plain else self

    def fold(self, values: Floats) -> Folded:
        """Maps values to the scale of addition: powers, unit vectors, or the values themselves."""
        if self.is_level:
            most = MOST_DECADES * self.decade
            return np.asarray(10 ** (np.clip(values, -most, most) / self.decade))
        if self.is_circular:
            return np.asarray(np.exp(2j * np.pi / self.turn * np.asarray(values)))
        return values

    def unfold(self, means: Folded) -> Floats:
        """Maps means back. Directions lie in [0, turn); NaN where a mean vector has none."""
        if self.is_level:
            return np.asarray(self.decade * np.log10(np.real(means)))
        if self.is_circular:
            angles = self._within_turn(np.angle(means) * self.turn / (2 * np.pi))
            return np.where(np.abs(means) > SHORTEST, angles, np.nan)
        return np.real(means)

    def _within_turn(self, angles: Floats) -> Floats:
        turned = np.mod(angles, self.turn)  # of −1e-17 this is the full turn itself
        return np.where(turned >= self.turn, 0.0, turned)

    def of_one(self, values: Floats) -> Floats:
        """Means of single values: a direction of −10° is 350°."""
        return self._within_turn(values) if self.is_circular else values

    def add(self, groups: Ints, folded: Folded, number: int) -> Folded:
        """Sum of the folded values of each of the groups 0…number − 1."""
        if np.iscomplexobj(folded):
            parts = (
                np.bincount(groups, weights=part, minlength=number) for part in (folded.real, folded.imag)
            )
            real, imaginary = parts
            return np.asarray(real + 1j * imaginary)
        return np.bincount(groups, weights=folded, minlength=number).astype(np.float64, copy=False)

    def mean(self, values: Floats, weights: Floats | None = None) -> float:
        """Mean of values (none of them NaN), each worth its weight; NaN if directions cancel."""
        folded = self.fold(values)
        total = self.add(np.zeros(len(values), np.int64), folded if weights is None else folded * weights, 1)
        return float(self.unfold(total / (len(values) if weights is None else weights.sum()))[0])

    def length(self, values: Floats) -> float:
        """Resultant length R of directions: 1 if all are the same, 0 if they cancel. NaN on other scales."""
        return float(np.abs(np.mean(self.fold(values)))) if self.is_circular else nan

    def difference(self, a: Floats, b: Floats | float) -> Floats:
        """a − b; of directions the shorter way round, in (−turn/2, turn/2]."""
        apart = np.asarray(a - b)
        if not self.is_circular:
            return apart
        return np.asarray(apart - self.turn * np.ceil(apart / self.turn - 0.5))

    def spread(self, values: Floats) -> float:
        """√(Σd²/(n − 1)), d the differences from the mean on this scale, in its unit; NaN under two
        values.
        """
        if len(values) < 2:
            return nan
        d = self.difference(values, self.mean(values))
        return float(np.sqrt(np.sum(d**2) / (len(values) - 1)))


ARITHMETIC: Final = Scale(AveragingScale.ARITHMETIC)
ENERGETIC: Final = Scale(AveragingScale.ENERGETIC)
DEGREES: Final = Scale(AveragingScale.CIRCULAR, turn=360.0)
TIME_WEIGHTED: Final = Scale(AveragingScale.TIME_WEIGHTED)
SUM: Final = Scale(AveragingScale.SUM)


def scale_of(name: str, unit: str, rules: Rules) -> Scale:
    """The scale of a property with results in `unit`. On a circle whose length is unknown every mean is
    NaN.
    """
    if not rules.every_scale:
        return ENERGETIC if name == AveragingScale.ENERGETIC else ARITHMETIC
    turn, decade = turn_of(unit), decade_of(unit)
    return Scale(
        AveragingScale(name),
        decade=ENERGETIC.decade if decade is None or name != AveragingScale.ENERGETIC else decade,
        turn=turn if turn is not None and name == AveragingScale.CIRCULAR else nan,
    )
