"""Design 4: the same place before and after, without a control. effect = after − before, ratio =
after/before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats
from insitu.model import PeriodName
from trials.designs.broken_line import STEP_EARLIER, Days, Side, check_step
from trials.designs.design import BOTH, EFFECT, Design, Statistic, named
from trials.designs.other_choices import BLOCK_LENGTH, HAC, of_mean
from trials.designs.placebo import (
    COVARIATE_EXPLAINS,
    HALF,
    STRICT,
    WHOLE,
    check_balance,
    check_placebo,
)
from trials.designs.question import Answer, Known, Question, line, too_wide
from trials.designs.rehearsal import Rehearsal, Seen, candidate_days, of_days
from trials.designs.trends import Span, note_trend
from trials.evaluation import Estimate
from trials.sentences import finding
from trials.statement import Kind, Sentence
from trials.statistics.inference import Difference, Mean
from trials.statistics.intervals import LOG, MIN_DAYS, MeanOfDays, varies
from trials.statistics.newey_west import hac_difference
from trials.statistics.power import Basis

SEASON_SHARE = 0.6
CLEARLY = 3.0
"""A mean must lie this many standard errors above 0 before anything is divided by it."""
NOT_ABOVE_ZERO = Sentence(
    "not_above_zero", "note", "A ratio needs a mean that is clearly above 0.", Kind.NOTE
)


def answer(question: Question) -> Answer:
    """Difference of the day means of the two periods. States that there is no control, and checks the
    season.
    """
    result = Answer(findings=[finding("no_control")])
    before_days, before = question.days_of(question.arm("candidate", PeriodName.BASELINE))
    after_days, after = question.days_of(question.arm("candidate", PeriodName.REPORTING))
    arm = question.endpoint.arms["candidate"]
    result.lines = [line("baseline", arm, before_days, before), line("reporting", arm, after_days, after)]
    season_overlap(question, result)
    periods = difference_of_periods(question, result, (before_days, before), (after_days, after))
    if periods is not None and question.rules.gate_scales:
        _season(question, result, (before_days, before), (after_days, after), periods)
    return result


def _season(
    question: Question,
    result: Answer,
    before: tuple[Days, Floats],
    after: tuple[Days, Floats],
    periods: Difference,
) -> None:
    """Could the season have made the effect? By the declared covariates; by made-up dates, more strictly
    where no covariate is declared; and by the step, whatever is declared: a covariate that moves nothing
    says nothing of the season.
    """
    names = sorted({name for name, _ in question.covariates})
    for name in names:
        x = tuple(question.covariate_days(name, period)[1] for period in BOTH)
        check_balance(question, result, name, (x[0], x[1]), before[1], periods)
    alone = HALF if question.rules.ask_steps else STRICT
    effect, ends = periods.difference, periods.interval(question.level)
    check_placebo(result, before[1], effect, ends, WHOLE if names else alone)
    if question.rules.ask_steps:
        sides = _sides(question, names, before, after)
        check_step(question, result, *sides, effect, ends)


def _sides(
    question: Question, names: list[str], before: tuple[Days, Floats], after: tuple[Days, Floats]
) -> tuple[Side, Side]:
    """The days of both periods with the covariates that are known on most of them."""
    found: list[Side] = []
    for period, (days, values) in zip(BOTH, (before, after), strict=True):
        columns = []
        for name in names:
            measured, x = question.covariate_days(name, period)
            _, at, of = np.intersect1d(days, measured, return_indices=True)
            columns.append(np.full(len(days), np.nan))
            columns[-1][at] = x[of]
        found.append(Side.of(days, values, columns))
    if min(len(side.days) for side in found) < MIN_DAYS:
        return Side.of(*before), Side.of(*after)
    return found[0], found[1]


def difference_of_periods(
    question: Question,
    result: Answer,
    before: tuple[Days, Floats],
    after: tuple[Days, Floats],
) -> Difference | None:
    """The effect with its interval, and HAC as sensitivity; or None, with a finding. Shared with design 7."""
    counted: dict[str, Mean] = {}
    for name, (days, values) in (("baseline", before), ("reporting", after)):
        kept = np.isfinite(values)
        if kept.sum() < MIN_DAYS:
            result.findings.append(
                finding("too_few_days", days=int(kept.sum()), period=name, needed=MIN_DAYS)
            )
        else:
            counted[name] = question.inference.mean(days[kept], values[kept], (days[0] + days[-1]) / 2)
            if counted[name].has_trend(question.level):
                result.findings.append(finding("trend_in_period", period=name, slope=counted[name].slope))
    if len(counted) == 2 and not any(varies(values[np.isfinite(values)]) for _, values in (before, after)):
        result.findings.append(finding("constant_series", arm=question.endpoint.arms["candidate"]))
    if result.blocked or len(counted) < 2:
        return None
    periods = question.inference.difference(counted["baseline"], counted["reporting"])
    for name, period in (("baseline", periods.before), ("reporting", periods.after)):
        too_wide(question, result, period, name)
    unit = question.endpoint.unit
    n = periods.before.n + periods.after.n
    n_effective = periods.before.n_effective + periods.after.n_effective
    result.statistics.append(
        Known(
            "effect",
            periods.difference,
            periods.interval,
            unit,
            "two_period",
            n,
            n_effective,
            periods.always_valid,
            _days(periods),
        )
    )
    of_mean(question, result, "effect", *(values[np.isfinite(values)] for _, values in (after, before)))
    if question.inference.ordered:
        _hac(question, result, periods, before[1], after[1])
    if not question.day_scale.is_level and all(
        p.mean > CLEARLY * p.standard_error for p in (periods.before, periods.after)
    ):
        result.statistics.append(_ratio(periods, n, n_effective))
    _trends(question, result, periods, before, after)
    return periods


def _trends(
    question: Question,
    result: Answer,
    periods: Difference,
    before: tuple[Days, Floats],
    after: tuple[Days, Floats],
) -> None:
    """Notes the trend of each period, with the effect and the ratio at either end of it."""
    was, now = periods.before.mean, periods.after.mean
    has_ratio = any(known.statistic == "ratio" for known in result.statistics)
    baseline = {"effect": lambda off: now - (was + off)} | (
        {"ratio": lambda off: now / (was + off) if was + off > 0 else np.inf} if has_ratio else {}
    )
    reporting = {"effect": lambda off: now + off - was} | (
        {"ratio": lambda off: (now + off) / was} if has_ratio else {}
    )
    for name, mean, (days, values), ends in (
        ("baseline", periods.before, before, baseline),
        ("reporting", periods.after, after, reporting),
    ):
        note_trend(question, result, name, mean, Span.of(days, days[np.isfinite(values)]), ends)


def _hac(question: Question, result: Answer, periods: Difference, before: Floats, after: Floats) -> None:
    """Newey–West errors of the effect. They count rows, so every day must be there."""
    if question.rules.whole_days:
        before, after = _trimmed(before), _trimmed(after)
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        result.findings.append(finding("hac_needs_full_grid"))
    elif not question.bare:
        low, high = hac_difference(before, after, level=question.level)
        estimate = Estimate(
            statistic="effect",
            value=periods.difference,
            low=low,
            high=high,
            level=question.level,
            unit=question.endpoint.unit,
            method="hac",
            n=periods.before.n + periods.after.n,
        )
        result.sensitivity.append(("hac", estimate))


def _trimmed(values: Floats) -> Floats:
    """Without days at either end that have no value: they leave no gap."""
    there = np.flatnonzero(np.isfinite(values))
    return values[there[0] : there[-1] + 1] if len(there) else values


def _days(periods: Difference) -> dict[str, int]:
    return {"baseline_days": periods.before.n, "reporting_days": periods.after.n}


def _ratio(periods: Difference, n: int, n_effective: float) -> Known:
    """after/before. Interval by the delta method on the logarithm, with the degrees of freedom of the
    difference.

    Only for means clearly above 0: a ratio to a mean that may be 0 has no upper end.
    """
    before, after = periods.before, periods.after
    centre = float(np.log(after.mean / before.mean))
    relative = float(np.hypot(before.standard_error / before.mean, after.standard_error / after.mean))

    def of_difference(ends: tuple[float, float]) -> tuple[float, float]:
        widths = (ends[1] - ends[0]) / 2 / periods.standard_error if periods.standard_error else 0.0
        return float(np.exp(centre - widths * relative)), float(np.exp(centre + widths * relative))

    def interval(level: float) -> tuple[float, float]:
        return of_difference(periods.interval(level))

    def early(level: float, planned: int) -> tuple[float, float]:
        return of_difference(periods.always_valid(level, planned))

    return Known(
        "ratio", float(np.exp(centre)), interval, "1", "two_period", n, n_effective, early, _days(periods)
    )


def season_overlap(question: Question, result: Answer) -> None:
    """Do the reporting days resemble the baseline? Share of days whose covariate lies among the usual values
    of the baseline. Shared with designs 5 and 6.
    """
    names = {name for name, _ in question.covariates}
    if not names:
        result.findings.append(finding("season_unchecked"))
    for name in sorted(names):
        _, before = question.covariate_days(name, PeriodName.BASELINE)
        _, after = question.covariate_days(name, PeriodName.REPORTING)
        before, after = before[np.isfinite(before)], after[np.isfinite(after)]
        missing = [
            str(period)
            for period, found in ((PeriodName.BASELINE, before), (PeriodName.REPORTING, after))
            if not len(found)
        ]
        result.findings += [finding("covariate_missing", covariate=name, period=period) for period in missing]
        if missing:
            continue
        low, high = _usual(question, before)
        inside = (after >= low) & (after <= high)
        if inside.mean() < SEASON_SHARE:
            result.findings.append(
                finding("season_mismatch", share=float(round(100 * inside.mean(), 1)), covariate=name)
            )


def _usual(question: Question, before: Floats) -> tuple[float, float]:
    """The middle 95 % of the baseline: one odd day does not widen it, as it widened the range of rules 1."""
    if not question.rules.gate_scales:
        return float(before.min()), float(before.max())
    low, high = np.percentile(before, [2.5, 97.5])
    return float(low), float(high)


def foretell(rehearsal: Rehearsal) -> Seen:
    """The effect; and the ratio if the mean is clearly above 0, on the logarithm with the relative
    scatter.
    """
    question = rehearsal.question
    days, values = candidate_days(question)

    def use(counted: NDArray[np.bool_], share: float) -> Seen:
        seen, found = effect_so_far(rehearsal, days[counted], values[counted], share)
        if not question.day_scale.is_level and found.mean > CLEARLY * found.standard_error:
            effect = seen.bases["effect"]
            ratio = replace(effect, sd=effect.sd / found.mean, scale=LOG)
            return replace(seen, bases={**seen.bases, "ratio": ratio})
        if any(criterion.statistic == "ratio" for criterion in question.endpoint.criteria):
            return replace(seen, notes=[NOT_ABOVE_ZERO.state()])
        return seen

    return of_days(days, values, use)


def effect_so_far(
    rehearsal: Rehearsal, days: NDArray[np.int64], values: Floats, share: float
) -> tuple[Seen, MeanOfDays]:
    """How after − before scatters if all days behave like those so far. Shared with design 7."""
    found = rehearsal.question.inference.mean(days, values, None)
    planned = max(round(rehearsal.baseline_days * share), MIN_DAYS)
    return Seen({"effect": Basis.of(found, before_days=planned)}, found.n, share), found


DESIGN = Design(
    "before_after",
    title="Before and after, without a control",
    method="Before and after: difference of the means of the day values of the two periods; variances add, "
    "degrees of freedom by Welch and Satterthwaite. Without a control, whatever else changed is "
    "part of the difference.",
    arms=("candidate",),
    periods=BOTH,
    statistics=named(EFFECT, Statistic("ratio", "ratio", unit="1", no_effect=1.0, needs_zero=True)),
    function=answer,
    sentences=(NOT_ABOVE_ZERO, COVARIATE_EXPLAINS, STEP_EARLIER),
    other_choices=BLOCK_LENGTH | HAC,
    foretell=foretell,
)
