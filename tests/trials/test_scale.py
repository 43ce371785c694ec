"""Averaging scales, against means worked out by hand and with the formulas of the textbooks, written out once
more here.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from insitu.arrays import Floats, Ints
from insitu.errors import CorrectInput
from insitu.model import AveragingScale
from insitu.scales import decade_of, is_level, require_scale, turn_of
from insitu.times import to_us
from trials.plan.rules import Rules
from trials.series.exposure import amounts, held, usual_spacing_us
from trials.series.scale import ARITHMETIC, DEGREES, ENERGETIC, SUM, TIME_WEIGHTED, Scale, scale_of

MINUTE = 60_000_000
HOUR = 60 * MINUTE
ZERO = to_us(datetime(2026, 3, 1, tzinfo=UTC))


def floats(*values: float) -> Floats:
    return np.array(values, np.float64)


def apart(a: float, b: float, turn: float = 360.0) -> float:
    """How far two directions are from each other."""
    return abs((a - b + turn / 2) % turn - turn / 2)


# -- by hand


@pytest.mark.parametrize(
    ("directions", "mean"),
    [
        ([359.0, 1.0], 0.0),
        ([350.0, 20.0], 5.0),
        ([0.0, 90.0], 45.0),
        ([-10.0, 370.0], 0.0),
        ([170.0, -170.0], 180.0),
        ([0.0, 0.0, 90.0], 26.565051177077986),  # atan(1/2)
        ([90.0, 90.0, 90.0, 210.0], 109.10660535086909),  # 90° + atan((√3/2)/(5/2))
    ],
)
def test_the_mean_of_directions_is_that_of_their_vectors(directions: list[float], mean: float) -> None:
    assert apart(DEGREES.mean(np.array(directions)), mean) < 1e-7


def test_directions_that_cancel_have_no_mean() -> None:
    for cancel in ([0.0, 180.0], [0.0, 90.0, 180.0, 270.0], [10.0, 130.0, 250.0]):
        assert math.isnan(DEGREES.mean(np.array(cancel)))
        assert DEGREES.length(np.array(cancel)) == pytest.approx(0, abs=1e-12)
    assert DEGREES.length(floats(0, 90)) == pytest.approx(math.sqrt(0.5))
    assert DEGREES.length(floats(77, 77)) == pytest.approx(1)


def test_directions_differ_the_shorter_way_round() -> None:
    assert DEGREES.difference(floats(1, 359, 180, 0, 90), floats(359, 1, 0, 180, 450)).tolist() == [
        2,
        -2,
        180,
        180,
        0,
    ]
    assert DEGREES.spread(floats(350, 10)) == pytest.approx(math.sqrt(200))


def test_levels_are_averaged_as_powers() -> None:
    """60 and 70 dB: 10·log10((10⁶ + 10⁷)/2); 6 and 7 bel are the same; of nepers the amplitudes' squares
    count.
    """
    assert ENERGETIC.mean(floats(60, 70)) == pytest.approx(10 * math.log10(5.5e6))
    bel = scale_of("energetic", "B[SPL]", Rules())
    assert bel.mean(floats(6, 7)) == pytest.approx(math.log10(5.5e6))
    neper = scale_of("energetic", "Np", Rules())
    assert neper.mean(floats(0, 1)) == pytest.approx(math.log((1 + math.exp(2)) / 2) / 2)
    assert ENERGETIC.mean(floats(60, 70), floats(3, 1)) == pytest.approx(10 * math.log10(3.25e6))
    assert ENERGETIC.difference(floats(60), 70.0).tolist() == [-10]


def test_other_scales_add_values_as_they_are() -> None:
    for scale in (ARITHMETIC, SUM, TIME_WEIGHTED):
        assert scale.mean(floats(1, 2, 6)) == 3
        assert scale.spread(floats(1, 3)) == pytest.approx(math.sqrt(2))
        assert math.isnan(scale.length(floats(1, 2)))


def test_by_rules_1_every_scale_but_the_energetic_is_arithmetic() -> None:
    for name in AveragingScale:
        expected = ENERGETIC if name is AveragingScale.ENERGETIC else ARITHMETIC
        assert scale_of(name, "deg", Rules(1)) == expected
    assert scale_of("circular", "deg", Rules()) == DEGREES
    assert scale_of("circular", "rad", Rules()).turn == pytest.approx(2 * math.pi)


# -- properties

angles = st.lists(st.floats(-720, 720), min_size=1, max_size=12)


@given(angles, st.floats(-1000, 1000))
def test_turning_all_directions_turns_their_mean_and_nothing_else(
    given_angles: list[float], by: float
) -> None:
    values = np.array(given_angles)
    assume(DEGREES.length(values) > 1e-3)
    turned = values + by
    assert apart(DEGREES.mean(turned), DEGREES.mean(values) + by) < 1e-6
    assert DEGREES.length(turned) == pytest.approx(DEGREES.length(values), abs=1e-9)
    assert DEGREES.spread(turned) == pytest.approx(DEGREES.spread(values), abs=1e-3, nan_ok=True)


@given(angles)
def test_the_mean_direction_is_that_of_the_sum_of_sines_and_cosines(given_angles: list[float]) -> None:
    across = math.fsum(math.sin(math.radians(a)) for a in given_angles)
    along = math.fsum(math.cos(math.radians(a)) for a in given_angles)
    assume(math.hypot(across, along) > 1e-3 * len(given_angles))
    found = DEGREES.mean(np.array(given_angles))
    assert 0 <= found < 360
    assert apart(found, math.degrees(math.atan2(across, along))) < 1e-6


@given(st.lists(st.floats(-60, 150), min_size=1, max_size=10), st.floats(-50, 50))
def test_a_mean_level_lies_between_and_moves_with_its_levels(levels: list[float], by: float) -> None:
    values = np.array(levels)
    found = ENERGETIC.mean(values)
    assert values.mean() - 1e-9 <= found <= values.max() + 1e-9
    assert ENERGETIC.mean(values + by) == pytest.approx(found + by, abs=1e-9)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8), st.integers(0, 7))
def test_every_mean_of_parts_weighed_by_their_size_is_the_mean_of_all(values: list[float], cut: int) -> None:
    for scale in (ARITHMETIC, ENERGETIC, DEGREES, SUM, TIME_WEIGHTED):
        whole = np.clip(np.array(values), -100, 150) if scale.is_level else np.array(values)
        parts = [part for part in (whole[:cut], whole[cut:]) if len(part)]
        folded = sum(complex(np.sum(scale.fold(part))) for part in parts) / len(whole)
        assert complex(np.mean(scale.fold(whole))) == pytest.approx(folded, rel=1e-9, abs=1e-9)


# -- results that hold


def slots(number: int) -> Ints:
    return ZERO + HOUR * np.arange(number + 1, dtype=np.int64)


def at(*minutes: float) -> Ints:
    return ZERO + np.array([round(minute * MINUTE) for minute in minutes], np.int64)


def all_usable(values: Floats) -> np.ndarray:
    return np.ones(len(values), bool)


def test_a_result_holds_until_the_next_one_and_no_longer_than_it_may() -> None:
    """10 for 45 of 60 minutes, then 50: 20. It holds into the second hour, at most half an hour: until 75
    minutes, a quarter of that hour. Nothing is known of the third.
    """
    values = floats(10, 50)
    means, shares = held(slots(3), at(0, 45), values, all_usable(values), 45 * MINUTE)
    assert means[:2].tolist() == pytest.approx([20, 50])
    assert shares.tolist() == pytest.approx([1, 0.5, 0])
    assert math.isnan(means[2])


def test_a_result_that_is_not_usable_ends_the_one_before_and_holds_itself_for_nothing() -> None:
    values = floats(10, 999, 20)
    means, shares = held(slots(1), at(0, 15, 45), values, np.array([True, False, True]), 2 * HOUR)
    assert means[0] == pytest.approx(15)  # a quarter of an hour of each
    assert shares[0] == pytest.approx(0.5)


def test_a_result_before_the_first_slot_holds_into_it() -> None:
    values = floats(4)
    means, shares = held(slots(1), at(-30), values, all_usable(values), HOUR)
    assert (means[0], shares[0]) == (4, 0.5)


stamps = st.lists(st.integers(-90, 300), min_size=1, max_size=15, unique=True)


@given(stamps, st.data())
def test_saying_the_same_again_changes_no_time_weighted_mean(minutes: list[int], data: st.DataObject) -> None:
    """A device that repeats its value in the middle of its stretch has said nothing new."""
    values = np.array(data.draw(st.lists(st.floats(-100, 100), min_size=len(minutes), max_size=len(minutes))))
    order = np.argsort(minutes)
    times = at(*np.array(minutes, float)[order])
    which = data.draw(st.integers(0, len(minutes) - 1))
    longest = 10**6 * HOUR  # none ends by itself
    until = times[which + 1] if which + 1 < len(times) else slots(4)[-1]
    between = (times[which] + until) // 2
    assume(times[which] < between < until)
    plain = held(slots(4), times, values, all_usable(values), longest)
    again = np.insert(times, which + 1, between), np.insert(values, which + 1, values[which])
    split = held(slots(4), *again, all_usable(again[1]), longest)
    for one, other in zip(plain, split, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-9)


@given(stamps, st.integers(1, 200), st.data())
def test_a_time_weighted_mean_is_what_a_walk_through_the_minutes_finds(
    minutes: list[int], longest: int, data: st.DataObject
) -> None:
    values = np.array(data.draw(st.lists(st.floats(-100, 100), min_size=len(minutes), max_size=len(minutes))))
    usable = np.array(data.draw(st.lists(st.booleans(), min_size=len(minutes), max_size=len(minutes))))
    means, shares = held(slots(4), at(*minutes), values, usable, longest * MINUTE)
    known = sorted(zip(minutes, values.tolist(), usable.tolist(), strict=True))
    for slot in range(4):
        seen = []
        for minute in range(60 * slot, 60 * slot + 60):
            last = [one for one in known if one[0] <= minute]
            if last and last[-1][2] and minute - last[-1][0] < longest:
                seen.append(last[-1][1])
        assert shares[slot] == pytest.approx(len(seen) / 60)
        assert means[slot] == pytest.approx(
            sum(seen) / len(seen) if seen else math.nan, abs=1e-9, nan_ok=True
        )


# -- amounts


def test_an_amount_counts_for_the_results_that_were_lost_too() -> None:
    """Every quarter of an hour 2 litres: 8 in an hour, also where one of four is lost; of one alone no hour
    can be told.
    """
    minutes = [minute for minute in range(0, 240, 15) if minute not in (60, 120, 135, 150)]
    values = np.full(len(minutes), 2.0)
    found = amounts(slots(4), at(*minutes), values, all_usable(values), share=0.75)
    assert found[[0, 1, 3]].tolist() == [8, 8, 8]
    assert math.isnan(found[2])


def test_amounts_of_irregular_results_are_their_sum() -> None:
    minutes, values = at(1, 2, 40, 59, 61), floats(1, 2, 3, 4, 5)
    assert usual_spacing_us(minutes) is None
    assert amounts(slots(2), minutes, values, all_usable(values), share=0.75).tolist() == [10, 5]


def test_a_stamp_that_slips_over_the_border_makes_no_litre_more_or_less() -> None:
    """Ten seconds late on average: the hour has three results or five, and the amount of four."""
    minutes = [0, 15, 30, 44.9, 59.95, 74.95, 90, 105, 119.9, 135, 150, 165]
    values = np.full(len(minutes), 2.0)
    found = amounts(slots(3), at(*minutes), values, all_usable(values), share=0.7)
    assert found.tolist() == pytest.approx([8, 8, 8])


@given(
    st.lists(st.floats(0, 1e4), min_size=24, max_size=24),
    st.sampled_from([1, 2, 3, 4, 6, 12]),
    st.sampled_from([1, 2, 4]),
)
def test_the_amounts_of_parts_add_up_to_the_whole(values: list[float], hours: int, each: int) -> None:
    """`each` results an hour over 24/each hours, in slots of 1 h and of `hours` h."""
    whole = 24 // each
    assume(whole % hours == 0)
    times = at(*(60 / each * number for number in range(24)))
    given_values = np.array(values)
    fine = amounts(slots(whole), times, given_values, all_usable(given_values), share=0.75)
    coarse = amounts(slots(whole)[::hours], times, given_values, all_usable(given_values), share=0.75)
    assert fine.reshape(-1, hours).sum(axis=1) == pytest.approx(coarse, abs=1e-9)
    assert coarse.sum() == pytest.approx(math.fsum(values), abs=1e-6)


# -- units


@pytest.mark.parametrize("unit", ["dB", "dB[SPL]", "B", "B[W]", "dB[10.nV]", "Np", "dB/m", "dB{A}", "mB"])
def test_a_level_must_name_its_scale(unit: str) -> None:
    assert is_level(unit)
    with pytest.raises(CorrectInput, match='Add the line averaging_scale = "energetic"'):
        require_scale("laeq", unit, None)
    assert require_scale("laeq", unit, AveragingScale.ARITHMETIC) is AveragingScale.ARITHMETIC
    for other in ("circular", "sum", "time_weighted"):
        with pytest.raises(CorrectInput):
            require_scale("laeq", unit, AveragingScale(other))


@pytest.mark.parametrize(
    "unit", ["ug/m3", "Bq/m3", "By", "kBy/s", "Cel", "1", "%", "[Btu_IT]", "{dB}", "Bi", "kW.h"]
)
def test_other_units_need_no_word(unit: str) -> None:
    assert not is_level(unit)
    assert decade_of(unit) is None
    assert require_scale("property", unit, None) is AveragingScale.ARITHMETIC


def test_an_angle_must_say_whether_it_is_a_direction() -> None:
    for unit in ("deg", "rad", "gon", "deg{true}"):
        assert turn_of(unit) is not None
        with pytest.raises(CorrectInput, match='averaging_scale = "circular"'):
            require_scale("wind", unit, None)
        assert require_scale("wind", unit, AveragingScale.CIRCULAR) is AveragingScale.CIRCULAR
        assert require_scale("tilt", unit, AveragingScale.ARITHMETIC) is AveragingScale.ARITHMETIC
    assert turn_of("deg/s") is None


@pytest.mark.parametrize(
    ("unit", "scale"), [("ug/m3", "energetic"), ("m/s", "circular"), ("deg/s", "circular")]
)
def test_a_scale_that_the_unit_does_not_admit_is_refused(unit: str, scale: str) -> None:
    with pytest.raises(CorrectInput, match=scale):
        require_scale("property", unit, AveragingScale(scale))


def test_a_scale_of_no_unit_gives_no_number() -> None:
    unknown: Scale = scale_of("circular", "m/s", Rules())
    assert math.isnan(unknown.mean(floats(1, 2)))
