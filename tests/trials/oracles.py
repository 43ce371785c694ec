"""Statistics beside implementations of somebody else: the table of docs/validation.md. The cases
are drawn by seed, so that the largest difference is a number that can be stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.stats
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from insitu.arrays import Floats
from tests.trials.exact_lags import exact_half
from tests.trials.world import noise
from trials.statistics import metrics
from trials.statistics.criteria import holm
from trials.statistics.fits import least_squares, quasi_poisson
from trials.statistics.intervals import neighbour_spread
from trials.statistics.newey_west import hac_difference
from trials.statistics.power import Basis, smallest_effect
from trials.statistics.spread import Unordered, averaged

CASES = 50
LEVEL = 0.95
Days = NDArray[np.int64]
Pairs = Iterator[tuple[float, float]]
"""(ours, the other's)."""


@dataclass(frozen=True, slots=True)
class Oracle:
    statistic: str
    other: str
    cases: str
    most: float
    """Largest relative difference that is allowed."""
    compare: Callable[[], Pairs]

    def difference(self) -> float:
        """The largest relative difference over the cases."""
        return max(abs(ours - other) / abs(other) if other else abs(ours) for ours, other in self.compare())


def pairs(number: int = CASES) -> Iterator[tuple[Floats, Floats]]:
    """(candidate, reference) of 30 to 80 values."""
    for seed in range(number):
        rng = np.random.default_rng([2026, seed])
        reference = rng.normal(20, 4, 30 + seed % 51)
        yield 1 + 0.9 * reference + rng.normal(0, 1.5, len(reference)), reference


def regression() -> Pairs:
    for y, x in pairs():
        fit, line = sm.OLS(y, sm.add_constant(x)).fit(), metrics.ols(candidate=y, reference=x)
        yield from ((line.slope, fit.params[1]), (line.intercept, fit.params[0]))


def regression_of_nist() -> Pairs:
    """Norris (calibration of ozone monitors), 36 rows, certified by NIST."""
    path = Path(scipy.stats.__file__).parent / "tests" / "data" / "nist_linregress" / "Norris.dat"
    y, x = np.loadtxt(path, skiprows=60).T
    line = metrics.ols(candidate=y, reference=x)
    yield line.slope, 1.00211681802045
    yield line.intercept, -0.262323073774029
    yield metrics.r_squared(candidate=y, reference=x), 0.999993745883712


def determination() -> Pairs:
    for y, x in pairs():
        yield metrics.r_squared(candidate=y, reference=x), stats.pearsonr(x, y).statistic ** 2


def first_axis() -> Pairs:
    for y, x in pairs():
        axis = np.linalg.eigh(np.cov(x, y))[1][:, -1]
        line = metrics.orthogonal(candidate=y, reference=x)
        slope = axis[1] / axis[0]
        yield from ((line.slope, slope), (line.intercept, y.mean() - slope * x.mean()))


def errors() -> Pairs:
    """Sums without rounding."""
    for y, x in pairs():
        apart, n = [float(a) - float(b) for a, b in zip(y, x, strict=True)], len(x)
        root = math.sqrt(math.fsum(d * d for d in apart) / n)
        both = {"candidate": y, "reference": x}
        yield metrics.rmse(**both), root
        yield metrics.nrmse(**both), 100 * root / (math.fsum(x) / n)
        yield metrics.mae(**both), math.fsum(abs(d) for d in apart) / n
        yield metrics.bias(**both), math.fsum(apart) / n


def expanded_uncertainty() -> Pairs:
    """The formula of the European guide, from its own regression."""
    for y, x in pairs():
        sxx, syy, sxy = (math.fsum((a - a.mean()) * (b - b.mean())) for a, b in ((x, x), (y, y), (x, y)))
        slope = (syy - sxx + math.sqrt((syy - sxx) ** 2 + 4 * sxy**2)) / (2 * sxy)
        intercept = math.fsum(y) / len(y) - slope * math.fsum(x) / len(x)
        rss = math.fsum((y - intercept - slope * x) ** 2)
        u = math.sqrt(rss / (len(x) - 2) + (intercept + (slope - 1) * 40) ** 2)
        yield metrics.reu(candidate=y, reference=x, at=40.0), 100 * 2 * u / 40


def units(number: int = CASES) -> Iterator[Floats]:
    for seed in range(number):
        rng = np.random.default_rng([2027, seed])
        yield rng.normal(20, 3, (25, 1)) + rng.normal(0, 1, (25, 2 + seed % 4))


def between_units() -> Pairs:
    for table in units():
        interval = np.repeat(np.eye(25), table.shape[1], axis=0)
        fit = sm.OLS(table.ravel(), interval).fit()
        yield metrics.between_units_u(units=table), float(np.sqrt(fit.mse_resid))
        sd = float(np.sqrt(fit.ssr / (table.size - 1)))
        yield metrics.between_units_sd(units=table), sd
        yield metrics.between_units_cv(units=table), 100 * sd / float(table.mean())


def agreement() -> Pairs:
    half = float(stats.norm.ppf(0.975))
    for y, x in pairs():
        ours = metrics.limits_of_agreement(candidate=y, reference=x, k=half)
        yield from zip(ours, stats.norm.interval(LEVEL, np.mean(y - x), stats.tstd(y - x)), strict=True)


def quality_of_fit() -> Pairs:
    for y, x in pairs():
        fit = sm.OLS(y, sm.add_constant(x)).fit()
        ours = metrics.cv_rmse(observed=y, predicted=fit.fittedvalues, parameters=2)
        yield ours, 100 * float(np.sqrt(fit.mse_resid)) / float(y.mean())


def permutation() -> Pairs:
    for seed in range(10):
        d = np.random.default_rng([2028, seed]).normal(0.5, 1, 9)
        other = stats.permutation_test(
            (d,), np.sum, permutation_type="samples", alternative="two-sided", n_resamples=np.inf
        )
        yield metrics.sign_flip_p(differences=d), float(other.pvalue)


def weights() -> Pairs:
    """The weights exist for the distance that they leave."""
    for seed in range(20):
        rng = np.random.default_rng([2029, seed])
        donors = rng.normal(0, 1, (25, 5))
        treated = donors @ [0.9, 0.4, -0.2, 0.1, 0.1] + rng.normal(0, 0.3, 25)

        def left(w: Floats, treated: Floats = treated, donors: Floats = donors) -> float:
            return float(np.sum((treated - donors @ w) ** 2))

        other = minimize(
            left,
            np.full(5, 0.2),
            method="SLSQP",
            bounds=[(0, 1)] * 5,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-14, "maxiter": 500},
        )
        yield left(metrics.donor_weights(treated=treated, donors=donors)), float(other.fun)


