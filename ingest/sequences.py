"""The accounted `seq` of a boot, as sorted half-open ranges."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from store.sequences import Ranges

MAX_RANGES = 1000
"""Keeps the row of a device with random `seq` from growing without end: beyond this number, the oldest hole
counts as lost for good.
"""
MAX_MISSING = 20


def add(ranges: Ranges, seq: int) -> bool:
    """Account for `seq`, in place; False if it was already accounted for."""
    if ranges and ranges[-1][1] == seq:  # nearly always: the next one
        ranges[-1] = (ranges[-1][0], seq + 1)
        return True
    at = bisect_right(ranges, (seq, 2**63))
    if at and ranges[at - 1][1] > seq:
        return False
    low, high = seq, seq + 1
    if at < len(ranges) and ranges[at][0] == high:
        high = ranges.pop(at)[1]
    if at and ranges[at - 1][1] == low:
        low = ranges.pop(at - 1)[0]
        at -= 1
    ranges.insert(at, (low, high))
    if len(ranges) > MAX_RANGES:
        ranges[0:2] = [(ranges[0][0], ranges[1][1])]
    return True


def added(before: Ranges, after: Ranges) -> Ranges:
    """The ranges of `after` that are not in `before`."""
    most = len(before) - 1
    if most >= 0 and after[:most] == before[:most]:  # nearly always: only the last one grew
        return [one for one in after[most:] if one != before[most]]
    known = set(before)
    return [one for one in after if one not in known]


def accounted(ranges: Ranges) -> tuple[int | None, list[tuple[int, int]]]:
    """(highest seq up to which everything is accounted for, closed missing ranges above it, at most 20)."""
    if not ranges:
        return None, []
    missing = [(low_end, high_start - 1) for (_, low_end), (high_start, _) in pairwise(ranges)]
    return ranges[0][1] - 1, missing[:MAX_MISSING]
