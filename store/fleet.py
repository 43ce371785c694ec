"""Read models of the pages and the HTTP API: devices with their facts, series, daily counts, rejects, ledger.

Which devices exist for a viewer is decided in `fleet` (SQL of the same name); what else is asked about
devices takes the ids it gave out. Rejects and the ledger go by names, not by ids, since they also count what
no device is known for: `Scope` says which. The caller owns the transaction; nothing here writes.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from insitu.errors import NotFound
from insitu.model import Role
from store.access import Viewer, visible_trials
from store.catalogue.deployments import Deployment
from store.database import Connection, queries, row, rows
from store.ledger import HourTotals, ReasonSum, RejectRow, Totals

_SQL = queries("fleet")


@dataclass(frozen=True, slots=True)
class FleetRow:
    """A device as of one moment. `said` is what it last said of itself, `clock_offset` s (positive: its clock
    is ahead).
    """

    device_id: int
    trial_id: int
    trial: str
    trial_title: dict[str, str]
    trial_state: str
    time_zone: str
    device: str
    name: str
    model: str
    serial: str
    created_at: datetime
    retired_at: datetime | None
    company: str
    site: str | None
    site_name: str | None
    latitude: float | None
    longitude: float | None
    position: str | None
    deployed_at: datetime | None
    deployed_until: datetime | None
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    said: str | None
    state_at: datetime | None
    battery: float | None
    rssi: float | None
    snr: float | None
    margin: float | None
    firmware: str | None
    uptime: float | None
    clock_offset: float | None
    window_kind: str | None
    window_reason: str | None
    window_until: datetime | None


@dataclass(frozen=True, slots=True)
class Stream:
    """A datastream with what came last; `unit` is the property's, `sent_unit` the device's."""

    datastream_id: int
    device_id: int
    name: str
    property: str
    property_name: dict[str, str]
    unit: str
    sent_unit: str
    role: str
    result_type: str
    averaging_scale: str
    expected_interval_s: float | None
    """Declared, or as the device says."""
    interval_reported: bool
    learned_interval_s: float | None
    """Median spacing of the last results, where none is expected."""
    scale: float
    shift: float
    sensor: str
    sensor_serial: str | None
    calibrated_at: datetime | None
    calibration: str | None
    latest_at: datetime | None
    latest_result: float | None
    latest_received_at: datetime | None
    latest_flag: int | None

    def usual_interval_s(self) -> float | None:
        """How often it is judged to speak: declared, else reported, else learned."""
        return self.expected_interval_s or self.learned_interval_s

    def interval_source(self) -> str | None:
        if self.expected_interval_s is not None:
            return "reported" if self.interval_reported else "declared"
        return "learned" if self.learned_interval_s is not None else None


@dataclass(frozen=True, slots=True)
class Contact:
    device_id: int
    last_seen_at: datetime
    state_at: datetime | None


@dataclass(frozen=True, slots=True)
class DayCount:
    """One local day of one datastream; a check has failed `failed` of its `n` observations."""

    device_id: int
    datastream_id: int
    day: date
    n: int
    failed: int


@dataclass(frozen=True, slots=True)
class Placed(Deployment):
    site_name: str = ""


@dataclass(frozen=True, slots=True)
class DeviceWindow:
    device_id: int
    window_id: int
    kind: str
    start: datetime
    end: datetime | None
    reason: str
    declared_by: str
    declared_at: datetime


@dataclass(frozen=True, slots=True)
class Bucket:
    """`[at, at + width)` of one datastream; `energy` is the mean of 10^(L/10)."""

    datastream_id: int
    at: datetime
    smallest: float
    largest: float
    mean: float
    energy: float | None
    n: int
    suspect: int
    failed: int


@dataclass(frozen=True, slots=True)
class StatusEntry:
    at: datetime
    state: str | None
    battery: float | None
    rssi: float | None
    snr: float | None
    firmware: str | None
    uptime: float | None
    note: str | None


@dataclass(frozen=True, slots=True)
class OwnObservation:
    phenomenon_time: datetime
    result: float
    received_at: datetime
    flag: int
    clock_quality: int


@dataclass(frozen=True, slots=True)
class StreamOwner:
    trial: str
    device: str


@dataclass(frozen=True, slots=True)
class ReasonCount:
    reason: str
    messages: int
    results: int
    last_at: datetime
    replayed: int
    recent: int
    dropped: int
    """Messages that were counted and not kept."""


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """`version`, `sha256`, `locked_at` of the latest locked protocol; `draft`: there is one that is not
    locked.
    """

    trial_id: int
    trial: str
    devices: int
    version: int | None
    sha256: str | None
    locked_at: datetime | None
    evaluation_id: int | None
    verdict: str | None
    evaluated_at: datetime | None
    interim: bool | None
    blinded: bool | None
    draft: bool


@dataclass(frozen=True, slots=True)
class EvaluationHead:
    evaluation_id: int
    trial: str
    evaluated_at: datetime
    evaluated_by: str
    verdict: str | None
    """None where it is withheld."""
    interim: bool
    blinded: bool
    inputs_sha256: str
    sha256: str
    version: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rejects and ledger lines; None is everybody's. `devices` are pairs written `trial/device`."""

    trials: list[str] | None
    devices: list[str] | None


