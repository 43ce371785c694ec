"""Bytes → prepared messages: decoded and placed, or refused with a reason. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.decode import DECODERS, Decoded, Decoder, StatusReport, Unreadable
from ingest.decode.plain import decode_value, ignore
from ingest.edge_nodes import EdgeNodes
from ingest.fields import needs_rules, sort_fields
from ingest.place import place
from ingest.prepared import NO_REFUSALS, NOTHING_LEFT_OUT, UNKNOWN, Look, Prepared, Refusals
from ingest.probe_messages import is_probe
from ingest.trimming import is_empty, trimmed
from ingest.whose import other_device
from insitu.model import IgnoreReason, Message, Observation, RejectReason, Remark
from insitu.wire import (
    INBOUND_SUFFIXES,
    MAX_PAYLOAD_BYTES,
    OBS,
    OUTBOUND_SUFFIXES,
    PREFIX,
    SPARKPLUG,
    Topic,
    is_service_topic,
    parse_below,
    parse_network_topic,
)
from store.catalogue.snapshot import CatalogueSnapshot, KnownDevice

Route = tuple[Topic, Decoder | None, KnownDevice | None]
"""Where a topic leads: its parts, what reads it (None: nothing does), whose it is."""


@dataclass(slots=True)
class Context:
    """The catalogue and the edge nodes by which a batch is read."""

    snapshot: CatalogueSnapshot
    nodes: EdgeNodes | None
    """Births of Sparkplug, where the batch has messages of edge nodes; they change as it is read."""
    routes: dict[str, Route | None] = field(default_factory=dict)


def prepare(
    messages: Sequence[Message], snapshot: CatalogueSnapshot, nodes: EdgeNodes | None = None
) -> list[Prepared]:
    """Decode and place. Leaves out messages that the service or its probe publishes below a trial."""
    return prepare_at(range(len(messages)), messages, snapshot, nodes)[1]


def prepare_at(
    places: Iterable[int],
    messages: Sequence[Message],
    snapshot: CatalogueSnapshot,
    nodes: EdgeNodes | None = None,
) -> tuple[list[int], list[Prepared]]:
    """`prepare` of the messages at these places of a batch; also the places of those that it does not leave
    out.
    """
    context = Context(snapshot, nodes)
    found = [(place, item) for place in places if (item := _prepare(messages[place], context)) is not None]
    return [place for place, _ in found], [item for _, item in found]


def prepare_refused(
    message: Message, snapshot: CatalogueSnapshot, reason: RejectReason, detail: str, *, look: Look
) -> list[Prepared]:
    """The message as one refusal, after as close a look at it."""
    if look is Look.INSIDE or is_probe(message.topic):
        items = prepare([message], snapshot)
    else:
        items = [Prepared(message)]
    route = find_route(message.topic, snapshot) if look is not Look.NOT_AT_ALL else None
    if route is not None and route[2] is not None:
        items = [
            item._replace(trial=route[0].trial, device=route[0].device, known=route[2]) for item in items
        ]
    return [
        _refused(
            item._replace(
                contained=0,
                observations=(),
                refused=NO_REFUSALS,
                status=None,
                ignored_for=None,
                interval_us=None,
                frame=None,
                left_out=NOTHING_LEFT_OUT,
                remarks=(),
            ),
            reason,
            detail,
        )
        for item in items
    ]


def find_route(topic: str, snapshot: CatalogueSnapshot) -> Route | None:
    if is_probe(topic):
        return None
    parts = parse_below(topic)
    if parts is None:
        network = parse_network_topic(topic)
        if network is None:
            return _fixed_route(topic, snapshot)
        if network.suffix not in DECODERS:
            return None
        # An address that no device has is not refused by the trial's name: nobody knows whose it is.
        parts = Topic(*snapshot.addresses.get(network.address, (UNKNOWN, network.address)), network.suffix)
        decoder: Decoder | None = DECODERS[network.suffix]
    else:
        decoder = DECODERS[parts.suffix] if parts.suffix in INBOUND_SUFFIXES else None
    return parts, decoder, snapshot.devices.get((parts.trial, parts.device))


def _fixed_route(topic: str, snapshot: CatalogueSnapshot) -> Route | None:
    """The route of a topic outside our names that one device uses."""
    fixed = snapshot.topics.get(topic)
    if fixed is None:
        return None
    decoder = DECODERS[fixed.suffix] if fixed.suffix else decode_value(fixed.field) if fixed.field else ignore
    parts = Topic(fixed.trial, fixed.device, fixed.suffix or topic)
    return parts, decoder, snapshot.devices.get((fixed.trial, fixed.device))


def _prepare(message: Message, context: Context) -> Prepared | None:
    routes = context.routes
    if message.topic not in routes:
        routes[message.topic] = find_route(message.topic, context.snapshot)
    route = routes[message.topic]
    if (route is None or route[1] is None or route[2] is None) and _is_own(message):
        return None
    if route is None:
        return _refused(
            _unread(message),
            RejectReason.UNKNOWN_TOPIC,
            f"{message.topic[:200]!r} is no topic of a device: publish to insitu/v1/TRIAL/DEVICE/obs, or "
            "have the lab enter a [[topic]] for the device.",
        )
    topic, decoder, known = route
    if known is None:
        return _unknown(message, topic.trial, topic.device, context.snapshot)
    if known.retired_us is not None and message.received_us >= known.retired_us:
        return _refused(
            _unread(message, topic, known),
            RejectReason.NOT_DEPLOYED,
            "The device was retired before this came: stop it, or have the lab enrol another one.",
        )
    if decoder is None:
        return _refused(
            _unread(message, topic, known), RejectReason.UNKNOWN_TOPIC, _advise(message.topic, topic)
        )
    return _read(message, topic, decoder, known, context)


def _is_own(message: Message) -> bool:
    """True for our own messages, which our subscriptions deliver too. We answer devices at QoS 0 only, so an
    answer at QoS 1 is from a device whose broker cannot forbid it.
    """
    topic = message.topic
    if is_probe(topic):
        return True
    return is_service_topic(topic) and not (message.qos and topic.rpartition("/")[2] in OUTBOUND_SUFFIXES)


def _advise(text: str, topic: Topic) -> str:
    """How to correct a topic below a device's own name."""
    own = f"{PREFIX}/{topic.trial}/{topic.device}"
    if topic.suffix in OUTBOUND_SUFFIXES:
        return f"{text!r} is for the answers to the device, which only hears there: publish to {own}/{OBS}."
    near = topic.suffix.strip("/ ").lower()
    if near in INBOUND_SUFFIXES:
        return f"{text[:200]!r} is no topic that is read: publish to {own}/{near}, written like this."
    suffixes = ", ".join(f"…/{suffix}" for suffix in INBOUND_SUFFIXES)
    return (
        f"{text[:200]!r} is no topic that is read: publish to {own}/{OBS}, or in another format "
        f"({suffixes}; docs/formats.md says which)."
    )


