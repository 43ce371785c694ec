from __future__ import annotations

import pytest

from ingest.decode import Decoded, Unreadable, telemetry
from insitu.model import Reading

NOON_US = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z


def test_the_three_shapes_and_lists_of_them() -> None:
    timed = Reading("a", 1, NOON_US)
    assert telemetry.decode(b'{"a":1,"b":true}', 0) == Decoded(
        [Reading("a", 1, None), Reading("b", True, None)]
    )
    assert telemetry.decode(b'{"ts":1772366400000,"values":{"a":1}}', 0) == Decoded([timed])
    listed = telemetry.decode(b'[{"ts":1772366400000,"values":{"a":1}},{"c":2}]', 0)
    assert isinstance(listed, Decoded)
    assert not any(record.is_positional for record in listed.records.values())
    assert listed == Decoded([timed, Reading("c", 2, None)], records=listed.records, starts=(0, 1))


@pytest.mark.parametrize(
    ("stamp", "repaired"), [("1772366400000", False), ("1772366400", True), ("1772366400000000", True)]
)
def test_a_stamp_is_milliseconds_and_others_are_told_by_their_size(stamp: str, repaired: bool) -> None:
    assert telemetry.decode(f'{{"ts":{stamp},"values":{{"a":1}}}}'.encode(), 0) == Decoded(
        [Reading("a", 1, NOON_US, repaired)]
    )


def test_ts_or_values_alone_are_names_like_any_other() -> None:
    assert telemetry.decode(b'{"ts":5}', 0) == Decoded([Reading("ts", 5, None)])
    assert telemetry.decode(b'{"values":5}', 0) == Decoded([Reading("values", 5, None)])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "unparsable"),
        (b"\xff", "unparsable"),
        (b'{"a":1', "unparsable"),
        (b"3", "invalid_shape"),
        (b"[3]", "invalid_shape"),
        (b'{"a":1,"a":2}', "invalid_shape"),
        (b'{"ts":1772366400000,"values":3}', "invalid_shape"),
        (b'{"ts":"1772366400000","values":{"a":1}}', "invalid_shape"),
        (b'{"ts":true,"values":{"a":1}}', "invalid_shape"),
        (b'{"ts":null,"values":{"a":1}}', "invalid_shape"),
        (b'{"ts":NaN,"values":{"a":1}}', "invalid_shape"),
        (b'{"ts":' + b"9" * 5000 + b',"values":{"a":1}}', "invalid_shape"),
    ],
)
def test_what_cannot_be_read_says_why(payload: bytes, reason: str) -> None:
    decoded = telemetry.decode(payload, 0)
    assert isinstance(decoded, Unreadable)
    assert decoded.reason == reason


def test_endless_numbers_reach_placing_as_infinity() -> None:
    for text in (b"1e400", b"NaN", b"-Infinity", b"9" * 5000):
        decoded = telemetry.decode(b'{"a":' + text + b"}", 0)
        assert isinstance(decoded, Decoded)
        assert not -1.8e308 < decoded.readings[0].result < 1.8e308  # type: ignore[operator]
