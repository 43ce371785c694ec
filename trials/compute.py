"""Protocol + inputs → evaluation: the one computation behind `evaluate` and `verify`. Pure; reads no clock and no database."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import cache
from importlib.metadata import version

import numpy as np

from insitu.model import PeriodName, Verdict
from trials import criteria
from trials.aggregate import due_units, own_plan
from trials.designs import DESIGNS, Answer, Design
from trials.evaluation import (
    FLAG_NAMES,
    DatastreamSummary,
    Deviation,
    EndpointResult,
    Evaluation,
    Finding,
    GateResult,
    Sensitivity,
    UnblindingSummary,
    WindowSummary,
)
from trials.findings import finding
from trials.inputs import StreamInput, TrialInputs, fingerprint
from trials.protocol import Arm, Endpoint, Period, document_of
from trials.slots import Unit, day_groups
from trials.units import Units
from trials.verdicts import judged, verdict_of

UNBALANCED = 0.15
DECIDED = (Verdict.MET, Verdict.NOT_MET)


def compute(inputs: TrialInputs) -> Evaluation:
    """Everything but `changed`, which compares with another evaluation."""
    with ThreadPoolExecutor(2) as pool:  # hashing leaves the interpreter free: it costs no time where there is another core
        whole = pool.submit(fingerprint, inputs.streams)
        of_streams = {stream.key(): pool.submit(fingerprint, [stream]) for stream in inputs.streams}
        return _compute(inputs, whole, of_streams)


def _compute(inputs: TrialInputs, whole: Future[str], of_streams: Mapping[str, Future[str]]) -> Evaluation:
    protocol, units = inputs.protocol, Units(inputs)
    gate, gate_findings = _gate(units)
    endpoints = _judged_endpoints(units, gate, gate_findings)
    reporting = protocol.period(PeriodName.REPORTING)
    interim = reporting is not None and inputs.now < reporting.end
    deviations = _deviations(inputs)
    return Evaluation(
        trial=protocol.trial,
        title=protocol.title,
        organisations=inputs.organisations,
        sites=inputs.sites,
        time_zone=protocol.time_zone,
        protocol=document_of(protocol),
        protocol_sha256=inputs.protocol_sha256,
        protocol_locked_at=inputs.locked_at,
        simulated_time=inputs.simulated,
        interim=interim,
        inputs_sha256=whole.result(),
        observations=sum(len(stream.time_us) for stream in inputs.streams),
        verdict=criteria.overall([e.verdict for e in endpoints if e.rank == "primary"]),
        endpoints=endpoints,
        gate=gate,
        datastreams=[
            _stream_summary(inputs, stream, of_streams[stream.key()].result())
            for stream in sorted(inputs.streams, key=lambda s: s.key())
        ],
        gaps=inputs.gaps,
        windows=[
            WindowSummary(
                kind=w.kind, target=w.target, start=w.start, end=w.end, reason=w.reason, declared_by=w.declared_by,
                declared_at=w.declared_at, afterwards=w.declared_at > w.start,
            )
            for w in inputs.windows
        ],
        swaps=_swaps(inputs),
        rejects=inputs.rejects,
        deviations=deviations,
        findings=[finding("interim")] if interim else [],
        seed=protocol.seed,
        evaluated_at=inputs.now,
        code=code_versions(),
        blinded=True if any(e.blinded and e.rank == "primary" for e in endpoints) else None,
        unblinded=[UnblindingSummary(**asdict(one)) for one in inputs.unblinded] or None,
    )  # fmt: skip


def code_versions() -> dict[str, str]:
    """Versions of what computes: Insitu, Python and the numerical packages; they stand in the evaluation."""
    names = ("insitu", "numpy", "scipy", "statsmodels")
    return {**{name: _version(name) for name in names}, "python": platform.python_version()}


@cache
def _version(name: str) -> str:
    """Of an installed distribution; looking it up takes as long as a small evaluation."""
    return version(name)


# -- the gate: design 0, before all others ---------------------------------------------------------------------------


def _gate(units: Units) -> tuple[list[GateResult], dict[str, list[Finding]]]:
    """Capture of each arm, property and period that an endpoint needs, and the findings for each endpoint."""
    results: dict[tuple[str, str, PeriodName, str | None], GateResult] = {}
    findings: dict[str, list[Finding]] = {}
    inputs = units.inputs
    for endpoint in inputs.protocol.endpoints:
        found = findings.setdefault(endpoint.name, [])
        design = DESIGNS.get(endpoint.design)
        if design is None:
            found.append(finding("margin_missing", statistic=endpoint.design))
            continue
        for period_name in design.periods:
            period = inputs.protocol.period(period_name)
            if period is None:
                found.append(finding("period_missing", period=str(period_name)))
            elif period.start > inputs.now:
                found.append(finding("period_in_future", period=str(period_name)))
            else:
                found += _gate_of_period(units, endpoint, design, period, results)
    return list(results.values()), findings


def _gate_of_period(
    units: Units,
    endpoint: Endpoint,
    design: Design,
    period: Period,
    results: dict[tuple[str, str, PeriodName, str | None], GateResult],
) -> list[Finding]:
    found: list[Finding] = []
    inputs, shares = units.inputs, []
    for role in design.arms:
        arm = endpoint.arms.get(role)
        if arm is None:
            found.append(finding("no_observations", arm=role, period=str(period.name)))
            continue
        key = (arm, endpoint.property, period.name, own_plan(endpoint))
        if key not in results:
            there = units.about(endpoint, inputs.protocol.arm(arm), period)
            results[key] = _capture(inputs, arm, endpoint, period, there)
        result = results[key]
        shares.append(result.share)
        if not result.valid:
            found.append(finding("no_observations", arm=arm, period=str(period.name)))
        elif not result.passed and design.needs_capture:
            share = round(100 * result.days_valid / max(1, result.days), 1)
            needed = round(100 * inputs.protocol.capture.days, 1)
            found.append(finding("below_capture", arm=arm, share=share, period=str(period.name), needed=needed))
    if len(shares) > 1 and max(shares) - min(shares) > UNBALANCED:
        found.append(finding("unbalanced_completeness", points=round(100 * (max(shares) - min(shares)), 1)))
    return found


def _capture(inputs: TrialInputs, arm: str, endpoint: Endpoint, period: Period, units: Sequence[Unit]) -> GateResult:
    """Valid intervals of those planned; intervals inside windows are planned but leave the denominator.

    What lies outside the endpoint's filter is not planned, and a day without a planned interval is no day of it.
    """
    capture = inputs.protocol.capture
    planned = sum(int(unit.inside.sum()) for unit in units)
    excused = sum(int((unit.excused & ~unit.valid & unit.inside).sum()) for unit in units)
    valid = sum(int(unit.valid.sum()) for unit in units)
    days = days_valid = 0
    if units:
        groups, ordinals = day_groups(units[0].calendar)
        n = len(ordinals)
        due = sum(np.bincount(groups[~unit.excused | unit.valid], minlength=n) for unit in units)
        had = sum(np.bincount(groups[unit.valid], minlength=n) for unit in units)
        named = due_units(units, groups, n) > 0
        days = int(np.sum(named))
        days_valid = int(np.sum(named & ((had >= capture.share * due) & (had > 0) | (due == 0))))
    share = valid / max(1, planned - excused)
    return GateResult(
        arm=arm, property=endpoint.property, endpoint=own_plan(endpoint), period=period.name, planned=planned, excused=excused, valid=valid, share=share, days=days,
        days_valid=days_valid, passed=days > 0 and days_valid >= capture.days * days,
    )  # fmt: skip


# -- endpoints ---------------------------------------------------------------------------------------------------------


def _judged_endpoints(units: Units, gate: Sequence[GateResult], gate_findings: dict[str, list[Finding]]) -> list[EndpointResult]:
    """Each at the protocol's level; the secondary ones share α."""

    @cache
    def at(number: int, level: float) -> EndpointResult:
        return _endpoint(units, planned[number], gate, gate_findings, level)

    planned, confidence = units.inputs.protocol.endpoints, units.inputs.protocol.confidence
    levels = {number: confidence for number, endpoint in enumerate(planned) if endpoint.rank != "secondary"}
    secondary = [number for number in range(len(planned)) if number not in levels]
    levels |= criteria.holm(secondary, 1 - confidence, lambda number, level: at(number, level).verdict in DECIDED)
    return [at(number, levels[number]) for number in range(len(planned))]


