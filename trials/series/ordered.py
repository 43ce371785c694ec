"""Values in their order, so that any percentile costs nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np

from insitu.arrays import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """Values less `centre`, in ascending order."""

    values: Floats
    """Ascending, before `centre` is taken off."""
    centre: float = 0.0

    @classmethod
    def of(cls, values: Floats, centre: float = 0.0) -> Ordered:
        """Copies the values."""
        return cls(np.sort(values), centre)

    def percentile(self, percent: float, sign: float = 1.0) -> float:
        """`np.percentile` of sign·values, to the last digit: linear between two values."""
        place = (len(self.values) - 1) * (percent / 100)
        below = min(max(floor(place), 0), len(self.values) - 1)
        low, high = self._at(below, sign), self._at(min(below + 1, len(self.values) - 1), sign)
        part = place - below
        return high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part

    def reach(self, percent: float, sign: float = 1.0) -> float:
        """The percentile of sign·values; beyond 100, further by a share of their range in per cent."""
        if percent <= 100:
            return self.percentile(percent, sign)
        top, bottom = self._at(len(self.values) - 1, sign), self._at(0, sign)
        return top + (percent - 100) / 100 * (top - bottom)

    @property
    def median(self) -> float:
        n = len(self.values)
        return float(np.mean([self._at((n - 1) // 2, 1.0), self._at(n // 2, 1.0)]))

    def _at(self, place: int, sign: float) -> float:
        """The value at a place in the order of sign·values."""
        if sign > 0:
            return float(self.values[place]) - self.centre
        return self.centre - float(self.values[len(self.values) - 1 - place])
