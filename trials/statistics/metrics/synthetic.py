"""A synthetic control: the weighted mean of donors that followed the treated unit before anything was
done.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from insitu.errors import CorrectInput
from trials.statistics.metrics.pairs import computable


def donor_weights(*, treated: ArrayLike, donors: ArrayLike) -> NDArray[np.float64]:
    """w ≥ 0, Σw = 1, that makes Σ(y_t − Σ_j w_j·x_tj)² least, 1; shape (J,). treated (T,), donors (T, J),
    without missing values.

    Non-negative least squares with the sum as one more row of large weight, then normalised. Source: Abadie,
    Diamond & Hainmueller, J. Am. Stat. Assoc. 105 (2010).
    """
    y, x = np.asarray(treated, np.float64), np.asarray(donors, np.float64)
    if x.ndim != 2 or y.shape != x.shape[:1] or not x.size:
        raise CorrectInput(
            "Give one row per time and one column per donor, and as many times for the treated unit."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise CorrectInput("A synthetic control needs times at which all units have a value.")
    computable(values=x), computable(values=y)
    scale = float(np.abs(np.r_[x.ravel(), y]).max()) or 1.0
    heavy = 1e4 * np.sqrt(len(y))
    weights, _ = scipy.optimize.nnls(
        np.vstack([x / scale, np.full((1, x.shape[1]), heavy)]), np.r_[y / scale, heavy]
    )
    total = float(weights.sum())
    return np.asarray(weights / total)
