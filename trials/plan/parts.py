"""Parts of a protocol: periods, arms, measurements, checks, criteria."""

from __future__ import annotations

from pydantic import (
    Field,
    model_validator,
)

from insitu.model import DatastreamRole, PeriodName
from trials.plan.values import Code, Moment, Part, Share, Span, Text


class Period(Part):
    """Half-open `[start, end)`."""

    name: PeriodName
    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _ordered(self) -> Period:
        if self.end <= self.start:
            raise ValueError("a period must end after it starts")
        return self


class Arm(Part):
    """A group of devices with one role. Each device is one series, joined with its replacements at its
    position.
    """

    name: Code
    role: DatastreamRole
    site: Code
    devices: list[Code] = Field(min_length=1)


class CheckPlan(Part):
    """One quality check of a property, with its parameters; `trials.quality` names the checks and their
    parameters.
    """

    property: Code
    check: str
    parameters: dict[str, float | int | str | bool] = Field(default_factory=dict)
    arms: list[Code] | None = None
    """None: every arm."""


class Measurement(Part):
    property: Code
    arms: list[Code] = Field(min_length=1)
    interval: Span
    """Planned time between two results of a device."""
    holds: Span | None = None
    """For a property on the scale `time_weighted`: how long a result holds at most, if none follows; None:
    one planned interval.
    """

    @model_validator(mode="after")
    def _holds_an_interval(self) -> Measurement:
        if self.holds is not None and self.holds.about < self.interval.about:
            raise ValueError("a result holds for one planned interval at least: make `holds` no shorter")
        return self


class Target(Part):
    """The set T = [low, high]; None is open. One bound is enough; an equivalence needs both."""

    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> Target:
        if self.low is None and self.high is None:
            raise ValueError("a target needs low, high or both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low lies above high")
        return self


class Block(Part):
    """A stretch of a crossover with the device switched on, or off: half-open `[start, end)`."""

    start: Moment
    end: Moment
    on: bool

    @model_validator(mode="after")
    def _ordered(self) -> Block:
        if self.end <= self.start:
            raise ValueError("a block must end after it starts")
        return self


class Criterion(Part):
    statistic: str
    """A statistic of the endpoint's design: `effect`, `mean`, `slope`, `r2`, `rmse`, …"""
    target: Target
    justification: Text
    """Why this margin and no other."""
    alternative_to: str | None = None
    """Another statistic of this endpoint: it is enough that one of the two is met (RMSE or NRMSE)."""


class Capture(Part):
    """The gate: an arm and period count if `share` of the planned intervals are valid on `days` of the
    days.
    """

    share: Share = 0.75
    days: Share = 0.75
    day: Share = 0.75
    """A day counts for inference with this share of its planned intervals."""


class Decisions(Part):
    """The consequence of each verdict, agreed before anyone knows it."""

    met: Text
    not_met: Text
    inconclusive: Text
    not_evaluable: Text
