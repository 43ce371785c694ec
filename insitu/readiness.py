"""Result of a probe: whether a device that connects now can deliver a message, and the failed stage if
not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FRESH_S: Final = 5.0
"""An older answer does not count: a probe that hangs means not ready."""


class Stage(StrEnum):
    """Stages of the probe's message, in order; each needs the ones before it."""

    CONNECT = "connect"
    """TCP and TLS to the broker."""
    SIGN_IN = "sign_in"
    """The broker accepts a device's credential."""
    PUBLISH = "publish"
    """The broker acknowledges a message at QoS 1."""
    DISK = "disk"
    """The disk of the database has room, so the ingestor takes messages."""
    ROW = "row"
    """The ingestor has committed it."""
    DATABASE = "database"
    """The row can be read."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """`stage`: where the probe failed, None if it arrived. `detail`: what is wrong and what to do next, for
    people.
    """

    stage: Stage | None
    detail: str
    at: float
    """When the probe ended, by `time.monotonic()`."""

    @property
    def ready(self) -> bool:
        return self.stage is None
