from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import Decoded, Unreadable, senml
from insitu.model import Reading

SERIES = Path(__file__).parent / "testdata" / "senml"


def read(pack: Any) -> Decoded:
    decoded = senml.decode(pack if isinstance(pack, bytes) else json.dumps(pack).encode(), 0)
    assert isinstance(decoded, Decoded), decoded
    return decoded


def refused(pack: Any) -> Unreadable:
    decoded = senml.decode(pack if isinstance(pack, bytes) else json.dumps(pack).encode(), 0)
    assert isinstance(decoded, Unreadable), decoded
    return decoded


def test_json_and_cbor_of_the_same_pack_mean_the_same() -> None:
    assert read((SERIES / "rfc8428-5.1.2-series.json").read_bytes()) == read(
        (SERIES / "rfc8428-6-series.cbor").read_bytes()
    )


def test_base_fields_hold_for_their_record_and_all_later_ones() -> None:
    decoded = read(
        [
            {"n": "a", "v": 1},
            {"bn": "x/", "bv": 10, "n": "b", "v": 2},
            {"n": "c", "v": 3},
            {"bv": 0, "n": "d", "v": 4},
        ]
    )
    assert [(r.property, r.result) for r in decoded.readings] == [("a", 1), ("b", 12), ("c", 13), ("d", 4)]


@pytest.mark.parametrize(
    ("seconds", "time_us", "offset_us", "repaired"),
    [
        (0, None, 0, False),
        (-5.5, None, -5_500_000, False),
        (2**28 - 1, None, (2**28 - 1) * 1_000_000, False),
        (2**28, 2**28 * 1_000_000, 0, False),
        (1772366400.25, 1_772_366_400_250_000, 0, False),
        (1772366400250, 1_772_366_400_250_000, 0, True),
    ],
)
def test_a_time_below_2_to_the_28_counts_from_the_receipt(
    seconds: float, time_us: int | None, offset_us: int, repaired: bool
) -> None:
    assert read([{"n": "a", "v": 1, "t": seconds}]).readings == [
        Reading("a", 1, time_us, repaired, offset_us)
    ]


def test_base_time_and_time_are_added_before_they_are_judged() -> None:
    decoded = read([{"bt": 1772366400, "n": "a", "t": -10, "v": 1}, {"bt": -100, "n": "a", "t": 40, "v": 2}])
    assert [(r.time_us, r.offset_us) for r in decoded.readings] == [
        (1_772_366_390_000_000, 0),
        (None, -60_000_000),
    ]
    assert not decoded.timed


@pytest.mark.parametrize(
    ("name", "datastream"),
    [
        ("pm25", "pm25"),
        ("urn:dev:ow:10e2:pm25", "pm25"),
        ("2001:db8::2/pm25", "pm25"),
        ("site/pm25/", "pm25"),
        ("a.b", "a.b"),
    ],
)
def test_the_last_part_of_the_name_is_the_datastream(name: str, datastream: str) -> None:
    assert read([{"bn": name, "v": 1}]).readings[0].property == datastream


@pytest.mark.parametrize(
    "record",
    [
        {"n": "a"},
        {"n": "a", "v": 1, "vs": "x"},
        {"n": "a", "v": 1, "vb": True},
        {"n": "a", "v": "1"},
        {"n": "a", "v": True},
        {"n": "a", "v": None},
        {"n": "a", "vb": 1},
        {"n": "a", "vs": 1},
        {"n": "a", "vd": 1},
        {"n": "a", "v": 1, "t": "now"},
        {"n": "a", "v": 1, "t": math.inf},
        {"n": "a", "v": 1, "t": math.nan},
        {"n": "a", "v": 1, "t": -1e300},
        {"n": "a", "v": 1, "t": 10**300},
        {"n": "a", "v": 1, "ut": "1"},
        {"n": "a", "v": 1, "bver": 11},
        {"n": "a", "v": 1, "bver": 0},
        {"n": "a", "v": 1, "bver": 5.5},
        {"n": "a", "v": 1, "must_": 1},
        {"n": 1, "v": 1},
        {"v": 1},
        {"n": "", "v": 1},
        {"n": "-a", "v": 1},
        {"n": "a b", "v": 1},
        {"n": "é", "v": 1},
        {"bn": "a"},
        {},
        3,
    ],
)
def test_a_wrong_record_refuses_the_pack_and_is_named(record: Any) -> None:
    unreadable = refused([record])
    assert unreadable.reason == "invalid_shape"
    assert unreadable.detail


