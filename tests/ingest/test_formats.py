"""Rules for every format: a recorded payload has the meaning that is written beside it, and no bytes do harm.

`testdata/FORMAT/NAME.EXT` is a payload, `NAME.EXT.expected` its meaning: one line for each reading, then the
refusals. The packs of RFC 8428 are the examples of its sections 5 and 6; the others come from the pages that
formats.md links, or from devices.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decode import DECODERS, Decoded, Unreadable
from ingest.place import place
from insitu.model import IgnoreReason
from insitu.wire import MAX_RESULTS
from store.catalogue.snapshot import KnownDatastream, KnownDevice
from tests.examples import examples
from tests.ingest.hostile import OWN, PAYLOADS, suffix_of

NOON_US = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z
FORMATS = tuple(name for name in DECODERS if name not in {suffix for suffix, _ in OWN})


def told(payload: bytes, suffix: str) -> str:
    """The meaning of a payload, one line for each reading and refusal."""
    decoded = DECODERS[suffix](payload, NOON_US)
    assert isinstance(decoded, Decoded)
    lines = [
        f"{r.property} = {r.result!r} at "
        f"{f'receipt{r.offset_us:+d}' if r.time_us is None else r.time_us}{' repaired' * r.repaired}"
        f"{r.unit and f' in {r.unit}'}{r.source and f' of {r.source}'}"
        for r in decoded.readings
    ]
    lines += [f"{boot} {seq} of the network's count" for boot, seq in decoded.sequences]
    if decoded.status is not None:
        said = [f"{name} {value}" for name, value in decoded.status._asdict().items() if value is not None]
        lines.append(f"the device: {', '.join(said)}")
    lines += [f"known as {decoded.named}"] * (decoded.named is not None)
    lines += ["kept and sent later"] * decoded.historical
    lines += ["a radio frame"] * (decoded.frame is not None) + [
        "at the network's time"
    ] * decoded.network_time
    lines += [f"ignored: {decoded.ignored}"] * (decoded.ignored is not None)
    if decoded.interval_us is not None:
        lines.append(f"every {decoded.interval_us / 1e6:g} s")
    return (
        "\n".join([*lines, *(f"{reason} {results}: {detail}" for reason, results, detail in decoded.refused)])
        + "\n"
    )


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_recorded_payload_means_what_is_written_beside_it(path: Path) -> None:
    assert told(path.read_bytes(), suffix_of(path)) == path.with_name(path.name + ".expected").read_text(
        "utf-8"
    )


def test_every_format_has_recorded_payloads() -> None:
    assert {suffix_of(path) for path in PAYLOADS} == set(FORMATS)


LINE = st.lists(
    st.sampled_from(
        [
            "m",
            ",",
            "t=1",
            " ",
            "a=",
            "1",
            "2i",
            "3u",
            "t",
            '"',
            "\\",
            "x",
            "\n",
            "\r",
            "#",
            "=",
            "-",
            "1772366400",
            "9" * 30,
            "nan",
            "é",
            "\x00",
        ]
    ),
    max_size=30,
).map(lambda p: "".join(p).encode())
SCALAR = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.integers(-(10**30), 10**30)
    | st.text(max_size=5)
)
LABEL = st.sampled_from(
    [
        "bn",
        "bt",
        "bu",
        "bv",
        "bs",
        "bver",
        "n",
        "u",
        "v",
        "vs",
        "vb",
        "vd",
        "s",
        "t",
        "ut",
        "x",
        "x_",
        "ts",
        "values",
    ]
)
RECORD = st.dictionaries(LABEL, SCALAR | st.dictionaries(LABEL, SCALAR, max_size=2), max_size=5)
DOCUMENT = (RECORD | st.lists(RECORD, max_size=4)).map(lambda d: json.dumps(d).encode())
EVENT = st.fixed_dictionaries(
    {"deviceInfo": st.just({"devEui": "01"}), "end_device_ids": st.just({"device_id": "d"})},
    optional={
        "time": st.just("2026-03-01T11:59:58.870214881Z") | SCALAR,
        "fCnt": SCALAR,
        "devAddr": SCALAR,
        "data": SCALAR,
        "simulated": SCALAR,
        "object": RECORD | SCALAR,
        "rxInfo": st.lists(st.dictionaries(st.sampled_from(["rssi", "snr"]), SCALAR), max_size=2) | SCALAR,
        "margin": SCALAR,
        "batteryLevel": SCALAR,
        "level": SCALAR,
        "description": SCALAR,
        "location": RECORD | SCALAR,
        "uplink_message": st.fixed_dictionaries(
            {"received_at": st.just("2026-03-01T11:59:58Z")},
            optional={
                "decoded_payload": RECORD | SCALAR,
                "f_cnt": SCALAR,
                "session_key_id": SCALAR,
                "frm_payload": SCALAR,
                "rx_metadata": SCALAR,
            },
        ),
    },
).map(lambda d: json.dumps(d).encode())
WIRE = (
    st.lists(
        st.sampled_from(
            [
                b"\x12",
                b"\x0a\x04pm25",
                b"\x10\x0a",
                b"\x20\x0a",
                b"\x69" + bytes(8),
                b"\x18\x05",
                b"\x08\x80\xd8\xd1\xc8\xcb3",
                b"\x38\x01",
                b"\x28\x01",
            ]
        )
        | st.binary(max_size=4),
        max_size=8,
    )
    .map(b"".join)
    .map(lambda m: b"\x12" + bytes([len(m)]) + m + b"\x18\x01" if len(m) < 128 else m)
)
CBOR = st.lists(
    st.sampled_from(
        [
            b"\x81",
            b"\x82",
            b"\x9f",
            b"\xa1",
            b"\xa2",
            b"\xbf",
            b"\xff",
            b"\x00",
            b"\x02",
            b"\x06",
            b"\x20",
            b"\x21",
            b"\xf9\x7e\x00",
            b"\xfb" + bytes(8),
            b"\x61n",
            b"\xc4\x82\x20\x05",
            b"\xc2\x41\x01",
            b"\x7f\x61a\xff",
            b"\xd9\xd9\xf7",
            b"\xf5",
            b"\x1b" + b"\xff" * 8,
        ]
    )
    | st.binary(max_size=3),
    max_size=20,
).map(lambda p: b"\x81" + b"".join(p))


WITHOUT_READINGS = (IgnoreReason.STATUS, IgnoreReason.EMPTY, IgnoreReason.SIMULATED)


@settings(max_examples=examples(quick=300, nightly=1500), deadline=None)
@given(st.sampled_from(FORMATS), st.binary(max_size=100) | LINE | DOCUMENT | EVENT | WIRE | CBOR)
def test_any_bytes_are_either_decoded_or_unreadable_and_what_is_decoded_can_be_placed(
    suffix: str, payload: bytes
) -> None:
    decoded = DECODERS[suffix](payload, NOON_US)
    assert isinstance(decoded, Decoded) != isinstance(decoded, Unreadable)
    if isinstance(decoded, Unreadable):
        assert decoded.detail
        return
    assert isinstance(decoded, Decoded)
    assert decoded.readings or decoded.ignored in WITHOUT_READINGS
    names = {reading.property for reading in decoded.readings}
    for kind in ("number", "boolean"):
        streams = {name: KnownDatastream(n, 1.0, 0.0, kind) for n, name in enumerate(names)}
        placed = place(KnownDevice(1, "t", "a", None, ((0, None),), streams), decoded, NOON_US)
        assert len(placed.observations) + sum(count for count, _ in placed.refused.values()) == len(
            decoded.readings
        )
        assert all(
            math.isfinite(o.result) and o.time_us <= NOON_US + 600_000_000 for o in placed.observations
        )


@pytest.mark.parametrize(
    ("suffix", "payload"),
    [
        ("senml", json.dumps([{"n": "a", "v": 1}] * (MAX_RESULTS + 1)).encode()),
        ("senml", b"\x9f" + b"\xa2\x00\x61a\x02\x01" * (MAX_RESULTS + 1) + b"\xff"),
        ("influx", b"m a=1\n" * (MAX_RESULTS + 1)),
        ("telemetry", json.dumps([{"a": 1}] * (MAX_RESULTS + 1)).encode()),
    ],
)
def test_more_results_than_the_bound_are_refused(suffix: str, payload: bytes) -> None:
    decoded = DECODERS[suffix](payload, NOON_US)
    assert isinstance(decoded, Unreadable)
    assert decoded.reason == "too_large"


@pytest.mark.parametrize(
    ("suffix", "payload"),
    [
        ("senml", b"[" * 9),
        ("senml", b"\x81" * 9 + b"\x00"),
        ("senml", b"\x81" + b"\xc1" * 9),
        ("telemetry", b'{"a":' * 9),
    ],
)
def test_deeper_nesting_than_the_bound_is_refused(suffix: str, payload: bytes) -> None:
    decoded = DECODERS[suffix](payload, NOON_US)
    assert isinstance(decoded, Unreadable)
    assert decoded.reason == "too_deep"
