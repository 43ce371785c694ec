"""Forecasts the planned days of a protocol from measurements before its reporting period. Pure, like
`trials.judge.compute`.

Uses no observation of the reporting period, so that it may be made and shown at any time: while the protocol
is written, and for a blinded endpoint too. For a blinded endpoint it gives widths and distances only, never
the value in the days so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from insitu.model import PeriodName
from trials.designs import DESIGNS
from trials.designs.registry import find_statistic, unit_of
from trials.designs.rehearsal import Rehearsal, Seen
from trials.judge.expectations import CriterionOutlook, EndpointOutlook, Expectation, Outlook
from trials.judge.experimental_units import Units
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Criterion, Period, Target
from trials.plan.protocol import Protocol
from trials.sentences import note
from trials.series.inputs import TrialInputs
from trials.statement import Statement
from trials.statistics.intervals import IDENTITY
from trials.statistics.power import Basis, chances, days_needed, half_width, met_region, smallest_effect

LENGTHS: Final = (14, 30, 60, 90)
POWER: Final = 0.8
LOOK_BACK: Final = timedelta(days=90)
"""Time before the reporting period that is used if the protocol has no baseline period."""


def seen_period(protocol: Protocol, now: datetime) -> tuple[datetime, datetime]:
    """`[start, end)` of the observations that an outlook uses: the baseline so far, else the 90 days before
    the reporting period.
    """
    reporting = protocol.period(PeriodName.REPORTING)
    assert reporting is not None  # a protocol without one cannot be read
    baseline = protocol.period(PeriodName.BASELINE)
    begins = reporting.start.astimezone(ZoneInfo(protocol.time_zone))
    # From the same local time of day: 90 days of 24 hours would cut a day where the clocks change.
    before = (begins - LOOK_BACK).astimezone(UTC)
    start, end = (baseline.start, baseline.end) if baseline else (before, reporting.start)
    return start, max(start + timedelta(hours=1), min(end, now, reporting.start))


def outlook(inputs: TrialInputs, *, lengths: Sequence[int] = LENGTHS, power: float = POWER) -> Outlook:
    """Forecast of each endpoint, for its own reporting period and for `lengths` (calendar days), at `power`.

    `inputs` need hold no more than the span of `seen_period`; the rest is not used.
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
        notes=list(seen.notes),
    )


def _seen(protocol: Protocol, rehearsed: TrialInputs, endpoint: Endpoint, level: float) -> Seen:
    design = DESIGNS.get(endpoint.design)
    if design is None or any(role not in endpoint.arms for role in design.arms):
        return Seen(notes=[note("incomplete")])
    reason = design.reason_not_foretold
    if reason is not None:
        return Seen(notes=[reason.state()])
    baseline = protocol.period(PeriodName.BASELINE)
    if baseline is None and PeriodName.BASELINE in design.periods:
        return Seen(notes=[note("incomplete")])
    question = Units(rehearsed).question(endpoint, level)
    return design.seen(Rehearsal(question, _days(baseline) if baseline else 0))


def _criterion(
    endpoint: Endpoint,
    criterion: Criterion,
    seen: Seen,
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
    notes = [note("blinded")] if blinded and _no_effect(statistic) is None else []
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


def _no_effect(statistic: str) -> float | None:
    registered = find_statistic(statistic)
    return registered.no_effect if registered else None


def _assumed(statistic: str, basis: Basis, blinded: bool) -> float | None:
    """No effect; for a level, its value in the days so far; None if that must stay unknown."""
    nothing = _no_effect(statistic)
    if nothing is not None:
        return nothing
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
) -> list[Statement]:
    """Reasons why the verdict will probably be inconclusive; empty if it will not be."""
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
