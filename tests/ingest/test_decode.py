from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.decode import DECODERS, Decoded, StatusReport, Unreadable, native, status
from insitu.model import IgnoreReason, Reading, RejectReason
from insitu.wire import MAX_SEQ, Observations, Results
from tests.examples import examples

NOON_US = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z


def test_a_message_with_time_and_sequence() -> None:
    decoded = native.decode(
        b'{"boot":"k3","seq":7,"time":"2026-03-01T12:00:00Z","results":{"pm25":12.3,"fan":true}}', 0
    )
    assert decoded == Decoded([Reading("pm25", 12.3, NOON_US), Reading("fan", True, NOON_US)], (("k3", 7),))


def test_a_list_of_messages_and_a_list_of_observations() -> None:
    listed = native.decode(b'[{"results":{"a":1}},{"time":1772366400,"results":{"b":2}}]', 0)
    assert listed == Decoded([Reading("a", 1, None), Reading("b", 2, NOON_US)], starts=(0, 1))
    observed = native.decode(
        b'{"observations":[{"property":"a","time":"2026-03-01T13:00:00+01:00","result":1.5}]}', 0
    )
    assert observed == Decoded([Reading("a", 1.5, NOON_US)], starts=(0,))


@pytest.mark.parametrize("stamp", ["1772366400", "1772366400000", "1772366400000000", "1772366400000000000"])
def test_seconds_milliseconds_and_smaller_units_are_told_apart(stamp: str) -> None:
    decoded = native.decode(b'{"time":' + stamp.encode() + b',"results":{"a":1}}', 0)
    assert isinstance(decoded, Decoded)
    assert decoded.readings[0].time_us == NOON_US
    assert decoded.readings[0].repaired is (stamp != "1772366400")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", RejectReason.UNPARSABLE),
        (b"{", RejectReason.UNPARSABLE),
        (b"\xff\xfe", RejectReason.UNPARSABLE),
        (b"3", RejectReason.INVALID_SHAPE),
        (b'{"results":{"a":1,"a":2}}', RejectReason.INVALID_SHAPE),
        (b'{"results":{"a":1},"results":{"b":1}}', RejectReason.INVALID_SHAPE),
        (b'{"results":{"a":1},"time":"2026-03-01T12:00:00"}', RejectReason.INVALID_SHAPE),
        (b'{"results":{"a":1},"time":"yesterday"}', RejectReason.INVALID_SHAPE),
        (b'{"results":{"a":1},"time":1e300}', RejectReason.INVALID_SHAPE),
        (b'{"results":{"a":1},"seq":1}', RejectReason.INVALID_SHAPE),
        (b'{"results":{"a":1},"boot":"x","seq":-1}', RejectReason.INVALID_SHAPE),
        (b'{"results":{"a":1},"boot":"x","seq":9223372036854775808}', RejectReason.INVALID_SHAPE),
        (b'{"results":{"a":1},"boot":"","seq":1}', RejectReason.INVALID_SHAPE),
        (b'{"observations":[{"property":"a"}]}', RejectReason.INVALID_SHAPE),
        (b'{"results":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", RejectReason.TOO_DEEP),
        (b"[" * 200_000, RejectReason.TOO_DEEP),
        (json.dumps({"results": {str(n): n for n in range(10_001)}}).encode(), RejectReason.TOO_LARGE),
    ],
)
def test_what_cannot_be_read_says_why(payload: bytes, reason: RejectReason) -> None:
    decoded = native.decode(payload, 0)
    assert isinstance(decoded, Unreadable)
    assert decoded.reason is reason
    assert decoded.detail.endswith((".", ")")) or reason is RejectReason.UNPARSABLE


def test_endless_numbers_reach_placing_as_infinity() -> None:
    for text in (b"1e400", b"NaN", b"Infinity", b"9" * 5000):
        decoded = native.decode(b'{"results":{"a":' + text + b"}}", 0)
        assert isinstance(decoded, Decoded)
        assert not -1.8e308 < float(decoded.readings[0].result) < 1.8e308  # type: ignore[arg-type]


def test_a_bracket_inside_a_text_is_no_depth() -> None:
    decoded = native.decode(b'{"results":{"a":"' + b"[" * 50 + b'\\""}}', 0)
    assert isinstance(decoded, Decoded)


@pytest.mark.parametrize(
    ("payload", "report"),
    [
        (b"online", StatusReport(state="online")),
        (b'"offline"', StatusReport(state="offline")),
        (
            b'{"battery":80.5,"rssi":-71,"firmware":"1.2","uptime":60}',
            StatusReport(None, 80.5, -71.0, "1.2", 60.0),
        ),
    ],
)
def test_what_a_device_says_of_itself(payload: bytes, report: StatusReport) -> None:
    assert status.decode(payload, 0) == report


@pytest.mark.parametrize(
    "payload", [b"maybe", b"[1]", b'{"battery":101}', b'{"state":"asleep"}', b'{"firmware":7}']
)
def test_a_status_that_makes_no_sense_is_refused(payload: bytes) -> None:
    assert isinstance(status.decode(payload, 0), Unreadable)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["results", "time", "boot", "seq", "observations", "property", "result", "a"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=examples(quick=150, nightly=400), deadline=None)
@given(
    st.sampled_from(sorted(DECODERS)), st.binary(max_size=200) | _JSON.map(lambda d: json.dumps(d).encode())
)
def test_no_bytes_raise_and_each_answer_is_readings_or_a_refusal(suffix: str, payload: bytes) -> None:
    decoded = DECODERS[suffix](payload, NOON_US)
    assert isinstance(decoded, Decoded | StatusReport | Unreadable)
    if isinstance(decoded, Decoded):
        assert decoded.readings or decoded.ignored in (IgnoreReason.STATUS, IgnoreReason.EMPTY)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@settings(max_examples=1_000_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(sorted(DECODERS)), st.binary(max_size=300) | _JSON.map(lambda d: json.dumps(d).encode())
)
def test_a_million_payloads_raise_nothing(suffix: str, payload: bytes) -> None:
    decoded = DECODERS[suffix](payload, NOON_US)
    assert isinstance(decoded, Decoded | StatusReport | Unreadable)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.floats(allow_nan=False, allow_infinity=False) | st.booleans(),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, MAX_SEQ),
)
def test_what_the_contract_accepts_is_decoded(results: dict[str, float | bool], seq: int) -> None:
    document = {"results": results, "boot": "b", "seq": seq, "time": "2026-03-01T12:00:00Z"}
    Results.model_validate(document)
    decoded = native.decode(json.dumps(document).encode(), 0)
    assert isinstance(decoded, Decoded)
    assert {r.property: r.result for r in decoded.readings} == results
    Observations.model_validate({"observations": [{"property": "a", "result": 1}]})
