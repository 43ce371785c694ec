"""The document of an evaluation, which `evaluation.json`, the report, the pages and `verify` all read.

Computed in float64 and written with 9 significant digits, keys sorted: the same protocol, observations and
lock give the same bytes on any machine. Only `evaluated_at`, `code`, `changed` and `causes` depend on more
than that (moment, place, an earlier evaluation); `verify` does not compare them.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from insitu.model import Flag, GapCause, PeriodName, Stamp, Verdict
from trials.plan.parts import Target
from trials.plan.rules import RULES_1
from trials.plan.values import Text
from trials.statement import AsCause, AsDeviation, AsFinding, Evidence

SCHEMA: Final = "insitu/evaluation/1"


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Part):
    statistic: str
    value: float
    low: float
    high: float
    """Two-sided interval at `level`; low = high = value where there is no sampling error."""
    level: float
    unit: str
    method: str
    """`day_mean`, `two_period`, `day_jackknife`, `day_bootstrap`, `hac`, `welch_naive`, `exact`, …"""
    n: int
    """Number of values behind the estimate: all pairs, or all days."""
    n_effective: float | None = None
    """Number of independent days that they are worth (n′)."""
    counts: dict[str, int] | None = None
    """Name of a count (days, pairs, units, …) → count: they tell apart what `n` takes together."""
    inference_by: str | None = None
    """The one value that others may be independent of: `day`, `week`, `month`, `year`, `interval` (of another
    length), `sample` (declared independent), `block_pair`, `donor`. None: no sampling error, or rules 1.
    """


class CriterionResult(Part):
    statistic: str
    target: Target
    level: float
    estimate: Estimate | None
    verdict: Verdict
    justification: Text


class Sensitivity(Part):
    """The same statistic under another choice; it never changes the verdict."""

    name: str
    """`suspect_included`, `block_length_2`, `hac`, `day_bootstrap`, `leave_out:<site or device>`, …"""
    statistic: str
    estimate: Estimate | None
    verdict: Verdict | None


class DayValue(Part):
    """One local day of one line of an endpoint's figure."""

    day: date
    value: float | None


class Line(Part):
    """A daily series for the figures: an arm's mean, or a difference."""

    name: str
    arm: str | None
    days: list[DayValue]


class Pair(Part):
    """A pair of a collocation: reference (x) against candidate (y) at a step; at most 1,500, thinned."""

    x: float
    y: float


class TippingPoint(Part):
    """The mildest value of the missing intervals that turns the verdict."""

    arm: str
    period: str
    value: float
    """In the unit of the property; in designs that compare two series a difference between them."""
    percentile: float
    """Of those seen in that arm and period; above 100: beyond the most extreme, by a share of the range."""


class MissingSummary(Part):
    """How far the verdict rests on intervals that are missing. Windows that were declared before they began
    are not.
    """

    missing: int
    planned: int
    worst_percentile: float
    """The plausible worst, by the protocol."""
    verdict_without: Verdict
    """The verdict if the missing intervals are left out."""
    tipping: TippingPoint | None = None
    """None: no value turns the verdict, or it is not decided without them, or the endpoint is not primary."""
    plausible: float | None = None
    """The plausible worst value there, if it turns the verdict."""


class EndpointResult(Part):
    name: str
    title: Text
    rank: Literal["primary", "secondary", "exploratory"]
    property: str
    unit: str
    design: str
    aggregation: str
    grid_s: int
    arms: dict[str, str]
    verdict: Verdict
    criteria: list[CriterionResult]
    estimates: list[Estimate]
    sensitivity: list[Sensitivity]
    findings: list[AsFinding]
    lines: list[Line] = Field(default_factory=list)
    pairs: list[Pair] = Field(default_factory=list)
    blinded: Literal[True] | None = None
    """Not estimated yet, whatever the data; the verdict means nothing."""
    after_the_fact: Literal[True] | None = None
    """As for the evaluation, about this endpoint alone."""
    missing: MissingSummary | None = None
    """None by rules 1, for a census of what came, and where the gate let nothing through."""


class GateResult(Part):
    """Data capture of one arm in one period against the plan. Windows leave the denominator."""

    arm: str
    property: str
    period: PeriodName
    planned: int
    excused: int
    """Planned intervals inside a window."""
    valid: int
    share: float
    days: int
    days_valid: int
    passed: bool
    endpoint: str | None = None
    """Of this endpoint alone, which does not plan every interval; None: of every other endpoint about it."""


class DatastreamSummary(Part):
    """One datastream of the trial over its periods."""

    datastream: str
    """`device/name`."""
    device: str
    property: str
    unit: str
    role: str
    site: str
    arm: str | None
    received: int
    planned: int
    by_flag: dict[str, int]
    """Name of the flag (PASS, …) → observations."""
    by_check: dict[str, int]
    """Check → observations that did not pass it."""
    checks_planned: int
    checks_run: int
    late: int
    """Received more than a day after their time, as far as it is known how they arrived."""
    sha256: str
    """Hash of its times, results and flags: if a package was changed, `verify` names the datastream."""
    stamp: Stamp | None = None
    """The point of their interval that its times mark; None by rules 1, which know instants only."""
    from_file: int | None = None
    """Read from a file: nobody knows how they arrived. None: none."""


class GapSummary(Part):
    device: str
    property: str
    start: datetime
    end: datetime
    cause: GapCause
    backfilled: bool


