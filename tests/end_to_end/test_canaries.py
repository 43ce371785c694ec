"""Canaries: a MAC, a telephone number, an e-mail address and a plate in every format, by MQTT, HTTP and file.

They are nowhere while the data are there, and nothing else is left after an erasure. Only programs of
PostgreSQL and a search for bytes judge that: none of our code, which could share a mistake.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import subprocess
from pathlib import Path
from uuid import uuid4

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cli.operations import questions
from cli.target import find_target
from insitu.embedded.postgres import wheel_binaries
from insitu.embedded.users import hash_token
from insitu.errors import InsituError
from store import access
from store.catalogue.devices import find_device
from store.catalogue.networks import add_address, add_network_server
from tests.api.conftest import data_dir, server
from tests.api.test_formats_over_http import post
from tests.cli.calling import Told, told, told_here
from tests.stack import NOW, Stack, wait_until

pytestmark = pytest.mark.long

__all__ = ["data_dir", "told", "told_here"]
CANARIES = {
    "mac": "3c:22:fb:1a:2b:4d",
    "phone": "+33612345679",
    "local": "06 98 76 54 32",
    "mail": "canary.bird@ville.example",
    "plate": "XB-417-QP",
}
NUMBER = 33698765431
"""A telephone number that is sent as a number."""
WORDS = "Canary Bird of Paris"
"""A text that nobody asked for."""
ALLOWED = "the-allowed-canary"
"""A text of the field that the trial lets stay."""
RESULT = 31337.25
"""A result: it is there until it is erased."""
SECONDS = int(NOW.timestamp()) - 3000
EUI, NODE = "0101010101010101", "spBv1.0/g/{}/e"
LIMIT_S = 60
CHECKED = ("ledger", "audit log", "records and audit log", "guards of the database", "signed heads")


def fields() -> dict[str, object]:
    """A result, all canaries as texts and as keys, and what the trial allows."""
    return {
        "pm25": RESULT,
        **{f"x_{name}": f"of {text} today" for name, text in CANARIES.items()},
        **dict.fromkeys(CANARIES.values(), 1),
        "tel": NUMBER,
        "words": WORDS,
        "allowed": ALLOWED,
    }


def as_lines(at: int) -> bytes:
    texts = ",".join(f'x{n}="of {text} today"' for n, text in enumerate(CANARIES.values()))
    escaped = WORDS.replace(" ", "\\ ")
    line = f'air,who={escaped} pm25={RESULT},{texts},tel={NUMBER}i,words="{WORDS}",allowed="{ALLOWED}"'
    return f"{line} {at}000000000\n".encode()


def as_senml(at: int) -> bytes:
    texts = [{"n": f"x{n}", "vs": f"of {text} today"} for n, text in enumerate([*CANARIES.values(), WORDS])]
    return json.dumps([{"bt": at, "n": "pm25", "v": RESULT}, {"n": "tel", "v": NUMBER}, *texts]).encode()


def as_cbor(at: int) -> bytes:
    def text(said: str) -> bytes:
        content = said.encode()
        return bytes([0x78, len(content)]) + content

    first = (
        b"\xa3\x00"
        + text("pm25")
        + b"\x02\xfb"
        + struct.pack(">d", RESULT)
        + b"\x06\x1a"
        + at.to_bytes(4, "big")
    )
    others = [
        b"\xa2\x00" + text(f"x{n}") + b"\x03" + text(one) for n, one in enumerate([*CANARIES.values(), WORDS])
    ]
    return bytes([0x80 + 1 + len(others)]) + first + b"".join(others)


def as_sparkplug(at: int) -> bytes:
    def part(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    def stamp(tag: int) -> bytes:
        rest, out = at * 1000, bytearray([tag])
        while rest > 127:
            out.append(rest & 127 | 128)
            rest >>= 7
        return bytes(out) + bytes([rest])

    metrics = [part(1, b"pm25") + b"\x20\x0a" + b"\x69" + struct.pack("<d", RESULT)]
    metrics += [part(1, b"x") + b"\x20\x0c" + part(15, one.encode()) for one in [*CANARIES.values(), WORDS]]
    return stamp(0x08) + b"".join(part(2, one) for one in metrics) + b"\x18\x00"


def messages() -> list[tuple[str, bytes]]:
    """(suffix, payload) of each format that a device speaks by itself, and of what cannot be read."""
    at = SECONDS
    return [
        ("obs", json.dumps({"time": at, "results": fields()}).encode()),
        ("obs", json.dumps([{"time": at + 60, "results": fields()}]).encode()),
        ("obs", json.dumps({"observations": [{"property": "words", "time": at, "result": WORDS}]}).encode()),
        ("telemetry", json.dumps({"ts": (at + 120) * 1000, "values": fields()}).encode()),
        ("telemetry", json.dumps({"devices": [fields(), {"name": CANARIES["mac"], "value": 3}]}).encode()),
        ("senml", as_senml(at + 180)),
        ("senml", as_cbor(at + 240)),
        ("influx", as_lines(at + 300)),
        ("status", json.dumps({"battery": 4, "firmware": f"1.0 by {CANARIES['mail']}"}).encode()),
        ("status", json.dumps({"battery": 400, **fields()}).encode()),
        ("obs", f"{WORDS} {' '.join(CANARIES.values())}".encode()),
        ("obs", b"\xff\x00" + json.dumps(fields()).encode()),
        ("obs", json.dumps({"boot": CANARIES["mail"], "seq": 1, "results": {"pm25": 1}}).encode()),
        ("nonsense", json.dumps(fields()).encode()),
    ]


def of_networks() -> list[tuple[str, str, bytes]]:
    """(network server, topic, payload)."""
    when = f"{NOW:%Y-%m-%dT%H:%M:%S}Z"
    chirpstack = {
        "time": when,
        "deviceInfo": {"devEui": EUI, "deviceName": WORDS, "tags": {"owner": CANARIES["mail"]}},
        "fCnt": 1,
        "object": fields(),
    }
    things_stack = {
        "end_device_ids": {"device_id": "p1", "dev_eui": EUI},
        "received_at": when,
        "uplink_message": {"f_cnt": 2, "received_at": when, "decoded_payload": fields()},
    }
    return [
        ("chirpstack", f"application/app/device/{EUI}/event/up", json.dumps(chirpstack).encode()),
        ("things-stack", "v3/air@lab/devices/p1/up", json.dumps(things_stack).encode()),
        ("sparkplug", NODE.format("NBIRTH"), as_sparkplug(SECONDS + 400)),
    ]


def programs(name: str, url: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    given = conninfo_to_dict(url)
    where = ["-h", str(given["host"]), "-U", str(given["user"]), "-d", str(given["dbname"])]
    environment = {**os.environ, "PGPASSWORD": str(given["password"])}
    command = [str(wheel_binaries() / name), *where, *arguments]
    return subprocess.run(command, capture_output=True, check=True, env=environment, timeout=LIMIT_S)


def dump(url: str) -> bytes:
    """Everything in a database as text, and the content of bytea columns as bytes beside it."""
    text = programs("pg_dump", url, "--inserts").stdout
    raw = [bytes.fromhex(found[1].decode()) for found in re.finditer(rb"\\x([0-9a-f]{2,})", text)]
    return b"\n".join([text, *raw])


def hits(content: bytes, *wanted: str) -> list[str]:
    """Each text that is in the content, with its surroundings."""
    places = [(text, content.find(text.encode())) for text in wanted]
    return [repr(content[max(0, at - 100) : at + 60]) for _, at in places if at >= 0]


@pytest.fixture
def planted(stack: Stack, data_dir: Path, told_here: Told, tmp_path: Path) -> Stack:
    """All messages by MQTT and HTTP, those of network servers by MQTT, and a file."""
    stack.conn.commit()
    told_here("retention", "t", "--purpose", "canaries", "--raw", "allowed", "--raw-days", "5")
    for kind, address, device in (
        ("chirpstack", f"chirpstack/{EUI}", "a"),
        ("things_stack", "things_stack/air@lab/p1", "a"),
        ("sparkplug", "sparkplug/g/e", "b"),
    ):
        code = kind.replace("_", "-")
        number = add_network_server(stack.conn, code=code, kind=kind, now=NOW)
        device_id = find_device(stack.conn, "t", device).device_id
        add_address(stack.conn, network_server=code, address=address, device_id=device_id)
        access.add_credential(
            stack.conn,
            device_id=None,
            network_server_id=number,
            username=f"network.{code}",
            now=NOW,
            token_sha256=hashlib.sha256(code.encode()).digest(),
            nats_hash=hash_token(code),
            mosquitto_hash="-",
        )
    stack.conn.commit()
    stack.reload()
    device = stack.device("t/a")
    for suffix, payload in messages():
        device.send(payload, suffix)
    for name, topic, payload in of_networks():
        client = mqtt.Client(CallbackAPIVersion.VERSION2, f"plants-{name}")
        client.username_pw_set(f"network.{name}", name)
        client.connect(stack.broker.host, stack.broker.port)
        client.loop_start()
        client.publish(topic, payload, qos=1).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()
    sent = len(messages()) + len(of_networks())
    stack.wait_for(sent)
    with server(stack.database_url, data_dir) as address:
        for suffix, payload in messages():
            if suffix != "nonsense":
                post(address, stack, "observations" if suffix == "obs" else suffix, payload)
    file = tmp_path / f"{CANARIES['phone']} {CANARIES['mail']}.csv"
    rows = [f"{NOW:%Y-%m-%dT%H:%M:%S}Z,5,{CANARIES['local']}", f"no time {CANARIES['mail']},6,{WORDS}"]
    file.write_text("\n".join(["time,pm25,who", *rows]) + "\n", "utf-8")
    mapped = ("--map", "pm25=pm25", "--map", "who=fan")
    with pytest.raises(InsituError, match="not everything could be stored"):
        told_here("import", str(file), "--trial", "t", "--device", "a", *mapped)
    wait_until(lambda: len(device.heard) > 0, "a refusal")
    said = json.dumps(device.heard, ensure_ascii=False).encode()
    assert hits(said, *CANARIES.values(), str(NUMBER), WORDS) == []
    device.close()
    return stack


def test_canaries_are_nowhere_and_after_an_erasure_nothing_is(
    planted: Stack, told_here: Told, database_server: str, tmp_path: Path
) -> None:
    stack, personal = planted, [*CANARIES.values(), str(NUMBER)]
    url = stack.database_url
    before = dump(url)
    assert hits(before, *personal, WORDS) == []
    assert len(hits(before, str(RESULT), ALLOWED)) == 2, "these may be there"
    assert stack.rows("SELECT count(*) FROM device_remark WHERE code = 'personal_data'")[0][0] >= 4
    stack.conn.commit()

    told_here("erase", "--trial", "t", "--reason", "the end of the canaries")
    told_here("erase", "--device", "t/b", "--reason", "again")
    after = dump(url)
    assert hits(after, *personal, WORDS, str(RESULT), ALLOWED) == []

    backup, copy = tmp_path / "backup", f"copy_{uuid4().hex[:12]}"
    programs("pg_dump", url, "-Fc", "-f", str(backup))
    with psycopg.connect(database_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {copy}".encode())
        restored = make_conninfo(url, dbname=copy)
        programs("pg_restore", restored, "--no-owner", str(backup))
        assert hits(dump(restored), *personal, WORDS, str(RESULT), ALLOWED) == []
        admin.execute(f"DROP DATABASE {copy} WITH (FORCE)".encode())

    logs = [path for path in tmp_path.rglob("*.log") if path.is_file()]
    assert logs
    for path in logs:
        assert hits(path.read_bytes(), *personal, WORDS, ALLOWED) == [], path
    asked = [one for one in questions(find_target()) if one.title in CHECKED]
    assert len(asked) == len(CHECKED)
    assert all(one.answer() for one in asked), "each raises what is wrong"
