"""The sandwich: load → compute → save. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from insitu.errors import AlreadyExists, CorrectInput, NotFound
from insitu.model import TrialState
from store import access, catalogue, ledger
from store import quality as store_quality
from store import trials as store_trials
from store.database import Connection
from store.observations import Series, SeriesKept, series, series_kept
from store.times import to_datetime
from trials import profiles, quality
from trials.changes import causes, changes
from trials.compute import compute
from trials.designs import DESIGNS
from trials.evaluation import Evaluation, GapSummary, RejectSummary, document_of
from trials.health import KEPT_BACK, KEPT_BACK_SIMULATED, gaps_in_order
from trials.inputs import EarlierEvaluation, Placement, ProtocolVersion, StreamInput, TrialInputs, Unblinding, WindowInput
from trials.protocol import Protocol, canonical, digest, read_protocol
from trials.protocol import document_of as protocol_document
from trials.templates import marks


@dataclass(frozen=True, slots=True)
class Locked:
    version: int
    sha256: str
    locked_at: datetime


def lock_protocol(conn: Connection, protocol: Protocol, *, now: datetime, login: str) -> Locked:
    """Store and lock a version; CorrectInput lists what the catalogue does not have or no design knows."""
    problems = not_lockable(conn, protocol)
    if problems:
        raise CorrectInput("The protocol cannot be locked:\n" + "\n".join(f"  {problem}" for problem in problems))
    earlier = store_trials.protocols(conn, protocol.trial)
    if earlier and protocol.version <= earlier[0].version:
        raise AlreadyExists(
            f"{protocol.trial} has version {earlier[0].version} already: an amendment is version {earlier[0].version + 1}, with a reason."
        )
    document = protocol_document(protocol)
    reason = protocol.reason.en if protocol.reason else ""
    number = store_trials.save_protocol(
        conn, trial=protocol.trial, version=protocol.version, document=canonical(document).decode(), sha256=digest(document),
        now=now, reason=reason,
    )  # fmt: skip
    store_trials.lock_protocol(conn, protocol_id=number, at=now, login=login)
    detail = {"version": protocol.version, "sha256": digest(document)}
    access.record(conn, at=now, login=login, action="lock", subject=protocol.trial, detail=detail)
    return Locked(protocol.version, digest(document), now)


def not_lockable(conn: Connection, protocol: Protocol) -> list[str]:
    """What stands in the way of a lock, each with its path: marks that are left, what the catalogue lacks, what no design knows."""
    left = [f"{where}: this is still to be written" for where in marks(protocol_document(protocol))]
    return [*left, *_not_in_catalogue(conn, protocol), *_not_computable(protocol)]


def _not_in_catalogue(conn: Connection, protocol: Protocol) -> list[str]:
    streams = catalogue.datastreams_of_trial(conn, protocol.trial)
    known = {(s.device, s.property) for s in streams}
    devices = {s.device for s in streams}
    sites = {site.code for site in catalogue.sites_of_trial(conn, protocol.trial)}
    problems = [f"arms.{a.name}: the trial has nothing at site {a.site!r}" for a in protocol.arms if a.site not in sites]
    for endpoint in protocol.endpoints:
        wanted = (endpoint.filter.sites if endpoint.filter else None) or []
        problems += [f"endpoints.{endpoint.name}: the trial has nothing at site {site!r}" for site in wanted if site not in sites]
    for arm in protocol.arms:
        problems += [f"arms.{arm.name}: the trial has no device {device!r}" for device in arm.devices if device not in devices]
    for endpoint in (e for e in protocol.endpoints if e.profile is not None):
        named = {device for arm in endpoint.arms.values() for device in protocol.arm(arm).devices}
        problems += [
            f"endpoints.{endpoint.name}.unit: {endpoint.profile} is in {endpoint.unit}, {s.device} measures {s.property} in {s.unit}"
            for s in streams
            if s.device in named and s.property == endpoint.property and s.unit != endpoint.unit
        ]
    for measurement in protocol.measurements:
        for name in measurement.arms:
            problems += [
                f"measurements: {device} of arm {name} does not measure {measurement.property!r}"
                for device in protocol.arm(name).devices
                if device in devices and (device, measurement.property) not in known
            ]
    return problems


def _not_computable(protocol: Protocol) -> list[str]:
    problems = []
    for check in protocol.checks:
        try:
            quality.plan([(check.check, check.parameters)])
        except CorrectInput as error:
            problems.append(f"checks: {check.property}: {error}")
    for endpoint in protocol.endpoints:
        design = DESIGNS.get(endpoint.design)
        if design is None:
            problems.append(f"endpoints.{endpoint.name}: there is no design {endpoint.design!r}; known are {', '.join(DESIGNS)}")
            continue
        problems += [f"endpoints.{endpoint.name}.{problem}" for problem in profiles.differences(protocol, endpoint)]
        missing = [arm for arm in design.arms if arm not in endpoint.arms]
        problems += [f"endpoints.{endpoint.name}: {design.name} needs a {arm} arm" for arm in missing]
        problems += [
            f"endpoints.{endpoint.name}: {design.name} knows no statistic {c.statistic!r}; it has {', '.join(design.statistics)}"
            for c in endpoint.criteria
            if c.statistic not in design.statistics
        ]
        problems += [
            f"endpoints.{endpoint.name}: {design.name} needs a {period} period"
            for period in design.periods
            if protocol.period(period) is None
        ]
    return problems


# -- quality -----------------------------------------------------------------------------------------------------------


def check_quality(conn: Connection, trial: str, *, now: datetime, everything: bool = False) -> int:
    """Run the planned checks over what no check has seen, and over everything (or `everything`) of a datastream whose plan was amended.

    Answers how many observations were judged.
    """
    stored = store_trials.locked_protocol(conn, trial)
    if stored is None:
        return 0
    store_quality.take_turn(conn, trial)
    protocol = read_protocol(stored.document)
    streams = {s.datastream_id: s for s in catalogue.datastreams_of_trial(conn, trial)}
    waiting = {u.datastream_id: u.unchecked_from for u in store_quality.unchecked(conn, trial)}
    runs = store_quality.quality_runs(conn, list(streams))
    far_past, far_future = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    judged = 0
    for number, stream in streams.items():
        planned = quality.plan(planned_checks(protocol, stream))
        anew = everything or _planned_otherwise(runs.get(number), planned)
        if not anew and number not in waiting:
            continue
        # A new row may change the flags of rows up to `margin` before it, and those depend on rows up to `margin` before them:
        # the second stretch is read as context, and its own flags, judged without what came before, are not saved.
        margin = timedelta(microseconds=quality.margin_us(planned))
        save_from = far_past if anew else waiting[number] - margin
        found = series(conn, [number], far_past if anew else save_from - margin, far_future)[number]
        judged += _check(conn, number, planned, found, save_from, now)
    return judged


def planned_checks(
    protocol: Protocol, stream: catalogue.TrialDatastream
) -> list[tuple[str, dict[str, float | int | str | bool]]]:
    """Those of the arm the device, or the one it replaced, stands in."""
    return list(protocol.planned_checks(stream.property, stream.device, [p.site for p in stream.deployments]).items())


def _planned_otherwise(run: store_quality.QualityRun | None, planned: Sequence[quality.Planned]) -> bool:
    """Whether an amendment changed the checks since they ran."""
    return run is not None and run.parameters != quality.parameters_text(planned)


def _check(
    conn: Connection, number: int, planned: Sequence[quality.Planned], found: Series, save_from: datetime, now: datetime
) -> int:
    """Judge what was found, keep the flags of what lies at or after `save_from`; how many those are."""
    result = quality.run(planned, found.time_us, found.result, found.received_us)
    saved = found.time_us >= int(save_from.timestamp() * 1e6)
    by_check = {}
    for name, flags in result.by_check.items():
        failed = (flags != 1) & saved
        by_check[name] = (found.time_us[failed], flags[failed])
    newest = int(found.received_us.max()) if len(found.received_us) else 0
    store_quality.save_flags(
        conn,
        datastream_id=number,
        times_us=found.time_us[saved],
        flags=result.flags[saved],
        by_check=by_check,
        checks=result.planned,
        ran=result.ran,
        parameters=quality.parameters_text(planned),
        sha256=digest({"parameters": quality.parameters_text(planned)}),
        now=now,
        received_before=to_datetime(newest),
    )
    return int(saved.sum())


# -- evaluation --------------------------------------------------------------------------------------------------------


def evaluate_trial(conn: Connection, trial: str, *, now: datetime, login: str, simulated: bool) -> tuple[int, Evaluation]:
    """Apply the newest locked protocol to the observations, keep the result; (its number, the evaluation)."""
    stored = store_trials.locked_protocol(conn, trial)
    if stored is None:
        catalogue.trial(conn, trial)
        raise NotFound(f"{trial} has no locked protocol: write one and run `insitu lock PROTOCOL`.")
    evaluation = compute(load_inputs(conn, trial, stored, now=now, simulated=simulated))
    return keep(conn, stored, evaluation, previous=store_trials.latest_evaluation(conn, trial), login=login)


def keep(
    conn: Connection,
    stored: store_trials.StoredProtocol,
    evaluation: Evaluation,
    *,
    previous: store_trials.StoredEvaluation | None,
    login: str,
) -> tuple[int, Evaluation]:
    """Store what was computed, with what changed since the previous evaluation; (its number, the evaluation as stored)."""
    trial, now = evaluation.trial, evaluation.evaluated_at
    if previous is not None:
        before = Evaluation.model_validate_json(previous.document)
        found = {"changed": changes(before, previous.sha256, evaluation), "causes": causes(before, evaluation) or None}
        evaluation = evaluation.model_copy(update=found)
    document = document_of(evaluation)
    number = store_trials.save_evaluation(
        conn, trial=trial, protocol_id=stored.protocol_id, evaluated_at=now, evaluated_by=login, verdict=str(evaluation.verdict),
        interim=evaluation.interim, blinded=bool(evaluation.blinded), inputs_sha256=evaluation.inputs_sha256, sha256=digest(document),
        document=canonical(document).decode(),
    )  # fmt: skip
    detail = {
        "evaluation": number,
        "verdict": "blinded" if evaluation.blinded else str(evaluation.verdict),
        "sha256": digest(document),
    }
    access.record(conn, at=now, login=login, action="evaluate", subject=trial, detail=detail)
    if catalogue.trial(conn, trial).state == TrialState.RUNNING and not (evaluation.interim or evaluation.blinded):
        catalogue.move_trial(conn, trial=trial, to=TrialState.EVALUATED, at=now, login=login, note=f"evaluation {number}")
    return number, evaluation


def load_inputs(
    conn: Connection, trial: str, stored: store_trials.StoredProtocol, *, now: datetime, simulated: bool
) -> TrialInputs:
    """Everything the computation needs, over the span of the protocol's periods."""
    protocol = read_protocol(stored.document)
    facts = catalogue.trial(conn, trial)
    start, end = min(p.start for p in protocol.periods), max(p.end for p in protocol.periods)
    late_after = KEPT_BACK_SIMULATED if simulated else KEPT_BACK
    streams = needed_datastreams(conn, protocol)
    numbers = [s.datastream_id for s in streams]
    found = series_kept(conn, numbers, start, end, late_after=late_after)
    runs = store_quality.quality_runs(conn, numbers)
    counts: dict[int, dict[str, int]] = {}
    for count in store_quality.check_counts(conn, numbers, start, end):
        counts.setdefault(count.datastream_id, {})[count.check_name] = count.n
    windows = windows_of(conn, trial)
    return TrialInputs(
        protocol=protocol,
        protocol_sha256=stored.sha256,
        locked_at=stored.locked_at,
        organisations={"host": facts.host, "company": facts.company, "evaluator": facts.evaluator or ""},
        sites={site.code: site.name for site in catalogue.sites_of_trial(conn, trial)},
        streams=[
            stream_input(s, found[s.datastream_id], counts.get(s.datastream_id, {}), runs.get(s.datastream_id)) for s in streams
        ],
        windows=windows,
        rejects=[
            RejectSummary(device=r.device, reason=r.reason, messages=r.messages, results=r.results)
            for r in ledger.reject_counts(conn, trial, now)
        ],
        gaps=_gaps(protocol, streams, found, windows, until=min(now, end)),
        simulated=simulated,
        now=now,
        unblinded=[Unblinding(u.endpoint, u.at, u.login, u.reason) for u in store_trials.unblindings(conn, trial) if u.at <= now],
        earlier=[
            EarlierEvaluation(e.evaluated_at, e.sha256, e.interim, e.blinded)
            for e in store_trials.evaluations_before(conn, trial, now)
        ],
        versions=_versions(conn, stored, trial),
    )


