"""One look at every device and at the installation itself: facts from the store, judged by
`trials.alerting`, and the troubles saved. The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from store import shards
from store.access import fact, put_fact
from store.backups import BackupState, find_fault
from store.broker_events import list_events
from store.database import Connection
from store.troubles import (
    StoredTrouble,
    WatchedDevice,
    add_trouble,
    drop_trouble,
    list_all_windows,
    list_outages,
    list_refusals,
    list_troubles,
    list_watched,
    save_trouble,
)
from trials.alerting.course import LEAST_OUTAGE, Trouble, follow, is_stable, past_outage
from trials.alerting.findings import (
    Found,
    Situation,
    Span,
    find_in_backups,
    find_in_device,
    find_low_disk,
    join_spans,
    overlap,
)
from trials.alerting.kinds import AlertKind
from trials.condition.completeness import list_days
from trials.workflow.condition import CountDays, Judged, count_stored_days, load_conditions

EXCUSED_WITHIN: Final = timedelta(days=30)
RESOLVED_WITHIN: Final = timedelta(days=1)
_REFUSED_WITHIN: Final = timedelta(days=1)
_UNDECLARED: Final = timedelta(hours=1)
_FACT: Final = "alerts_began"


@dataclass(frozen=True, slots=True)
class OwnState:
    """The installation at one moment: since when it takes no messages in (None: it does), the bytes of its
    disk, (free, whole), where they are known, and its backups; None in a simulated time.
    """

    out_since: datetime | None = None
    disk: tuple[int, int] | None = None
    backups: BackupState | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that one look found. `troubles`: those that wait or are open, or ended lately."""

    now: datetime
    troubles: list[Trouble]
    situations: Mapping[int, Situation]
    judged: Mapping[int, Judged]


def read_outage(conn: Connection, now: datetime) -> datetime | None:
    """Since when no message has come in; None if they come, or if no ingestor ever ran."""
    found = shards.health(conn)
    if found.heartbeat_age_s is None or found.trouble is None:
        return None
    return now - timedelta(seconds=found.heartbeat_age_s)


def look(
    conn: Connection,
    now: datetime,
    own: OwnState,
    *,
    simulated: bool,
    count: CountDays = count_stored_days,
) -> Look:
    """Judge everything at `now` and save what changed. The first look of an installation opens no alert about
    what is wrong already.
    """
    is_first = fact(conn, _FACT) is None
    if is_first:
        put_fact(conn, _FACT, now.isoformat())
    devices = list_watched(conn, now)
    judged = load_conditions(
        conn,
        [one.device_id for one in devices],
        now=now,
        simulated=simulated,
        host_id=None,
        count=count,
    )
    outages = join_spans([(one.started_at, one.ended_at) for one in list_outages(conn, now - EXCUSED_WITHIN)])
    if own.out_since is not None:
        outages = join_spans([*outages, (min(own.out_since, now), now)])
    situations = _situations(conn, devices, judged, outages, now)
    known = {
        one.number: one for one in map(_trouble, list_troubles(conn, resolved_since=now - RESOLVED_WITHIN))
    }
    for change in _changes(known, situations, own, outages, now, is_first=is_first):
        _save(conn, known, change)
    return Look(now, list(known.values()), situations, judged)


def _situations(
    conn: Connection,
    devices: Sequence[WatchedDevice],
    judged: Mapping[int, Judged],
    outages: Sequence[Span],
    now: datetime,
) -> dict[int, Situation]:
    excused: dict[int, list[Span]] = {one.device_id: list(outages) for one in devices}
    for window in list_all_windows(conn, now - EXCUSED_WITHIN, now):
        if window.device_id in excused:
            end = now if window.end is None else min(window.end, now)
            excused[window.device_id].append((window.start, end))
    refusals = {one.device_id: one for one in list_refusals(conn, now - _REFUSED_WITHIN)}
    takeovers: dict[tuple[str | None, str | None], int] = {}
    refused_ids: dict[tuple[str | None, str | None], int] = {}
    for event in list_events(conn):
        if event.is_conflict:
            takeovers[event.trial, event.device] = (
                takeovers.get((event.trial, event.device), 0) + event.events
            )
        elif event.is_refused_id:
            refused_ids[event.trial, event.device] = (
                refused_ids.get((event.trial, event.device), 0) + event.events
            )
    found = {}
    for one in devices:
        refusal = refusals.get(one.device_id)
        situation = _situation(one, judged[one.device_id], excused[one.device_id], outages, now)
        found[one.device_id] = replace(
            situation,
            received=refusal.received if refusal else 0,
            refused=refusal.refused if refusal else 0,
            take_overs=takeovers.get((one.trial, one.device), 0),
            refused_ids=refused_ids.get((one.trial, one.device), 0),
        )
    return found


