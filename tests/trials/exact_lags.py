"""The interval of a mean by true lags, from its definition in docs/decisions/0013: the oracle of tests, with
no code of the product but the largest φ.
"""

from __future__ import annotations

import numpy as np
from scipy import integrate, optimize, stats

from trials.statistics.dependence import top_of


def exact_half(times: np.ndarray, values: np.ndarray, level: float, beside: float = 0.0) -> float:
    """The half-width by dense matrices and adaptive quadrature over φ. `beside`: what missing values make of
    the trend.
    """
    n = len(values)
    apart = np.abs(np.subtract.outer(times, times)) / np.median(np.diff(times))
    columns = np.stack([np.ones(n), times - times.mean()], axis=1)

    def seen(phi: float) -> tuple[float, float]:
        matrix = np.where(apart == 0, 1.0, phi**apart)
        inverse = np.linalg.inv(matrix)
        squares = columns.T @ inverse @ columns
        b = np.linalg.solve(squares, columns.T @ inverse @ values)
        rest = values - columns @ b
        sse = float(rest @ inverse @ rest)
        log = -0.5 * (np.linalg.slogdet(matrix)[1] + np.linalg.slogdet(squares)[1] + (n - 2) * np.log(sse))
        return float(log), float(np.sqrt(sse / (n - 2) * matrix.mean()))

    most = max(seen(phi)[0] for phi in np.linspace(0, top_of(n), 200))

    def mean_of(what: float | None) -> float:
        def part(phi: float) -> float:
            log, error = seen(phi)
            whole = float(np.hypot(error, beside))
            inside = 1.0 if what is None else 2 * stats.t.cdf(what / whole, n - 2) - 1
            return float(np.exp(log - most) * inside)

        return float(integrate.quad(part, 0, top_of(n), epsabs=1e-9, epsrel=1e-9)[0])

    whole = mean_of(None)
    return float(optimize.brentq(lambda half: mean_of(half) / whole - level, 1e-6, 1e3, xtol=1e-8))
