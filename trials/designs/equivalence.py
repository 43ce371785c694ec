"""Design 9: equivalence with, or non-inferiority to, an incumbent that measures or does the same at the same
time.

d = candidate − incumbent, day by day. The interval of its mean decides by inclusion (two one-sided tests): an
endpoint is judged at the level 1 − 2α. The limits of agreement, d̄ ± 1.96·s_d, say how far apart single days
are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from insitu.arrays import Floats
from insitu.model import PeriodName
from trials.designs import directions
from trials.designs.design import REPORTING, Design, Statistic, named
from trials.designs.other_choices import BLOCK_LENGTH, block_lengths, of_mean
from trials.designs.question import Answer, Known, Question, line, too_wide
from trials.designs.trends import Span, note_trend
from trials.sentences import finding
from trials.statistics.intervals import MIN_DAYS, DayJackknife, OfSums, varies

K = 1.96
SHORT = 2.2
"""The half-widths of the limits' intervals are 1 + 2.2/√n′ times as wide, n′ of the differences. If few days
are independent, s_d comes out too small, and without the factor more than 2.5 % a side would be decided
wrongly (docs/validation.md).
"""


def answer(question: Question) -> Answer:
    """Mean daily difference and limits of agreement of candidate and incumbent (the control arm) in the
    reporting period.
    """
    result = Answer()
    days, candidate = question.days_of(question.arm("candidate", PeriodName.REPORTING))
    other_days, incumbent = question.days_of(question.arm("control", PeriodName.REPORTING))
    if not len(days) or not len(other_days):
        missing = "candidate" if not len(days) else "control"
        result.findings.append(finding("no_observations", arm=missing, period="reporting"))
        return result
    arms = question.endpoint.arms
    result.lines = [
        line("candidate", arms["candidate"], days, candidate),
        line("incumbent", arms["control"], days, incumbent),
    ]
    differences = question.scale.difference(candidate, incumbent)
    kept = np.isfinite(differences)
    if kept.sum() < MIN_DAYS:
        result.findings.append(
            finding("too_few_days", days=int(kept.sum()), period="reporting", needed=MIN_DAYS)
        )
        return result
    for arm, values in ((arms["candidate"], candidate), (arms["control"], incumbent)):
        if not varies(values[kept]):
            result.findings.append(finding("constant_series", arm=arm))
    if not result.blocked and not varies(differences[kept] + float(np.abs(candidate[kept]).max())):
        result.findings.append(finding("identical_units", arm=arms["candidate"]))
    if not result.blocked:
        _statistics(question, result, days[kept], differences[kept], Span.of(days, days[kept]))
    return result


def _statistics(question: Question, result: Answer, days: NDArray[np.int64], d: Floats, span: Span) -> None:
    if question.scale.is_circular:
        sums = directions.sums_of(days, days, d, question.scale)
        lengths = block_lengths(len(days))
        counts = {"days": len(days)}
        directions.add_direction(
            question, result, "difference", days, sums, lengths, counts=counts, middle=span.middle
        )
        return
    unit = question.endpoint.unit
    found = question.inference.mean(days, d, span.middle)
    too_wide(question, result, found, "reporting", "difference")
    if found.has_trend(question.level):
        result.findings.append(finding("trend_in_period", period="reporting", slope=found.slope))
    note_trend(question, result, "reporting", found, span, {"difference": lambda off: found.mean + off})
    result.statistics.append(
        Known(
            "difference",
            found.mean,
            found.interval,
            unit,
            "day_mean",
            found.n,
            found.n_effective,
            found.always_valid,
            {"days": found.n},
            found,
        )
    )
    of_mean(question, result, "difference", d)
    centre = float(d.mean())
    sums = np.stack([np.ones(len(d)), d - centre, (d - centre) ** 2], axis=1)
    for name, sign in (("loa_low", -1.0), ("loa_high", 1.0)):
        jack = DayJackknife.of(
            days,
            sums,
            _limit(centre, sign),
            short=SHORT,
            worth=found.n_effective,
            mean=question.inference.mean,
            unordered=not question.inference.ordered,
        )
        known = Known(
            name,
            jack.estimate,
            jack.interval,
            unit,
            "day_jackknife",
            found.n,
            jack.spread.n_effective,
            jack.always_valid,
            {"days": found.n},
            jack,
        )
        result.statistics.append(known)


def _limit(centre: float, sign: float) -> OfSums:
    """d̄ ± 1.96·s_d from n, Σ(d − centre), Σ(d − centre)²."""

    def limit(s: Floats) -> Floats:
        n, mean = s[..., 0], s[..., 1] / s[..., 0]
        return centre + mean + sign * K * np.sqrt(np.maximum(0.0, s[..., 2] - n * mean**2) / (n - 1))

    return limit


DESIGN = Design(
    "equivalence",
    title="Equivalence with an incumbent",
    method="Equivalence: mean of the daily differences candidate − incumbent with the interval of a mean of "
    "day values, judged by inclusion; limits of agreement d̄ ± 1.96·s with the day jackknife, half-widths "
    "times 1 + 2.2/√n′.",
    arms=("candidate", "control"),
    periods=REPORTING,
    statistics=named(
        Statistic("difference", "mean difference", no_effect=0.0, on_circle=True, signed=True),
        Statistic("loa_low", "lower limit of agreement"),
        Statistic("loa_high", "upper limit of agreement"),
    ),
    function=answer,
    other_choices=BLOCK_LENGTH,
    lines={"incumbent": "incumbent"},
)
