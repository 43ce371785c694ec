from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import Decoded, Unreadable, influx
from insitu.model import IgnoreReason, Reading


def read(text: str | bytes) -> Decoded:
    decoded = influx.decode(text if isinstance(text, bytes) else text.encode(), 0)
    assert isinstance(decoded, Decoded), decoded
    return decoded


def value(text: str) -> object:
    (reading,) = read(f"m a={text}").readings
    return reading.result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5e+3", -1500.0),
        ("1E3", 1000.0),
        ("+1", 1.0),
        ("12i", 12),
        ("-12i", -12),
        ("12u", 12),
        ("9223372036854775808i", 2**63),
        ("t", True),
        ("TRUE", True),
        ("False", False),
        ("f", False),
        ('"x y,z=\\"q\\\\"', 'x y,z="q\\'),
    ],
)
def test_every_type_of_field_is_read(text: str, result: object) -> None:
    found = value(text)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    "text", ["nan", "-inf", "+Infinity", "1e400", "9" * 5000 + "i", "-" + "9" * 5000 + "i"]
)
def test_endless_numbers_reach_placing_which_refuses_them(text: str) -> None:
    assert not -1.8e308 < value(text) < 1.8e308  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tRUE",
        "1.1.1",
        "1 2 3",
        "-12u",
        "12ii",
        "0x1f",
        "1_000",
        "--1",
        '"open',
        "yes",
        "1e",
        "١",
        "i",
        ".",
    ],
)
def test_what_is_no_field_value_refuses_the_line(text: str) -> None:
    decoded = influx.decode(f"m a={text}".encode(), 0)
    assert isinstance(decoded, Unreadable)
    assert decoded.reason == "unparsable"
    assert decoded.detail.startswith("Line 1: ")


@pytest.mark.parametrize(
    ("digits", "time_us", "repaired"),
    [
        ("1772366400000000001", 1_772_366_400_000_000, False),
        ("1772366400123456999", 1_772_366_400_123_456, False),
        ("1772366400000000", 1_772_366_400_000_000, True),
        ("1772366400000", 1_772_366_400_000_000, True),
        ("1772366400", 1_772_366_400_000_000, True),
    ],
)
def test_a_timestamp_is_nanoseconds_and_others_are_told_by_their_size(
    digits: str, time_us: int, repaired: bool
) -> None:
    assert read(f"m a=1 {digits}").readings == [Reading("a", 1.0, time_us, repaired, source="m")]


def test_a_line_without_timestamp_has_no_time_and_makes_the_message_untimed() -> None:
    decoded = read("m a=1 1772366400000000000\nm b=2")
    assert [r.time_us for r in decoded.readings] == [1_772_366_400_000_000, None]
    assert not decoded.timed


def test_escapes_comments_empty_lines_and_line_ends() -> None:
    decoded = read(
        '# head\r\n\r\n  m\\ x\\,y,t\\=g=v\\ w a\\ b\\=c\\,d=1,e="two\nlines" \n#tail m a=1\n\nm \\f=2'
    )
    assert [(r.property, r.result) for r in decoded.readings] == [
        ("a b=c,d", 1.0),
        ("e", "two\nlines"),
        ("\\f", 2.0),
    ]
    assert decoded.refused == ()


@pytest.mark.parametrize(
    "line",
    [
        b"m",
        b"m ",
        b"m,t a=1",
        b"m,t= a=1",
        b"m,=v a=1",
        b",t=v a=1",
        b"=m a=1",
        b"m a",
        b"m =1",
        b"m a=1,",
        b"m a=1,b",
        b"m a=1 b",
        b"m a=1 1.5",
        b"m a=1 1 1",
        b"m a=1 999999999999999999999",
        b"m\xff a=1",
        b"m a\xff=1",
        b'm a="\xff"',
        b"m a=1 \x00",
        b"m\ta=1",
        b'm a="open',
    ],
)
def test_a_malformed_line_refuses_only_itself(line: bytes) -> None:
    decoded = read(b"m a=1\n" + line + b"\nm a=2\r\n" + line + b"\nm a=3")
    assert [r.result for r in decoded.readings] == [1.0, 2.0, 3.0]
    ((reason, results, detail),) = decoded.refused
    assert (reason, results) == ("unparsable", 2)
    assert detail.startswith("Line 2: ")
    assert isinstance(influx.decode(line, 0), Unreadable)


@pytest.mark.parametrize("line", ["m a=1,a=2", "m a=1,\\a=3,a=2", "m,t=1,t=2 a=1", "m a=1,a=1"])
def test_a_field_or_tag_that_stands_twice_refuses_the_line(line: str) -> None:
    decoded = influx.decode(line.encode(), 0)
    assert isinstance(decoded, Unreadable)
    assert decoded.reason == "invalid_shape"
    assert "twice" in decoded.detail


@pytest.mark.parametrize("payload", [b"", b"\n\n", b"# nothing", b"  \r\n"])
def test_a_message_without_points_is_empty(payload: bytes) -> None:
    decoded = influx.decode(payload, 0)
    assert decoded == Decoded([], ignored=IgnoreReason.EMPTY)


def test_lines_that_are_all_malformed_refuse_the_message() -> None:
    decoded = influx.decode(b"x\ny", 0)
    assert isinstance(decoded, Unreadable)
    assert decoded.detail.startswith("Line 1: ")


NAME = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\\"),
    min_size=1,
    max_size=8,
).filter(lambda n: not n.startswith("#"))
FIELD = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.text(st.characters(codec="utf-8"), max_size=8)
)


def written(field: object) -> str:
    if isinstance(field, str):
        return '"' + field.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{field}i" if type(field) is int else str(field)


def escaped(name: str) -> str:
    for character in ",= ":
        name = name.replace(character, "\\" + character)
    return name


@given(
    st.dictionaries(NAME, FIELD, min_size=1, max_size=4),
    st.dictionaries(NAME, NAME, max_size=3),
    st.none() | st.integers(10**17, 2**63 - 1),
)
def test_what_a_client_writes_is_read_back(
    fields: dict[str, object], tags: dict[str, str], stamp: int | None
) -> None:
    head = "m" + "".join(f",{escaped(key)}={escaped(tag)}" for key, tag in tags.items())
    body = ",".join(f"{escaped(key)}={written(field)}" for key, field in fields.items())
    decoded = read(f"{head} {body}{'' if stamp is None else f' {stamp}'}\n")
    assert decoded.refused == ()
    assert {r.property: r.result for r in decoded.readings} == fields
    assert {r.time_us for r in decoded.readings} == {None if stamp is None else math.floor(stamp // 1000)}
