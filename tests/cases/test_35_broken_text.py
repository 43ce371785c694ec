"""Texts that are no text, and words of JSON that are none: each is refused in words a device's programmer
understands.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import DECODERS, Decoded, StatusReport, Unreadable
from ingest.decode.status import decode as decode_status
from ingest.explain import explain
from insitu.embedded.users import nats_user
from insitu.model import Message
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from tests.cases.worlds import NOW_US, refused, send, stored
from tests.fix_catalogue import SmallTrial

HALF = "\\ud83d"
"""The first half of an emoji that was cut."""


@pytest.mark.parametrize("suffix", ["telemetry", "obs"])
def test_half_a_character_costs_its_own_field_only(
    conn: Connection, catalogue: SmallTrial, suffix: str
) -> None:
    results = '{"pm25": 1, "' + HALF + '": 2}'
    payload = (results if suffix == "telemetry" else '{"results": ' + results + "}").encode()
    assert refused(send(conn, payload, suffix)) == {"unknown_property": 1}
    assert stored(conn) == {"pm25": [1]}
    fates = explain(Message(f"insitu/v1/t/a/{suffix}", payload, NOW_US), load_snapshot(conn))
    assert json.dumps([fate.field for fate in fates], ensure_ascii=False).encode() == (
        b'["pm25", "' + HALF.replace("\\", "\\\\").encode() + b'"]'
    )


@given(
    st.recursive(st.text() | st.integers(), lambda part: st.lists(part) | st.dictionaries(st.text(), part))
)
def test_any_text_that_is_sent_can_be_written_back(document: object) -> None:
    payload = json.dumps({"x": document, "\ud800": "\udfff"}).encode()
    decoded = DECODERS["telemetry"](payload, NOW_US)
    if isinstance(decoded, Decoded):
        for reading in decoded.readings:
            reading.property.encode()
            str(reading.result).encode()


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b'{"t": nan}', "leave the result out"),
        (b'{"t": -inf}', "leave the result out"),
        (b'{"t": 1}{"t": 2}', "one message at a time"),
        (b'{"t": 1}\n{"t": 2}', "one message at a time"),
        (b"{'t': 1}", "double quotation marks"),
        (b'{"t": 1', "ends too early"),
        (b'{"t": 01}', "at character 8"),
    ],
)
def test_json_that_is_none_is_explained(payload: bytes, says: str) -> None:
    decoded = DECODERS["telemetry"](payload, NOW_US)
    assert isinstance(decoded, Unreadable)
    assert says in decoded.detail
    assert "Extra data" not in decoded.detail


@pytest.mark.parametrize("word", [b"up", b"2", b"yes", b"\xff"])
def test_another_word_of_status_is_answered_with_the_words_that_are_read(word: bytes) -> None:
    decoded = decode_status(word, NOW_US)
    assert isinstance(decoded, Unreadable)
    assert "`online`" in decoded.detail


def test_a_state_is_read_whatever_its_case() -> None:
    assert decode_status(b'{"state": "Online"}', NOW_US) == StatusReport(state="online")


@given(st.text(st.characters(exclude_categories=("C",)), min_size=1))
def test_no_name_at_the_broker_has_an_escape_that_nats_refuses(topic: str) -> None:
    assert "\\u" not in nats_user("t.a", "hash", [topic.replace("\\", "")], [], ["MQTT"])
