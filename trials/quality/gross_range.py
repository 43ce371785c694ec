"""Gross range (QARTOD test 4): FAIL outside the range of the instrument, SUSPECT outside the usual range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from insitu.model import Flag
from trials.quality.parameters import Parameters


class GrossRange(Parameters):
    """Bounds in the datastream's unit. Small negative results of analysers are normal: clipping them at 0
    would bias means.
    """

    fail_low: float
    fail_high: float
    suspect_low: float | None = None
    suspect_high: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> GrossRange:
        if self.fail_low >= self.fail_high:
            raise ValueError("fail_low must lie below fail_high")
        if self.suspect_low is not None and self.suspect_low < self.fail_low:
            raise ValueError("suspect_low must not lie below fail_low")
        if self.suspect_high is not None and self.suspect_high > self.fail_high:
            raise ValueError("suspect_high must not lie above fail_high")
        return self


def run(
    time_us: NDArray[np.int64],
    result: NDArray[np.float64],
    received_us: NDArray[np.int64],
    parameters: GrossRange,
) -> NDArray[np.int8]:
    """FAIL outside [fail_low, fail_high], SUSPECT outside [suspect_low, suspect_high]; the bounds themselves
    pass.
    """
    flags = np.full(len(result), Flag.PASS, np.int8)
    if parameters.suspect_low is not None:
        flags[result < parameters.suspect_low] = Flag.SUSPECT
    if parameters.suspect_high is not None:
        flags[result > parameters.suspect_high] = Flag.SUSPECT
    flags[(result < parameters.fail_low) | (result > parameters.fail_high)] = Flag.FAIL
    return flags
