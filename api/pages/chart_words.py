"""Choices of the charts of a trial: value in the address → English words."""

from __future__ import annotations

from typing import Final

WIDTHS: Final = {
    "auto": "as it fits",
    "raw": "each result",
    "hour": "an hour",
    "day": "a local day",
}
LINES: Final = {"device": "one for each device", "arm": "the mean of each arm"}
