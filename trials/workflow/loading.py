"""Reads the inputs of an evaluation from the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import numpy as np

from insitu.model import Arrival
from insitu.times import to_us
from store import ledger
from store import quality as store_quality
from store import trials as store_trials
from store.catalogue.datastreams import TrialDatastream, list_datastreams
from store.catalogue.sensors import list_trial_sensors
from store.catalogue.sites import list_sites
from store.catalogue.trials import get_trial
from store.catalogue.windows import list_windows
from store.corrections import corrections_by_file
from store.database import Connection
from store.erasures import erased_results
from store.imports import list_withdrawals
from store.kept import SeriesKept, series_kept
from trials.condition.gaps import KEPT_BACK, KEPT_BACK_SIMULATED, find_gaps_in_order
from trials.evaluation import (
    Evaluation,
    GapSummary,
    RejectSummary,
    SensorSummary,
    WithdrawalSummary,
)
from trials.plan.protocol import Protocol
from trials.plan.reading import read_protocol
from trials.plan.rules import Rules
from trials.series.inputs import (
    CorrectionSummary,
    EarlierEvaluation,
    ErasureSummary,
    Placement,
    ProtocolVersion,
    StreamInput,
    TrialInputs,
    Unblinding,
    WindowInput,
    shift_us,
)


def load_inputs(
    conn: Connection,
    trial: str,
    stored: store_trials.StoredProtocol,
    *,
    now: datetime,
    simulated: bool,
    rules: Rules | None = None,
) -> TrialInputs:
    """The inputs of the computation, over the span of the protocol's periods. `rules`: None means the
    newest.
    """
    protocol = read_protocol(stored.document)
    facts, late_after = get_trial(conn, trial), KEPT_BACK_SIMULATED if simulated else KEPT_BACK
    start, end = min(p.start for p in protocol.periods), max(p.end for p in protocol.periods)
    streams = needed_datastreams(conn, protocol)
    runs = store_quality.quality_runs(conn, [s.datastream_id for s in streams])
    found: dict[int, SeriesKept] = {}
    counts: dict[int, dict[str, int]] = {}
    for numbers, first, last in spans(protocol, streams, start, end, rules or Rules()):
        found |= series_kept(conn, numbers, first, last, late_after=late_after)
        for count in store_quality.check_counts(conn, numbers, first, last):
            counts.setdefault(count.datastream_id, {})[count.check_name] = count.n
    windows = windows_of(conn, trial)
    return TrialInputs(
        protocol=protocol,
        protocol_sha256=stored.sha256,
        locked_at=stored.locked_at,
        organisations={"host": facts.host, "company": facts.company, "evaluator": facts.evaluator or ""},
        sites={site.code: site.name for site in list_sites(conn, trial)},
        streams=[
            stream_input(
                s, found[s.datastream_id], counts.get(s.datastream_id, {}), runs.get(s.datastream_id)
            )
            for s in streams
        ],
        windows=windows,
        rejects=[
            RejectSummary(device=r.device, reason=r.reason, messages=r.messages, results=r.results)
            for r in ledger.reject_counts(conn, trial, now)
        ],
        gaps=_gaps(protocol, streams, found, windows, until=min(now, end)),
        simulated=simulated,
        now=now,
        unblinded=[
            Unblinding(u.endpoint, u.at, u.login, u.reason)
            for u in store_trials.unblindings(conn, trial)
            if u.at <= now
        ],
        earlier=[
            EarlierEvaluation(e.evaluated_at, e.sha256, e.interim, e.blinded)
            for e in store_trials.evaluations_before(conn, trial, now)
        ],
        versions=_versions(conn, stored, trial),
        withdrawals=_withdrawals(conn, trial, now),
        sensors=_sensors(conn, trial, {stream.device for stream in streams}),
        erasures=_erasures(conn, trial, now),
        corrections=_corrections(conn, trial, streams, now),
        rules=rules or Rules(),
    )


def _corrections(
    conn: Connection, trial: str, streams: Sequence[TrialDatastream], now: datetime
) -> list[CorrectionSummary]:
    """Of the datastreams that an evaluation needs."""
    needed = {f"{stream.device}/{stream.name}" for stream in streams}
    found = corrections_by_file(conn, trial, now)
    return [CorrectionSummary(**asdict(one)) for one in found if one.datastream in needed]


def _withdrawals(conn: Connection, trial: str, now: datetime) -> list[WithdrawalSummary]:
    return [
        WithdrawalSummary(
            import_id=one.import_id,
            file=one.file,
            file_sha256=one.file_sha256,
            imported_by=one.login,
            imported_at=one.imported_at,
            withdrawn_by=one.withdrawn_by,
            withdrawn_at=one.withdrawn_at,
            reason=one.withdrawn_for,
            datastream=one.datastream,
            first=one.first_time,
            last=one.last_time,
            results=one.results,
        )
        for one in list_withdrawals(conn, trial, now)
    ]


def _erasures(conn: Connection, trial: str, now: datetime) -> list[ErasureSummary]:
    return [
        ErasureSummary(
            erasure_id=one.erasure_id,
            erased_at=one.at,
            reason=one.reason,
            device=one.device,
            start=one.from_time,
            end=one.to_time,
            results=one.results,
        )
        for one in erased_results(conn, trial, now)
    ]


def _sensors(conn: Connection, trial: str, devices: set[str]) -> list[SensorSummary]:
    return [
        SensorSummary(
            device=one.device,
            make=one.make,
            model=one.model,
            serial=one.serial,
            calibrated_at=one.calibrated_at,
            calibration=one.calibration,
            start=one.start,
            end=one.end,
        )
        for one in list_trial_sensors(conn, trial)
        if one.device in devices
    ]


def _versions(conn: Connection, applied: store_trials.StoredProtocol, trial: str) -> list[ProtocolVersion]:
    """Locked versions up to the applied one, oldest first."""
    return [
        ProtocolVersion(p.version, p.locked_at, p.sha256, p.document)
        for p in reversed(store_trials.protocols(conn, trial))
        if p.locked_at is not None and p.version <= applied.version
    ]


def needed_datastreams(conn: Connection, protocol: Protocol) -> list[TrialDatastream]:
    """The trial's datastreams of the properties that the protocol measures or has as covariates."""
    wanted = {m.property for m in protocol.measurements} | {
        str(name) for e in protocol.endpoints for name in _listed(e.parameters.get("covariates"))
    }
    return [s for s in list_datastreams(conn, protocol.trial) if s.property in wanted]