def fleet(
    conn: Connection,
    viewer: Viewer,
    *,
    now: datetime,
    trial: str | None = None,
    site: str | None = None,
    device: str | None = None,
    device_ids: Sequence[int] | None = None,
) -> list[FleetRow]:
    """The devices that exist for this viewer, as of `now` (deployments and windows), by trial and code."""
    return rows(
        conn,
        FleetRow,
        _SQL["fleet"],
        **_who(viewer),
        now=now,
        trial=trial,
        site=site,
        device=device,
        device_ids=None if device_ids is None else list(device_ids),
    )


def _who(viewer: Viewer) -> dict[str, Any]:
    return {"role": str(viewer.role), "organisation_id": viewer.organisation_id}


def find(conn: Connection, viewer: Viewer, trial: str, device: str, *, now: datetime) -> FleetRow:
    """One of them; NotFound also where it exists but not for this viewer."""
    found = fleet(conn, viewer, now=now, trial=trial, device=device)
    if not found:
        raise NotFound(f"There is no device {device!r} in a trial {trial!r} for you.")
    return found[0]


def scope(conn: Connection, viewer: Viewer, *, now: datetime, trial: str | None = None) -> Scope:
    """Whose rejects and ledger a viewer may read: an operator's by device, others' by trial, the lab's
    all.
    """
    if viewer.role is Role.OPERATOR:
        own = fleet(conn, viewer, now=now, trial=trial)
        return Scope(None, [f"{one.trial}/{one.device}" for one in own])
    if trial is not None:
        return Scope([one.code for one in visible_trials(conn, viewer) if one.code == trial], None)
    if viewer.role is Role.LAB:
        return Scope(None, None)
    return Scope([one.code for one in visible_trials(conn, viewer)], None)


def streams(conn: Connection, device_ids: Sequence[int]) -> list[Stream]:
    return rows(conn, Stream, _SQL["streams"], device_ids=list(device_ids))


def owner_of(conn: Connection, datastream_id: int) -> StreamOwner:
    found = row(conn, StreamOwner, _SQL["stream_owner"], datastream_id=datastream_id)
    if found is None:
        raise NotFound(f"There is no datastream {datastream_id} for you.")
    return found


def contacts(conn: Connection) -> dict[int, Contact]:
    """Of every device, whoever asks: only for finding out what changed."""
    return {one.device_id: one for one in rows(conn, Contact, _SQL["contacts"])}


def daily_counts(
    conn: Connection, device_ids: Sequence[int], start: datetime, end: datetime
) -> list[DayCount]:
    return rows(conn, DayCount, _SQL["daily_counts"], device_ids=list(device_ids), start=start, end=end)


def places(conn: Connection, viewer: Viewer, device_ids: Sequence[int]) -> list[Placed]:
    return rows(conn, Placed, _SQL["places"], **_who(viewer), device_ids=list(device_ids))


def position_history(conn: Connection, viewer: Viewer, device_id: int) -> list[Placed]:
    """Newest first: who stood where this device stands or stood."""
    return rows(conn, Placed, _SQL["position_history"], **_who(viewer), device_id=device_id)


def windows(
    conn: Connection, viewer: Viewer, device_ids: Sequence[int], start: datetime, end: datetime
) -> list[DeviceWindow]:
    return rows(
        conn, DeviceWindow, _SQL["windows"], **_who(viewer), device_ids=list(device_ids), start=start, end=end
    )


