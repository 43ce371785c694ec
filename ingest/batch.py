"""A batch: messages → items (pure) → one transaction → what to tell the devices.

What is "the same message again": `boot` and `seq` where it has them; else, with device times, the keys of its readings; else its
delivery (session, mid, hash). Timed readings go through the merge even when their `seq` was seen, so that a device that
starts its counter again under an old boot loses nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from ingest import sequences
from ingest.booking import is_probe
from ingest.decode import DECODERS, Decoded, Decoder, StatusReport, Unreadable
from ingest.deliveries import FIRST_TURN, Turn, keys_of, recognise
from ingest.edge_nodes import EdgeNodes
from ingest.place import place
from ingest.signs import intervals, signs_of_life
from insitu.model import IgnoreReason, Message, Observation, Reject, RejectReason
from insitu.wire import MAX_PAYLOAD_BYTES, PREFIX, SPARKPLUG, Topic, is_service_topic, parse_network_topic, parse_topic
from store import ledger as store_ledger
from store.catalogue import CatalogueSnapshot, KnownDevice
from store.database import Connection
from store.ledger import Key, Ledger, Ranges
from store.mappings import report_intervals
from store.observations import merge
from store.rejects import Quota, Refused, save_rejects
from store.times import to_datetime

HOUR_US = 3_600_000_000
DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a mistake of ours raises on a message: nothing that waiting would mend, and nothing that the driver of the database says."""
UNKNOWN = "unknown"
NOT_KEPT = "It was counted and not kept: too much of this device was refused within the hour."
FRAMES = "frames"
"""Instead of a session: frames of radio networks among the deliveries."""
FRAME_AGE = timedelta(minutes=5)
"""Copies of a frame come within seconds; a device that counts from 0 again may say the same under the same number later."""


@dataclass(slots=True)
class Item:
    """One message on its way. `refused`: reason → (results, first of them in words); an unreadable message refuses 0."""

    message: Message
    trial: str = UNKNOWN
    device: str = UNKNOWN
    known: KnownDevice | None = None
    contained: int = 0
    observations: list[Observation] = field(default_factory=list)
    refused: dict[RejectReason, tuple[int, str]] = field(default_factory=dict)
    sequences: tuple[tuple[str, int], ...] = ()
    status: StatusReport | None = None
    frame: bytes | None = None
    own_clock: bool = True
    """Its times are of a clock of the device."""
    historical: bool = False
    also_gone: list[int] = field(default_factory=list)
    """Devices that went down with this one."""
    ignored_for: IgnoreReason | None = None
    interval_us: int | None = None
    by_delivery: bool = False
    """Only its delivery identifies it."""
    timed: bool = True
    repeated: bool = False
    counted_before: bool = False
    """Its `seq` was accounted for before."""
    identity: bytes = b""
    duplicate: int = 0
    conflicting: int = 0
    reject_id: int = 0
    """The reject of which this is the replay."""
    others: frozenset[str] = frozenset()
    """Of a replay: for what reasons the same message has other rejects."""
    source: str = ""
    """Where it stands, if it came from a file: it tells a reject where to look, and is no sign of life of the device."""

    @property
    def speaks_for_itself(self) -> bool:
        """False behind a network server: such a device hears neither receipts nor refusals."""
        return self.message.topic.startswith(PREFIX)

    @property
    def stored(self) -> int:
        """Of its results, once they are merged."""
        return 0 if self.repeated else len(self.observations) - self.duplicate - self.conflicting

    @property
    def settled(self) -> bool:
        """Of a replay: nothing is left of what its reject stands for, once it is merged."""
        return all(str(reason) in self.others for reason in self.refused)

    def is_plain(self) -> bool:
        """Every result became a row: what nearly all messages are."""
        return not (self.refused or self.duplicate or self.repeated or self.ignored_for)


@dataclass(slots=True)
class Outcome:
    """What to tell the devices after the commit."""

    receipts: dict[tuple[str, str, str], Ranges] = field(default_factory=dict)
    """(trial, device, boot) → accounted ranges of seq."""
    refusals: list[tuple[Reject, int | None]] = field(default_factory=list)
    """New rejects of known devices, with the message's seq."""
    rebirths: set[tuple[str, str]] = field(default_factory=set)
    """(group, edge node) that are to be asked for a birth."""
    stored: int = 0
    refused: int = 0