def _endpoint(
    units: Units,
    endpoint: Endpoint,
    gate: Sequence[GateResult],
    gate_findings: dict[str, list[Finding]],
    level: float,
) -> EndpointResult:
    inputs, findings = units.inputs, list(gate_findings[endpoint.name])
    findings += [
        finding("unchecked_data", property=endpoint.property)
        for arm in endpoint.arms.values()
        if not inputs.protocol.checks_of(endpoint.property, arm)
    ][:1]
    blinded = inputs.is_blinded(endpoint)
    if blinded:
        findings.append(finding("blinded"))
    answer = Answer()
    if not any(f.severity == "blocking" for f in findings):
        answer = DESIGNS[endpoint.design].answer(units.question(endpoint, level))
        findings += answer.findings
    blocked = any(f.severity == "blocking" for f in findings)
    known = {k.statistic: k for k in answer.statistics} if not blocked else {}
    results, verdict, more = verdict_of(endpoint, known, level, blocked=blocked)
    sensitivity = _sensitivity(units, endpoint, answer, level) if known else []
    return EndpointResult(
        name=endpoint.name,
        title=endpoint.title,
        rank=endpoint.rank,
        property=endpoint.property,
        unit=endpoint.unit,
        design=endpoint.design,
        aggregation=endpoint.aggregation.name,
        grid_s=round(endpoint.grid.total_seconds()),
        arms={str(role): arm for role, arm in endpoint.arms.items()},
        verdict=verdict,
        criteria=results,
        estimates=[k.estimate(level) for k in known.values()],
        sensitivity=sensitivity,
        findings=findings + more,
        lines=answer.lines,
        pairs=answer.pairs,
        blinded=True if blinded else None,
    )


