"""Flat line (QARTOD test 8): a result that does not move for too long, measured in time, not in rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from insitu.model import Flag
from trials.quality.parameters import Parameters


class FlatLine(Parameters):
    """A run of results whose range stays within `tolerance` (unit of the datastream), for so many seconds."""

    tolerance: float = Field(default=0.0, ge=0)
    suspect_s: float = Field(gt=0)
    fail_s: float = Field(gt=0)
    longest_gap_s: float = Field(default=7200, gt=0)
    """A longer silence ends a run: nobody knows what happened in it."""

    @model_validator(mode="after")
    def _ordered(self) -> FlatLine:
        if self.suspect_s > self.fail_s:
            raise ValueError("suspect_s must not be longer than fail_s")
        return self


def run(
    time_us: NDArray[np.int64], result: NDArray[np.float64], received_us: NDArray[np.int64], parameters: FlatLine
) -> NDArray[np.int8]:
    """The whole stuck run is flagged, its first part too.

    A run: consecutive results that each differ by at most `tolerance` from the one before, and in range by at most `tolerance`
    from the run's first; runs are maximal and disjoint, so the flags do not depend on how the rows were delivered.
    """
    flags = np.full(len(result), Flag.PASS, np.int8)
    if len(result) < 2:
        return flags
    moves = np.abs(np.diff(result)) > parameters.tolerance
    breaks = moves | (np.diff(time_us) > parameters.longest_gap_s * 1e6)
    starts = np.flatnonzero(np.r_[True, breaks])
    ends = np.r_[starts[1:], len(result)] - 1
    lasting = (time_us[ends] - time_us[starts]) / 1e6
    long = np.flatnonzero(lasting >= parameters.suspect_s)
    for index in long:
        low, high = starts[index], ends[index] + 1
        _flag_run(time_us[low:high], result[low:high], flags[low:high], parameters)
    return flags


def _flag_run(time_us: NDArray[np.int64], result: NDArray[np.float64], flags: NDArray[np.int8], parameters: FlatLine) -> None:
    """Split where slow drift leaves the tolerance of the run's first result; flag what lasts."""
    low = 0
    while low < len(result):
        away = np.flatnonzero(np.abs(result[low:] - result[low]) > parameters.tolerance)
        high = low + int(away[0]) if len(away) else len(result)
        lasting = (time_us[high - 1] - time_us[low]) / 1e6
        if lasting >= parameters.fail_s:
            flags[low:high] = Flag.FAIL
        elif lasting >= parameters.suspect_s:
            flags[low:high] = Flag.SUSPECT
        low = high
