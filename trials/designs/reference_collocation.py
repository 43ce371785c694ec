"""Design 1: candidates beside a reference; do they say the same?

Pairs lie on the protocol's grid: candidate y against the mean x of the references, pooled over candidates.
Every statistic comes from per-day sums, with the day jackknife as interval and the day-block bootstrap as
sensitivity. error = candidate − reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from insitu.arrays import Floats
from insitu.model import PeriodName
from trials.designs import directions, other_choices
from trials.designs.clocks import clock_findings
from trials.designs.daily_checks import DAILY_CHECK, daily_checks
from trials.designs.design import REPORTING, Design, Statistic, named
from trials.designs.question import Answer, Known, Question, line, too_wide
from trials.designs.trends import Span, note_trend
from trials.evaluation import Pair
from trials.sentences import finding
from trials.series.slots import Unit, mean_of_units
from trials.statement import Sentence, Statement
from trials.statistics.intervals import (
    IDENTITY,
    LOG,
    MIN_DAYS,
    R_SQUARED,
    DayJackknife,
    OfSums,
    Scale,
    bootstrap,
)

Ints = NDArray[np.int64]

NO_OVERLAP = Sentence("no_overlap", "blocking", "Candidate and reference share only {pairs} valid intervals.")
COVERAGE_FACTOR = 2.0
"""k of the relative expanded uncertainty."""
MOST_PAIRS = 1500
PAIRS = TypeAdapter(list[Pair])
MIN_PAIRS = 20
MIN_VARYING_DAYS = 5
"""With fewer, leaving out one day could leave (almost) nothing to draw a line through."""
REPLICATES = 2000
SIZES = ("rmse", "nrmse", "mae", "reu")
SHORT, SHORT_SIZES = 0.7, 1.3
"""The half-widths of all but the bias are 1 + .7/√n′ times as wide, of the sizes of the error 1 + 1.3/√n′, so
that coverage and false verdicts stay as stated (docs/validation.md).
"""


def answer(question: Question) -> Answer:
    """R², slope, intercept (OLS and orthogonal), RMSE, NRMSE, bias, MAE of the pairs of the reporting period;
    and REU at a limit value.
    """
    result = Answer()
    candidates = question.arm("candidate", PeriodName.REPORTING)
    references = question.arm("reference", PeriodName.REPORTING)
    days, y, x = _pairs(question, candidates, references)
    if len(y) < MIN_PAIRS:
        result.findings.append(NO_OVERLAP.state(pairs=len(y)))
        return result
    for arm, series in (("candidate", y), ("reference", x)):
        if _days_with_variation(days, series) < MIN_VARYING_DAYS:
            result.findings.append(finding("constant_series", arm=arm))
    numbers = np.unique(days)
    if len(numbers) < MIN_DAYS:
        result.findings.append(
            finding("too_few_days", days=len(numbers), period="reporting", needed=MIN_DAYS)
        )
    result.findings += _clocks(question, candidates, references)
    if result.blocked:
        return result
    if question.scale.is_circular:
        _directions(question, result, days, numbers, question.scale.difference(y, x))
        if not question.bare:
            _figure(question, result, candidates, references, y, x)
        return result
    _lines(question, result, days, numbers, y, x)
    if not question.bare:
        _other_regression(question, result)
        _figure(question, result, candidates, references, y, x)
    return result


def _lines(question: Question, result: Answer, days: Ints, numbers: Ints, y: Floats, x: Floats) -> None:
    """Every statistic of candidate against reference, with its intervals."""
    sums = _sums(days, numbers, y, x)
    shift = (float(x.mean()), float(y.mean()))
    zero = not question.rules.every_scale or not question.scale.is_level
    wanted = {criterion.statistic for criterion in question.endpoint.criteria}
    for name, statistic, scale in [*_statistics(shift), *_at_limit(question, shift)]:
        if name == "nrmse" and not _ratio_scale(sums, shift[0]):
            continue
        if DESIGN.statistics[name].needs_zero and not zero:
            continue
        jack = DayJackknife.of(
            numbers,
            sums,
            statistic,
            scale,
            short=_short(name),
            mean=question.inference.mean,
            unordered=not question.inference.ordered,
        )
        too_wide(question, result, jack.spread, "reporting", name)
        unit = DESIGN.unit_of(name, question.endpoint.unit)
        known = Known(
            name,
            jack.estimate,
            jack.interval,
            unit,
            "day_jackknife",
            len(y),
            jack.spread.n_effective,
            counts={"pairs": len(y), "days": len(numbers)},
            basis=jack,
        )
        result.statistics.append(known)
        if scale is IDENTITY and name in wanted:
            ends = {name: partial(float.__add__, jack.estimate)}
            note_trend(question, result, "reporting", jack.spread, Span.of(numbers, numbers), ends)
        if not question.bare:
            _bootstrapped(question, result, known, sums, statistic)
            other_choices.of_sums(question, result, known, sums, statistic, (2 * _block(len(numbers)),))


def _directions(question: Question, result: Answer, days: Ints, numbers: Ints, error: Floats) -> None:
    """Bias, RMSE and MAE of directions; a circle has no line, and no per cent."""
    sums = directions.sums_of(days, numbers, error, question.scale)
    block = _block(len(numbers))
    counts = {"pairs": len(error), "days": len(numbers)}
    directions.add_direction(question, result, "bias", numbers, sums, (block, 2 * block), counts=counts)
    directions.add_sizes(question, result, numbers, sums, counts=counts, short=_short("rmse"))


def _short(statistic: str) -> float:
    return 0.0 if statistic == "bias" else SHORT_SIZES if statistic in SIZES else SHORT


def _bootstrapped(question: Question, result: Answer, known: Known, sums: Floats, statistic: OfSums) -> None:
    rows, block = other_choices.rows_to_draw(question, sums, _block(len(sums)))
    low, high = bootstrap(
        rows,
        statistic,
        block=block,
        replicates=REPLICATES,
        seed=question.seed,
        level=question.level,
    )
    if np.isfinite(low) and np.isfinite(high):
        other = Known(
            known.statistic, known.value, lambda _: (low, high), known.unit, "day_bootstrap", known.n
        )
        result.sensitivity.append(("day_bootstrap", other.estimate(question.level)))


def _other_regression(question: Question, result: Answer) -> None:
    """Slope and intercept by the regression that also allows for errors of the reference, under the usual
    names.
    """
    known = {one.statistic: one for one in result.statistics}
    for name in ("slope", "intercept"):
        other = known[f"{name}_orthogonal"].estimate(question.level)
        result.sensitivity.append(("orthogonal", other.model_copy(update={"statistic": name})))


def _days_with_variation(days: Ints, series: Floats) -> int:
    """Number of days on which the series leaves its usual level; a slope needs more than one such day."""
    _, first, count = np.unique(np.sort(days), return_index=True, return_counts=True)
    ordered = series[np.lexsort((series, days))]
    usual = np.median(
        (ordered[first + (count - 1) // 2] + ordered[first + count // 2]) / 2
    )  # of the days' medians
    away = np.abs(series - usual) > 1e-12 * np.abs(series).max()
    return len(np.unique(days[away]))


def _ratio_scale(sums: Floats, mean: float) -> bool:
    """Whether the mean reference stays above 0 whichever day is left out; otherwise per cent of it mean
    nothing.
    """
    rest = sums.sum(axis=0) - sums
    return mean > 0 and bool((rest[:, 1] / rest[:, 0] + mean > 0).all())


def _block(days: float) -> int:
    return max(1, int(np.rint(np.cbrt(days))))


def _pairs(question: Question, candidates: list[Unit], references: list[Unit]) -> tuple[Ints, Floats, Floats]:
    """(local day, candidate, reference) of every step that has both."""
    if not candidates or not references:
        return np.empty(0, np.int64), np.empty(0), np.empty(0)
    day_of_step, (of_candidates, of_references) = question.on_grid(candidates, references)
    reference = mean_of_units(of_references, share=0.0, scale=question.scale)
    days, ys, xs = [], [], []
    for values in of_candidates:
        both = np.isfinite(values) & np.isfinite(reference)
        days.append(day_of_step[both])
        ys.append(values[both])
        xs.append(reference[both])
    return np.concatenate(days), np.concatenate(ys), np.concatenate(xs)


def _clocks(question: Question, candidates: list[Unit], references: list[Unit]) -> Iterator[Statement]:
    """Doubts if a candidate agrees better with the references when it is moved in time, or if they depart
    from it at the same time of every day.
    """
    days, (of_candidates, of_references) = question.on_grid(candidates, references)
    reference = mean_of_units(of_references, share=0.0, scale=question.scale)
    beside = question.endpoint.arms["reference"]
    yield from daily_checks(question, days, of_candidates, reference, beside)
    named = zip(candidates, of_candidates, strict=True)
    yield from clock_findings(
        question, days, [(unit.name, beside, values, reference) for unit, values in named]
    )


def _sums(days: Ints, numbers: Ints, y: Floats, x: Floats) -> Floats:
    """Per day: n, Σx, Σy, Σx², Σy², Σxy (both about the means of all pairs), Σ(y − x)², Σ|y − x|."""
    groups = np.searchsorted(numbers, days)
    cx, cy = x - x.mean(), y - y.mean()
    columns = [np.ones(len(y)), cx, cy, cx**2, cy**2, cx * cy, (y - x) ** 2, np.abs(y - x)]
    return np.stack(
        [np.bincount(groups, weights=column, minlength=len(numbers)) for column in columns], axis=1
    )


def _moments(s: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """x̄ and ȳ about the shift, S_xx, S_yy, S_xy."""
    n = s[..., 0]
    mx, my = s[..., 1] / n, s[..., 2] / n
    return mx, my, s[..., 3] - n * mx**2, s[..., 4] - n * my**2, s[..., 5] - n * mx * my


def _slope_orthogonal(s: Floats) -> Floats:
    _, _, sxx, syy, sxy = _moments(s)
    return np.asarray((syy - sxx + np.sqrt((syy - sxx) ** 2 + 4 * sxy**2)) / (2 * sxy))


def _number(given: object) -> float | None:
    """The parameter as a float, if it is a finite number of at least 0; else None."""
    usable = isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < float("inf")
    return float(given) if usable else None  # type: ignore[arg-type]


def _at_limit(question: Question, shift: tuple[float, float]) -> list[tuple[str, OfSums, Scale]]:
    """The relative expanded uncertainty at `limit_value`, if the endpoint has one. `u_reference`: that of the
    reference (default 0).
    """
    at = _number(question.endpoint.parameters.get("limit_value"))
    u = _number(question.endpoint.parameters.get("u_reference", 0.0))
    if not at or u is None:
        return []

    def reu(s: Floats) -> Floats:
        mx, my, sxx, syy, sxy = _moments(s)
        slope = _slope_orthogonal(s)
        residual = np.maximum(0.0, syy - 2 * slope * sxy + slope**2 * sxx) / (s[..., 0] - 2)
        off = my + shift[1] - slope * (mx + shift[0]) + (slope - 1) * at
        return np.asarray(100 * COVERAGE_FACTOR * np.sqrt(np.maximum(0.0, residual - u**2 + off**2)) / at)

    return [("reu", reu, LOG)]


def _statistics(shift: tuple[float, float]) -> list[tuple[str, OfSums, Scale]]:
    """Each statistic as a function of the sums. `shift`: the means that were subtracted before summing."""
    mx0, my0 = shift

    def r2(s: Floats) -> Floats:
        _, _, sxx, syy, sxy = _moments(s)
        return np.clip(sxy**2 / (sxx * syy), 0.0, 1.0)

    def slope(s: Floats) -> Floats:
        _, _, sxx, _, sxy = _moments(s)
        return sxy / sxx

    def intercept_of(line_slope: OfSums) -> OfSums:
        def intercept(s: Floats) -> Floats:
            mx, my, *_ = _moments(s)
            return (my + my0) - line_slope(s) * (mx + mx0)

        return intercept

    def rmse(s: Floats) -> Floats:
        return np.sqrt(s[..., 6] / s[..., 0])

    def mean_x(s: Floats) -> Floats:
        return s[..., 1] / s[..., 0] + mx0

    return [
        ("r2", r2, R_SQUARED),
        ("slope", slope, IDENTITY),
        ("intercept", intercept_of(slope), IDENTITY),
        ("slope_orthogonal", _slope_orthogonal, IDENTITY),
        ("intercept_orthogonal", intercept_of(_slope_orthogonal), IDENTITY),
        ("rmse", rmse, LOG),
        ("nrmse", lambda s: 100 * rmse(s) / mean_x(s), LOG),
        ("bias", lambda s: s[..., 2] / s[..., 0] + my0 - mean_x(s), IDENTITY),
        ("mae", lambda s: s[..., 7] / s[..., 0], LOG),
    ]


def _figure(
    question: Question, result: Answer, candidates: list[Unit], references: list[Unit], y: Floats, x: Floats
) -> None:
    for role, units in (("candidate", candidates), ("reference", references)):
        result.lines.append(
            line(
                role,
                question.endpoint.arms["candidate" if role == "candidate" else "reference"],
                *question.days_of(units),
            )
        )
    thinned = np.unique(np.linspace(0, len(y) - 1, min(len(y), MOST_PAIRS)).astype(int))
    points = zip(x[thinned].tolist(), y[thinned].tolist(), strict=True)
    result.pairs = PAIRS.validate_python([{"x": across, "y": up} for across, up in points])


DESIGN = Design(
    "reference_collocation",
    title="Comparison with a collocated reference",
    method="Collocation: pairs on the protocol's grid; least squares of candidate on reference; the interval "
    "of every statistic by the day jackknife: pseudo-values Nθ̂ − (N − 1)θ̂ without day i, on a scale where "
    "the statistic is symmetric, treated like day values; half-widths times 1 + 0.7/√n′, of RMSE, NRMSE, MAE "
    "and REU 1 + 1.3/√n′, of the bias 1. The relative expanded uncertainty at a limit value L is "
    "2·√(RSS/(n − 2) − u² + (b₀ + (b₁ − 1)·L)²)/L about the orthogonal line b₀, b₁, u being that of the "
    "reference.",
    arms=("candidate", "reference"),
    periods=REPORTING,
    statistics=named(
        Statistic("r2", "R²", unit="1"),
        Statistic("slope", "slope", unit="1"),
        Statistic("intercept", "intercept"),
        Statistic("slope_orthogonal", "orthogonal slope", unit="1"),
        Statistic("intercept_orthogonal", "orthogonal intercept"),
        Statistic("rmse", "RMSE", on_circle=True),
        Statistic("nrmse", "normalised RMSE", unit="%", needs_zero=True),
        Statistic("bias", "bias", on_circle=True, signed=True),
        Statistic("mae", "mean absolute error", on_circle=True),
        Statistic("reu", "relative expanded uncertainty at the limit value", unit="%", needs_zero=True),
    ),
    function=answer,
    sentences=(NO_OVERLAP, DAILY_CHECK),
    other_choices={
        **other_choices.DAY_BOOTSTRAP,
        **other_choices.BLOCK_LENGTH,
        "orthogonal": "orthogonal regression",
    },
    only_means=True,
    on_grid=True,
    early=False,
)
