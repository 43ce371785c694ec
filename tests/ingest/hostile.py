"""Hostile payloads from a seed: recorded ones with flipped bytes, and well-formed ones with unexpected
values.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingest.decode import DECODERS

TESTDATA = Path(__file__).parent / "testdata"
PAYLOADS = sorted(path for path in TESTDATA.glob("*/*") if path.suffix != ".expected")

OWN = [
    (
        "obs",
        b'{"boot": "k3", "seq": 7, "time": "2026-03-01T11:59:00Z", "results": {"pm25": 12.3, "fan": true}}',
    ),
    (
        "obs",
        b'[{"time": 1772366000, "results": {"pm25": 12.3}}, {"time": 1772366100, "boot": "k", "seq": 1, '
        b'"results": {"pm25": 1}}]',
    ),
    (
        "obs",
        b'{"boot": "k3", "seq": 8, "observations": [{"property": "pm25", "time": "2026-03-01T11:00:00Z", '
        b'"result": 12.3}]}',
    ),
    (
        "status",
        b'{"state": "online", "battery": 81.5, "rssi": -71, "firmware": "1.4.2", "uptime": 86400, "time": '
        b"1772366000}",
    ),
    ("status", b"offline"),
]
"""Payloads of suffixes that have no folder in `testdata`."""


def suffix_of(path: Path) -> str:
    """Suffix of a recorded payload: `senml/x.json` is senml, `chirpstack/up-x.json` is chirpstack/up."""
    folder = path.parent.name
    return folder if folder in DECODERS else f"{folder}/{path.name.split('.')[0].split('-')[0]}"


SEEDS = [(suffix_of(path), path.read_bytes()) for path in PAYLOADS] + OWN

_PIECES = [
    b'"',
    b"\\",
    b"\x00",
    b"\xff",
    b"{",
    b"[",
    b"9" * 30,
    b"e999",
    b"null",
    b"-",
    b"\x80",
    b"\x9f",
    b"\xfb",
    b"\n",
]


def mutated(payload: bytes, chance: random.Random) -> bytes:
    """A payload with a few bytes flipped, cut out, doubled or replaced by ones that have a meaning in some
    format.
    """
    out = bytearray(payload)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(out)) if out else 0
        match chance.randrange(4):
            case 0 if out:
                out[at] ^= 1 << chance.randrange(8)
            case 1:
                del out[at : at + chance.randint(1, 8)]
            case 2:
                out[at:at] = out[at : at + chance.randint(1, 16)]
            case _:
                out[at : at + 1] = chance.choice(_PIECES)
    return bytes(out)


# -- JSON

_LITERALS = [
    "NaN",
    "-NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "1e-400",
    "-0.0",
    "7" * 5000,
    "-" + "7" * 5000,
    "1." + "7" * 5000,
    "1e" + "9" * 400,
    str(2**53 + 1),
    str(2**63),
    str(-(2**63)),
    str(2**64),
    str(10**25),
    "1.7976931348623157e308",
    "1772366400",
    "1772366400000",
    "17723664000000000",
    "1772366400000000000",
    "-9e10",
    "1e17",
    "-62135596801",
    "253402300800",
    "0",
    "null",
    "true",
    "false",
    '""',
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\u202e\\u0007"',
    '"=1+1"',
    '"' + "é" * 300 + '"',
    '"0001-01-01T00:00:00+23:59"',
    '"9999-12-31T23:59:59-23:59"',
    '"2026-03-01T12:00:00"',
    '"2026-03-01T24:00:00Z"',
    '"12.5"',
    '"2026-02-30T00:00:00Z"',
    '"2026-03-01T12:00:00.123456789Z"',
    "[]",
    "{}",
    "[[[[[[[[[[1]]]]]]]]]]",
    '{"a":{"a":{"a":{"a":{"a":1}}}}}',
    '{"a":1,"a":2}',
    "[null]",
    "[1,2]",
    '{"":0}',
    '{"\\ud800":1}',
    '{"\\u0000":1}',
]
_DELETE, _TWICE, _RENAME, _REPLACE = range(4)


def hostile_json(document: Any, chance: random.Random) -> bytes:
    """The document with up to four of its members replaced, left out, duplicated or renamed; the result is
    not always JSON.
    """
    places = list(_places(document))
    chosen = {chance.choice(places): chance.randrange(4) for _ in range(chance.randint(1, 4))}
    return _written(document, (), chosen, chance).encode("utf-8", "surrogatepass")


def _places(document: Any, at: tuple[Any, ...] = ()) -> Any:
    yield at
    inner = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, part in inner:
        yield from _places(part, (*at, key))


def _written(
    document: Any, at: tuple[Any, ...], chosen: dict[tuple[Any, ...], int], chance: random.Random
) -> str:
    if chosen.get(at) == _REPLACE:
        return chance.choice(_LITERALS)
    if isinstance(document, list):
        items = [
            _written(part, (*at, n), chosen, chance)
            for n, part in enumerate(document)
            if chosen.get((*at, n)) != _DELETE
        ]
        return f"[{','.join(items)}]"
    if not isinstance(document, dict):
        return json.dumps(document)
    members = []
    for key, part in document.items():
        what = chosen.get((*at, key))
        if what == _DELETE:
            continue
        name = (
            chance.choice(['"\\ud800"', '""', '"\\u0000"', '"x_"', '"time"', '"v"', '"ts"'])
            if what == _RENAME
            else json.dumps(key)
        )
        member = f"{name}:{_written(part, (*at, key), chosen, chance)}"
        members += [member, member] if what == _TWICE else [member]
    return "{" + ",".join(members) + "}"


# -- CBOR, Protocol Buffers, line protocol

_CBOR = [
    b"\xf9\x7e\x00",
    b"\xfb\x7f\xf0" + bytes(6),
    b"\xf9\xfc\x00",
    b"\x1b" + b"\xff" * 8,
    b"\x3b" + b"\xff" * 8,
    b"\xc2\x59\x10\x00" + b"\x77" * 4096,
    b"\xc3\x41\x07",
    b"\xc4\x82\x1a\x7f\xff\xff\xff\x01",
    b"\xc4\x82\x39\xff\xff\x01",
    b"\x60",
    b"\x61\x00",
    b"\x63\xed\xa0\x80",
    b"\xf4",
    b"\xf5",
    b"\xf6",
    b"\xf7",
    b"\xf8\xff",
    b"\x80",
    b"\xa0",
    b"\x81" * 12 + b"\x00",
    b"\xbf\xff",
    b"\x9f\xff",
    b"\x7f\x61a\xff",
    b"\x5f\xff",
    b"\xd9\xd9\xf7\x00",
    b"\xff",
    b"\x1a\x69\xa4\x0d\x00",
    b"\xfb\x41\xda\x69\x03\x40\x00\x00\x00",
    b"\x3a\x7f\xff\xff\xff",
]
_LABELS = [
    b"\x20",
    b"\x21",
    b"\x22",
    b"\x23",
    b"\x24",
    b"\x25",
    b"\x00",
    b"\x01",
    b"\x02",
    b"\x03",
    b"\x04",
    b"\x05",
    b"\x06",
    b"\x07",
    b"\x08",
    b"\x18\x63",
    b"\x62x_",
    b"\x61v",
]


def hostile_cbor(chance: random.Random) -> bytes:
    """A pack of SenML in CBOR whose fields have random types."""
    records = []
    for _ in range(chance.randint(1, 3)):
        fields = [(b"\x00", b"\x64pm25"), (b"\x02", b"\xfb\x40\x29" + bytes(6))]
        fields += [(chance.choice(_LABELS), chance.choice(_CBOR)) for _ in range(chance.randint(0, 3))]
        records.append(bytes([0xA0 + len(fields)]) + b"".join(label + content for label, content in fields))
    return bytes([0x80 + len(records)]) + b"".join(records)


def varint(number: int) -> bytes:
    """A number as a varint of Protocol Buffers."""
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


_UINTS = [
    0,
    1,
    10,
    255,
    256,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
    1772366398000,
    1772366398,
    10**17,
    10**19,
]


def hostile_sparkplug(chance: random.Random) -> bytes:
    """A payload in which each field of a metric, of random size and type, comes once, twice or never."""

    def number(field: int) -> bytes:
        return varint(field << 3) + varint(chance.choice(_UINTS))

    def content(field: int, inner: bytes) -> bytes:
        return varint(field << 3 | 2) + varint(len(inner)) + inner

    def metric() -> bytes:
        name = chance.choice(
            [b"pm25", b"bdSeq", b"Node Control/Rebirth", b"\xff", b"a\x00", b"", "é".encode() * 300]
        )
        parts = [
            content(1, name),
            number(2),
            number(3),
            number(4),
            number(5),
            number(7),
            number(10),
            number(11),
            number(14),
        ]
        parts += [
            varint(12 << 3 | 5) + chance.randbytes(4),
            varint(13 << 3 | 1) + struct.pack("<d", chance.choice([1.5, float("nan"), 1e308])),
        ]
        parts += [
            content(field, chance.randbytes(chance.randrange(9))) for field in (6, 8, 9, 15, 16, 17, 18)
        ]
        return b"".join(chance.sample(parts, chance.randint(0, 6)))

    parts = [content(2, metric()) for _ in range(chance.randint(0, 4))]
    parts += [
        part
        for part in (number(1), number(3), b"\x18\x05", content(4, b"u"), content(5, b"b"))
        if chance.random() < 0.6
    ]
    chance.shuffle(parts)
    return b"".join(parts)


_LINE = [
    "pms",
    ",",
    "host=mast",
    "t=1",
    " ",
    "pm25=",
    "fan=",
    "1.5",
    "12i",
    "12u",
    "t",
    "F",
    "True",
    '"a b"',
    '"',
    "\\",
    "\\ ",
    "\\,",
    "\n",
    "\r\n",
    "#",
    "=",
    "-",
    "1772366398000000000",
    "1772366398",
    "-9223372036854775808",
    "9" * 30,
    "7" * 5000,
    "nan",
    "-inf",
    "1e400",
    "1e-400",
    "0x1p3",
    "é",
    "\x00",
    "\udc80",
    "\x7f",
]


def hostile_line(chance: random.Random) -> bytes:
    """Parts of line protocol in any order, beside a valid line."""
    parts = "".join(chance.choice(_LINE) for _ in range(chance.randint(1, 14)))
    text = chance.choice(
        ["{}", "pms pm25=12.3 1772366398000000000\n{}", "pms {} 1772366398000000000", "{}\npms pm25=1\n"]
    ).format(parts)
    return text.encode("utf-8", "surrogateescape")


_JSONS: list[tuple[str, Any]] = [
    (suffix, json.loads(payload)) for suffix, payload in SEEDS if payload[:1] in (b"{", b"[")
]
_BIRTHS = [suffix for suffix in DECODERS if suffix.startswith("sparkplug/")]
_KINDS: list[Callable[[random.Random], tuple[str, bytes]]] = [
    lambda chance: ("senml", hostile_cbor(chance)),
    lambda chance: ("influx", hostile_line(chance)),
    lambda chance: (chance.choice(_BIRTHS), hostile_sparkplug(chance)),
]


def payload_for_any_decoder(chance: random.Random) -> tuple[str, bytes]:
    """(suffix, payload): two fifths have mutated bytes, two fifths have mutated values in JSON, one fifth
    come from the other grammars.
    """
    match chance.randrange(5):
        case 0 | 1:
            suffix, payload = chance.choice(SEEDS)
            return suffix, mutated(payload, chance)
        case 2 | 3:
            suffix, document = chance.choice(_JSONS)
            return suffix, hostile_json(document, chance)
        case _:
            return chance.choice(_KINDS)(chance)
