"""Protocol + inputs → evaluation: the one computation behind `evaluate` and `verify`. Pure; reads no clock
and no database.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import version

import numpy as np

from insitu.model import PeriodName, Verdict
from trials.designs import DESIGNS, Answer, Design, early_look
from trials.evaluation import (
    FLAG_NAMES,
    DatastreamSummary,
    EndpointResult,
    Evaluation,
    Finding,
    GateResult,
    Sensitivity,
    UnblindingSummary,
    WindowSummary,
)
from trials.findings import finding
from trials.judge.choices import Choice, choices
from trials.judge.deviations import deviations, swaps
from trials.judge.experimental_units import Units
from trials.judge.looks import is_early, looks, planned_days, so_far
from trials.judge.verdicts import Rule, at_the_end, judged, verdict_of
from trials.judge.versions import summaries
from trials.plan import profiles
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Arm, Period
from trials.plan.reading import document_of
from trials.series.aggregate import due_units, own_plan
from trials.series.inputs import StreamInput, TrialInputs, fingerprint
from trials.series.slots import Unit, day_groups
from trials.statistics import criteria
from trials.statistics.intervals import MIN_DAYS

UNBALANCED = 0.15
DECIDED = (Verdict.MET, Verdict.NOT_MET)


def compute(inputs: TrialInputs) -> Evaluation:
    """Everything but `changed`, which compares with another evaluation."""
    with ThreadPoolExecutor(
        2
    ) as pool:  # hashing leaves the interpreter free: it costs no time where there is another core
        whole = pool.submit(fingerprint, inputs.streams)
        of_streams = {stream.key(): pool.submit(fingerprint, [stream]) for stream in inputs.streams}
        return _compute(inputs, whole, of_streams)


def _compute(inputs: TrialInputs, whole: Future[str], of_streams: Mapping[str, Future[str]]) -> Evaluation:
    protocol, seen = inputs.protocol, so_far(inputs)
    units = Units(seen)
    gate, gate_findings = _gate(units)
    endpoints = _judged_endpoints(units, gate, gate_findings)
    interim = is_early(inputs)
    found_looks = looks(inputs)
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
            _stream_summary(seen, stream, of_streams[stream.key()].result())
            for stream in sorted(inputs.streams, key=lambda s: s.key())
        ],
        gaps=inputs.gaps,
        windows=[
            WindowSummary(
                kind=w.kind,
                target=w.target,
                start=w.start,
                end=w.end,
                reason=w.reason,
                declared_by=w.declared_by,
                declared_at=w.declared_at,
                afterwards=w.declared_at > w.start,
            )
            for w in inputs.windows
        ],
        swaps=[f"{old} → {new}" for old, new, _ in swaps(inputs)],
        rejects=inputs.rejects,
        deviations=deviations(inputs, found_looks),
        findings=[finding("interim")] if interim else [],
        seed=protocol.seed,
        evaluated_at=inputs.now,
        code=code_versions(),
        blinded=True if any(e.blinded and e.rank == "primary" for e in endpoints) else None,
        unblinded=[UnblindingSummary(**asdict(one)) for one in inputs.unblinded] or None,
        looks=found_looks or None,
        versions=summaries(inputs.versions) or None,
    )


def code_versions() -> dict[str, str]:
    """Versions of what computes: Insitu, Python and the numerical packages; they stand in the evaluation."""
    names = ("insitu", "numpy", "scipy", "statsmodels")
    return {**{name: _version(name) for name in names}, "python": platform.python_version()}


@cache
def _version(name: str) -> str:
    """Of an installed distribution; looking it up takes as long as a small evaluation."""
    return version(name)


# -- the gate: design 0, before all others


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
            elif period.end <= period.start:  # it has begun, and no day of it is over
                found.append(finding("too_few_days", days=0, period=str(period_name), needed=MIN_DAYS))
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
            found.append(
                finding("below_capture", arm=arm, share=share, period=str(period.name), needed=needed)
            )
    if len(shares) > 1 and max(shares) - min(shares) > UNBALANCED:
        found.append(finding("unbalanced_completeness", points=round(100 * (max(shares) - min(shares)), 1)))
    return found


def _capture(
    inputs: TrialInputs, arm: str, endpoint: Endpoint, period: Period, units: Sequence[Unit]
) -> GateResult:
    """Valid intervals of those planned; intervals inside windows are planned but leave the denominator.

    What lies outside the endpoint's filter is not planned, and a day without a planned interval is no day of
    it.
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
        arm=arm,
        property=endpoint.property,
        endpoint=own_plan(endpoint),
        period=period.name,
        planned=planned,
        excused=excused,
        valid=valid,
        share=share,
        days=days,
        days_valid=days_valid,
        passed=days > 0 and days_valid >= capture.days * days,
    )


