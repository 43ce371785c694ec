"""Tails by the shape of what was seen (rules 4): against quantiles of SciPy's distributions, and in trials
whose truth is a formula. Nothing here uses `simulators` or `proving`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from insitu.arrays import Floats
from tests.examples import examples, some_of
from trials.designs import ask
from trials.judge.answers import judged
from trials.judge.tails import lost_above, lost_above_leaning, lost_on_both_sides_heavy

pytestmark = pytest.mark.long

START = {"reporting": datetime(2026, 3, 1, tzinfo=UTC)}
HOURS = 720
WHOLE = (np.arange(20_000) + 0.5) / 20_000


@pytest.mark.parametrize("share", [0.03, 0.08, 0.15, 0.22])
@pytest.mark.parametrize("sd", [0.4, 0.8])
def test_the_lost_tail_of_a_log_normal_above_any_background_is_that_of_scipy(sd: float, share: float) -> None:
    whole = 40 + 5 * stats.lognorm.ppf(WHOLE, sd)
    lost = round(share * len(whole))
    found = lost_above_leaning(whole[:-lost], lost)
    beyond = found.mean() / whole[-lost:].mean()
    assert 0.99 <= beyond <= (1.02 if share < 0.1 else 1.15), "a margin, the larger the more is lost"
    assert lost_above(whole[:-lost], lost).mean() < whole[-lost:].mean() - 1


def test_a_symmetric_tail_is_mirrored_and_no_other_is_made() -> None:
    whole = stats.norm.ppf(WHOLE, 20, 4)
    assert len(lost_above_leaning(whole[:-1000], 1000)) == 0
    assert len(lost_above_leaning(whole[1000:][::-1] * -1, 1000)) == 0


def test_values_cut_at_a_limit_of_detection_have_the_tail_of_their_upper_half() -> None:
    """A third of normal values reads 0: their mirror image is no further than twice the median."""
    whole = np.maximum(0.0, stats.norm.ppf(WHOLE, 2, 3))
    lost = 3000
    assert lost_above(whole[:-lost], lost).mean() < 0.9 * whole[-lost:].mean()
    assert lost_above_leaning(whole[:-lost], lost).mean() >= 0.99 * whole[-lost:].mean()


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_the_largest_errors_of_a_heavy_distribution_return(share: float) -> None:
    """Tukey's h of .2, written down again."""
    z = stats.norm.ppf(WHOLE)
    whole = 3 * z * np.exp(0.1 * z**2)
    lost = round(share * len(whole))
    seen = whole[lost // 2 : len(whole) - lost // 2]
    true = np.concatenate([whole[: lost // 2], whole[len(whole) - lost // 2 :]])
    assert np.mean(lost_on_both_sides_heavy(seen, lost) ** 2) == pytest.approx(np.mean(true**2), rel=0.05)
    normal = stats.norm.ppf(WHOLE)[lost // 2 : len(whole) - lost // 2]
    assert len(lost_on_both_sides_heavy(normal, lost)) == 0 or share > 0.1


@settings(max_examples=examples(quick=60, nightly=400))
@given(
    st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=1, max_size=60),
    st.integers(0, 80),
    st.floats(0.1, 10),
    st.floats(-100, 100),
    st.booleans(),
)
def test_a_tail_moves_and_stretches_with_its_values_and_is_finite(
    values: list[float], lost: int, stretch: float, shift: float, told: bool
) -> None:
    """In quarters, so that equal values stay equal."""
    seen = np.sort(np.round(4 * np.array(values)) / 4)
    found = lost_above_leaning(seen, lost, told=told)
    assert np.isfinite(found).all()
    assert not len(found) or found[0] >= np.median(seen)
    assert (np.diff(found) >= 0).all()
    if len(found):
        scale = 2.0 ** round(np.log2(stretch))
        moved = lost_above_leaning(scale * seen + 64 * round(shift), lost, told=told)
        assert moved == pytest.approx(scale * found + 64 * round(shift), rel=1e-6, abs=1e-6)
    assert np.isfinite(lost_on_both_sides_heavy(seen, lost)).all()


# -- in whole trials


def chained(rng: np.random.Generator, phi: float) -> Floats:
    """A standard normal AR(1) of 720 hours."""
    made: Floats = lfilter([np.sqrt(1 - phi**2)], [1, -phi], rng.normal(size=HOURS + 400))[400:]
    return made


def log_normal(z: Floats) -> tuple[Floats, float]:
    return 10 * np.exp(0.6 * z), 10 * np.exp(0.18)


def above_a_background(z: Floats) -> tuple[Floats, float]:
    return 400 + 50 * np.exp(0.8 * z), 400 + 50 * np.exp(0.32)


def extreme_value(z: Floats) -> tuple[Floats, float]:
    return stats.gumbel_r.ppf(stats.norm.cdf(z), 20, 3), stats.gumbel_r.mean(20, 3)


def normal(z: Floats) -> tuple[Floats, float]:
    return 20 + 4 * z, 20.0


def limit(values: Floats, high: float) -> str:
    answer = ask(
        "limit_compliance",
        arms={"candidate": {"reporting": values}},
        start=START,
        interval=timedelta(hours=1),
        targets={"mean": (None, high)},
        parameters={"u_meas": 1e-6},
        bare=True,
    )
    return str(judged(answer, tell=False).verdict)


def without_highest(values: Floats, by: Floats, share: float) -> Floats:
    kept = values.copy()
    kept[np.argsort(by)[len(by) - round(share * len(by)) :]] = np.nan
    return kept


TRIALS = 60
MOST = 0.025 + 3 * np.sqrt(0.025 * 0.975 / TRIALS)


@pytest.mark.parametrize(
    ("world", "phi", "share"),
    some_of(
        [
            (world, phi, share)
            for world in (log_normal, above_a_background, extreme_value, normal)
            for phi, share in ((0.0, 0.1), (0.0, 0.2), (0.7, 0.1))
        ],
        every=4,
    ),
)
def test_what_is_silent_when_high_is_not_met_however_it_leans(world: Any, phi: float, share: float) -> None:
    """The truth lies on the limit."""
    met = 0
    for seed in range(TRIALS):
        values, truth = world(chained(np.random.default_rng([seed, 31]), phi))
        met += limit(without_highest(values, values, share), truth) == "met"
    assert met / TRIALS <= MOST


def test_a_mean_far_below_its_limit_is_met_in_spite_of_losses_at_random() -> None:
    """5 % of the hours; the limit is 18 standard errors away, at φ 0."""
    met = 0
    for seed in range(20):
        rng = np.random.default_rng([seed, 32])
        values, truth = above_a_background(chained(rng, 0.0))
        values[rng.permutation(HOURS)[: HOURS // 20]] = np.nan
        met += limit(values, truth + 18 * np.std(values[np.isfinite(values)]) / np.sqrt(HOURS)) == "met"
    assert met >= 17


def rmse(candidate: Floats, reference: Floats, high: float) -> str:
    answer = ask(
        "reference_collocation",
        arms={"candidate": {"reporting": candidate}, "reference": {"reporting": reference}},
        start=START,
        interval=timedelta(hours=1),
        targets={"rmse": (None, high)},
        bare=True,
    )
    return str(judged(answer, tell=False).verdict)


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_errors_of_laplace_that_fall_silent_when_large_are_not_met(share: float) -> None:
    """Their RMSE is √2 times their scale: the limit."""
    met = 0
    for seed in range(30):
        rng = np.random.default_rng([seed, 33])
        truth = 20 + 4 * chained(rng, 0.7)
        error = rng.laplace(0, 1.5, HOURS)
        met += rmse(without_highest(truth + error, np.abs(error), share), truth, 1.5 * np.sqrt(2)) == "met"
    assert met / 30 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 30)


def test_a_device_that_falls_silent_at_its_skewed_errors_is_not_equivalent() -> None:
    met = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 34])
        truth = 20 + 4 * chained(rng, 0.7)
        error = rng.lognormal(0, 0.6, HOURS)
        answer = ask(
            "equivalence",
            arms={
                "candidate": {"reporting": without_highest(truth + error, error, 0.1)},
                "control": {"reporting": truth},
            },
            start=START,
            interval=timedelta(hours=1),
            targets={"difference": (-9.0, float(np.exp(0.18)))},
            bare=True,
        )
        met += str(judged(answer, tell=False).verdict) == "met"
    assert met / 40 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 40)
