"""Entries of mappings beside those of a trial: what each adds, changes, finds there or removes.

A mapping that no entry names stays as it is, and so does a key that the entry of a mapping does not state.
Only `remove = true` takes a mapping away.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from ingest.mapping_entry import MappingEntry
from insitu.errors import CorrectInput
from store.catalogue.entries import Difference
from store.fields import FieldRule
from store.mapping import Mapping
from store.mappings import mappings_of_trial

if TYPE_CHECKING:
    from store.database import Connection

_FACTS = ("property", "unit", "role", "result_type")


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of the file, or one removal."""

    what: Literal["entered", "changed", "there", "removed", "gone"]
    """`gone`: there is nothing to remove any more."""
    mapping: Mapping
    differences: tuple[Difference, ...] = ()
    untouched: tuple[str, ...] = ()
    """Devices that keep the mapping as it was."""


@dataclass(frozen=True, slots=True)
class Edited:
    mappings: list[Mapping]
    """All mappings of the trial, as they are then."""
    edits: list[Edit]


def edit_mappings(conn: Connection, trial: str, entries: Sequence[MappingEntry]) -> Edited:
    """Read the trial's mappings and edit them by the entries. Stores nothing. Raises CorrectInput for an
    entry that is wrong or comes twice.
    """
    _require_once(trial, entries)
    kept, edits = _without_removed(mappings_of_trial(conn, trial), entries)
    before, added = list(kept), list[Mapping]()
    for entry in entries:
        if entry.remove:
            continue
        related = [one for one in before if _is_related(one, entry)]
        wanted = (_over(entry, related[0]) if len(related) == 1 else entry).mapping(conn)
        same = next((one for one in related if not differences(one, wanted)), None)
        if same is not None and _covers(same.devices, wanted.devices):
            edits.append(Edit("there", wanted))
            continue
        kept = [rest for one in kept if (rest := _without(one, wanted)) is not None]
        added.append(wanted)
        edits.append(_edit(related, wanted))
    return Edited([*kept, *added], edits)


def differences(before: Mapping, after: Mapping) -> tuple[Difference, ...]:
    """Each key of a mapping that differs, apart from its devices."""
    pairs: list[tuple[str, Any, Any]] = [
        *((name, str(getattr(before, name)), str(getattr(after, name))) for name in _FACTS),
        ("every", before.every(), after.every()),
        ("stamp", str(before.stamp), str(after.stamp)),
    ]
    old, new = before.rule(), after.rule()
    pairs += [(one.name, getattr(old, one.name), getattr(new, one.name)) for one in fields(FieldRule)]
    return tuple(Difference(name, _plain(was), _plain(now)) for name, was, now in pairs if was != now)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _require_once(trial: str, entries: Sequence[MappingEntry]) -> None:
    for number, one in enumerate(entries):
        for other in entries[:number]:
            if (one.field, one.remove) == (other.field, other.remove) and set(one.patterns()) & set(
                other.patterns()
            ):
                raise CorrectInput(
                    f"{trial}: {one.field!r} is mapped twice for the same devices: leave one of them out."
                )


def _without_removed(
    known: Sequence[Mapping], entries: Sequence[MappingEntry]
) -> tuple[list[Mapping], list[Edit]]:
    kept, edits = list(known), list[Edit]()
    for entry in entries:
        if not entry.remove:
            continue
        named = None if "devices" not in entry.model_fields_set else set(entry.patterns())
        hit = [
            one for one in kept if one.field == entry.field and (named is None or named & set(one.devices))
        ]
        if not hit:
            _require_no_wider(kept, entry)
            edits.append(Edit("gone", entry.nothing()))
        for one in hit:
            rest = [] if named is None else [device for device in one.devices if device not in named]
            kept[kept.index(one) : kept.index(one) + 1] = (
                [dataclasses.replace(one, devices=rest)] if rest else []
            )
            taken = [device for device in one.devices if device not in rest]
            edits.append(Edit("removed", dataclasses.replace(one, devices=taken), untouched=tuple(rest)))
    return kept, edits


def _require_no_wider(known: Sequence[Mapping], entry: MappingEntry) -> None:
    """CorrectInput if a stored pattern holds for a device whose mapping is to be removed."""
    wider = [one for one in known if one.field == entry.field and any(map(one.holds, entry.patterns()))]
    if wider:
        raise CorrectInput(
            f"{entry.field!r} is mapped for {', '.join(wider[0].devices)}, not for "
            f"{', '.join(entry.patterns())} alone: remove that mapping, and enter it for the devices "
            "that keep it."
        )


def _is_related(known: Mapping, entry: MappingEntry) -> bool:
    return known.field == entry.field and (
        bool(set(known.devices) & set(entry.patterns()))
        or _covers(known.devices, entry.patterns())
        or _covers(entry.patterns(), known.devices)
    )


def _covers(patterns: Sequence[str], devices: Sequence[str]) -> bool:
    return all(any(fnmatchcase(device, pattern) for pattern in patterns) for device in devices)


def _over(entry: MappingEntry, known: Mapping) -> MappingEntry:
    """The entry with the keys that it does not state as they are stored, if it is of the same kind."""
    rule, stored = entry.rule(), known.rule()
    if entry.property is None and rule.is_result:
        is_alike = True  # it states no kind
    elif rule.is_result:
        is_alike = stored.is_result and entry.property == known.property
    else:
        is_alike = _kind(rule) == _kind(stored)
    if not is_alike:
        return entry
    held: dict[str, Any] = {one.name: getattr(stored, one.name) for one in fields(FieldRule)}
    if known.property:
        held |= {name: getattr(known, name) for name in _FACTS}
        held |= {"every": known.every(), "stamp": known.stamp}
    stated = entry.model_fields_set
    return entry.model_copy(update={name: value for name, value in held.items() if name not in stated})


def _kind(rule: FieldRule) -> str:
    return next((name for name in ("ignore", "health", "time", "expect") if getattr(rule, name)), "result")


def _without(known: Mapping, wanted: Mapping) -> Mapping | None:
    """A stored mapping without the devices for which another one is entered; None if it has no more."""
    if known.field != wanted.field:
        return known
    same = not differences(known, wanted)
    rest = [
        device
        for device in known.devices
        if device not in wanted.devices and not (same and _covers(wanted.devices, [device]))
    ]
    if len(rest) == len(known.devices):
        return known
    return dataclasses.replace(known, devices=rest) if rest else None


def _edit(related: Sequence[Mapping], wanted: Mapping) -> Edit:
    touched = [one for one in related if _without(one, wanted) != one]
    if not touched:
        return Edit("entered", wanted)
    changed: list[Difference] = []
    for before in touched:
        changed += [one for one in differences(before, wanted) if one not in changed]
    rest = [d for one in touched if (left := _without(one, wanted)) is not None for d in left.devices]
    was = [device for one in touched for device in one.devices if device not in rest]
    if sorted(was) != sorted(wanted.devices):
        changed.append(Difference("devices", ", ".join(was), ", ".join(wanted.devices)))
    return Edit("changed", wanted, tuple(changed), tuple(rest))
