"""Whole-building savings: how good a baseline model is, and how far its savings may be off (IPMVP option C,
ASHRAE Guideline 14).

error = observed − predicted.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from insitu.errors import CorrectInput
from trials.statistics.metrics.pairs import paired, per_cent_of_mean

Resolution = Literal["hourly", "daily", "monthly"]


MOST_MONTHS = 72
"""The parabolas of α peak a little later; beyond their peak they fall and mean nothing."""


def cv_rmse(*, observed: ArrayLike, predicted: ArrayLike, parameters: int = 0) -> float:
    """100·√(Σ(y − ŷ)²/(n − p))/ȳ, per cent; p = 0 out of sample. Source: ASHRAE Guideline 14-2014."""
    y, fitted = paired(candidate=observed, reference=predicted)
    _enough(len(y) - parameters)
    return per_cent_of_mean(
        value=float(np.sqrt(np.sum((y - fitted) ** 2) / (len(y) - parameters))), mean=float(y.mean())
    )


def nmbe(*, observed: ArrayLike, predicted: ArrayLike, parameters: int = 0) -> float:
    """100·Σ(y − ŷ)/((n − p)·ȳ), per cent; positive: the model predicts too little; p = 0 out of sample.
    Source: ASHRAE Guideline 14-2014.
    """
    y, fitted = paired(candidate=observed, reference=predicted)
    _enough(len(y) - parameters)
    return per_cent_of_mean(value=float(np.sum(y - fitted)) / (len(y) - parameters), mean=float(y.mean()))


def _enough(freedom: int) -> None:
    if freedom < 1:
        raise CorrectInput("The quality of a model needs more results than parameters.")


def savings_alpha(*, resolution: Resolution, months: float) -> float:
    """α of the fractional savings uncertainty, 1: 1.26 hourly; −.00024M² + .03535M + 1.00286 daily; −.00022M²
    + .03306M + .94054 monthly.

    M: months of the reporting period. Source: Sun & Baltazar, ASHRAE Transactions 119 (2013).
    """
    if not 0 <= months <= MOST_MONTHS:
        raise CorrectInput(f"A reporting period has 0 to {MOST_MONTHS} months, not {months}.")
    if resolution == "hourly":
        return 1.26
    a, b, c = (-0.00024, 0.03535, 1.00286) if resolution == "daily" else (-0.00022, 0.03306, 0.94054)
    return a * months**2 + b * months + c


def fractional_savings_uncertainty(
    *,
    cv: float,
    n: int,
    n_effective: float,
    parameters: int,
    m: int,
    alpha: float,
    fraction: float,
    level: float,
) -> float:
    """t(n′ − p)·α·CV·√((n − p)/(n′ − p)·(1 + 2/n′)/m)/F, 1: half the width of the interval as a share of the
    savings.

    cv: CV(RMSE) of the fit, 1; n baseline results worth n′; m reporting results; `fraction` F > 0: savings
    over the predicted use. CorrectInput where n′ ≤ p + 1 or F ≤ 0. Source: ASHRAE Guideline 14-2014, annex B,
    with α of Sun & Baltazar.
    """
    if (
        not np.isfinite([cv, n_effective, alpha, fraction]).all()
        or not 0 < level < 1
        or min(m, n - parameters) < 1
    ):
        raise CorrectInput(
            "An uncertainty of savings needs finite numbers, results in both periods and a level between 0 "
            "and 1."
        )
    if n_effective <= parameters + 1:
        raise CorrectInput(
            f"The residuals are worth {n_effective:.3g} independent results, too few for {parameters} "
            "parameters."
        )
    if fraction <= 0:
        raise CorrectInput("There are no savings: their fraction has no uncertainty.")
    t = float(scipy.special.stdtrit(n_effective - parameters, (1 + level) / 2))
    inside = (n - parameters) / (n_effective - parameters) * (1 + 2 / n_effective) / m
    return t * alpha * cv * float(np.sqrt(inside)) / fraction
