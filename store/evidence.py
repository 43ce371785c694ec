"""Do the records agree with the audit log, and does the database still guard them? Each difference is a
sentence. Reads only; the caller owns the transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from store.database import Connection, rows
from store.queries import Queries

GUARDS: Final = Path(__file__).with_name("guards.json")
"""Triggers, constraints, policies and functions that the migrations make."""
_OURS_ALONE: Final = ("trigger", "policy", "rule")
"""Only migrations add these: each changes what is stored or seen."""
_WORDS: Final = {
    "lock": "lock of version {key} of the protocol of {subject}",
    "evaluate": "evaluation {key} of {subject}",
    "unblind": "unblinding of {key} in {subject}",
    "decide": "decision about {subject} on evaluation {key}",
    "agree": "agreement {key} of {subject}",
    "withdraw import": "withdrawal of import {key}",
    "move": "move of {subject} to {key}",
    "window": "window {key}",
    "end window": "end of window {key}",
    "withdraw window": "withdrawal of window {key}",
    "erase": "erasure {key}",
    "import catalogue": "import of a catalogue",
}
_FIELDS: Final = {"at": "time", "by": "person", "sha256": "SHA-256"}


class _SQL(Queries, file="evidence"):
    pairs: str
    wrong_documents: str
    guards: str
    owners: str


@dataclass(frozen=True, slots=True)
class _Pair:
    action: str
    subject: str
    key: str
    record: dict[str, Any] | None
    line: dict[str, Any] | None
    audit_id: int | None


@dataclass(frozen=True, slots=True)
class _Wrong:
    name: str
    field: str


@dataclass(frozen=True, slots=True)
class Guard:
    kind: str
    name: str
    definition: str
    problem: str


@dataclass(frozen=True, slots=True)
class _Owner:
    owner: str
    tables: list[str]


def find_differences(conn: Connection) -> list[str]:
    """Records that differ from their lines in the audit log, and documents that differ from their hashes."""
    found = [
        f"the {one.name} has a document with another {one.field} than its row"
        for one in rows(conn, _Wrong, _SQL.wrong_documents)
    ]
    for pair in rows(conn, _Pair, _SQL.pairs):
        found += _compare(pair)
    return found


def _compare(pair: _Pair) -> Iterator[str]:
    name = _WORDS[pair.action].format(key=pair.key, subject=pair.subject)
    if pair.line is None:
        yield f"the {name} has no line in the audit log"
    elif pair.record is None:
        yield f"line {pair.audit_id} of the audit log tells of the {name}, which is not there"
    else:
        for field, stored in pair.record.items():
            # older lines have fewer fields
            if field in pair.line and not _same(stored, pair.line[field]):
                yield (
                    f"the {name} has another {_FIELDS.get(field, field)} ({stored}) than line "
                    f"{pair.audit_id} of the audit log ({pair.line[field]})"
                )


def _same(stored: Any, said: Any) -> bool:
    if stored == said:
        return True
    try:
        return datetime.fromisoformat(str(stored)) == datetime.fromisoformat(str(said))
    except ValueError:
        return False


def list_guards(conn: Connection) -> list[Guard]:
    return rows(conn, Guard, _SQL.guards)


def expected_guards() -> dict[str, Any]:
    """`postgres`: the version that wrote the definitions; `guards`: kind → name → definition."""
    found: dict[str, Any] = json.loads(GUARDS.read_text("utf-8"))
    return found


def find_missing_guards(conn: Connection) -> list[str]:
    """Triggers, constraints, policies, rules, defaults and functions that are missing, disabled, unknown or
    different; rights of the pages that they must not have; and tables with another owner than the rest.

    Definitions are compared on the version of PostgreSQL that wrote the expected ones: others may word them
    differently.
    """
    known = expected_guards()
    same_words = conn.server_version() // 10_000 == known["postgres"]
    present = list_guards(conn)
    found = [f"the {one.kind} {one.name} {one.problem}" for one in present if one.problem]
    found += _missing(known["guards"], present)
    for one in present:
        definition = known["guards"].get(one.kind, {}).get(one.name)
        comparable = same_words or one.kind == "function"
        if comparable and definition is not None and definition != one.definition:
            found.append(f"the {one.kind} {one.name} has another definition than the migrations give it")
        if definition is None and one.kind in _OURS_ALONE:
            found.append(f"the {one.kind} {one.name} comes from no migration")
    for other in rows(conn, _Owner, _SQL.owners)[1:]:
        found.append(f"{', '.join(other.tables)} belong to {other.owner}, unlike the other tables")
    return found


def _missing(known: Mapping[str, Mapping[str, str]], present: list[Guard]) -> Iterator[str]:
    names = {(one.kind, one.name) for one in present}
    for kind, definitions in known.items():
        yield from (f"the {kind} {name} is missing" for name in definitions if (kind, name) not in names)
