"""Values that were lost because they were extreme, from those that were seen. Pure.

If just the highest values of a symmetric distribution are lost, the lowest ones tell what they were: their
mirror image about the median that the whole would have. If the largest deviations on both sides are lost, the
middle half tells how far the rest of a normal distribution reaches. docs/decisions/0018 has the measurements.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import scipy

from insitu.arrays import Floats

LOWEST: Final = 0.01
"""Values below this quantile count as it where a tail is mirrored by ratios: one value near 0 has no
mirror.
"""
GOLDEN: Final = (np.sqrt(5) - 1) / 2
QUARTILE: Final = float(scipy.special.ndtri(0.75))
LEANS: Final = 1.3
"""Distance of the upper quartile from the median, in distances of the lower one, from which values lean to
the high side: chance makes it of few symmetric values that resemble each other in one of ten trials.
"""


def lost_above(seen: Floats, lost: int) -> Floats:
    """`lost` values above `seen` (ascending; no more than were seen), the furthest first."""
    lost = min(lost, len(seen))
    return np.asarray(2 * _of_whole(seen, lost, 0.5) - seen[:lost])


def lost_above_by_ratio(seen: Floats, lost: int, shift: float = 0.0) -> Floats:
    """The same where x + `shift` is symmetric on the logarithm; all x + `shift` above 0."""
    lost = min(lost, len(seen))
    tail = np.maximum(seen[:lost], np.quantile(seen, LOWEST)) + shift
    return np.asarray((_of_whole(seen, lost, 0.5) + shift) ** 2 / tail - shift)


def shift_of(seen: Floats, lost: int) -> float | None:
    """The shift that makes the quartiles of the whole symmetric on the logarithm, at least 0; None where they
    do not lean to the high side, or where the upper one is lost.
    """
    if 3 * lost > len(seen):
        return None
    low, middle, high = (_of_whole(seen, lost, share) for share in (0.25, 0.5, 0.75))
    if high - middle < LEANS * (middle - low) or not high > middle:
        return None
    return max(0.0, float((middle**2 - low * high) / (high + low - 2 * middle)))


def lost_on_both_sides(seen: Floats, lost: int) -> Floats:
    """Sizes of `lost` deviations (no more than were seen) that are larger than those seen, if the whole is
    normal; ascending. `seen`: ascending.
    """
    lost = min(lost, len(seen))
    kept = len(seen) / (len(seen) + lost)
    low, high = np.quantile(seen, [0.5 - 0.25 / kept, 0.5 + 0.25 / kept])
    shares = kept + (1 - kept) * (np.arange(lost) + 0.5) / max(1, lost)
    return np.asarray((high - low) / 2 / QUARTILE * scipy.special.ndtri((1 + shares) / 2))


def spread(values: Floats, number: int) -> Floats:
    """`number` of the values, evenly from all of them, and in an order that follows nothing."""
    if len(values) == 1:
        return np.full(number, values[0])
    order = np.argsort(np.mod(GOLDEN * np.arange(number), 1.0), kind="stable")
    places = np.empty(number)
    places[order] = (np.arange(number) + 0.5) / max(1, number)
    return np.asarray(values[(places * len(values)).astype(np.int64)])


def _of_whole(seen: Floats, lost: int, share: float) -> float:
    """A quantile of the values seen and `lost` above them."""
    return float(seen[min(len(seen) - 1, int(share * (len(seen) + lost)))])