def _unread(message: Message, topic: Topic | None = None, known: KnownDevice | None = None) -> Prepared:
    trial, device = (topic.trial, topic.device) if topic is not None else (UNKNOWN, UNKNOWN)
    return Prepared(message, trial, device, known, ignored_for=_retained(message))


def _retained(message: Message) -> IgnoreReason | None:
    return IgnoreReason.RETAINED if message.retained else None


def _read(message: Message, topic: Topic, decoder: Decoder, known: KnownDevice, context: Context) -> Prepared:
    unread = _unread(message, topic, known)
    if message.unread:
        return _refused(
            unread,
            RejectReason.TOO_FAST,
            f"The device exceeds its limit: these {message.size} bytes were not read. Send less often, or "
            "fewer bytes, and send a backlog slowly.",
        )
    if message.size > MAX_PAYLOAD_BYTES:
        return _refused(
            unread, RejectReason.TOO_LARGE, f"{message.size} bytes; at most {MAX_PAYLOAD_BYTES} are read."
        )
    decoded, also_gone = _decoded(message, decoder, context)
    remarks: tuple[Remark, ...] = ()
    if isinstance(decoded, Unreadable):
        if is_empty(message.payload):
            return unread._replace(contained=1, ignored_for=unread.ignored_for or IgnoreReason.EMPTY)
        decoded, remarks = without_extra_bytes(message, topic, decoder, decoded)
    if isinstance(decoded, Unreadable):
        return _refused(unread._replace(also_gone=also_gone), decoded.reason, decoded.detail)
    if isinstance(decoded, StatusReport):
        ignored_for = unread.ignored_for or IgnoreReason.STATUS
        return unread._replace(
            also_gone=also_gone, status=decoded, contained=1, ignored_for=ignored_for, remarks=remarks
        )
    if decoded.named is not None and decoded.named != _last_of_address(message.topic):
        return _refused(
            unread._replace(also_gone=also_gone),
            RejectReason.INVALID_SHAPE,
            f"The message is from {decoded.named[:64]!r}, its topic names another device.",
        )
    if other := other_device(decoded, topic, known, context.snapshot):
        return _refused(
            unread._replace(also_gone=also_gone),
            RejectReason.INVALID_SHAPE,
            f"The message says that it is of {other[:64]!r}, another device of the trial: publish what each "
            "device measured on its own topic, with its own token.",
        )
    if remarks:
        decoded = decoded._replace(remarks=(*decoded.remarks, *remarks))
    return _placed(message, topic, known, decoded, also_gone)


def without_extra_bytes(
    message: Message, topic: Topic, decoder: Decoder, decoded: Unreadable
) -> tuple[Decoded | StatusReport | Unreadable, tuple[Remark, ...]]:
    """The message without bytes that do not belong to it, if it can be read then, with a remark."""
    if topic.suffix.startswith(SPARKPLUG):
        return decoded, ()
    payload, code = trimmed(message.payload)
    if code is None:
        return decoded, ()
    again = decoder(payload, message.received_us)
    return (decoded, ()) if isinstance(again, Unreadable) else (again, (Remark(code),))


