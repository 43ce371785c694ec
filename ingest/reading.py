"""Bytes → items: decoded and placed, or refused with a reason. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.decode import DECODERS, Decoded, Decoder, StatusReport, Unreadable
from ingest.edge_nodes import EdgeNodes
from ingest.item import UNKNOWN, Item
from ingest.place import place
from ingest.probe_messages import is_probe
from insitu.model import IgnoreReason, Message, RejectReason
from insitu.wire import (
    MAX_PAYLOAD_BYTES,
    SPARKPLUG,
    Topic,
    is_service_topic,
    parse_network_topic,
    parse_topic,
)
from store.catalogue.snapshot import CatalogueSnapshot, KnownDevice

Route = tuple[Topic, Decoder, KnownDevice | None]
"""Route of a topic: its parts, its decoder, its device."""


@dataclass(slots=True)
class Context:
    """Everything needed to read a batch."""

    snapshot: CatalogueSnapshot
    nodes: EdgeNodes | None
    """Sparkplug births, if the batch has messages of edge nodes; reading changes them."""
    routes: dict[str, Route | None] = field(default_factory=dict)


def prepare(
    messages: Sequence[Message], snapshot: CatalogueSnapshot, nodes: EdgeNodes | None = None
) -> list[Item]:
    """Decode and place. Skips the service's own messages below a trial, and those of its probe."""
    context = Context(snapshot, nodes)
    return [item for message in messages if (item := _prepare(message, context)) is not None]


def prepare_refused(
    message: Message, snapshot: CatalogueSnapshot, reason: RejectReason, detail: str, *, bare: bool
) -> list[Item]:
    """The message as one refusal that accounts for its `seq`; with `bare`, without decoding it."""
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
        # An address without a device is not refused under a trial: nobody knows whose it is.
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
            f"The device exceeds its limit: these {message.size} bytes were not read. Send less often, or fewer "
            "bytes, and send a backlog slowly.",
        )
    if message.size > MAX_PAYLOAD_BYTES:
        return _refuse(
            item, RejectReason.TOO_LARGE, f"{message.size} bytes; at most {MAX_PAYLOAD_BYTES} are read."
        )
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
            item,
            RejectReason.INVALID_SHAPE,
            f"The message is from {decoded.named[:64]!r}, its topic names another device.",
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
        item.contained = 1  # like a device's own status: one statement
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
            f"No device has the address {device[:200]!r} of a network server: register it as "
            "[[network_address]], then replay."
        )
        return _refuse(item, RejectReason.UNKNOWN_DEVICE, detail)
    if trial not in snapshot.trials:
        return _refuse(
            item,
            RejectReason.UNKNOWN_TRIAL,
            f"There is no trial {trial[:64]!r}: correct the topic, or have the lab register it, then replay.",
        )
    item.trial = trial
    return _refuse(
        item, RejectReason.UNKNOWN_DEVICE, f"The trial has no device {device[:64]!r}: enrol it, then replay."
    )
