"""Estimates, intervals and sensitivity by hand, from day values: the published definitions, and integrals in
place of grids. Nothing here comes from Insitu.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import statsmodels.api as sm
from scipy import optimize, stats

REPLICATES = 1500
NODES, WEIGHTS = np.polynomial.legendre.leggauss(80)


@dataclass(frozen=True)
class Seen:
    """Day values and their dependence: for each φ the restricted likelihood (logarithm), the variance of
    their mean, and that variance for values of variance 1.
    """

    n: int
    mean: float
    log_likelihood: np.ndarray
    variance: np.ndarray
    of_unit: np.ndarray


def phis(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat on [0, .957], for as many values as a demo has: nodes and weights of Gauss and Legendre."""
    assert n >= 29, f"{n} values: the prior of so few is not by hand"
    return (NODES + 1) / 2 * 0.957, WEIGHTS / WEIGHTS.sum()


def seen(days: Sequence[float], values: Sequence[float], phi: np.ndarray) -> Seen:
    t, y = np.asarray(days, float), np.asarray(values, float)
    n = len(y)
    lags = np.abs(t[:, None] - t[None, :]) / np.median(np.diff(t))
    design = np.column_stack([np.ones(n), t - t.mean()])
    r = phi[:, None, None] ** lags
    inverse = np.linalg.inv(r)
    information = design.T @ inverse @ design
    line = np.linalg.solve(information, (design.T @ inverse @ y)[..., None])[..., 0]
    rest = y - line @ design.T
    left = np.einsum("ki,kij,kj->k", rest, inverse, rest)
    logs = np.linalg.slogdet(r)[1] + np.linalg.slogdet(information)[1] + (n - 2) * np.log(left)
    of_unit = r.mean(axis=(1, 2))
    return Seen(n, float(y.mean()), -logs / 2, left / (n - 2) * of_unit, of_unit)


def weighed(log_likelihood: np.ndarray, prior: np.ndarray) -> np.ndarray:
    weights = prior * np.exp(log_likelihood - log_likelihood.max())
    return weights / weights.sum()


def half_width(weights: np.ndarray, se: np.ndarray, freedom: float | np.ndarray, level: float) -> float:
    """h with Σ p·P(|t| ≤ h/se) = level."""

    def short(h: float) -> float:
        return float((weights * (2 * stats.t.cdf(h / se, freedom) - 1)).sum() - level)

    return float(optimize.brentq(short, 1e-9 * se.min(), 1e4 * se.max(), xtol=1e-14 * se.max(), rtol=1e-13))


def of_mean(days: Sequence[float], values: Sequence[float], level: float) -> tuple[float, float, float]:
    """The mean, half the width of its interval, and the number of independent days that it is worth."""
    phi, prior = phis(len(values))
    one = seen(days, values, phi)
    p = weighed(one.log_likelihood, prior)
    return (
        one.mean,
        half_width(p, np.sqrt(one.variance), one.n - 2, level),
        float(1 / (p * one.of_unit).sum()),
    )


def of_two_periods(
    before: tuple[Sequence[float], Sequence[float]],
    after: tuple[Sequence[float], Sequence[float]],
    level: float,
    *,
    ratio: bool = False,
) -> dict[str, float]:
    """After − before: one φ, two variances, Welch and Satterthwaite. Or after/before by the delta method, as
    many standard errors wide as the difference.
    """
    phi, prior = phis(len(before[0]) + len(after[0]))
    a, b = seen(*before, phi), seen(*after, phi)
    p = weighed(a.log_likelihood + b.log_likelihood, prior)
    va, vb = a.variance, b.variance
    freedom = (va + vb) ** 2 / (va**2 / (a.n - 2) + vb**2 / (b.n - 2))
    half = half_width(p, np.sqrt(va + vb), freedom, level)
    worth = sum(float(1 / (p * one.of_unit).sum()) for one in (a, b))
    if ratio:
        value = b.mean / a.mean
        whole = [float((p * one.variance).sum()) for one in (a, b)]
        half *= np.sqrt((whole[0] / a.mean**2 + whole[1] / b.mean**2) / sum(whole))
        return {
            "value": value,
            "low": value * np.exp(-half),
            "high": value * np.exp(half),
            "n_effective": worth,
        }
    value = b.mean - a.mean
    return {"value": value, "low": value - half, "high": value + half, "n_effective": worth}


