"""Refused messages that wait to be booked with those of the next batches. Pure.

A refusal costs a few statements more, and they cost as much for twenty refusals as for two hundred. So a
batch in a backlog leaves its unreadable messages to a later one, and they stay unacknowledged: they have no
results, so no order of arrival is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple, TypeVar

from ingest.prepared import Prepared
from ingest.reading import prepare
from store.catalogue.snapshot import CatalogueSnapshot

Kind = TypeVar("Kind")


class Sorted(NamedTuple):
    """The messages that a batch books now, and those that it leaves to a later one."""

    places: Sequence[int]
    items: Sequence[Prepared]
    later: Sequence[Prepared] = ()
    left: Sequence[int] = ()
    """Places of those of `later` that came in this batch."""


def sort_out(
    places: Sequence[int],
    items: Sequence[Prepared],
    postponed: Sequence[Prepared],
    snapshot: CatalogueSnapshot,
    most: int,
) -> Sorted:
    """`items`: of a batch, at these `places` of it. `postponed`: what earlier batches left; it came before.
    All of them wait or none does, at most `most`: a repeat among them follows the message that it repeats.
    """
    waiting = [index for index, item in enumerate(items) if _may_wait(item)] if most else []
    repeated = any(item.message.repeat for item in items if item.by_delivery)
    changed = any(item.known is not snapshot.devices.get((item.trial, item.device)) for item in postponed)
    if changed or repeated or len(postponed) + len(waiting) > most:
        before = prepare([item.message for item in postponed], snapshot) if changed else postponed
        return Sorted([*range(-len(before), 0), *places], [*before, *items])
    return Sorted(
        without(places, waiting),
        without(items, waiting),
        [*postponed, *(items[index] for index in waiting)],
        [places[index] for index in waiting],
    )


def _may_wait(item: Prepared) -> bool:
    """At QoS 1, of a known device, refused whole, and without anything that is booked beside the refusal."""
    return bool(
        item.refused
        and item.known is not None
        and item.message.qos
        and item.by_delivery
        and not (item.contained or item.sequences or item.also_gone or item.ignored_for or item.remarks)
    )


def without(sequence: Sequence[Kind], places: Sequence[int]) -> list[Kind]:
    """Everything except what is at these places."""
    chosen = bytearray(b"\1") * len(sequence)
    for place in places:
        chosen[place] = 0
    return list(compress(sequence, chosen))
