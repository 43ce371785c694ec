"""Bytes → readings: one file per format, registered by one line in `DECODERS`.

A decoder is pure and never raises on bytes: it returns a `Decoded` or an `Unreadable`.
"""

from __future__ import annotations

from collections.abc import Callable

from ingest.decode import influx, native, senml, status, telemetry
from ingest.decode.result import Decoded, StatusReport, Unreadable
from insitu import wire

Decoder = Callable[[bytes, int], Decoded | StatusReport | Unreadable]
"""(payload, received µs) → what it says."""

DECODERS: dict[str, Decoder] = {
    wire.OBS: native.decode,
    wire.STATUS: status.decode,
    wire.SENML: senml.decode,
    wire.INFLUX: influx.decode,
    wire.TELEMETRY: telemetry.decode,
}
"""Suffix of the topic → decoder."""

__all__ = ["DECODERS", "Decoded", "Decoder", "StatusReport", "Unreadable"]
