"""Status for systemd: readiness, the reason for waiting, and the watchdog."""

from __future__ import annotations

from insitu.embedded.notify import notify

_AGAIN_S = 2.0


class Watchdog:
    """Sends READY at the first delivery. Feeds the watchdog while a device can deliver, or while the obstacle
    may pass by itself.
    """

    def __init__(self) -> None:
        self._told = ("", 0.0)

    def tell(self, now: float, *, status: str, ready: bool, hopeless: bool) -> None:
        """`status`: reason for waiting, "" if a device can deliver. `now`: time.monotonic()."""
        text = status or "a device can deliver"
        told, at = self._told
        if text == told and now - at < _AGAIN_S:
            return
        self._told = (text, now)
        notify(
            **{"STATUS": text} | ({} if hopeless else {"WATCHDOG": "1"}) | ({"READY": "1"} if ready else {})
        )
