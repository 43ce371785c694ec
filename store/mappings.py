"""Mappings: which field of a trial's devices is which datastream, in which unit. The caller owns the
transaction.

A trial has one list of mappings; `replace_mappings` stores a whole list, `ingest.mapping_edits` makes one of
the stored mappings and the entries of a file. Each device, also a later one, gets
the datastreams of the list. A datastream with observations cannot change, because they were stored with its
definition.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from insitu.errors import CorrectInput
from insitu.model import DatastreamRole, Stamp
from insitu.spacing import Spacing
from insitu.units import accepted
from store.catalogue.datastreams import add_datastream
from store.catalogue.trials import get_trial
from store.database import Connection, rows, run, scalar
from store.mapping import Mapping, spacing_of
from store.queries import Queries
from store.seals import note_act


class _SQL(Queries, file="mappings"):
    mappings_of_trial: str
    hold_mappings: str
    drop_mappings: str
    add_mapping: str
    mapped_devices: str
    datastreams_of_device: str
    only_sensor: str
    change_datastream: str
    declare_interval: str
    report_intervals: str
    add_conversions: str
    has_conversions: str


class Change(NamedTuple):
    what: str
    """'entered', 'changed' or 'there'."""
    device: str
    field: str


@dataclass(frozen=True, slots=True)
class _Device:
    device_id: int
    device: str


@dataclass(frozen=True, slots=True)
class _Stream:
    datastream_id: int
    field: str
    property: str
    unit: str
    role: DatastreamRole
    result_type: str
    scale: float
    shift: float
    every_s: float | None
    every_months: int
    interval_reported: bool
    stamp: Stamp
    in_use: bool

    def declared(self) -> Spacing | None:
        return None if self.interval_reported else spacing_of(self.every_s, self.every_months)


def _parts(every: Spacing | None) -> dict[str, float | None]:
    """Parameters `months` and `seconds` of an interval."""
    if every is None:
        return {"months": None, "seconds": None}
    return {"months": every.months, "seconds": every.fixed.total_seconds()}


def mappings_of_trial(conn: Connection, trial: str) -> list[Mapping]:
    return rows(conn, Mapping, _SQL.mappings_of_trial, trial=trial)


def hold_mappings(conn: Connection, trial_code: str) -> None:
    """Let no other writer change the trial's mappings until the transaction ends."""
    get_trial(conn, trial_code)
    scalar(conn, _SQL.hold_mappings, trial=trial_code)


def replace_mappings(conn: Connection, trial_code: str, wanted: Sequence[Mapping]) -> list[Change]:
    """Replace the trial's mappings, for its present and future devices."""
    hold_mappings(conn, trial_code)
    before = {mapping.field for mapping in mappings_of_trial(conn, trial_code)}
    twice = [
        m.field
        for n, m in enumerate(wanted)
        if any((m.field, m.devices) == (o.field, o.devices) for o in wanted[:n])
    ]
    if twice:
        raise CorrectInput(
            f"{trial_code}: {twice[0]!r} is mapped twice for the same devices: leave one of them out."
        )
    note_act(conn, "mapping")  # the same list is stored again without a line
    run(conn, _SQL.drop_mappings, trial=trial_code)
    for mapping in wanted:
        run(
            conn,
            _SQL.add_mapping,
            trial=trial_code,
            devices=list(mapping.devices),
            field=mapping.field,
            property=mapping.property,
            unit=mapping.unit,
            role=mapping.role,
            result_type=mapping.result_type,
            stamp=str(mapping.stamp),
            rule=json.dumps(mapping.rule_document),
            **_parts(mapping.every()),
        )
    return apply_mappings(conn, trial_code, dropped=before - {mapping.field for mapping in wanted})


def apply_mappings(
    conn: Connection,
    trial_code: str,
    *,
    device: str | None = None,
    dropped: set[str] | frozenset[str] = frozenset(),
) -> list[Change]:
    """Give each device of a trial (or `device` only) the datastreams of its mappings. `dropped`: fields that
    the previous mappings had and these do not, so a datastream may be renamed.

    Raises CorrectInput if a datastream with observations would change, or if a device has two mappings of one
    field.
    """
    mappings = mappings_of_trial(conn, trial_code)
    changes = []
    for one in rows(conn, _Device, _SQL.mapped_devices, trial=trial_code):
        if device is None or one.device == device:
            changes += _apply(conn, one, fields_of(mappings, one.device), dropped)
    for unit in {
        mapping.unit for mapping in mappings if mapping.property and mapping.result_type == "number"
    }:
        accept_usual_units(conn, unit)
    return changes


