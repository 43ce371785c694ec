"""catalogue.json: its exact types, and the way from and to the inputs of the computation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from insitu.model import CODE_PATTERN, AveragingScale, Stamp
from insitu.spacing import Spacing
from insitu.times import to_rfc3339
from trials.evaluation import GapSummary, SensorSummary, WithdrawalSummary
from trials.plan.rules import RULES_1
from trials.series.inputs import (
    CorrectionSummary,
    EarlierEvaluation,
    ErasureSummary,
    Placement,
    TrialInputs,
    Unblinding,
    WindowInput,
)

Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Code = Annotated[str, Field(pattern=CODE_PATTERN)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Deployment(_Part):
    site: str
    position: str
    start: AwareDatetime
    end: AwareDatetime | None


class Datastream(_Part):
    datastream: str
    device: Code
    name: Code
    property: str
    unit: str
    role: str
    averaging_scale: AveragingScale
    sensor: str
    checks: list[str]
    ran: list[str]
    late: Count
    deployments: list[Deployment]
    from_file: Count = 0
    checked_with: str | None = None
    stamp: Stamp = Stamp.INSTANT
    every: str | None = None


class Window(_Part):
    kind: str
    target_kind: str
    target: str
    start: AwareDatetime
    end: AwareDatetime | None
    reason: str
    declared_by: str
    declared_at: AwareDatetime
    ended_at: AwareDatetime | None = None


class Unblinded(_Part):
    endpoint: str
    at: AwareDatetime
    login: str
    reason: str


class Earlier(_Part):
    at: AwareDatetime
    sha256: Sha256
    interim: bool
    blinded: bool


class Version(_Part):
    version: Annotated[int, Field(ge=1)]
    locked_at: AwareDatetime
    sha256: Sha256


class Catalogue(_Part):
    """Keys with a default are absent from packages of earlier versions."""

    organisations: dict[str, str]
    sites: dict[str, str]
    locked_at: AwareDatetime | None
    evaluated_at: AwareDatetime
    simulated_time: bool
    datastreams: list[Datastream]
    windows: list[Window]
    gaps: list[GapSummary]
    rules: int = RULES_1
    unblinded: list[Unblinded] = []
    withdrawals: list[WithdrawalSummary] = []
    sensors: list[SensorSummary] = []
    erasures: list[ErasureSummary] = []
    corrections: list[CorrectionSummary] = []
    earlier_evaluations: list[Earlier] = []
    versions: list[Version] = []


def parse_catalogue(content: bytes) -> Catalogue:
    """The catalogue. ValueError for anything that is not one."""
    found = Catalogue.model_validate_json(content)
    keys = [one.datastream for one in found.datastreams]
    if keys != sorted(set(keys)):
        raise ValueError("datastreams are not sorted, or one is there twice")
    for one in found.datastreams:
        if one.datastream != f"{one.device}/{one.name}":
            raise ValueError(f"datastream {one.datastream!r} is not {one.device}/{one.name}")
        if one.every is not None:
            Spacing.parse(one.every)
    return found


def placements(stream: Datastream) -> list[Placement]:
    """The deployments as inputs."""
    return [Placement(p.site, p.position, p.start, p.end) for p in stream.deployments]


def every(stream: Datastream) -> Spacing | None:
    """The declared time between two results."""
    return None if stream.every is None else Spacing.parse(stream.every)


def windows(catalogue: Catalogue) -> list[WindowInput]:
    """The windows as inputs."""
    return [WindowInput(**dict(one)) for one in catalogue.windows]


def unblindings(catalogue: Catalogue) -> list[Unblinding]:
    """The unblinded endpoints as inputs."""
    return [Unblinding(**dict(one)) for one in catalogue.unblinded]


def earlier(catalogue: Catalogue) -> list[EarlierEvaluation]:
    """The earlier evaluations as inputs."""
    return [EarlierEvaluation(**dict(one)) for one in catalogue.earlier_evaluations]


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: to_rfc3339(value) if isinstance(value, datetime) else value for key, value in facts.items()}


def catalogue_document(inputs: TrialInputs) -> dict[str, Any]:
    """Everything the computation needs except the observations."""
    return {
        "organisations": inputs.organisations,
        "sites": inputs.sites,
        "locked_at": to_rfc3339(inputs.locked_at) if inputs.locked_at else None,
        "evaluated_at": to_rfc3339(inputs.now),
        "simulated_time": inputs.simulated,
        "rules": inputs.rules.version,
        "datastreams": [
            {
                "datastream": s.key(),
                "device": s.device,
                "name": s.name,
                "property": s.property,
                "unit": s.unit,
                "role": s.role,
                "averaging_scale": s.averaging_scale,
                "sensor": s.sensor,
                "checks": s.checks,
                "ran": s.ran,
                "late": s.late,
                "from_file": s.from_file,
                "checked_with": s.checked_with,
                "stamp": str(s.stamp),
                "every": None if s.every is None else str(s.every),
                "deployments": [_plain(asdict(p)) for p in s.placements],
            }
            for s in sorted(inputs.streams, key=lambda s: s.key())
        ],
        "windows": [_plain(asdict(w)) for w in inputs.windows],
        "unblinded": [_plain(asdict(u)) for u in inputs.unblinded],
        "gaps": _dumped(inputs.gaps),
        "withdrawals": _dumped(inputs.withdrawals),
        "sensors": _dumped(inputs.sensors),
        **({"erasures": _dumped(inputs.erasures)} if inputs.erasures else {}),
        **({"corrections": _dumped(inputs.corrections)} if inputs.corrections else {}),
        "earlier_evaluations": [_plain(asdict(e)) for e in inputs.earlier],
        "versions": [
            {"version": v.version, "locked_at": to_rfc3339(v.locked_at), "sha256": v.sha256}
            for v in inputs.versions
        ],
    }


def _dumped(parts: Sequence[BaseModel]) -> list[dict[str, Any]]:
    return [part.model_dump(mode="json") for part in parts]


def without_later_keys(stated: Any, rewritten: Any) -> Any:
    """`rewritten` without the keys that `stated` lacks: an earlier version of Insitu did not write them."""
    if isinstance(stated, dict) and isinstance(rewritten, dict):
        return {
            key: without_later_keys(stated[key], value) for key, value in rewritten.items() if key in stated
        }
    if isinstance(stated, list) and isinstance(rewritten, list) and len(stated) == len(rewritten):
        return [without_later_keys(one, other) for one, other in zip(stated, rewritten, strict=True)]
    return rewritten


def checked_parameters(text: str) -> dict[str, dict[str, Any]]:
    """The parameters of the checks by name. ValueError for anything else."""
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise ValueError("checked_with holds no parameters by check")
    if json.dumps(found, sort_keys=True, separators=(",", ":")) != text:
        raise ValueError("checked_with is not in its one form")
    return found
