"""Items → one transaction → receipts and refusals for the devices.

A message is the same as an earlier one if it has the same `boot` and `seq`; without them, if its readings
with device times have the same keys; otherwise, if it is the same delivery (session, mid, hash). Timed
readings are merged even if their `seq` was seen before, so that a device that restarts its counter under an
old boot loses nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from ingest import sequences
from ingest.deliveries import FIRST_TURN, Turn, keys_of, recognise
from ingest.item import Item, Outcome
from ingest.signs import intervals, signs_of_life
from insitu.model import Message, Observation, Reject, RejectReason
from insitu.times import to_datetime
from store import ledger as store_ledger
from store.database import Connection
from store.deliveries import claim_frames, known_deliveries, save_deliveries
from store.ledger import Key, Ledger
from store.mappings import report_intervals
from store.observations import merge
from store.rejects import Quota, Refused, save_rejects
from store.sequences import Ranges, lock_sequences, save_sequences

HOUR_US = 3_600_000_000
NOT_KEPT = "It was counted and not kept: too much of this device was refused within the hour."
FRAMES = "frames"
"""Replaces the session's name for frames of radio networks, which are listed among the deliveries."""
FRAME_AGE = timedelta(minutes=5)
"""Copies of a frame arrive within seconds. Later, a device that counts from 0 again may send the same content
under the same number.
"""


def keep(
    conn: Connection,
    items: Sequence[Item],
    *,
    client_id: str,
    now_us: int,
    turn: Turn = FIRST_TURN,
    quota: Quota | None = None,
) -> Outcome:
    """Write the batch to the database. The caller owns the transaction, which must contain only one batch.

    `turn`: progress of the broker session, including these messages. `quota`: bytes of refused messages to
    keep; None: all.
    """
    live = [item for item in items if not item.reject_id]
    _recognise_deliveries(conn, live, client_id, turn)
    _recognise_frames(conn, live)
    seen = _recognise_sequences(conn, items, now_us)
    _merge(conn, items)
    outcome = Outcome()
    new = _save_rejects(conn, live, quota, outcome)
    ledger = Ledger()
    for item in items:
        _count(item, new, ledger, outcome)
    store_ledger.add_ledger(conn, ledger)
    save_sequences(conn, seen, to_datetime(now_us))
    signs_of_life(conn, items)
    report_intervals(conn, intervals(live))
    names = {item.known.device_id: (item.trial, item.device) for item in items if item.known is not None}
    listening = {item.known.device_id for item in items if item.known is not None and item.speaks_for_itself}
    outcome.receipts = {
        (*names[device_id], boot): ranges
        for (device_id, boot), ranges in seen.items()
        if device_id in listening
    }
    return outcome


def _save_rejects(
    conn: Connection, items: Sequence[Item], quota: Quota | None, outcome: Outcome
) -> set[Refused]:
    """Save refusals, kept or only counted; returns the new ones, which devices should hear of."""
    rejects = [(item, reject) for item in items if not item.repeated for reject in _rejects(item)]
    saved = save_rejects(
        conn,
        [reject for _, reject in rejects],
        quota,
        known={item.identity for item, _ in rejects if item.counted_before},
        repeatable={item.identity for item, _ in rejects if not item.by_delivery},
    )
    for item, reject in rejects:
        refused = reject.identity, str(reject.reason)
        if item.known is not None and item.speaks_for_itself and refused in saved.new:
            told = (
                reject._replace(detail=f"{reject.detail} {NOT_KEPT}") if refused in saved.dropped else reject
            )
            outcome.refusals.append((told, item.sequences[0][1] if item.sequences else None))
    return saved.new


def _recognise_deliveries(conn: Connection, items: Sequence[Item], client_id: str, turn: Turn) -> None:
    """Mark repeats among messages that have no other identity than their delivery: see
    `ingest.deliveries`.
    """
    candidates = [item for item in items if item.by_delivery and item.message.qos and item.message.mid]
    if not candidates:
        return
    messages = [(item.message, _digest(item.message)) for item in candidates]
    keys = [key for message in messages for key in keys_of(*message)]
    repeats, fresh = recognise(messages, known_deliveries(conn, client_id, keys, above=turn.above))
    for item, is_repeat in zip(candidates, repeats, strict=True):
        item.repeated |= is_repeat
    save_deliveries(conn, client_id, fresh, number=turn.number)


def _recognise_frames(conn: Connection, items: Sequence[Item]) -> None:
    """Mark copies of a radio frame that arrived by another way: a copy has another time, so the keys of its
    readings differ.
    """
    candidates = [item for item in items if item.frame is not None and item.ignored_for is None]
    if not candidates:
        return
    frames = {item.frame: item.message.received_us for item in reversed(candidates) if item.frame}
    new = claim_frames(conn, FRAMES, frames, age=FRAME_AGE)
    for item in candidates:
        if item.frame in new:
            new.remove(item.frame)
        else:
            item.repeated = True


