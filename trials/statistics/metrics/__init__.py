"""Metrics: pure, keyword-only, on plain arrays. Missing pairs are dropped in one place (`pairs`).

error = candidate − reference. docs/metrics.md has a row for each; a test compares.
"""

from trials.statistics.metrics.agreement import Limits, bias, limits_of_agreement, mae, nrmse, rmse
from trials.statistics.metrics.availability import completeness, gap_hours, gap_lengths, mtbf
from trials.statistics.metrics.levels import energetic_mean, lden, period_level
from trials.statistics.metrics.pairs import paired
from trials.statistics.metrics.permutation import rank_p, sign_flip_p
from trials.statistics.metrics.regression import Line, ols, orthogonal, r_squared, reu
from trials.statistics.metrics.savings import cv_rmse, fractional_savings_uncertainty, nmbe, savings_alpha
from trials.statistics.metrics.spread import between_units_cv, between_units_sd, between_units_u
from trials.statistics.metrics.synthetic import donor_weights

__all__ = [
    "Limits",
    "Line",
    "between_units_cv",
    "between_units_sd",
    "between_units_u",
    "bias",
    "completeness",
    "cv_rmse",
    "donor_weights",
    "energetic_mean",
    "fractional_savings_uncertainty",
    "gap_hours",
    "gap_lengths",
    "lden",
    "limits_of_agreement",
    "mae",
    "mtbf",
    "nmbe",
    "nrmse",
    "ols",
    "orthogonal",
    "paired",
    "period_level",
    "r_squared",
    "rank_p",
    "reu",
    "rmse",
    "savings_alpha",
    "sign_flip_p",
]
