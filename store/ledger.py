"""The ledger, rejects, sequences, deliveries, signs of life, shards. The caller owns the transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from store.database import Connection, rows, run
from store.queries import Queries
from store.times import to_datetime, to_us


class _SQL(Queries, file="ledger"):
    lock_sequences: str
    begin_sequences: str
    save_sequences: str
    known_deliveries: str
    save_deliveries: str
    claim_frames: str
    drop_deliveries: str
    drop_old_deliveries: str
    overflow: str
    add_ledger: str
    add_reasons: str
    touch_devices: str
    save_statuses: str
    touch_status: str
    recount_stored: str
    recount_rejects: str
    totals: str
    reject_counts: str
    replayable: str
    reasons_of: str
    mark_replayed: str


_RANGE = re.compile(r"\[(-?\d+),(-?\d+)\)")

_LONG = timedelta(days=36_500)

Ranges = list[tuple[int, int]]
"""Half-open, sorted, disjoint, not touching."""


class Delivery(NamedTuple):
    """What identifies a message that has neither time nor `seq`, within a session."""

    life: str
    """Of the broker: packet ids begin again with each."""
    mid: int
    sha256: bytes
    """Of topic and bytes."""


@dataclass(slots=True)
class Entry:
    """Counts of one (trial, device, hour): see the sums in the migration."""

    received: int = 0
    accepted: int = 0
    partly: int = 0
    rejected: int = 0
    repeated: int = 0
    contained: int = 0
    stored: int = 0
    duplicate: int = 0
    conflicting: int = 0
    refused: int = 0
    ignored: int = 0


_COUNTERS = tuple(Entry.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Key:
    trial: str
    device: str
    hour_us: int
    reject_id: int = 0
    """0 for live traffic, else the reject that was replayed."""


@dataclass(slots=True)
class Ledger:
    """What one transaction adds."""

    entries: dict[Key, Entry] = field(default_factory=dict)
    reasons: dict[tuple[Key, str, str], list[int]] = field(default_factory=dict)
    """(key, 'refused' or 'ignored', reason) → [messages, results]."""

    def entry(self, key: Key) -> Entry:
        found = self.entries.get(key)
        if found is None:
            found = self.entries[key] = Entry()
        return found

    def reason(self, key: Key, outcome: str, reason: str, results: int) -> None:
        counts = self.reasons.setdefault((key, outcome, reason), [0, 0])
        counts[0] += 1
        counts[1] += results


@dataclass(frozen=True, slots=True)
class StatusLine:
    device_id: int
    at_us: int
    state: str | None
    battery: float | None
    rssi: float | None
    firmware: str | None
    uptime: float | None
    snr: float | None
    margin: float | None
    note: str | None
    received_us: int


@dataclass(frozen=True, slots=True)
class Difference:
    trial: str
    device: str
    what: str
    counted: int
    present: int

    def __str__(self) -> str:
        return (
            f"{self.trial}/{self.device}: the ledger counts {self.counted} {self.what}, there are "
            f"{self.present}"
        )


@dataclass(frozen=True, slots=True)
class Totals:
    trial: str
    device: str
    received: int
    accepted: int
    partly: int
    rejected: int
    repeated: int
    contained: int
    stored: int
    duplicate: int
    conflicting: int
    refused: int
    ignored: int


@dataclass(frozen=True, slots=True)
class HourTotals(Totals):
    hour: datetime
    """Start of the hour of first receipt."""


@dataclass(frozen=True, slots=True)
class ReasonSum:
    trial: str
    reason: str
    messages: int
    results: int


@dataclass(frozen=True, slots=True)
class RejectCount:
    device: str
    reason: str
    messages: int
    results: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class RejectRow:
    reject_id: int
    reason: str
    detail: str
    topic: str
    payload: bytes
    size: int
    received_at: datetime
    trial: str
    device: str
    results: int
    replayed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Overflow:
    """Refusals of a device within an hour that were counted without their bytes; `bytes` as received."""

    trial: str
    device: str
    hour: datetime
    reason: str
    messages: int
    results: int
    bytes: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Replayable:
    reject_id: int
    reason: str
    topic: str
    payload: bytes
    size: int
    received_at: datetime
    trial: str
    device: str
    identity: bytes


def lock_sequences(
    conn: Connection, keys: Sequence[tuple[int, str]], now: datetime
) -> dict[tuple[int, str], Ranges]:
    """What is accounted for of each (device, boot), empty where it is new; no other writer changes it before
    the transaction ends.
    """
    found = _ranges(conn, _SQL.lock_sequences, keys)
    new = [key for key in keys if key not in found]
    if new:
        found.update(_ranges(conn, _SQL.begin_sequences, new, now=now))
    return found


def _ranges(
    conn: Connection, query: str, keys: Sequence[tuple[int, str]], **more: Any
) -> dict[tuple[int, str], Ranges]:
    if not keys:
        return {}
    parameters = {"device_ids": [device for device, _ in keys], "boots": [boot for _, boot in keys], **more}
    found = conn.execute(query.encode(), parameters).fetchall()
    return {
        (device, boot): [(int(low), int(high)) for low, high in _RANGE.findall(seen)]
        for device, boot, seen in found
    }


def save_sequences(conn: Connection, sequences: Mapping[tuple[int, str], Ranges], now: datetime) -> None:
    if sequences:
        run(
            conn,
            _SQL.save_sequences,
            device_ids=[device for device, _ in sequences],
            boots=[boot for _, boot in sequences],
            seen=[
                "{" + ",".join(f"[{low},{high})" for low, high in ranges) + "}"
                for ranges in sequences.values()
            ],
            now=now,
        )


def known_deliveries(
    conn: Connection, client_id: str, keys: Sequence[Delivery], *, above: int, age: timedelta = _LONG
) -> dict[Delivery, int]:
    """Those that were committed before → received (µs); of a number above `above`, kept for no longer than
    `age`.
    """
    if not keys:
        return {}
    parameters = {
        "client_id": client_id,
        "lives": [key.life for key in keys],
        "mids": [key.mid for key in keys],
        "hashes": [key.sha256 for key in keys],
        "above": above,
        "age": age,
    }
    found = conn.execute(_SQL.known_deliveries.encode(), parameters)
    return {Delivery(life, mid, bytes(sha)): to_us(received) for life, mid, sha, received in found}


def save_deliveries(
    conn: Connection, client_id: str, deliveries: Mapping[Delivery, int], *, number: int = 0
) -> None:
    """Delivery → received (µs) of messages that only their delivery identifies."""
    if deliveries:
        run(
            conn,
            _SQL.save_deliveries,
            client_id=client_id,
            lives=[key.life for key in deliveries],
            mids=[key.mid for key in deliveries],
            hashes=[key.sha256 for key in deliveries],
            received=[to_datetime(us) for us in deliveries.values()],
            number=number,
        )


def claim_frames(
    conn: Connection, client_id: str, frames: Mapping[bytes, int], *, age: timedelta
) -> set[bytes]:
    """SHA-256 of radio frames → received µs; those that nobody brought within `age`. A writer that brings the
    same one now is waited for.
    """
    parameters = {
        "client_id": client_id,
        "hashes": list(frames),
        "received": [to_datetime(us) for us in frames.values()],
        "age": age,
    }
    return {bytes(sha) for (sha,) in conn.execute(_SQL.claim_frames.encode(), parameters)}


def drop_deliveries(conn: Connection, client_id: str, *, upto: int) -> int:
    """Those of a number up to `upto`."""
    return run(conn, _SQL.drop_deliveries, client_id=client_id, upto=upto)


def drop_old_deliveries(conn: Connection, client_id: str, age: timedelta) -> int:
    """Those kept longer than `age`, of whatever number."""
    return run(conn, _SQL.drop_old_deliveries, client_id=client_id, age=age)


def clean(text: str) -> str:
    """Text that PostgreSQL can hold: no NUL, no lone surrogates."""
    return text.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()[:2000]


def overflow(
    conn: Connection,
    trials: Sequence[str] | None,
    devices: Sequence[str] | None = None,
    *,
    device: str | None = None,
    reason: str | None = None,
    most: int = 200,
) -> list[Overflow]:
    """What was refused and not kept, newest hour first; None is everybody's."""
    return rows(
        conn,
        Overflow,
        _SQL.overflow,
        trials=None if trials is None else list(trials),
        devices=None if devices is None else list(devices),
        device=device,
        reason=reason,
        most=most,
    )


