"""Differences of block pairs whose days resemble each other.

In a schedule on–off, on–off slow changes cancel from pair to pair, and t(n − 1)·s/√n is wide enough. In a
mirrored one (on–off, off–on) the blocks that meet between two pairs have one state, so that what they share
does not cancel: differences resemble each other, and s/√n is too small. docs/decisions/0013 has the figures.
"""

from __future__ import annotations

import numpy as np

from insitu.arrays import Floats, Ints
from trials.statistics.dependence import grid


def widening(days: Ints, weights: Floats) -> float:
    """How many times s/√n the standard error of the mean difference may be, at least 1: the most over the
    autocorrelations that days may have.

    `days`: (n,) on which anything counts; `weights`: (K, n) of each pair's difference, K ≥ 2.
    """
    apart = np.abs(np.subtract.outer(days, days))
    pairs = len(weights)
    found = [1.0]
    for phi in grid(len(days))[0]:
        shared = weights @ phi**apart @ weights.T
        of_mean = float(shared.sum()) / pairs
        scatter = (float(np.trace(shared)) - of_mean) / (pairs - 1)
        if scatter > 0:
            found.append(float(np.sqrt(of_mean / scatter)))
    return max(found)
