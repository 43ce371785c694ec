"""Bytes → readings: one file for each format, registered by one line in `DECODERS`.

A decoder is pure and never raises, whatever the bytes: it returns a `Decoded` or an `Unreadable`.
"""

from __future__ import annotations

from ingest.decode import chirpstack, influx, native, senml, sparkplug, status, telemetry, things_stack
from ingest.decode.result import Decoded, Decoder, StatusReport, Unreadable
from insitu import wire

DECODERS: dict[str, Decoder] = {
    wire.OBS: native.decode,
    wire.STATUS: status.decode,
    wire.SENML: senml.decode,
    wire.INFLUX: influx.decode,
    wire.TELEMETRY: telemetry.decode,
    **chirpstack.DECODERS,
    **things_stack.DECODERS,
    **sparkplug.DECODERS,
}
"""Suffix of the topic → decoder; the suffix for a network server begins with the server's kind."""

__all__ = ["DECODERS", "Decoded", "Decoder", "StatusReport", "Unreadable"]
