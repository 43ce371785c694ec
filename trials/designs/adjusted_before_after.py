"""Design 5: before and after, adjusted for weather and load (IPMVP option C).

A baseline model ŷ = b₀ + Σ bₖ·xₖ + b_w·weekend on day values predicts the reporting days as if nothing had
been done; effect = mean of observed − predicted. The model must first pass its gate out of sample. Of two
intervals, fractional savings uncertainty and block bootstrap, the wider decides.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats
from insitu.model import PeriodName
from trials.designs.before_after import season_overlap
from trials.designs.broken_line import Side, check_step
from trials.designs.design import BOTH, EFFECT, RELATIVE_EFFECT, Design, named
from trials.designs.other_choices import BLOCK_LENGTH
from trials.designs.placebo import WHOLE, check_placebo
from trials.designs.question import Answer, Known, Question, at_any_level, line
from trials.plan.profiles import gate
from trials.sentences import finding
from trials.statement import Sentence
from trials.statistics.baseline_model import BLOCK, Sample, bootstrap, error_of_days, few_blocks, solve
from trials.statistics.inference import Inference
from trials.statistics.intervals import (
    MIN_DAYS,
    always_valid_reach,
    varies,
)
from trials.statistics.metrics.savings import (
    MOST_MONTHS,
    cv_rmse,
    fractional_savings_uncertainty,
    nmbe,
    savings_alpha,
)

Days = NDArray[np.int64]

Interval = Callable[[float], tuple[float, float]]
DAYS_A_MONTH = 365.25 / 12
INTERVAL_SCALES = ("Cel", "[degF]", "dB", "[pH]")
"""Units with an arbitrary zero, in which per cent mean nothing."""
COVARIATES_MISSING = Sentence(
    "covariates_missing", "blocking", "No covariate is declared: there is nothing to adjust for."
)
NOT_RATIO_SCALE = Sentence(
    "not_ratio_scale",
    "blocking",
    "Savings are per cent of a quantity with a true zero; {unit} here has none or falls below it.",
)
MODEL_GATE = Sentence(
    "model_gate",
    "blocking",
    "For weeks it has not seen the model has CV(RMSE) {cv_rmse} % (at most {most_cv_rmse} %) and NMBE "
    "{nmbe} % (at most ±{most_nmbe} %): it cannot serve.",
)
MODEL_QUALITY = Sentence(
    "model_quality",
    "note",
    "For weeks it has not seen the model has CV(RMSE) {cv_rmse} % (at most {most_cv_rmse} %) and NMBE "
    "{nmbe} % (at most ±{most_nmbe} %).",
)
AUTOCORRELATION_TOO_STRONG = Sentence(
    "autocorrelation_too_strong",
    "warning",
    "The baseline is worth {n_effective} independent days, too few for {parameters} parameters: only "
    "the bootstrap is printed.",
)
SAVINGS_UNCERTAINTY = Sentence(
    "savings_uncertainty", "note", "Fractional savings uncertainty: ±{share} % of the savings at {level} %."
)


def answer(question: Question) -> Answer:
    """Mean of observed − predicted over the reporting days, absolute and as per cent of the predicted."""
    result = Answer(findings=[finding("no_control")])
    baseline = _sample(question, result, PeriodName.BASELINE)
    reporting = _sample(question, result, PeriodName.REPORTING)
    if not question.endpoint.parameters.get("covariates"):
        result.findings.append(COVARIATES_MISSING.state())
    if baseline is None or reporting is None or result.blocked:
        return result
    season_overlap(question, result)
    arm = question.endpoint.arms["candidate"]
    if not varies(baseline.y):
        result.findings.append(finding("constant_series", arm=arm))
    elif _no_ratio(question, baseline):
        result.findings.append(NOT_RATIO_SCALE.state(unit=question.endpoint.unit))
    else:
        _gate(result, baseline)
    if not result.blocked:
        _effect(question, result, baseline, reporting)
    return result


def _no_ratio(question: Question, baseline: Sample) -> bool:
    unit = question.endpoint.unit
    return question.day_scale.is_level or unit.startswith(INTERVAL_SCALES) or bool(baseline.y.min() < 0)


def _sample(question: Question, result: Answer, period: PeriodName) -> Sample | None:
    """Days of the period on which the endpoint and every covariate count."""
    days, y = question.days_of(question.arm("candidate", period))
    result.lines.append(line(str(period), question.endpoint.arms["candidate"], days, y))
    names = sorted(name for name, of in question.covariates if of is period)
    measured = {name: question.covariate_days(name, period) for name in names}
    for name, (there, _) in measured.items():
        if not len(there):
            result.findings.append(finding("covariate_missing", covariate=name, period=str(period)))
            return None
    if not len(days):
        result.findings.append(finding("no_observations", arm="candidate", period=str(period)))
        return None
    weekend = ((days - 1) % 7 >= 5).astype(float)  # day 1 was a Monday
    columns = np.stack([np.ones(len(days)), *(values for _, values in measured.values()), weekend], axis=1)
    kept = np.isfinite(columns).all(axis=1) & np.isfinite(y)
    if kept.sum() < MIN_DAYS:
        result.findings.append(
            finding("too_few_days", days=int(kept.sum()), period=str(period), needed=MIN_DAYS)
        )
        return None
    return Sample(days[kept], columns[kept], y[kept])


def _gate(result: Answer, baseline: Sample) -> None:
    """CV(RMSE) and NMBE of predictions for weeks that the model has not seen."""
    weeks = (baseline.days - baseline.days[0]) // 7
    predicted = np.empty(len(baseline.y))
    for week in np.unique(weeks):
        out = weeks == week
        predicted[out] = baseline.columns[out] @ solve(baseline.columns[~out], baseline.y[~out])
    cv, bias = (
        cv_rmse(observed=baseline.y, predicted=predicted),
        nmbe(observed=baseline.y, predicted=predicted),
    )
    most = gate("daily")
    sentence = MODEL_GATE if cv > most.cv_rmse or abs(bias) > most.nmbe else MODEL_QUALITY
    result.findings.append(
        sentence.state(cv_rmse=cv, most_cv_rmse=most.cv_rmse, nmbe=bias, most_nmbe=most.nmbe)
    )


def _savings_uncertainty(
    by: Inference, baseline: Sample, reporting: Sample, b: Floats
) -> tuple[Callable[..., float], float]:
    """(level, fraction) → fractional savings uncertainty; and n′ of the baseline's residuals."""
    residuals = baseline.y - baseline.columns @ b
    n, p = baseline.columns.shape
    rho = min(0.99, max(0.0, by.lag_one(baseline.days, residuals)))
    n_effective = n * (1 - rho) / (1 + rho)
    alpha = savings_alpha(resolution="daily", months=min(MOST_MONTHS, len(reporting.y) / DAYS_A_MONTH))
    cv = cv_rmse(observed=baseline.y, predicted=baseline.columns @ b, parameters=p) / 100

    def fsu(level: float, fraction: float = 1.0) -> float:
        return fractional_savings_uncertainty(
            cv=cv,
            n=n,
            n_effective=n_effective,
            parameters=p,
            m=len(reporting.y),
            alpha=alpha,
            fraction=fraction,
            level=level,
        )

    return fsu, n_effective


