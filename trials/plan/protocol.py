"""The protocol of a trial: what was planned, in a form that can be checked, hashed and locked.

A protocol is written as JSON (see docs/protocol.md). Its canonical form is RFC 8785, its hash SHA-256 over
those bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import rfc8785
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from insitu.errors import CorrectInput
from insitu.model import CODE_PATTERN, DatastreamRole, PeriodName
from trials.plan.positions import Lines

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


def _each_once(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("name each only once")
    return names


Span = Annotated[timedelta, AfterValidator(_positive)]
Names = Annotated[list[Code], Field(min_length=1), AfterValidator(_each_once)]
ClockTime = Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Moment = Annotated[datetime, AfterValidator(_aware)]
ProfileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}/[a-z0-9][a-z0-9_-]{0,63}$")]


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
    """A group of devices with one role; each device is one series, joined with what replaces it at its
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


AggregationName = Literal[
    "mean",
    "percentile",
    "exceedance_share",
    "count",
    "duty",
    "sum",
    "min",
    "max",
    "la10",
    "la90",
    "lden",
    "ld",
    "le",
    "ln",
]
WITH_STEP: Final = ("percentile", "exceedance_share", "count", "min", "max", "la10", "la90")
WITH_THRESHOLD: Final = ("exceedance_share", "count", "duty")
SHARES: Final = ("exceedance_share", "duty")
OWN_HOURS: Final = ("lden", "ld", "le", "ln")
ON_GRID_ONLY: Final = ("reference_collocation",)
"""Designs that pair the steps of the endpoint's grid and ask for no day values."""
ON_ENERGY: Final = ("mean", *OWN_HOURS)
"""Aggregations whose day values are levels that are averaged by energy again, where the property is."""


class Aggregation(Part):
    """How the results of a local day become one value. Written as its name alone where it needs no number."""

    name: AggregationName
    q: float | None = Field(default=None, gt=0, lt=100)
    """Of a percentile: so many per cent of the steps lie at or below it."""
    threshold: float | None = None
    """Of `exceedance_share` and `count`: what lies above it counts. Of `duty`: above it, something is on
    (default 0).
    """
    step: Span | None = None
    """Steps are the means of this span, from local midnight on; None: the planned interval of the
    measurement.
    """

    @model_validator(mode="after")
    def _fits(self) -> Aggregation:
        if (self.q is not None) != (self.name == "percentile"):
            raise ValueError("percentile needs q, as in 95" if self.q is None else f"{self.name} has no q")
        if self.threshold is not None and self.name not in WITH_THRESHOLD:
            raise ValueError(f"{self.name} has no threshold")
        if self.threshold is None and self.name in ("exceedance_share", "count"):
            raise ValueError(f"{self.name} needs a threshold, in the unit of the property")
        if self.step is not None:
            if self.name not in WITH_STEP:
                raise ValueError(f"{self.name} has no step: it is made of all planned intervals of a day")
            if timedelta(days=1) % self.step:
                raise ValueError("step must go into a day a whole number of times, as PT15M or PT1H")
        return self

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> Any:
        stated = {name: value for name, value in handler(self).items() if value is not None}
        return self.name if set(stated) == {"name"} else stated

    @classmethod
    def of(cls, given: Aggregation | str) -> Aggregation:
        """Itself, or the aggregation of that name."""
        return given if isinstance(given, Aggregation) else cls.model_validate({"name": given})


class Filter(Part):
    """Which planned intervals an endpoint is about: those that fulfil every condition. The others are not
    planned for it.
    """

    hours: tuple[ClockTime, ClockTime] | None = None
    """Local time of day `[from, to)`, as ["07:00", "19:00"]; may wrap midnight. An interval lies where it
    begins.
    """
    weekdays: Annotated[list[Weekday], Field(min_length=1), AfterValidator(_each_once)] | None = None
    holidays: Literal["without", "only"] | None = None
    """The eleven public holidays of metropolitan France."""
    sites: Names | None = None
    devices: Names | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Filter:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("a filter needs hours, weekdays, holidays, sites or devices")
        if self.hours is not None and self.hours[0] in (self.hours[1], "24:00"):
            raise ValueError(
                "hours must end at another time than they begin; leave them out for the whole day"
            )
        return self


