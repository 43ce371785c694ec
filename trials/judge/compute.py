"""Protocol + inputs → evaluation: the one computation behind `evaluate` and `verify`. Pure; reads no clock
and no database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cache

from insitu.errors import CorrectInput
from insitu.model import PeriodName, Verdict
from trials.designs import DESIGNS, Answer, Question, early_look
from trials.evaluation import (
    EndpointResult,
    Evaluation,
    GateResult,
    Sensitivity,
    UnblindingSummary,
    WindowSummary,
)
from trials.judge.afterwards import Record, record
from trials.judge.cautions import cautions
from trials.judge.choices import Choice, choices
from trials.judge.code import code_versions
from trials.judge.completion import patterns_of
from trials.judge.crowded import crowded_findings
from trials.judge.deviations import deviations, swaps
from trials.judge.exclusions import beside_exclusions, exclusion_findings, is_asked, left_in
from trials.judge.experimental_units import Units
from trials.judge.gate import check_gate
from trials.judge.looks import is_early, looks, planned_days, so_far
from trials.judge.missing import Survival, missingness, survive
from trials.judge.older_rules import without_counts
from trials.judge.piles import beside_piles, otherwise, piles_of
from trials.judge.scales import scale_findings
from trials.judge.summaries import stream_summary
from trials.judge.trends import trend_findings
from trials.judge.verdicts import DECIDED, Rule, at_the_end, judged, left_open, verdict_of
from trials.judge.versions import summaries
from trials.plan import profiles
from trials.plan.endpoint import Endpoint
from trials.plan.reading import document_of
from trials.plan.size import oversized
from trials.sentences import finding
from trials.series.inputs import TrialInputs, fingerprint
from trials.statement import Statement
from trials.statistics import criteria


def compute(inputs: TrialInputs) -> Evaluation:
    """The whole evaluation, except `changed` and `causes`, which compare with another one. CorrectInput for a
    protocol that plans more than can be evaluated.
    """
    if problems := list(oversized(inputs.protocol)):
        raise CorrectInput("\n".join(problems))
    with ThreadPoolExecutor(
        2
    ) as pool:  # hashing releases the interpreter lock: with a second core it costs no time
        whole = pool.submit(fingerprint, inputs.streams)
        of_streams = {stream.key(): pool.submit(fingerprint, [stream]) for stream in inputs.streams}
        return _compute(inputs, whole, of_streams)


def _compute(inputs: TrialInputs, whole: Future[str], of_streams: Mapping[str, Future[str]]) -> Evaluation:
    protocol, seen = inputs.protocol, so_far(inputs)
    units = Units(seen)
    gate, gate_findings = check_gate(units)
    endpoints = _judged_endpoints(units, gate, gate_findings)
    if not inputs.rules.tell_counts:
        endpoints = [without_counts(endpoint) for endpoint in endpoints]
    verdict = criteria.overall([e.verdict for e in endpoints if e.rank == "primary"])
    found = record(inputs) if inputs.rules.tell_when else None
    interim, found_looks = is_early(inputs), looks(inputs)
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
        verdict=verdict,
        endpoints=[_qualified(endpoint, found) for endpoint in endpoints] if found else endpoints,
        gate=gate,
        datastreams=[
            stream_summary(seen, stream, of_streams[stream.key()].result())
            for stream in sorted(inputs.streams, key=lambda s: s.key())
        ],
        gaps=inputs.gaps,
        windows=_windows(inputs),
        swaps=[f"{old} → {new}" for old, new, _ in swaps(inputs)],
        rejects=inputs.rejects,
        deviations=deviations(inputs, found_looks),
        findings=[finding("interim")] if interim else [],
        seed=protocol.seed,
        evaluated_at=inputs.now,
        code=code_versions(),
        rules=inputs.rules.version,
        blinded=True if any(e.blinded and e.rank == "primary" for e in endpoints) else None,
        unblinded=[UnblindingSummary(**asdict(one)) for one in inputs.unblinded] or None,
        looks=found_looks or None,
        versions=summaries(inputs.versions) or None,
        cautions=list(cautions(endpoints)) or None,
        after_the_fact=(found is not None and found.qualifies(verdict)) or None,
        afterwards=(found.sentences or None) if found else None,
        withdrawals=inputs.withdrawals or None,
        sensors=inputs.sensors or None,
    )


def _windows(inputs: TrialInputs) -> list[WindowSummary]:
    return [
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
    ]


def _qualified(endpoint: EndpointResult, found: Record) -> EndpointResult:
    if not found.qualifies(endpoint.verdict, endpoint.name):
        return endpoint
    return endpoint.model_copy(update={"after_the_fact": True})


def _judged_endpoints(
    units: Units, gate: Sequence[GateResult], gate_findings: dict[str, list[Statement]]
) -> list[EndpointResult]:
    """Judges each endpoint at the protocol's level; the secondary ones share α."""

    @cache
    def at(number: int, level: float) -> EndpointResult:
        found = _endpoint(units, planned[number], gate, gate_findings, level)
        return _asked_otherwise(units, planned[number], found, level)

    planned, confidence = units.inputs.protocol.endpoints, units.inputs.protocol.confidence
    levels = {number: confidence for number, endpoint in enumerate(planned) if endpoint.rank != "secondary"}
    secondary = [number for number in range(len(planned)) if number not in levels]
    levels |= criteria.holm(
        secondary, 1 - confidence, lambda number, level: at(number, level).verdict in DECIDED
    )
    return [at(number, levels[number]) for number in range(len(planned))]


