"""Alerts over MQTT through a real broker: who may listen, and what nobody may."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cli.brokers import rights_of
from ingest.mqtt import BrokerAddress
from insitu.embedded.broker import Broker
from jobs.channels.channel import Outlets
from jobs.deliveries import deliver_due
from store.access import active_credentials, viewer_of
from tests.fix_broker import broker
from tests.jobs.field import Field
from trials.workflow.alert_acts import MadeChannel, add_channel, remove_channel, send_test

__all__ = ["broker"]


class Listener:
    def __init__(self, server: Broker, made: MadeChannel, topic: str) -> None:
        self.heard: list[dict[str, Any]] = []
        self.granted: list[bool] = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, f"listener-{time.monotonic_ns()}")
        self.client.username_pw_set(made.user, made.secret)
        self.client.on_message = lambda _c, _d, message: self.heard.append(json.loads(message.payload))
        self.client.on_subscribe = lambda _c, _d, _m, codes, _p: self.granted.extend(
            not code.is_failure for code in codes
        )
        self.client.on_connect = lambda *_: self.client.subscribe(topic, qos=1)
        self.client.connect(server.host, server.port)
        self.client.loop_start()
        limit = time.monotonic() + 10
        while not self.granted and time.monotonic() < limit:
            time.sleep(0.02)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def listen(field: Field, login: str) -> MadeChannel:
    viewer = viewer_of(field.conn, login)
    made = add_channel(field.conn, viewer, "mqtt", "", now=field.now, simulated=False)
    field.conn.commit()
    return made


def apply(field: Field, server: Broker) -> None:
    users = [rights_of(one, one.nats_hash) for one in active_credentials(field.conn, field.now)]
    field.conn.rollback()
    server.apply(users)


def outlets(server: Broker) -> Outlets:
    address = BrokerAddress(server.host, server.port, server.service_username, server.service_password)
    return Outlets(pages="https://insitu.example", broker=address)


def test_a_person_hears_the_own_alerts_and_nobody_elses(field: Field, broker: Broker) -> None:
    own, other = listen(field, "operator"), listen(field, "north")
    assert own.address.startswith("insitu/alerts/metro/")
    apply(field, broker)
    listener = Listener(broker, own, own.address)
    spies = [
        Listener(broker, other, topic) for topic in (own.address, "insitu/alerts/#", "#", "insitu/v1/+/+/obs")
    ]
    assert listener.granted == [True]
    assert [spy.granted for spy in spies] == [[False]] * 4
    send_test(field.conn, viewer_of(field.conn, "operator"), own.number, now=field.now, simulated=False)
    field.conn.commit()
    assert deliver_due(field.conn, lambda: field.now, outlets(broker), threading.Event()) == 1
    limit = time.monotonic() + 10
    while not listener.heard and time.monotonic() < limit:
        time.sleep(0.02)
    (heard,) = listener.heard
    assert (heard["event"], heard["recipient"]) == ("test", "operator")
    assert [spy.heard for spy in spies] == [[]] * 4
    ((outcome,),) = field.conn.execute("SELECT outcome FROM notice").fetchall()
    assert outcome == "delivered"
    for one in (listener, *spies):
        one.close()


@pytest.mark.parametrize("topic", ["insitu/v1/n/d0/obs", "insitu/alerts/metro/x"])
def test_a_listener_publishes_nothing(field: Field, broker: Broker, topic: str) -> None:
    made = listen(field, "operator")
    assert made.user
    apply(field, broker)
    entry = next(one for one in active_credentials(field.conn, field.now) if one.username == made.user)
    assert rights_of(entry, entry.nats_hash).publish == ()
    listener = Listener(broker, made, made.address)
    service = Listener(broker, made, topic)
    service.client.publish(topic, b"{}", qos=1)
    time.sleep(0.3)
    assert service.heard == listener.heard == []
    listener.close()
    service.close()


def test_a_listener_ends_with_the_channel_and_with_the_person(field: Field) -> None:
    first, second = listen(field, "operator"), listen(field, "north")
    names = {one.username for one in active_credentials(field.conn, field.now)}
    assert names == {first.user, second.user}
    ((before,),) = field.conn.execute("SELECT wanted FROM broker_state").fetchall()
    remove_channel(field.conn, viewer_of(field.conn, "operator"), first.number, now=field.now)
    field.conn.execute("UPDATE person SET disabled_at = now() WHERE login = 'north'")
    assert active_credentials(field.conn, field.now) == []
    ((after,),) = field.conn.execute("SELECT wanted FROM broker_state").fetchall()
    assert after == before + 2, "the broker reads its users again"


def test_a_broker_that_is_away_is_tried_again(field: Field) -> None:
    made = listen(field, "operator")
    send_test(field.conn, viewer_of(field.conn, "operator"), made.number, now=field.now, simulated=False)
    field.conn.commit()
    nowhere = Outlets(pages="", broker=BrokerAddress("127.0.0.1", 1, "x", "y"))
    deliver_due(field.conn, lambda: field.now, nowhere, threading.Event())
    ((outcome, answer),) = field.conn.execute("SELECT outcome, answer FROM notice").fetchall()
    assert outcome is None
    assert "broker" in answer
