"""Reads a file as the import does, against a catalogue in memory: every step of the path but the database."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.files.layout import understand
from ingest.files.mapping import make_map
from ingest.files.messages import messages
from ingest.files.shape import Layout
from ingest.reading import prepare
from insitu.model import Message
from insitu.times import to_datetime, to_us
from store.catalogue.snapshot import CatalogueSnapshot, KnownDatastream, KnownDevice
from tests.fix_station import PROPERTIES

_NOW_US = to_us(datetime(2026, 11, 1, tzinfo=UTC))


def known(*devices: str) -> CatalogueSnapshot:
    """Trial t1 with these devices, each with all properties."""
    streams = {
        name: KnownDatastream(number, 1.0, 0.0, "boolean" if name == "occupied" else "number", unit)
        for number, (name, unit) in enumerate(PROPERTIES.items(), 1)
    }
    since = to_us(datetime(2013, 1, 1, tzinfo=UTC))
    found = {
        ("t1", code): KnownDevice(number, "t1", code, None, ((since, None),), dict(streams))
        for number, code in enumerate(devices, 1)
    }
    return CatalogueSnapshot(1, frozenset({"t1"}), found, {})


def read(path: Path, **said: Any) -> tuple[Layout, dict[str, list[tuple[str, float]]], list[str]]:
    """The layout, the observations of each datastream as (UTC, result), and the refusals as texts."""
    given = {"trial": "t1", **({} if "device_column" in said else {"device": "d1"}), **said}
    catalogue = known("d1", "d2")
    layout = understand(path, make_map(given, source="test"), catalogue)
    names = dict(enumerate(PROPERTIES, 1))
    results: dict[str, list[tuple[str, float]]] = {}
    refusals = []
    made = messages(layout)
    while batch := list(itertools.islice(made, 1000)):
        whole = [one for one in batch if one.topic]
        sent = [Message(one.topic, one.payload, _NOW_US, size=len(one.payload)) for one in whole]
        for one, item in zip(whole, prepare(sent, catalogue), strict=True):
            if one.problem:
                refusals.append(f"row {one.row}: {one.problem}")
                continue
            refusals += [f"row {one.row}: {reason}: {detail}" for reason, (_, detail) in item.refused.items()]
            for seen in item.observations:
                stamp = to_datetime(seen.time_us).isoformat()[:-6]
                results.setdefault(names[seen.datastream_id], []).append((stamp, seen.result))
    return layout, results, refusals