def _asked_otherwise(
    units: Units, endpoint: Endpoint, result: EndpointResult, level: float
) -> EndpointResult:
    """The result beside the one in which piles of one value are others, and the one with all that was left
    out. A look is no verdict, and is not asked; nor is what is withheld.
    """
    if result.blinded or units.inputs.whole is not None:
        return result

    def other(inputs: TrialInputs) -> EndpointResult:
        others = Units(inputs)
        return _endpoint(others, endpoint, *check_gate(others), level)

    if is_asked(units.inputs, result):
        result = beside_exclusions(result, other(left_in(units.inputs)))
    piles = piles_of(units, endpoint)
    return beside_piles(result, piles, other(otherwise(units.inputs, piles))) if piles else result


def _endpoint(
    units: Units,
    endpoint: Endpoint,
    gate: Sequence[GateResult],
    gate_findings: dict[str, list[Statement]],
    level: float,
) -> EndpointResult:
    inputs, findings = units.inputs, list(gate_findings[endpoint.name])
    findings += [
        finding("unchecked_data", property=endpoint.property)
        for arm in endpoint.arms.values()
        if not inputs.protocol.checks_of(endpoint.property, arm)
    ][:1]
    findings += _profile_findings(inputs, endpoint)
    findings += scale_findings(inputs, endpoint)
    findings += crowded_findings(units, endpoint)
    findings += exclusion_findings(inputs, endpoint)
    blinded = inputs.is_blinded(endpoint)
    if blinded:
        findings.append(finding("blinded"))
    answer = Answer()
    is_open = not any(f.severity == "blocking" for f in findings)
    if is_open:
        answer = _answer(units, endpoint, level)
        findings += answer.findings
    blocked = any(f.severity == "blocking" for f in findings)
    known = {k.statistic: k for k in answer.statistics} if not blocked else {}
    results, verdict, more = verdict_of(endpoint, known, level, blocked=blocked, rule=_rule(inputs, endpoint))
    verdict = left_open(answer, verdict)
    # Before the missing ones are filled: both need room for whole series.
    sensitivity = _sensitivity(units, endpoint, answer, level) if known else []
    survived = Survival(verdict, [])
    if inputs.rules.judge_missing and is_open:
        survived = _survival(units, endpoint, level, verdict)
        verdict, findings = survived.verdict, findings + survived.findings
    if inputs.whole is None:
        findings += trend_findings(endpoint, answer, level, verdict)
    if inputs.whole is not None and verdict is Verdict.NOT_MET:
        harmful = [c.estimate for c in results if c.verdict is verdict and c.estimate]
        more += [finding("stop_for_harm", statistic=e.statistic, low=e.low, high=e.high) for e in harmful]
    return EndpointResult(
        name=endpoint.name,
        title=endpoint.title,
        rank=endpoint.rank,
        property=endpoint.property,
        unit=endpoint.unit,
        design=endpoint.design,
        aggregation=endpoint.aggregation.name,
        grid_s=round(endpoint.grid.about_s()),
        arms={str(role): arm for role, arm in endpoint.arms.items()},
        verdict=verdict,
        criteria=results,
        estimates=[k.estimate(level) for k in known.values()],
        sensitivity=sensitivity,
        findings=findings + more,
        lines=answer.lines,
        pairs=answer.pairs,
        blinded=True if blinded else None,
        missing=survived.summary,
    )


