"""How far a candidate is from a reference."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from trials.statistics.metrics.pairs import paired, per_cent_of_mean


def bias(*, candidate: ArrayLike, reference: ArrayLike) -> float:
    """Mean error, (1/n)·Σ(yᵢ − xᵢ), in the unit of the series; positive: the candidate reads high. Source:
    ISO 5725-1.
    """
    y, x = paired(candidate=candidate, reference=reference)
    return float(np.mean(y - x))


def mae(*, candidate: ArrayLike, reference: ArrayLike) -> float:
    """Mean absolute error, (1/n)·Σ|yᵢ − xᵢ|, in the unit of the series. Source: Willmott & Matsuura, Clim.
    Res. 30 (2005).
    """
    y, x = paired(candidate=candidate, reference=reference)
    return float(np.mean(np.abs(y - x)))


def rmse(*, candidate: ArrayLike, reference: ArrayLike) -> float:
    """Root mean square error, √((1/n)·Σ(yᵢ − xᵢ)²) over paired intervals, in the unit of the series. Source:
    EPA/600/R-20/280.
    """
    y, x = paired(candidate=candidate, reference=reference)
    return float(np.sqrt(np.mean((y - x) ** 2)))


def nrmse(*, candidate: ArrayLike, reference: ArrayLike) -> float:
    """RMSE as per cent of the mean reference, 100·RMSE/x̄, ≥ 0; CorrectInput where x̄ is not above 0. Source:
    EPA/600/R-20/280.
    """
    y, x = paired(candidate=candidate, reference=reference)
    return per_cent_of_mean(value=rmse(candidate=y, reference=x), mean=float(np.mean(x)))


class Limits(NamedTuple):
    """Between which about 95 % of the differences lie, in the unit of the series."""

    low: float
    high: float


def limits_of_agreement(*, candidate: ArrayLike, reference: ArrayLike, k: float = 1.96) -> Limits:
    """d̄ ± k·s_d of the differences dᵢ = yᵢ − xᵢ, s_d² = Σ(dᵢ − d̄)²/(n − 1), in the unit of the series.
    Source: Bland & Altman, Lancet 327 (1986).
    """
    y, x = paired(candidate=candidate, reference=reference)
    differences = y - x
    mean, half = float(np.mean(differences)), k * float(np.std(differences, ddof=1))
    return Limits(mean - half, mean + half)
