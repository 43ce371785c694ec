"""What a protocol may expect of its planned days, from what was measured before its reporting period. Pure,
like `trials.judge.compute`.

Looks at no observation of the reporting period, so that it may be made, and shown, at any time: while the
protocol is written, and for a blinded endpoint too. Of a blinded endpoint it tells widths and distances only,
never what the days so far say of its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from insitu.model import PeriodName
from trials.designs import DESIGNS, Question
from trials.designs.limit_compliance import K
from trials.designs.question import unit_of
from trials.judge.expectations import (
    NOTES,
    UNKNOWN,
    CriterionOutlook,
    EndpointOutlook,
    Expectation,
    Note,
    Outlook,
    note,
)
from trials.judge.experimental_units import Units
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Criterion, Period, Target
from trials.plan.protocol import Protocol
from trials.series.inputs import TrialInputs
from trials.statistics.intervals import IDENTITY, LOG, MIN_DAYS, spread, varies
from trials.statistics.power import Basis, chances, days_needed, half_width, met_region, smallest_effect

LENGTHS: Final = (14, 30, 60, 90)
POWER: Final = 0.8
LOOK_BACK: Final = timedelta(days=90)
"""What is looked at where the protocol has no baseline period."""
CLEARLY: Final = 3.0
"""Standard errors above 0 that a mean needs before anything is divided by it: as in design 4."""
MIN_PAIRS_SEEN: Final = 3


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the days so far say of an endpoint."""

    bases: dict[str, Basis]
    days: int
    share: float
    """Of the calendar days between the first and the last that counts, how many count."""
    notes: list[Note]


def seen_period(protocol: Protocol, now: datetime) -> tuple[datetime, datetime]:
    """`[start, end)` of what an outlook looks at: the baseline so far, else the 90 days before the reporting
    period.
    """
    reporting = protocol.period(PeriodName.REPORTING)
    assert reporting is not None  # a protocol without one cannot be read
    baseline = protocol.period(PeriodName.BASELINE)
    start, end = (
        (baseline.start, baseline.end) if baseline else (reporting.start - LOOK_BACK, reporting.start)
    )
    return start, max(start + timedelta(hours=1), min(end, now, reporting.start))


def outlook(inputs: TrialInputs, *, lengths: Sequence[int] = LENGTHS, power: float = POWER) -> Outlook:
    """Each endpoint of the protocol, for its own reporting period and for `lengths` (calendar days), at
    `power`.

    `inputs` need hold no more than the span of `seen_period`; what lies outside it is not looked at.
    """
    protocol = inputs.protocol
    start, end = seen_period(protocol, inputs.now)
    periods = [
        Period(name=name, start=start, end=end) for name in (PeriodName.BASELINE, PeriodName.REPORTING)
    ]
    rehearsed = replace(inputs, protocol=protocol.model_copy(update={"periods": periods}))
    reporting = protocol.period(PeriodName.REPORTING)
    planned = _days(reporting) if reporting else 0
    return Outlook(
        trial=protocol.trial,
        version=protocol.version,
        power=power,
        start=start,
        end=end,
        planned_days=planned,
        endpoints=[
            _endpoint(inputs, rehearsed, endpoint, planned=planned, lengths=lengths, power=power)
            for endpoint in protocol.endpoints
        ],
    )


def _days(period: Period) -> int:
    return round((period.end - period.start) / timedelta(days=1))


def _endpoint(
    inputs: TrialInputs,
    rehearsed: TrialInputs,
    endpoint: Endpoint,
    *,
    planned: int,
    lengths: Sequence[int],
    power: float,
) -> EndpointOutlook:
    protocol = inputs.protocol
    secondary = sum(one.rank == "secondary" for one in protocol.endpoints)
    level = 1 - (1 - protocol.confidence) / (secondary if endpoint.rank == "secondary" else 1)
    seen = _seen(protocol, rehearsed, endpoint, level)
    blinded = inputs.is_blinded(endpoint)
    criteria = [
        _criterion(
            endpoint, one, seen, level=level, planned=planned, lengths=lengths, power=power, blinded=blinded
        )
        for one in endpoint.criteria
    ]
    return EndpointOutlook(
        name=endpoint.name,
        title=endpoint.title,
        rank=endpoint.rank,
        design=endpoint.design,
        level=level,
        days=seen.days,
        criteria=criteria,
        notes=seen.notes,
    )