def _survival(units: Units, endpoint: Endpoint, level: float, verdict: Verdict) -> Survival:
    """The verdict with its missing intervals filled, and what they have in common."""
    question = replace(units.question(endpoint, level), bare=True)
    rule = _rule(units.inputs, endpoint)

    def judge(filled: Question) -> Verdict:
        answer = _looked(units.inputs, endpoint, DESIGNS[endpoint.design].answer(filled))
        known = {one.statistic: one for one in answer.statistics}
        _, found, _ = verdict_of(endpoint, known, level, blocked=not known, rule=rule)
        return found

    worst = units.inputs.protocol.worst_percentile
    if not patterns_of(endpoint.design):
        return survive(question, verdict, judge, worst, tell=endpoint.rank == "primary")
    with ThreadPoolExecutor(1) as thread:  # both sort long series, which leaves the interpreter to others
        patterns = thread.submit(missingness, question)
        told = survive(question, verdict, judge, worst, tell=endpoint.rank == "primary")
        return replace(told, findings=told.findings + patterns.result())


def _looked(inputs: TrialInputs, endpoint: Endpoint, answer: Answer) -> Answer:
    """The answer as an early look, while the reporting period lasts."""
    if inputs.whole is None:
        return answer
    days, planned = (planned_days(p, endpoint, inputs.rules) for p in (inputs.protocol, inputs.whole))
    return early_look.look(answer, days=days, planned=planned)


def _answer(units: Units, endpoint: Endpoint, level: float, choice: Choice | None = None) -> Answer:
    """The design's answer, also for another choice; as an early look while the reporting period lasts."""
    inputs, question = (
        units.inputs,
        units.question(endpoint, level, suspect=choice is not None and choice.suspect),
    )
    if choice is not None:
        question = replace(question.without(choice.left_out), bare=True)
    return _looked(inputs, endpoint, DESIGNS[endpoint.design].answer(question))


def _rule(inputs: TrialInputs, endpoint: Endpoint) -> Rule:
    if inputs.whole is None:
        return at_the_end
    return early_look.stop_for_harm if DESIGNS[endpoint.design].early else early_look.undecided


def _profile_findings(inputs: TrialInputs, endpoint: Endpoint) -> list[Statement]:
    """A finding if the profile's targets were not valid throughout the reporting period. No finding about a
    profile that this version does not know.
    """
    reporting = (inputs.whole or inputs.protocol).period(PeriodName.REPORTING)
    if endpoint.profile is None or reporting is None or not profiles.is_known(endpoint.profile):
        return []
    found = profiles.entry(endpoint.profile)
    if profiles.holds_in(found, reporting, inputs.protocol.time_zone):
        return []
    return [finding("profile_not_valid_then", profile=endpoint.profile, validity=profiles.validity(found))]


def _sensitivity(units: Units, endpoint: Endpoint, answer: Answer, level: float) -> list[Sensitivity]:
    """The endpoint under other choices; printed, never deciding."""
    inputs, targets = units.inputs, {c.statistic for c in endpoint.criteria}
    rule = _rule(inputs, endpoint)
    ended = inputs.whole is None  # earlier, its other intervals give no verdict: they hold at one look only
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
