"""The one place that handles missing values: in pairs, in single series, and numbers too large to compute
with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from insitu.arrays import Floats
from insitu.errors import CorrectInput

LARGEST = 1e100
"""Squares and sums of larger numbers exceed a float64. Nothing measured comes near."""


def known(*, values: ArrayLike) -> Floats:
    """As a float array without missing values (NaN, infinite), shape (n,). CorrectInput where one is larger
    than 10¹⁰⁰ in size.
    """
    found = np.asarray(values, np.float64)
    return computable(values=found[np.isfinite(found)])


def computable(*, values: Floats) -> Floats:
    """The values as they are; CorrectInput where one is larger than 10¹⁰⁰ in size. Any shape, no missing
    values.
    """
    if values.size and float(np.abs(values).max()) > LARGEST:
        raise CorrectInput(f"A value of {float(np.abs(values).max()):.3g} is too large to be computed with.")
    return values


def paired(*, candidate: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float arrays, without the positions where either is missing (NaN).

    candidate, reference: shape (n,), same unit. CorrectInput where the shapes differ, fewer than 2 pairs are
    left, or a value is too large to be computed with.
    """
    y, x = np.asarray(candidate, np.float64), np.asarray(reference, np.float64)
    if y.shape != x.shape or y.ndim != 1:
        raise CorrectInput(
            f"candidate and reference must be one-dimensional and as long as each other: {y.shape}, "
            f"{x.shape}."
        )
    kept = np.isfinite(y) & np.isfinite(x)
    if kept.sum() < 2:
        raise CorrectInput(f"Only {int(kept.sum())} complete pairs: at least 2 are needed.")
    return computable(values=y[kept]), computable(values=x[kept])


def per_cent_of_mean(*, value: float, mean: float) -> float:
    """100·value/mean, per cent. CorrectInput unless the mean is clearly above 0: per cent of such a mean mean
    nothing.
    """
    if not mean > 0 or abs(value) > LARGEST * mean:
        raise CorrectInput(f"Per cent of a mean need a mean above 0; it is {mean:.3g}.")
    return 100 * value / mean