def several_criteria() -> Pairs:
    """Which of several criteria are decided, as 0 or 1."""
    for seed in range(12):
        found = list(np.random.default_rng([2030, seed]).uniform(0, 0.06, 1 + seed % 6))
        decided = holm(range(len(found)), 0.05, lambda number, level, p=found: p[number] <= 1 - level)
        for number, other in enumerate(multipletests(found, 0.05, method="holm")[0]):
            yield float(found[number] <= 1 - decided[number]), float(other)


def series(number: int, n: int, every: tuple[int, ...] = (1,)) -> Iterator[tuple[Days, Floats]]:
    days = np.cumsum(np.resize(every, n)).astype(np.int64)
    for seed in range(number):
        yield days, noise(np.random.default_rng([2031, seed, n]), 0.3 * (seed % 4), n)


def interval_of_a_mean() -> Pairs:
    """Half-width by dense matrices and adaptive quadrature over φ."""
    for every in ((1,), (2, 2, 3), (7,)):
        for days, values in series(2, 20, every):
            yield (
                averaged(days, values, float(days.mean())).half(LEVEL),
                exact_half(days.astype(float), values, LEVEL),
            )


def interval_of_independent_values() -> Pairs:
    for _, values in series(CASES, 30):
        other = stats.t.interval(LEVEL, 29, values.mean(), stats.sem(values))
        yield from zip(Unordered.of(values).interval(LEVEL), other, strict=True)


def line_of_days() -> Pairs:
    """Slope, and the residual standard deviation, of rules 1."""
    for days, values in series(CASES, 40):
        fit, ours = sm.OLS(values, sm.add_constant(days)).fit(), neighbour_spread(days, values)
        yield ours.slope, fit.params[1]
        yield ours.standard_error * float(np.sqrt(ours.n_effective)), float(np.sqrt(fit.mse_resid))


def interrupted(number: int) -> Iterator[tuple[Days, Floats, Floats]]:
    t = np.arange(60) - 30.0
    step = (t >= 0).astype(float)
    columns = np.stack([np.ones(60), t, step, step * t], axis=1)
    for seed in range(number):
        yield np.arange(60, dtype=np.int64), columns, np.random.default_rng([2032, seed]).normal(0, 1, 60)


def segmented_regression() -> Pairs:
    for days, columns, rest in interrupted(CASES):
        y = columns @ [20, 0.1, -4, 0.05] + rest
        fit, other = least_squares(columns, y, days, 4), sm.OLS(y, columns).fit()
        yield from zip(fit.coefficients, other.params, strict=True)
        ours = np.diag(fit.covariance) * fit.n_effective / fit.n
        yield from zip(ours, np.diag(other.cov_params()), strict=True)


def segmented_counts() -> Pairs:
    for seed, (days, columns, _) in enumerate(interrupted(20)):
        y = np.random.default_rng([2033, seed]).negative_binomial(5, 0.3, 60).astype(float)
        fit = quasi_poisson(columns, y, days, 4)
        other = sm.GLM(y, columns, family=sm.families.Poisson()).fit(scale="X2", tol=1e-12)
        yield from zip(np.exp(fit.coefficients), np.exp(other.params), strict=True)
        ours = np.diag(fit.covariance) * fit.n_effective / fit.n
        yield from zip(ours, np.diag(other.cov_params()), strict=True)


