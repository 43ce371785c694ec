"""Each metric on numbers small enough for a pencil, against NIST's certified line, and against SciPy and
statsmodels.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from insitu.errors import CorrectInput
from tests.examples import examples
from trials.statistics import metrics
from trials.statistics.metrics import (
    between_units_cv,
    between_units_sd,
    between_units_u,
    bias,
    completeness,
    cv_rmse,
    donor_weights,
    energetic_mean,
    gap_hours,
    gap_lengths,
    lden,
    limits_of_agreement,
    mae,
    nmbe,
    nrmse,
    ols,
    orthogonal,
    paired,
    period_level,
    r_squared,
    rank_p,
    reu,
    rmse,
    sign_flip_p,
)

NAN = float("nan")
X, Y = [1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 5.0, 5.0]
"""x̄ 2.5, ȳ 3.5; S_xx 5, S_yy 9, S_xy 6; errors 1, 0, 2, 1."""


def test_errors_of_four_pairs() -> None:
    assert bias(candidate=Y, reference=X) == 1.0
    assert mae(candidate=Y, reference=X) == 1.0
    assert rmse(candidate=Y, reference=X) == pytest.approx(np.sqrt(6 / 4))
    assert nrmse(candidate=Y, reference=X) == pytest.approx(100 * np.sqrt(1.5) / 2.5)
    assert bias(candidate=X, reference=Y) == -1.0


def test_lines_through_four_pairs() -> None:
    assert ols(candidate=Y, reference=X) == pytest.approx((1.2, 0.5))
    slope = (9 - 5 + np.sqrt(16 + 4 * 36)) / 12
    assert orthogonal(candidate=Y, reference=X) == pytest.approx((slope, 3.5 - 2.5 * slope))
    assert r_squared(candidate=Y, reference=X) == pytest.approx(36 / 45)


def test_the_relative_expanded_uncertainty_of_four_pairs() -> None:
    slope, intercept = orthogonal(candidate=Y, reference=X)
    rss = sum((y - intercept - slope * x) ** 2 for x, y in zip(X, Y, strict=True))
    expected = 100 * 2 * np.sqrt(rss / 2 + (intercept + (slope - 1) * 10) ** 2) / 10
    assert reu(candidate=Y, reference=X, at=10) == pytest.approx(expected)
    assert reu(candidate=Y, reference=X, at=10, u_reference=0.5) < reu(candidate=Y, reference=X, at=10)
    assert reu(candidate=Y, reference=X, at=10, k=1) == pytest.approx(expected / 2)
    assert (
        reu(candidate=[1, 2, 3], reference=[1, 2, 3], at=10, u_reference=1.0) == 0
    )  # a reference worse than the residuals


def test_pairs_with_a_missing_half_are_left_out_everywhere_alike() -> None:
    with_holes = {"candidate": [*Y, NAN, 7.0], "reference": [*X, 3.0, NAN]}
    whole = {"candidate": Y, "reference": X}
    for metric in (bias, mae, rmse, nrmse, r_squared, ols, orthogonal):
        assert metric(**with_holes) == metric(**whole)


def test_two_units_beside_each_other() -> None:
    """Differences from the interval's mean: ±1, ±1; the third interval is not complete. N·M − 1 = 3."""
    units = [[10.0, 12.0], [21.0, 19.0], [NAN, 5.0]]
    assert between_units_sd(units=units) == pytest.approx(np.sqrt(4 / 3))
    assert between_units_cv(units=units) == pytest.approx(100 * np.sqrt(4 / 3) / 15.5)


def test_levels_are_averaged_by_their_energy() -> None:
    assert energetic_mean(levels=[60, 60, NAN]) == pytest.approx(60)
    assert energetic_mean(levels=[60, 70]) == pytest.approx(10 * np.log10(5.5e6))  # (10⁶ + 10⁷)/2
    assert energetic_mean(levels=[0.0, -np.inf]) == pytest.approx(0.0)  # no level is no number


