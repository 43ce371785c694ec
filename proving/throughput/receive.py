"""The yardstick: paho with a persistent session and manual acknowledgement, receiving only."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any, Final

import paho.mqtt.client as paho

from ingest.mqtt import BrokerAddress, new_client
from insitu.errors import RetryLater
from insitu.wire import OBS, PREFIX

SESSION: Final = "insitu-yardstick"


def make_session(address: BrokerAddress) -> None:
    """Subscribe and leave: from now on the broker keeps messages for this session."""
    client = new_client(address, SESSION, clean=False)
    granted = threading.Event()
    client.on_connect = lambda c, *_: c.subscribe(f"{PREFIX}/+/+/{OBS}", 1)
    client.on_subscribe = lambda *_: granted.set()
    client.connect(address.host, address.port)
    client.loop_start()
    if not granted.wait(10):
        raise RetryLater("The broker did not grant the yardstick's subscription.")
    client.disconnect()
    client.loop_stop()


def receive(address: BrokerAddress, messages: int) -> float:
    """Seconds from the first to the last of `messages`, each acknowledged as it comes."""
    client = new_client(address, SESSION, clean=False)
    done = threading.Event()
    seen, began, ended = 0, 0.0, 0.0

    def on_message(c: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        nonlocal seen, began, ended
        if not seen:
            began = time.perf_counter()
        seen += 1
        c.ack(message.mid, message.qos)
        if seen == messages:
            ended = time.perf_counter()
            done.set()

    client.on_message = on_message
    client.connect(address.host, address.port)
    client.loop_start()
    if not done.wait(280):
        raise RetryLater(f"Only {seen} of {messages} messages came.")
    time.sleep(0.2)  # the last acknowledgements leave
    client.disconnect()
    client.loop_stop()
    return ended - began


def main() -> None:
    job = json.load(sys.stdin)
    address = BrokerAddress(job["host"], job["port"], job["username"], job["password"])
    print(receive(address, job["messages"]))  # noqa: T201 - the answer to the parent


if __name__ == "__main__":
    main()
