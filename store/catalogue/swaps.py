"""A device that takes the place of another and continues its series. The caller owns the transaction."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from insitu.errors import CorrectInput
from insitu.times import to_us
from store.catalogue.deployments import end_deployment, swap_device
from store.catalogue.devices import Device
from store.catalogue.topics import move_topics
from store.database import Connection, rows, run
from store.mappings import fields_of, mappings_of_trial
from store.packed.codec import decode
from store.queries import Queries


class _SQL(Queries, file="catalogue/swaps"):
    streams_of: str
    copy_stream: str
    make_like: str
    same_interval: str
    map_also: str
    later_deployment: str
    later_results: str


@dataclass(frozen=True, slots=True)
class _Stream:
    datastream_id: int
    name: str
    property: str
    unit: str
    scale: float
    shift: float
    role: str
    result_type: str
    stamp: str
    every: str | None
    in_use: bool

    def facts(self) -> dict[str, object]:
        """Facts that decide how a result is stored."""
        return {
            "property": self.property,
            "unit": self.unit,
            "scale": self.scale,
            "shift": self.shift,
            "role": self.role,
            "result type": self.result_type,
        }


class TakenOver(NamedTuple):
    """The place is the new device's."""

    datastreams: list[str]
    """Names of those that it continues."""
    topics: list[str]
    """Fixed topics that are its own now."""


def take_over(conn: Connection, old: Device, new: Device, at: datetime) -> TakenOver:
    """`new` takes the place, the datastreams, the mappings and the fixed topics of `old` from `at` on.

    CorrectInput if `old` does not stand anywhere then, or names what differs where `new` has results already.
    """
    if old.device_id == new.device_id:
        raise CorrectInput(f"{old.code} cannot take its own place.")
    if new.retired_at is not None:
        raise CorrectInput(f"{new.code} is retired: enrol another device.")
    run(conn, _SQL.later_deployment, device_id=new.device_id, at=at)
    with suppress(CorrectInput):  # not deployed: nothing to end
        end_deployment(conn, device_id=new.device_id, at=at)
    swap_device(conn, old_device_id=old.device_id, new_device_id=new.device_id, at=at)
    names = _continue_series(conn, old, new)
    mappings = mappings_of_trial(conn, old.trial)
    for field, mapping in fields_of(mappings, old.code).items():
        if not mapping.holds(new.code):
            devices = list(mapping.devices)
            run(conn, _SQL.map_also, trial=old.trial, field=field, devices=devices, device=new.code)
    fields_of(mappings_of_trial(conn, old.trial), new.code)  # raises if a field has two mappings now
    return TakenOver(names, move_topics(conn, old.device_id, new.device_id))


def count_later(conn: Connection, device: Device, at: datetime) -> int:
    """Results of a device at `at` or later."""
    parameters = {"device_id": device.device_id, "at": at}
    ((whole, cut),) = conn.execute(_SQL.later_results.encode(), parameters).fetchall()
    return int(whole) + sum(int(np.count_nonzero(decode(day).time_us >= to_us(at))) for day in cut or ())


def _continue_series(conn: Connection, old: Device, new: Device) -> list[str]:
    wanted = rows(conn, _Stream, _SQL.streams_of, device_id=old.device_id)
    present = {one.name: one for one in rows(conn, _Stream, _SQL.streams_of, device_id=new.device_id)}
    differing: list[str] = []
    for stream in wanted:
        own = present.pop(stream.name, None) or _renamed(stream, present, {one.name for one in wanted})
        if own is None:
            run(conn, _SQL.copy_stream, device_id=new.device_id, datastream_id=stream.datastream_id)
        elif not own.in_use:
            run(conn, _SQL.make_like, datastream_id=own.datastream_id, like=stream.datastream_id)
        else:
            differing += [
                f"{name} of {stream.name} was {was}, is {own.facts()[name]}"
                for name, was in stream.facts().items()
                if was != own.facts()[name]
            ]
            run(conn, _SQL.same_interval, datastream_id=own.datastream_id, like=stream.datastream_id)
    if differing:
        raise CorrectInput(
            f"{new.code} has results already and cannot continue the series of {old.code}: "
            f"{'; '.join(differing)}. "
            "Enrol a new device for the place."
        )
    return [one.name for one in wanted]


def _renamed(stream: _Stream, present: dict[str, _Stream], names: set[str]) -> _Stream | None:
    """A datastream without results that measures the same in the same role, under a name that the old device
    does not have: it gets the old one's name.
    """
    for name, own in present.items():
        if (
            name not in names
            and not own.in_use
            and (own.property, own.role) == (stream.property, stream.role)
        ):
            return present.pop(name)
    return None
