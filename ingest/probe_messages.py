"""Messages of the probe: they take the usual way, and the transaction of their batch records their
arrival.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ingest.decode import DECODERS
from ingest.decode.result import Decoded
from insitu.model import Message
from insitu.wire import OBS, PROBE, parse_topic

_log = logging.getLogger("insitu.ingest")
_MARK = f"/{PROBE}/"


def is_probe(topic: str) -> bool:
    """True for the probe's topics below any trial. Only the probe's own user may publish there."""
    if _MARK not in topic:  # asked for every message
        return False
    parts = parse_topic(topic)
    return parts is not None and parts.device == PROBE and parts.suffix == OBS


def probes_in(messages: Sequence[Message]) -> dict[str, int]:
    """Prober → its highest `seq` among the messages, decoded like a device's message."""
    newest: dict[str, int] = {}
    for message in messages:
        if _MARK in message.topic and is_probe(message.topic) and not message.retained:
            decoded = DECODERS[OBS](message.payload, message.received_us)
            if not isinstance(decoded, Decoded) or not decoded.sequences:
                _log.warning(
                    "dropped a message of the probe that has no boot and seq: %r", message.payload[:120]
                )
                continue
            for prober, seq in decoded.sequences:
                newest[prober] = max(seq, newest.get(prober, seq))
    return newest