Route = tuple[Topic, Decoder, KnownDevice | None]
"""Where a topic leads: its parts, what reads it, whose it is."""


@dataclass(slots=True)
class Context:
    """What a batch is read with."""

    snapshot: CatalogueSnapshot
    nodes: EdgeNodes | None
    """Births of Sparkplug, where the batch has messages of edge nodes; they change as it is read."""
    routes: dict[str, Route | None] = field(default_factory=dict)


def prepare(messages: Sequence[Message], snapshot: CatalogueSnapshot, nodes: EdgeNodes | None = None) -> list[Item]:
    """Decode and place. What the service itself says below a trial, and what its probe says, is passed over."""
    context = Context(snapshot, nodes)
    return [item for message in messages if (item := _prepare(message, context)) is not None]


def prepare_refused(
    message: Message, snapshot: CatalogueSnapshot, reason: RejectReason, detail: str, *, bare: bool
) -> list[Item]:
    """The message as one refusal that accounts for its `seq`; `bare`: without a look at what it holds."""
    items = prepare([message], snapshot) if not bare or is_probe(message.topic) else [Item(message)]
    route = _route(message.topic, snapshot)
    for item in items:
        if route is not None and route[2] is not None:
            item.trial, item.device, item.known = route[0].trial, route[0].device, route[2]
        item.contained, item.observations, item.refused, item.status = 0, [], {}, None
        item.ignored_for = item.interval_us = item.frame = None
        _refuse(item, reason, detail)
    return items


def _route(topic: str, snapshot: CatalogueSnapshot) -> Route | None:
    if is_probe(topic):
        return None
    parts = parse_topic(topic)
    if parts is None:
        network = parse_network_topic(topic)
        if network is None:
            return None
        # An address that no device has is not refused by the trial's name: nobody knows whose it is.
        parts = Topic(*snapshot.addresses.get(network.address, (UNKNOWN, network.address)), network.suffix)
    decoder = DECODERS.get(parts.suffix)
    if decoder is None:
        return None
    return parts, decoder, snapshot.devices.get((parts.trial, parts.device))


def _prepare(message: Message, context: Context) -> Item | None:
    item, routes = Item(message), context.routes
    if message.retained:
        item.ignored_for = IgnoreReason.RETAINED
    if message.topic not in routes:
        routes[message.topic] = _route(message.topic, context.snapshot)
    route = routes[message.topic]
    if (route is None or route[2] is None) and (is_service_topic(message.topic) or is_probe(message.topic)):
        return None
    if route is None:
        return _refuse(
            item,
            RejectReason.UNKNOWN_TOPIC,
            f"{message.topic[:200]!r} is no topic of a device: publish to insitu/v1/TRIAL/DEVICE/obs.",
        )
    topic, decoder, known = route
    if known is None:
        return _unknown(item, topic.trial, topic.device, context.snapshot)
    item.trial, item.device, item.known = topic.trial, topic.device, known
    if known.retired_us is not None and message.received_us >= known.retired_us:
        return _refuse(
            item,
            RejectReason.NOT_DEPLOYED,
            "The device was retired before this came: stop it, or have the lab enrol another one.",
        )
    return _read(item, decoder, known, context)


