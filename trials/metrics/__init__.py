"""Metrics: pure, keyword-only, on plain arrays. Missing pairs are dropped in one place (`pairs`).

error = candidate − reference. docs/metrics.md has a row for each; a test compares.
"""

from trials.metrics.agreement import bias, mae, nrmse, rmse
from trials.metrics.levels import energetic_mean, lden, period_level
from trials.metrics.pairs import paired
from trials.metrics.regression import Line, ols, orthogonal, r_squared, reu
from trials.metrics.spread import between_units_cv, between_units_sd

__all__ = [
    "Line", "between_units_cv", "between_units_sd", "bias", "energetic_mean", "lden", "mae", "nrmse", "ols", "orthogonal", "paired",
    "period_level", "r_squared", "reu", "rmse",
]  # fmt: skip