@pytest.mark.parametrize("pack", ["a", {"n": "a", "v": 1}])
def test_a_pack_is_a_list_with_records(pack: Any) -> None:
    assert refused(pack).reason == "invalid_shape"


def test_a_version_holds_for_the_whole_pack() -> None:
    assert read([{"bver": 5, "n": "a", "v": 1}, {"n": "a", "v": 2}, {"bver": 5, "n": "b", "v": 1}])
    assert read([{"n": "a", "v": 1}, {"bver": 10, "n": "b", "v": 1}])
    mixed = read([{"n": "a", "v": 1}, {"bver": 5, "n": "b", "v": 1}, {"n": "c", "v": 1}])
    assert [reading.property for reading in mixed.readings] == ["a"]
    assert [problem.item for problem in mixed.problems] == [1, 2]
    assert "the same" in mixed.problems[0].detail


def test_unknown_labels_are_ignored_also_when_they_nest() -> None:
    assert read([{"n": "a", "v": 1, "l": [{"href": "x"}], "bx": 3}]).readings == [Reading("a", 1, None)]


def test_a_label_that_stands_twice_refuses_the_pack() -> None:
    assert refused(b'[{"n":"a","v":1,"v":2}]').reason == "invalid_shape"
    assert refused(bytes.fromhex("81a30061610201 0202")).reason == "invalid_shape"
    assert "twice" in refused(bytes.fromhex("81a30061610201617602")).detail  # 2 and "v" are the same label


def test_a_sum_alone_is_refused_beside_the_values() -> None:
    decoded = read([{"n": "energy", "s": 5.0}, {"n": "power", "v": 2, "s": 3}, {"bs": 1, "n": "energy"}])
    assert [(r.property, r.result) for r in decoded.readings] == [("power", 2)]
    ((reason, results, detail),) = decoded.refused
    assert (reason, results) == ("wrong_type", 2)
    assert "record 0" in detail
    assert refused([{"n": "energy", "s": 5.0}]).reason == "wrong_type"


def test_endless_numbers_reach_placing_as_infinity() -> None:
    for text in ("1e400", "-1e400", "NaN", "9" * 5000):
        (reading,) = read(f'[{{"n":"a","bv":0.5,"v":{text}}}]'.encode()).readings
        assert not -1.8e308 < reading.result < 1.8e308  # type: ignore[operator]
    (reading,) = read(f'[{{"n":"a","bv":0.5,"v":-{"9" * 390}}}]'.encode()).readings
    assert reading.result == -math.inf


@pytest.mark.parametrize(
    ("item", "result"),
    [
        ("17", 23),
        ("1818", 24),
        ("190100", 256),
        ("1a00010000", 65536),
        ("1bffffffffffffffff", 2**64 - 1),
        ("20", -1),
        ("3bffffffffffffffff", -(2**64)),
        ("f93e00", 1.5),
        ("fa41bc0000", 23.5),
        ("fb3ff3333333333333", 1.2),
        ("f97c00", math.inf),
        ("c48221196ab3", 273.15),
        ("c4821b7fffffffffffffff01", math.inf),
        ("c4823b7fffffffffffffff01", 0.0),
        ("c249010000000000000000", 2**64),
        ("c349010000000000000000", -1 - 2**64),
        ("c258a7" + "ff" * 167, math.inf),
    ],
)
def test_every_number_of_cbor_is_read(item: str, result: float) -> None:
    """Integers, floats of each width, decimal fractions, and large integers with the same bound as JSON."""
    assert read(bytes.fromhex("81a200616102" + item)).readings[0].result == result


