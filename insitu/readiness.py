"""What a probe found out: can a device that connects now deliver a message, and where does it end if not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FRESH_S: Final = 5.0
"""An answer older than this counts as none: what hangs is not ready."""


class Stage(StrEnum):
    """The way of the probe's message, in order; each stage needs those before it."""

    CONNECT = "connect"
    """TCP and TLS to the broker."""
    SIGN_IN = "sign_in"
    """The broker accepts a device's credential."""
    PUBLISH = "publish"
    """The broker acknowledges a message at QoS 1."""
    ROW = "row"
    """The ingestor has committed it."""
    DATABASE = "database"
    """The row can be read."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """`stage`: where the probe ended, None where it arrived. `detail`: what is wrong and what to do next, for
    people.
    """

    stage: Stage | None
    detail: str
    at: float
    """When the probe ended, by `time.monotonic()`."""

    @property
    def ready(self) -> bool:
        return self.stage is None