def _versions(conn: Connection, applied: store_trials.StoredProtocol, trial: str) -> list[ProtocolVersion]:
    """Locked ones up to the one that is applied, oldest first."""
    return [
        ProtocolVersion(p.version, p.locked_at, p.sha256, p.document)
        for p in reversed(store_trials.protocols(conn, trial))
        if p.locked_at is not None and p.version <= applied.version
    ]


def needed_datastreams(conn: Connection, protocol: Protocol) -> list[catalogue.TrialDatastream]:
    """Those of its trial whose property it measures or has as a covariate."""
    wanted = {m.property for m in protocol.measurements} | {
        str(name) for e in protocol.endpoints for name in _listed(e.parameters.get("covariates"))
    }
    return [s for s in catalogue.datastreams_of_trial(conn, protocol.trial) if s.property in wanted]


def windows_of(conn: Connection, trial: str) -> list[WindowInput]:
    """Every window declared for the trial, its sites or its devices."""
    return [
        WindowInput(w.kind, w.target_kind, w.target, w.start, w.end, w.reason, w.declared_by, w.declared_at)
        for w in catalogue.windows_of_trial(conn, trial)
    ]


def _listed(found: object) -> list[object]:
    return found if isinstance(found, list) else []


def stream_input(
    stream: catalogue.TrialDatastream, found: SeriesKept, counts: dict[str, int], run: store_quality.QualityRun | None
) -> StreamInput:
    """A datastream as the computation takes it, with what its checks counted."""
    return StreamInput(
        device=stream.device,
        name=stream.name,
        property=stream.property,
        unit=stream.unit,
        role=stream.role,
        averaging_scale=stream.averaging_scale,
        sensor=stream.sensor,
        placements=[Placement(d.site, d.position, d.start, d.end) for d in stream.deployments],
        time_us=found.time_us,
        result=found.result,
        flag=found.flag,
        by_check=counts,
        checks=run.checks if run else [],
        ran=run.ran if run else [],
        late=int(found.late.sum()),
        checked_with=run.parameters if run else None,
    )


