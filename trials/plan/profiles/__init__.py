"""Target profiles: published targets as data, each with its source and the dates between which it is valid.
docs/profiles.md shows them.

One JSON file per profile, one entry per property or averaging time; an endpoint names both, as
`us-epa-air-sensors/pm25`. A profile that a locked protocol may name is never changed: its replacement gets
another name.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from insitu.errors import CorrectInput
from insitu.spacing import Spacing
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Capture, Criterion, Period, Target
from trials.plan.protocol import Protocol
from trials.plan.values import Code, Part, Span, Text

ON_GRID = ("reference_collocation", "replicates")
"""Designs that use the steps of a grid."""
Resolution = Literal["hourly", "daily", "monthly"]


class Source(Part):
    document: str = Field(min_length=1)
    section: Text


class ProfileTarget(Target):
    """A statistic with the set that must contain its whole interval."""

    statistic: str
    alternative_to: str | None = None


def _consistent(targets: list[ProfileTarget]) -> list[ProfileTarget]:
    names = [target.statistic for target in targets]
    if len(set(names)) != len(names):
        raise ValueError("a statistic is listed twice")
    if unknown := {t.alternative_to for t in targets if t.alternative_to} - set(names):
        raise ValueError(f"{sorted(unknown)[0]} is an alternative that has no target")
    return targets


class Asked(Part):
    """Targets and parameters that a profile requires of an endpoint of one design."""

    targets: Annotated[list[ProfileTarget], AfterValidator(_consistent)]
    parameters: dict[str, float] = Field(default_factory=dict)


class Gate(Part):
    """The largest errors allowed for a baseline model, per cent."""

    cv_rmse: float = Field(gt=0)
    nmbe: float = Field(gt=0)


class Least(Part):
    """The least that the protocol's `capture` must require; None: no requirement."""

    share: float | None = None
    days: float | None = None
    day: float | None = None


class Entry(Part):
    """Targets for one property and averaging time. None: as in the profile, or no requirement."""

    name: Code
    title: Text
    property: Code | None = None
    unit: str | None = None
    grid: Span | None = None
    source: Source | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    """Exclusive."""
    checked: Text | None = None
    """How the numbers were compared with their source."""
    designs: dict[str, Asked] = Field(min_length=1)
    capture: Least = Least()
    gate: Gate | None = None


class Profile(Part):
    name: Code
    title: Text
    notes: Text
    source: Source
    valid_from: date
    valid_to: date | None = None
    """Exclusive; None: no end is known."""
    checked: Text | None = None
    entries: list[Entry] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Profile:
        names = [entry.name for entry in self.entries]
        if len(set(names)) != len(names):
            raise ValueError("two entries have the same name")
        for found in map(self.of, names):
            if (
                found.valid_to is not None
                and found.valid_from is not None
                and found.valid_to <= found.valid_from
            ):
                raise ValueError(f"{found.name}: it ends before it begins")
            if found.checked is None:
                raise ValueError(f"{found.name}: it does not say how its numbers were checked")
        return self

    def of(self, name: str) -> Entry:
        """The entry of that name, completed from its profile. CorrectInput lists the names."""
        for entry in self.entries:
            if entry.name == name:
                own = {
                    field: getattr(entry, field) for field in ("source", "valid_from", "valid_to", "checked")
                }
                return entry.model_copy(
                    update={field: getattr(self, field) for field, value in own.items() if value is None}
                )
        raise CorrectInput(
            f"Profile {self.name} has no {name!r}: it has {', '.join(e.name for e in self.entries)}."
        )


@cache
def profiles() -> dict[str, Profile]:
    """Every profile by name."""
    found = [
        Profile.model_validate_json(file.read_text("utf-8"))
        for file in files(__name__).iterdir()
        if file.name.endswith(".json")
    ]
    return {profile.name: profile for profile in sorted(found, key=lambda profile: profile.name)}


def profile(name: str) -> Profile:
    """The profile of that name. CorrectInput lists the names."""
    if name not in profiles():
        raise CorrectInput(f"There is no profile {name!r}: there are {', '.join(profiles())}.")
    return profiles()[name]


def entry(reference: str) -> Entry:
    """The entry for a `profile/entry` of a protocol. CorrectInput lists the names."""
    name, _, part = reference.partition("/")
    return profile(name).of(part)


def is_known(reference: str) -> bool:
    """Whether that profile with that entry exists."""
    name, _, part = reference.partition("/")
    return name in profiles() and any(one.name == part for one in profiles()[name].entries)


def gate(resolution: Resolution) -> Gate:
    """Limits for a baseline model, by the spacing of its values."""
    found = entry(f"ashrae-14-ipmvp/{resolution}").gate
    assert found is not None, "a test checks that it is there"
    return found


def is_valid(found: Entry, start: date, end: date) -> bool:
    """Whether the entry is valid on all days of `[start, end)`."""
    begins = found.valid_from is None or start >= found.valid_from
    return begins and (found.valid_to is None or end <= found.valid_to)


def holds_in(found: Entry, period: Period, time_zone: str) -> bool:
    """Whether the entry is valid on every local day of the period."""
    zone = ZoneInfo(time_zone)
    last = (period.end - timedelta(microseconds=1)).astimezone(zone).date()
    return is_valid(found, period.start.astimezone(zone).date(), last + timedelta(days=1))


