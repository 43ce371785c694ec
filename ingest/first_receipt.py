"""A refused message as it was first received: its device then, and its results that were stored then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ingest.prepared import UNKNOWN, Prepared
from insitu.times import to_datetime, to_us
from insitu.wire import parse_network_topic
from store.replays import stored_of

if TYPE_CHECKING:
    from insitu.model import Observation
    from store.catalogue.snapshot import CatalogueSnapshot
    from store.database import Connection
    from store.replays import Replayable

_Key = tuple[int, int]
"""Datastream, time of receipt."""
_NOTHING: Final[Mapping[int, float]] = MappingProxyType({})


def as_received(snapshot: CatalogueSnapshot, reject: Replayable) -> CatalogueSnapshot:
    """The catalogue, but the reject's fixed topic or network address is that of the device that had it when
    the message came.
    """
    if UNKNOWN in (reject.trial, reject.device):
        return snapshot
    whose = reject.trial, reject.device
    topic = snapshot.topics.get(reject.topic)
    if topic is not None and (topic.trial, topic.device) != whose:
        own = replace(topic, trial=reject.trial, device=reject.device)
        return replace(snapshot, topics={reject.topic: own})
    network = parse_network_topic(reject.topic)
    if network is not None and snapshot.addresses.get(network.address, whose) != whose:
        return replace(snapshot, addresses={**snapshot.addresses, network.address: whose})
    return snapshot


def at_stored_times(
    conn: Connection, items: Sequence[Prepared], import_id: int | None
) -> tuple[list[Prepared], dict[int, int]]:
    """Results that were stored when their message came, back at the time that they have there: a mapping of
    the time that came later does not store them twice. Also how many, by reject.
    `import_id`: the import of all of them.
    """
    readings = [one for item in items for one in item.observations]
    stored: dict[_Key, dict[int, float]] = {}
    for row in stored_of(
        conn,
        (one.datastream_id for one in readings),
        (to_datetime(one.received_us) for one in readings),
        import_id,
    ):
        stored.setdefault((row.datastream_id, to_us(row.received_at)), {})[to_us(row.time)] = row.result
    moved: dict[int, int] = {}
    settled = []
    for item in items:
        observations = _moved_back(item.observations, stored)
        count = sum(was is not now for was, now in zip(item.observations, observations, strict=True))
        moved[item.reject_id] = moved.get(item.reject_id, 0) + count
        settled.append(item._replace(observations=observations) if count else item)
    return settled, moved


def _moved_back(
    observations: Sequence[Observation], stored: Mapping[_Key, Mapping[int, float]]
) -> list[Observation]:
    """Each stored result that no observation meets at its time takes the first that has its value and meets
    none.
    """
    times: dict[int, set[int]] = {}
    for one in observations:
        times.setdefault(one.datastream_id, set()).add(one.time_us)
    left = {
        key: [(time, value) for time, value in sorted(results.items()) if time not in times.get(key[0], ())]
        for key, results in stored.items()
    }
    found = []
    for one in observations:
        key = one.datastream_id, one.received_us
        is_there = one.time_us in stored.get(key, _NOTHING)
        match = None if is_there else next((s for s in left.get(key, ()) if s[1] == one.result), None)
        if match is not None:
            left[key].remove(match)
            one = one._replace(time_us=match[0])  # noqa: PLW2901
        found.append(one)
    return found