def _gaps(
    protocol: Protocol,
    streams: Sequence[catalogue.TrialDatastream],
    found: dict[int, SeriesKept],
    windows: Sequence[WindowInput],
    *,
    until: datetime,
) -> list[GapSummary]:
    """Silences of the measured datastreams of the protocol's primary properties, while their device stood there."""
    primary = {e.property for e in protocol.endpoints if e.rank == "primary"}
    summaries = []
    start = min(p.start for p in protocol.periods)
    for stream in streams:
        measured = next((m for m in protocol.measurements if m.property == stream.property), None)
        if stream.property not in primary or measured is None:
            continue
        expected = stream.expected_interval_s or measured.interval.total_seconds()
        covering = [(w.start, w.end) for w in windows if w.covers(stream.device, [d.site for d in stream.deployments])]
        for place in stream.deployments:
            low, high = max(start, place.start), min(until, place.end or until)
            if low >= high:
                continue
            data = found[stream.datastream_id]
            for gap in gaps_in_order(
                times=data.time_us, late=data.late, expected_s=expected, start=low, end=high, windows=covering
            ):
                summaries.append(
                    GapSummary(
                        device=stream.device, property=stream.property, start=gap.start, end=gap.end, cause=gap.cause,
                        backfilled=gap.backfilled,
                    )
                )  # fmt: skip
    return sorted(summaries, key=lambda g: (g.device, g.property, g.start))


def locked_trials(conn: Connection) -> list[str]:
    """Trials whose protocol is locked: those whose observations are checked."""
    return [t.code for t in catalogue.trials(conn) if store_trials.locked_protocol(conn, t.code) is not None]