def fields_of(mappings: Sequence[Mapping], device: str) -> dict[str, Mapping]:
    """Field → mapping of one device; raises CorrectInput if a field has two mappings."""
    found: dict[str, Mapping] = {}
    for mapping in mappings:
        if not mapping.holds(device):
            continue
        if mapping.field in found:
            both = " and ".join(", ".join(m.devices) for m in (found[mapping.field], mapping))
            raise CorrectInput(
                f"Device {device!r} has two mappings of {mapping.field!r}, for {both}: name its devices in "
                "one of them, or remove one with `remove = true`."
            )
        found[mapping.field] = mapping
    return found


def _apply(
    conn: Connection, device: _Device, wanted: dict[str, Mapping], dropped: set[str] | frozenset[str]
) -> list[Change]:
    present = {
        one.field: one for one in rows(conn, _Stream, _SQL.datastreams_of_device, device_id=device.device_id)
    }
    changes = []
    for field, mapping in wanted.items():
        if not mapping.property:
            continue
        before = present.get(field) or _renamed(mapping, present, dropped)
        if before is None:
            _enter(conn, device.device_id, mapping)
            changes.append(Change("entered", device.device, field))
        else:
            present.pop(before.field)
            changed = _change(conn, device.device, before, mapping)
            changes.append(Change("changed" if changed else "there", device.device, field))
    return changes


def _renamed(
    mapping: Mapping, present: dict[str, _Stream], dropped: set[str] | frozenset[str]
) -> _Stream | None:
    """The stream to rename for this mapping: unused, same property and role, with a field that no mapping
    names any more.
    """
    for stream in present.values():
        if (
            stream.field in dropped
            and not stream.in_use
            and (stream.property, stream.role) == (mapping.property, mapping.role)
        ):
            return stream
    return None


def _enter(conn: Connection, device_id: int, mapping: Mapping) -> None:
    scale, shift = mapping.factors()
    add_datastream(
        conn,
        device_id=device_id,
        name=mapping.field,
        property=mapping.property,
        unit=mapping.unit,
        role=mapping.role,
        scale=scale,
        shift=shift,
        result_type=mapping.result_type,
        expected_interval=mapping.every(),
        stamp=mapping.stamp,
        sensor_id=scalar(conn, _SQL.only_sensor, device_id=device_id),
    )


def _change(conn: Connection, device: str, before: _Stream, mapping: Mapping) -> bool:
    """True if something changed."""
    changed = False
    scale, shift = mapping.factors()
    wanted = (mapping.field, mapping.property, mapping.unit, mapping.role, mapping.result_type, scale, shift)
    if wanted != (
        before.field,
        before.property,
        before.unit,
        before.role,
        before.result_type,
        before.scale,
        before.shift,
    ):
        done = not before.in_use and run(
            conn,
            _SQL.change_datastream,
            datastream_id=before.datastream_id,
            field=mapping.field,
            property=mapping.property,
            unit=mapping.unit,
            role=mapping.role,
            result_type=mapping.result_type,
            scale=scale,
            shift=shift,
        )
        if not done:
            raise CorrectInput(
                f"{device}/{before.field} has observations, stored as {before.property} from {before.unit} "
                f"({before.role}): results never "
                "change. Let the device send it under another name and map that, enrol a new device, or "
                "import corrected results."
            )
        changed = True
    every = mapping.every()
    kept = every == before.declared() or (every is None and before.interval_reported)
    if not kept or mapping.stamp != before.stamp:
        if kept and every is None:
            every = spacing_of(before.every_s, before.every_months)
        declare_interval(conn, before.datastream_id, every, mapping.stamp)
        changed = True
    return changed


def declare_interval(conn: Connection, datastream_id: int, every: Spacing | None, stamp: Stamp) -> None:
    """Declare the interval between results of a datastream, and what the time of a result marks."""
    run(conn, _SQL.declare_interval, datastream_id=datastream_id, stamp=str(stamp), **_parts(every))


def accept_usual_units(conn: Connection, unit: str) -> None:
    """Store the factors for messages that name another unit than their datastream's `unit`."""
    found = accepted(unit)
    if found and not scalar(conn, _SQL.has_conversions, unit=unit):
        run(
            conn,
            _SQL.add_conversions,
            unit=unit,
            sent=list(found),
            scales=[one.scale for one in found.values()],
            shifts=[one.shift for one in found.values()],
        )


def report_intervals(conn: Connection, intervals: dict[int, int]) -> None:
    """Store datastream → µs between two results, as reported by the device. A declared interval stays."""
    if intervals:
        run(
            conn,
            _SQL.report_intervals,
            datastream_ids=list(intervals),
            intervals=[timedelta(microseconds=us) for us in intervals.values()],
        )