def _situation(
    one: WatchedDevice, judged: Judged, excused: Sequence[Span], outages: Sequence[Span], now: datetime
) -> Situation:
    usual = [every for stream in judged.streams if (every := stream.usual_interval_s())]
    condition = judged.condition
    (yesterday, _) = list_days(now, judged.contact.time_zone, 2)
    span = (_moment(yesterday.start_us, now), _moment(yesterday.end_us, now))
    lost = sum((overlap(span, outage) for outage in outages), start=timedelta())
    return Situation(
        device_id=one.device_id,
        trial_id=one.trial_id,
        state=condition.state,
        causes=condition.causes,
        last_seen_at=judged.contact.last_seen_at,
        expected=timedelta(seconds=min(usual)) if usual else _UNDECLARED,
        excused=join_spans(list(excused)),
        share=condition.days[-2].share,
        excused_share=lost / (span[1] - span[0]),
    )


def _moment(time_us: int, now: datetime) -> datetime:
    return datetime.fromtimestamp(time_us / 1e6, now.tzinfo)


def _changes(
    known: Mapping[int, Trouble],
    situations: Mapping[int, Situation],
    own: OwnState,
    outages: Sequence[Span],
    now: datetime,
    *,
    is_first: bool,
) -> list[Trouble | int]:
    by_device: dict[int | None, dict[AlertKind, Trouble]] = {}
    for one in known.values():
        if one.resolved_at is None:
            by_device.setdefault(one.device_id, {})[one.kind] = one
    changes: list[Trouble | int] = []
    for number, situation in situations.items():
        found = find_in_device(situation, now, in_outage=own.out_since is not None)
        changes += follow(by_device.pop(number, {}), found, now, of=situation, is_first=is_first)
    installation = by_device.pop(None, {})
    changes += follow(installation, _find_in_installation(own, now), now, is_first=is_first)
    for gone in by_device.values():  # of devices that are retired
        changes += follow(gone, Found({}), now)
    changes += _past_outages(known, outages, own, now, is_first=is_first)
    return changes


def _find_in_installation(own: OwnState, now: datetime) -> Found:
    present = {} if own.disk is None else dict(find_low_disk(*own.disk).present)
    if (backups := own.backups) is not None:
        fault = find_fault(backups, now)
        present |= find_in_backups(fault, made_at=backups.made_at, every_hours=backups.every_hours)
    if own.out_since is not None:
        present[AlertKind.OUTAGE] = {"out_since": own.out_since.isoformat()}
    asked = {AlertKind.DISK: own.disk, AlertKind.BACKUP: own.backups}
    return Found(present, frozenset(kind for kind, facts in asked.items() if facts is None))


def _past_outages(
    known: Mapping[int, Trouble],
    outages: Sequence[Span],
    own: OwnState,
    now: datetime,
    *,
    is_first: bool,
) -> list[Trouble]:
    """Outages that were over before anybody looked; each becomes a trouble once."""
    seen = [
        (one.since - LEAST_OUTAGE, one.resolved_at or now)
        for one in known.values()
        if one.kind is AlertKind.OUTAGE
    ]
    return [
        past_outage(start, end, is_quiet=is_first)
        for start, end in outages
        if end - start >= LEAST_OUTAGE
        and now - end < RESOLVED_WITHIN
        and (own.out_since is None or end < own.out_since)
        and not any(overlap((start, end), span) for span in seen)
    ]


def _save(conn: Connection, known: dict[int, Trouble], change: Trouble | int) -> None:
    if isinstance(change, int):
        drop_trouble(conn, change)
        del known[change]
        return
    if not change.number:
        number = add_trouble(conn, _stored(change))
        known[number] = replace(change, number=number)
        return
    if not is_stable(change, known[change.number]):
        save_trouble(conn, _stored(change))
    known[change.number] = change


def _trouble(row: StoredTrouble) -> Trouble:
    return Trouble(
        AlertKind(row.kind),
        row.trial_id,
        row.device_id,
        row.since,
        row.opened_at,
        row.clear_since,
        row.resolved_at,
        row.is_quiet,
        row.detail,
        row.trouble_id,
    )


def _stored(one: Trouble) -> StoredTrouble:
    return StoredTrouble(
        one.number,
        str(one.kind),
        one.trial_id,
        one.device_id,
        one.since,
        one.opened_at,
        one.clear_since,
        one.resolved_at,
        one.is_quiet,
        one.detail,
    )