def _seen(protocol: Protocol, rehearsed: TrialInputs, endpoint: Endpoint, level: float) -> _Seen:
    design = DESIGNS.get(endpoint.design)
    if design is None or any(role not in endpoint.arms for role in design.arms):
        return _Seen({}, 0, 1.0, [note("incomplete")])
    if design.name in UNKNOWN:
        return _Seen({}, 0, 1.0, [note(design.name)])
    baseline = protocol.period(PeriodName.BASELINE)
    if baseline is None and PeriodName.BASELINE in design.periods:
        return _Seen({}, 0, 1.0, [note("incomplete")])
    question = Units(rehearsed).question(endpoint, level)
    if design.name in ("before_after", "control_sites", "crossover"):
        days, values = _day_series(question)
        kept = np.isfinite(values)
        if kept.sum() < MIN_DAYS:
            return _Seen(
                {}, int(kept.sum()), 1.0, [note("too_few_days", days=int(kept.sum()), needed=MIN_DAYS)]
            )
        share = _share(days[kept])
        if not varies(
            values[kept] + (0 if design.name != "control_sites" else float(np.abs(values[kept]).max()))
        ):
            return _Seen({}, int(kept.sum()), share, [note("constant_series")])
        if design.name == "crossover":
            return _pairs(endpoint, values, int(kept.sum()), share, protocol.capture.days)
        planned = round(_days(baseline) * share) if baseline else 0
        return _of_difference(question, days[kept], values[kept], share, max(planned, MIN_DAYS))
    return _of_design(question)


