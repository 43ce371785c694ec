"""One bad item costs itself only, in every list that a device may send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import DECODERS, Decoded, StatusReport
from store.database import Connection
from tests.cases.worlds import NOW_US, refused, send, stored
from tests.fix_catalogue import SmallTrial

SECOND = NOW_US // 1_000_000
GOOD: dict[str, Any] = {
    "obs": lambda n: {"time": SECOND + n, "results": {"pm25": n}},
    "telemetry": lambda n: {"ts": (SECOND + n) * 1000, "values": {"pm25": n}},
    "senml": lambda n: {"n": "pm25", "v": n, "t": SECOND + n},
}
BAD: dict[str, list[str]] = {
    "obs": [
        '{"time": "", "results": {"pm25": 2}}',
        "3",
        "null",
        '{"results": 5}',
        '{"time": 1, "seq": 1, "results": {"pm25": 1}}',
        '{"results": {"pm25": 1, "pm25": 2}}',
        '{"time": [], "results": {"pm25": 2}}',
    ],
    "telemetry": ["3", "null", '"x"', '{"ts": "x", "values": {"pm25": 1}}', '{"a": 1, "a": 2}', "[]"],
    "senml": ["3", '{"n": "pm25"}', '{"n": "-", "v": 1}', '{"n": "pm25", "v": "x"}', '{"n": "a", "n": "b"}'],
}
CASES = [(suffix, bad) for suffix, several in BAD.items() for bad in several]


@pytest.mark.parametrize(("suffix", "bad"), CASES)
@pytest.mark.parametrize("at", [0, 2, 4])
def test_four_are_read_and_one_is_refused_with_its_position(suffix: str, bad: str, at: int) -> None:
    items = [json.dumps(GOOD[suffix](n)) for n in range(4)]
    items.insert(at, bad)
    decoded = DECODERS[suffix](f"[{', '.join(items)}]".encode(), NOW_US)
    assert isinstance(decoded, Decoded), decoded
    assert [reading.result for reading in decoded.readings] == [0, 1, 2, 3]
    assert [problem.item for problem in decoded.problems] == [at]
    assert f"{at})" in decoded.problems[0].detail


def test_an_observation_that_is_wrong_costs_itself(conn: Connection, catalogue: SmallTrial) -> None:
    observations = [
        {"property": "pm25", "time": SECOND, "result": 1},
        {"property": 3, "result": 2},
        {"property": "pm25", "time": "yesterday", "result": 3},
        {"property": "pm25", "time": SECOND + 3, "result": 4},
    ]
    booked = send(conn, {"observations": observations}, "obs")
    assert refused(booked) == {"invalid_shape": 2}
    assert stored(conn) == {"pm25": [1, 4]}


def test_a_wrong_base_field_costs_the_later_records_and_no_earlier_one() -> None:
    pack = [{"n": "a", "v": 1}, {"bn": 5, "n": "b", "v": 2}, {"n": "c", "v": 3}]
    decoded = DECODERS["senml"](json.dumps(pack).encode(), NOW_US)
    assert isinstance(decoded, Decoded)
    assert [reading.property for reading in decoded.readings] == ["a"]
    assert [problem.item for problem in decoded.problems] == [1, 2]


@given(st.data(), st.sampled_from(sorted(GOOD)))
def test_any_mixture_of_good_and_bad_items_is_read_item_by_item(data: st.DataObject, suffix: str) -> None:
    kinds = data.draw(st.lists(st.sampled_from([None, *BAD[suffix]]), min_size=1, max_size=8))
    items = [json.dumps(GOOD[suffix](n)) if bad is None else bad for n, bad in enumerate(kinds)]
    decoded = DECODERS[suffix](f"[{', '.join(items)}]".encode(), NOW_US)
    good = [n for n, bad in enumerate(kinds) if bad is None]
    bad_at = [n for n, bad in enumerate(kinds) if bad is not None]
    assert not isinstance(decoded, StatusReport)
    assert [problem.item for problem in decoded.problems] == bad_at
    assert (decoded.readings if isinstance(decoded, Decoded) else []) == [
        one for n in good for one in _alone(suffix, n).readings
    ]


def _alone(suffix: str, n: int) -> Decoded:
    decoded = DECODERS[suffix](f"[{json.dumps(GOOD[suffix](n))}]".encode(), NOW_US)
    assert isinstance(decoded, Decoded)
    return decoded