def buckets(
    conn: Connection, datastream_ids: Sequence[int], start: datetime, end: datetime, width: timedelta
) -> list[Bucket]:
    return rows(
        conn, Bucket, _SQL["buckets"], datastream_ids=list(datastream_ids), start=start, end=end, width=width
    )


def status_log(conn: Connection, device_id: int, most: int = 50) -> list[StatusEntry]:
    return rows(conn, StatusEntry, _SQL["status_log"], device_id=device_id, most=most)


def boots(conn: Connection, device_id: int, start: datetime) -> list[datetime]:
    """First signs of each start of a device since `start`."""
    found = conn.execute(_SQL["boots"].encode(), {"device_id": device_id, "start": start}).fetchall()
    return [when for (when,) in found]


def own_observations(
    conn: Connection, datastream_id: int, start: datetime, end: datetime, *, after: datetime | None, most: int
) -> list[OwnObservation]:
    return rows(
        conn,
        OwnObservation,
        _SQL["own_observations"],
        datastream_id=datastream_id,
        start=start,
        end=end,
        after=after,
        most=most,
    )


def export(
    conn: Connection, datastream_ids: Sequence[int], start: datetime, end: datetime
) -> Generator[tuple[Any, ...], None, None]:
    """(trial, device, datastream, property, unit, phenomenon_time, result, flag, received_at), read as they
    are taken.
    """
    with conn.cursor() as cursor:
        yield from cursor.stream(
            _SQL["export"].encode(),
            {"datastream_ids": list(datastream_ids), "start": start, "end": end},
            size=1000,
        )


def reject_reasons(
    conn: Connection, within: Scope, *, since: datetime, device: str | None = None
) -> list[ReasonCount]:
    """Most frequent first; `recent` counts those received from `since` on."""
    return rows(
        conn,
        ReasonCount,
        _SQL["reject_reasons"],
        trials=within.trials,
        devices=within.devices,
        since=since,
        device=device,
    )


def rejects(
    conn: Connection,
    trials: Sequence[str] | None,
    *,
    device: str | None = None,
    reason: str | None = None,
    below: int | None = None,
    most: int = 50,
    excerpt: int = 2000,
) -> list[RejectRow]:
    """Newest first, `payload` cut to `excerpt` bytes; `below` is the last id of the page before."""
    return rows(
        conn,
        RejectRow,
        _SQL["rejects"],
        trials=None if trials is None else list(trials),
        device=device,
        reason=reason,
        below=below,
        most=most,
        excerpt=excerpt,
    )


def reject(conn: Connection, trials: Sequence[str] | None, reject_id: int) -> RejectRow:
    found = row(
        conn, RejectRow, _SQL["reject"], reject_id=reject_id, trials=None if trials is None else list(trials)
    )
    if found is None:
        raise NotFound(f"There is no reject {reject_id} for you.")
    return found


def ledger(
    conn: Connection, within: Scope, *, replay: bool = False, device: str | None = None
) -> list[Totals]:
    """Sums by device: of live traffic, or of what replaying rejects added."""
    return rows(
        conn,
        Totals,
        _SQL["ledger"],
        trials=within.trials,
        devices=within.devices,
        replay=replay,
        device=device,
    )


def ledger_hours(
    conn: Connection,
    within: Scope,
    *,
    replay: bool = False,
    device: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    skip: int = 0,
    most: int,
) -> list[HourTotals]:
    """Sums by device and hour of first receipt in `[start, end)`, newest first."""
    return rows(
        conn,
        HourTotals,
        _SQL["ledger_hours"],
        trials=within.trials,
        devices=within.devices,
        replay=replay,
        device=device,
        start=start,
        end=end,
        skip=skip,
        most=most,
    )


def refused_by_reason(conn: Connection) -> list[ReasonSum]:
    """Of every trial, live traffic."""
    return rows(conn, ReasonSum, _SQL["refused_by_reason"])


def trial_facts(conn: Connection, trials: Sequence[str]) -> dict[str, TrialFacts]:
    return {one.trial: one for one in rows(conn, TrialFacts, _SQL["trial_facts"], trials=list(trials))}


def evaluation_heads(
    conn: Connection, trial: str, *, below: int | None = None, most: int = 50
) -> list[EvaluationHead]:
    return rows(conn, EvaluationHead, _SQL["evaluation_heads"], trial=trial, below=below, most=most)
