"""Prepared messages → one transaction → what to tell the devices.

A message is recognised as a repeat by the keys of its readings if they have device times; otherwise by its
`boot`, `seq` and content (`ingest.numbers`); without them, by its delivery (session, packet id, hash). Timed
readings are merged even if their `seq` was seen before: a device that restarts its counter under an old boot
loses nothing, and its page says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from operator import attrgetter

from ingest import sequences
from ingest.at_once import AtOnce
from ingest.columns import counting as columns
from ingest.columns.plain import NO_PLAIN, Boot, Opened, Plain
from ingest.deliveries import FIRST_TURN, Turn, keys_of, recognise
from ingest.numbers import compare
from ingest.outcome import Booked, Outcome, content_digest, explain_conflict
from ingest.prepared import Prepared
from ingest.refusals import Keeper, rejects_of
from ingest.remarks import note_remarks
from ingest.signs import intervals, signs_of_life
from insitu.model import Observation, Reject, RejectReason
from insitu.times import to_datetime
from store import ledger as store_ledger
from store.at_once import NothingSaved
from store.database import Connection
from store.deliveries import claim_frames, known_deliveries, save_deliveries
from store.imports import add_parts, list_origins
from store.ledger import Key, Ledger
from store.mappings import report_intervals
from store.observations import Meanwhile, merge_rows, nothing
from store.rejects import Quota, Refused, Saved, save_rejects
from store.sequences import KnownRanges, Ranges, lock_sequences, save_sequences

HOUR_US = 3_600_000_000
NOT_KEPT = "It was counted and not kept: too much of this device was refused within the hour."
FRAMES = "frames"
"""Name under which frames of radio networks are claimed, among the deliveries."""
FRAME_AGE = timedelta(minutes=5)
"""Copies of a frame arrive within seconds. Later, a device that counts from 0 again may send the same content
under the same number.
"""


def book(
    conn: Connection,
    messages: Sequence[Prepared],
    *,
    client_id: str,
    now_us: int,
    turn: Turn = FIRST_TURN,
    quota: Quota | None = None,
    import_id: int | None = None,
    places: Sequence[int] | None = None,
    plain: Plain = NO_PLAIN,
    meanwhile: Meanwhile = nothing,
    at_once: AtOnce | None = None,
    known: KnownRanges | None = None,
) -> Outcome:
    """Write the batch to the database. The caller owns the transaction, which must contain only one batch.

    `turn`: progress of the broker session, including these messages. `quota`: bytes of refused messages to
    keep; None: all. `import_id`: the import that brought the messages; None: their devices sent them.
    `plain`: the other messages of the batch, as columns. `places`: of `messages` in the batch; None: 0, 1, …
    `meanwhile`: as in `merge_rows`. `at_once`: tries to write refusals by one statement; None: it is not
    tried. `known`: remembers the ranges of seq from batch to batch.
    """
    at = range(len(messages)) if places is None else places
    batch = [Booked(message, place) for place, message in zip(at, messages, strict=True)]
    live = [one for one in batch if not one.message.reject_id]
    opened = Opened(plain)
    candidates = _identified_by_delivery(live)
    late = at_once if at_once is not None and at_once.may_try(live, candidates) else None
    if late is None:
        _recognise_deliveries(conn, candidates, client_id, turn)
    _recognise_frames(conn, live)
    stored, ranges = _recognise_sequences(conn, batch, opened, now_us, known)
    compare(conn, batch, now_us)
    _merge(conn, batch, opened, import_id, meanwhile)
    batch = sorted([*batch, *opened.objects.values()], key=attrgetter("place"))
    live = [one for one in batch if not one.message.reject_id]
    outcome = None
    if late is not None:
        outcome = _book_at_once(conn, batch, opened, candidates, late, client_id=client_id, turn=turn)
    if outcome is None:
        if late is not None:
            _recognise_deliveries(conn, candidates, client_id, turn)
        outcome = Outcome(batch)
        new = _save_rejects(conn, live, quota, outcome, import_id)
        store_ledger.add_ledger(conn, _counted(new, opened, outcome))
    new_ranges = {boot: sequences.added(stored[boot], after) for boot, after in ranges.items()}
    save_sequences(conn, new_ranges, to_datetime(now_us), ranges, known)
    signs_of_life(conn, [one.message for one in batch], columns.heard(plain))
    note_remarks(conn, live)
    report_intervals(conn, intervals([one.message for one in live]))
    outcome.receipts = _receipts(messages, plain, ranges)
    return outcome


def _counted(new: set[Refused], opened: Opened, outcome: Outcome) -> Ledger:
    """The ledger of the batch; empties `new`."""
    ledger = Ledger()
    for one in outcome.messages:
        _count(one, new, ledger, outcome)
    outcome.stored += columns.count(opened.plain, opened.objects.keys(), ledger)
    return ledger


def _receipts(
    messages: Sequence[Prepared], plain: Plain, ranges: dict[Boot, Ranges]
) -> dict[tuple[str, str, str], Ranges]:
    """For devices that hear them."""
    listening = columns.listening(plain)
    for message in messages:
        if message.known is not None and message.speaks_for_itself:
            listening[message.known.device_id] = message.trial, message.device
    return {
        (*listening[device_id], boot): accounted
        for (device_id, boot), accounted in ranges.items()
        if device_id in listening
    }


def _identified_by_delivery(batch: Sequence[Booked]) -> list[Booked]:
    return [
        one
        for one in batch
        if one.message.by_delivery and one.message.message.qos and one.message.message.mid
    ]


def _recognise_deliveries(conn: Connection, candidates: Sequence[Booked], client_id: str, turn: Turn) -> None:
    """Marks repeats among messages that only their delivery identifies: see `ingest.deliveries`."""
    if not candidates:
        return
    messages = [(one.message.message, content_digest(one.message.message)) for one in candidates]
    if any(message.repeat for message, _ in messages):
        keys = [key for message in messages for key in keys_of(*message)]
        repeats, fresh = recognise(messages, known_deliveries(conn, client_id, keys, above=turn.above))
        save_deliveries(conn, client_id, fresh, number=turn.number)
    else:  # nearly always: whatever is known, these are remembered
        _, fresh = recognise(messages, {})
        known = save_deliveries(conn, client_id, fresh, above=turn.above, number=turn.number)
        repeats, _ = recognise(messages, known)
    for one, is_repeat in zip(candidates, repeats, strict=True):
        one.repeated |= is_repeat


def _recognise_frames(conn: Connection, batch: Sequence[Booked]) -> None:
    """Marks copies of a radio frame that came another way. Their times differ, so their keys differ too."""
    candidates = [one for one in batch if one.message.frame is not None and one.message.ignored_for is None]
    if not candidates:
        return
    frames = {
        one.message.frame: one.message.message.received_us
        for one in reversed(candidates)
        if one.message.frame
    }
    new = claim_frames(conn, FRAMES, frames, age=FRAME_AGE)
    for one in candidates:
        if one.message.frame in new:
            new.remove(one.message.frame)
        else:
            one.repeated = True


def _recognise_sequences(
    conn: Connection, batch: Sequence[Booked], opened: Opened, now_us: int, known: KnownRanges | None
) -> tuple[dict[Boot, Ranges], dict[Boot, Ranges]]:
    """The ranges of seq, without those of this batch, and with them; marks messages with a known number, and
    opens plain ones among them.
    """
    numbered = deque(
        (one, one.message.known.device_id)
        for one in batch
        if one.message.sequences and one.message.known is not None and not one.message.message.retained
    )
    wanted = {(device_id, boot): None for one, device_id in numbered for boot, _ in one.message.sequences}
    wanted.update((boot, None) for boot in opened.plain.boots if boot is not None)
    if not wanted:
        return {}, {}
    before = lock_sequences(conn, list(wanted), to_datetime(now_us), known)
    accounted = {boot: [*before.setdefault(boot, [])] for boot in wanted}
    for number, place, boot, seq in opened.plain.numbered():
        while numbered and numbered[0][0].place < place:
            _account(*numbered.popleft(), accounted)
        if not sequences.add(accounted[boot], seq):
            opened.open(number).counted_before = True
    for one, device_id in numbered:
        _account(one, device_id, accounted)
    return before, accounted


def _account(one: Booked, device_id: int, accounted: dict[Boot, Ranges]) -> None:
    before = True
    for boot, seq in one.message.sequences:
        before &= not sequences.add(accounted[device_id, boot], seq)
    one.counted_before = before


def _merge(
    conn: Connection,
    batch: Sequence[Booked],
    opened: Opened,
    import_id: int | None,
    meanwhile: Meanwhile,
) -> None:
    """Store the results in order of arrival; marks messages whose results met stored ones, and opens plain
    ones among them.
    """
    observations: list[Observation] = []
    owners: list[Booked] = []
    for one in batch:
        if one.message.observations and not one.repeated:
            observations += one.message.observations
            owners += [one] * len(one.message.observations)
    rows, order = opened.plain.with_others(observations, [one.place for one in owners])
    merged = merge_rows(conn, rows, import_id, meanwhile)

    def owner(index: int) -> Booked:
        at = int(order[index]) - len(opened.plain.owners)
        return owners[at] if at >= 0 else opened.open(int(opened.plain.owners[at]))

    for index in merged.duplicate:
        owner(index).duplicate += 1
    for index in merged.conflicting:
        owner(index).conflicting += 1
    if import_id is not None and merged.conflicting:
        _name_earlier(conn, [(owners[n], observations[n]) for n in merged.conflicting], import_id)
    if import_id is not None:
        known = {*merged.duplicate, *merged.conflicting}
        new = [one for n, one in enumerate(observations) if n not in known]
        add_parts(
            conn, import_id, [one.datastream_id for one in new], [to_datetime(one.time_us) for one in new]
        )


def _name_earlier(conn: Connection, conflicts: Sequence[tuple[Booked, Observation]], import_id: int) -> None:
    """Say of each message of an import which import or device brought the result that stands."""
    firsts: dict[int, tuple[Booked, Observation]] = {}
    for one, observation in conflicts:
        firsts.setdefault(id(one), (one, observation))
    found = list(firsts.values())
    earlier = list_origins(
        conn,
        [observation.datastream_id for _, observation in found],
        [to_datetime(observation.time_us) for _, observation in found],
    )
    for one, observation in found:
        origin = earlier.get((observation.datastream_id, to_datetime(observation.time_us)))
        if origin is not None:
            one.conflict = explain_conflict(origin, import_id)


def _save_rejects(
    conn: Connection,
    batch: Sequence[Booked],
    quota: Quota | None,
    outcome: Outcome,
    import_id: int | None,
) -> set[Refused]:
    """The refusals that are new, kept or only counted; their devices hear of both."""
    rejects = rejects_of(batch)
    keeper = Keeper(rejects)
    saved = save_rejects(
        conn,
        [reject for _, reject in rejects],
        quota,
        known={one.identity for one, _ in rejects if one.counted_before},
        repeatable={one.identity for one, _ in rejects if not one.message.by_delivery},
        import_id=import_id,
        as_kept=keeper.keep,
    )
    _tell(rejects, keeper, saved, outcome)
    return saved.new


def _book_at_once(
    conn: Connection,
    batch: Sequence[Booked],
    opened: Opened,
    candidates: Sequence[Booked],
    at_once: AtOnce,
    *,
    client_id: str,
    turn: Turn,
) -> Outcome | None:
    """Refusals, deliveries and ledger by one statement; None if nothing was written."""
    rejects = rejects_of([one for one in batch if not one.message.reject_id])
    keeper = Keeper(rejects)
    kept = [keeper.keep(reject, {}) for _, reject in rejects]
    outcome, names = Outcome(batch), {(reject.identity, str(reject.reason)) for reject in kept}
    ledger = _counted({*names}, opened, outcome)
    try:
        new = at_once.save(conn, kept, candidates, ledger, client_id=client_id, turn=turn)
    except NothingSaved:
        return None
    if new is not None:  # some were refused before
        outcome, names = Outcome(batch), {*new}
        store_ledger.add_ledger(conn, _counted(new, opened, outcome))
    _tell(rejects, keeper, Saved(names, set(), {}), outcome)
    return outcome


def _tell(rejects: Sequence[tuple[Booked, Reject]], keeper: Keeper, saved: Saved, outcome: Outcome) -> None:
    """New refusals, kept or only counted, for the devices that hear of them."""
    for one, reject in rejects:
        refused = reject.identity, str(reject.reason)
        if one.message.known is None or not one.message.speaks_for_itself or refused not in saved.new:
            continue
        dropped = refused in saved.dropped
        told = keeper.tell(reject, saved.allowed) if dropped else keeper.keep(reject, saved.allowed)
        if dropped:
            told = told._replace(detail=f"{told.detail} {NOT_KEPT}")
        numbers = one.message.sequences
        outcome.refusals.append((told, numbers[0][1] if numbers else None))


def _count(one: Booked, new: set[Refused], ledger: Ledger, outcome: Outcome) -> None:
    """Add one message to the ledger. Removes its refusals from `new`: the next copy is a repeat."""
    message = one.message
    refused = one.refused
    if message.reject_id and refused and not one.stored and not one.settled:
        return  # a replay that has changed nothing leaves no line
    received_us = message.message.received_us
    key = Key(message.trial, message.device, received_us - received_us % HOUR_US, message.reject_id)
    entry = ledger.entry(key)
    entry.received += 1
    entry.contained += message.contained
    if one.is_plain():
        entry.accepted += 1
        entry.stored += message.contained
        outcome.stored += message.contained
        return
    if message.ignored_for is not None and not refused:
        entry.accepted += 1
        entry.ignored += message.contained
        ledger.reason(key, "ignored", str(message.ignored_for), message.contained)
        return
    fresh = [reason for reason in refused if message.reject_id or (one.identity, str(reason)) in new]
    new.difference_update((one.identity, str(reason)) for reason in fresh)
    stored = one.stored
    if one.repeated or (stored == 0 and not fresh and (refused or one.duplicate)):
        entry.repeated += 1
        entry.duplicate += message.contained
        return
    left_out = sum(message.left_out.values())
    conflicting = one.conflicting if RejectReason.CONFLICTING_RESULT in fresh else 0
    newly_refused = sum(refused[reason][0] for reason in fresh) - conflicting
    entry.stored += stored
    # with results that were refused before for the same reason
    entry.duplicate += message.contained - stored - conflicting - newly_refused - left_out
    entry.ignored += left_out
    entry.conflicting += conflicting
    entry.refused += newly_refused
    outcome.stored += stored
    outcome.refused += newly_refused + conflicting
    if not refused:
        entry.accepted += 1
    elif stored + one.duplicate + left_out:
        entry.partly += 1
    else:
        entry.rejected += 1
    for reason in fresh:
        ledger.reason(key, "refused", str(reason), refused[reason][0])
    for why, results in message.left_out.items():
        ledger.reason(key, "ignored", str(why), results)