def _effect(question: Question, result: Answer, baseline: Sample, reporting: Sample) -> None:
    b = solve(baseline.columns, baseline.y)
    predicted = float((reporting.columns @ b).mean())
    effect = float(reporting.y.mean()) - predicted
    if predicted <= 0:
        result.findings.append(NOT_RATIO_SCALE.state(unit=question.endpoint.unit))
        return
    result.lines.append(line("counterfactual", None, reporting.days, reporting.columns @ b))
    drawn = bootstrap(baseline, reporting, question.seed) - effect
    fsu, n_effective = _savings_uncertainty(question.inference, baseline, reporting, b)
    p = baseline.columns.shape[1]
    too_strong = n_effective <= p + 1
    if too_strong:
        result.findings.append(AUTOCORRELATION_TOO_STRONG.state(n_effective=n_effective, parameters=p))

    def bootstrapped(level: float) -> tuple[float, float]:
        low, high = few_blocks(min(len(baseline.y), len(reporting.y)) / BLOCK, level) * np.quantile(
            drawn, [(1 - level) / 2, (1 + level) / 2]
        )
        return effect + min(0.0, float(low)), effect + max(0.0, float(high))

    def by_fsu(level: float) -> tuple[float, float]:
        half = fsu(level) * predicted  # F falls out: uncertainty of the savings = FSU·F·predicted
        return effect - half, effect + half

    def wider(level: float) -> tuple[float, float]:
        ends = [bootstrapped(level)] + ([] if too_strong else [by_fsu(level)])
        return max(ends, key=lambda end: end[1] - end[0])

    if question.rules.ask_steps:
        _season(question, result, baseline, reporting, effect, wider(question.level))
    early = _early(wider, effect, len(reporting.y), error_of_days(question.inference, baseline, reporting, b))

    def early_relative(level: float, planned: int) -> tuple[float, float]:
        return _scaled(early(level, planned), predicted)

    count = len(baseline.y) + len(reporting.y)
    days = {"baseline_days": len(baseline.y), "reporting_days": len(reporting.y)}
    unit = question.endpoint.unit
    result.statistics = [
        Known("effect", effect, wider, unit, "wider_of_two", count, n_effective, early, days),
        Known(
            "relative_effect",
            100 * effect / predicted,
            _per_cent(wider, predicted),
            RELATIVE_EFFECT.unit_in(unit),
            "wider_of_two",
            count,
            n_effective,
            early_relative,
            days,
        ),
    ]
    for method, interval in (("block_bootstrap", bootstrapped), *([] if too_strong else [("fsu", by_fsu)])):
        known = Known("effect", effect, interval, unit, method, count, n_effective)
        result.sensitivity.append((method, known.estimate(question.level)))
    _other_choices(question, result, baseline, reporting)
    if effect < 0 and not too_strong:
        share = 100 * fsu(question.level, -effect / predicted)
        result.findings.append(SAVINGS_UNCERTAINTY.state(share=share, level=100 * question.level))