def _day_series(question: Question) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Day values of the candidate, less those of the controls where the design has them."""
    days, values = question.days_of(question.arm("candidate", PeriodName.BASELINE))
    if not len(days):
        days, values = question.days_of(question.arm("candidate", PeriodName.REPORTING))
    if question.endpoint.design == "control_sites":
        _, controls = question.days_of(question.arm("control", PeriodName.BASELINE))
        values = values - controls if len(controls) == len(values) else np.empty(0)
    return days, values


def _share(days: NDArray[np.int64]) -> float:
    return len(days) / float(days[-1] - days[0] + 1)


def _of_difference(
    question: Question, days: NDArray[np.int64], values: NDArray[np.float64], share: float, before_days: int
) -> _Seen:
    """The effect, and where the mean allows it the ratio: on the logarithm with the relative scatter."""
    found = spread(days, values)
    bases = {"effect": Basis.of(found, before_days=before_days)}
    notes = []
    if question.endpoint.design == "before_after":
        if not question.energetic and found.mean > CLEARLY * found.standard_error:
            bases["ratio"] = replace(bases["effect"], sd=bases["effect"].sd / found.mean, scale=LOG)
        elif any(criterion.statistic == "ratio" for criterion in question.endpoint.criteria):
            notes.append(note("not_above_zero"))
    return _Seen(bases, found.n, share, notes)


def _of_design(question: Question) -> _Seen:
    """What the design itself finds when the days so far are taken for its reporting period."""
    answer = DESIGNS[question.endpoint.design].answer(question)
    counted = [
        value.day.toordinal() for line in answer.lines[:1] for value in line.days if value.value is not None
    ]
    share = _share(np.array(counted, np.int64)) if counted else 1.0
    if answer.blocked:
        blocking = [one for one in answer.findings if one.severity == "blocking"]
        return _Seen({}, len(counted), share, [_told(one.code, one.evidence) for one in blocking])
    fixed = 0.0
    if question.endpoint.design == "limit_compliance":
        # Else the design is blocked.
        fixed = K * float(question.endpoint.parameters["u_meas"])  # type: ignore[arg-type]
    bases = {
        one.statistic: Basis.of(one.basis, fixed=fixed) for one in answer.statistics if one.basis is not None
    }
    return _Seen(bases, len(counted), share, [])


def _told(code: str, evidence: dict[str, float | int | str | bool | list[str] | None]) -> Note:
    """A blocking finding of a design, as a note."""
    if code == "too_few_days":
        return note("too_few_days", days=int(str(evidence["days"])), needed=MIN_DAYS)
    same = {
        "identical_units": "constant_series",
        "no_common_intervals": "no_overlap",
        "no_observations": "no_overlap",
    }
    known = same.get(code, code)
    return note(known if known in NOTES else "incomplete")


def _pairs(endpoint: Endpoint, values: NDArray[np.float64], days: int, share: float, capture: float) -> _Seen:
    """Block pairs of the schedule laid over the days so far at every possible day, nothing being switched:
    how much they scatter.
    """
    schedule = endpoint.schedule or []
    if len(schedule) < 2:
        return _Seen({}, days, share, [note("schedule_missing")])
    day = timedelta(days=1)
    first, second = (max(1, int((block.end - block.start) / day)) for block in schedule[:2])
    gap = max(first, int((schedule[1].start - schedule[0].start) / day))
    length = gap + second
    every = (schedule[-1].end - schedule[0].start) / day / (len(schedule) / 2)
    differences, apart, free_from = [], 0, 0
    for at in range(len(values) - length + 1):
        blocks = values[at : at + first], values[at + gap : at + length]
        if all(np.isfinite(block).sum() >= max(1, capture * len(block)) for block in blocks):
            differences.append(float(np.nanmean(blocks[0]) - np.nanmean(blocks[1])))
            if at >= free_from:  # shares no day with the pair before it
                apart, free_from = apart + 1, at + length
    if apart < MIN_PAIRS_SEEN:
        return _Seen({}, days, share, [note("too_few_pairs", pairs=apart, needed=MIN_PAIRS_SEEN)])
    sd = float(np.sqrt(np.mean(np.square(differences))))  # about 0: nothing was switched
    return _Seen({"effect": Basis(sd, pair_days=every, freedom=float(apart))}, days, 1.0, [])


def _criterion(
    endpoint: Endpoint,
    criterion: Criterion,
    seen: _Seen,
    *,
    level: float,
    planned: int,
    lengths: Sequence[int],
    power: float,
    blinded: bool,
) -> CriterionOutlook:
    statistic, target = criterion.statistic, criterion.target
    unit = unit_of(statistic, endpoint.unit)
    basis = seen.bases.get(statistic)
    if basis is None:
        unsaid = [] if seen.notes else [note("statistic")]
        return CriterionOutlook(statistic=statistic, target=target, unit=unit, notes=unsaid)
    notes = [note("blinded")] if blinded and not _of_effect(statistic) else []
    assumed = _assumed(statistic, basis, blinded)
    rows = {
        days: _expected(
            basis,
            days,
            seen.share,
            level=level,
            target=target,
            assumed=assumed,
            power=power,
            hidden=bool(notes),
        )
        for days in sorted({planned, *lengths})
    }
    needed = None
    if assumed is not None:
        counted = days_needed(
            basis=basis, level=level, target=(target.low, target.high), true=assumed, power=power
        )
        needed = None if counted is None else int(np.ceil(counted / seen.share))
    notes += _warnings(basis, rows[planned], target, assumed, power)
    return CriterionOutlook(
        statistic=statistic,
        target=target,
        unit=unit,
        assumed=assumed,
        planned=rows[planned],
        lengths=[rows[days] for days in lengths],
        days_needed=needed,
        notes=notes,
    )


def _of_effect(statistic: str) -> bool:
    return statistic in ("effect", "ratio", "difference")


def _assumed(statistic: str, basis: Basis, blinded: bool) -> float | None:
    """No effect; of a level what the days so far say, but nothing where that is to stay unknown."""
    if _of_effect(statistic):
        return 1.0 if statistic == "ratio" else 0.0
    if blinded or basis.centre is None:
        return None
    return float(basis.scale.back(np.array([basis.centre]))[0])


def _expected(
    basis: Basis,
    days: int,
    share: float,
    *,
    level: float,
    target: Target,
    assumed: float | None,
    power: float,
    hidden: bool,
) -> Expectation:
    counted = int(days * share + 0.5)
    if counted < basis.fewest_days:
        return Expectation(days=days, counted=counted)
    bounds = (target.low, target.high)
    plain = basis.scale is IDENTITY
    width = None
    if plain:
        width = half_width(basis=basis, days=counted, level=level)
    elif not hidden:
        half = half_width(basis=basis, days=counted, level=level)
        ends = basis.scale.back(np.array([(basis.centre or 0.0) - half, (basis.centre or 0.0) + half]))
        width = float(ends[1] - ends[0]) / 2
    region = met_region(basis=basis, days=counted, level=level, target=bounds, power=power)
    decided = None
    if assumed is not None:
        decided = chances(basis=basis, days=counted, level=level, target=bounds, true=assumed).decided
    return Expectation(
        days=days,
        counted=counted,
        half_width=width,
        reachable=region is not None,
        decided=decided,
        smallest_effect=smallest_effect(basis=basis, days=counted, level=level, power=power)
        if plain
        else None,
        met_low=region[0] if region else None,
        met_high=region[1] if region else None,
    )


def _warnings(
    basis: Basis, planned: Expectation, target: Target, assumed: float | None, power: float
) -> list[Note]:
    """Why the verdict will probably be inconclusive; empty where it will not."""
    if planned.counted < basis.fewest_days:
        return [note("too_short", days=planned.days, counted=planned.counted, needed=basis.fewest_days)]
    if not planned.reachable:
        return [note("not_reachable", days=planned.days)]
    if assumed is None or planned.decided is None or planned.decided >= power:
        return []
    if assumed in (target.low, target.high) and basis.centre is None:
        return [note("on_the_bound")]
    told = float(f"{assumed:.3g}")
    return [
        note(
            "inconclusive",
            days=planned.days,
            chance=int(100 * planned.decided),
            assumed=int(told) if told.is_integer() else told,
        )
    ]