def _sensitivity(units: Units, endpoint: Endpoint, answer: Answer, level: float) -> list[Sensitivity]:
    """The same under other choices; printed, never deciding."""
    targets = {c.statistic for c in endpoint.criteria}
    found = [
        Sensitivity(name=name, statistic=estimate.statistic, estimate=estimate, verdict=judged(endpoint, estimate))
        for name, estimate in answer.sensitivity
        if estimate.statistic in targets
    ]
    others: list[tuple[str, bool, str | None]] = [("suspect_included", True, None)]
    only = endpoint.filter.devices if endpoint.filter else None
    candidates = [d for d in units.inputs.protocol.arm(endpoint.arms["candidate"]).devices if only is None or d in only]
    if len(candidates) > 1:
        others += [(f"leave_out:{device}", False, device) for device in candidates]
    for name, suspect, leave_out in others:
        other = DESIGNS[endpoint.design].answer(units.question(endpoint, level, suspect=suspect, leave_out=leave_out))
        for known in other.statistics if not other.blocked else []:
            if known.statistic in targets:
                estimate = known.estimate(level)
                verdict = judged(endpoint, estimate)
                found.append(Sensitivity(name=name, statistic=known.statistic, estimate=estimate, verdict=verdict))
    return found


# -- what happened against what was planned ----------------------------------------------------------------------------


