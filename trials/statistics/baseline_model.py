"""A linear model of the days of a baseline: its fit, its bootstrap over days, and its standard error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trials.statistics.inference import Inference
from trials.statistics.intervals import block_weights, t_quantile

Floats = NDArray[np.float64]
Days = NDArray[np.int64]
BLOCK = 7
REPLICATES = 2000
NEARLY_SINGULAR = 1e-10
"""Limit of det XᵀX over the product of its diagonal (at most 1); below it an inverse has no digits left to
trust.
"""
SLOW = 2
"""Slowly moving columns of the model, as `fits.effective` counts them: the constant and the weather."""


class Sample(NamedTuple):
    """Days of one period on which everything is known that the model needs."""

    days: Days
    columns: Floats
    y: Floats


def solve(columns: Floats, y: Floats) -> Floats:
    """Coefficients of the least squares fit of y on the columns."""
    return np.asarray(np.linalg.lstsq(columns, y, rcond=None)[0])


def few_blocks(blocks: float, level: float) -> float:
    """Factor for percentiles of few blocks, which are too narrow: t with their number over the normal
    distribution.
    """
    return t_quantile(level, max(1.0, blocks - 1)) / t_quantile(level, np.inf)


def error_of_days(by: Inference, baseline: Sample, reporting: Sample, b: Floats) -> float:
    """Standard error of the effect from day values: of the mean of observed − predicted, and of the model at
    the mean day, in quadrature.
    """
    of_days = by.mean(reporting.days, reporting.y - reporting.columns @ b, None).standard_error
    model = by.least_squares(baseline.columns, baseline.y, baseline.days, SLOW)
    mean_day = reporting.columns.mean(axis=0)
    return float(np.hypot(of_days, model.error_of(mean_day)))


def bootstrap(baseline: Sample, reporting: Sample, seed: int, block: int = BLOCK) -> Floats:
    """The effect in each replicate: draws the days of both periods in blocks, and fits the model again."""
    weights = block_weights(len(baseline.y), block=block, replicates=REPLICATES, seed=seed)
    x, y = baseline.columns, baseline.y
    columns = x.shape[1]
    squares = (weights @ (x[:, :, None] * x[:, None, :]).reshape(len(y), -1)).reshape(-1, columns, columns)
    b = np.einsum("rij,rj->ri", _inverses(squares), weights @ (x * y[:, None]))
    after = block_weights(len(reporting.y), block=block, replicates=REPLICATES, seed=seed + 1) / len(
        reporting.y
    )
    return np.asarray(after @ reporting.y - np.sum((after @ reporting.columns) * b, axis=1))


def _inverses(squares: Floats) -> Floats:
    """Inverses of matrices XᵀX; the pseudo-inverse if one is singular (no weekend was drawn), or nearly
    so.
    """
    diagonals = np.prod(np.diagonal(squares, axis1=1, axis2=2), axis=1)
    sound = np.linalg.det(squares) > NEARLY_SINGULAR * diagonals
    found = np.empty_like(squares)
    found[sound] = np.linalg.inv(squares[sound])
    found[~sound] = np.linalg.pinv(squares[~sound])
    return found
