"""How much several units of one kind differ from each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from insitu.errors import CorrectInput
from trials.statistics.metrics.pairs import computable, per_cent_of_mean


def _complete(units: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(units, np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise CorrectInput("Give one row per interval and one column per unit, at least two units.")
    table = table[np.isfinite(table).all(axis=1)]
    if not len(table):
        raise CorrectInput("There is no interval in which all units have a result.")
    return computable(values=table)


def between_units_sd(*, units: ArrayLike) -> float:
    """√(Σ(x_ij − x̄_i)²/(N·M − 1)) over the N intervals where all M units are valid, in the unit of the
    series.

    units: shape (N, M). Source: EPA/600/R-20/280, precision between identical sensors.
    """
    table = _complete(units)
    return float(np.sqrt(np.sum((table - table.mean(axis=1, keepdims=True)) ** 2) / (table.size - 1)))


def between_units_cv(*, units: ArrayLike) -> float:
    """100·SD/x̄, per cent, ≥ 0, over the same intervals; CorrectInput where x̄ is not above 0. Source:
    EPA/600/R-20/280.
    """
    table = _complete(units)
    return per_cent_of_mean(value=between_units_sd(units=table), mean=float(table.mean()))


def between_units_u(*, units: ArrayLike) -> float:
    """Between-unit uncertainty √(Σ(x_ij − x̄_i)²/(N·(M − 1))), in the unit of the series; for two units
    √(Σ(x_i1 − x_i2)²/(2N)).

    Source: Guide to the demonstration of equivalence (EC, 2010), 9.5.3.1.
    """
    table = _complete(units)
    within = np.sum((table - table.mean(axis=1, keepdims=True)) ** 2)
    return float(np.sqrt(within / (len(table) * (table.shape[1] - 1))))