def spans(
    protocol: Protocol, streams: Sequence[TrialDatastream], start: datetime, end: datetime, rules: Rules
) -> Iterator[tuple[list[int], datetime, datetime]]:
    """(datastreams, first, last): the times `[first, last)` of results that stand for intervals with their
    middle in `[start, end)`.
    """
    by_shift: dict[int, list[int]] = {}
    for stream in streams:
        planned = protocol.interval_for(stream.property, stream.device)
        shift = shift_us(stream.stamp, stream.every(), planned) if rules.local_grid else 0
        by_shift.setdefault(shift, []).append(stream.datastream_id)
    for shift, numbers in by_shift.items():
        moved = timedelta(microseconds=shift)
        yield numbers, start - moved, end - moved


def windows_of(conn: Connection, trial: str) -> list[WindowInput]:
    """Every window declared for the trial, its sites or its devices."""
    return [
        WindowInput(
            kind=w.kind,
            target_kind=w.target_kind,
            target=w.target,
            start=w.start,
            end=w.end,
            reason=w.reason,
            declared_by=w.declared_by,
            declared_at=w.declared_at,
            ended_at=w.ended_at,
        )
        for w in list_windows(conn, trial)
    ]


def _listed(found: object) -> list[object]:
    return found if isinstance(found, list) else []


def stream_input(
    stream: TrialDatastream,
    found: SeriesKept,
    counts: dict[str, int],
    run: store_quality.QualityRun | None,
) -> StreamInput:
    """A datastream as input of the computation, with the counts of its checks."""
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
        late=found.days_late,
        from_file=int((found.arrival == Arrival.FROM_FILE).sum()),
        checked_with=run.parameters if run else None,
        stamp=stream.stamp,
        every=stream.every(),
    )


def as_it_arrived(evaluation: Evaluation, inputs: TrialInputs) -> TrialInputs:
    """The inputs with the evaluation's own account of how data arrived and with which sensors: other rules
    may
    tell gaps and late results in another way, and sensors may have been corrected.
    """
    stated = {one.datastream: one for one in evaluation.datastreams}
    streams = [
        replace(stream, late=stated[stream.key()].late, from_file=stated[stream.key()].from_file or 0)
        if stream.key() in stated
        else stream
        for stream in inputs.streams
    ]
    return replace(inputs, streams=streams, gaps=evaluation.gaps, sensors=evaluation.sensors or [])


def _gaps(
    protocol: Protocol,
    streams: Sequence[TrialDatastream],
    found: dict[int, SeriesKept],
    windows: Sequence[WindowInput],
    *,
    until: datetime,
) -> list[GapSummary]:
    """Silences of datastreams of the protocol's primary properties while their device was deployed."""
    primary = {e.property for e in protocol.endpoints if e.rank == "primary"}
    summaries = []
    for stream in streams:
        measured = next((m for m in protocol.measurements if m.property == stream.property), None)
        if stream.property not in primary or measured is None:
            continue
        expected = stream.expected_interval_s or measured.interval.about_s()
        for place in stream.deployments:
            covering = [(w.start, w.end) for w in windows if w.covers(stream.device, [place.site])]
            for start, end in _planned_spans(protocol):
                low, high = max(start, place.start), min(until, end, place.end or until)
                if low < high:
                    summaries += _gaps_within(
                        stream, found[stream.datastream_id], low, high, expected, covering
                    )
    return sorted(summaries, key=lambda g: (g.device, g.property, g.start))


def _planned_spans(protocol: Protocol) -> list[tuple[datetime, datetime]]:
    """The periods; those that follow each other are one."""
    spans: list[tuple[datetime, datetime]] = []
    for period in sorted(protocol.periods, key=lambda period: period.start):
        if spans and spans[-1][1] == period.start:
            spans[-1] = (spans[-1][0], period.end)
        else:
            spans.append((period.start, period.end))
    return spans


def _gaps_within(
    stream: TrialDatastream,
    found: SeriesKept,
    start: datetime,
    end: datetime,
    expected_s: float,
    windows: Sequence[tuple[datetime, datetime | None]],
) -> list[GapSummary]:
    """While the device stood at one place, in `[start, end)`."""
    low, high = np.searchsorted(found.time_us, [to_us(start), to_us(end)])
    return [
        GapSummary(
            device=stream.device,
            property=stream.property,
            start=gap.start,
            end=gap.end,
            cause=gap.cause,
            backfilled=gap.backfilled,
        )
        for gap in find_gaps_in_order(
            times=found.time_us[low:high],
            arrival=found.arrival[low:high],
            expected_s=expected_s,
            start=start,
            end=end,
            windows=windows,
        )
    ]
