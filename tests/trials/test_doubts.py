"""The error of an estimated tail: blocks left out by hand, and months whose truth is a formula."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from insitu.arrays import Floats
from tests.trials.world import START
from trials.judge.doubts import Parts, errors_of, lost_above_doubted, sizes_doubted
from trials.judge.tails import lost_above_leaning, lost_on_both_sides_heavy
from trials.series.slots import Calendar, Unit

HOURS = 720
HALF = 2.05 * 1.3
"""Half-width of an interval of 30 days, in standard errors of a mean over independent hours."""


def month(values: Floats) -> Unit:
    calendar = Calendar.of(START, START + timedelta(hours=len(values)), timedelta(hours=1), "Etc/GMT-1")
    return Unit("one", calendar, values, np.zeros(calendar.n, bool))


def without(values: Floats, by: Floats, share: float) -> Floats:
    """The hours in which `by` is highest are lost."""
    kept = values.copy()
    kept[np.argsort(by)[len(by) - round(share * len(by)) :]] = np.nan
    return kept


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), loss=st.floats(0, 0.4))
def test_the_error_of_a_mean_is_that_of_ten_blocks_of_three_days(seed: int, loss: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(20, 4, HOURS)
    values[rng.random(HOURS) < loss] = np.nan
    parts = Parts.of([month(values)])
    left = [np.nanmean(np.delete(values, np.s_[72 * k : 72 * k + 72])) for k in range(10)]
    assert errors_of(parts, lambda seen, _: seen) == pytest.approx([3 * np.std(left)], rel=1e-9)
    assert parts.lost.tolist() == np.isnan(values).reshape(10, 72).sum(axis=1).tolist()
    assert parts.values.tolist() == sorted(values[np.isfinite(values)])
    for number in range(10):
        block = values[72 * number : 72 * number + 72]
        assert parts.values[parts.block == number].tolist() == sorted(block[np.isfinite(block)])
    found = [lost for _, lost in parts.without()]
    assert found == [int(parts.lost.sum() - one) for one in parts.lost]


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.02, 0.24),
    days=st.integers(1, 40),
    sign=st.sampled_from([-1.0, 1.0]),
)
def test_a_doubted_tail_lies_no_nearer_and_moves_with_its_values(
    seed: int, share: float, days: int, sign: float
) -> None:
    rng = np.random.default_rng(seed)
    values = sign * np.exp(rng.normal(0, 0.6, 24 * days))
    kept = without(values, sign * values, share)
    parts = Parts.of([month(kept)]).towards(sign)
    lost = int(np.isnan(kept).sum())
    plain, doubted = lost_above_leaning(parts.values, lost, masses=True), lost_above_doubted(parts, lost)
    assert len(plain) == len(doubted)
    assert np.isfinite(doubted).all()
    assert (doubted >= plain).all()
    moved = Parts.of([month(4 * kept + 64)]).towards(sign)
    again = lost_above_doubted(moved, lost)
    assert again == pytest.approx(4 * doubted + sign * 64, rel=1e-6, abs=1e-6)
    sizes = lost_on_both_sides_heavy(parts.values, lost)
    assert (sizes_doubted(parts, lost) >= sizes).all()


WORLDS = {
    "log-normal, .6": stats.lognorm(0.6, scale=20),
    "log-normal, .8": stats.lognorm(0.8, scale=20),
    "Gumbel": stats.gumbel_r(20, 3),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("share", [0.2, 0.225])
def test_the_mean_with_a_doubted_tail_is_too_low_in_few_months(world: str, share: float) -> None:
    """The highest hours are lost. By rules 4 it was too low in twice as many as may be."""
    number, low, low_before = 300, 0, 0
    for seed in range(number):
        values = WORLDS[world].rvs(HOURS, random_state=np.random.default_rng([seed, 61]))
        kept = without(values, values, share)
        parts, lost = Parts.of([month(kept)]), round(share * HOURS)
        for rules, tail in (
            (4, lost_above_leaning(parts.values, lost)),
            (5, lost_above_doubted(parts, lost)),
        ):
            whole = np.concatenate([parts.values, tail])
            is_low = (
                len(tail) == 0 or whole.mean() + HALF * np.std(whole) / np.sqrt(HOURS) < WORLDS[world].mean()
            )
            low, low_before = low + (is_low and rules == 5), low_before + (is_low and rules == 4)
    assert low / number <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / number)
    assert low <= low_before / 2


def test_equal_lowest_values_are_a_mass_where_they_are_most_of_what_would_be_mirrored() -> None:
    """A quarter reads 0, and 22.5 % are lost: the outer quantile lies at the edge of the zeros."""
    whole = np.maximum(0.0, stats.norm.ppf((np.arange(HOURS) + 0.5) / HOURS, 2.6, 4))
    lost = round(0.225 * HOURS)
    seen = whole[: HOURS - lost]
    assert len(lost_above_leaning(seen, lost, masses=True)) == lost
    few = stats.norm.ppf((np.arange(HOURS) + 0.5) / HOURS, 20, 4)
    few[:10] = few[10]
    assert len(lost_above_leaning(few[:-20], 20, masses=True)) == 0, "rounding makes no mass"
