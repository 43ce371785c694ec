"""Another device that a message names as its own: a program for several devices that publishes all of them on
the topic of one. Stored there, the results would be those of the wrong device. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from ingest.decode import Decoded
from ingest.decode.stray import names_device
from insitu.model import Reading
from insitu.wire import Topic
from store.catalogue.snapshot import CatalogueSnapshot, KnownDevice

_ENDS: Final = re.compile(r"[:/]+")


def other_device(decoded: Decoded, topic: Topic, known: KnownDevice, snapshot: CatalogueSnapshot) -> str:
    """The text of the message that is the name of another device of its trial; '' if there is none."""
    for named in decoded.whose:
        if _is_other(named, topic, snapshot):
            return named
    for reading in decoded.readings:
        if reading.result.__class__ is str and _names_device(reading.property):
            if reading.property not in known.rules and _is_other(str(reading.result), topic, snapshot):
                return str(reading.result)
        elif reading.source and _is_mapped(reading, known.datastreams, known.rules) is None:
            last = _last(reading.source)
            if _is_other(last, topic, snapshot):
                return last
    return ""


def _is_other(named: str, topic: Topic, snapshot: CatalogueSnapshot) -> bool:
    name = named.strip()
    return name != topic.device and (topic.trial, name) in snapshot.devices and not name.isdecimal()


def _is_mapped(reading: Reading, *known: Mapping[str, object]) -> str | None:
    """`source.name`, where a mapping tells two sources apart."""
    name = f"{reading.source}.{reading.property}"
    return name if any(name in names for names in known) else None


@lru_cache(maxsize=1024)
def _names_device(name: str) -> bool:
    return names_device(name.rpartition(".")[2])


@lru_cache(maxsize=1024)
def _last(source: str) -> str:
    """`d2` of `urn:dev:d2:`."""
    return next((part for part in reversed(_ENDS.split(source)) if part), "")
