"""Publishes alerts to people on the broker: a connection for one message, as the service."""

from __future__ import annotations

import secrets
import threading
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from ingest.mqtt import BrokerAddress, new_client
from insitu.errors import RetryLater

WITHIN_S: Final = 8.0
"""For connecting, and again for the acknowledgement."""


def publish_alert(address: BrokerAddress, topic: str, payload: bytes, *, within_s: float = WITHIN_S) -> None:
    """Publish at QoS 1 and wait until the broker has it. Raises RetryLater if it has not within the time."""
    client = new_client(address, f"insitu-alerts-{secrets.token_hex(8)}", clean=True)
    answered = threading.Event()
    refused: list[str] = []

    def on_connect(_client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any) -> None:
        if code.is_failure:
            refused.append(str(code))
        answered.set()

    client.on_connect = on_connect
    try:
        client.connect(address.host, address.port, keepalive=20)
        client.loop_start()
        if not answered.wait(within_s) or refused:
            raise RetryLater(f"The broker lets the service not in: {', '.join(refused) or 'no answer'}.")
        sent = client.publish(topic, payload, qos=1)
        sent.wait_for_publish(within_s)
        if not sent.is_published():
            raise RetryLater("The broker did not acknowledge the alert.")
    except (OSError, ValueError, RuntimeError) as error:
        raise RetryLater(f"The broker does not answer: {error}.") from error
    finally:
        client.disconnect()
        client.loop_stop()
