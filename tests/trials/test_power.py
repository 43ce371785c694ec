"""A trial's forecast: computed by hand, compared with an oracle, and tested by simulating the forecast
verdicts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from insitu.errors import CorrectInput
from insitu.model import Verdict
from proving.coverage.forecasts import Forecast, replicate
from tests.trials.world import noise
from trials.statistics.inference import NEIGHBOURS, TRUE_LAGS, Inference
from trials.statistics.intervals import LOG, DayJackknife, neighbour_spread
from trials.statistics.power import (
    Basis,
    chances,
    days_needed,
    effective_days,
    expected_interval,
    half_width,
    met_region,
    smallest_effect,
)
from trials.statistics.prospects import Prospect, expected
from trials.statistics.spread import AveragedPeriods, Unordered, averaged

LEVEL = 0.95
REPLICATES = 200
ENOUGH = 0.8 - 3 * np.sqrt(0.8 * 0.2 / REPLICATES)


def test_the_width_to_expect_agrees_with_what_is_worked_out_by_hand() -> None:
    """s 2, r ⅓, 54 days: n′ = 54·(2/3)/(4/3) = 27; t₀.₉₇₅(25) = 2.0595; 2.0595·2/√27 = 0.7927. Guard band
    0.6: √(0.7927² + 0.6²) = 0.9942.
    """
    basis = Basis(sd=2.0, autocorrelation=1 / 3)
    assert effective_days(days=54, autocorrelation=1 / 3) == pytest.approx(27)
    assert half_width(basis=basis, days=54, level=LEVEL) == pytest.approx(0.7927, abs=5e-5)
    assert half_width(basis=replace(basis, fixed=0.6), days=54, level=LEVEL) == pytest.approx(
        0.9942, abs=5e-5
    )
    assert expected_interval(basis=replace(basis, centre=10.0), days=54, level=LEVEL) == pytest.approx(
        (9.2073, 10.7927), abs=5e-5
    )


def test_the_width_of_a_difference_adds_the_variances_of_two_periods() -> None:
    """s 2, r 0, 32 days before and after: σ² = 4/32 + 4/32 = ¼; both have 30 degrees, together 60; t₀.₉₇₅(60)
    = 2.0003; half 1.0001.
    """
    basis = Basis(sd=2.0, before_days=32)
    assert half_width(basis=basis, days=32, level=LEVEL) == pytest.approx(1.00015, abs=5e-5)


def test_the_smallest_effect_of_independent_pairs_is_that_of_a_paired_t_test() -> None:
    """9 block pairs whose differences have s 3: the noncentral t alone, as statsmodels has it."""
    basis = Basis(sd=3.0, pair_days=4.0)
    effect = TTestPower().solve_power(nobs=9, power=0.8, alpha=0.025, alternative="larger")
    assert smallest_effect(basis=basis, days=36, level=LEVEL) == pytest.approx(3 * effect, rel=1e-6)
    assert half_width(basis=basis, days=39, level=LEVEL) == pytest.approx(2.3060, abs=5e-5), (
        "an unfinished pair is none"
    )


@pytest.mark.parametrize("true", [-3.0, -1.0, -0.2, 0.0, 0.4])
def test_the_integral_over_the_variance_agrees_with_the_noncentral_t(true: float) -> None:
    """A guard band of exactly 0 takes the other path through the code."""
    basis = Basis(sd=2.0, autocorrelation=0.4)
    plain = chances(basis=basis, days=40, level=LEVEL, target=(None, -0.5), true=true)
    other = chances(basis=replace(basis, fixed=1e-9), days=40, level=LEVEL, target=(None, -0.5), true=true)
    assert other == pytest.approx(plain, abs=2e-6)


def test_half_the_chance_of_a_wrong_verdict_is_left_on_the_bound() -> None:
    """On the bound of a half-open target each verdict has α/2, whatever the width: 2.5 %, minus the effect of
    the cautious r.
    """
    found = chances(basis=Basis(sd=1.0, pair_days=2.0), days=40, level=LEVEL, target=(None, 0.0), true=0.0)
    assert found == pytest.approx((0.025, 0.025), abs=1e-9)


@pytest.mark.parametrize(
    ("by", "phi"),
    [
        pytest.param(NEIGHBOURS, 0.0, marks=pytest.mark.nightly),
        (NEIGHBOURS, 0.5),
        pytest.param(TRUE_LAGS, 0.0, marks=pytest.mark.nightly),
        (TRUE_LAGS, 0.5),
    ],
    ids=["neighbours-0", "neighbours-.5", "lags-0", "lags-.5"],
)
@pytest.mark.parametrize("kind", ["difference", "limit", "equivalence"])
def test_what_was_foretold_to_be_detectable_is_met_as_often_as_was_said(
    by: Inference, phi: float, kind: str
) -> None:
    cell = Forecast(kind, phi, 45, 60)
    verdicts = [verdict for verdict in replicate(cell, range(REPLICATES), by) if verdict is not None]
    assert len(verdicts) >= 0.9 * REPLICATES
    assert verdicts.count(Verdict.MET) / len(verdicts) >= ENOUGH
    assert Verdict.NOT_MET not in verdicts


@pytest.mark.parametrize("step", [1, 7])
def test_an_interval_by_true_lags_foretells_itself(step: int) -> None:
    """For as many days as there are it is the interval of the baseline, to the last digits."""
    days, values = step * np.arange(40), noise(np.random.default_rng(4), 0.4, 40)
    found = averaged(days, values)
    assert half_width(basis=Basis.of(found), days=40, level=LEVEL) == pytest.approx(found.half(LEVEL))
    widths = [half_width(basis=Basis.of(found), days=n, level=LEVEL) for n in (20, 40, 80, 160)]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.7])
@pytest.mark.parametrize(("before", "after"), [(0, 29), (0, 90), (60, 30)])
def test_the_width_to_expect_of_a_known_autocorrelation_is_that_of_simulated_periods(
    phi: float, before: int, after: int
) -> None:
    """The expected likelihood, against 200 simulated periods: the middle of their widths."""
    rng = np.random.default_rng([11, before, after])
    unit = np.arange(200)
    known = Prospect(averaged(unit, noise(rng, phi, 200)))
    halves = expected(known, after, before, LEVEL).halves
    grid = known.seen.line.columns.lags.phi
    foretold = float(np.interp(phi, grid, halves))
    found = []
    for _ in range(200):
        values = noise(rng, phi, before + after)
        late = averaged(unit[:after], values[before:])
        if before:
            found.append(AveragedPeriods.of(averaged(unit[:before], values[:before]), late).half(LEVEL))
        else:
            found.append(late.half(LEVEL))
    assert foretold == pytest.approx(float(np.median(found)), rel=0.12)


def test_values_that_the_protocol_declares_independent_have_the_forecast_of_the_plain_t() -> None:
    """15 patients with s 2, 24 planned: t₀.₉₇₅(23) = 2.0687; 2.0687·2/√24 = 0.8445. The chance is that of the
    noncentral t, as statsmodels has it, with the cautious s.
    """
    values = np.r_[np.full(7, -1.0), np.full(7, 1.0), 0.0]
    found = Unordered.of(values * 2 / values.std(ddof=1))
    basis = Basis.of(found)
    assert half_width(basis=basis, days=24, level=LEVEL) == pytest.approx(0.8445, abs=5e-5)
    effect = TTestPower().solve_power(nobs=24, power=0.8, alpha=0.025, alternative="larger")
    assert smallest_effect(basis=basis, days=24, level=LEVEL) == pytest.approx(
        basis.cautious.sd * effect, rel=1e-6
    )


def test_a_statistic_on_a_logarithmic_scale_is_foretold_on_that_scale() -> None:
    """RMSE 4 with s 0.5 on the logarithm: the bound 7 is met if ln(truth) lies Δ below ln 7."""
    basis = Basis(sd=0.5, centre=float(np.log(4)), scale=LOG)
    region = met_region(basis=basis, days=30, level=LEVEL, target=(None, 7.0))
    assert region is not None
    assert region[0] is None
    assert np.log(7 / (region[1] or 0)) == pytest.approx(
        smallest_effect(basis=basis, days=30, level=LEVEL), rel=1e-6
    )
    low, high = expected_interval(basis=basis, days=30, level=LEVEL)
    assert low * high == pytest.approx(16)


def test_more_days_more_power_and_a_narrower_interval() -> None:
    basis = Basis(sd=2.0, autocorrelation=0.5, before_days=60)
    widths = [half_width(basis=basis, days=days, level=LEVEL) for days in (14, 30, 60, 90)]
    effects = [smallest_effect(basis=basis, days=days, level=LEVEL) for days in (14, 30, 60, 90)]
    assert widths == sorted(widths, reverse=True)
    assert effects == sorted(effects, reverse=True)
    assert smallest_effect(basis=basis, days=30, level=LEVEL, power=0.9) > effects[1]


def test_the_days_needed_are_the_fewest_that_decide() -> None:
    basis = Basis(sd=2.0, autocorrelation=0.3)
    needed = days_needed(basis=basis, level=LEVEL, target=(-1.5, 1.5), true=0.0)
    assert needed is not None
    decided = [
        chances(basis=basis, days=days, level=LEVEL, target=(-1.5, 1.5), true=0.0).decided
        for days in (needed - 1, needed)
    ]
    assert decided[0] < 0.8 <= decided[1]
    assert days_needed(basis=basis, level=LEVEL, target=(None, 0.0), true=-50.0) == 14, (
        "never fewer than the design asks for"
    )


def test_what_no_length_can_decide_has_no_number_of_days() -> None:
    assert days_needed(basis=Basis(sd=1.0), level=LEVEL, target=(None, 0.0), true=0.0) is None
    assert days_needed(basis=Basis(sd=1.0, fixed=2.0), level=LEVEL, target=(None, 68.0), true=67.0) is None
    assert (
        days_needed(basis=Basis(sd=5.0, before_days=14), level=LEVEL, target=(None, -1.0), true=0.0) is None
    )
    assert met_region(basis=Basis(sd=5.0), days=14, level=LEVEL, target=(-1.0, 1.0)) is None


def test_a_short_baseline_is_trusted_less_than_a_long_one() -> None:
    rng = np.random.default_rng(3)
    values = noise(rng, 0.3, 400)
    short, long = (Basis.of(neighbour_spread(np.arange(n), values[:n])) for n in (14, 400))
    assert short.cautious.sd / short.sd > 1.2
    assert 1.0 < long.cautious.sd / long.sd < 1.1
    assert long.cautious.cautious == long.cautious


def test_a_basis_has_the_spread_of_the_days_it_comes_from() -> None:
    rng = np.random.default_rng(4)
    days, values = np.arange(40), noise(rng, 0.4, 40)
    found = neighbour_spread(days, values)
    low, high = found.interval(LEVEL)
    assert half_width(basis=Basis.of(found), days=40, level=LEVEL) == pytest.approx((high - low) / 2)
    sums = np.stack([np.ones(40), np.exp(values)], axis=1)
    jack = DayJackknife.of(days, sums, lambda s: s[..., 1] / s[..., 0], LOG, short=0.7)
    assert expected_interval(basis=Basis.of(jack), days=40, level=LEVEL) == pytest.approx(
        jack.interval(LEVEL)
    )


def test_without_any_scatter_the_truth_alone_decides() -> None:
    still = Basis(sd=0.0, fixed=1.0)
    assert chances(basis=still, days=30, level=LEVEL, target=(None, 10.0), true=8.9) == (1.0, 0.0)
    assert chances(basis=still, days=30, level=LEVEL, target=(None, 10.0), true=9.5) == (0.0, 0.0)
    assert chances(basis=still, days=30, level=LEVEL, target=(None, 10.0), true=11.5) == (0.0, 1.0)
    assert met_region(basis=still, days=30, level=LEVEL, target=(None, 10.0)) == (None, 9.0)


def test_effects_far_beyond_everything_stay_numbers() -> None:
    basis = Basis(sd=1e-6, autocorrelation=0.99, before_days=14)
    for true in (-1e6, 1e6):
        found = chances(basis=basis, days=14, level=0.999, target=(None, 0.0), true=true)
        assert np.isfinite(found).all()
        assert found.decided == pytest.approx(1.0, abs=1e-6)


def test_too_few_days_are_refused_with_what_is_needed() -> None:
    with pytest.raises(CorrectInput, match="13 days are planned; at least 14"):
        half_width(basis=Basis(sd=1.0), days=13, level=LEVEL)
    with pytest.raises(CorrectInput, match="20 days are planned; at least 24"):
        smallest_effect(basis=Basis(sd=1.0, pair_days=4.0), days=20, level=LEVEL)


def test_the_floor_of_independent_days_is_that_of_the_interval() -> None:
    assert effective_days(days=14, autocorrelation=0.99) == 3.0
    assert stats.t.ppf(0.975, 1) == pytest.approx(
        half_width(basis=Basis(sd=np.sqrt(3), autocorrelation=0.99), days=14, level=LEVEL)
    )
