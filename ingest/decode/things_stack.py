"""`v3/+/devices/+/up`: uplinks of The Things Stack v3, a LoRaWAN network server. Its storage returns the same
JSON.

Empty and zero fields are omitted. The time is the network server's: every uplink has it, and a gateway with a
wrong clock cannot change it.
"""

from __future__ import annotations

from typing import Any

from ingest.decode import native
from ingest.decode.chirpstack import boot_of, count_of, decoded_payload, radio_of, time_of
from ingest.decode.gateways import wrong_clocks
from ingest.decode.result import Decoded, StatusReport, Unreadable
from insitu.model import IgnoreReason
from insitu.wire import THINGS_STACK

_LONGEST_NOTE = 200


def decode(payload: bytes, _received_us: int) -> Decoded | Unreadable:
    """One `ApplicationUp` with an `uplink_message`."""
    try:
        document = native.read_json(payload)
        ids = document.get("end_device_ids") if isinstance(document, dict) else None
        uplink = document.get("uplink_message") if isinstance(document, dict) else None
        if (
            not isinstance(ids, dict)
            or not isinstance(ids.get("device_id"), str)
            or not isinstance(uplink, dict)
        ):
            raise native.shape_refused(
                "Expected an uplink of The Things Stack v3, with `end_device_ids.device_id` and "
                "`uplink_message`."
            )
        return _uplink(document, ids, uplink)
    except native.Refused as refused:
        return refused.unreadable


def _uplink(document: dict[str, Any], ids: dict[str, Any], uplink: dict[str, Any]) -> Decoded:
    time_us = time_of(uplink.get("received_at") or document.get("received_at"), "uplink_message.received_at")
    session = boot_of(uplink.get("session_key_id") or ids.get("dev_addr"))
    counted = (session, count_of(uplink.get("f_cnt", 0), "uplink_message.f_cnt"))
    radio = radio_of(uplink.get("rx_metadata"), time_us)
    found = uplink.get("decoded_payload")
    where = "uplink_message.decoded_payload"
    if document.get("simulated") is True:
        decoded = decoded_payload(found or {}, where, time_us)
        return decoded._replace(ignored=IgnoreReason.SIMULATED, network_time=True, named=ids["device_id"])
    if found is None:
        if uplink.get("frm_payload"):
            raise native.shape_refused(
                "The uplink has `frm_payload` but no `decoded_payload`: give the device a payload formatter "
                "in The Things Stack."
            )
        return Decoded([], (counted,), status=radio, ignored=IgnoreReason.STATUS, named=ids["device_id"])
    return decoded_payload(found, where, time_us)._replace(
        sequences=(counted,),
        status=_with_warnings(radio, uplink.get("decoded_payload_warnings"), time_us),
        network_time=True,
        named=ids["device_id"],
        remarks=wrong_clocks(uplink.get("rx_metadata"), time_us),
    )


def _with_warnings(status: StatusReport | None, warnings: Any, time_us: int) -> StatusReport | None:
    """A formatter's warnings, which say that it doubts the payload, as a note of the status log."""
    texts = [text for text in warnings if isinstance(text, str)] if isinstance(warnings, list) else []
    if not texts:
        return status
    note = f"its payload formatter warns: {'; '.join(texts)}"[:_LONGEST_NOTE]
    return (status or StatusReport(time_us=time_us))._replace(note=note)


DECODERS = {f"{THINGS_STACK}/up": decode}
