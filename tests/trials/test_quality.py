"""Flags follow from the observations alone, not from their order, their batches, or the unit of their time
stamps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args, get_origin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic.fields import FieldInfo

from insitu.errors import CorrectInput
from insitu.model import Flag
from tests.examples import examples
from trials.quality import CHECKS, Planned, margin_us, parameters_text, plan, roll_up, run

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
MINUTE = 60_000_000
T0 = 1_772_323_200_000_000  # 2026-03-01 00:00 UTC
P, N, S, F = Flag.PASS, Flag.NOT_EVALUATED, Flag.SUSPECT, Flag.FAIL

RANGE: tuple[str, dict[str, Any]] = ("gross_range", {"fail_low": -5, "fail_high": 100, "suspect_high": 80})
STUCK: tuple[str, dict[str, Any]] = ("flat_line", {"suspect_s": 1800, "fail_s": 3600, "longest_gap_s": 1200})
NEARLY: tuple[str, dict[str, Any]] = (
    "flat_line",
    {"tolerance": 1.0, "suspect_s": 1800, "fail_s": 3600, "longest_gap_s": 1200},
)
TIMES: tuple[str, dict[str, Any]] = ("time_syntax", {"shortest_s": 60, "future_s": 600})
PLANS = [plan([RANGE, STUCK, TIMES]), plan([RANGE, NEARLY, TIMES])]


def flags(
    planned: list[Planned],
    minutes: Sequence[float],
    results: Sequence[float],
    received: Sequence[float] | None = None,
) -> list[int]:
    """Flags of rows at `minutes` after T0; each is received a second later unless `received` is given."""
    time = T0 + (np.array(minutes) * MINUTE).astype(np.int64)
    receipt = time + 1_000_000 if received is None else T0 + (np.array(received) * MINUTE).astype(np.int64)
    found: list[int] = run(planned, time, np.array(results, np.float64), receipt).flags.tolist()
    return found


def check(name: str, minutes: Sequence[float], results: Sequence[float], **parameters: Any) -> list[int]:
    return flags(plan([(name, parameters)]), minutes, results)


# -- one check at a time


def test_the_bounds_of_a_range_belong_to_it() -> None:
    results = [-5.01, -5, -3, 0, 80, 80.01, 100, 100.01, float("inf"), float("-inf")]
    found = check(
        "gross_range", list(range(10)), results, fail_low=-5, fail_high=100, suspect_low=-3, suspect_high=80
    )
    assert found == [F, S, P, P, P, S, S, F, F, F]


def test_small_negative_results_pass_where_the_range_allows_them() -> None:
    assert check("gross_range", [0, 1], [-0.4, 0.4], fail_low=-5, fail_high=100) == [P, P]


def test_a_code_fails_also_where_a_conversion_moved_its_last_digit() -> None:
    fahrenheit = (185.0 - 32) / 1.8  # 85.00000000000001
    results = [85, fahrenheit, 85.001, -127, 127, 0, 1e-10]
    assert check("codes", list(range(7)), results, values=[85, -127, 0]) == [F, F, P, F, P, F, F]


def test_a_single_result_that_stands_out_on_one_side_is_a_spike() -> None:
    found = check("spike", list(range(9)), [1, 1, 9, 2, 1, -9.1, 1, 4, 4], suspect_by=2, fail_by=7)
    assert found == [N, P, S, P, P, F, P, P, N]


def test_the_distance_of_a_spike_belongs_to_what_passes() -> None:
    assert check("spike", [0, 1, 2], [1, 3, 1], suspect_by=2, fail_by=7) == [N, P, N]
    assert check("spike", [0, 1, 2], [1, 8, 0], suspect_by=2, fail_by=7) == [N, S, N]


def test_a_rise_or_a_peak_of_two_is_no_spike() -> None:
    assert check("spike", [0, 1, 2, 3], [0, 90, 180, 400], suspect_by=2, fail_by=7) == [N, P, P, N]
    assert check("spike", [0, 1, 2, 3], [0, 90, 90, 0], suspect_by=2, fail_by=7) == [N, P, P, N]


def test_nobody_knows_a_spike_beside_a_silence() -> None:
    gap = {"suspect_by": 2, "fail_by": 7, "longest_gap_s": 120}
    assert check("spike", [0, 1, 2, 4, 5, 6, 7], [0, 0, 90, 0, 0, 90, 0], **gap) == [N, P, F, P, P, F, N]
    assert check("spike", [0, 1, 2, 4.1, 5, 6, 7], [0, 0, 90, 0, 0, 90, 0], **gap) == [N, P, N, N, P, F, N]
    assert check("spike", [], [], **gap) == []
    assert check("spike", [0], [90], **gap) == [N]


def test_a_spike_that_comes_twice_does_not_hide_itself() -> None:
    assert check("spike", [0, 1, 1, 2], [0, 90, 90, 0], suspect_by=2, fail_by=7) == [N, F, F, N]


def test_an_endless_result_is_a_spike() -> None:
    endless = float("inf")
    assert check("spike", [0, 1, 2], [0, endless, 0], suspect_by=2, fail_by=7) == [N, F, N]
    assert check("spike", [0, 1, 2], [endless, endless, endless], suspect_by=2, fail_by=7) == [N, P, N]


def test_a_stuck_run_is_flagged_from_its_first_result_to_its_last() -> None:
    minutes = [10.0 * n for n in range(12)]
    assert check("flat_line", minutes, [1, 2, *[3] * 7, 4, 5, 6], suspect_s=1800, fail_s=3600) == [
        P,
        P,
        *[F] * 7,
        P,
        P,
        P,
    ]
    assert check("flat_line", minutes, [1, 2, *[3] * 6, 4, 5, 6, 7], suspect_s=1800, fail_s=3600) == [
        P,
        P,
        *[S] * 6,
        *[P] * 4,
    ]
    assert (
        check("flat_line", minutes, [1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10], suspect_s=1800, fail_s=3600)
        == [P] * 12
    )


def test_a_run_is_measured_in_time_so_that_a_denser_one_is_not_longer() -> None:
    """2 Hz for a minute is 121 equal results, and one minute."""
    assert (
        check("flat_line", [n / 120 for n in range(121)], [3.0] * 121, suspect_s=1800, fail_s=3600)
        == [P] * 121
    )


def test_a_long_silence_ends_a_run() -> None:
    minutes = [0, 10, 20, 61, 71, 81]
    assert check("flat_line", minutes, [3.0] * 6, suspect_s=1800, fail_s=3600, longest_gap_s=2400) == [P] * 6
    assert check("flat_line", minutes, [3.0] * 6, suspect_s=1800, fail_s=3600, longest_gap_s=2460) == [F] * 6


def test_a_slow_drift_is_not_stuck_and_a_trembling_series_is() -> None:
    minutes = [10.0 * n for n in range(13)]
    stuck: dict[str, Any] = {"suspect_s": 1800, "fail_s": 3600, "tolerance": 1.0}
    assert check("flat_line", minutes, [0.5 * n for n in range(13)], **stuck) == [P] * 13
    assert check("flat_line", minutes, [n % 2 for n in range(13)], **stuck) == [F] * 13


def test_the_stretches_of_a_tolerant_check_may_overlap() -> None:
    """Rows 0–4 lie within 1, so do rows 2–6: all are in a stretch of 40 minutes."""
    results = [0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0]
    assert (
        check("flat_line", [10.0 * n for n in range(7)], results, tolerance=1.0, suspect_s=2400, fail_s=9000)
        == [S] * 7
    )


def test_repeated_future_and_hasty_stamps() -> None:
    planned = plan([("time_syntax", {"shortest_s": 60, "future_s": 600})])
    assert flags(planned, [0, 10, 10, 20, 20.5, 30], [1, 2, 3, 4, 5, 6]) == [P, P, F, P, S, P]
    assert flags(planned, [0, 10, 20], [1, 2, 3], received=[0, 0, 9.9]) == [P, P, F]


def test_of_two_results_with_one_stamp_the_one_received_later_fails_whatever_the_order() -> None:
    planned = plan([("time_syntax", {})])
    assert flags(planned, [0, 5, 5], [1, 2, 3], received=[1, 9, 8]) == [P, F, P]
    assert flags(planned, [5, 5, 0], [3, 2, 1], received=[8, 9, 1]) == [P, F, P]


# -- several checks


def test_the_worst_flag_wins_and_not_evaluated_never_hides_behind_pass() -> None:
    rows = [np.array(one, np.int8) for one in ([P, P, N, N, S, F], [P, N, N, S, F, N])]
    assert roll_up(rows, 6).tolist() == [P, P, N, S, F, F]
    assert roll_up([], 2).tolist() == [N, N]


def test_no_observation_gets_no_flag_and_one_is_judged() -> None:
    for planned in PLANS:
        assert flags(planned, [], []) == []
        assert flags(planned, [0], [3.0]) == [P]
        assert flags(planned, [0], [300.0]) == [F]


def test_without_a_check_nothing_is_good() -> None:
    assert flags([], [0, 1], [1.0, 2.0]) == [N, N]


def test_a_check_planned_twice_applies_twice() -> None:
    twice = plan(
        [
            ("gross_range", {"fail_low": 0, "fail_high": 10}),
            ("gross_range", {"fail_low": -100, "fail_high": 5}),
        ]
    )
    assert flags(twice, [0, 1, 2], [-1, 3, 7]) == [F, P, F]


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("sniff", {}, "There is no check 'sniff'; known are time_syntax, "),
        ("gross_range", {"fail_low": 0}, "Check gross_range: fail_high: Field required"),
        ("gross_range", {"fail_low": 5, "fail_high": 5}, "fail_low must lie below fail_high"),
        (
            "gross_range",
            {"fail_low": 0, "fail_high": 5, "suspect_low": -1},
            "suspect_low must not lie below fail_low",
        ),
        ("gross_range", {"fail_low": 0, "fail_high": float("nan")}, "Check gross_range: fail_high"),
        ("spike", {"suspect_by": 20, "fail_by": 10}, "suspect_by must not be larger than fail_by"),
        ("flat_line", {"suspect_s": 20, "fail_s": 10}, "suspect_s must not be longer than fail_s"),
        ("codes", {"values": []}, "Check codes: values: List should have at least 1 item"),
        ("flat_line", {"suspect_s": 1, "fail_s": 2, "eps": 1}, "Check flat_line: eps: Extra inputs"),
    ],
)
def test_a_plan_that_cannot_be_run_says_which_check_and_parameter(
    name: str, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(CorrectInput, match=message):
        plan([(name, parameters)])


def test_the_parameters_of_a_run_are_told_in_one_form() -> None:
    one, other = plan([RANGE, TIMES]), plan([TIMES, RANGE])
    assert parameters_text(one) == parameters_text(other)


# -- any order, any batches, any stamps: every registered check

NUMBERS = st.sampled_from([0.0, 0.3, 1.0, 3.0, 4.0, 60.0, 90.0, 600.0, 1200.0, 1800.0, 3600.0])
"""Levels, tolerances and spans (s) of the size of the rows below."""
SEVERAL = "several"
every_check = pytest.mark.parametrize("name", [*CHECKS, SEVERAL])


def guess(field: FieldInfo) -> st.SearchStrategy[Any]:
    kind = field.annotation
    assert kind is not None
    if get_origin(kind) is list:
        return st.lists(NUMBERS, min_size=1, max_size=3)
    return NUMBERS if float in (kind, *get_args(kind)) else st.from_type(kind)


def is_valid(name: str, parameters: dict[str, Any]) -> bool:
    try:
        plan([(name, parameters)])
    except CorrectInput:
        return False
    return True


def plans(name: str) -> st.SearchStrategy[list[Planned]]:
    """One check with any of its valid parameters, by their model; or several checks together."""
    if name == SEVERAL:
        return st.sampled_from(PLANS)
    fields = CHECKS[name].parameters.model_fields
    required = {key: guess(field) for key, field in fields.items() if field.is_required()}
    optional = {key: guess(field) for key, field in fields.items() if not field.is_required()}
    parameters = st.fixed_dictionaries(required, optional=optional)
    return parameters.filter(lambda found: is_valid(name, found)).map(lambda found: plan([(name, found)]))


@st.composite
def rows(draw: st.DrawFn, *, repeats: bool) -> tuple[Ints, Floats, Ints]:
    """Irregular stamps with silences, results that stick, tremble and jump."""
    steps = draw(
        st.lists(st.sampled_from([0.5, 5, 10, 10, 10, 19, 21, 90] + ([0.0] if repeats else [])), max_size=40)
    )
    time = T0 + (np.cumsum([0.0, *steps]) * MINUTE).astype(np.int64)
    size = len(time)
    result = draw(
        st.lists(st.sampled_from([3.0, 3.0, 3.0, 3.4, 4.0, 4.2, 90.0, 120.0]), min_size=size, max_size=size)
    )
    delay = draw(st.lists(st.sampled_from([-20, 0, 1]), min_size=size, max_size=size))
    return time, np.array(result), time + np.array(delay, np.int64) * MINUTE


@every_check
@settings(max_examples=examples(quick=40, nightly=100), deadline=None)
@given(data=rows(repeats=True), draw=st.data(), seed=st.integers(0, 2**16))
def test_any_order_of_the_rows_gives_the_same_flags(
    name: str, data: tuple[Ints, Floats, Ints], draw: st.DataObject, seed: int
) -> None:
    time, result, received = data
    planned = draw.draw(plans(name))
    order = np.random.default_rng(seed).permutation(len(time))
    one = run(planned, time, result, received)
    other = run(planned, time[order], result[order], received[order])

    def by_row(t: Ints, r: Floats, at: Ints, found: NDArray[np.int8]) -> list[tuple[int, int, float, int]]:
        return sorted(zip(t.tolist(), at.tolist(), r.tolist(), found.tolist(), strict=True))

    assert by_row(time, result, received, one.flags) == by_row(
        time[order], result[order], received[order], other.flags
    )


def judged_in_batches(
    planned: list[Planned], data: tuple[Ints, Floats, Ints], batches: list[Ints]
) -> list[int]:
    """Works like the jobs: judges new rows, rows that they may change, and as many rows again as context,
    whose flags are not kept.
    """
    time, result, received = data
    kept = np.zeros(len(time), np.int8)
    here = np.zeros(len(time), bool)
    margin = margin_us(planned)
    for batch in batches:
        here[batch] = True
        since = int(time[batch].min()) - margin
        seen = np.flatnonzero(here & (time >= since - margin))
        found = run(planned, time[seen], result[seen], received[seen])
        saved = time[seen] >= since
        kept[seen[saved]] = found.flags[saved]
    return kept.tolist()


@every_check
@settings(max_examples=examples(quick=60, nightly=200), deadline=None)
@given(
    data=rows(repeats=False),
    draw=st.data(),
    seed=st.integers(0, 2**16),
    shuffled=st.booleans(),
    size=st.integers(1, 12),
)
def test_any_split_into_batches_gives_the_same_flags(
    name: str, data: tuple[Ints, Floats, Ints], draw: st.DataObject, seed: int, shuffled: bool, size: int
) -> None:
    """Batches in order, or late and out of order."""
    planned = draw.draw(plans(name))
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data[0])) if shuffled else np.arange(len(data[0]))
    cuts = np.arange(size, len(order), size)
    batches = [batch for batch in np.split(order, cuts) if len(batch)]
    assert judged_in_batches(planned, data, batches) == run(planned, *data).flags.tolist()


@every_check
@settings(max_examples=examples(quick=25, nightly=50), deadline=None)
@given(data=rows(repeats=False), draw=st.data())
def test_moving_all_stamps_moves_no_flag(
    name: str, data: tuple[Ints, Floats, Ints], draw: st.DataObject
) -> None:
    time, result, received = data
    planned = draw.draw(plans(name))
    for shift in (1, 1_000, 1_000_000, -T0, 10**15):
        assert np.array_equal(
            run(planned, time, result, received).flags,
            run(planned, time + shift, result, received + shift).flags,
        )


@pytest.mark.parametrize("resolution_us", [1, 1_000, 1_000_000], ids=["µs", "ms", "s"])
def test_stamps_of_seconds_milliseconds_and_microseconds_give_the_same_flags(resolution_us: int) -> None:
    """A device that rounds its time stamps down is judged like one that does not."""
    rng = np.random.default_rng(11)
    time = T0 + np.cumsum(rng.integers(580, 620, 300)) * 1_000_000 + rng.integers(0, 1_000_000, 300)
    result = np.where((np.arange(300) // 20) % 3 == 0, 7.0, rng.normal(20, 5, 300))
    result[::37] = 130
    rounded = time // resolution_us * resolution_us
    planned = PLANS[0]
    found = run(planned, rounded, result, rounded + 2_000_000).flags
    assert np.array_equal(found, run(planned, time, result, time + 2_000_000).flags)
    assert {P, F} <= set(found.tolist())
