"""Design 10: a mean against a limit value, with the instruments' uncertainty as guard band.

U = √((k·u_meas)² + (t(n′ − 2)·s/√n′)²), k = 2; the interval is mean ± U. On the energetic scale (dB) the mean
is 10·log₁₀ mean 10^(L/10) and its sampling part comes from the day jackknife.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from insitu.arrays import Floats
from insitu.model import PeriodName
from trials.designs.design import REPORTING, Design, Statistic, named
from trials.designs.other_choices import BLOCK_LENGTH, block_lengths, of_sums
from trials.designs.question import Answer, Known, Question, line, too_wide
from trials.designs.rehearsal import Rehearsal, Seen, of_answer
from trials.designs.trends import Span, note_trend
from trials.plan.endpoint import Endpoint
from trials.sentences import finding
from trials.statement import Kind, Sentence
from trials.statistics.intervals import MIN_DAYS, DayJackknife, varies

K = 2.0
"""Coverage factor of the instruments' uncertainty."""
U_MEAS_MISSING = Sentence(
    "u_meas_missing",
    "blocking",
    "The measurement uncertainty (u_meas) is not stated: a limit cannot be judged without it.",
)
U_MEAS_MISSING_SO_FAR = replace(U_MEAS_MISSING, severity="note", kind=Kind.NOTE)
WITHIN_GUARD_BAND = Sentence(
    "within_guard_band", "note", "The estimate lies within the guard band of ±{width} around the limit."
)


def answer(question: Question) -> Answer:
    """Mean of the day values of the reporting period. Requires `u_meas` (standard uncertainty, unit of the
    endpoint).
    """
    result = Answer()
    days, values = question.days_of(question.arm("candidate", PeriodName.REPORTING))
    result.lines = [line("daily", question.endpoint.arms["candidate"], days, values)]
    u_meas = _u_meas(question.endpoint)
    if u_meas is None:
        result.findings.append(U_MEAS_MISSING.state())
        return result
    kept = np.isfinite(values)
    if kept.sum() < MIN_DAYS:
        result.findings.append(
            finding("too_few_days", days=int(kept.sum()), period="reporting", needed=MIN_DAYS)
        )
        return result
    if not varies(values[kept]):
        result.findings.append(finding("constant_series", arm=question.endpoint.arms["candidate"]))
        return result
    scale = question.day_scale
    energies = np.real(scale.fold(values[kept]))
    sums = np.stack([np.ones(len(energies)), energies], axis=1)

    def mean(s: Floats) -> Floats:
        return scale.unfold(s[..., 1] / s[..., 0])

    jack = DayJackknife.of(
        days[kept],
        sums,
        mean,
        middle=(days[0] + days[-1]) / 2,
        mean=question.inference.mean,
        unordered=not question.inference.ordered,
    )
    too_wide(question, result, jack.spread, "reporting")
    if jack.spread.has_trend(question.level):
        result.findings.append(finding("trend_in_period", period="reporting", slope=jack.spread.slope))
    ends = {"mean": lambda off: jack.estimate + off}
    note_trend(question, result, "reporting", jack.spread, Span.of(days, days[kept]), ends)

    known = _mean(jack, u_meas, question.endpoint.unit, int(kept.sum()))
    result.statistics.append(known)
    sampling = Known(
        "mean", jack.estimate, jack.interval, known.unit, "day_jackknife", known.n, known.n_effective
    )
    result.sensitivity.append(("sampling_only", sampling.estimate(question.level)))
    of_sums(question, result, sampling, sums, mean, block_lengths(known.n))
    for criterion in question.endpoint.criteria:
        low, high = known.interval(question.level)
        for limit in (criterion.target.low, criterion.target.high):
            if limit is not None and low <= limit <= high:
                result.findings.append(WITHIN_GUARD_BAND.state(width=(high - low) / 2))
    return result


def _u_meas(endpoint: Endpoint) -> float | None:
    stated = endpoint.parameters.get("u_meas")
    usable = isinstance(stated, int | float) and not isinstance(stated, bool) and stated >= 0
    return float(stated) if usable else None  # type: ignore[arg-type]


def _mean(jack: DayJackknife, u_meas: float, unit: str, n: int) -> Known:
    """The mean; its guard band is the instruments' uncertainty, added to its sampling interval in
    quadrature.
    """

    def guarded(ends: tuple[float, float]) -> tuple[float, float]:
        width = float(np.hypot(K * u_meas, (ends[1] - ends[0]) / 2))
        return jack.estimate - width, jack.estimate + width

    def interval(level: float) -> tuple[float, float]:
        return guarded(jack.interval(level))

    def early(level: float, planned: int) -> tuple[float, float]:
        return guarded(jack.always_valid(level, planned))

    return Known(
        "mean",
        jack.estimate,
        interval,
        unit,
        "guard_band",
        n,
        jack.spread.n_effective,
        early,
        {"days": n},
        jack,
    )


def foretell(rehearsal: Rehearsal) -> Seen:
    """Forecast from the days so far. More days do not lower the instruments' part of the interval."""
    fixed = K * (_u_meas(rehearsal.question.endpoint) or 0.0)
    return of_answer(DESIGN.answer(rehearsal.question), DESIGN.sentences, fixed=fixed)


DESIGN = Design(
    "limit_compliance",
    title="Comparison with a limit value",
    method="Limit: mean ± U with U = √((k·u)² + h²), k = 2, h half the interval of the mean, "
    "u the standard uncertainty of "
    "the instruments. Levels in dB are averaged by energy, L = 10·log₁₀ mean 10^(L/10); Lden adds 5 dB in "
    "the evening (18–22 h) and 10 dB at night (22–6 h).",
    arms=("candidate",),
    periods=REPORTING,
    statistics=named(Statistic("mean", "mean level")),
    function=answer,
    sentences=(U_MEAS_MISSING, U_MEAS_MISSING_SO_FAR, WITHIN_GUARD_BAND),
    other_choices={**BLOCK_LENGTH, "sampling_only": "sampling error only"},
    lines={"daily": "day value"},
    foretell=foretell,
)