def _read(item: Item, decoder: Decoder, known: KnownDevice, context: Context) -> Item:
    message = item.message
    if message.unread:
        return _refuse(
            item,
            RejectReason.TOO_FAST,
            f"The device sends more than it may: these {message.size} bytes were not read. Send less often, or fewer bytes, and let a backlog flow slowly.",
        )
    if message.size > MAX_PAYLOAD_BYTES:
        return _refuse(item, RejectReason.TOO_LARGE, f"{message.size} bytes; at most {MAX_PAYLOAD_BYTES} are read.")
    decoded: Decoded | StatusReport | Unreadable
    if (
        context.nodes is not None
        and not message.retained
        and (node := parse_network_topic(message.topic)) is not None
        and node.address.startswith(SPARKPLUG)
    ):
        decoded, gone = context.nodes.read(node.address, node.suffix, message)
        item.also_gone = _devices_at(gone, context.snapshot)
    else:
        decoded = decoder(message.payload, message.received_us)
    if isinstance(decoded, Unreadable):
        return _refuse(item, decoded.reason, decoded.detail)
    if isinstance(decoded, StatusReport):
        item.status, item.contained = decoded, 1
        item.ignored_for = item.ignored_for or IgnoreReason.STATUS
        return item
    if decoded.named is not None and decoded.named != _last_of_address(message.topic):
        return _refuse(
            item, RejectReason.INVALID_SHAPE, f"The message is from {decoded.named[:64]!r}, its topic names another device."
        )
    return _placed(item, known, decoded)


def _devices_at(addresses: Sequence[str], snapshot: CatalogueSnapshot) -> list[int]:
    places = [snapshot.addresses[address] for address in addresses if address in snapshot.addresses]
    return [snapshot.devices[place].device_id for place in places if place in snapshot.devices]


def _last_of_address(topic: str) -> str:
    network = parse_network_topic(topic)
    return network.address.rpartition("/")[2] if network else ""


def _placed(item: Item, known: KnownDevice, decoded: Decoded) -> Item:
    item.contained = len(decoded.readings) + sum(results for _, results, _ in decoded.refused)
    item.sequences = decoded.sequences
    item.timed = decoded.timed
    item.interval_us = decoded.interval_us
    item.status, item.frame, item.own_clock = decoded.status, decoded.frame, not decoded.network_time
    item.historical = decoded.historical
    item.ignored_for = item.ignored_for or decoded.ignored
    item.by_delivery = not item.timed and (not item.sequences or decoded.in_part)
    if item.ignored_for is IgnoreReason.STATUS:
        item.contained = 1  # as a status of a device's own: one thing said
    if item.ignored_for is None:
        item.observations, item.refused = place(known, decoded, item.message.received_us)
        for reason, results, detail in decoded.refused:
            before, first = item.refused.get(reason, (0, detail))
            item.refused[reason] = (before + results, first)
    return item


def _refuse(item: Item, reason: RejectReason, detail: str) -> Item:
    item.refused[reason] = (0, detail)
    item.by_delivery, item.timed = True, False
    return item


def _unknown(item: Item, trial: str, device: str, snapshot: CatalogueSnapshot) -> Item:
    if trial == UNKNOWN and "/" in device:
        detail = (
            f"No device has the address {device[:200]!r} of a network server: register it as [[network_address]], then replay."
        )
        return _refuse(item, RejectReason.UNKNOWN_DEVICE, detail)
    if trial not in snapshot.trials:
        return _refuse(
            item,
            RejectReason.UNKNOWN_TRIAL,
            f"There is no trial {trial[:64]!r}: correct the topic, or have the lab register it, then replay.",
        )
    item.trial = trial
    return _refuse(item, RejectReason.UNKNOWN_DEVICE, f"The trial has no device {device[:64]!r}: enrol it, then replay.")


