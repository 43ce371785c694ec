"""Design 6: one long series with an interruption. Does its level, or its slope, change when the reporting
period begins?

y = a + b·t + c·step + d·step·(t − T) + season, on day values; by least squares, or for counts on the
logarithm by quasi-Poisson. The continued first line is the counterfactual.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats
from insitu.model import PeriodName
from trials.designs.before_after import season_overlap
from trials.designs.broken_line import TRENDS, broken_line
from trials.designs.design import BOTH, Design, Statistic, named
from trials.designs.other_choices import HAC
from trials.designs.question import Answer, Known, Question, line
from trials.evaluation import Estimate
from trials.sentences import finding
from trials.statement import Sentence
from trials.statistics.averaged_fits import AnyFit
from trials.statistics.inference import Inference
from trials.statistics.intervals import MIN_DAYS, reach_of_share, varies
from trials.statistics.metrics.permutation import rank_p
from trials.statistics.newey_west import lags_of, newey_west

Days = NDArray[np.int64]

LEVEL, SLOPE = 2, 3
ENOUGH_PLACEBOS, MOST_PLACEBOS = 20, 200
"""Fewer placebos are not reported; more than the second number are thinned evenly."""
Model = Callable[[Days, Floats, int], AnyFit]
NOT_COUNTS = Sentence("not_counts", "blocking", "A rate needs values that are never negative and not all 0.")
PLACEBO_DATES = Sentence(
    "placebo_dates",
    "note",
    "Made-up dates in the baseline: {dates}; the level change at the true date has p = {p} among them.",
)
MOST_P = 0.1
"""A level change whose rank among the made-up dates is above this is none."""
PLACEBO_DATES_EXPLAIN = Sentence(
    "placebo_dates_explain",
    "blocking",
    "Made-up dates in the baseline show changes of level as large as that at the true date: p = {p} among "
    "them, at most {most} is allowed.",
)
TOO_FEW_PLACEBOS = Sentence(
    "too_few_placebos",
    "note",
    "The baseline holds only {dates} made-up dates; under {needed} none is printed.",
)


def answer(question: Question) -> Answer:
    """Change of level and slope at the beginning of the reporting period, with placebo dates in the
    baseline.
    """
    result = Answer(findings=[finding("no_control")])
    arm = question.endpoint.arms["candidate"]
    counts = question.endpoint.parameters.get("family") == "poisson"
    parts = []
    for period in (PeriodName.BASELINE, PeriodName.REPORTING):
        days, values = question.days_of(question.arm("candidate", period))
        result.lines.append(line(str(period), arm, days, values))
        kept = np.isfinite(values)
        parts.append((days[kept], values[kept]))
        if kept.sum() < MIN_DAYS:
            result.findings.append(
                finding("too_few_days", days=int(kept.sum()), period=str(period), needed=MIN_DAYS)
            )
    season_overlap(question, result)
    days, values = np.concatenate([d for d, _ in parts]), np.concatenate([v for _, v in parts])
    if not result.blocked and not varies(values):
        result.findings.append(finding("constant_series", arm=arm))
    if counts and (question.day_scale.is_level or bool((values < 0).any()) or not bool((values > 0).any())):
        result.findings.append(NOT_COUNTS.state())
    if result.blocked:
        return result
    first = int(question.days_of(question.arm("candidate", PeriodName.REPORTING))[0][0])
    week = question.endpoint.parameters.get("season", "week") == "week"
    model = _model(question.inference, counts, week=week)
    fit = model(days, values, first)
    result.statistics = _statistics(question, fit, counts=counts, reporting=len(parts[1][0]))
    if question.bare:
        return result
    p = _placebo(result, model, parts[0], abs(float(fit.coefficients[LEVEL])))
    low, high = fit.interval(LEVEL, question.level)
    is_change = low > 0 or high < 0
    if question.rules.gate_scales and is_change and p is not None and p > MOST_P:
        result.findings.append(PLACEBO_DATES_EXPLAIN.state(p=p, most=MOST_P))
    if not question.bare:
        other = _model(question.inference, counts, week=not week)(days, values, first)
        found = _statistics(question, other, counts=counts, reporting=len(parts[1][0]))
        result.sensitivity += [
            ("without_season" if week else "with_season", known.estimate(question.level)) for known in found
        ]
    if not counts:
        _hac(question, result, days, values, first)
    return result


def _columns(days: Days, first: int, *, week: bool) -> Floats:
    weekday = (days - 1) % 7  # day 1 was a Monday
    season = [(weekday == number).astype(float) - (weekday == 6) for number in range(6)] if week else []
    return np.stack([*broken_line(days, first).T, *season], axis=1)


def _model(by: Inference, counts: bool, *, week: bool) -> Model:
    fit = by.quasi_poisson if counts else by.least_squares
    return lambda days, values, first: fit(_columns(days, first, week=week), values, days, TRENDS)


def _statistics(question: Question, fit: AnyFit, *, counts: bool, reporting: int) -> list[Known]:
    found = []
    days = {"baseline_days": fit.n - reporting, "reporting_days": reporting}
    for name, at in (
        (("rate_ratio", LEVEL), ("slope_ratio", SLOPE))
        if counts
        else (("level_change", LEVEL), ("slope_change", SLOPE))
    ):

        def back(low: float, high: float) -> tuple[float, float]:
            return (
                (float(np.exp(min(low, 700.0))), float(np.exp(min(high, 700.0)))) if counts else (low, high)
            )

        def interval(level: float, at: int = at) -> tuple[float, float]:
            return back(*fit.interval(at, level))

        def early(level: float, planned: int, at: int = at) -> tuple[float, float]:
            """The information on a slope grows with the cube of the days."""
            share = (reporting / planned) ** (3 if at == SLOPE else 1)
            return back(*fit.within(at, reach_of_share(share, level), level))

        value = float(np.exp(fit.coefficients[at])) if counts else float(fit.coefficients[at])
        method = "quasi_poisson" if counts else "least_squares"
        unit = DESIGN.unit_of(name, question.endpoint.unit)
        found.append(Known(name, value, interval, unit, method, fit.n, fit.n_effective, early, days))
    return found


def _placebo(result: Answer, model: Model, baseline: tuple[Days, Floats], observed: float) -> float | None:
    """The rank p of the level change among those at every made-up date that leaves 14 baseline days on
    either side; None with fewer than 20 dates.
    """
    days, values = baseline
    dates = days[MIN_DAYS : len(days) - MIN_DAYS + 1]
    if len(dates) < ENOUGH_PLACEBOS:
        result.findings.append(TOO_FEW_PLACEBOS.state(dates=len(dates), needed=ENOUGH_PLACEBOS))
        return None
    picked = dates[np.unique(np.linspace(0, len(dates) - 1, min(len(dates), MOST_PLACEBOS)).astype(int))]
    effects = [float(model(days, values, int(at)).coefficients[LEVEL]) for at in picked]
    p = rank_p(observed=observed, placebos=effects)
    result.findings.append(PLACEBO_DATES.state(dates=len(effects), p=p))
    return p


def _hac(question: Question, result: Answer, days: Days, values: Floats, first: int) -> None:
    """Newey–West errors of the same fit. They count rows, so every day must be there."""
    if len(days) != days[-1] - days[0] + 1:
        result.findings.append(finding("hac_needs_full_grid"))
        return
    week = question.endpoint.parameters.get("season", "week") == "week"
    fit = newey_west(_columns(days, first, week=week), values, lags=lags_of(len(values)))
    for known, at in zip(result.statistics, (LEVEL, SLOPE), strict=True):
        low, high = fit.interval(at, question.level)
        estimate = Estimate(
            statistic=known.statistic,
            value=known.value,
            low=low,
            high=high,
            level=question.level,
            unit=known.unit,
            method="hac",
            n=len(values),
        )
        result.sensitivity.append(("hac", estimate))


DESIGN = Design(
    "interrupted_series",
    title="Interrupted series",
    method="Interrupted series: y = a + b·t + c·step + d·step·(t − T) + weekday on day values, by least "
    "squares, or for counts on the logarithm by quasi-Poisson. Standard errors allow for the "
    "autocorrelation of the residuals.",
    arms=("candidate",),
    periods=BOTH,
    statistics=named(
        Statistic("level_change", "change of level", no_effect=0.0),
        Statistic("slope_change", "change of slope", per_day=True, no_effect=0.0),
        Statistic("rate_ratio", "rate ratio", unit="1", no_effect=1.0, needs_zero=True),
        Statistic("slope_ratio", "ratio of daily growth", unit="1", no_effect=1.0, needs_zero=True),
    ),
    function=answer,
    sentences=(NOT_COUNTS, PLACEBO_DATES_EXPLAIN, PLACEBO_DATES, TOO_FEW_PLACEBOS),
    other_choices={
        **HAC,
        "without_season": "model without weekdays",
        "with_season": "model with weekdays",
    },
    not_foretold="Not known: level, slope and season are estimated together, and how they share the scatter "
    "shows only afterwards.",
    takes_independent=False,
)