def validity(found: Entry) -> str:
    """ISO 8601 interval, the end exclusive: `2008-06-11/2026-12-12`, or `2021-02-01/..` without an end."""
    return f"{found.valid_from}/{found.valid_to or '..'}"


# -- a protocol that names a profile


def differences(protocol: Protocol, endpoint: Endpoint) -> Iterator[str]:
    """Differences of the endpoint from its profile; none if it names no profile."""
    if endpoint.profile is None:
        return
    try:
        found = entry(endpoint.profile)
    except CorrectInput as error:
        yield f"profile: {error}"
        return
    for field in ("property", "unit"):
        wanted, stated = getattr(found, field), getattr(endpoint, field)
        if wanted is not None and stated != wanted:
            yield f"{field}: {stated!r} here, but {endpoint.profile} has {wanted!r}"
    asked = found.designs.get(endpoint.design)
    if asked is None:
        yield (
            f"design: {endpoint.profile} has targets for {', '.join(found.designs)}, none for "
            f"{endpoint.design}"
        )
        return
    if found.grid is not None and endpoint.design in ON_GRID and endpoint.grid != found.grid:
        yield f"grid: {_hours(endpoint.grid)} here, but {endpoint.profile} has {_hours(found.grid)}"
    for name, value in asked.parameters.items():
        if endpoint.parameters.get(name) != value:
            yield (
                f"parameters.{name}: {endpoint.parameters.get(name)} here, but {endpoint.profile} has "
                f"{value:g}"
            )
    if asked.targets:
        yield from _other_targets(endpoint, asked)
    yield from _less_capture(protocol.capture, found, endpoint.profile)


def _other_targets(endpoint: Endpoint, asked: Asked) -> Iterator[str]:
    wanted = {target.statistic: target for target in asked.targets}
    stated: dict[str, Criterion] = {criterion.statistic: criterion for criterion in endpoint.criteria}
    for name in wanted:
        if name not in stated:
            yield f"criteria: {name} is missing, {endpoint.profile} asks for {_shown(wanted[name])}"
    for criterion in endpoint.criteria:
        target = wanted.get(criterion.statistic)
        if target is None:
            yield f"criteria: {endpoint.profile} has no target for {criterion.statistic}"
        elif (criterion.target.low, criterion.target.high) != (target.low, target.high):
            yield (
                f"criteria: {criterion.statistic} {_shown(criterion.target)} here, but "
                f"{endpoint.profile} has {_shown(target)}"
            )
    here, there = _pairs(endpoint.criteria), _pairs(asked.targets)
    for pair in sorted(map(sorted, here ^ there)):
        words = "are no alternatives" if frozenset(pair) in here else "are alternatives"
        yield f"criteria: {' and '.join(pair)} {words} in {endpoint.profile}"


def _pairs(found: list[Criterion] | list[ProfileTarget]) -> set[frozenset[str]]:
    return {frozenset((one.statistic, one.alternative_to)) for one in found if one.alternative_to is not None}


def _hours(step: Spacing) -> str:
    return str(step) if step.months else f"{step.about_s() / 3600:g} h"


def _shown(target: Target) -> str:
    return (
        f"[{'' if target.low is None else f'{target.low:g}'}, "
        f"{'' if target.high is None else f'{target.high:g}'}]"
    )


def _less_capture(capture: Capture, found: Entry, reference: str) -> Iterator[str]:
    for name in ("share", "days", "day"):
        least = getattr(found.capture, name)
        if least is not None and getattr(capture, name) < least:
            yield (
                f"capture.{name}: {getattr(capture, name):g} here, but {reference} asks for at least "
                f"{least:g}"
            )


def criteria(found: Entry, asked: Asked) -> list[dict[str, Any]]:
    """The targets as criteria of a protocol, with the source as justification."""
    assert found.source is not None, "filled in by `Profile.of`"
    source = found.source
    why = {
        "en": f"Target of {source.document}, {source.section.en}.",
        "fr": f"Cible\u00a0: {source.document}, {source.section.fr}.",
    }
    return [
        {
            "statistic": target.statistic,
            "target": target.model_dump(include={"low", "high"}, exclude_none=True),
            "justification": dict(why),
            **({"alternative_to": target.alternative_to} if target.alternative_to else {}),
        }
        for target in asked.targets
    ]


def described(name: str, found: Entry) -> list[str]:
    """An entry of profile `name` in lines for a terminal, English."""
    what = [found.property, found.unit, f"steps of {_hours(found.grid)}" if found.grid else None]
    lines = [f"{name}/{found.name}: {found.title.en}"]
    if any(what):
        lines.append("  " + ", ".join(one for one in what if one is not None))
    for design, asked in found.designs.items():
        for target in asked.targets:
            other = f", or {target.alternative_to}" if target.alternative_to else ""
            lines.append(f"  {design}: {target.statistic} in {_shown(target)}{other}")
        lines += [f"  {design}: {parameter} {value:g}" for parameter, value in asked.parameters.items()]
    if found.gate is not None:
        lines.append(
            f"  gate of the model: CV(RMSE) at most {found.gate.cv_rmse:g} %, NMBE at most "
            f"±{found.gate.nmbe:g} %"
        )
    least = {key: value for key, value in found.capture.model_dump().items() if value is not None}
    lines += [f"  capture.{key} at least {value:g}" for key, value in least.items()]
    if found.source is not None:
        lines.append(f"  {found.source.document}, {found.source.section.en}; valid {validity(found)}")
    return [*lines, *([f"  {found.checked.en}"] if found.checked else [])]
