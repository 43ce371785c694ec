"""Sums over groups of slots: days, or steps of a grid. Pure.

A filling gives values to missing slots. It changes few slots of a long series, and so its sums are those of
the series plus those of its own slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from insitu.arrays import Floats, Ints
from trials.series.scale import Folded, Scale
from trials.series.slots import Unit


class Sums(NamedTuple):
    """One value for each group."""

    planned: Ints
    """Slots that are not excused, or have a value all the same."""
    valid: Ints
    """Slots with a value."""
    total: Folded
    """Sum of the folded values, each times its exposure and weight."""
    worth: Ints | Floats
    """Slots with a value, each times its exposure."""
    inside: Ints | None
    """Slots that belong to the endpoint; None where the scale does not need them."""


def sums_of(unit: Unit, groups: Ints, number: int, *, scale: Scale, weights: Floats | None = None) -> Sums:
    """`groups`: group of each slot, 0…number − 1. `weights` per slot (for Lden), applied on the scale of
    addition.
    """
    there = unit.valid
    planned = np.bincount(groups[~unit.excused | there], minlength=number)
    of_valid = groups[there]
    valid = np.bincount(of_valid, minlength=number)
    folded = scale.fold(unit.value[there])
    worth: Ints | Floats = valid
    if unit.exposure is not None:
        folded = folded * unit.exposure[there]
        worth = np.bincount(of_valid, weights=unit.exposure[there], minlength=number)
    total = scale.add(of_valid, folded if weights is None else folded * weights[there], number)
    inside = np.bincount(groups[unit.inside], minlength=number) if scale.is_total else None
    return Sums(planned, valid, total, worth, inside)


def means_of(sums: Sums, *, share: float, scale: Scale) -> Floats:
    """Mean of each group; NaN where fewer than `share` of its planned slots have a value. On a scale of
    totals it is times the slots that the group has, windows included.
    """
    enough = (sums.valid > 0) & (sums.valid >= share * sums.planned)
    means = np.full(len(sums.valid), np.nan)
    means[enough] = scale.unfold(sums.total[enough] / sums.worth[enough])
    if sums.inside is not None:
        means *= sums.inside
    return means


def grouped(
    unit: Unit, groups: Ints, number: int, *, share: float, scale: Scale, weights: Floats | None = None
) -> Floats:
    """Mean of the valid slots of each group, as `means_of`."""
    return means_of(sums_of(unit, groups, number, scale=scale, weights=weights), share=share, scale=scale)


# -- with values in missing slots


@dataclass(frozen=True, slots=True, eq=False)
class Filling:
    """Finite values for slots of a unit that are missing; they speak for the whole of them."""

    at: Ints
    given: Floats

    @classmethod
    def of(cls, at: Ints, given: Floats) -> Filling:
        """Leaves out the slots for which nothing finite is given."""
        there = np.isfinite(given)
        return cls(at, given) if there.all() else cls(at[there], given[there])

    def in_unit(self, unit: Unit) -> Unit:
        """The unit with these values: a copy of all its slots."""
        value, exposure = unit.value.copy(), unit.exposure
        value[self.at] = self.given
        if exposure is not None:
            exposure = exposure.copy()
            exposure[self.at] = 1.0
        return replace(unit, value=value, exposure=exposure)

    def in_sums(
        self, sums: Sums, unit: Unit, groups: Ints, *, scale: Scale, weights: Floats | None = None
    ) -> Sums:
        """`sums_of` the filled unit, from those of the unit."""
        number, of_filled = len(sums.valid), groups[self.at]
        more = np.bincount(of_filled, minlength=number)
        excused = unit.excused[self.at]
        planned = sums.planned
        if excused.any():
            planned = planned + np.bincount(of_filled[excused], minlength=number)
        folded = scale.fold(self.given)
        total = scale.add(of_filled, folded if weights is None else folded * weights[self.at], number)
        return sums._replace(
            planned=planned, valid=sums.valid + more, total=sums.total + total, worth=sums.worth + more
        )


@dataclass(frozen=True, slots=True, eq=False)
class Fillings:
    """The fillings of several units, and a cache of what is made with them."""

    of: Mapping[Unit, Filling] = field(default_factory=dict)
    made: dict[tuple[object, ...], object] = field(default_factory=dict, repr=False)