def add_ledger(conn: Connection, ledger: Ledger) -> None:
    if ledger.entries:
        columns = list(zip(*(astuple(entry) for entry in ledger.entries.values()), strict=True))
        run(
            conn,
            _SQL.add_ledger,
            **_key_columns(ledger.entries),
            **dict(zip(_COUNTERS, map(list, columns), strict=True)),
        )
    if ledger.reasons:
        run(
            conn,
            _SQL.add_reasons,
            **_key_columns(key for key, _, _ in ledger.reasons),
            outcomes=[outcome for _, outcome, _ in ledger.reasons],
            reasons=[reason for _, _, reason in ledger.reasons],
            messages=[counts[0] for counts in ledger.reasons.values()],
            results=[counts[1] for counts in ledger.reasons.values()],
        )


def _key_columns(keys: Iterable[Key]) -> dict[str, list[Any]]:
    listed = list(keys)
    return {
        "trials": [clean(key.trial) for key in listed],
        "devices": [clean(key.device) for key in listed],
        "hours": [to_datetime(key.hour_us) for key in listed],
        "reject_ids": [key.reject_id for key in listed],
    }


def touch_devices(conn: Connection, seen: Mapping[int, tuple[int, float | None]]) -> None:
    """device → (received µs, the largest device time − receipt in s, None where it sent no time)."""
    if seen:
        run(
            conn,
            _SQL.touch_devices,
            device_ids=list(seen),
            seen=[to_datetime(us) for us, _ in seen.values()],
            offsets=[offset for _, offset in seen.values()],
        )


