"""An outlook: what a protocol may expect of each endpoint and criterion, with notes and warnings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from trials.plan.parts import Target
from trials.plan.values import Text
from trials.statement import AsNote, Statement


class Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class Expectation(Shown):
    """Of one length of the reporting period."""

    days: int
    """Calendar days."""
    counted: int
    """Of those, how many will count for inference, if as large a share does as so far."""
    half_width: float | None = None
    """Of the two-sided interval; None where there is no estimate, or where it would tell a blinded value."""
    smallest_effect: float | None = None
    """How far from a bound the truth must lie; None on a scale on which it has no unit."""
    met_low: float | None = None
    met_high: float | None = None
    """True values between these are met with the power; None is open."""
    reachable: bool = False
    """Whether any true value is."""
    decided: float | None = None
    """Chance of `met` or `not_met`, if the true value is the assumed one."""


class CriterionOutlook(Shown):
    statistic: str
    target: Target
    unit: str
    assumed: float | None = None
    """True value that `decided` and `days_needed` rest on: no effect; for a level, what the days so far say
    of it.
    """
    planned: Expectation | None = None
    """Of the reporting period as the protocol has it."""
    lengths: list[Expectation] = []
    days_needed: int | None = None
    """Calendar days until the verdict is decided with the power."""
    notes: list[AsNote] = []


class EndpointOutlook(Shown):
    name: str
    title: Text
    rank: str
    design: str
    level: float
    """Of its intervals; a secondary endpoint shares α with the others."""
    days: int
    """That count so far."""
    criteria: list[CriterionOutlook]
    notes: list[AsNote] = []


class Outlook(Shown):
    trial: str
    version: int
    power: float
    start: datetime
    end: datetime
    """What was looked at: `[start, end)`, before the reporting period."""
    planned_days: int
    """Calendar days of the reporting period."""
    endpoints: list[EndpointOutlook]

    def warnings(self) -> Iterator[tuple[str, str, Statement]]:
        """(endpoint, statistic, why its verdict will probably be inconclusive)."""
        for endpoint in self.endpoints:
            for criterion in endpoint.criteria:
                yield from (
                    (endpoint.name, criterion.statistic, n)
                    for n in criterion.notes
                    if n.severity == "warning"
                )
