"""Looks before the end: the part of a running reporting period that can be seen, and the looks that were
planned and made. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from insitu.model import PeriodName
from insitu.spacing import Spacing
from trials.evaluation import LookSummary
from trials.plan.endpoint import Endpoint
from trials.plan.protocol import Protocol
from trials.plan.rules import Rules
from trials.series.aggregate import inside
from trials.series.inputs import TrialInputs
from trials.series.slots import Calendar

HOUR = timedelta(hours=1)
PATIENCE = timedelta(days=2)
"""A planned look may be made up to this many local days after its day."""


def is_early(inputs: TrialInputs) -> bool:
    """Whether the reporting period has not ended yet."""
    reporting = inputs.protocol.period(PeriodName.REPORTING)
    return reporting is not None and inputs.now < reporting.end


def so_far(inputs: TrialInputs) -> TrialInputs:
    """The inputs with the reporting period cut at the last local midnight, and the uncut protocol in `whole`;
    the same inputs if it has ended.

    Nothing counts as planned after the cut, so nothing is missing there. Today does not count.
    """
    protocol, reporting = inputs.protocol, inputs.protocol.period(PeriodName.REPORTING)
    if not is_early(inputs) or reporting is None:
        return inputs
    midnight = inputs.now.astimezone(ZoneInfo(protocol.time_zone)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    cut = reporting.model_copy(update={"end": max(reporting.start, midnight)})
    periods = [cut if period.name is PeriodName.REPORTING else period for period in protocol.periods]
    return replace(inputs, protocol=protocol.model_copy(update={"periods": periods}), whole=protocol)


def looks(inputs: TrialInputs) -> list[LookSummary]:
    """Looks that were planned or made, in order of time.

    Evaluations of one local day are one look. Those that were blinded, or made before the reporting period,
    show nothing and are left out.
    """
    zone, reporting = ZoneInfo(inputs.protocol.time_zone), inputs.protocol.period(PeriodName.REPORTING)
    if reporting is None:
        return []
    made: dict[date, tuple[datetime, str | None]] = {}
    for one in inputs.earlier:
        if one.interim and not one.blinded and one.at >= reporting.start:
            made.setdefault(one.at.astimezone(zone).date(), (one.at, one.sha256))
    blinded = any(e.rank == "primary" and inputs.is_blinded(e) for e in inputs.protocol.endpoints)
    if reporting.start <= inputs.now < reporting.end and not blinded:
        made.setdefault(inputs.now.astimezone(zone).date(), (inputs.now, None))
    found = []
    for planned in sorted(inputs.protocol.interim_looks):
        day = planned.astimezone(zone).date()
        at, sha256 = made.pop(
            next((d for d in sorted(made) if day <= d <= day + PATIENCE), date.max), (None, None)
        )
        found.append(LookSummary(planned=planned, made=at, sha256=sha256))
    found += [LookSummary(planned=None, made=at, sha256=sha256) for at, sha256 in made.values()]
    return sorted(found, key=_moment)


def _moment(look: LookSummary) -> datetime:
    return next(at for at in (look.made, look.planned) if at is not None)


def is_missed(look: LookSummary, inputs: TrialInputs) -> bool:
    """Planned, not made, and too late now."""
    if look.planned is None or look.made is not None:
        return False
    zone = ZoneInfo(inputs.protocol.time_zone)
    return inputs.now.astimezone(zone).date() > look.planned.astimezone(zone).date() + PATIENCE


def planned_days(protocol: Protocol, endpoint: Endpoint, rules: Rules) -> int:
    """Local days of the reporting period on which the endpoint plans anything, or intervals if they are
    longer than a day: the number of values that it will have.
    """
    reporting = protocol.period(PeriodName.REPORTING)
    if reporting is None or reporting.end <= reporting.start:
        return 0
    intervals = [protocol.interval_of(endpoint.property, arm) for arm in endpoint.arms.values()]
    long = [one for one in intervals if one.is_longer_than_a_day and rules.local_grid]
    step = max(long, key=Spacing.about_s, default=Spacing(HOUR))
    calendar = Calendar.of(reporting.start, reporting.end, step, protocol.time_zone, rules)
    return len(np.unique(calendar.day[inside(endpoint.filter, endpoint.aggregation, calendar)]))