class Endpoint(Part):
    name: Code
    title: Text
    rank: Literal["primary", "secondary", "exploratory"] = "primary"
    property: Code
    unit: str
    design: str
    """A name registered in `trials.designs`: `reference_collocation`, `before_after`, `control_sites`, …"""
    arms: dict[Literal["candidate", "reference", "control"], Code]
    aggregation: Annotated[
        Aggregation, BeforeValidator(lambda given: {"name": given} if isinstance(given, str) else given)
    ] = Aggregation(name="mean")
    filter: Filter | None = None
    """None: every planned interval of its arms."""
    blinded: Annotated[bool | None, AfterValidator(lambda on: on or None)] = None
    """True: neither estimate nor verdict is made before the evaluator unblinds it."""
    grid: Span = timedelta(hours=1)
    """Step of the pairs of a collocation."""
    criteria: list[Criterion] = Field(min_length=1)
    schedule: list[Block] | None = None
    """Of a crossover only: blocks in order of time; the first two are a pair, the next two another; between
    blocks is washout.
    """
    profile: ProfileName | None = None
    """Published targets that its criteria are, as `us-epa-air-sensors/pm25`; `trials.plan.profiles` has
    them.
    """
    parameters: dict[str, float | int | str | bool | list[str]] = Field(default_factory=dict)
    """Of the design: `u_meas`, `limit_value`, `covariates`, …; each design documents its own."""


