"""Time syntax (QARTOD test 1): stamps that repeat, are later than their receipt, or break the instrument's
rhythm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from insitu.model import Flag
from trials.quality.parameters import Parameters


class TimeSyntax(Parameters):
    future_s: float = Field(default=600, ge=0)
    """A stamp further ahead of its receipt is FAIL."""
    shortest_s: float | None = Field(default=None, gt=0)
    """Of two results closer than this, the later is SUSPECT (a resend under a new stamp, or a clock set
    back).
    """


def reach_s(parameters: TimeSyntax) -> float:
    """Only rows closer than `shortest_s` matter."""
    return parameters.shortest_s or 0.0


def run(
    time_us: NDArray[np.int64],
    result: NDArray[np.float64],
    received_us: NDArray[np.int64],
    parameters: TimeSyntax,
) -> NDArray[np.int8]:
    """FAIL for a repeated or future stamp, SUSPECT for one that follows too closely."""
    flags = np.full(len(time_us), Flag.PASS, np.int8)
    distance = np.diff(time_us)
    if parameters.shortest_s is not None:
        flags[1:][distance < parameters.shortest_s * 1e6] = Flag.SUSPECT
    flags[1:][distance == 0] = Flag.FAIL
    flags[time_us > received_us + parameters.future_s * 1e6] = Flag.FAIL
    return flags
