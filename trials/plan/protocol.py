"""The protocol of a trial: the plan, in a form that can be checked, hashed and locked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from insitu.model import PeriodName
from insitu.spacing import Spacing
from trials.plan.aggregation import OWN_HOURS, SHARES
from trials.plan.endpoint import Endpoint
from trials.plan.parts import (
    WORST_PERCENTILE,
    Arm,
    Capture,
    CheckPlan,
    Decisions,
    Exclusion,
    ExclusionRule,
    Measurement,
    MissingData,
    MissingRule,
    Period,
)
from trials.plan.values import Code, Moment, Part, Text

SCHEMA: Final = "insitu/protocol/1"
UNPLANNED: Final = Spacing(timedelta(hours=1))
"""The interval of a property that no measurement plans: a covariate."""


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
    exclusions: list[Exclusion] = Field(default_factory=list)
    missing_data: MissingData
    interim_looks: list[Moment] = Field(default_factory=list)
    evaluate_by: Moment | None = None
    """Latest time for the evaluation; None: any time after the reporting period."""
    seed: int = Field(default=1, ge=0, le=2**53 - 1)
    roles: dict[str, str] = Field(default_factory=dict)
    decisions: Decisions
    reason: Text | None = None
    """For an amendment: what changed and why; required from version 2 on."""

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
            yield "periods: a period is listed twice"
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
            f"endpoints: {name!r} is listed twice"
            for name in sorted({n for n in names if names.count(n) > 1})
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
            if chosen.step is not None and not interval.goes_into(chosen.step):
                yield f"aggregation.step: not a whole number of the planned intervals of {arm.name!r}"
            if kept is not None and kept.devices is not None and not set(kept.devices) & set(arm.devices):
                yield f"filter.devices: none of them is in arm {arm.name!r}"
        if chosen.name in SHARES and endpoint.unit not in ("1", "%"):
            yield f"unit: {chosen.name} is a share, its unit is 1 or %"
        if kept is None:
            return
        if kept.hours is not None and chosen.name in OWN_HOURS:
            yield f"filter.hours: {chosen.name} has hours of its own"
        unknown = set(kept.devices or []) - {device for arm in arms for device in arm.devices}
        yield from (f"filter.devices: {device!r} is in no arm of this endpoint" for device in sorted(unknown))

    def _wrong_schedule(self, endpoint: Endpoint) -> Iterator[str]:
        blocks = endpoint.schedule or []
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

    @property
    def worst_percentile(self) -> float:
        """Of the values seen, the plausible worst that a missing one may have had."""
        given = self.missing_data
        return given.worst_percentile if isinstance(given, MissingRule) else WORST_PERCENTILE

    @property
    def exclusion_rules(self) -> list[ExclusionRule]:
        """Those that leave something out."""
        rules = [rule for rule in self.exclusions if isinstance(rule, ExclusionRule)]
        return [rule for rule in rules if rule.strategy == "exclude"]

    def period(self, name: PeriodName) -> Period | None:
        return next((p for p in self.periods if p.name is name), None)

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)

    def interval_of(self, property: str, arm: str) -> Spacing:
        """Planned time between two results of a device of the arm; an hour for a property without a plan
        (covariates).
        """
        planned = (m.interval for m in self.measurements if m.property == property and arm in m.arms)
        return next(planned, UNPLANNED)

    def interval_for(self, property: str, device: str) -> Spacing:
        """Planned time between two results of a device: of an arm that names it, else of any arm."""
        own = [arm.name for arm in self.arms if device in arm.devices]
        planned = [m for m in self.measurements if m.property == property]
        named = [m.interval for m in planned if set(m.arms) & set(own)]
        return next(iter([*named, *(m.interval for m in planned)]), UNPLANNED)

    def hold_of(self, property: str, device: str) -> timedelta:
        """How long a result of the device holds at most, on the scale `time_weighted`: as stated for its arm,
        else one planned interval. A device of no arm follows the first measurement of the property.
        """
        arms = {arm.name for arm in self.arms if device in arm.devices}
        planned = [m for m in self.measurements if m.property == property]
        own = [m for m in planned if arms & set(m.arms)] or planned
        return next((m.holds or m.interval for m in own), UNPLANNED).about

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
