"""Design 7: difference in differences. D = treated − mean of controls, day by day; effect = D after − D
before.

The controls carry the season, the weather and the works next door; the rest is the effect, *for these sites*.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from insitu.model import PeriodName
from trials.designs.before_after import difference_of_periods, effect_so_far
from trials.designs.design import BOTH, EFFECT, Design, named
from trials.designs.devices import DEVICE_EXPLAINS, TIPPING_DEVICE
from trials.designs.exchanged import NAMES_EXCHANGED, exchanged
from trials.designs.other_choices import BLOCK_LENGTH, HAC
from trials.designs.placebo import WHOLE, check_placebo, is_decided
from trials.designs.question import Answer, Question, line
from trials.designs.rehearsal import Rehearsal, Seen, candidate_days, of_days
from trials.sentences import finding
from trials.statement import Sentence
from trials.statistics.criteria import margin
from trials.statistics.inference import Difference
from trials.statistics.intervals import MIN_DAYS, MeanOfDays, t_quantile

ENOUGH_SITES = 10
PLACEBO_SIDE = 7
"""Days on either side of a made-up date within the baseline."""
BASELINE_TREND = Sentence(
    "baseline_trend",
    "blocking",
    "In the baseline the difference drifts by {drift} over the period, more than the margin {margin}: "
    "arms are not comparable.",
)
TREND_EXPLAINS = Sentence(
    "trend_explains",
    "blocking",
    "In the baseline the difference drifts by {drift} over the period; the effect is {effect}. If the drift "
    "goes on, it explains the effect: arms are not comparable.",
)
FEW_SITES = Sentence(
    "few_sites",
    "note",
    "The conclusion holds for these sites: {units} devices or sites an arm are too few to generalise.",
)
PLACEBO = Sentence(
    "placebo", "note", "The largest difference at {dates} made-up dates within the baseline is {largest}."
)


def answer(question: Question) -> Answer:
    """Two-period interval on the daily difference; not evaluable if the arms drift apart in the baseline."""
    result = Answer()
    differences = {}
    for period in (PeriodName.BASELINE, PeriodName.REPORTING):
        days, treated = question.days_of(question.arm("candidate", period))
        control_days, controls = question.days_of(question.arm("control", period))
        if not len(days) or not len(control_days):
            missing = "candidate" if not len(days) else "control"
            result.findings.append(finding("no_observations", arm=missing, period=str(period)))
            return result
        differences[period] = (days, treated - controls)
        result.lines += [
            line(f"treated_{period}", question.endpoint.arms["candidate"], days, treated),
            line(f"control_{period}", question.endpoint.arms["control"], days, controls),
        ]
    before, after = differences[PeriodName.BASELINE], differences[PeriodName.REPORTING]
    periods = difference_of_periods(question, result, before, after)
    if periods is None:
        return result
    if question.rules.gate_scales and question.endpoint.criteria:
        apart = float(after[0].mean() - before[0].mean())
        _parallel_to_effect(question, result, periods, len(before[0]), apart)
        ends = periods.interval(question.level)
        check_placebo(result, before[1], periods.difference, ends, WHOLE)
    elif not question.rules.gate_scales:
        _parallel(question, result, periods.before, len(before[0]))
    if not question.bare:
        _placebo(result, *before)
    units = min(len(question.arm(role, PeriodName.REPORTING)) for role in ("candidate", "control"))
    if units < ENOUGH_SITES:
        result.findings.append(FEW_SITES.state(units=units))
    names = list(exchanged(question))
    result.findings += names
    result.is_open = bool(names)
    result.statistics = [
        known for known in result.statistics if known.statistic == "effect"
    ]  # a ratio of differences means nothing
    return result


def _parallel(question: Question, result: Answer, before: MeanOfDays, days: int) -> None:
    """The drift of D over the baseline, slope times length, must stay inside ±δ."""
    deltas = [margin(c.target) for c in question.endpoint.criteria if c.statistic == "effect"]
    known = [delta for delta in deltas if delta]
    drift = before.slope * days
    if known and abs(drift) > min(known):
        result.findings.append(BASELINE_TREND.state(drift=drift, margin=min(known)))


def _parallel_to_effect(
    question: Question, result: Answer, periods: Difference, days: int, apart: float
) -> None:
    """The drift of D over the baseline must stay inside ±δ. A δ of 0 has no scale: then it must not be as
    large as the effect that it would explain. `trend_tolerance` of the protocol stands for either. `apart`:
    days from the middle of the baseline to that of the reporting period.
    """
    deltas = [margin(c.target) for c in question.endpoint.criteria if c.statistic == "effect"]
    known = [delta for delta in deltas if delta]
    declared = question.endpoint.parameters.get("trend_tolerance")
    drift = periods.before.slope * days
    if isinstance(declared, int | float) and not isinstance(declared, bool) and declared > 0:
        known = [float(declared)]
    if known:
        if abs(drift) > min(known):
            result.findings.append(BASELINE_TREND.state(drift=drift, margin=min(known)))
    elif is_decided(question, periods) and (
        drift / periods.difference >= 1 or _may_explain(question, periods, apart)
    ):
        result.findings.append(TREND_EXPLAINS.state(drift=drift, effect=periods.difference))


def _may_explain(question: Question, periods: Difference, apart: float) -> bool:
    """Whether a drift that shows in the baseline may, within its interval, make the effect if it goes on."""
    before = periods.before
    if not (question.rules.doubt_drifts and before.has_trend(question.level)):
        return False
    most = abs(before.slope) + t_quantile(question.level, before.freedom) * before.slope_error
    return before.slope * periods.difference > 0 and most * apart >= abs(periods.difference)


def _placebo(result: Answer, days: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    """Repeats the comparison at every made-up date within the baseline, where nothing happened."""
    kept = np.isfinite(values)
    series = values[kept]
    dates = range(PLACEBO_SIDE, len(series) - PLACEBO_SIDE + 1)
    if len(series) >= MIN_DAYS and dates:
        effects = [float(series[at:].mean() - series[:at].mean()) for at in dates]
        result.findings.append(PLACEBO.state(dates=len(effects), largest=max(effects, key=abs)))


def foretell(rehearsal: Rehearsal) -> Seen:
    """Forecasts the effect's scatter from the difference of the arms on the days so far."""
    question = rehearsal.question
    days, values = candidate_days(question)
    _, controls = question.days_of(question.arm("control", PeriodName.BASELINE))
    values = values - controls if len(controls) == len(values) else np.empty(0)
    largest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    return of_days(
        days,
        values,
        lambda counted, share: effect_so_far(rehearsal, days[counted], values[counted], share)[0],
        lift=largest,
    )


DESIGN = Design(
    "control_sites",
    title="Difference in differences with control sites",
    method="Control sites: D is the day value of the treated arm minus that of the controls; the effect is "
    "the mean of D in the reporting period minus its mean in the baseline, with the two-period interval. The "
    "slope of D in the baseline must stay within the margin.",
    arms=("candidate", "control"),
    periods=BOTH,
    statistics=named(EFFECT),
    function=answer,
    sentences=(
        BASELINE_TREND,
        TREND_EXPLAINS,
        FEW_SITES,
        PLACEBO,
        DEVICE_EXPLAINS,
        TIPPING_DEVICE,
        NAMES_EXCHANGED,
    ),
    other_choices=BLOCK_LENGTH | HAC,
    lines={
        "treated_baseline": "treated",
        "treated_reporting": "treated",
        "control_baseline": "control",
        "control_reporting": "control",
    },
    foretell=foretell,
    is_gated_by_margin=True,
    takes_independent=False,
)
