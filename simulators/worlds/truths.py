"""The true values of every world."""

from __future__ import annotations

import numpy as np
from scipy.special import erf, ndtr

from simulators.worlds.cell import LIMIT, Cell, cycle, trend_of


def collocation_truth(cell: Cell) -> dict[str, float]:
    """For y = 1 + .9·x + e with Var x = 4² + 3²/2, more with a trend, and Var e = 1; x is 20 on average."""
    variance = 16 + 4.5 + float(np.var(trend_of(cell, 4.0)))
    bias = 1 + (0.9 - 1) * 20
    of_y = 0.81 * variance + 1
    orthogonal = (of_y - variance + np.sqrt((of_y - variance) ** 2 + 4 * (0.9 * variance) ** 2)) / (
        2 * 0.9 * variance
    )
    rmse = float(np.sqrt(bias**2 + 0.01 * variance + 1))
    expected, sd = bias - 0.1 * (cycle(cell.hours) + trend_of(cell, 4.0)), np.sqrt(0.01 * 16 + 1)
    residual = of_y - 2 * orthogonal * 0.9 * variance + orthogonal**2 * variance
    at_limit = np.sqrt(residual + (19 - 20 * orthogonal + (orthogonal - 1) * LIMIT) ** 2)
    sizes = sd * np.sqrt(2 / np.pi) * np.exp(-(expected**2) / (2 * sd**2)) + expected * erf(
        expected / (sd * np.sqrt(2))
    )
    return {
        "r2": 0.81 * variance / of_y,
        "slope": 0.9,
        "intercept": 1.0,
        "slope_orthogonal": float(orthogonal),
        "intercept_orthogonal": float(19 - 20 * orthogonal),
        "rmse": rmse,
        "nrmse": 100 * rmse / 20,
        "bias": bias,
        "mae": float(np.mean(sizes)),
        "reu": float(200 * at_limit / LIMIT),
    }


def equivalence_truth(cell: Cell) -> dict[str, float]:
    """The variance is that of the difference of two means over a day of 24 hours, 10 % of them lost, with
    errors of variance 1; plus the trend over the days.
    """
    apart = np.abs(np.subtract.outer(np.arange(24), np.arange(24)))
    kept = 0.9
    of_days = 2 * (24 * kept + kept**2 * float(np.sum(cell.phi ** apart[apart > 0]))) / (24 * kept) ** 2
    sd = np.sqrt(of_days + np.var(trend_of(cell, 1.0).reshape(-1, 24).mean(axis=1), ddof=1))
    return {"difference": 0.5, "loa_low": 0.5 - 1.96 * sd, "loa_high": 0.5 + 1.96 * sd}


def replicates_truth(_: Cell) -> dict[str, float]:
    """Three units with errors of variance 1 about a level of 20: √(Σ(x − x̄)²/(3N)) = √(2/3)."""
    sd = float(np.sqrt(2 / 3))
    return {"sd": sd, "cv": 100 * sd / 20, "u_between": 1.0}


def effect_truth(cell: Cell) -> dict[str, float]:
    return {"effect": cell.effect}


def before_after_truth(cell: Cell) -> dict[str, float]:
    return {"effect": cell.effect, "ratio": (20 + cell.effect) / 20}


def interrupted_truth(cell: Cell) -> dict[str, float]:
    return {"level_change": cell.effect, "slope_change": -0.03 * cell.treated}


def counts_truth(cell: Cell) -> dict[str, float]:
    return {"rate_ratio": 0.7 if cell.treated else 1.0}


def limit_truth(_: Cell) -> dict[str, float]:
    return {"mean": 20.0}


def share_truth(cell: Cell) -> dict[str, float]:
    """Change of the share of hours above 20: errors with standard deviation 2 about a daily cycle."""
    above = [np.mean(ndtr((level - 20 + cycle(24)) / 2)) for level in (20 + cell.effect, 20)]
    return {"effect": float(above[0] - above[1])}


def sum_truth(cell: Cell) -> dict[str, float]:
    return {"effect": 24 * cell.effect}
