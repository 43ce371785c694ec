"""`…/status`: the words `online` and `offline` (also as last will), or JSON with battery, rssi, firmware,
uptime.
"""

from __future__ import annotations

from typing import Any

from ingest.decode import native
from ingest.decode.result import StatusReport, Unreadable
from insitu.model import RejectReason

_WORDS = {
    **dict.fromkeys(("online", "true", "1", "connected", "ready"), "online"),
    **dict.fromkeys(("offline", "false", "0", "disconnected", "connection lost", "lost"), "offline"),
}
"""Words for the state, also those of firmwares: Tasmota, Shelly, ESPEasy, Homie."""
_KEYS = frozenset({"state", "battery", "rssi", "firmware", "uptime", "time"})
_EXPECTED = "Expected `online`, `offline` or an object with battery, rssi, firmware, uptime."


def decode(payload: bytes, received_us: int) -> StatusReport | Unreadable:
    """Status of the device from one payload."""
    word = payload.strip().strip(b'"').lower()
    state = _WORDS.get(word.decode("ascii", "replace"))
    if state is not None:
        return StatusReport(state=state)
    try:
        if word[:1] not in (b"{", b"["):
            raise native.shape_refused(_EXPECTED)
        return _report(native.read_json(payload))
    except native.Refused as refused:
        return refused.unreadable


def _report(document: Any) -> StatusReport:
    if not isinstance(document, dict):
        raise native.shape_refused(_EXPECTED)
    if document and not _KEYS & document.keys():
        raise native.shape_refused(
            f"{_EXPECTED} For the status of a firmware, read its topic as telemetry, and map its fields with "
            "`health`."
        )
    state = document.get("state")
    if isinstance(state, bool | str):
        state = _WORDS.get(str(state).lower(), state)
    if state not in (None, "online", "offline"):
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