def save_statuses(conn: Connection, lines: Sequence[StatusLine]) -> None:
    if not lines:
        return
    run(
        conn,
        _SQL.save_statuses,
        **_status_columns(lines),
        received=[to_datetime(line.received_us) for line in lines],
        notes=[None if line.note is None else clean(line.note) for line in lines],
    )
    newest: dict[int, StatusLine] = {}
    for line in sorted(lines, key=lambda line: line.at_us):
        newest[line.device_id] = _newer(newest.get(line.device_id), line)
    run(conn, _SQL.touch_status, **_status_columns(list(newest.values())))


def _newer(before: StatusLine | None, line: StatusLine) -> StatusLine:
    """`line`, with what it does not say taken from before: a last will says nothing of the battery."""
    if before is None:
        return line
    kept = {
        name: getattr(before, name)
        for name in ("state", "battery", "rssi", "firmware", "uptime", "snr", "margin")
        if getattr(line, name) is None
    }
    return replace(line, **kept)


def _status_columns(lines: Sequence[StatusLine]) -> dict[str, list[Any]]:
    return {
        "device_ids": [line.device_id for line in lines],
        "at": [to_datetime(line.at_us) for line in lines],
        "states": [line.state for line in lines],
        "batteries": [line.battery for line in lines],
        "rssis": [line.rssi for line in lines],
        "firmwares": [None if line.firmware is None else clean(line.firmware) for line in lines],
        "uptimes": [line.uptime for line in lines],
        "snrs": [line.snr for line in lines],
        "margins": [line.margin for line in lines],
    }


def recount(conn: Connection) -> list[Difference]:
    """Where ledger and rows differ; none in a healthy installation."""
    return rows(conn, Difference, _SQL.recount_stored) + rows(conn, Difference, _SQL.recount_rejects)


def totals(conn: Connection, trials: Sequence[str] | None) -> list[Totals]:
    """The ledger by device; None: of every trial."""
    return rows(conn, Totals, _SQL.totals, trials=None if trials is None else list(trials))


def reject_counts(conn: Connection, trial: str, before: datetime) -> list[RejectCount]:
    return rows(conn, RejectCount, _SQL.reject_counts, trial=trial, before=before)


def replayable(
    conn: Connection,
    *,
    trial: str | None,
    reason: str | None,
    trials: Sequence[str] | None,
    above: int,
    most: int,
) -> list[Replayable]:
    return rows(
        conn,
        Replayable,
        _SQL.replayable,
        trial=trial,
        reason=reason,
        above=above,
        most=most,
        trials=None if trials is None else list(trials),
    )


def reasons_of(conn: Connection, identities: Sequence[bytes]) -> dict[bytes, set[str]]:
    """For what reasons some messages have rejects that were not replayed yet."""
    found: dict[bytes, set[str]] = {identity: set() for identity in identities}
    for identity, reason in conn.execute(_SQL.reasons_of.encode(), {"identities": list(found)}):
        found[bytes(identity)].add(reason)
    return found


def mark_replayed(conn: Connection, reject_ids: Sequence[int], now: datetime) -> None:
    run(conn, _SQL.mark_replayed, reject_ids=list(reject_ids), now=now)
