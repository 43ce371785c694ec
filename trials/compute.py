"""Protocol + inputs → evaluation: the one computation behind `evaluate` and `verify`. Pure; reads no clock and no database."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from insitu.model import AveragingScale, PeriodName, Verdict
from trials import criteria
from trials.aggregate import about, as_counted, is_about, own_plan
from trials.choices import FIRST_EDITION, Choice, choices
from trials.designs import DESIGNS, Answer, Design, Question, early_look
from trials.designs.question import ArmRole
from trials.deviations import deviations, swaps
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
from trials.inputs import USED, USED_UNCHECKED, USED_WITH_SUSPECT, StreamInput, TrialInputs, WindowInput, fingerprint
from trials.intervals import MIN_DAYS
from trials.looks import is_early, looks, planned_days, so_far
from trials.protocol import ON_ENERGY, Aggregation, Arm, Endpoint, Period, document_of
from trials.slots import Calendar, Unit, day_groups, fill, to_us
from trials.verdicts import Rule, at_the_end, judged, verdict_of
from trials.versions import summaries

UNBALANCED = 0.15
DECIDED = (Verdict.MET, Verdict.NOT_MET)


def compute(inputs: TrialInputs) -> Evaluation:
    """Everything but `changed`, which compares with another evaluation."""
    protocol = inputs.protocol
    seen = so_far(inputs)
    gate, gate_findings = _gate(seen)
    endpoints = _judged_endpoints(seen, gate, gate_findings)
    interim = is_early(inputs)
    found_looks = looks(inputs) if inputs.edition > 1 else []
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
        inputs_sha256=fingerprint(inputs.streams),
        observations=sum(len(stream.time_us) for stream in inputs.streams),
        verdict=criteria.overall([e.verdict for e in endpoints if e.rank == "primary"]),
        endpoints=endpoints,
        gate=gate,
        datastreams=[_stream_summary(seen, stream) for stream in sorted(inputs.streams, key=lambda s: s.key())],
        gaps=inputs.gaps,
        windows=[
            WindowSummary(
                kind=w.kind, target=w.target, start=w.start, end=w.end, reason=w.reason, declared_by=w.declared_by,
                declared_at=w.declared_at, afterwards=w.declared_at > w.start,
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
        edition=2 if inputs.edition > 1 else None,
        looks=found_looks or None,
        versions=summaries(inputs.versions) or None if inputs.edition > 1 else None,
    )  # fmt: skip


def code_versions() -> dict[str, str]:
    """Versions of what computes: Insitu, Python and the numerical packages; they stand in the evaluation."""
    names = ("insitu", "numpy", "scipy", "statsmodels")
    return {**{name: version(name) for name in names}, "python": platform.python_version()}


# -- the gate: design 0, before all others ---------------------------------------------------------------------------


def _gate(inputs: TrialInputs) -> tuple[list[GateResult], dict[str, list[Finding]]]:
    """Capture of each arm, property and period that an endpoint needs, and the findings for each endpoint."""
    results: dict[tuple[str, str, PeriodName, str | None], GateResult] = {}
    findings: dict[str, list[Finding]] = {}
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
                found += _gate_of_period(inputs, endpoint, design, period, results)
    return list(results.values()), findings


def _gate_of_period(
    inputs: TrialInputs,
    endpoint: Endpoint,
    design: Design,
    period: Period,
    results: dict[tuple[str, str, PeriodName, str | None], GateResult],
) -> list[Finding]:
    found: list[Finding] = []
    shares = []
    for role in design.arms:
        arm = endpoint.arms.get(role)
        if arm is None:
            found.append(finding("no_observations", arm=role, period=str(period.name)))
            continue
        key = (arm, endpoint.property, period.name, own_plan(endpoint))
        if key not in results:
            units = _units(inputs, endpoint, inputs.protocol.arm(arm), period, _usable(inputs, endpoint.property, arm))
            results[key] = _capture(inputs, arm, endpoint, period, units)
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
        due = sum(np.bincount(groups, weights=(~unit.excused | unit.valid).astype(float), minlength=n) for unit in units)
        had = sum(np.bincount(groups, weights=unit.valid.astype(float), minlength=n) for unit in units)
        named = sum(np.bincount(groups, weights=unit.inside.astype(float), minlength=n) for unit in units) > 0
        days = int(np.sum(named))
        days_valid = int(np.sum(named & ((had >= capture.share * due) & (had > 0) | (due == 0))))
    share = valid / max(1, planned - excused)
    return GateResult(
        arm=arm, property=endpoint.property, endpoint=own_plan(endpoint), period=period.name, planned=planned, excused=excused, valid=valid, share=share, days=days,
        days_valid=days_valid, passed=days > 0 and days_valid >= capture.days * days,
    )  # fmt: skip


# -- units -------------------------------------------------------------------------------------------------------------


def _usable(inputs: TrialInputs, property: str, arm: str) -> tuple[int, ...]:
    """PASS only; where the protocol plans no check for a property, what no check has seen is used, and a finding says so."""
    return USED if inputs.protocol.checks_of(property, arm) else USED_UNCHECKED


def _units(
    inputs: TrialInputs, endpoint: Endpoint, arm: Arm, period: Period, usable: Sequence[int], property: str | None = None
) -> list[Unit]:
    """One unit a device of the arm, over one period; a device without any datastream is a unit without observations."""
    name = property or endpoint.property
    aggregation = endpoint.aggregation if property is None else Aggregation(name="mean")
    step = inputs.protocol.interval_of(name, arm.name)
    calendar = Calendar.of(period.start, period.end, step, inputs.protocol.time_zone)
    units = []
    for device in arm.devices:
        streams = inputs.series_of(device, name)
        value = np.full(calendar.n, np.nan)
        heard = np.zeros(calendar.n, bool)
        for stream in streams:
            kept = np.isin(stream.flag, usable)
            energetic = stream.averaging_scale == AveragingScale.ENERGETIC and aggregation.name not in ("duty", "sum")
            result = as_counted(aggregation, stream.result[kept])
            filled = fill(calendar, stream.time_us[kept], result, energetic, summed=aggregation.name == "sum")
            value = np.where(np.isfinite(value), value, filled)
            heard |= np.isfinite(fill(calendar, stream.time_us, np.zeros(len(stream.time_us)), False))
        windows = [window for window in inputs.windows if window.covers(device, [arm.site])]
        excused = _inside(windows, calendar)
        planned = _inside([window for window in windows if window.declared_at <= window.start], calendar)
        units.append(Unit(device, calendar, value, excused, heard, excused & ~planned))
    if property is not None:
        return units
    places = {
        unit.name: [p for s in inputs.series_of(unit.name, name) for p in s.placements if s.device == unit.name] for unit in units
    }
    return [about(endpoint, unit, places[unit.name]) for unit in units if is_about(endpoint, unit.name, places[unit.name])]


def _inside(windows: Sequence[WindowInput], calendar: Calendar) -> NDArray[np.bool_]:
    """Which slots begin within one of the windows."""
    found = np.zeros(calendar.n, bool)
    starts = calendar.start_us + calendar.step_us * np.arange(calendar.n, dtype=np.int64)
    for window in windows:
        inside = starts >= to_us(window.start)
        found |= inside & (starts < to_us(window.end)) if window.end is not None else inside
    return found


def _question(inputs: TrialInputs, endpoint: Endpoint, level: float, *, suspect: bool) -> Question:
    design = DESIGNS[endpoint.design]
    units: dict[tuple[ArmRole, PeriodName], list[Unit]] = {}
    covariates: dict[tuple[str, PeriodName], list[Unit]] = {}
    for name in design.periods:
        period = inputs.protocol.period(name)
        if period is None:
            continue
        for role in design.arms:
            arm = inputs.protocol.arm(endpoint.arms[role])
            usable = USED_WITH_SUSPECT if suspect else _usable(inputs, endpoint.property, arm.name)
            units[role, name] = _units(inputs, endpoint, arm, period, usable)
        declared = endpoint.parameters.get("covariates", [])
        for covariate in declared if isinstance(declared, list) else []:
            covariates[covariate, name] = _measured(inputs, endpoint, period, covariate)
    scales = {stream.averaging_scale for stream in inputs.streams if stream.property == endpoint.property}
    levels = AveragingScale.ENERGETIC in scales
    energetic = levels and endpoint.aggregation.name in ON_ENERGY
    return Question(endpoint, inputs.protocol.capture, level, inputs.protocol.seed, energetic, units, covariates, levels)


def _measured(inputs: TrialInputs, endpoint: Endpoint, period: Period, covariate: str) -> list[Unit]:
    """The candidate's devices that measure the covariate; where none does, those of the endpoint's other arms (a weather station)."""
    for role in sorted(endpoint.arms):  # candidate comes first
        arm = inputs.protocol.arm(endpoint.arms[role])
        units = [unit for unit in _units(inputs, endpoint, arm, period, USED_UNCHECKED, covariate) if unit.valid.any()]
        if units:
            return units
    return []


# -- endpoints ---------------------------------------------------------------------------------------------------------


def _judged_endpoints(
    inputs: TrialInputs, gate: Sequence[GateResult], gate_findings: dict[str, list[Finding]]
) -> list[EndpointResult]:
    """Each at the protocol's level; the secondary ones share α."""

    @cache
    def at(number: int, level: float) -> EndpointResult:
        return _endpoint(inputs, planned[number], gate, gate_findings, level)

    planned, confidence = inputs.protocol.endpoints, inputs.protocol.confidence
    levels = {number: confidence for number, endpoint in enumerate(planned) if endpoint.rank != "secondary"}
    secondary = [number for number in range(len(planned)) if number not in levels]
    levels |= criteria.holm(secondary, 1 - confidence, lambda number, level: at(number, level).verdict in DECIDED)
    return [at(number, levels[number]) for number in range(len(planned))]


