"""Mappings of a trial are edited. The caller owns the transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ingest.mapping_edits import Edit, edit_mappings
from store.audit import SERVICE, record
from store.mappings import hold_mappings, mappings_of_trial, replace_mappings

if TYPE_CHECKING:
    from ingest.mapping_entry import MappingEntry
    from store.database import Connection
    from store.mapping import Mapping
    from store.mappings import Change

_LASTING: Final = ("entered", "changed", "removed")


@dataclass(frozen=True, slots=True)
class Saved:
    lines: list[str]
    """One about each entry, in their order."""
    changes: list[Change]
    """Of datastreams."""


def save_mappings(
    conn: Connection, trial: str, entries: Sequence[MappingEntry], *, now: datetime, by: str = SERVICE
) -> Saved:
    """Enter, change and remove mappings of one trial; the others stay, and its devices get the resulting
    datastreams. A repeat changes nothing and leaves no line. CorrectInput for an entry that is wrong or comes
    twice.
    """
    with conn.transaction():
        hold_mappings(conn, trial)
        edited = edit_mappings(conn, trial, entries)
        changes = replace_mappings(conn, trial, edited.mappings)
        lines = [_edit_line(trial, edit, changes) for edit in edited.edits]
        done: dict[str, list[str]] = {
            what: [f"{c.device}/{c.field}" for c in changes if c.what == what]
            for what in ("entered", "changed")
        }
        lasting = [line for line, edit in zip(lines, edited.edits, strict=True) if edit.what in _LASTING]
        if lasting or any(done.values()):
            detail = {**done, "mappings": lasting}
            record(conn, at=now, login=by, action="map", subject=trial, detail=detail)
    return Saved(lines, changes)


def etag_of_mappings(conn: Connection, trial: str) -> str:
    """Changes with any mapping of the trial."""
    facts = [
        (
            *(one.field, sorted(one.devices), one.property, one.unit, str(one.role), one.result_type),
            *(str(one.every()), str(one.stamp), one.rule_document),
        )
        for one in mappings_of_trial(conn, trial)
    ]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return f'"{digest[:32]}"'


def _edit_line(trial: str, edit: Edit, changes: Sequence[Change]) -> str:
    mapping = edit.mapping
    name = f"mapping {trial}/{mapping.field}"
    for_devices = "" if list(mapping.devices) == ["*"] else f" for {', '.join(mapping.devices)}"
    if edit.what == "gone":
        return f"gone    {name}{for_devices}"
    more = "".join(f"; {one}" for one in edit.differences)
    if edit.untouched:
        more += f"; {', '.join(edit.untouched)} keeps it as it was"
    if edit.what == "removed":
        return f"removed {name}{for_devices}: {_use(mapping)}; what devices have stored stays{more}"
    if not mapping.property:
        return f"{edit.what:<7} {name}: {_use(mapping)}{more}"
    devices = {
        what: sum(c.what == what and c.field == mapping.field and mapping.holds(c.device) for c in changes)
        for what in ("entered", "changed", "there")
    }
    counts = ", ".join(f"{count} {what}" for what, count in devices.items() if count) or "no device yet"
    return f"{edit.what:<7} {name}: {_use(mapping)} ({counts}){more}"


def _use(mapping: Mapping) -> str:
    """The future of the field, in words."""
    if mapping.property:
        return f"{mapping.unit} → {mapping.property} in {mapping.property_unit}"
    rule = mapping.rule()
    if rule.expect:
        return f"must say {' or '.join(str(word) for word in rule.expect)}"
    return f"health, as {rule.health}" if rule.health else "the time" if rule.time else "ignored"
