"""Messages of the probe: they go the way of every other, and the transaction of their batch books that they
came.
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
    """True where the probe publishes, below whatever trial. Only its own user has the right to."""
    if _MARK not in topic:  # every message is asked
        return False
    parts = parse_topic(topic)
    return parts is not None and parts.device == PROBE and parts.suffix == OBS


def probes_in(messages: Sequence[Message]) -> dict[str, int]:
    """Prober → its highest `seq` among the messages, read as a device's would be."""
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
