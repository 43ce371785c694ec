"""The Lden of a day by hand: whatever is lost of it, day, evening and night weigh 12, 4 and 8 hours."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trials.test_aggregate import AUTUMN, SPRING, one_day, unit_of
from tests.trials.world import HOUR, START, Floats
from trials.plan.aggregation import Aggregation
from trials.series.aggregate import day_values
from trials.series.scale import ENERGETIC

LOUDER = [10.0] * 6 + [0.0] * 12 + [5.0] * 4 + [10.0] * 2
"""Added to the level of each hour for Lden, dB."""
OF_PART = [8 / 24] * 6 + [12 / 24] * 12 + [4 / 24] * 4 + [8 / 24] * 2


def lden_by_hand(levels: Floats) -> float:
    """Each part of the day weighs as many hours as the directive gives it, if half of its hours are there."""
    there = np.isfinite(levels)
    total = 0.0
    for weight in (12 / 24, 4 / 24, 8 / 24):
        hours = [h for h in range(24) if there[h] and OF_PART[h] == weight]
        if len(hours) < 12 * weight:
            return math.nan
        total += weight * sum(10 ** ((levels[h] + LOUDER[h]) / 10) for h in hours) / len(hours)
    return 10 * math.log10(total)


@given(st.lists(st.floats(20, 110), min_size=24, max_size=24), st.sets(st.integers(0, 23), max_size=8))
def test_lden_weighs_day_evening_and_night_whatever_is_lost_of_them(
    levels: list[float], lost: set[int]
) -> None:
    values = np.array(levels)
    values[list(lost)] = np.nan
    found = one_day(Aggregation(name="lden"), values, scale=ENERGETIC)
    wanted = lden_by_hand(values) if len(lost) <= 6 else math.nan  # 18 of 24 are three quarters
    assert found == pytest.approx(wanted, abs=1e-9, nan_ok=True)


def test_a_day_without_half_of_its_evening_has_no_lden() -> None:
    silent = np.full(24, 60.0)
    silent[18:21] = np.nan
    assert math.isnan(one_day(Aggregation(name="lden"), silent, scale=ENERGETIC))
    assert one_day(Aggregation(name="mean"), silent, scale=ENERGETIC) == pytest.approx(60)
    silent[20] = 60.0
    assert one_day(Aggregation(name="lden"), silent, scale=ENERGETIC) == pytest.approx(66.39, abs=0.01)


def test_a_window_over_most_of_the_night_leaves_no_lden() -> None:
    """Nobody plans the hours of a window, and a night of three hours is none all the same."""
    unit = unit_of(np.full(24, 60.0))
    unit.value[:5] = np.nan
    in_window = replace(unit, excused=np.isnan(unit.value))
    assert math.isnan(day_values(Aggregation(name="lden"), in_window, share=0.75, scale=ENERGETIC)[0])
    before = day_values(Aggregation(name="lden"), in_window, share=0.75, scale=ENERGETIC, by_part=False)
    assert before[0] < 65.2


@pytest.mark.parametrize(("start", "hours"), [(SPRING, 23), (AUTUMN, 25)])
def test_lden_of_a_day_on_which_the_clocks_change_weighs_a_night_of_eight_hours(
    start: datetime, hours: int
) -> None:
    night = hours - 12 - 4 - 2
    levels = [50.0] * night + [60.0] * 12 + [55.0] * 4 + [50.0] * 2
    unit = unit_of(levels, start=start)
    (found,) = day_values(Aggregation(name="lden"), unit, share=0.75, scale=ENERGETIC)
    assert found == pytest.approx(60)
    (before,) = day_values(Aggregation(name="lden"), unit, share=0.75, scale=ENERGETIC, by_part=False)
    assert before == pytest.approx(60)  # every hour of it is 60 dB with its penalty
    levels[0] = 70.0
    (found,) = day_values(Aggregation(name="lden"), unit_of(levels, start=start), share=0.75, scale=ENERGETIC)
    of_night = (10**8 + (night + 1) * 10**6) / (night + 2)
    assert found == pytest.approx(10 * math.log10((16 * 10**6 + 8 * of_night) / 24))


def test_a_day_that_the_period_cuts_needs_half_of_a_whole_night() -> None:
    """From 6 h on, eighteen hours are three quarters of a day, and two hours are no night."""
    levels = np.full(18 + 24, 60.0)
    found = day_values(
        Aggregation(name="lden"), unit_of(levels, start=START + 6 * HOUR), share=0.75, scale=ENERGETIC
    )
    assert np.isnan(found).tolist() == [True, False]
