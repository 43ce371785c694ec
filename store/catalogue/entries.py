"""Entries of the catalogue that are entered again: each field is compared, and changed or refused. The caller
owns the transaction.

A field that the new entry does not state stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from insitu.errors import ChangedMeanwhile, CorrectInput
from store.database import Connection, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/entries"):
    organisation_entry: str
    person_entry: str
    site_entry: str
    property_entry: str
    need_entry: str
    trial_entry: str
    device_entry: str
    network_server_entry: str
    versions: str
    amend_organisation: str
    amend_person: str
    amend_site: str
    amend_property: str
    amend_need: str
    amend_trial: str
    amend_device: str
    touch_credentials: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is stored in another way than it is stated now."""

    field: str
    was: Any
    stated: Any

    def __str__(self) -> str:
        return f"{self.field} was {_shown(self.was)}, is {_shown(self.stated)}"


@dataclass(frozen=True, slots=True)
class _Table:
    """`free`: fields that may change. `advice`: what to do instead, for each other field. `corrected`: of the
    free ones, those that reports tell of: they change with a reason only.
    """

    entry: str
    amend: str | None
    free: frozenset[str] = frozenset()
    corrected: frozenset[str] = frozenset()
    advice: Mapping[str, str] = field(default_factory=dict)


_OTHER_CODE: Final = "enter it under another code"
_TABLES: Final = {
    "organisation": _Table(
        _SQL.organisation_entry,
        _SQL.amend_organisation,
        frozenset({"name"}),
        advice={"kind": f"the rights of its people follow from it: {_OTHER_CODE}"},
    ),
    "person": _Table(
        _SQL.person_entry,
        _SQL.amend_person,
        frozenset({"name", "language", "role"}),
        advice={
            "organisation": "the rights of a person follow from it: enter the person under another login"
        },
    ),
    "site": _Table(
        _SQL.site_entry,
        _SQL.amend_site,
        frozenset({"name", "kind", "latitude", "longitude"}),
        advice={"host": f"its people see what stands there: {_OTHER_CODE}"},
    ),
    "property": _Table(
        _SQL.property_entry,
        _SQL.amend_property,
        frozenset({"name"}),
        advice={"unit": f"results are stored in it: {_OTHER_CODE}"},
    ),
    "need": _Table(
        _SQL.need_entry,
        _SQL.amend_need,
        frozenset({"title", "description"}),
        advice={"host": _OTHER_CODE},
    ),
    "trial": _Table(
        _SQL.trial_entry,
        _SQL.amend_trial,
        frozenset({"title", "evaluator", "need", "time_zone", "ends_at"}),
        advice={
            "host": f"its people see the trial: {_OTHER_CODE}",
            "company": f"its people own the devices: {_OTHER_CODE}",
            "time_zone": "a locked protocol counts its days in the zone that it names",
        },
    ),
    "device": _Table(
        _SQL.device_entry,
        _SQL.amend_device,
        frozenset({"name", "model", "serial"}),
        frozenset({"model", "serial"}),
    ),
    "network server": _Table(_SQL.network_server_entry, None, advice={"kind": _OTHER_CODE}),
}


@dataclass(frozen=True, slots=True)
class _Version:
    code: str
    version: str


def list_versions(conn: Connection, kind: str) -> dict[str, str]:
    """Code → version of each entry of a kind; windows have their number as a code. A version is another one
    after any change, and says nothing else.
    """
    return {one.code: one.version for one in rows(conn, _Version, _SQL.versions, entries=kind)}


def require_version(conn: Connection, kind: str, code: str, expected: str | None) -> None:
    """Raises ChangedMeanwhile if the entry, which the caller has locked, is not the version that somebody
    read. `expected` None: nobody says which; `*`: any.
    """
    if expected not in (None, "*") and expected != list_versions(conn, kind).get(code):
        raise ChangedMeanwhile(
            f"The {kind} {code} is another one by now: somebody changed it meanwhile. Read it again, then "
            "change that."
        )


def compare(conn: Connection, kind: str, code: str, stated: Mapping[str, Any]) -> list[Difference]:
    """Fields of an existing entry that differ; in the order in which they are stated. Locks the entry."""
    known = _stored(conn, kind, code)
    return [
        Difference(name, known.get(name), value)
        for name, value in stated.items()
        if name in known and not _same(known[name], value)
    ]


def amend(conn: Connection, kind: str, code: str, differences: list[Difference], *, reason: str = "") -> None:
    """Apply differences that `compare` has found. CorrectInput names each that is refused, and what to do
    instead;
    nothing is changed then.
    """
    table, known = _TABLES[kind], _stored(conn, kind, code)
    refused = [problem for one in differences if (problem := _problem(table, known, one, reason))]
    if refused:
        raise CorrectInput(f"{kind} {code} is entered already: " + "; ".join(refused) + ".")
    changed = known | {one.field: one.stated for one in differences}
    parameters = {name: json.dumps(v) if isinstance(v, dict) else v for name, v in changed.items()}
    if table.amend is not None and run(conn, table.amend, code=code, **parameters) != 1:
        named = ", ".join(str(one) for one in differences)
        raise CorrectInput(f"{kind} {code}: {named}, which is not there.")
    if any(one.field == "ends_at" for one in differences):
        run(conn, _SQL.touch_credentials)


def _problem(table: _Table, known: Mapping[str, Any], one: Difference, reason: str) -> str | None:
    if one.field not in table.free or (one.field == "time_zone" and known.get("is_locked")):
        return f"{one} ({table.advice.get(one.field, 'it cannot change')})"
    if one.field in table.corrected and not reason:
        return (
            f"{one} (reports tell of it: another device has a code of its own, `insitu swap` puts it there; "
            "a wrong entry is corrected with --reason WHY)"
        )
    return None


def _stored(conn: Connection, kind: str, code: str) -> dict[str, Any]:
    found = scalar(conn, _TABLES[kind].entry, code=code)
    if found is None:
        raise CorrectInput(f"There is no {kind} {code!r}.")
    stored: dict[str, Any] = found
    return stored


def _same(stored: Any, stated: Any) -> bool:
    if isinstance(stated, datetime) and isinstance(stored, str):
        return datetime.fromisoformat(stored) == stated
    if isinstance(stored, float | int) and isinstance(stated, float | int):
        return float(stored) == float(stated)
    return bool(stored == stated)


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return repr(str(value)) if isinstance(value, str) else str(value)
