"""Spike (QARTOD test 6): a single result that stands out from the one before it and the one after it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from insitu.model import Flag
from trials.quality.parameters import Parameters


class Spike(Parameters):
    """A result is SUSPECT that lies more than `suspect_by` (unit of the datastream) above both neighbours, or
    below both, and FAIL beyond `fail_by`.
    """

    suspect_by: float = Field(gt=0)
    fail_by: float = Field(gt=0)
    longest_gap_s: float = Field(default=7200, gt=0)
    """Results further apart are no neighbours: nobody knows what happened between them."""

    @model_validator(mode="after")
    def _ordered(self) -> Spike:
        if self.suspect_by > self.fail_by:
            raise ValueError("suspect_by must not be larger than fail_by")
        return self


def reach_s(parameters: Spike) -> float:
    """A neighbour is at most one gap away."""
    return parameters.longest_gap_s


def run(
    time_us: NDArray[np.int64],
    result: NDArray[np.float64],
    received_us: NDArray[np.int64],
    parameters: Spike,
) -> NDArray[np.int8]:
    """NOT_EVALUATED at either end of a silence, where a neighbour is missing. A rise or fall is no spike, nor
    is a peak of two results. Neighbours are of another time: of a repeated stamp the first counts.
    """
    stamps, first, of_row = np.unique(time_us, return_index=True, return_inverse=True)
    flags = np.full(len(result), Flag.NOT_EVALUATED, np.int8)
    near = np.diff(stamps) <= parameters.longest_gap_s * 1e6
    between = np.r_[False, near] & np.r_[near, False] if len(stamps) else np.empty(0, np.bool_)
    rows = np.flatnonzero(between[of_row])
    value = result[rows]
    before, after = result[first[of_row[rows] - 1]], result[first[of_row[rows] + 1]]
    with np.errstate(invalid="ignore"):
        above = value - np.maximum(before, after)
        below = np.minimum(before, after) - value
    out = np.fmax(above, below)
    judged = np.full(len(rows), Flag.PASS, np.int8)
    judged[out > parameters.suspect_by] = Flag.SUSPECT
    judged[out > parameters.fail_by] = Flag.FAIL
    flags[rows] = judged
    return flags
