"""Devices whose program decides where they publish: Tasmota, Zigbee2MQTT, Shelly, ESPHome."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cli.topics import TAKEN, TopicEntry
from ingest.decode import Decoded, Unreadable
from ingest.decode.plain import decode_value
from ingest.moves import mark_topic
from ingest.reading import prepare
from insitu.errors import AlreadyExists
from insitu.model import Message
from insitu.wire import fixed_filters, inbound_filters, is_service_topic, matches
from store.catalogue.devices import find_device
from store.catalogue.snapshot import load_snapshot
from store.catalogue.topics import add_topic, list_topics, withdraw_topic
from store.database import Connection
from store.ledger import recount
from tests.fix_catalogue import SmallTrial
from tests.fix_mosquitto import Mosquitto
from tests.ingest.test_denials import Sender
from tests.stack import NOW, Stack, wait_until

TOPICS: Final = (
    ("tele/tasmota_A1B2/SENSOR", "telemetry", None, b'{"pm25": 9}'),
    ("esp1/BME280/Temperature", None, "pm25", b"21.4"),
    ("esp1/sensor/pm25/state", None, "pm25", b"21.5"),
    ("shellyplus1-a8032ab12345/status/temperature:0", "telemetry", None, b'{"pm25": 20}'),
    ("zigbee2mqtt/kitchen", "telemetry", None, b'{"pm25": 11}'),
    ("zigbee2mqtt/küche/Öl°\U0001f321", "telemetry", None, b'{"pm25": 13}'),
    ("dev.1", "obs", None, b'{"results": {"pm25": 12}}'),
    ("tele/tasmota_A1B2/LWT", "status", None, b"Online"),
    ("tele/tasmota_A1B2/INFO1", None, None, b'{"Module": "x"}'),
)
"""(topic, suffix, field, payload)"""

levels = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="+#/$*>"), min_size=1
)
topics = (
    st.lists(levels, min_size=1, max_size=8)
    .map("/".join)
    .filter(
        lambda text: (
            text.split("/")[0] not in TAKEN and "insitu-mark" not in text and len(text.encode()) <= 500
        )
    )
)


def claim(conn: Connection) -> None:
    number = find_device(conn, "t", "a").device_id
    for topic, suffix, field, _ in TOPICS:
        add_topic(conn, topic=topic, device_id=number, suffix=suffix, field=field, now=NOW)
    conn.commit()


def all_heard(conn: Connection) -> bool:
    heard = all(one.heard for one in list_topics(conn))
    conn.rollback()
    return heard


def require_rows(conn: Connection) -> None:
    found = conn.execute("SELECT result FROM observation ORDER BY result").fetchall()
    assert [result for (result,) in found] == [9, 11, 12, 13, 20, 21.4, 21.5]
    found = conn.execute("SELECT state FROM device_status").fetchall()
    assert found == [("online",)]
    assert recount(conn) == []
    conn.rollback()


def test_a_device_publishes_on_its_own_topics_and_no_other_device_does(stack: Stack) -> None:
    claim(stack.conn)
    wait_until(lambda: all_heard(stack.conn), "subscriptions to the fixed topics")
    stack.reload()
    sender = Sender(stack.broker.host, stack.broker.port, *stack.tokens["t/a"], client_id="esp1")
    for topic, _, _, payload in TOPICS:
        assert sender.send(topic, payload)
    sender.close()
    stack.wait_for(len(TOPICS))
    require_rows(stack.conn)
    other = Sender(stack.broker.host, stack.broker.port, *stack.tokens["t/b"], client_id="esp2")
    other.send(TOPICS[0][0], TOPICS[0][3])
    other.close()
    wait_until(
        lambda: stack.rows("SELECT username, last_topic FROM broker_event") == [("t.b", TOPICS[0][0])],
        "the denial of the other device",
    )
    assert stack.received() == len(TOPICS)


def test_fixed_topics_work_behind_mosquitto(mosquitto: Mosquitto) -> None:
    claim(mosquitto.conn)
    wait_until(lambda: all_heard(mosquitto.conn), "subscriptions to the fixed topics")
    mosquitto.reload()
    sender = Sender("127.0.0.1", mosquitto.devices_port, *mosquitto.tokens["t/a"], client_id="esp1")
    for topic, _, _, payload in TOPICS:
        assert sender.send(topic, payload)
    sender.close()
    wait_until(lambda: mosquitto.received() == len(TOPICS), "every message in the ledger")
    require_rows(mosquitto.conn)


@pytest.mark.long
def test_a_withdrawn_topic_is_no_longer_heard(stack: Stack) -> None:
    claim(stack.conn)
    wait_until(lambda: all_heard(stack.conn), "subscriptions to the fixed topics")
    for topic, *_ in TOPICS:
        assert withdraw_topic(stack.conn, topic)
    stack.conn.commit()
    wanted = set(inbound_filters())
    wait_until(
        lambda: {name for (names,) in stack.rows("SELECT filters FROM shard") for name in names} == wanted,
        "the end of its subscriptions",
    )
    assert stack.reasons() == []


def test_a_topic_has_one_device(conn: Connection, catalogue: SmallTrial) -> None:
    claim(conn)
    number = find_device(conn, "t", "b").device_id
    with pytest.raises(AlreadyExists):
        add_topic(conn, topic=TOPICS[0][0], device_id=number, suffix="obs", field=None, now=NOW)


@pytest.mark.parametrize("word", ["nan", "NaN", "inf", "-Infinity"])
def test_a_plain_value_that_is_no_finite_number_is_refused(
    conn: Connection, catalogue: SmallTrial, word: str
) -> None:
    claim(conn)
    message = Message("esp1/BME280/Temperature", word.encode(), int(NOW.timestamp() * 1e6), mid=1)
    (item,) = prepare([message], load_snapshot(conn))
    assert list(item.refused) == ["not_finite"]
    assert (item.trial, item.device) == ("t", "a")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_value_or_a_refusal(payload: bytes) -> None:
    assert isinstance(decode_value("x")(payload, 0), Decoded | Unreadable)


@given(st.floats(allow_nan=False))
def test_a_number_is_read_as_it_is_written(number: float) -> None:
    found = decode_value("x")(f" {number!r}\r\n".encode(), 0)
    assert isinstance(found, Decoded)
    assert found.readings[0].result == number


@given(st.lists(topics, min_size=1, max_size=20, unique=True))
def test_every_fixed_topic_is_heard_once(claimed: list[str]) -> None:
    filters = [*fixed_filters(claimed), *inbound_filters()]
    for topic in claimed:
        TopicEntry.model_validate({"trial": "t", "device": "a", "topic": topic, "as": "obs"})
        assert sum(matches(one, topic) for one in filters) == 1
    for one in fixed_filters(claimed):
        mark = mark_topic(one)
        assert [other for other in filters if matches(other, mark)] == [one]
        assert is_service_topic(mark)


@pytest.mark.parametrize(
    "topic",
    [
        "insitu/v1/t/b/obs",
        "insitu",
        "$SYS/x",
        "a/+",
        "#",
        "a//b",
        "/a",
        "a/",
        "spBv1.0/g/NDATA/e",
        "a/>",
        "*/a",
        "a\nb",
        "",
    ],
)
def test_nobody_can_claim_what_is_not_one_topic_or_belongs_to_others(topic: str) -> None:
    with pytest.raises(ValidationError):
        TopicEntry.model_validate({"trial": "t", "device": "a", "topic": topic, "as": "obs"})


def test_what_has_no_meaning_or_two_is_refused() -> None:
    for meaning in ({}, {"as": "obs", "value": "x"}, {"as": "receipt"}):
        with pytest.raises(ValidationError):
            TopicEntry.model_validate({"trial": "t", "device": "a", "topic": "tele/x", **meaning})
    assert (
        TopicEntry.model_validate({"trial": "t", "device": "a", "topic": "x", "as": "ignore"}).suffix is None
    )
