"""Whether on and off of block pairs fall on the same weekdays, and the effect within those that both have.

A rhythm of the week is part of each pair's on − off where the two have different weekdays. With an order
drawn by lot it scatters from pair to pair, and the interval holds it; with a fixed one it is the same in
every pair and passes for the effect. docs/decisions/0040 has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from insitu.arrays import Floats, Ints
from trials.statistics.intervals import t_quantile

WEEK: Final = 7
EXACT: Final = 12
"""Up to this many pairs every order is tried: 2¹² of them."""
DRAWN: Final = 4096
ALIKE: Final = 0.75
"""With this share of weekdays in common on and off count as alike."""
BY_LOT: Final = 0.05
"""Orders drawn by lot differ as much this rarely."""
ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Weekdays:
    """How the weekdays of on differ from those of off."""

    common: float
    """Share of weekdays that on and off have in common, as they enter the effect."""
    p: float
    """Share of the orders within pairs that differ as much."""

    @property
    def differ(self) -> bool:
        """By more than an order drawn by lot would make them."""
        return self.common < ALIKE and self.p <= BY_LOT


def compare(days: Ints, weights: Floats, seed: int = 1) -> Weekdays:
    """`days`: (n,) ordinals; `weights`: (K, n) of each pair's difference, as in `block_pairs`."""
    of_pairs = weights @ (weekday(days)[:, None] == np.arange(WEEK))
    common = 1 - float(np.abs(of_pairs.mean(axis=0)).sum()) / 2
    count = len(of_pairs)
    if count <= EXACT:
        signs = 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    else:
        drawn = np.random.default_rng(seed).integers(0, 2, (DRAWN, count))
        signs = np.concatenate([np.ones((1, count)), 1.0 - 2.0 * drawn])
    sizes = np.square(signs @ of_pairs).sum(axis=1)
    return Weekdays(common, float(np.mean(sizes >= sizes[0] - ROUNDING)))


def weekday(days: Ints) -> Ints:
    """0 is Monday."""
    return (np.asarray(days) - 1) % WEEK


def within(days: Ints, values: Floats, weights: Floats, level: float) -> tuple[float, float, float] | None:
    """(on − off, ends of its interval) with a level for each pair and each weekday, by least squares, and t
    on the jackknife over pairs. None where on and off, or what is left without a pair, have no weekday in
    common.
    """
    used = weights.any(axis=0)
    kept, of_days, y = weights[:, used], weekday(days[used]), values[used]
    pair = np.abs(kept).argmax(axis=0)
    on = (kept.sum(axis=0) > 0).astype(float)
    found = _difference(pair, of_days, on, y)
    count = len(weights)
    others = [
        _difference(pair[pair != k], of_days[pair != k], on[pair != k], y[pair != k]) for k in range(count)
    ]
    left = np.array([one for one in others if one is not None])
    if found is None or len(left) < count:
        return None
    error = float(np.sqrt((count - 1) * np.mean(np.square(left - left.mean()))))
    half = t_quantile(level, count - 1) * error
    return found, found - half, found + half


def _difference(pair: Ints, of_days: Ints, on: Floats, y: Floats) -> float | None:
    """Coefficient of `on` beside the levels of pairs and weekdays; None if these tell it."""
    levels = np.concatenate(
        [(pair[:, None] == np.unique(pair)), (of_days[:, None] == np.arange(WEEK))], axis=1
    ).astype(float)
    rest = on - levels @ np.linalg.lstsq(levels, on, rcond=None)[0]
    size = float(rest @ rest)
    return float(rest @ y) / size if size > ROUNDING * len(on) else None