def _endpoint(
    inputs: TrialInputs,
    endpoint: Endpoint,
    gate: Sequence[GateResult],
    gate_findings: dict[str, list[Finding]],
    level: float,
) -> EndpointResult:
    findings = list(gate_findings[endpoint.name])
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
        answer = _answer(inputs, endpoint, level)
        findings += answer.findings
    blocked = any(f.severity == "blocking" for f in findings)
    known = {k.statistic: k for k in answer.statistics} if not blocked else {}
    results, verdict, more = verdict_of(endpoint, known, level, blocked=blocked, rule=_rule(inputs, endpoint))
    if inputs.whole is not None and verdict is Verdict.NOT_MET:
        harmful = [c.estimate for c in results if c.verdict is verdict and c.estimate]
        more += [finding("stop_for_harm", statistic=e.statistic, low=e.low, high=e.high) for e in harmful]
    sensitivity = _sensitivity(inputs, endpoint, answer, level) if known else []
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


def _answer(inputs: TrialInputs, endpoint: Endpoint, level: float, choice: Choice | None = None) -> Answer:
    """What the design answers, or would by another choice; while the reporting period lasts, as an early look."""
    question = _question(inputs, endpoint, level, suspect=choice is not None and choice.suspect)
    if choice is not None:
        question = replace(question.without(choice.left_out), varied=True)
    answer = DESIGNS[endpoint.design].answer(question)
    if inputs.whole is None:
        return answer
    days, planned = planned_days(inputs.protocol, endpoint), planned_days(inputs.whole, endpoint)
    return early_look.look(answer, days=days, planned=planned)


