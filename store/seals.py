"""Seals: digests of registered facts and of settled days of results, with a line in the audit log for each
seal, and the search for rows that no longer have the digest of their seal. The caller owns the transaction.

Triggers of the database note what changes (migration 0032); a row that is changed without them is found.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from store.audit import record
from store.database import Connection, row, rows, run, scalar
from store.packed import sealing
from store.queries import Queries

SEALER: Final = "job:seals"
FACTS: Final = "facts"
DAYS: Final = "results"
_BY_ITSELF: Final = (
    "import_part change",  # each batch of an import adds to it
    "installation change evaluated_again",  # the last night of each job
    "installation change erased_at_night",
    "installation change sealed_on",
    "quality_run change",  # the checks run by themselves
    "signed_in remove",  # sessions end
)
"""Changes of the parts that leave no line of their own."""
_RIGHTS: Final = ("person", "access_token", "credential", "invitation", "wall_link")
"""An entry here gives somebody rights: there must be an act that tells of it."""
_LONG: Final = timedelta(minutes=10)


class _SQL(Queries, file="seals"):
    one_sealer: str
    next_seal: str
    seal_facts: str
    note_act: str
    fact_seals: str
    waiting_facts: str
    differing_facts: str
    without_act: str
    note_parts: str
    barrier: str
    oldest: str
    seal_days: str
    seal_again: str
    day_seals: str
    part_digest: str
    seal_lines: str
    sealed_rows: str
    differing_days: str
    unexplained_days: str
    strange_parts: str
    part_names: str


@dataclass(frozen=True, slots=True)
class _FactSeal:
    seal_id: int
    changes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _DaySeal:
    seal_id: int
    days: int
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Line:
    audit_id: int
    subject: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Fact:
    kind: str
    key: str
    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class _Change:
    kind: str
    key: str
    how: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Day:
    kind: str
    part: int
    from_time: datetime
    to_time: datetime
    more: int
    """Rows there beyond those of the seal; negative: fewer."""


@dataclass(frozen=True, slots=True)
class _Doubtful:
    """A sealed day with results (times in µs since 1970, digests) that no act explains; unless its packed
    days do.
    """

    kind: str
    part: int
    from_time: datetime
    to_time: datetime
    doubtful: list[int]
    doubtful_was: list[bytes]
    packed: list[bytes] | None

    @property
    def is_explained(self) -> bool:
        results = dict(zip(self.doubtful, self.doubtful_was, strict=True))
        return self.packed is not None and sealing.explains(self.part, self.packed, {**results})


@dataclass(frozen=True, slots=True)
class Sealed:
    rows: int
    days: int


def is_only_sealer(conn: Connection) -> bool:
    """False if another process seals at this moment; its turn lasts until its transaction ends."""
    return bool(scalar(conn, _SQL.one_sealer))


def seal_facts(conn: Connection, now: datetime) -> int:
    """Seal the changes of registered facts that wait, with a line; returns how many."""
    if not scalar(conn, _SQL.waiting_facts, age=timedelta(0)):
        return 0
    seal = int(scalar(conn, _SQL.next_seal))
    run(conn, _SQL.seal_facts, seal=seal, by_itself=list(_BY_ITSELF), rights=list(_RIGHTS))
    made = row(conn, _FactSeal, _SQL.fact_seals, seal=seal)
    assert made is not None  # some waited
    detail = {"seal": seal, "digests": made.changes, "sha256": made.sha256}
    record(conn, at=now, login=SEALER, action="seal", subject=FACTS, detail=detail)
    return made.changes


def note_act(conn: Connection, kind: str) -> None:
    """Tell that the changes of this transaction are Insitu's own, where no line tells of them. `kind`: the
    table that it changes.
    """
    run(conn, _SQL.note_act, kind=kind)


def note_days(conn: Connection, settled: datetime, zone: str) -> None:
    """From the next commit on, acts note each row before `settled` that they change. `zone`: of days that
    belong to no trial.
    """
    run(conn, _SQL.note_parts, settled=settled, zone=zone)


def barrier(conn: Connection) -> int:
    """Call it after the commit of `note_days`: transactions below this number may not have seen it."""
    return int(scalar(conn, _SQL.barrier))


def have_ended(conn: Connection, before: int) -> bool:
    """Whether every transaction below the barrier has ended, so that days can be sealed."""
    return int(scalar(conn, _SQL.oldest)) >= before


def seal_days(conn: Connection, now: datetime) -> int:
    """Seal the noted days, and again those in which acts changed something; returns how many days."""
    seal = int(scalar(conn, _SQL.next_seal))
    again = run(conn, _SQL.seal_again, seal=seal) + sealing.seal_days_again(conn, seal)
    new = run(conn, _SQL.seal_days, seal=seal) + sealing.seal_new_days(conn, seal)
    made = row(conn, _DaySeal, _SQL.day_seals, seal=seal) or _DaySeal(seal, 0, 0, "")
    detail = {
        "seal": seal,
        "digests": made.days,
        "again": again,
        "rows": made.rows,
        "sha256": made.sha256,
        "parts": scalar(conn, _SQL.part_digest),
    }
    record(conn, at=now, login=SEALER, action="seal", subject=DAYS, detail=detail)
    return new + again


def extent_problem(conn: Connection) -> str | None:
    """Text if somebody moved how far the days are sealed: sealing them then would take in what was changed
    by hand.
    """
    lines = [one for one in rows(conn, _Line, _SQL.seal_lines) if one.subject == DAYS]
    if not lines or lines[-1].detail["parts"] == scalar(conn, _SQL.part_digest):
        return None
    return "how far the days are sealed is not as the last line about it says"


def find_changed_facts(conn: Connection) -> list[str]:
    """A sentence for each registered fact that is not as its last seal or noted change says, for each
    sealed change without an act, and for each seal that differs from its line.
    """
    found = [_fact_sentence(one) for one in rows(conn, _Fact, _SQL.differing_facts)]
    for change in rows(conn, _Change, _SQL.without_act):
        verb = {"remove": "removed", "enter": "entered"}.get(change.how, "changed")
        name = f"{change.kind.replace('_', ' ')} {change.key}"
        found.append(f"{name} was {verb} before {change.at:%Y-%m-%d %H:%M} UTC, and no line tells of an act")
    made = rows(conn, _FactSeal, _SQL.fact_seals, seal=None)
    return found + list(_wrong_seals(conn, FACTS, {one.seal_id: (one.changes, one.sha256) for one in made}))


def _fact_sentence(one: _Fact) -> str:
    label = f" ({one.name})" if one.name and one.name != one.key else ""
    name = f"{one.kind.replace('_', ' ')} {one.key}{label}"
    if one.problem == "gone":
        return f"{name} is sealed, and is not there"
    if one.problem == "unknown":
        return f"{name} is there, and nothing tells of its entry"
    return f"{name} is not as it was sealed"


def _wrong_seals(conn: Connection, subject: str, made: dict[int, tuple[int, str]]) -> Iterator[str]:
    """`made`: seal → how many digests it has, and their hash."""
    told: set[int] = set()
    for line in rows(conn, _Line, _SQL.seal_lines):
        seal = line.detail["seal"]
        if line.subject != subject:
            continue
        if seal in told:
            yield f"line {line.audit_id} of the audit log tells of seal {seal} again"
        elif made.get(seal, (0, "")) != (line.detail["digests"], line.detail["sha256"]):
            yield f"seal {seal} is not as line {line.audit_id} of the audit log says"
        told.add(seal)
    yield from (f"seal {seal} has no line in the audit log" for seal in sorted(made.keys() - told))


def count_waiting(conn: Connection) -> int:
    """Changes that have waited for the job for more than ten minutes."""
    return int(scalar(conn, _SQL.waiting_facts, age=_LONG))


def count_sealed(conn: Connection) -> Sealed:
    found = row(conn, Sealed, _SQL.sealed_rows)
    assert found is not None  # sums of no rows are 0
    return found


def find_changed_days(conn: Connection, *, most: int) -> list[str]:
    """A sentence for each sealed day whose rows are not those of its seal; reads the days of about `most`
    rows, others each time. Also for seals that differ from their lines, and rows in days that had none.
    """
    made = rows(conn, _DaySeal, _SQL.day_seals, seal=None)
    found = list(_wrong_seals(conn, DAYS, {one.seal_id: (one.days, one.sha256) for one in made}))
    if problem := extent_problem(conn):
        found.append(problem)
    salt = secrets.token_hex(8)
    days = rows(conn, _Day, _SQL.differing_days, most=most, salt=salt)
    days += map(_packed_day, sealing.find_differing(conn, most=most, salt=salt))
    told = {(day.kind, day.part, day.from_time) for day in days}
    days += [day for day in _unexplained(conn) if (day.kind, day.part, day.from_time) not in told]
    strange = rows(conn, _Day, _SQL.strange_parts)
    strange += map(_packed_day, sealing.find_outside(conn))
    names = {(str(kind), int(part)): str(name) for kind, part, name in conn.execute(_SQL.part_names.encode())}
    return (
        found
        + [_day_sentence(one, names) for one in days]
        + [_strange_sentence(one, names) for one in strange]
    )


def _packed_day(day: sealing.DaySeal) -> _Day:
    return _Day("observation", day.part, day.from_time, day.to_time, day.more)


def _unexplained(conn: Connection) -> list[_Day]:
    found = [one for one in rows(conn, _Doubtful, _SQL.unexplained_days) if not one.is_explained]
    return [_Day(one.kind, one.part, one.from_time, one.to_time, 0) for one in found]


def _day_sentence(day: _Day, names: dict[tuple[str, int], str]) -> str:
    more = f": {abs(day.more)} rows {'more' if day.more > 0 else 'fewer'}" if day.more else ""
    span = f"from {day.from_time:%Y-%m-%d %H:%M} to {day.to_time:%Y-%m-%d %H:%M} UTC"
    return f"{_part_name(day, names)} {span} are not as they were sealed{more}"


def _strange_sentence(day: _Day, names: dict[tuple[str, int], str]) -> str:
    span = f"between {day.from_time:%Y-%m-%d %H:%M} and {day.to_time:%Y-%m-%d %H:%M} UTC"
    return f"{_part_name(day, names)} {span} have {day.more} rows in days that were sealed without any"


def _part_name(day: _Day, names: dict[tuple[str, int], str]) -> str:
    name = names.get(("device" if day.kind == "device_status" else "datastream", day.part), "")
    return f"rows of {day.kind.replace('_', ' ')}{f' of {name}' if name else ''}"