# -- endpoints


def _judged_endpoints(
    units: Units, gate: Sequence[GateResult], gate_findings: dict[str, list[Finding]]
) -> list[EndpointResult]:
    """Each at the protocol's level; the secondary ones share α."""

    @cache
    def at(number: int, level: float) -> EndpointResult:
        return _endpoint(units, planned[number], gate, gate_findings, level)

    planned, confidence = units.inputs.protocol.endpoints, units.inputs.protocol.confidence
    levels = {number: confidence for number, endpoint in enumerate(planned) if endpoint.rank != "secondary"}
    secondary = [number for number in range(len(planned)) if number not in levels]
    levels |= criteria.holm(
        secondary, 1 - confidence, lambda number, level: at(number, level).verdict in DECIDED
    )
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
    findings += _profile_findings(inputs, endpoint)
    blinded = inputs.is_blinded(endpoint)
    if blinded:
        findings.append(finding("blinded"))
    answer = Answer()
    if not any(f.severity == "blocking" for f in findings):
        answer = _answer(units, endpoint, level)
        findings += answer.findings
    blocked = any(f.severity == "blocking" for f in findings)
    known = {k.statistic: k for k in answer.statistics} if not blocked else {}
    results, verdict, more = verdict_of(endpoint, known, level, blocked=blocked, rule=_rule(inputs, endpoint))
    if inputs.whole is not None and verdict is Verdict.NOT_MET:
        harmful = [c.estimate for c in results if c.verdict is verdict and c.estimate]
        more += [finding("stop_for_harm", statistic=e.statistic, low=e.low, high=e.high) for e in harmful]
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


def _answer(units: Units, endpoint: Endpoint, level: float, choice: Choice | None = None) -> Answer:
    """What the design answers, or would by another choice; while the reporting period lasts, as an early
    look.
    """
    inputs, question = (
        units.inputs,
        units.question(endpoint, level, suspect=choice is not None and choice.suspect),
    )
    if choice is not None:
        question = replace(question.without(choice.left_out), bare=True)
    answer = DESIGNS[endpoint.design].answer(question)
    if inputs.whole is None:
        return answer
    days, planned = planned_days(inputs.protocol, endpoint), planned_days(inputs.whole, endpoint)
    return early_look.look(answer, days=days, planned=planned)


def _rule(inputs: TrialInputs, endpoint: Endpoint) -> Rule:
    if inputs.whole is None:
        return at_the_end
    return early_look.stop_for_harm if DESIGNS[endpoint.design].early else early_look.undecided


def _profile_findings(inputs: TrialInputs, endpoint: Endpoint) -> list[Finding]:
    """Targets that did not hold yet, or no longer, in the reporting period. A profile that this version does
    not know says nothing.
    """
    reporting = (inputs.whole or inputs.protocol).period(PeriodName.REPORTING)
    if endpoint.profile is None or reporting is None or not profiles.is_known(endpoint.profile):
        return []
    found = profiles.entry(endpoint.profile)
    if profiles.holds_in(found, reporting, inputs.protocol.time_zone):
        return []
    return [finding("profile_not_valid_then", profile=endpoint.profile, validity=profiles.validity(found))]


def _sensitivity(units: Units, endpoint: Endpoint, answer: Answer, level: float) -> list[Sensitivity]:
    """The same under other choices; printed, never deciding."""
    inputs, targets = units.inputs, {c.statistic for c in endpoint.criteria}
    rule = _rule(inputs, endpoint)
    ended = inputs.whole is None  # the design's own other intervals hold at one look only: no verdict
    found = [
        Sensitivity(
            name=name,
            statistic=estimate.statistic,
            estimate=estimate,
            verdict=judged(endpoint, estimate) if ended else None,
        )
        for name, estimate in answer.sensitivity
        if estimate.statistic in targets
    ]
    for choice in choices(inputs, endpoint):
        other = _answer(units, endpoint, level, choice)
        for known in other.statistics if not other.blocked else []:
            if known.statistic in targets:
                estimate = known.estimate(level)
                verdict = judged(endpoint, estimate, rule)
                found.append(
                    Sensitivity(
                        name=choice.name, statistic=known.statistic, estimate=estimate, verdict=verdict
                    )
                )
    return found


# -- what happened against what was planned


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
        (
            m
            for m in inputs.protocol.measurements
            if m.property == stream.property and (arm is None or arm.name in m.arms)
        ),
        None,
    )
    if measured is None:
        return 0
    total = 0
    for period in inputs.protocol.periods:
        for place in stream.placements:
            start, end = max(period.start, place.start), min(period.end, place.end or period.end)
            total += max(0, int((end - start) / measured.interval))
    return total