def _rule(inputs: TrialInputs, endpoint: Endpoint) -> Rule:
    if inputs.whole is None:
        return at_the_end
    return early_look.stop_for_harm if DESIGNS[endpoint.design].early else early_look.undecided


def _sensitivity(inputs: TrialInputs, endpoint: Endpoint, answer: Answer, level: float) -> list[Sensitivity]:
    """The same under other choices; printed, never deciding."""
    targets = {c.statistic for c in endpoint.criteria}
    rule, ended = (
        _rule(inputs, endpoint),
        inputs.whole is None,
    )  # the design's own other intervals hold at one look only: no verdict
    found = [
        Sensitivity(
            name=name, statistic=estimate.statistic, estimate=estimate, verdict=judged(endpoint, estimate) if ended else None
        )
        for name, estimate in answer.sensitivity
        if estimate.statistic in targets and (inputs.edition > 1 or name in FIRST_EDITION)
    ]
    for choice in choices(inputs, endpoint):
        other = _answer(inputs, endpoint, level, choice)
        for known in other.statistics if not other.blocked else []:
            if known.statistic in targets:
                estimate = known.estimate(level)
                verdict = judged(endpoint, estimate, rule)
                found.append(Sensitivity(name=choice.name, statistic=known.statistic, estimate=estimate, verdict=verdict))
    return found


# -- what happened against what was planned ----------------------------------------------------------------------------


def _stream_summary(inputs: TrialInputs, stream: StreamInput) -> DatastreamSummary:
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
        sha256=fingerprint([stream]),
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