class WindowSummary(Part):
    kind: str
    target: str
    start: datetime
    end: datetime | None
    reason: str
    declared_by: str
    declared_at: datetime
    afterwards: bool
    """Declared after it had begun."""


class RejectSummary(Part):
    device: str
    reason: str
    messages: int
    results: int


class WithdrawalSummary(Part):
    """Results of a datastream that came with an import and were taken out of use."""

    import_id: int
    file: str
    file_sha256: str | None
    """None: uplinks of a network server."""
    imported_by: str
    imported_at: datetime
    withdrawn_by: str
    withdrawn_at: datetime
    reason: str
    datastream: str
    first: datetime
    last: datetime
    results: int


class SensorSummary(Part):
    """A sensor in a device for `[start, end)`. `start` None: from its beginning; `end` None: it was not
    replaced.
    """

    device: str
    make: str
    model: str
    serial: str
    calibrated_at: datetime | None
    calibration: str
    start: datetime | None
    end: datetime | None


class UnblindingSummary(Part):
    endpoint: str
    at: datetime
    login: str
    reason: str


class LookSummary(Part):
    """A look before the end: planned, made, or both."""

    planned: datetime | None
    made: datetime | None
    """The first evaluation of that local day."""
    sha256: str | None
    """Hash of that evaluation; None if it is this one, or no look was made."""


class VersionSummary(Part):
    """A locked version of the protocol, up to the applied one."""

    version: int
    locked_at: datetime
    sha256: str
    reason: Text | None
    """Why it was amended."""
    changed: list[str]
    """Paths of the fields that differ, as `endpoints.effect.criteria.0.target.high`."""


class TargetChange(Part):
    """A target of an endpoint that is not as it was; None: there was, or is, none."""

    endpoint: str
    statistic: str
    before: Target | None
    after: Target | None


class Afterwards(Part):
    """A sentence beside the verdict: the protocol was locked or changed when results could be known."""

    code: str
    evidence: Evidence
    text: Text
    targets: list[TargetChange] = Field(default_factory=list)
    """Those that differ from the version it compares with."""


class Caution(Part):
    """A sentence beside the verdict: the data of a primary endpoint may mislead. `code`: of the finding."""

    endpoint: str
    code: str
    text: Text


class Change(Part):
    """Change of a number or a verdict since the previous evaluation."""

    previous_sha256: str
    endpoint: str
    statistic: str
    before: float | None
    after: float | None
    verdict_before: Verdict | None
    verdict_after: Verdict
    after_the_fact_before: Literal[True] | None = None
    after_the_fact_after: Literal[True] | None = None


class Evaluation(Part):
    schema_: Literal["insitu/evaluation/1"] = Field(default="insitu/evaluation/1", alias="schema")
    trial: str
    title: Text
    organisations: dict[str, str]
    """host, company, evaluator → name."""
    sites: dict[str, str]
    """code → name."""
    time_zone: str
    protocol: dict[str, Any]
    protocol_sha256: str
    protocol_locked_at: datetime | None
    simulated_time: bool
    interim: bool
    inputs_sha256: str
    observations: int
    verdict: Verdict
    endpoints: list[EndpointResult]
    gate: list[GateResult]
    datastreams: list[DatastreamSummary]
    gaps: list[GapSummary]
    windows: list[WindowSummary]
    swaps: list[str]
    rejects: list[RejectSummary]
    deviations: list[AsDeviation]
    findings: list[AsFinding]
    seed: int
    evaluated_at: datetime
    code: dict[str, str]
    """insitu, numpy, scipy, python → version; older evaluations name statsmodels too."""
    rules: int = RULES_1
    """Version of the rules of computation (`trials.plan.rules`); a document that names none has rules 1."""
    changed: list[Change] = Field(default_factory=list)
    blinded: Literal[True] | None = None
    """A primary endpoint is blinded; the verdict means nothing."""
    unblinded: list[UnblindingSummary] | None = None
    """Endpoints that were blinded at first; None if no endpoint ever was."""
    looks: list[LookSummary] | None = None
    """Looks planned or made before the end of the reporting period, in order; None if there is none."""
    versions: list[VersionSummary] | None = None
    """Versions of the protocol, oldest first; None if none was ever locked."""
    causes: list[AsCause] | None = None
    """Differences from the previous evaluation; None if there was none, or nothing differs."""
    after_the_fact: Literal[True] | None = None
    """The verdict is qualified: the protocol was locked when results could be known, or was changed then in
    a way that may have led to this verdict.
    """
    afterwards: list[Afterwards] | None = None
    """None: the protocol was locked before the reporting period began, and not changed since."""
    cautions: list[Caution] | None = None
    withdrawals: list[WithdrawalSummary] | None = None
    """Imports whose results were taken out of use before this evaluation; None if there is none."""
    sensors: list[SensorSummary] | None = None
    """Sensors of the devices, by device in order of time; None if none is known."""


def significant(value: Any, digits: int = 9) -> Any:
    """`value` with its floats rounded to `digits` significant digits; NaN and infinities become None."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {key: significant(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [significant(item, digits) for item in value]
    return value


def document_of(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON values with 9 significant digits."""
    without = None if evaluation.cautions else {"cautions"}
    document: dict[str, Any] = significant(evaluation.model_dump(mode="json", by_alias=True, exclude=without))
    return document


FLAG_NAMES = {int(flag): flag.name for flag in Flag}