def _digest(message: Message) -> bytes:
    if message.unread:
        return message.unread
    return hashlib.sha256(
        message.topic.encode("utf-8", "backslashreplace") + b"\0" + message.payload
    ).digest()


def _recognise_sequences(
    conn: Connection, items: Sequence[Item], now_us: int
) -> dict[tuple[int, str], Ranges]:
    wanted = {
        (item.known.device_id, boot): None
        for item in items
        if item.sequences and item.known is not None and not item.message.retained
        for boot, _ in item.sequences
    }
    if not wanted:
        return {}
    seen = lock_sequences(conn, list(wanted), to_datetime(now_us))
    for item in items:
        if not item.sequences or item.known is None or item.message.retained:
            continue
        before = True
        for boot, seq in item.sequences:
            ranges = seen.setdefault((item.known.device_id, boot), [])
            before &= not sequences.add(ranges, seq)
        item.counted_before = before
        # The seq of a replayed message was accounted for when it was refused, so the replay is no repeat.
        if before and not item.timed and not item.by_delivery and not item.reject_id:
            item.repeated = True
    return seen


def _merge(conn: Connection, items: Sequence[Item]) -> None:
    observations: list[Observation] = []
    owners: list[Item] = []
    for item in items:
        if item.observations and not item.repeated:
            observations += item.observations
            owners += [item] * len(item.observations)
    merged = merge(conn, observations)
    for index in merged.duplicate:
        owners[index].duplicate += 1
    for index in merged.conflicting:
        item = owners[index]
        item.conflicting += 1
        detail = "Another result of the same time is stored already; the first one is kept."
        count, first = item.refused.get(RejectReason.CONFLICTING_RESULT, (0, detail))
        item.refused[RejectReason.CONFLICTING_RESULT] = (count + 1, first)


def _rejects(item: Item) -> list[Reject]:
    message = item.message
    if not item.refused:
        return []
    digest = _digest(message)
    if item.by_delivery:
        # Two deliveries of the same unreadable bytes are two messages, so the digest includes the time of
        # receipt.
        digest = hashlib.sha256(
            digest + message.received_us.to_bytes(8, "big") + message.mid.to_bytes(2, "big")
        ).digest()
    item.identity = digest
    return [
        Reject(
            reason,
            f"{item.source}: {detail}" if item.source else detail,
            message.topic,
            message.payload,
            message.received_us,
            item.trial,
            item.device,
            results,
            message.size or len(message.payload),
            digest,
        )
        for reason, (results, detail) in item.refused.items()
    ]


def _count(item: Item, new: set[tuple[bytes, str]], ledger: Ledger, outcome: Outcome) -> None:
    """Count one message in both sums of the ledger. Removes its refusals from `new`, so that the next copy
    counts as a repeat.
    """
    if item.reject_id and item.refused and not item.stored and not item.settled:
        return  # a replay that changed nothing leaves no line
    received_us = item.message.received_us
    key = Key(item.trial, item.device, received_us - received_us % HOUR_US, item.reject_id)
    entry = ledger.entry(key)
    entry.received += 1
    entry.contained += item.contained
    if item.is_plain():
        entry.accepted += 1
        entry.stored += item.contained
        outcome.stored += item.contained
        return
    if item.ignored_for is not None and not item.refused:
        entry.accepted += 1
        entry.ignored += item.contained
        ledger.reason(key, "ignored", str(item.ignored_for), item.contained)
        return
    fresh = [reason for reason in item.refused if item.reject_id or (item.identity, str(reason)) in new]
    new.difference_update((item.identity, str(reason)) for reason in fresh)
    stored = item.stored
    if item.repeated or (stored == 0 and not fresh and (item.refused or item.duplicate)):
        entry.repeated += 1
        entry.duplicate += item.contained
        return
    conflicting = item.conflicting if RejectReason.CONFLICTING_RESULT in fresh else 0
    refused = sum(item.refused[reason][0] for reason in fresh) - conflicting
    entry.stored += stored
    entry.duplicate += (
        item.contained - stored - conflicting - refused
    )  # including those refused before for the same reason
    entry.conflicting += conflicting
    entry.refused += refused
    outcome.stored += stored
    outcome.refused += refused + conflicting
    if not item.refused:
        entry.accepted += 1
    elif stored + item.duplicate:
        entry.partly += 1
    else:
        entry.rejected += 1
    for reason in fresh:
        ledger.reason(key, "refused", str(reason), item.refused[reason][0])
