"""How narrow may an interval be that holds the truth? A bound on every rule, by weak duality; it shares no
code with the intervals (docs/decisions/0019-width-or-coverage.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from tests.trials.world import Floats

DAYS = 29
Z = 1.959964
ALIKE = (0.5, 0.7, 0.8)
WIDTHS = 41
"""Half-widths that a rule may choose from, as parts of half the range of the values."""


class Autoregression(NamedTuple):
    """An AR(1) of days with a mean and a trend that nobody knows."""

    root: Floats
    left: Floats
    """Projection of values to what mean and trend leave over, weighted by the inverse correlation."""
    log_factor: float
    mean_error: float
    """Of the plain mean, over σ."""

    @classmethod
    def of(cls, phi: float) -> Autoregression:
        day = np.arange(DAYS)
        correlation = phi ** np.abs(np.subtract.outer(day, day))
        columns = np.stack([np.ones(DAYS), day - day.mean()], axis=1)
        inverse = np.linalg.inv(correlation)
        inner = columns.T @ inverse @ columns
        left = inverse - inverse @ columns @ np.linalg.inv(inner) @ columns.T @ inverse
        log_factor = -(np.linalg.slogdet(correlation)[1] + np.linalg.slogdet(inner)[1]) / 2
        return cls(np.linalg.cholesky(correlation), left, log_factor, float(np.sqrt(correlation.mean())))


def least_misses(replications: int, widest: float, prices: tuple[float, float]) -> tuple[float, float]:
    """(least share of intervals that miss at φ .8, its standard error), for any rule that depends on
    neither level, scale nor trend, whose median half-width at φ .5 and .7 is at most `widest` times that of
    somebody who knows φ and σ. A rule may refuse at no cost: a refusal misses nothing.

    For each series the best rule weighs the chance to miss at φ .8 against what a narrow interval is worth,
    `prices`. Whatever the prices, no rule does better than this sum.
    """
    models = [Autoregression.of(phi) for phi in ALIKE]
    rng = np.random.default_rng(1)
    freedom = DAYS - 2
    values = np.concatenate([rng.normal(size=(replications, DAYS)) @ one.root.T for one in models])
    rest = np.stack([np.einsum("si,ij,sj->s", values, one.left, values) for one in models], axis=1)
    log_density = np.array([one.log_factor for one in models]) - freedom / 2 * np.log(rest)
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    density /= density.mean(axis=1, keepdims=True)
    best = np.zeros(len(values))
    for part in np.linspace(0.08, 1.0, WIDTHS):
        half = part * np.ptp(values, axis=1) / 2
        error = np.sqrt(rest[:, 2] / freedom) * models[2].mean_error
        cost = density[:, 2] * 2 * stats.t.sf(half / error, freedom)
        for at, price in enumerate(prices):
            bound = widest * Z * models[at].mean_error
            cost -= price * density[:, at] * stats.chi2.cdf(bound**2 * rest[:, at] / half**2, freedom)
        best = np.minimum(best, cost)
    return float(best.mean() + sum(prices) / 2), float(best.std() / np.sqrt(len(best)))


def test_nobody_has_short_intervals_and_is_wrong_in_a_fortieth_only() -> None:
    """With a width of 1.6 more than .05 miss at φ .8, so that one side decides wrongly in more than .025."""
    found, error = least_misses(1500, 1.6, (0.094, 0.067))
    assert found - 3 * error > 0.05


def test_the_bound_falls_where_intervals_may_be_wider() -> None:
    narrow, _ = least_misses(500, 1.6, (0.094, 0.067))
    wide, _ = least_misses(500, 2.2, (0.094, 0.067))
    assert wide < 0.05 < narrow