def _season(
    question: Question,
    result: Answer,
    baseline: Sample,
    reporting: Sample,
    effect: float,
    ends: tuple[float, float],
) -> None:
    """Could something have made the effect that no covariate knows? As in design 4."""
    residuals = baseline.y - baseline.columns @ solve(baseline.columns, baseline.y)
    check_placebo(result, residuals, effect, ends, WHOLE)
    before, after = (Side(one.days, one.y, one.columns[:, 1:]) for one in (baseline, reporting))
    check_step(question, result, before, after, effect, ends)


def _other_choices(question: Question, result: Answer, baseline: Sample, reporting: Sample) -> None:
    """The bootstrap with blocks of two weeks; and a model without weekends."""
    if question.bare:
        return
    plain, plain_reporting = (
        sample._replace(columns=sample.columns[:, :-1]) for sample in (baseline, reporting)
    )
    for name, before, after, block in (
        (f"block_length:{2 * BLOCK}", baseline, reporting, 2 * BLOCK),
        ("without_weekend", plain, plain_reporting, BLOCK),
    ):
        value = float(np.mean(after.y - after.columns @ solve(before.columns, before.y)))
        apart = bootstrap(before, after, question.seed, block) - value
        few = few_blocks(min(len(before.y), len(after.y)) / block, question.level)
        low, high = few * np.quantile(apart, [(1 - question.level) / 2, (1 + question.level) / 2])
        ends = (value + min(0.0, float(low)), value + max(0.0, float(high)))
        n = len(before.y) + len(after.y)
        known = Known("effect", value, at_any_level(ends), question.endpoint.unit, "block_bootstrap", n)
        result.sensitivity.append((name, known.estimate(question.level)))


def _early(
    wider: Interval, effect: float, days: int, error: float
) -> Callable[[float, int], tuple[float, float]]:
    """Always valid by the standard error of day values, and never narrower than the single-look interval."""

    def early(level: float, planned: int) -> tuple[float, float]:
        low, high = wider(level)
        half = always_valid_reach(days, planned, level) * error
        return min(low, effect - half), max(high, effect + half)

    return early


def _per_cent(interval: Interval, predicted: float) -> Interval:
    return lambda level: _scaled(interval(level), predicted)


def _scaled(ends: tuple[float, float], predicted: float) -> tuple[float, float]:
    return 100 * ends[0] / predicted, 100 * ends[1] / predicted


DESIGN = Design(
    "adjusted_before_after",
    title="Before and after, adjusted for weather and load",
    method="Adjusted before and after: least squares of the baseline's day values on the covariates and the "
    "weekend predicts the reporting days; the effect is the mean of observed − predicted. The model must "
    "predict weeks that it has not seen. Of fractional savings uncertainty and block bootstrap the wider "
    "interval decides.",
    arms=("candidate",),
    periods=BOTH,
    statistics=named(EFFECT, RELATIVE_EFFECT),
    function=answer,
    sentences=(
        COVARIATES_MISSING,
        NOT_RATIO_SCALE,
        MODEL_GATE,
        MODEL_QUALITY,
        AUTOCORRELATION_TOO_STRONG,
        SAVINGS_UNCERTAINTY,
    ),
    other_choices={
        **BLOCK_LENGTH,
        "block_bootstrap": "block bootstrap",
        "fsu": "fractional savings uncertainty",
        "without_weekend": "model without weekends",
    },
    lines={"counterfactual": "without the intervention"},
    needs_zero=True,
    not_foretold="Not known: the width depends on how well the model of the baseline predicts weather and "
    "load that are still to come.",
    is_nested=False,
    takes_independent=False,
)
