"""`application/+/device/+/event/+`: the JSON events of ChirpStack v4, a LoRaWAN network server.

Field names as in `integration.proto` of chirpstack_api 4. Protobuf's JSON omits empty and zero fields. The
time is the network's, because we cannot see the clock of such a device; that of a gateway is checked
(`ingest.decode.gateways`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from ingest.decode import native, times
from ingest.decode.flatten import Record, add_readings, items, leaves
from ingest.decode.gateways import heard
from ingest.decode.result import Decoded, Decoder, StatusReport, Unreadable
from insitu.model import IgnoreReason, Reading
from insitu.wire import CHIRPSTACK

Document = dict[str, Any]


def _up(event: Document, received_us: int) -> Decoded:
    """An uplink: its decoded payload, its signal, and the identity of its frame."""
    time_us, remarks = heard(_given_time(event), event.get("rxInfo"), received_us)
    counted = (boot_of(event.get("devAddr")), count_of(event.get("fCnt", 0), "fCnt"))
    radio = radio_of(event.get("rxInfo"), time_us)
    found = event.get("object")
    if found is None:
        if event.get("data"):
            raise native.shape_refused(
                "The frame has `data` but no `object`: give its device profile a codec in ChirpStack."
            )
        # A frame of the network itself, such as an answer to a request: it is counted and has no results.
        return Decoded([], (counted,), status=radio, ignored=IgnoreReason.STATUS, remarks=remarks)
    decoded = decoded_payload(found, "object", time_us)
    # Without `data`, its decoded payload shows whether another frame has the same number.
    content = str(event.get("data") or json.dumps(found, sort_keys=True))
    parts = (event["deviceInfo"]["devEui"].lower(), *map(str, counted), content)
    return decoded._replace(
        sequences=(counted,),
        status=radio,
        frame=hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest(),
        network_time=True,
        remarks=remarks,
    )


def _given_time(event: Document) -> int | None:
    """The event's own time; None if it has none."""
    return None if event.get("time") is None else time_of(event["time"], "time")


def _status(event: Document) -> Decoded:
    battery = None
    if not event.get("batteryLevelUnavailable") and not event.get("externalPowerSource"):
        battery = _number(event.get("batteryLevel", 0), "batteryLevel")
    note = "on external power" if event.get("externalPowerSource") else None
    return _said(
        event, StatusReport(battery=battery, margin=_number(event.get("margin", 0), "margin"), note=note)
    )


def _join(event: Document) -> Decoded:
    return _said(event, StatusReport(note=f"joined the network as {str(event.get('devAddr', '?'))[:16]}"))


def _log(event: Document) -> Decoded:
    words = [
        str(event.get(name, default))[:200]
        for name, default in (("level", "INFO"), ("code", "UNKNOWN"), ("description", ""))
    ]
    return _said(event, StatusReport(note=" ".join(word for word in words if word)))


def _ack(event: Document) -> Decoded:
    return _said(
        event,
        StatusReport(
            note="confirmed a downlink" if event.get("acknowledged") else "did not confirm a downlink"
        ),
    )


def _txack(event: Document) -> Decoded:
    return _said(event, StatusReport(note="a gateway has sent a downlink"))


def _location(event: Document) -> Decoded:
    place = event.get("location")
    place = place if isinstance(place, dict) else {}
    return _said(
        event,
        StatusReport(
            note=f"the network locates it at {place.get('latitude', 0)}, {place.get('longitude', 0)}"[:200]
        ),
    )


def _integration(event: Document) -> Decoded:
    return _said(
        event,
        StatusReport(
            note=f"{event.get('integrationName', '')} {event.get('eventType', '')}".strip()[:200] or None
        ),
    )


_EVENTS: dict[str, Callable[[Document], Decoded]] = {
    "status": _status,
    "join": _join,
    "log": _log,
    "ack": _ack,
    "txack": _txack,
    "location": _location,
    "integration": _integration,
}


def _decoder(read: Callable[[Document, int], Decoded]) -> Decoder:
    def decode(payload: bytes, received_us: int) -> Decoded | Unreadable:
        try:
            event = native.read_json(payload)
            info = event.get("deviceInfo") if isinstance(event, dict) else None
            if not isinstance(info, dict) or not isinstance(info.get("devEui"), str):
                older = isinstance(event, dict) and "devEUI" in event
                raise native.shape_refused(
                    "Expected an event of ChirpStack v4 in JSON, with `deviceInfo.devEui`"
                    + ("; this is version 3, which is not read: upgrade ChirpStack." if older else ".")
                )
            return read(event, received_us)._replace(named=info["devEui"].lower())
        except native.Refused as refused:
            return refused.unreadable

    return decode


def _untimed(read: Callable[[Document], Decoded]) -> Callable[[Document, int], Decoded]:
    return lambda event, _received_us: read(event)


DECODERS: dict[str, Decoder] = {
    f"{CHIRPSTACK}/up": _decoder(_up),
    **{f"{CHIRPSTACK}/{name}": _decoder(_untimed(read)) for name, read in _EVENTS.items()},
}


def _said(event: Document, report: StatusReport) -> Decoded:
    return Decoded(
        [], status=report._replace(time_us=time_of(event.get("time"), "time")), ignored=IgnoreReason.STATUS
    )


# -- shared by both LoRaWAN network servers


def radio_of(gateways: Any, time_us: int | None) -> StatusReport | None:
    """Signal (dBm) and signal-to-noise ratio (dB) at the gateway with the best reception; None if no gateway
    reports it.
    """
    heard = (
        [g for g in gateways if isinstance(g, dict) and _is_number(g.get("rssi"))]
        if isinstance(gateways, list)
        else []
    )
    if not heard:
        return None
    best = max(heard, key=lambda gateway: float(gateway["rssi"]))
    snr = best.get("snr", 0)
    return StatusReport(
        rssi=float(best["rssi"]), snr=float(snr) if _is_number(snr) else None, time_us=time_us
    )


def decoded_payload(found: Any, where: str, time_us: int | None) -> Decoded:
    """Every result of a decoded payload, at one time; one without any is counted as empty."""
    if isinstance(found, native.Twice):
        raise native.shape_refused(found.detail)
    if not isinstance(found, dict | list):
        raise native.shape_refused(f"`{where}` must be an object.")
    readings: list[Reading] = []
    records: dict[int, Record] = {}
    for part in items(found) if isinstance(found, list) else (leaves(found),):
        add_readings(part, readings, records, (time_us, False))
    native.require_bound(readings)
    return Decoded(readings, records=records, ignored=None if readings else IgnoreReason.EMPTY)


def time_of(given: Any, name: str) -> int:
    """µs of an RFC 3339 time; digits beyond microseconds are cut."""
    time_us = times.of_text(given) if isinstance(given, str) else None
    if time_us is None:
        raise native.shape_refused(f"`{name}` must be an RFC 3339 time with an offset.")
    return time_us


def boot_of(given: Any) -> str:
    """Name of the session in which frames are counted, usable as a `boot`."""
    return given if isinstance(given, str) and 0 < len(given) <= 64 and given.isprintable() else "unknown"


def count_of(given: Any, name: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 2**32:
        raise native.shape_refused(f"`{name}` must be a whole number from 0 to 2^32 − 1.")
    return given


def _number(given: Any, name: str) -> float:
    if not _is_number(given):
        raise native.shape_refused(f"`{name}` must be a number.")
    return float(given)


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and abs(given) < 1e6