def _stream_summary(inputs: TrialInputs, stream: StreamInput, sha256: str) -> DatastreamSummary:
    arm = next((a for a in inputs.protocol.arms if _stands_in(stream, a)), None)
    flags, counts = np.unique(stream.flag, return_counts=True)
    return DatastreamSummary(
        datastream=stream.key(),
        device=stream.device,
        property=stream.property,
        unit=stream.unit,
        role=stream.role,
        site=stream.placements[0].site if stream.placements else "",
        arm=arm.name if arm else None,
        received=len(stream.time_us),
        planned=_planned(inputs, stream, arm),
        by_flag={FLAG_NAMES[int(flag)]: int(count) for flag, count in zip(flags, counts, strict=True)},
        by_check=stream.by_check,
        checks_planned=len(stream.checks),
        checks_run=len(stream.ran),
        late=stream.late,
        sha256=sha256,
    )


def _stands_in(stream: StreamInput, arm: Arm) -> bool:
    return stream.device in arm.devices


def _planned(inputs: TrialInputs, stream: StreamInput, arm: Arm | None) -> int:
    """Planned results while the device stood there, over all periods."""
    measured = next(
        (m for m in inputs.protocol.measurements if m.property == stream.property and (arm is None or arm.name in m.arms)), None
    )
    if measured is None:
        return 0
    total = 0
    for period in inputs.protocol.periods:
        for place in stream.placements:
            start, end = max(period.start, place.start), min(period.end, place.end or period.end)
            total += max(0, int((end - start) / measured.interval))
    return total


def _swaps(inputs: TrialInputs) -> list[str]:
    """Devices that took another's position within the trial."""
    return [f"{old} → {new}" for old, new, _ in _swap_facts(inputs)]


def _swap_facts(inputs: TrialInputs) -> list[tuple[str, str, str]]:
    ends: dict[tuple[str, str, object], str] = {}
    for stream in inputs.streams:
        for place in stream.placements:
            if place.end is not None:
                ends[place.site, place.position, place.end] = stream.device
    swaps = set()
    for stream in inputs.streams:
        for place in stream.placements:
            old = ends.get((place.site, place.position, place.start))
            if old is not None and old != stream.device:
                swaps.add((old, stream.device, place.start.date().isoformat()))
    return sorted(swaps)


def _deviations(inputs: TrialInputs) -> list[Deviation]:
    found = []
    reporting = inputs.protocol.period(PeriodName.REPORTING)
    if inputs.locked_at is None:
        found.append(Deviation(code="not_locked"))
    elif reporting is not None and inputs.locked_at >= reporting.start:
        found.append(Deviation(code="locked_late", evidence={"locked_at": inputs.locked_at.isoformat(timespec="minutes")}))
    for one in inputs.unblinded:
        if reporting is not None and one.at < reporting.end:
            evidence: dict[str, float | int | str | bool | list[str] | None] = {
                "endpoint": one.endpoint, "unblinded_at": one.at.isoformat(timespec="minutes"), "reason": one.reason,
            }  # fmt: skip
            found.append(Deviation(code="unblinded_early", evidence=evidence))
    found += [
        Deviation(code="unplanned_swap", evidence={"old": old, "new": new, "day": day}) for old, new, day in _swap_facts(inputs)
    ]
    found += [
        Deviation(code="window_afterwards", evidence={"kind": w.kind, "target": w.target})
        for w in inputs.windows
        if w.declared_at > w.start
    ]
    deployed = {stream.device for stream in inputs.streams}
    for arm in inputs.protocol.arms:
        found += [Deviation(code="device_not_deployed", evidence={"device": d}) for d in arm.devices if d not in deployed]
    for stream in sorted(inputs.streams, key=lambda s: s.key()):
        found += [
            Deviation(code="check_not_run", evidence={"check": check, "datastream": stream.key()})
            for check in stream.checks
            if check not in stream.ran
        ]
    return found
