"""Sparkplug edge nodes and their births: the metric of each alias, who is alive, and lost messages.

The state is read and written in the transaction of the batch, whose messages are in order. So after a crash,
a retry or a halved batch it matches the committed messages. Gaps in `seq` (0 to 255, shared by an edge node
and its devices) show lost messages. A repeated message is older than the newest one and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.decode import Decoded, StatusReport, Unreadable
from ingest.decode.sparkplug import EdgeMessage, meaning, names_of, parse
from insitu.model import IgnoreReason, Message, RejectReason
from insitu.wire import SPARKPLUG, parse_network_topic
from store.births import Birth, Names, load_births, save_births
from store.database import Connection

_TOPIC = "spBv1.0/"


@dataclass(slots=True)
class _Edge:
    """An edge node: its own birth, and the births of its devices by address."""

    own: Birth
    devices: dict[str, Birth] = field(default_factory=dict)


class EdgeNodes:
    """The births that a batch needs. `frozen`: only look up names; for a replay, which does not show who is
    alive.
    """

    def __init__(self, births: Sequence[Birth], *, frozen: bool = False) -> None:
        self._frozen = frozen
        self._edges: dict[str, _Edge] = {}
        self._changed: dict[str, Birth] = {}
        self.rebirths: set[tuple[str, str]] = set()
        """(group, edge) of edge nodes to ask for a birth."""
        for birth in sorted(births, key=lambda birth: birth.address):
            edge = self._edge(_edge_of(birth.address))
            if birth.address.count("/") == 2:
                edge.own = birth
            else:
                edge.devices[birth.address] = birth

    @classmethod
    def of(cls, conn: Connection, messages: Sequence[Message], *, frozen: bool = False) -> EdgeNodes | None:
        """The births of a batch's edge nodes, locked until it is committed; None if it has no messages of
        edge nodes.
        """
        edges = set()
        for message in messages:
            if message.topic.startswith(_TOPIC):
                topic = parse_network_topic(message.topic)
                if topic is not None:
                    edges.add(_edge_of(topic.address))
        return cls(load_births(conn, sorted(edges)), frozen=frozen) if edges else None

    def save(self, conn: Connection) -> None:
        save_births(conn, [self._changed[address] for address in sorted(self._changed)])

    def _edge(self, address: str) -> _Edge:
        found = self._edges.get(address)
        if found is None:
            found = self._edges[address] = _Edge(Birth(address))
        return found

    def read(self, address: str, suffix: str, message: Message) -> tuple[Decoded | Unreadable, list[str]]:
        """(the message decoded with its birth, addresses of devices that went down with it)."""
        told = parse(suffix.partition("/")[2], message.payload)
        if isinstance(told, Unreadable):
            return told, []
        edge = self._edge(_edge_of(address))
        if self._frozen:
            return meaning(told, self._names(edge, address, told.time_us)), []
        gone: list[str] = []
        note = None
        if told.kind == "NDEATH":
            if told.bd_seq is not None and edge.own.bd_seq is not None and told.bd_seq != edge.own.bd_seq:
                stale = StatusReport(
                    note=f"an old death came late (bdSeq {told.bd_seq}, alive is {edge.own.bd_seq})"
                )
                return Decoded([], status=stale, ignored=IgnoreReason.STATUS), []
            gone = self._die(edge)
        elif told.kind == "NBIRTH":
            self._node_birth(edge, told, message.received_us)
        elif self._is_news(edge, told):
            note = self._advance(edge, address, told, message.received_us)
        decoded = meaning(told, self._names(edge, address, told.time_us))
        if _lacks_names(decoded):
            self._ask(address)
        if note is not None and isinstance(decoded, Decoded):
            decoded = decoded._replace(status=(decoded.status or StatusReport())._replace(note=note))
        return decoded, gone

    def _names(self, edge: _Edge, address: str, time_us: int | None) -> Names:
        """Names of the birth that was valid then. A device without a birth since its node's birth has none
        yet.
        """
        birth = edge.own if address == edge.own.address else edge.devices.get(address)
        if birth is None:
            return {}
        old = edge.own.since_us is not None and time_us is not None and time_us < edge.own.since_us
        return (
            birth.names_at(time_us) if birth.born_us >= edge.own.born_us or old or birth is edge.own else {}
        )

    def _node_birth(self, edge: _Edge, told: EdgeMessage, received_us: int) -> None:
        """A node's birth ends the births of its devices, which then send new ones. A repeat of a birth that
        later messages followed changes nothing.
        """
        own = edge.own
        again = (
            own.alive and told.bd_seq == own.bd_seq and told.time_us is not None and own.stamp_us is not None
        )
        if again and told.time_us is not None and own.stamp_us is not None and told.time_us <= own.stamp_us:
            return
        own.bd_seq, own.seq, own.stamp_us = told.bd_seq, told.seq, told.time_us
        own.give(names_of(told.metrics), told.time_us, received_us)
        self._mark(own)
        for device in edge.devices.values():
            device.alive = False
            self._mark(device)

    def _die(self, edge: _Edge) -> list[str]:
        edge.own.alive = False
        self._mark(edge.own)
        gone = [address for address, device in edge.devices.items() if device.alive]
        for address in gone:
            edge.devices[address].alive = False
            self._mark(edge.devices[address])
        return gone

    def _is_news(self, edge: _Edge, told: EdgeMessage) -> bool:
        """False for a repeat: it is older than the newest message, whatever its `seq`."""
        own = edge.own
        if told.time_us is None or own.stamp_us is None or told.time_us > own.stamp_us:
            return True
        return told.time_us == own.stamp_us and own.seq is not None and told.seq == (own.seq + 1) % 256

    def _advance(self, edge: _Edge, address: str, told: EdgeMessage, received_us: int) -> str | None:
        """Apply the next message of a living node; returns a text if something is wrong."""
        own, note = edge.own, None
        if not own.alive:
            note = "it spoke before its birth: asked for one"
        elif own.seq is not None and told.seq is not None and told.seq != (expected := (own.seq + 1) % 256):
            note = f"{(told.seq - expected) % 256} messages lost before seq {told.seq}: asked for a birth"
        if note is not None:
            self._ask(address)
        own.seq, own.stamp_us = told.seq, told.time_us if told.time_us is not None else own.stamp_us
        self._mark(own)
        if told.kind == "DBIRTH":
            born = edge.devices.setdefault(address, Birth(address))
            born.give(names_of(told.metrics), told.time_us, received_us)
            self._mark(born)
        elif told.kind == "DDEATH" and address in edge.devices:
            edge.devices[address].alive = False
            self._mark(edge.devices[address])
        return note

    def _ask(self, address: str) -> None:
        _, group, edge, *_ = address.split("/")
        self.rebirths.add((group, edge))

    def _mark(self, birth: Birth) -> None:
        self._changed[birth.address] = birth


def _lacks_names(decoded: Decoded | Unreadable) -> bool:
    if isinstance(decoded, Unreadable):
        return decoded.reason is RejectReason.UNKNOWN_ALIAS
    return any(reason is RejectReason.UNKNOWN_ALIAS for reason, _, _ in decoded.refused)


def _edge_of(address: str) -> str:
    """`sparkplug/GROUP/EDGE` of the node or of one of its devices."""
    return "/".join([SPARKPLUG, *address.split("/")[1:3]])
