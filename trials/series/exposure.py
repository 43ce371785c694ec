"""How much of each slot its results speak for: results that hold until the next one, and amounts.

`edges` are the n + 1 borders of n slots without gaps between them, µs since 1970, in order.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from insitu.arrays import Bools, Floats, Ints

REGULAR: Final = 0.1
"""A spacing is regular if it is a whole number of times the usual one, to within this part of it …"""
MOSTLY: Final = 0.9
"""… for at least this share of the spacings."""
WHOLE: Final = 0.02
"""A slot as long as this close to a whole number of spacings has that number of results."""


def held(edges: Ints, time_us: Ints, result: Floats, usable: Bools, longest_us: int) -> tuple[Floats, Floats]:
    """(time-weighted mean of each slot, share of the slot for which a usable result held); NaN where none
    did.

    A result holds from its time until that of the next result, usable or not, and at most `longest_us`.
    Results may come in any order; what was before the first edge holds into the slots after it.
    """
    number = len(edges) - 1
    order = np.argsort(time_us, kind="stable")
    start, values, counted = time_us[order], result[order], usable[order]
    end = start + longest_us
    end[:-1] = np.minimum(end[:-1], start[1:])
    low, high = np.maximum(start, edges[0]), np.minimum(end, edges[-1])
    kept = counted & (high > low)
    low, high, values = low[kept], high[kept], values[kept]
    first = np.searchsorted(edges, low, side="right") - 1
    pieces = np.searchsorted(edges, high, side="left") - first  # slots that each result reaches into
    of = np.repeat(np.arange(len(low)), pieces)
    slot = first[of] + np.arange(len(of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    length = (np.minimum(high[of], edges[slot + 1]) - np.maximum(low[of], edges[slot])).astype(np.float64)
    covered = np.bincount(slot, weights=length, minlength=number)
    total = np.bincount(slot, weights=length * values[of], minlength=number)
    means = np.full(number, np.nan)
    np.divide(total, covered, out=means, where=covered > 0)
    return means, covered / np.diff(edges)


def amounts(edges: Ints, time_us: Ints, result: Floats, usable: Bools, *, share: float) -> Floats:
    """Amount of each whole slot: the sum of its usable results times (results that a slot has)/(results
    there), so that a lost result is not 0; NaN with fewer than `share` of them.

    Results that a slot has: its length over the usual spacing, if results come regularly; else those that are
    there, and the amount is their sum.
    """
    number = len(edges) - 1
    inside = usable & (time_us >= edges[0]) & (time_us < edges[-1])
    slot = np.searchsorted(edges, time_us[inside], side="right") - 1
    count = np.bincount(slot, minlength=number)
    total = np.bincount(slot, weights=result[inside], minlength=number)
    amount = np.full(number, np.nan)
    every = usual_spacing_us(time_us)
    if every is None:
        amount[count > 0] = total[count > 0]
        return amount
    due = np.maximum(1.0, np.diff(edges) / every)
    due = np.where(np.abs(due - np.rint(due)) <= WHOLE * due, np.rint(due), due)
    enough = (count > 0) & (count >= share * np.floor(due))
    amount[enough] = total[enough] * due[enough] / count[enough]
    return amount


def usual_spacing_us(time_us: Ints) -> float | None:
    """The median time between results, if they come regularly apart from losses; None if they do not, or if
    there are fewer than two.
    """
    spacing = np.diff(np.sort(time_us)).astype(np.float64)
    spacing = spacing[spacing > 0]
    if not len(spacing):
        return None
    usual = float(np.median(spacing))
    times = spacing / usual
    off = np.abs(times - np.maximum(1.0, np.rint(times)))
    return usual if float(np.mean(off <= REGULAR)) >= MOSTLY else None
