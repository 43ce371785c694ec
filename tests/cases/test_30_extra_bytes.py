"""Zero bytes and byte-order marks are removed and remarked on; empty messages are ignored, not refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from store.database import Connection
from tests.cases.worlds import NOW, refused, send, stored
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_networks import UP_TOPIC, chirpstack, register_networks

SECONDS = int(NOW.timestamp())
BOM = b"\xef\xbb\xbf"
MESSAGES = [
    ("obs", b'{"results":{"pm25":1}}'),
    ("telemetry", b'{"pm25":1}'),
    ("senml", b'[{"n":"pm25","v":1}]'),
    ("influx", f"air pm25=1 {SECONDS}000000000".encode()),
    ("influx", f"air pm25=1 {SECONDS}000000000\nair pm25=1 {SECONDS + 1}000000000\n".encode()),
    ("status", b'{"battery": 1}'),
    ("status", b"online"),
]


@pytest.mark.parametrize(("suffix", "payload"), MESSAGES, ids=range(len(MESSAGES)))
@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (b"", b"\0", "zero_byte"),
        (b"", b"\r\n\0\0\0", "zero_byte"),
        (BOM, b"", "byte_order_mark"),
        (BOM, b"\0", "zero_byte"),
    ],
)
def test_bytes_that_c_programs_add_are_removed_and_remarked_on(
    conn: Connection,
    catalogue: SmallTrial,
    suffix: str,
    payload: bytes,
    before: bytes,
    after: bytes,
    code: str,
) -> None:
    booked = send(conn, before + payload + after, suffix)
    assert refused(booked) == {}
    assert suffix == "status" or stored(conn)["pm25"][0] == 1
    assert conn.execute("SELECT code, messages FROM device_remark").fetchall() == [(code, 1)]


def test_a_zero_byte_inside_is_explained_to_a_c_programmer(conn: Connection, catalogue: SmallTrial) -> None:
    send(conn, b'{"results":{"pm25":1}}\0garbage', "obs")
    ((detail,),) = conn.execute("SELECT detail FROM reject").fetchall()
    assert "strlen()" in detail


@pytest.mark.parametrize(
    ("suffix", "payload"),
    [
        *(
            (suffix, payload)
            for suffix in ("obs", "telemetry", "senml", "influx", "status")
            for payload in (b"", b" \n", b"\0")
        ),
        *((suffix, payload) for suffix in ("obs", "telemetry", "senml") for payload in (b"{}", b"[]")),
        ("obs", b'{"results":{}}'),
        ("obs", b'{"observations":[]}'),
        ("obs", b"[{}]"),
        ("telemetry", b'{"ts":1772366400000,"values":{}}'),
        ("telemetry", b'{"a":{},"b":[]}'),
        ("influx", b"# nothing\n"),
    ],
)
def test_a_message_without_content_is_ignored(
    conn: Connection, catalogue: SmallTrial, suffix: str, payload: bytes
) -> None:
    booked = send(conn, payload, suffix)
    assert refused(booked) == {}
    assert conn.execute("SELECT count(*) FROM reject").fetchone() == (0,)
    assert conn.execute(
        "SELECT sum(received)::int, sum(accepted)::int, sum(ignored)::int FROM ledger"
    ).fetchall() == [(1, 1, 1)]


@pytest.mark.parametrize("found", [{}, [], {"a": {}}])
def test_an_uplink_whose_codec_returns_nothing_is_ignored(
    conn: Connection, catalogue: SmallTrial, found: Any
) -> None:
    register_networks(conn, catalogue)
    booked = send(conn, json.dumps({**json.loads(chirpstack()), "object": found}).encode(), topic=UP_TOPIC)
    assert refused(booked) == {}
    assert conn.execute("SELECT sum(ignored)::int FROM ledger").fetchone() == (1,)
