"""Flat line (QARTOD test 8): a result that does not move for too long. Measured in time, not in rows."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from insitu.model import Flag
from trials.quality.parameters import Parameters


class FlatLine(Parameters):
    """A run of results whose range stays within `tolerance` (unit of the datastream) is SUSPECT after
    `suspect_s` seconds, FAIL after `fail_s`.
    """

    tolerance: float = Field(default=0.0, ge=0)
    suspect_s: float = Field(gt=0)
    fail_s: float = Field(gt=0)
    longest_gap_s: float = Field(default=7200, gt=0)
    """A longer silence ends a run: nobody knows what happened during it."""

    @model_validator(mode="after")
    def _ordered(self) -> FlatLine:
        if self.suspect_s > self.fail_s:
            raise ValueError("suspect_s must not be longer than fail_s")
        return self


def reach_s(parameters: FlatLine) -> float:
    """A stretch that lasts `fail_s` ends at most one gap later."""
    return parameters.fail_s + parameters.longest_gap_s


def run(
    time_us: NDArray[np.int64],
    result: NDArray[np.float64],
    received_us: NDArray[np.int64],
    parameters: FlatLine,
) -> NDArray[np.int8]:
    """Flags the whole stuck run, its first part too.

    A row is flagged if it lies in some stretch of rows, without a longer silence, whose range is at most
    `tolerance` and which lasts `suspect_s` or `fail_s`. That depends on the row's surroundings only, not on
    where the given rows begin.
    """
    flags = np.full(len(result), Flag.PASS, np.int8)
    if len(result) < 2:
        return flags
    moves = np.abs(np.diff(result)) > parameters.tolerance
    breaks = moves | (np.diff(time_us) > parameters.longest_gap_s * 1e6)
    starts = np.flatnonzero(np.r_[True, breaks])
    ends = np.r_[starts[1:], len(result)] - 1
    lasting = (time_us[ends] - time_us[starts]) / 1e6
    for index in np.flatnonzero(lasting >= parameters.suspect_s):
        low, high = int(starts[index]), int(ends[index]) + 1
        if parameters.tolerance == 0:
            flags[low:high] = Flag.FAIL if lasting[index] >= parameters.fail_s else Flag.SUSPECT
        else:
            _flag_stretches(time_us[low:high], result[low:high], flags[low:high], parameters)
    return flags


def _flag_stretches(
    time_us: NDArray[np.int64], result: NDArray[np.float64], flags: NDArray[np.int8], parameters: FlatLine
) -> None:
    """Finds for each row the longest stretch within `tolerance` that ends there, with queues of the extremes;
    flags stretches that last.
    """
    times, values = time_us.tolist(), result.tolist()
    lowest: deque[int] = deque()
    highest: deque[int] = deque()
    first = suspect_to = fail_to = 0
    for last, value in enumerate(values):
        while lowest and values[lowest[-1]] >= value:
            lowest.pop()
        while highest and values[highest[-1]] <= value:
            highest.pop()
        lowest.append(last)
        highest.append(last)
        while values[highest[0]] - values[lowest[0]] > parameters.tolerance:
            first += 1
            if lowest[0] < first:
                lowest.popleft()
            if highest[0] < first:
                highest.popleft()
        lasting = (times[last] - times[first]) / 1e6
        if lasting >= parameters.fail_s:
            flags[max(first, fail_to) : last + 1] = Flag.FAIL
            fail_to = last + 1
        elif lasting >= parameters.suspect_s:
            fresh = flags[max(first, suspect_to) : last + 1]
            fresh[fresh == Flag.PASS] = Flag.SUSPECT
            suspect_to = last + 1
