"""`…/telemetry`: the JSON of ThingsBoard's device API, for devices made for it.

`{"key": value}` without a time, `{"ts": ms, "values": {…}}` with one, and lists of either. A key is the name
of a datastream.
"""

from __future__ import annotations

from typing import Any

from ingest.decode import native, times
from ingest.decode.result import Decoded, Unreadable
from insitu.model import Reading, RejectReason
from insitu.wire import MAX_RESULTS


def decode(payload: bytes, received_us: int) -> Decoded | Unreadable:
    """One object, or a list of them."""
    try:
        document = native.read_json(payload)
        parts = document if isinstance(document, list) else [document]
        if not parts:
            raise native.shape_refused("The list is empty.")
        readings: list[Reading] = []
        for number, part in enumerate(parts):
            readings.extend(_read(part, f" (item {number})" if isinstance(document, list) else ""))
            if len(readings) > MAX_RESULTS:
                raise native.Refused(
                    RejectReason.TOO_LARGE, f"More than {MAX_RESULTS} results: send several messages."
                )
        return Decoded(readings)
    except native.Refused as refused:
        return refused.unreadable


def _read(part: Any, where: str) -> list[Reading]:
    if not isinstance(part, dict) or not part:
        raise native.shape_refused(
            f'Expected an object such as {{"pm25": 12.3}}, or with `ts` and `values`{where}.'
        )
    if "ts" not in part or "values" not in part:  # ThingsBoard treats either one alone as an ordinary key
        return [Reading(name, result, None) for name, result in part.items()]
    values = part["values"]
    if not isinstance(values, dict) or not values:
        raise native.shape_refused(f"`values` must be an object with at least one entry{where}.")
    time_us, repaired = _time(part["ts"], where)
    return [Reading(name, result, time_us, repaired) for name, result in values.items()]


def _time(given: Any, where: str) -> tuple[int, bool]:
    found = None
    if isinstance(given, int | float) and not isinstance(given, bool):
        found = times.of_number(given, times.MILLISECONDS)
    if found is None:
        raise native.shape_refused(f"`ts` must be a Unix time in milliseconds{where}.")
    return found
