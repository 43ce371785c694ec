"""The protocol of a trial: what was planned, in a form that can be checked, hashed and locked.

A protocol is written as JSON (see docs/protocol.md). Its canonical form is RFC 8785, its hash SHA-256 over those bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from insitu.errors import CorrectInput
from insitu.model import CODE_PATTERN, DatastreamRole, PeriodName

SCHEMA: Final = "insitu/protocol/1"

Code = Annotated[str, Field(pattern=CODE_PATTERN)]
Share = Annotated[float, Field(ge=0, le=1)]


def _aware(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError("give the offset from UTC, as in 2026-03-01T00:00:00+01:00")
    return when


def _positive(span: timedelta) -> timedelta:
    if span <= timedelta(0):
        raise ValueError("a time between two results must be longer than nothing")
    return span


Span = Annotated[timedelta, AfterValidator(_positive)]
Moment = Annotated[datetime, AfterValidator(_aware)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Text(Part):
    """The same sentence in both languages."""

    en: str = Field(min_length=1)
    fr: str = Field(min_length=1)


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
    """A group of devices with one role; each device is one series, joined with what replaces it at its position."""

    name: Code
    role: DatastreamRole
    site: Code
    devices: list[Code] = Field(min_length=1)


class CheckPlan(Part):
    """One quality check of a property, with its parameters; `trials.quality` names the checks and their parameters."""

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


class Target(Part):
    """The set T = [low, high]; None is open. Only one of the two is needed, both for equivalence."""

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
    """A stretch of a crossover in which the device is switched on, or off: half-open `[start, end)`."""

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
    """Name of another statistic of this endpoint: one of the two being met is enough (RMSE or NRMSE)."""


class Endpoint(Part):
    name: Code
    title: Text
    rank: Literal["primary", "secondary", "exploratory"] = "primary"
    property: Code
    unit: str
    design: str
    """A name registered in `trials.designs`: `reference_collocation`, `before_after`, `control_sites`, …"""
    arms: dict[Literal["candidate", "reference", "control"], Code]
    aggregation: str = "mean"
    """How the results of a grid step become one value: mean (on the property's averaging scale), lden, ld, le, ln."""
    grid: Span = timedelta(hours=1)
    criteria: list[Criterion] = Field(min_length=1)
    schedule: list[Block] | None = None
    """Of a crossover only: blocks in order of time; the first two are a pair, the next two another; between blocks is washout."""
    parameters: dict[str, float | int | str | bool | list[str]] = Field(default_factory=dict)
    """Of the design: `u_meas`, `limit_value`, `covariates`, …; each design documents its own."""


class Capture(Part):
    """The gate: an arm and period count when `share` of the planned intervals are valid on `days` of the days."""

    share: Share = 0.75
    days: Share = 0.75
    day: Share = 0.75
    """A day counts for inference with this share of its planned intervals."""


class Decisions(Part):
    """What each verdict leads to, agreed before anyone knows it."""

    met: Text
    not_met: Text
    inconclusive: Text
    not_evaluable: Text


class Protocol(Part):
    schema_: Literal["insitu/protocol/1"] = Field(default="insitu/protocol/1", alias="schema")
    trial: Code
    version: int = Field(default=1, ge=1)
    title: Text
    question: Text
    need: Code | None = None
    hypothesis: Text
    time_zone: str = "Europe/Paris"
    periods: list[Period]
    arms: list[Arm] = Field(min_length=1)
    measurements: list[Measurement] = Field(min_length=1)
    checks: list[CheckPlan] = Field(default_factory=list)
    capture: Capture = Capture()
    endpoints: list[Endpoint] = Field(min_length=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """1 − α of the two-sided interval."""
    exclusions: list[Text] = Field(default_factory=list)
    missing_data: Text
    interim_looks: list[Moment] = Field(default_factory=list)
    seed: int = Field(default=1, ge=0, le=2**53 - 1)
    roles: dict[str, str] = Field(default_factory=dict)
    decisions: Decisions
    reason: Text | None = None
    """Of an amendment: what changed and why; needed from version 2 on."""

    @model_validator(mode="after")
    def _consistent(self) -> Protocol:
        problems = [*self._wrong_times(), *self._wrong_arms(), *self._wrong_endpoints()]
        if self.version > 1 and self.reason is None:
            problems.append("reason: an amendment says what changed and why")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _wrong_times(self) -> Iterator[str]:
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):  # OSError: "Europe" is a folder
            yield f"time_zone: {self.time_zone!r} is not a time zone, use a name such as Europe/Paris"
        names = [period.name for period in self.periods]
        if len(set(names)) != len(names):
            yield "periods: a period stands twice"
        if PeriodName.REPORTING not in names:
            yield "periods: the reporting period is missing"
        for before, after in pairwise(sorted(self.periods, key=lambda period: period.start)):
            if after.start < before.end:
                yield f"periods: {before.name} and {after.name} overlap"

    def _wrong_arms(self) -> Iterator[str]:
        arms = {arm.name for arm in self.arms}
        if len(arms) != len(self.arms):
            yield "arms: two arms have the same name"
        for measurement in self.measurements:
            yield from (f"measurements: there is no arm {arm!r}" for arm in measurement.arms if arm not in arms)
        for check in self.checks:
            yield from (f"checks: there is no arm {arm!r}" for arm in check.arms or [] if arm not in arms)

    def _wrong_endpoints(self) -> Iterator[str]:
        arms = {arm.name for arm in self.arms}
        measured = {(m.property, arm) for m in self.measurements for arm in m.arms}
        names = [endpoint.name for endpoint in self.endpoints]
        yield from (f"endpoints: {name!r} stands twice" for name in sorted({n for n in names if names.count(n) > 1}))
        if not any(endpoint.rank == "primary" for endpoint in self.endpoints):
            yield "endpoints: none is primary"
        for endpoint in self.endpoints:
            yield from (f"endpoints.{endpoint.name}.{problem}" for problem in self._wrong_schedule(endpoint))
            known = {criterion.statistic for criterion in endpoint.criteria}
            for criterion in endpoint.criteria:
                if criterion.alternative_to is not None and criterion.alternative_to not in known - {criterion.statistic}:
                    yield f"endpoints.{endpoint.name}: no other criterion is about {criterion.alternative_to!r}"
            for arm in endpoint.arms.values():
                if arm not in arms:
                    yield f"endpoints.{endpoint.name}: there is no arm {arm!r}"
                elif (endpoint.property, arm) not in measured:
                    yield f"endpoints.{endpoint.name}: no measurement plans {endpoint.property!r} for {arm!r}"

    def _wrong_schedule(self, endpoint: Endpoint) -> Iterator[str]:
        blocks = endpoint.schedule or []
        if blocks and endpoint.design != "crossover":
            yield f"schedule: only a crossover has one, and this is {endpoint.design!r}"
        reporting = self.period(PeriodName.REPORTING)
        for number, (before, after) in enumerate(pairwise(blocks), start=1):
            if after.start < before.end:
                yield f"schedule.{number}: it starts before the block before it ends"
            if number % 2 and before.on == after.on:
                yield f"schedule.{number}: a pair needs one block on and one off, and both are {'on' if after.on else 'off'}"
        if len(blocks) % 2:
            yield f"schedule.{len(blocks) - 1}: the last block has no other to make a pair"
        for number, block in enumerate(blocks):
            if reporting and not (reporting.start <= block.start and block.end <= reporting.end):
                yield f"schedule.{number}: it lies outside the reporting period"

    def period(self, name: PeriodName) -> Period | None:
        return next((p for p in self.periods if p.name is name), None)

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)

    def interval_of(self, property: str, arm: str) -> timedelta:
        """Planned time between two results of a device of the arm; an hour where none is planned (covariates)."""
        planned = (m.interval for m in self.measurements if m.property == property and arm in m.arms)
        return next(planned, timedelta(hours=1))

    def checks_of(self, property: str, arm: str) -> list[CheckPlan]:
        return [c for c in self.checks if c.property == property and (c.arms is None or arm in c.arms)]


def canonical(document: dict[str, Any]) -> bytes:
    """RFC 8785 bytes of a JSON document."""
    return rfc8785.dumps(document)


def digest(document: dict[str, Any]) -> str:
    """SHA-256 (hex) of the canonical form."""
    return hashlib.sha256(canonical(document)).hexdigest()


def document_of(protocol: Protocol) -> dict[str, Any]:
    """The protocol as JSON values: what is stored, hashed and packed."""
    document: dict[str, Any] = protocol.model_dump(mode="json", by_alias=True, exclude_none=True)
    return document


def read_protocol(text: str, *, source: str = "protocol") -> Protocol:
    """A protocol from JSON text; CorrectInput names the line (of broken JSON) or every wrong field."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise CorrectInput(f"{source}, line {error.lineno}, column {error.colno}: {error.msg}.") from error
    try:
        return Protocol.model_validate(document)
    except ValidationError as error:
        lines = [
            f"{source}: {'.'.join(str(part) for part in e['loc']) or 'protocol'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise CorrectInput("\n".join(lines)) from error