def _decoded(
    message: Message, decoder: Decoder, context: Context
) -> tuple[Decoded | StatusReport | Unreadable, Sequence[int]]:
    """Its content, and the devices that went down with it."""
    if (
        context.nodes is not None
        and not message.retained
        and (node := parse_network_topic(message.topic)) is not None
        and node.address.startswith(SPARKPLUG)
    ):
        decoded, gone = context.nodes.read(node.address, node.suffix, message)
        return decoded, _devices_at(gone, context.snapshot)
    return decoder(message.payload, message.received_us), ()


def _devices_at(addresses: Sequence[str], snapshot: CatalogueSnapshot) -> list[int]:
    places = [snapshot.addresses[address] for address in addresses if address in snapshot.addresses]
    return [snapshot.devices[place].device_id for place in places if place in snapshot.devices]


def _last_of_address(topic: str) -> str:
    network = parse_network_topic(topic)
    return network.address.rpartition("/")[2] if network else ""


def _placed(
    message: Message, topic: Topic, known: KnownDevice, decoded: Decoded, also_gone: Sequence[int]
) -> Prepared:
    ignored_for = _retained(message) or decoded.ignored
    observations: Sequence[Observation] = ()
    refused: Refusals = NO_REFUSALS
    left_out = NOTHING_LEFT_OUT
    contained = len(decoded.readings) + sum(results for _, results, _ in decoded.refused)
    if ignored_for is None and needs_rules(known, decoded):
        decoded, observations, refused, left_out = _by_rules(message, known, decoded)
    elif ignored_for is None:
        observations, found = place(known, decoded, message.received_us)
        refused = _with_unreadable(found, decoded)
    if ignored_for in (IgnoreReason.STATUS, IgnoreReason.EMPTY, IgnoreReason.IGNORED_TOPIC):
        contained = 1  # as a status of a device's own: one thing said
    return Prepared(
        message,
        topic.trial,
        topic.device,
        known,
        contained,
        observations,
        refused,
        decoded.sequences,
        decoded.status,
        decoded.frame,
        own_clock=not decoded.network_time,
        historical=decoded.historical,
        also_gone=also_gone,
        ignored_for=ignored_for,
        interval_us=decoded.interval_us,
        by_delivery=not decoded.timed
        and (not decoded.sequences or decoded.in_part or decoded.frame is not None),
        timed=decoded.timed,
        left_out=left_out,
        remarks=decoded.remarks,
    )


def _with_unreadable(found: dict[RejectReason, tuple[int, str]], decoded: Decoded) -> Refusals:
    """`found`, with the parts that could not be read."""
    _add(found, {reason: (results, detail) for reason, results, detail in decoded.refused})
    return found


def _by_rules(
    message: Message, known: KnownDevice, decoded: Decoded
) -> tuple[Decoded, Sequence[Observation], Refusals, Mapping[IgnoreReason, int]]:
    """Place what the device's mappings make of the readings; also the message with those readings."""
    found = sort_fields(known, decoded)
    network = decoded._replace(readings=found.readings)
    observations, refused = place(known, network, message.received_us)
    if found.own_times:
        own = decoded._replace(readings=found.own_times, network_time=False)
        more = place(known, own, message.received_us)
        observations = [*observations, *more.observations]
        _add(refused, more.refused)
    _add(refused, found.refused)
    sorted_ = network._replace(
        readings=[*found.readings, *found.own_times], status=found.status(decoded.status)
    )
    return sorted_, observations, _with_unreadable(refused, decoded), found.left_out


def _add(refused: dict[RejectReason, tuple[int, str]], more: Mapping[RejectReason, tuple[int, str]]) -> None:
    for reason, (results, detail) in more.items():
        before, first = refused.get(reason, (0, detail))
        refused[reason] = (before + results, first)


def _refused(item: Prepared, reason: RejectReason, detail: str) -> Prepared:
    return item._replace(refused={**item.refused, reason: (0, detail)}, by_delivery=True, timed=False)


def _unknown(message: Message, trial: str, device: str, snapshot: CatalogueSnapshot) -> Prepared:
    unread = _unread(message)
    if trial == UNKNOWN and "/" in device:
        detail = (
            f"No device has the address {device[:200]!r} of a network server: register it as "
            "[[network_address]], then replay."
        )
        return _refused(unread, RejectReason.UNKNOWN_DEVICE, detail)
    if trial not in snapshot.trials:
        return _refused(
            unread,
            RejectReason.UNKNOWN_TRIAL,
            f"There is no trial {trial[:64]!r}: correct the topic, or have the lab register it, then replay.",
        )
    return _refused(
        unread._replace(trial=trial),
        RejectReason.UNKNOWN_DEVICE,
        f"The trial has no device {device[:64]!r}: enrol it, then replay.",
    )