def newey_west() -> Pairs:
    """Bartlett weights, written out."""
    for seed in range(CASES):
        rng = np.random.default_rng([2034, seed])
        before, after = rng.normal(0, 1, 20), rng.normal(3, 1, 25)
        y, n, lags = np.r_[before, after], 45, int(4 * 0.45 ** (2 / 9))
        x = np.stack([np.ones(n), np.r_[np.zeros(20), np.ones(25)]], axis=1)
        inverse = np.linalg.inv(x.T @ x)
        scores = x * (y - x @ (inverse @ x.T @ y))[:, None]
        meat = scores.T @ scores
        for lag in range(1, lags + 1):
            product = scores[lag:].T @ scores[:-lag]
            meat += (1 - lag / (lags + 1)) * (product + product.T)
        half = float(stats.t.ppf(0.975, n - 2) * np.sqrt((inverse @ meat @ inverse)[1, 1]))
        difference = float(after.mean() - before.mean())
        yield from zip(
            hac_difference(before, after, level=LEVEL), (difference - half, difference + half), strict=True
        )


def smallest_detectable() -> Pairs:
    """Independent block pairs, on one side at .025."""
    for n in (6, 9, 15, 30):
        effect = TTestPower().solve_power(nobs=n, power=0.8, alpha=0.025, alternative="larger")
        basis = Basis(sd=3.0, pair_days=4.0)
        yield smallest_effect(basis=basis, days=4 * n, level=LEVEL) or 0.0, 3 * float(effect)


def sound() -> Pairs:
    for seed in range(CASES):
        levels = np.random.default_rng([2035, seed]).uniform(40, 80, 24)
        hours = np.arange(24) + 0.5
        added = np.where((hours >= 18) & (hours < 22), 5, np.where((hours < 6) | (hours >= 22), 10, 0))
        energy = [math.fsum(10 ** (float(one) / 10) for one in of) / 24 for of in (levels, levels + added)]
        yield metrics.energetic_mean(levels=levels), 10 * math.log10(energy[0])
        yield metrics.lden(levels=levels, hours=hours), 10 * math.log10(energy[1])


SERIES = f"{CASES} series"
ORACLES = (
    Oracle("`slope`, `intercept`", "statsmodels OLS", SERIES, 1e-9, regression),
    Oracle(
        "`slope`, `intercept`, `r2`", "NIST StRD Norris, published", "36 pairs", 1e-10, regression_of_nist
    ),
    Oracle("`r2`", "SciPy pearsonr, squared", SERIES, 1e-10, determination),
    Oracle("`slope_orthogonal`, `intercept_orthogonal`", "first axis, NumPy eigh", SERIES, 1e-8, first_axis),
    Oracle("`rmse`, `nrmse`, `mae`, `bias`", "formulas in sums without rounding", SERIES, 1e-10, errors),
    Oracle("`reu`", "formula written again", SERIES, 1e-9, expanded_uncertainty),
    Oracle(
        "`u_between`, `sd`, `cv`", "statsmodels OLS, a mean for each interval", SERIES, 1e-9, between_units
    ),
    Oracle("`loa_low`, `loa_high`", "SciPy norm.interval", SERIES, 1e-9, agreement),
    Oracle("CV(RMSE)", "statsmodels OLS", SERIES, 1e-9, quality_of_fit),
    Oracle("energetic mean, Lden", "formulas in sums without rounding", SERIES, 1e-10, sound),
    Oracle("p value of sign flips", "SciPy permutation_test", "10 series", 1e-9, permutation),
    Oracle("synthetic control, distance left", "SciPy minimize (SLSQP)", "20 sites", 1e-4, weights),
    Oracle("several criteria (Holm)", "statsmodels multipletests", "12 sets", 0.0, several_criteria),
    Oracle(
        "`mean`, half-width by rules 2",
        "exact likelihood, dense matrices and quadrature",
        "6 series of 20 values, three spacings",
        3e-4,
        interval_of_a_mean,
    ),
    Oracle(
        "`mean`, interval of independent values",
        "SciPy t.interval",
        SERIES,
        1e-9,
        interval_of_independent_values,
    ),
    Oracle("trend and scatter of days", "statsmodels OLS", SERIES, 1e-8, line_of_days),
    Oracle(
        "`level_change`, `slope_change`, variances", "statsmodels OLS", SERIES, 1e-7, segmented_regression
    ),
    Oracle(
        "`rate_ratio`, variances", "statsmodels GLM (Poisson, scale X2)", "20 series", 1e-6, segmented_counts
    ),
    Oracle("`effect`, Newey–West sensitivity", "formula written again", SERIES, 1e-8, newey_west),
    Oracle("smallest detectable effect", "statsmodels TTestPower", "4 lengths", 1e-5, smallest_detectable),
)