@pytest.mark.parametrize(
    "framed", ["9fa200616102 01ff", "81bf0061610201ff", "81a2007f616160ff0201", "d9d9f781a20061610201"]
)
def test_lengths_told_by_a_break_and_the_tag_of_cbor_are_read(framed: str) -> None:
    assert read(bytes.fromhex(framed)).readings == [Reading("a", 1, None)]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("81", "unparsable"),
        ("81a2006161", "unparsable"),
        ("81a2006161020100", "unparsable"),  # one byte too many
        ("81a1", "unparsable"),
        ("81ff", "unparsable"),
        ("811c", "unparsable"),
        ("811f", "unparsable"),
        ("81df", "unparsable"),
        ("81f818", "unparsable"),
        ("8161ff", "unparsable"),
        ("817f01ff", "unparsable"),
        ("9b7fffffffffffffff", "unparsable"),
        ("81bb7fffffffffffffff", "unparsable"),
        ("815b7fffffffffffffff", "unparsable"),
        ("81a1810102", "invalid_shape"),  # a list as label
        ("81a1f401", "invalid_shape"),  # false as label
        ("81a200616102c1fb41d303a15b001062", "invalid_shape"),  # a date as value
        ("81a2006161024101", "invalid_shape"),  # bytes as number
        ("81a30061610201 656d7573745f00".replace(" ", ""), "invalid_shape"),  # must_
    ],
)
def test_broken_cbor_says_why(broken: str, reason: str) -> None:
    assert refused(bytes.fromhex(broken)).reason == reason


def test_data_and_texts_are_carried_to_placing_which_refuses_them() -> None:
    decoded = read(bytes.fromhex("83a2006161084168a200616203616fa200616304f5"))
    assert [(r.property, r.result) for r in decoded.readings] == [("a", b"h"), ("b", "o"), ("c", True)]


def cbor(item: Any) -> bytes:
    """An encoder for CBOR, just large enough to write packs."""
    if isinstance(item, float):
        import struct

        return b"\xfb" + struct.pack(">d", item)
    if isinstance(item, int):
        return bytes([0x3B if item < 0 else 0x1B]) + (-1 - item if item < 0 else item).to_bytes(8, "big")
    if isinstance(item, str):
        return b"\x79" + len(item.encode()).to_bytes(2, "big") + item.encode()
    if isinstance(item, list):
        return b"\x99" + len(item).to_bytes(2, "big") + b"".join(map(cbor, item))
    return (
        b"\xb9"
        + len(item).to_bytes(2, "big")
        + b"".join(cbor(key) + cbor(given) for key, given in item.items())
    )


LABELS = {
    "bver": -1,
    "bn": -2,
    "bt": -3,
    "bu": -4,
    "bv": -5,
    "bs": -6,
    "n": 0,
    "u": 1,
    "v": 2,
    "vs": 3,
    "s": 5,
    "t": 6,
    "ut": 7,
}
NUMBER = st.floats(allow_nan=False) | st.integers(-(2**63), 2**63)
FIELDS = {
    "n": st.sampled_from(["a", "b/c", "d:"]),
    "v": NUMBER,
    "bn": st.sampled_from(["x/", "y:", "?"]),
    "bt": NUMBER,
    "bv": NUMBER,
    "t": NUMBER,
    "s": NUMBER,
    "u": st.text(max_size=3),
    "vs": st.text(max_size=3),
    "ut": NUMBER,
    "bver": st.integers(1, 11),
}


@given(st.lists(st.fixed_dictionaries({}, optional=FIELDS), max_size=4))  # type: ignore[arg-type]
def test_what_json_says_cbor_says_too(pack: list[dict[str, Any]]) -> None:
    in_json = senml.decode(json.dumps(pack).encode(), 0)
    assert (
        senml.decode(cbor([{LABELS[label]: given for label, given in record.items()} for record in pack]), 0)
        == in_json
    )
