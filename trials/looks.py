"""Looks before the end: what is seen of a reporting period that lasts. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from insitu.model import PeriodName
from trials.aggregate import inside
from trials.inputs import TrialInputs
from trials.protocol import Endpoint, Protocol
from trials.slots import Calendar

HOUR = timedelta(hours=1)


def so_far(inputs: TrialInputs) -> TrialInputs:
    """The inputs with the reporting period cut at the last local midnight, `whole` the protocol as it was; themselves where it has ended.

    What lies ahead is not planned yet, so that nobody misses it; the day that lasts does not count.
    """
    protocol, reporting = inputs.protocol, inputs.protocol.period(PeriodName.REPORTING)
    if reporting is None or inputs.now >= reporting.end:
        return inputs
    midnight = inputs.now.astimezone(ZoneInfo(protocol.time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    cut = reporting.model_copy(update={"end": max(reporting.start, midnight)})
    periods = [cut if period.name is PeriodName.REPORTING else period for period in protocol.periods]
    return replace(inputs, protocol=protocol.model_copy(update={"periods": periods}), whole=protocol)


def planned_days(protocol: Protocol, endpoint: Endpoint) -> int:
    """Local days of the reporting period on which the endpoint plans anything."""
    reporting = protocol.period(PeriodName.REPORTING)
    if reporting is None or reporting.end <= reporting.start:
        return 0
    calendar = Calendar.of(reporting.start, reporting.end, HOUR, protocol.time_zone)
    return len(np.unique(calendar.day[inside(endpoint.filter, endpoint.aggregation, calendar)]))
