"""`…/status`: the words `online` and `offline` (also as last will), or JSON with battery, rssi, firmware,
uptime.
"""

from __future__ import annotations

from typing import Any

from ingest.decode import native
from ingest.decode.result import StatusReport, Unreadable
from insitu.model import RejectReason

_WORDS = ("online", "offline")
_EXPECTED = "Expected `online`, `offline` or an object with battery, rssi, firmware, uptime."


def decode(payload: bytes, received_us: int) -> StatusReport | Unreadable:
    """Status of the device from one payload."""
    word = payload.strip().strip(b'"').lower()
    if word in (b"online", b"offline"):
        return StatusReport(state=word.decode())
    try:
        if word[:1] not in (b"{", b"["):
            raise native.shape_refused(_EXPECTED)
        return _report(native.read_json(payload))
    except native.Refused as refused:
        return refused.unreadable


def _report(document: Any) -> StatusReport:
    if not isinstance(document, dict):
        raise native.shape_refused(_EXPECTED)
    state = document.get("state")
    state = state.lower() if isinstance(state, str) else state
    if state is not None and state not in _WORDS:
        raise native.shape_refused("`state` must be online or offline.")
    firmware = document.get("firmware")
    if firmware is not None and (not isinstance(firmware, str) or len(firmware) > 128):
        raise native.shape_refused("`firmware` must be a text of at most 128 characters.")
    return StatusReport(
        state=state,
        battery=_number(document, "battery", 0, 100),
        rssi=_number(document, "rssi", -1e6, 1e6),
        firmware=firmware,
        uptime=_number(document, "uptime", 0, 1e12),
        time_us=native.time_of(document)[0],
    )


def _number(document: dict[str, Any], name: str, low: float, high: float) -> float | None:
    given = document.get(name)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not low <= given <= high:
        raise native.Refused(RejectReason.WRONG_TYPE, f"`{name}` must be a number from {low:g} to {high:g}.")
    return float(given)
