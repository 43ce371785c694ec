"""Piles: one exact value that a continuous quantity has far too often, at an end of its range, at 0, or alone
outside it. Readings that stop at the end of a range, negative ones set to 0, codes for an error.

docs/decisions/0045 has the measurements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import numpy as np

from insitu.arrays import Bools, Floats, Ints

Where = Literal["lowest", "highest", "zero", "apart"]
CODES: Final = (
    *(sign * size for size in (99.0, 99.9, 99.99, 999.0, 999.9, 9999.0, 99999.0) for sign in (-1.0, 1.0)),
    *(-127.0, 85.0, 850.0, 127.0, 128.0, -128.0, 255.0, 1023.0, 4095.0),
    *(32767.0, -32768.0, 65535.0, 65536.0, 6553.5, 655.35, 3276.7, -3276.8, 327.67, -327.68),
)
"""Values by which makers say that nothing was measured."""
LEAST: Final = 5
"""Results of a pile."""
FEW: Final = 3
"""Results of a code that lies apart from the others."""
VISITS: Final = 3
"""Times at which the quantity comes to a pile: a slow one may stay at its peak once."""
SHARE: Final = 0.005
"""Of the results, for a pile."""
TIMES: Final = 3.0
"""As many as in the fullest of the steps beside it, and by as many of its standard deviations more."""
BESIDE: Final = 5
"""Steps on each side."""
DISTINCT: Final = 15
"""Values that a quantity must have: one with fewer is a state, or coarse by nature."""
APART: Final = 0.5
"""Ranges of the others, from percentile 1 to 99, by which a value lies apart from all of them."""
FAR: Final = 3.0
"""The same, for a code that comes once or twice."""


class Pile(NamedTuple):
    value: float
    number: int
    where: Where


class _Values(NamedTuple):
    """Distinct values in order, and the number of their results."""

    value: Floats
    number: Ints

    @classmethod
    def of(cls, result: Floats) -> _Values:
        return cls(*np.unique(result, return_counts=True))

    def where(self, kept: Bools) -> _Values:
        return _Values(self.value[kept], self.number[kept])

    def percentile(self, share: float) -> float:
        """Of the results."""
        at = np.searchsorted(np.cumsum(self.number), share * self.number.sum())
        return float(self.value[min(int(at), len(self.value) - 1)])


def find_piles(result: Floats, *, rests: bool) -> list[Pile]:
    """In order of value. `result`: in order of time. `rests`: 0 and the ends of the range may be where the
    quantity rests, as power, light and rain do; then only codes that lie apart are asked.
    """
    if len(result) < DISTINCT or not _may_pile(result):
        return []
    values = _Values.of(result)
    codes = _codes_in(values)
    if len(values.value) < DISTINCT or not (codes or values.number.max() >= LEAST):
        return []
    with np.errstate(over="ignore"):  # numbers that nothing can be computed with block by themselves
        found = [
            Pile(float(values.value[at]), int(values.number[at]), "apart")
            for at in _apart(values, codes, rests)
        ]
        if not rests:
            rest = values.where(~np.isin(values.value, [one.value for one in found]))
            found += [one for one in _crowded(rest) if _visits(result, one.value) >= VISITS]
    return sorted(found)


def _may_pile(result: Floats) -> bool:
    """False if neither a code, nor enough results at an end of the range or at 0, are there: nothing else can
    be a pile, and to sort millions of results takes seconds.
    """
    low, high = float(result.min()), float(result.max())
    least = max(LEAST, SHARE * len(result))
    if any(np.count_nonzero(result == value) >= least for value in {low, high, 0.0}):
        return True
    return any(low <= code <= high and bool((result == code).any()) for code in CODES)


def _codes_in(values: _Values) -> list[int]:
    """Places of the usual codes for an error."""
    places = np.searchsorted(values.value, CODES)
    inside = places[places < len(values.value)]
    return [int(at) for at in inside if values.value[at] in CODES]


def _apart(values: _Values, codes: list[int], rests: bool) -> Iterator[int]:
    """Codes, and where a quantity does not rest also the ends of its range, with no other value near."""
    ends = [] if rests else [0, len(values.value) - 1]
    for at in sorted({*codes, *ends}):
        others = values.where(np.arange(len(values.value)) != at)
        span = others.percentile(0.99) - others.percentile(0.01)
        away = float(np.abs(others.value - values.value[at]).min())
        number, is_code = values.number[at], at in codes
        enough = (FEW if away <= FAR * span else 1) if is_code else max(LEAST, SHARE * values.number.sum())
        if away > APART * span and number >= enough:
            yield at


def _crowded(values: _Values) -> Iterator[Pile]:
    """Ends of the range, and 0, that have far more results than the steps beside them."""
    quarter = values.value[
        (values.value >= values.percentile(0.25)) & (values.value <= values.percentile(0.75))
    ]
    step = float(np.median(np.diff(quarter if len(quarter) > 2 else values.value)))
    least = max(LEAST, SHARE * values.number.sum())
    ends: dict[float, Where] = {float(values.value[0]): "lowest", float(values.value[-1]): "highest"}
    for value, where in (ends | {0.0: "zero"}).items():
        at = int(np.searchsorted(values.value, value))
        if at == len(values.value) or values.value[at] != value:
            continue
        number, beside = int(values.number[at]), _beside(values, value, step)
        crowded = number > TIMES * (beside + np.sqrt(beside))
        if crowded and number >= least:
            yield Pile(value, number, where)


def _visits(result: Floats, value: float) -> int:
    """How often the quantity comes to the value."""
    there = np.concatenate([[False], result == value])
    return int(np.sum(there[1:] & ~there[:-1]))


def _beside(values: _Values, value: float, step: float) -> int:
    """Results in the fullest of the steps beside a value."""
    near = (np.abs(values.value - value) < (BESIDE + 0.5) * step) & (values.value != value)
    if not near.any():
        return 0
    steps = np.rint((values.value[near] - value) / step).astype(np.int64)
    return int(np.bincount(steps + BESIDE, weights=values.number[near]).max())
