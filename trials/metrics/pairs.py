"""The one place where missing pairs are handled."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from insitu.errors import CorrectInput

Floats = NDArray[np.float64]


def paired(*, candidate: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float arrays, without the positions where either is missing (NaN).

    candidate, reference: shape (n,), same unit. CorrectInput where the shapes differ or fewer than 2 pairs are left.
    """
    y, x = np.asarray(candidate, np.float64), np.asarray(reference, np.float64)
    if y.shape != x.shape or y.ndim != 1:
        raise CorrectInput(f"candidate and reference must be one-dimensional and as long as each other: {y.shape}, {x.shape}.")
    kept = np.isfinite(y) & np.isfinite(x)
    if kept.sum() < 2:
        raise CorrectInput(f"Only {int(kept.sum())} complete pairs: at least 2 are needed.")
    return y[kept], x[kept]
