"""The catalogue for ingest, read in one go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from insitu.times import to_us
from store.database import Connection, scalar
from store.fields import FieldRule, rule_of
from store.queries import Queries


class _SQL(Queries, file="catalogue/snapshot"):
    version: str
    snapshot_devices: str
    snapshot_deployments: str
    snapshot_datastreams: str
    snapshot_conversions: str
    snapshot_addresses: str
    snapshot_trials: str
    snapshot_topics: str
    snapshot_rules: str


Rules = Mapping[str, FieldRule]
"""Field → how it is read, where that is not the default."""
NO_RULES: Final[Rules] = MappingProxyType({})
_Ruled = Sequence[tuple[Sequence[str], str, FieldRule]]
"""Patterns of devices, field, rule."""


@dataclass(frozen=True, slots=True)
class KnownDatastream:
    datastream_id: int
    scale: float
    shift: float
    result_type: str
    unit: str = ""
    """Unit of results whose message names none."""
    accepts: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Other units that a message may name → (scale, shift) to use instead of the datastream's."""
    interval_us: int | None = None
    interval_declared: bool = False
    """True if somebody declared the interval; the interval that the device reports is then ignored."""


@dataclass(frozen=True, slots=True)
class KnownDevice:
    device_id: int
    trial: str
    device: str
    retired_us: int | None
    deployments: tuple[tuple[int, int | None], ...]
    """`[start, end)` in µs since 1970."""
    datastreams: dict[str, KnownDatastream]
    rules: Rules = field(default_factory=lambda: NO_RULES)


@dataclass(frozen=True, slots=True)
class KnownTopic:
    """A fixed topic: read as if published to the device's `suffix`, as the plain value of `field`, or
    ignored.
    """

    trial: str
    device: str
    suffix: str | None
    field: str | None


@dataclass(frozen=True, slots=True)
class CatalogueSnapshot:
    """The catalogue for ingest at one version."""

    version: int
    trials: frozenset[str]
    devices: dict[tuple[str, str], KnownDevice]
    addresses: dict[str, tuple[str, str]]
    """Address at a network server → (trial, device)."""
    topics: Mapping[str, KnownTopic] = field(default_factory=dict)
    """Fixed topic → whose it is, and how it is read."""


def get_catalogue_version(conn: Connection) -> int:
    return int(scalar(conn, _SQL.version))


def _us(when: datetime | None) -> int | None:
    return None if when is None else to_us(when)


def _rules_of_trials(conn: Connection) -> dict[str, list[tuple[Sequence[str], str, FieldRule]]]:
    found: dict[str, list[tuple[Sequence[str], str, FieldRule]]] = {}
    for trial, devices, name, document in conn.execute(_SQL.snapshot_rules.encode()):
        found.setdefault(trial, []).append((devices, name, rule_of(document)))
    return found


def _rules_of(ruled: _Ruled, device: str, shared: dict[tuple[int, ...], Rules]) -> Rules:
    """Rules of one device; devices with the same rules share the dict."""
    chosen = tuple(
        number
        for number, (patterns, _, _) in enumerate(ruled)
        if any(fnmatchcase(device, pattern) for pattern in patterns)
    )
    if not chosen:
        return NO_RULES
    found = shared.get(chosen)
    if found is None:
        found = shared[chosen] = {ruled[number][1]: ruled[number][2] for number in chosen}
    return found


def load_snapshot(conn: Connection) -> CatalogueSnapshot:
    """Load the catalogue for ingest. Reads the version first, so a change during the load only causes another
    refresh.
    """
    version = get_catalogue_version(conn)
    places: dict[int, list[tuple[int, int | None]]] = {}
    for device_id, start, end in conn.execute(_SQL.snapshot_deployments.encode()):
        places.setdefault(device_id, []).append((_us(start) or 0, _us(end)))
    streams: dict[int, dict[str, KnownDatastream]] = {}
    conversions: dict[str, list[tuple[str, float, float]]] = {}
    for unit, sent, scale, shift in conn.execute(_SQL.snapshot_conversions.encode()):
        conversions.setdefault(unit, []).append((sent, scale, shift))
    shared: dict[tuple[str, float, float], dict[str, tuple[float, float]]] = {}
    for (
        datastream_id,
        device_id,
        name,
        unit,
        scale,
        shift,
        result_type,
        interval_us,
        declared,
    ) in conn.execute(_SQL.snapshot_datastreams.encode()):
        accepts = shared.get((unit, scale, shift))
        if accepts is None:
            found = {sent: (scale * by, scale * plus + shift) for sent, by, plus in conversions.get(unit, ())}
            accepts = shared[unit, scale, shift] = found
        streams.setdefault(device_id, {})[name] = KnownDatastream(
            datastream_id, scale, shift, result_type, unit, accepts, interval_us, declared
        )
    ruled = _rules_of_trials(conn)
    alike: dict[str, dict[tuple[int, ...], Rules]] = {trial: {} for trial in ruled}
    devices = {
        (trial_code, device): KnownDevice(
            device_id,
            trial_code,
            device,
            _us(retired_at),
            tuple(places.get(device_id, ())),
            streams.get(device_id, {}),
            _rules_of(ruled[trial_code], device, alike[trial_code]) if trial_code in ruled else NO_RULES,
        )
        for device_id, trial_code, device, retired_at in conn.execute(_SQL.snapshot_devices.encode())
    }
    known = frozenset(code for (code,) in conn.execute(_SQL.snapshot_trials.encode()))
    addresses = {
        address: (trial_code, device)
        for address, trial_code, device in conn.execute(_SQL.snapshot_addresses.encode())
    }
    topics = {
        topic: KnownTopic(trial_code, device, suffix, name)
        for topic, trial_code, device, suffix, name in conn.execute(_SQL.snapshot_topics.encode())
    }
    return CatalogueSnapshot(version, known, devices, addresses, topics)