def test_a_day_of_sound_has_its_day_evening_and_night() -> None:
    hours = np.arange(24) + 0.5
    levels = np.where(hours < 6, 50.0, np.where(hours < 18, 60.0, np.where(hours < 22, 55.0, 50.0)))
    assert [
        period_level(levels=levels, hours=hours, period=p) for p in ("day", "evening", "night")
    ] == pytest.approx([60, 55, 50])
    assert lden(levels=levels, hours=hours) == pytest.approx(60.0)  # 12·10⁶ + 4·10⁶ + 8·10⁶ over 24
    assert lden(levels=np.full(24, 60.0), hours=hours) == pytest.approx(
        60 + 10 * np.log10((12 + 4 * 10**0.5 + 80) / 24)
    )


@pytest.mark.parametrize(
    ("hour", "period"),
    [(5.99, "night"), (6, "day"), (17.99, "day"), (18, "evening"), (21.99, "evening"), (22, "night")],
)
def test_the_french_periods_of_a_day_are_half_open(hour: float, period: str) -> None:
    assert period_level(levels=[42.0], hours=[hour], period=period) == pytest.approx(42)
    for other in {"day", "evening", "night"} - {period}:
        with pytest.raises(CorrectInput, match="There is no level"):
            period_level(levels=[42.0], hours=[hour], period=other)


def test_what_cannot_be_computed_is_refused_in_words() -> None:
    with pytest.raises(CorrectInput, match="Only 1 complete pairs"):
        rmse(candidate=[1, NAN], reference=[1, 1])
    with pytest.raises(CorrectInput, match="as long as each other"):
        paired(candidate=[1, 2], reference=[1])
    with pytest.raises(CorrectInput, match="reference does not vary"):
        ols(candidate=[1, 2], reference=[3, 3])
    with pytest.raises(CorrectInput, match="candidate does not vary"):
        r_squared(candidate=[3, 3], reference=[1, 2])
    with pytest.raises(CorrectInput, match="do not vary together"):
        orthogonal(candidate=[1, 2, 1], reference=[1, 2, 3])
    with pytest.raises(CorrectInput, match="positive level"):
        reu(candidate=Y, reference=X, at=0)
    with pytest.raises(CorrectInput, match="at least two units"):
        between_units_sd(units=[1, 2, 3])
    with pytest.raises(CorrectInput, match="no interval in which all units"):
        between_units_sd(units=[[1, NAN], [NAN, 2]])
    with pytest.raises(CorrectInput, match="no period of a day"):
        period_level(levels=[1], hours=[1], period="dawn")


# -- oracles


def norris() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], ...]:
    """NIST StRD Norris (calibration of ozone monitors), as SciPy carries it: (y, x), 36 rows."""
    path = Path(scipy.stats.__file__).parent / "tests" / "data" / "nist_linregress" / "Norris.dat"
    y, x = np.loadtxt(path, skiprows=60).T
    return y, x


def test_the_line_of_nist_to_nine_digits_and_more() -> None:
    y, x = norris()
    assert len(y) == 36
    line = ols(candidate=y, reference=x)
    assert line.slope == pytest.approx(1.00211681802045, rel=1e-12)
    assert line.intercept == pytest.approx(-0.262323073774029, rel=1e-10)
    assert r_squared(candidate=y, reference=x) == pytest.approx(0.999993745883712, rel=1e-13)
    residuals = y - line.intercept - line.slope * x
    assert float(np.sqrt(np.sum(residuals**2) / 34)) == pytest.approx(0.884796396144373, rel=1e-11)


def test_a_line_far_from_the_origin_keeps_its_digits() -> None:
    """Pressure in Pa: the mean is a thousand times as large as the spread."""
    y, x = norris()
    line = ols(candidate=y + 1e6, reference=x + 1e6)
    assert line.slope == pytest.approx(1.00211681802045, rel=1e-9)


numbers = st.floats(-50, 150).map(lambda value: round(value, 3))
series = st.lists(st.tuples(numbers, numbers), min_size=5, max_size=40).filter(
    lambda pairs: len({x for x, _ in pairs}) > 2 and len({y for _, y in pairs}) > 2
)


