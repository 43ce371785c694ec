"""Design 7: difference in differences. D = treated − mean of controls, day by day; effect = D after − D
before.

The controls carry the season, the weather and the works next door; what is left is the effect, *for these
sites*.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from insitu.model import PeriodName
from trials.designs.before_after import difference_of_periods
from trials.designs.question import Answer, Question, line
from trials.findings import finding
from trials.statistics.criteria import margin
from trials.statistics.intervals import MIN_DAYS, Spread

FEW_SITES = 10
PLACEBO_SIDE = 7
"""Days that a made-up date must leave on either side within the baseline."""


def answer(question: Question) -> Answer:
    """Two-period interval on the daily difference; not evaluable where the arms drift apart in the
    baseline.
    """
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
    _parallel(question, result, periods.before, len(before[0]))
    if not question.bare:
        _placebo(result, *before)
    units = min(len(question.arm(role, PeriodName.REPORTING)) for role in ("candidate", "control"))
    if units < FEW_SITES:
        result.findings.append(finding("few_sites", units=units))
    result.statistics = [
        known for known in result.statistics if known.statistic == "effect"
    ]  # a ratio of differences means nothing
    return result


def _parallel(question: Question, result: Answer, before: Spread, days: int) -> None:
    """The slope of D in the baseline, over its length, must stay inside ±δ."""
    deltas = [margin(c.target) for c in question.endpoint.criteria if c.statistic == "effect"]
    known = [delta for delta in deltas if delta]
    drift = before.slope * days
    if known and abs(drift) > min(known):
        result.findings.append(finding("baseline_trend", drift=drift, margin=min(known)))


def _placebo(result: Answer, days: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    """What the same comparison gives at every made-up date within the baseline, where nothing happened."""
    kept = np.isfinite(values)
    series = values[kept]
    dates = range(PLACEBO_SIDE, len(series) - PLACEBO_SIDE + 1)
    if len(series) >= MIN_DAYS and dates:
        effects = [float(series[at:].mean() - series[:at].mean()) for at in dates]
        result.findings.append(finding("placebo", dates=len(effects), largest=max(effects, key=abs)))
