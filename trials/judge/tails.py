"""Values that were lost because they were extreme, from those that were seen. Pure.

If just the highest values of a symmetric distribution are lost, the lowest ones tell what they were: their
mirror image about the median that the whole would have. If the largest deviations on both sides are lost, the
middle half tells how far the rest of a normal distribution reaches. Quantiles further out tell its shape: a
distribution that leans, or whose tails are heavy, is one of Tukey's (1977) g and h, x = z·e^(hz²/2) or
(e^(gz) − 1)/g of a normal z. docs/decisions/0018 and 0027 have the measurements.
"""

from __future__ import annotations

from typing import Final, NamedTuple

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
By rules 3.
"""
OUTERMOST: Final = 0.1
"""Share of the whole beyond the outermost quantile that tells a shape, if little is lost."""
INSIDE, BEYOND_LOST = (0.07, 0.75), 1.05
"""That share where much is lost: at least .07 + .75 of what is lost, and a twentieth more than that."""
LEAST_G, G_PER_SHARE = 0.25, 1.25
"""g from which values lean, less so much for each share lost: where much is lost, g is known badly, and a
tail that is too short does most harm.
"""
G_MARGIN: Final = 2.5
"""Times the square of the share lost: g counts as so much larger, since it is known worse and weighs more."""
LEAST_H, H_PER_SHARE = 0.12, 0.8
"""The same for heavy tails."""
MOST_H: Final = 0.3
"""Heavier still (beyond .25 there is no fourth moment), and some of the largest would have been seen."""
MASS: Final = 20
"""Equal lowest values are a mass from a twentieth of those seen: rounding makes fewer."""
MOST_G = 2.0
"""More than that is a mass of equal values, and no shape."""


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


def lost_above_leaning(seen: Floats, lost: int, *, told: bool = False, masses: bool = False) -> Floats:
    """`lost` values above `seen` (ascending), if they lean to the high side; else none. Ascending. `told`:
    silence is known to follow high values, so that the least lean counts. It does too where the lowest are
    equal: a limit of detection has cut the tail that would be mirrored. `masses`: also where half of those
    that would be mirrored are (rules 5).
    """
    lost = min(lost, len(seen))
    shape = _shape(seen, lost)
    if shape is None:
        return np.empty(0)
    cut = shape.low == seen[0]
    if masses:
        cut = cut or bool(seen[0] == seen[min(len(seen) - 1, max(lost // 2, len(seen) // MASS))])
    share = lost / (len(seen) + lost)
    least = 0.0 if told else max(0.0, LEAST_G - G_PER_SHARE * share)
    return leaning(seen, lost) if shape.g > least or cut else np.empty(0)


def leaning(seen: Floats, lost: int) -> Floats:
    """`lost` values above `seen` (ascending; no more than were seen), however little they lean; none where
    too much is lost to tell. Ascending.
    """
    lost = min(lost, len(seen))
    shape = _shape(seen, lost)
    if shape is None:
        return np.empty(0)
    share = lost / (len(seen) + lost)
    at = scipy.special.ndtri(_shares_above(1 - share, lost))
    g = shape.g * (1 + G_MARGIN * share**2)
    ratio = np.expm1(g * at) / np.expm1(g * shape.z) if g > 0 else at / shape.z
    return np.asarray(shape.middle + (shape.high - shape.middle) * ratio)


class _Shape(NamedTuple):
    """Three quantiles of the whole, the normal z of the outer ones, and the g that they show."""

    low: float
    middle: float
    high: float
    z: float
    g: float


def _shape(seen: Floats, lost: int) -> _Shape | None:
    """None where nothing is lost, too much is, or the upper half does not vary."""
    beyond = _beyond(seen, lost)
    if not lost or beyond is None:
        return None
    low, middle, high = (_of_whole(seen, lost, share) for share in (beyond, 0.5, 1 - beyond))
    if high <= middle:
        return None
    z = -float(scipy.special.ndtri(beyond))
    g = min(MOST_G, float(np.log((high - middle) / (middle - low))) / z) if middle > low else MOST_G
    return _Shape(low, middle, high, z, g)


def lost_on_both_sides_heavy(seen: Floats, lost: int) -> Floats:
    """As `lost_on_both_sides`, from distances to the median, where tails are heavy; else none."""
    lost = min(lost, len(seen))
    share = lost / max(1, len(seen) + lost)
    found = _weight(seen, lost)
    return (
        heavy(seen, lost)
        if found is not None and found[0] > max(0.0, LEAST_H - H_PER_SHARE * share)
        else np.empty(0)
    )


def heavy(seen: Floats, lost: int) -> Floats:
    """The same however heavy the tails are; none where too much is lost to tell."""
    lost = min(lost, len(seen))
    found = _weight(seen, lost)
    if found is None:
        return np.empty(0)
    h, outer, z = found
    at = scipy.special.ndtri((1 + _shares_above(1 - lost / (len(seen) + lost), lost)) / 2)
    return np.asarray(outer * at / z * np.exp(h * (at**2 - z**2) / 2))


def _weight(seen: Floats, lost: int) -> tuple[float, float, float] | None:
    """(h, outer quantile of the distances to the median, its normal z); None as in `_shape`."""
    beyond = _beyond(seen, lost)
    if not lost or beyond is None:
        return None
    sizes = np.sort(np.abs(seen - np.median(seen)))
    inner, outer = (_of_whole(sizes, lost, share) for share in (0.5, 1 - beyond))
    if inner <= 0:
        return None
    z = -float(scipy.special.ndtri(beyond / 2))
    return min(2 * np.log(outer / z * QUARTILE / inner) / (z**2 - QUARTILE**2), MOST_H), outer, z


def _beyond(seen: Floats, lost: int) -> float | None:
    """Share of the whole beyond the outermost quantile that tells a shape; None where half is lost."""
    share = lost / (len(seen) + lost)
    beyond = max(OUTERMOST, INSIDE[0] + INSIDE[1] * share, BEYOND_LOST * share)
    return beyond if beyond < 0.45 else None


def _shares_above(kept: float, lost: int) -> Floats:
    """Shares of the whole below each of `lost` values above those kept."""
    return np.asarray(kept + (1 - kept) * (np.arange(lost) + 0.5) / lost)


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
