"""How much of the planned data came, and how it breaks. Censuses of planned intervals: no sampling error.

present, due: booleans of shape (n,), one for each planned interval in order of time; an interval inside a
window that holds nothing is not due.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from insitu.errors import CorrectInput

LONGEST_H = 1e8


def _both(present: ArrayLike, due: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    there, planned = np.asarray(present, bool), np.asarray(due, bool)
    if there.shape != planned.shape or there.ndim != 1:
        raise CorrectInput(
            f"present and due must be one-dimensional and as long as each other: {there.shape}, "
            f"{planned.shape}."
        )
    if not planned.any():
        raise CorrectInput("No interval is due: there is no share of nothing.")
    return there & planned, planned


def completeness(*, present: ArrayLike, due: ArrayLike) -> float:
    """100·Σ(present and due)/Σdue, per cent; one division of whole numbers, so that 19 of 20 is exactly 95.
    Source: WMO-No. 8, part V.
    """
    there, planned = _both(present, due)
    return 100 * int(there.sum()) / int(planned.sum())


def gap_lengths(*, present: ArrayLike, due: ArrayLike) -> NDArray[np.int64]:
    """Length, in intervals, of each run of due intervals that hold nothing, in order; intervals not due
    neither end nor lengthen one. Source: definition.
    """
    there, planned = _both(present, due)
    missing = np.r_[False, ~there[planned], False].astype(np.int8)
    edges = np.flatnonzero(np.diff(missing))
    return (edges[1::2] - edges[::2]).astype(np.int64)


def gap_hours(*, present: ArrayLike, due: ArrayLike, hours: ArrayLike) -> NDArray[np.float64]:
    """Length, in h, of each run of `gap_lengths`. hours: length of each planned interval, which differs where
    the clocks change and between months. Source: definition.
    """
    there, planned = _both(present, due)
    lengths = np.asarray(hours, np.float64)
    if lengths.shape != planned.shape:
        raise CorrectInput(f"hours must be as long as due: {lengths.shape}, {planned.shape}.")
    if not np.all((lengths >= 0) & (lengths < LONGEST_H)):
        raise CorrectInput("An interval lasts 0 hours or more, and less than ten thousand years.")
    missing = np.r_[False, ~there[planned], False].astype(np.int8)
    edges = np.flatnonzero(np.diff(missing))
    before = np.r_[0.0, np.cumsum(lengths[planned])]
    return np.asarray(before[edges[1::2]] - before[edges[::2]], np.float64)


def mtbf(*, up_h: float, gaps: int) -> float:
    """Mean operating time between failures, h: hours in operation over the number of gaps; all of them where
    there is no gap.

    Source: IEC 60050-192 (dependability). Without a gap the hours observed are a lower bound, not an
    estimate.
    """
    if not 0 <= up_h < float("inf") or gaps < 0:
        raise CorrectInput(f"Hours in operation and gaps are not negative: {up_h}, {gaps}.")
    return up_h / max(1, gaps)
