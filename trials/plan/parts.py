"""Parts of a protocol: periods, arms, measurements, checks, criteria."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import (
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from insitu.model import DatastreamRole, PeriodName, WindowKind
from trials.plan.values import PROSE, RULE, Code, Moment, Part, Share, Span, Text

WORST_PERCENTILE: Final = 95.0
"""Where the protocol names none (docs/decisions/0014)."""


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


class MissingRule(Part):
    """How missing intervals bear on the verdict."""

    worst_percentile: float = Field(default=WORST_PERCENTILE, ge=50, le=100)
    """A decided verdict must survive values at this percentile of those seen, on the unfavourable side."""
    reason: Text
    """Why no worse value is plausible."""


class ExclusionRule(Part):
    """Whether the results of intervals that an event touches count."""

    event: WindowKind | Literal["swap"]
    """A declared window of that kind, or the moment at which another device took the position."""
    strategy: Literal["exclude", "keep"]
    """`exclude`: no result counts, and none is missing. `keep`: every result counts, as without a rule."""
    settles: Span | None = None
    """Time after the event that counts with it: until the device has warmed up, or the air has settled."""
    reason: Text

    @model_validator(mode="after")
    def _lasts(self) -> ExclusionRule:
        if self.event == "swap" and self.strategy == "exclude" and self.settles is None:
            raise ValueError("a swap is a moment: say with `settles` how long after it no result counts")
        if self.settles is not None and self.settles.months:
            raise ValueError("settles: write days or hours, as P1D or PT6H")
        return self


def _kind(given: object) -> str:
    """Prose has `en` and `fr`, and nothing else."""
    if isinstance(given, Mapping):
        return PROSE if given.keys() <= {"en", "fr"} else RULE
    return PROSE if isinstance(given, Text) or not isinstance(given, Part) else RULE


Exclusion = Annotated[Annotated[Text, Tag(PROSE)] | Annotated[ExclusionRule, Tag(RULE)], Discriminator(_kind)]
MissingData = Annotated[Annotated[Text, Tag(PROSE)] | Annotated[MissingRule, Tag(RULE)], Discriminator(_kind)]
"""Prose for the reader, or a rule that is computed."""


class Decisions(Part):
    """The consequence of each verdict, agreed before anyone knows it."""

    met: Text
    not_met: Text
    inconclusive: Text
    not_evaluable: Text