def keep(
    conn: Connection, items: Sequence[Item], *, client_id: str, now_us: int, turn: Turn = FIRST_TURN, quota: Quota | None = None
) -> Outcome:
    """Everything the batch means for the database; the caller owns the transaction, and keeps one batch in it.

    `turn`: of a session of the broker, with these messages. `quota`: how many bytes of refused messages are kept; None: all of them.
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
    store_ledger.save_sequences(conn, seen, to_datetime(now_us))
    signs_of_life(conn, items)
    report_intervals(conn, intervals(live))
    names = {item.known.device_id: (item.trial, item.device) for item in items if item.known is not None}
    listening = {item.known.device_id for item in items if item.known is not None and item.speaks_for_itself}
    outcome.receipts = {(*names[device_id], boot): ranges for (device_id, boot), ranges in seen.items() if device_id in listening}
    return outcome


def _save_rejects(conn: Connection, items: Sequence[Item], quota: Quota | None, outcome: Outcome) -> set[Refused]:
    """The refusals that are new, kept or only counted; devices are to hear of both."""
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
            told = reject._replace(detail=f"{reject.detail} {NOT_KEPT}") if refused in saved.dropped else reject
            outcome.refusals.append((told, item.sequences[0][1] if item.sequences else None))
    return saved.new


def _recognise_deliveries(conn: Connection, items: Sequence[Item], client_id: str, turn: Turn) -> None:
    """Those that only their delivery identifies: see `ingest.deliveries`."""
    candidates = [item for item in items if item.by_delivery and item.message.qos and item.message.mid]
    if not candidates:
        return
    messages = [(item.message, _digest(item.message)) for item in candidates]
    keys = [key for message in messages for key in keys_of(*message)]
    repeats, fresh = recognise(messages, store_ledger.known_deliveries(conn, client_id, keys, above=turn.above))
    for item, is_repeat in zip(candidates, repeats, strict=True):
        item.repeated |= is_repeat
    store_ledger.save_deliveries(conn, client_id, fresh, number=turn.number)


def _recognise_frames(conn: Connection, items: Sequence[Item]) -> None:
    """The same radio frame by another way: its copy has another time, so its readings' keys do not tell."""
    candidates = [item for item in items if item.frame is not None and item.ignored_for is None]
    if not candidates:
        return
    frames = {item.frame: item.message.received_us for item in reversed(candidates) if item.frame}
    new = store_ledger.claim_frames(conn, FRAMES, frames, age=FRAME_AGE)
    for item in candidates:
        if item.frame in new:
            new.remove(item.frame)
        else:
            item.repeated = True


def _digest(message: Message) -> bytes:
    if message.unread:
        return message.unread
    return hashlib.sha256(message.topic.encode("utf-8", "backslashreplace") + b"\0" + message.payload).digest()


def _recognise_sequences(conn: Connection, items: Sequence[Item], now_us: int) -> dict[tuple[int, str], Ranges]:
    wanted = {
        (item.known.device_id, boot): None
        for item in items
        if item.sequences and item.known is not None and not item.message.retained
        for boot, _ in item.sequences
    }
    if not wanted:
        return {}
    seen = store_ledger.lock_sequences(conn, list(wanted), to_datetime(now_us))
    for item in items:
        if not item.sequences or item.known is None or item.message.retained:
            continue
        before = True
        for boot, seq in item.sequences:
            ranges = seen.setdefault((item.known.device_id, boot), [])
            before &= not sequences.add(ranges, seq)
        item.counted_before = before
        # A replay is of a message whose seq was accounted for when it was refused: that makes it no repeat.
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
        detail = "Another result of the same time is stored already; the first one stands."
        count, first = item.refused.get(RejectReason.CONFLICTING_RESULT, (0, detail))
        item.refused[RejectReason.CONFLICTING_RESULT] = (count + 1, first)


def _rejects(item: Item) -> list[Reject]:
    message = item.message
    if not item.refused:
        return []
    digest = _digest(message)
    if item.by_delivery:
        # Two deliveries of the same unreadable bytes are two messages: the first receipt tells them apart.
        digest = hashlib.sha256(digest + message.received_us.to_bytes(8, "big") + message.mid.to_bytes(2, "big")).digest()
    item.identity = digest
    return [
        Reject(reason, f"{item.source}: {detail}" if item.source else detail, message.topic, message.payload, message.received_us, item.trial, item.device, results,
               message.size or len(message.payload), digest)
        for reason, (results, detail) in item.refused.items()
    ]  # fmt: skip


def _count(item: Item, new: set[tuple[bytes, str]], ledger: Ledger, outcome: Outcome) -> None:
    """The two sums of the ledger, for one message. Takes what it counts as refused from `new`: the next copy is a repeat."""
    if item.reject_id and item.refused and not item.stored and not item.settled:
        return  # a replay that has changed nothing leaves no line
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
    entry.duplicate += item.contained - stored - conflicting - refused  # also what was refused, for the same reason, before
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
