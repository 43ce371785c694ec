"""The forecast for a protocol: what to expect of each endpoint and criterion, with notes and warnings."""

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
    """Forecast for one length of the reporting period."""

    days: int
    """Calendar days."""
    counted: int
    """Number of those days that will count for inference, if the share stays as it is so far."""
    half_width: float | None = None
    """Half-width of the two-sided interval; None if there is no estimate, or if it would reveal a blinded
    value.
    """
    smallest_effect: float | None = None
    """How far from a bound the truth must be; None on a scale where it has no unit."""
    met_low: float | None = None
    met_high: float | None = None
    """`met` is likely enough, with the power, for true values between these; None is open."""
    reachable: bool = False
    """Whether any true value reaches `met` with the power."""
    decided: float | None = None
    """Chance of `met` or `not_met`, if the true value is the assumed one."""


class CriterionOutlook(Shown):
    statistic: str
    target: Target
    unit: str
    assumed: float | None = None
    """True value assumed for `decided` and `days_needed`: no effect; for a level, its value in the days so
    far.
    """
    planned: Expectation | None = None
    """For the reporting period as planned."""
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
    """Level of its intervals; a secondary endpoint shares α with the others."""
    days: int
    """Days so far that count."""
    criteria: list[CriterionOutlook]
    notes: list[AsNote] = []


class Outlook(Shown):
    trial: str
    version: int
    power: float
    start: datetime
    end: datetime
    """The forecast uses `[start, end)`, before the reporting period."""
    planned_days: int
    """Calendar days of the reporting period."""
    endpoints: list[EndpointOutlook]

    def warnings(self) -> Iterator[tuple[str, str, Statement]]:
        """(endpoint, its design or statistic, why its verdict will probably be inconclusive or wrong)."""
        for endpoint in self.endpoints:
            yield from (
                (endpoint.name, endpoint.design, n) for n in endpoint.notes if n.severity == "warning"
            )
            for criterion in endpoint.criteria:
                yield from (
                    (endpoint.name, criterion.statistic, n)
                    for n in criterion.notes
                    if n.severity == "warning"
                )
