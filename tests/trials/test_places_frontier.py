"""How well can any rule tell a step at the change from one a day or two before it? By the lemma of Neyman and
Pearson, for somebody who knows φ, σ, the level, the size of the step and both places: if a step that comes
too early is `met` in at most .025, one at the change is met in at most Φ(δ − 1.96), δ the distance of the two
in standard deviations of independent shocks. docs/validation.md has the table.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm

from tests.trials.world import Floats

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
LENGTHS = ((30, 30), (30, 90), (60, 60))
PHIS = (0.0, 0.5, 0.7, 0.9)
SIZE = 8.0
"""Of the step, in standard errors of the difference of means."""


def variance_of_mean(phi: float, n: int) -> float:
    """Of n values of variance 1."""
    lags = np.arange(1, n)
    return float((1 + 2 * np.sum((1 - lags / n) * phi**lags)) / n)


def steps(phi: float, before: int, after: int, early: int) -> Floats:
    """(2, hours): a step at the change and one `early` days before it, with the same difference of means."""
    hours, cut = 24 * (before + after), 24 * before
    error = np.sqrt(variance_of_mean(phi, cut) + variance_of_mean(phi, hours - cut))
    shapes = np.array([np.arange(hours) >= cut - 24 * days for days in (0, early)], float)
    return np.asarray(
        SIZE * error * shapes / (shapes[:, cut:].mean(axis=1) - shapes[:, :cut].mean(axis=1))[:, None]
    )


def independent(series: Floats, phi: float) -> Floats:
    """The shocks of an AR(1) of variance 1 along the last axis, each of variance 1."""
    shocks = (series[..., 1:] - phi * series[..., :-1]) / np.sqrt(1 - phi**2)
    return np.concatenate([series[..., :1], shocks], axis=-1)


def distance(phi: float, before: int, after: int, early: int) -> float:
    at_change, too_early = steps(phi, before, after, early)
    return float(np.linalg.norm(independent(at_change - too_early, phi)))


def most(phi: float, before: int, after: int, early: int) -> float:
    return float(norm.cdf(distance(phi, before, after, early) - norm.ppf(0.975)))


@pytest.mark.parametrize("early", [1, 2])
def test_the_page_has_the_most_that_any_rule_can_do(early: int) -> None:
    name = "one day before" if early == 1 else "two days before"
    rows = [
        f"| {name}, φ {phi:g} | " + " | ".join(f"{most(phi, *days, early):.2f}" for days in LENGTHS) + " |"
        for phi in PHIS
    ]
    assert [row for row in rows if row not in PAGE.read_text("utf-8")] == []


def test_the_best_rule_does_what_the_bound_says() -> None:
    """Likelihood ratios of drawn series: cut so that a step too early passes in .025 of them."""
    phi, rng = 0.7, np.random.default_rng(3)
    both = steps(phi, 30, 30, 1)
    shocks = rng.normal(size=(4000, both.shape[1])) * np.sqrt(1 - phi**2)
    shocks[:, 0] /= np.sqrt(1 - phi**2)
    errors = lfilter([1.0], [1.0, -phi], shocks, axis=1)
    apart = independent(both[0] - both[1], phi)
    ratios = [independent(one + errors - both.mean(axis=0), phi) @ apart for one in both]
    cut = np.quantile(ratios[1], 0.975)
    assert np.mean(ratios[0] > cut) == pytest.approx(most(phi, 30, 30, 1), abs=0.03)
