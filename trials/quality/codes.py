"""Codes: exact values by which a device says that it measured nothing, as −127 or 65535."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from insitu.model import Flag
from trials.quality.parameters import Parameters


class Codes(Parameters):
    values: Annotated[list[float], Field(min_length=1, max_length=100)]
    """In the datastream's unit. Also a value at which a device stops, as 0 or the end of its range."""


def run(
    time_us: NDArray[np.int64],
    result: NDArray[np.float64],
    received_us: NDArray[np.int64],
    parameters: Codes,
) -> NDArray[np.int8]:
    """FAIL for a result that is one of the values. A value that was converted from another unit may differ
    in its last digit.
    """
    flags = np.full(len(result), Flag.PASS, np.int8)
    for value in parameters.values:
        flags[np.abs(result - value) <= 1e-9 * max(1.0, abs(value))] = Flag.FAIL
    return flags