def newey_west(before: Sequence[float], after: Sequence[float], level: float) -> dict[str, float]:
    y = np.concatenate([before, after])
    step = np.repeat([0.0, 1.0], [len(before), len(after)])
    lags = int(4 * (len(y) / 100) ** (2 / 9))
    fit = sm.OLS(y, sm.add_constant(step)).fit(cov_type="HAC", cov_kwds={"maxlags": lags}, use_t=True)
    low, high = fit.conf_int(1 - level)[1]
    return {"value": float(fit.params[1]), "low": float(low), "high": float(high)}


def circular(rng: np.random.Generator, n: int, length: int) -> np.ndarray:
    """Which of n days a replicate holds: blocks of days in a row, the last one followed by the first."""
    starts = rng.integers(0, n, size=-(-n // length))
    return np.concatenate([(start + np.arange(length)) % n for start in starts])[:n]


def resampled(
    statistic: Callable[..., float], lengths_of: Sequence[int], block: int, level: float
) -> tuple[float, float]:
    """Percentiles of a statistic over days drawn in blocks, each period by itself."""
    rng = np.random.default_rng(20011)
    drawn = [statistic(*(circular(rng, n, block) for n in lengths_of)) for _ in range(REPLICATES)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def root3(n: int) -> int:
    return max(1, round(n ** (1 / 3)))


@dataclass(frozen=True)
class Statistic:
    """A statistic of pairs, the scale on which it is about symmetric, and how its interval is enlarged."""

    of: Callable[[np.ndarray, np.ndarray], float]
    to: Callable[[float], float]
    back: Callable[[float], float]
    enlarged: float


def same(value: float) -> float:
    return value


def slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(stats.linregress(x, y).slope)


def slope_orthogonal(x: np.ndarray, y: np.ndarray) -> float:
    """The first axis of the scatter."""
    _, axes = np.linalg.eigh(np.cov(x, y))
    return float(axes[1, 1] / axes[0, 1])


def rmse(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(np.mean((y - x) ** 2)))


def line(slope_of: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[np.ndarray, np.ndarray], float]:
    return lambda x, y: float(y.mean() - slope_of(x, y) * x.mean())


OF_PAIRS = {
    "r2": Statistic(
        lambda x, y: float(np.corrcoef(x, y)[0, 1] ** 2),
        lambda v: float(np.arctanh(np.sqrt(v))),
        lambda v: float(np.tanh(v) ** 2),
        0.7,
    ),
    "slope": Statistic(slope, same, same, 0.7),
    "intercept": Statistic(line(slope), same, same, 0.7),
    "slope_orthogonal": Statistic(slope_orthogonal, same, same, 0.7),
    "intercept_orthogonal": Statistic(line(slope_orthogonal), same, same, 0.7),
    "rmse": Statistic(rmse, np.log, np.exp, 1.3),
    "nrmse": Statistic(lambda x, y: 100 * rmse(x, y) / float(x.mean()), np.log, np.exp, 1.3),
    "bias": Statistic(lambda x, y: float(np.mean(y - x)), same, same, 0),
    "mae": Statistic(lambda x, y: float(np.mean(np.abs(y - x))), np.log, np.exp, 1.3),
}


def jackknife(
    statistic: Statistic, x: np.ndarray, y: np.ndarray, day: np.ndarray, level: float
) -> dict[str, float]:
    """Each day left out in turn; the interval of the mean of the pseudo-values, centred on the statistic."""
    days = np.unique(day)
    n = len(days)
    whole = statistic.to(statistic.of(x, y))
    without = np.array([statistic.to(statistic.of(x[day != d], y[day != d])) for d in days])
    _, half, worth = of_mean(days, n * whole - (n - 1) * without, level)
    half *= 1 + statistic.enlarged / np.sqrt(worth)
    return {
        "value": float(statistic.back(whole)),
        "low": float(statistic.back(whole - half)),
        "high": float(statistic.back(whole + half)),
        "n_effective": worth,
    }