class Capture(Part):
    """The gate: an arm and period count when `share` of the planned intervals are valid on `days` of the
    days.
    """

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
    evaluate_by: Moment | None = None
    """When the evaluation is to be made at the latest; None: whenever the reporting period has ended."""
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
            raise PydanticCustomError(
                "inconsistent", "{told}", {"told": "; ".join(problems), "problems": problems}
            )
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
            yield from (
                f"measurements: there is no arm {arm!r}" for arm in measurement.arms if arm not in arms
            )
        for check in self.checks:
            yield from (f"checks: there is no arm {arm!r}" for arm in check.arms or [] if arm not in arms)

    def _wrong_endpoints(self) -> Iterator[str]:
        arms = {arm.name for arm in self.arms}
        measured = {(m.property, arm) for m in self.measurements for arm in m.arms}
        names = [endpoint.name for endpoint in self.endpoints]
        yield from (
            f"endpoints: {name!r} stands twice" for name in sorted({n for n in names if names.count(n) > 1})
        )
        if not any(endpoint.rank == "primary" for endpoint in self.endpoints):
            yield "endpoints: none is primary"
        for endpoint in self.endpoints:
            yield from (f"endpoints.{endpoint.name}.{problem}" for problem in self._wrong_schedule(endpoint))
            known = {criterion.statistic for criterion in endpoint.criteria}
            for criterion in endpoint.criteria:
                if criterion.alternative_to is not None and criterion.alternative_to not in known - {
                    criterion.statistic
                }:
                    yield (
                        f"endpoints.{endpoint.name}: no other criterion is about {criterion.alternative_to!r}"
                    )
            for arm in endpoint.arms.values():
                if arm not in arms:
                    yield f"endpoints.{endpoint.name}: there is no arm {arm!r}"
                elif (endpoint.property, arm) not in measured:
                    yield f"endpoints.{endpoint.name}: no measurement plans {endpoint.property!r} for {arm!r}"
            yield from (
                f"endpoints.{endpoint.name}.{problem}" for problem in self._wrong_aggregation(endpoint)
            )

    def _wrong_aggregation(self, endpoint: Endpoint) -> Iterator[str]:
        chosen, kept = endpoint.aggregation, endpoint.filter
        arms = [arm for arm in self.arms if arm.name in endpoint.arms.values()]
        for arm in arms:
            interval = self.interval_of(endpoint.property, arm.name)
            if chosen.step is not None and chosen.step % interval:
                yield f"aggregation.step: not a whole number of the planned intervals of {arm.name!r}"
            if kept is not None and kept.devices is not None and not set(kept.devices) & set(arm.devices):
                yield f"filter.devices: none of them stands in arm {arm.name!r}"
        if chosen.name in SHARES and endpoint.unit not in ("1", "%"):
            yield f"unit: {chosen.name} is a share, its unit is 1 or %"
        if endpoint.design in ON_GRID_ONLY and chosen.name not in ON_ENERGY:
            yield f"aggregation: {endpoint.design} compares means on its grid, not {chosen.name}"
        if kept is None:
            return
        if kept.hours is not None and chosen.name in OWN_HOURS:
            yield f"filter.hours: {chosen.name} has hours of its own"
        unknown = set(kept.devices or []) - {device for arm in arms for device in arm.devices}
        yield from (
            f"filter.devices: {device!r} stands in no arm of this endpoint" for device in sorted(unknown)
        )

    def _wrong_schedule(self, endpoint: Endpoint) -> Iterator[str]:
        blocks = endpoint.schedule or []
        if blocks and endpoint.design != "crossover":
            yield f"schedule: only a crossover has one, and this is {endpoint.design!r}"
        reporting = self.period(PeriodName.REPORTING)
        for number, (before, after) in enumerate(pairwise(blocks), start=1):
            if after.start < before.end:
                yield f"schedule.{number}: it starts before the block before it ends"
            if number % 2 and before.on == after.on:
                yield (
                    f"schedule.{number}: a pair needs one block on and one off, and both are "
                    f"{'on' if after.on else 'off'}"
                )
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
        """Planned time between two results of a device of the arm; an hour where none is planned
        (covariates).
        """
        planned = (m.interval for m in self.measurements if m.property == property and arm in m.arms)
        return next(planned, timedelta(hours=1))

    def planned_checks(
        self, property: str, device: str, sites: Sequence[str]
    ) -> dict[str, dict[str, float | int | str | bool]]:
        """Check → its parameters for a datastream: those of the arm that names the device, else of the arms
        at its sites.
        """
        own = [arm.name for arm in self.arms if device in arm.devices]
        seen: dict[str, dict[str, float | int | str | bool]] = {}
        for arm in own or [arm.name for arm in self.arms if arm.site in sites]:
            for check in self.checks_of(property, arm):
                seen.setdefault(check.check, dict(check.parameters))
        return seen

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


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a protocol, and where: a field by its path, a line of the text where there is
    one.
    """

    field: str
    line: int | None
    message: str

    def told(self, source: str) -> str:
        return f"{source}{'' if self.line is None else f', line {self.line}'}: {self.field}: {self.message}"


class WrongProtocol(CorrectInput):
    """The text is not a protocol: every problem is named."""

    def __init__(self, problems: list[Problem], text: str) -> None:
        super().__init__(text)
        self.problems = problems


def read_protocol(text: str, *, source: str = "protocol") -> Protocol:
    """A protocol from JSON text; WrongProtocol names the line of broken JSON, or every wrong field with its
    line.
    """
    try:
        return Protocol.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        told = f"{source}, line {error.lineno}, column {error.colno}: {error.msg}."
        raise WrongProtocol(
            [Problem("protocol", error.lineno, f"column {error.colno}: {error.msg}.")], told
        ) from error
    except RecursionError as error:
        raise _too_deep(source) from error
    except ValidationError as error:
        try:
            problems = list(_problems(error, Lines(text)))
        except RecursionError:
            raise _too_deep(source) from error
        raise WrongProtocol(problems, "\n".join(one.told(source) for one in problems)) from error


def _too_deep(source: str) -> WrongProtocol:
    return WrongProtocol([Problem("protocol", None, "too deeply nested")], f"{source}: too deeply nested.")


def located(problems: list[str], lines: Lines) -> Iterator[Problem]:
    """Problems that begin with a path and a colon, as "endpoints.main.unit: …", with their lines."""
    for problem in problems:
        path, _, message = problem.partition(": ")
        yield Problem(path, lines.of(path.split(".")), message)


def _problems(error: ValidationError, lines: Lines) -> Iterator[Problem]:
    for one in error.errors():
        if one["type"] == "inconsistent":
            yield from located(one["ctx"]["problems"], lines)
            continue
        path = ".".join(str(part) for part in one["loc"]) or "protocol"
        yield Problem(path, lines.of(one["loc"]), one["msg"].removeprefix("Value error, "))
