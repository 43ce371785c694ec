"""The fate of each field of a message: the answer to a post, or to a mapping that is only tried. Pure."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from ingest.decode import Decoded, StatusReport, Unreadable
from ingest.fields import needs_rules, sort_fields
from ingest.place import place
from ingest.reading import find_route, prepare, without_extra_bytes
from insitu.model import IgnoreReason, Message, Observation
from store.catalogue.snapshot import CatalogueSnapshot, KnownDevice

STORED, HEALTH, IGNORED, REFUSED = "stored", "health", "ignored", "refused"


class Fate(NamedTuple):
    """One field of a message; `field` is empty for an item, or a message, that cannot be read."""

    item: int | None
    """Position in the message's list."""
    field: str
    outcome: str
    """`stored`, `health`, `ignored` or `refused`."""
    reason: str
    """Code of rejects.md; empty if it becomes an observation."""
    detail: str
    sent: object = None
    observation: Observation | None = None


def explain(message: Message, snapshot: CatalogueSnapshot) -> list[Fate]:
    """In the order of the message; reads it as ingest does, and stores nothing."""
    route = find_route(message.topic, snapshot)
    decoded: Decoded | StatusReport | Unreadable | None = None
    topic, decoder, known = route or (None, None, None)
    if topic is not None and decoder is not None and known is not None:
        decoded = decoder(message.payload, message.received_us)
        if isinstance(decoded, Unreadable):
            decoded, _ = without_extra_bytes(message, topic, decoder, decoded)
    if isinstance(decoded, Decoded) and known is not None:
        return _parts(message, known, decoded) if decoded.ignored is None else [_ignored(decoded.ignored)]
    if isinstance(decoded, StatusReport):
        return [Fate(None, "", HEALTH, str(IgnoreReason.STATUS), "")]
    if isinstance(decoded, Unreadable) and decoded.problems:
        return [Fate(one.item, "", REFUSED, str(one.reason), one.detail) for one in decoded.problems]
    return _whole(message, snapshot)


def _ignored(reason: IgnoreReason) -> Fate:
    return Fate(None, "", IGNORED, str(reason), "")


def _whole(message: Message, snapshot: CatalogueSnapshot) -> list[Fate]:
    fates = []
    for item in prepare([message], snapshot):
        fates += [
            Fate(None, "", REFUSED, str(reason), detail) for reason, (_, detail) in item.refused.items()
        ]
        if item.ignored_for is not None and not item.refused:
            fates.append(_ignored(item.ignored_for))
    return fates


def _parts(message: Message, known: KnownDevice, decoded: Decoded) -> list[Fate]:
    fates: dict[int, Fate] = {}
    sent = decoded.readings
    kept = [(index, reading, False) for index, reading in enumerate(sent)]
    if needs_rules(known, decoded):
        found = sort_fields(known, decoded)
        kept = found.kept
        refused = {str(reason) for reason in found.refused}
        for index, reason, detail in found.fates:
            is_health = reason == IgnoreReason.STATUS
            outcome = REFUSED if reason in refused else HEALTH if is_health else IGNORED
            fates[index] = Fate(
                _item(decoded, index), sent[index].property, outcome, reason, detail, sent[index].result
            )
    for index, reading, is_own in kept:
        network_time = decoded.network_time and not is_own
        placed = _placed(message, known, decoded._replace(readings=[reading], network_time=network_time))
        fates[index] = placed._replace(
            item=_item(decoded, index), field=sent[index].property, sent=sent[index].result
        )
    problems = [Fate(one.item, "", REFUSED, str(one.reason), one.detail) for one in decoded.problems]
    ordered = [fates[index] for index in sorted(fates)]
    return sorted([*problems, *ordered], key=lambda fate: -1 if fate.item is None else fate.item)


def _placed(message: Message, known: KnownDevice, decoded: Decoded) -> Fate:
    """The fate of its only reading."""
    observations, refused = place(known, decoded, message.received_us)
    if observations:
        return Fate(None, "", STORED, "", "", observation=observations[0])
    ((reason, (_, detail)),) = refused.items()
    return Fate(None, "", REFUSED, str(reason), detail)


def _item(decoded: Decoded, index: int) -> int | None:
    """Position of the item that holds a reading; the last that begins at or before it, since items may be
    empty.
    """
    return bisect_right(decoded.starts, index) - 1 if decoded.starts else None
