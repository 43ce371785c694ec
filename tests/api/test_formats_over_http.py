"""Every format also comes in over HTTP with the same meaning: a message is one row, by either way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.routes.ingest import SUFFIXES
from ingest.decode import DECODERS
from insitu.wire import CHIRPSTACK, INBOUND_SUFFIXES, SPARKPLUG, STATUS, THINGS_STACK
from store import ledger
from store.catalogue.devices import find_device
from tests.api.conftest import server
from tests.stack import NOW, Stack

SECONDS = int(NOW.timestamp()) - 120
BY_MQTT_ONLY = (CHIRPSTACK, THINGS_STACK, SPARKPLUG)
"""Network servers: each publishes for many devices, and none of them has a device's token."""


def post(
    address: str, stack: Stack, path: str, content: bytes, *, kind: str = "application/octet-stream"
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {stack.tokens['t/a'][1]}", "Content-Type": kind}
    return httpx.post(
        f"{address}/api/v1/trials/t/devices/a/{path}", content=content, headers=headers, timeout=30
    )


MESSAGES = [
    (
        "obs",
        "observations",
        json.dumps({"boot": "b", "seq": 1, "time": SECONDS, "results": {"pm25": 1.0}}).encode(),
    ),
    ("senml", "senml", json.dumps([{"bn": "urn:dev:x:", "bt": SECONDS + 1, "n": "pm25", "v": 2.0}]).encode()),
    ("senml", "senml", bytes.fromhex("81a3 0064 706d3235 0203 061a") + (SECONDS + 2).to_bytes(4, "big")),
    ("influx", "influx", f"air pm25=4 {SECONDS + 3}000000000\n".encode()),
    ("telemetry", "telemetry", json.dumps({"ts": (SECONDS + 4) * 1000, "values": {"pm25": 5.0}}).encode()),
]
"""Suffix, path, payload: the n-th has the result n, at a second of its own."""


def test_every_decoder_has_a_path_over_http_or_reads_what_a_network_server_publishes() -> None:
    of_devices = {suffix for suffix in DECODERS if suffix.partition("/")[0] not in BY_MQTT_ONLY}
    assert set(SUFFIXES.values()) == of_devices
    assert set(INBOUND_SUFFIXES) == of_devices


def test_every_format_of_observations_has_a_message_here() -> None:
    assert {(suffix, path) for suffix, path, _ in MESSAGES} == {
        (suffix, path) for path, suffix in SUFFIXES.items() if suffix != STATUS
    }


def test_an_answer_to_a_wrong_address_names_every_path(stack: Stack, data_dir: Path) -> None:
    with server(stack.database_url, data_dir) as address:
        detail = httpx.get(f"{address}/api/v1/nowhere").json()["detail"]
    assert [path for path in SUFFIXES if f"/{path}" not in detail] == []


def test_the_same_message_by_mqtt_and_by_http_is_one_row(stack: Stack, data_dir: Path) -> None:
    """In turn first by MQTT and then by HTTP, and the other way round."""
    device = stack.device("t/a")
    with server(stack.database_url, data_dir) as address:
        for n, (suffix, path, payload) in enumerate(MESSAGES):
            if n % 2:
                assert post(address, stack, path, payload).json()["stored"] == 1
                device.send(payload, suffix)
                stack.wait_for(2 * n + 2)
            else:
                device.send(payload, suffix)
                stack.wait_for(2 * n + 1)
                answer = post(address, stack, path, payload).json()
                assert (answer["stored"], answer["duplicate"], answer["refused"]) == (0, 1, {})
    count = len(MESSAGES)
    assert sorted(stack.rows("SELECT result FROM observation")) == [(n + 1.0,) for n in range(count)]
    assert stack.rows(
        "SELECT sum(received), sum(accepted), sum(repeated), sum(stored), sum(duplicate) FROM ledger"
    ) == [(2 * count, count, count, count, count)]
    assert ledger.recount(stack.conn) == []
    device.close()


def test_a_status_by_http_is_a_sign_of_life_and_no_observation(stack: Stack, data_dir: Path) -> None:
    with server(stack.database_url, data_dir) as address:
        answer = post(
            address, stack, "status", b'{"state": "online", "battery": 81.5}', kind="application/json"
        ).json()
    assert answer == {
        "contained": 1,
        "stored": 0,
        "duplicate": 0,
        "ignored": 1,
        "repeated": False,
        "refused": {},
    }
    number = find_device(stack.conn, "t", "a").device_id
    assert stack.rows("SELECT state, battery FROM device_contact WHERE device_id = %s", number) == [
        ("online", 81.5)
    ]


@pytest.mark.parametrize(
    ("path", "payload", "reason"),
    [
        ("senml", b"air pm25=1", "unparsable"),
        ("influx", b'{"pm25": 1}', "unparsable"),
        ("senml", b'[{"n": "pm25", "u": "furlong", "v": 1}]', "unit_mismatch"),
        ("telemetry", b'{"pm25": "1"}', "wrong_type"),
        ("status", b'{"battery": 181}', "wrong_type"),
    ],
)
def test_the_path_says_the_format_and_the_answer_what_is_wrong(
    stack: Stack, data_dir: Path, path: str, payload: bytes, reason: str
) -> None:
    with server(stack.database_url, data_dir) as address:
        answer = post(address, stack, path, payload, kind="application/json")
    assert answer.status_code == 422
    assert list(answer.json()["refused"]) == [reason]
    assert stack.reasons() == [reason]


def test_every_format_asks_for_the_token_of_that_device_and_is_described(
    stack: Stack, data_dir: Path
) -> None:
    with server(stack.database_url, data_dir) as address:
        for path in SUFFIXES:
            url = f"{address}/api/v1/trials/t/devices/a/{path}"
            for token in ("", "Bearer wrong", f"Bearer {stack.tokens['t/b'][1]}"):
                assert httpx.post(url, content=b"online", headers={"Authorization": token}).status_code == 401
        assert httpx.post(f"{address}/api/v1/trials/t/devices/a/receipt", content=b"{}").status_code in (
            404,
            405,
        )
    assert stack.rows("SELECT count(*) FROM ledger") == [(0,)]


def test_the_description_has_an_example_of_every_format() -> None:
    from fastapi import FastAPI

    from api.routes import ingest

    app = FastAPI()
    app.include_router(ingest.router, prefix="/api/v1")
    paths: dict[str, Any] = app.openapi()["paths"]
    bodies = {
        path.rpartition("/")[2]: set(found["post"]["requestBody"]["content"]) for path, found in paths.items()
    }
    assert bodies == {
        "observations": {"application/json"},
        "senml": {"application/senml+json", "application/senml+cbor"},
        "influx": {"text/plain"},
        "telemetry": {"application/json"},
        "status": {"application/json"},
    }


def _post(address: str, stack: Stack, path: str, content: Any) -> httpx.Response:
    return post(address, stack, path, content if isinstance(content, bytes) else json.dumps(content).encode())


def test_a_post_says_which_items_were_refused_and_its_status_says_how_much(
    stack: Stack, data_dir: Path
) -> None:
    good = {"time": SECONDS, "results": {"pm25": 1}}
    bad = {"time": "", "results": {"pm25": 2}}
    unknown = {"time": SECONDS + 2, "results": {"pm2.5": 3, "fan": True}}
    with server(stack.database_url, data_dir) as address:
        whole = _post(address, stack, "observations", [good])
        again = _post(address, stack, "observations", [good])
        mixed = _post(address, stack, "observations", [good, bad, unknown])
        nothing = _post(address, stack, "observations", [bad])
        unreadable = _post(address, stack, "telemetry", b"{")
        empty = _post(address, stack, "telemetry", b"{}")
    assert [one.status_code for one in (whole, again, mixed, nothing, unreadable, empty)] == [
        200,
        200,
        207,
        422,
        422,
        200,
    ]
    answer = mixed.json()
    assert (answer["stored"], answer["duplicate"]) == (1, 1)
    assert [(one["item"], one["field"], one["reason"]) for one in answer["items"]] == [
        (1, "", "invalid_shape"),
        (2, "pm2.5", "unknown_property"),
    ]
    assert nothing.json()["items"][0]["item"] == 0
    assert list(unreadable.json()["refused"]) == ["unparsable"]
    assert empty.json()["ignored"] == 1
