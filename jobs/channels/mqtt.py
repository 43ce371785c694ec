"""MQTT: one JSON document on the topic of the channel."""

from __future__ import annotations

import json

from ingest.alerting import publish_alert
from insitu.errors import RetryLater
from jobs.channels.channel import Letter, NotDelivered, Outlets


def send(letter: Letter, outlets: Outlets) -> str:
    """Deliver at QoS 1. Raises NotDelivered."""
    if outlets.broker is None:
        raise NotDelivered("This installation names no broker to its jobs (INSITU_MQTT_URL).")
    body = json.dumps(letter.document(outlets.pages), ensure_ascii=False, sort_keys=True).encode()
    try:
        publish_alert(outlets.broker, letter.address, body)
    except RetryLater as error:
        raise NotDelivered(str(error)) from error
    return "acknowledged by the broker"