@given(pairs=series)
def test_statsmodels_and_scipy_find_the_same(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array(pairs).T
    fit = sm.OLS(y, sm.add_constant(x)).fit()
    line = ols(candidate=y, reference=x)
    assert line.slope == pytest.approx(fit.params[1], rel=1e-6, abs=1e-9)
    assert line.intercept == pytest.approx(fit.params[0], rel=1e-6, abs=1e-6)
    assert r_squared(candidate=y, reference=x) == pytest.approx(
        stats.pearsonr(x, y).statistic ** 2, rel=1e-6, abs=1e-12
    )


@given(pairs=series)
def test_the_orthogonal_line_is_the_first_axis_of_the_cloud(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array(pairs).T
    covariance = np.cov(x, y)
    if abs(covariance[0, 1]) < 1e-3 * np.sqrt(covariance[0, 0] * covariance[1, 1]):
        return  # a cloud without direction
    axis = np.linalg.eigh(covariance)[1][:, -1]
    assert orthogonal(candidate=y, reference=x).slope == pytest.approx(axis[1] / axis[0], rel=1e-6)
    swapped = orthogonal(candidate=x, reference=y).slope
    assert orthogonal(candidate=y, reference=x).slope * swapped == pytest.approx(1.0, rel=1e-6)


# -- the whole library


FUNCTIONS = {
    name: found
    for name, found in vars(metrics).items()
    if name in metrics.__all__ and inspect.isfunction(found)
}
TESTS = "".join(
    (Path(__file__).parent / name).read_text("utf-8")
    for name in ("test_metrics.py", "test_metrics_of_designs.py")
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_metric_takes_keywords_only_says_its_source_and_is_tested(name: str) -> None:
    kinds = {parameter.kind for parameter in inspect.signature(FUNCTIONS[name]).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert name == "paired" or re.search(r"Source:\s", FUNCTIONS[name].__doc__ or "")
    assert f"{name}(" in TESTS


def test_the_uncertainty_between_units_is_the_residual_of_a_mean_for_each_interval() -> None:
    units = np.random.default_rng(4).normal(20, 3, (25, 1)) + np.random.default_rng(5).normal(0, 1, (25, 4))
    interval = np.repeat(np.eye(25), 4, axis=0)
    assert between_units_u(units=units) == pytest.approx(
        np.sqrt(sm.OLS(units.ravel(), interval).fit().mse_resid), rel=1e-9
    )


def test_the_quality_of_a_fit_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(6)
    columns = np.stack([np.ones(40), rng.normal(size=40), rng.normal(size=40)], axis=1)
    y = 50 + columns @ [0, 3, -2] + rng.normal(size=40)
    fit = sm.OLS(y, columns).fit()
    expected = 100 * np.sqrt(fit.mse_resid) / y.mean()
    assert cv_rmse(observed=y, predicted=fit.fittedvalues, parameters=3) == pytest.approx(expected, rel=1e-9)
    assert nmbe(observed=y, predicted=fit.fittedvalues, parameters=3) == pytest.approx(0, abs=1e-9)


def test_limits_of_agreement_hold_ninety_five_per_cent_of_a_normal_distribution() -> None:
    half = stats.norm.ppf(0.975)
    d = np.random.default_rng(7).normal(1, 2, 50)
    found = limits_of_agreement(candidate=d, reference=np.zeros(50), k=half)
    assert found == pytest.approx(stats.norm.interval(0.95, d.mean(), stats.tstd(d)), rel=1e-9)


def test_both_lines_keep_their_digits_where_squares_would_not() -> None:
    small = {"candidate": 1e-90 * np.array(Y), "reference": 1e-90 * np.array(X)}
    assert ols(**small).slope == pytest.approx(1.2)
    assert orthogonal(**small).slope == pytest.approx(orthogonal(candidate=Y, reference=X).slope)
    assert r_squared(**small) == pytest.approx(36 / 45)
    smallest = {"candidate": 1e-160 * np.array(Y), "reference": 1e-160 * np.array(X)}
    assert r_squared(**smallest) == pytest.approx(36 / 45, rel=1e-2)


def test_levels_far_from_any_sound_stay_numbers() -> None:
    assert energetic_mean(levels=[4000.0, 4000.0]) == pytest.approx(4000)
    assert lden(levels=np.full(24, -4000.0), hours=np.arange(24.0)) == pytest.approx(
        -4000 + lden(levels=np.zeros(24), hours=np.arange(24.0))
    )


def test_per_cent_of_a_mean_that_is_not_above_zero_are_refused() -> None:
    for reference in ([1.0, -1.0], [-3.0, -2.0], [0.0, 0.0]):
        with pytest.raises(CorrectInput, match="need a mean above 0"):
            nrmse(candidate=[1.0, 2.0], reference=reference)
        with pytest.raises(CorrectInput, match="need a mean above 0"):
            between_units_cv(units=[reference, reference])
    with pytest.raises(CorrectInput, match="too large to be computed with"):
        rmse(candidate=[1e200, 1.0], reference=[1.0, 2.0])
    with pytest.raises(CorrectInput, match="has no rank"):
        rank_p(observed=NAN, placebos=[1.0])


anything = st.floats(allow_nan=True, allow_infinity=True, width=64)
pairs_of_anything = st.tuples(
    *[st.one_of(anything, st.sampled_from([0.0, 5e-324, 1e-160, 1e300, -1e300, 7.3]))] * 2
)


def numbers_in(found: object) -> list[float]:
    return [float(one) for one in np.ravel(np.asarray(found, np.float64))]


CALLS: dict[str, Callable[[list[float], list[float]], object]] = {
    **{
        name: lambda a, b, f=FUNCTIONS[name]: f(candidate=a, reference=b)
        for name in (
            "bias",
            "mae",
            "rmse",
            "nrmse",
            "limits_of_agreement",
            "ols",
            "orthogonal",
            "r_squared",
            "paired",
        )
    },
    **{name: lambda a, b, f=FUNCTIONS[name]: f(observed=a, predicted=b) for name in ("cv_rmse", "nmbe")},
    **{
        name: lambda a, b, f=FUNCTIONS[name]: f(units=np.stack([a, b], axis=1))
        for name in ("between_units_sd", "between_units_cv", "between_units_u")
    },
    "reu": lambda a, b: reu(candidate=a, reference=b, at=40.0),
    "energetic_mean": lambda a, _: energetic_mean(levels=a),
    "period_level": lambda a, _: period_level(
        levels=a, hours=np.arange(len(a), dtype=float) % 24, period="night"
    ),
    "lden": lambda a, b: lden(levels=[*a, *b], hours=np.arange(len(a) + len(b), dtype=float) % 24),
    "sign_flip_p": lambda a, _: sign_flip_p(differences=a),
    "rank_p": lambda a, b: rank_p(observed=(a or [1.0])[0], placebos=b),
    "donor_weights": lambda a, b: donor_weights(treated=a, donors=np.stack([b, a[::-1]], axis=1)),
    "mtbf": lambda a, b: metrics.mtbf(up_h=(a or [1.0])[0], gaps=len(b)),
    "savings_alpha": lambda a, b: metrics.savings_alpha(resolution="daily", months=(a or [1.0])[0]),
    "fractional_savings_uncertainty": lambda a, b: metrics.fractional_savings_uncertainty(
        cv=(a or [0.1])[0],
        n=60,
        n_effective=(b or [40.0])[0],
        parameters=3,
        m=30,
        alpha=1.1,
        fraction=0.1,
        level=0.95,
    ),
    "completeness": lambda a, b: completeness(present=np.array(a) > 0, due=np.array(b) > -1),
    "gap_hours": lambda a, b: gap_hours(present=np.array(a) > 0, due=np.array(b) > -1, hours=np.abs(a)),
    "gap_lengths": lambda a, b: gap_lengths(present=np.array(a) > 0, due=np.array(b) > -1),
}


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=examples(quick=30, nightly=60), deadline=None)
@given(pair=st.lists(pairs_of_anything, max_size=12))
def test_any_numbers_give_a_number_or_one_clear_error(name: str, pair: list[tuple[float, float]]) -> None:
    first, second = ([one for one, _ in pair], [other for _, other in pair])
    try:
        found = CALLS[name](first, second)
    except CorrectInput:
        return
    assert all(np.isfinite(numbers_in(found)))


def test_every_metric_has_been_called_with_anything() -> None:
    assert sorted(CALLS) == sorted(FUNCTIONS)
