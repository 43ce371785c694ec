"""Every bit comes back, by the codec and by a reader that was written from the description of the format."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from proving.faults.packed import read_packed
from store.packed.codec import Columns, Damaged, decode, encode
from tests.examples import examples

DAY = 86_400_000_000
_int64 = st.integers(-(2**63), 2**63 - 1)
_times = st.one_of(
    st.builds(
        lambda start, step, n: [start + step * at for at in range(n)],
        st.integers(0, 2**51),
        st.integers(1, DAY),
        st.integers(1, 60),
    ),
    st.lists(st.integers(0, 2**52), min_size=1, max_size=60, unique=True).map(sorted),
)
_result = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.integers(-100_000, 100_000).map(lambda n: n / 100),
    st.integers(-1000, 1000).map(lambda n: n * 0.1),
    st.integers(-1000, 1000).map(lambda n: n / 10 * 1.8 + 32),
    st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1.7976931348623157e308, 2.0**53, 0.1 + 0.2]),
)


@st.composite
def columns(draw: st.DrawFn) -> Columns:
    times = draw(_times)
    n = len(times)
    one_kind = draw(st.sampled_from(["any", "decimals", "kelvin"]))
    numbers = {
        "any": _result,
        "decimals": st.integers(-(10**6), 10**6).map(lambda n: n / 1000),
        "kelvin": st.integers(20_000, 40_000).map(lambda n: n / 100 * 1.0 - 273.15),
    }[one_kind]

    def several(element: st.SearchStrategy[int]) -> list[int]:
        return draw(st.one_of(st.lists(element, min_size=n, max_size=n), element.map(lambda one: [one] * n)))

    delays = several(st.one_of(st.integers(-(10**6), 10**9), st.integers(-(2**60), 2**60)))
    return Columns(
        np.array(times, np.int64),
        np.array(draw(st.lists(numbers, min_size=n, max_size=n)), np.float64),
        np.array([t + d for t, d in zip(times, delays, strict=True)], np.int64),
        np.array(several(st.sampled_from([1, 2, 3, 4])), np.int8),
        np.array(several(st.integers(0, 5)), np.int8),
        np.array(several(st.integers(-1, 2**31 - 1)), np.int32),
    )


def arrays(several: Columns) -> list[NDArray[Any]]:
    return [several[at] for at in range(6)]


@settings(max_examples=examples(quick=150, nightly=3000), deadline=None)
@given(columns(), st.sampled_from([(1.0, 0.0), (1.0, -273.15), (1.8, 32.0), (0.0, 1.0), (1e-300, 1e300)]))
def test_every_bit_comes_back(given_columns: Columns, factors: tuple[float, float]) -> None:
    record = encode(given_columns, scale=factors[0], shift=factors[1])
    again = decode(record)
    stored, back = arrays(given_columns), arrays(again)
    for before, after in zip(stored, back, strict=True):
        assert before.dtype == after.dtype
        assert before.tobytes() == after.tobytes()
    read = [np.array(column) for column in zip(*read_packed(record), strict=True)]
    for before, other in zip(stored, read, strict=True):
        assert before.tobytes() == other.astype(before.dtype).tobytes()


@settings(max_examples=examples(quick=60, nightly=500), deadline=None)
@given(columns(), st.data())
def test_a_changed_byte_is_noticed(given_columns: Columns, data: st.DataObject) -> None:
    record = bytearray(encode(given_columns))
    at = data.draw(st.integers(0, len(record) - 1))
    record[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Damaged):
        decode(bytes(record))
    with pytest.raises(ValueError, match=r"format|checksum"):
        read_packed(bytes(record))


@pytest.mark.parametrize("length", [0, 1, 4, 5])
def test_a_record_that_is_cut_is_noticed(length: int) -> None:
    with pytest.raises(Damaged):
        decode(encode(of([1.0]))[:length])


def of(results: list[float]) -> Columns:
    n = len(results)
    times = np.arange(n, dtype=np.int64) * 600_000_000
    return Columns(
        times,
        np.array(results),
        times + 1_000_000,
        np.ones(n, np.int8),
        np.zeros(n, np.int8),
        np.full(n, -1, np.int32),
    )


def test_a_day_of_a_steady_device_is_some_bytes() -> None:
    """On a grid, one decimal, one delay: 144 results with one byte each, and a head."""
    results = [20 + math.sin(at / 10) * 5 for at in range(144)]
    assert len(encode(of([round(one, 1) for one in results]))) < 250
    assert len(encode(of(results))) > 8 * 100


def test_what_a_device_sent_in_another_unit_takes_as_few_bytes() -> None:
    kelvin = [round(290 + math.sin(at / 10) * 5, 1) for at in range(144)]
    celsius = of([one * 1.0 - 273.15 for one in kelvin])
    assert len(encode(celsius, scale=1.0, shift=-273.15)) < 250 < len(encode(celsius))


GOLDEN = bytes.fromhex(
    "01abee151b6cc8b11144001000c0bd61042f138924f4e1230de8e1721d9ad1900e4808fcdb704b4400fb989999"
    "cdb206be5d3b7c2aa6ad0761ae3d15e267c45bfd09c7e59e534ccc0c8c00b1e4733000c420c8c0001003230303"
    "400c4ccc0c003130b0b000c4c0c0c1011800"
)
"""A record of an installation that was filled by the first version with packed days."""


def test_chance_is_kept_as_it_is_and_the_rest_is_deflated() -> None:
    """Delays of three bytes, the lower two by chance, and results within 16: 2 and about 1 byte each."""
    chance, n = np.random.default_rng(3), 1440
    one = of((chance.integers(0, 16, n) / 10).tolist())
    delays = chance.integers(0, 4 * 2**16, n)
    delays[0] = 0
    record = encode(one._replace(received_us=one.time_us + delays))
    assert 2 * n + 0.75 * n <= len(record) < 2.9 * n
    for plane in ((delays & 255), (delays >> 8 & 255)):
        assert plane.astype(np.uint8).tobytes() in record


def test_records_of_the_first_version_are_read_for_ever() -> None:
    first = 1_700_000_000_000_000
    read = [tuple(one) for one in zip(*(column.tolist() for column in decode(GOLDEN)), strict=True)]
    assert read == [tuple(one) for one in read_packed(GOLDEN)]
    assert read == [
        (first, 290.1 - 273.15, first + 5, 1, 0, -1),
        (first + 600_000_000, 290.2 - 273.15, first + 600_070_000, 3, 0, -1),
        (first + 1_200_000_000, 289.9 - 273.15, first + 1_200_000_009, 4, 4, 7),
        (first + 1_800_000_000, 290.0 - 273.15, first + 1_800_000_001, 1, 4, 7),
    ]
