"""The whole catalogue as rows, to move a lab into an empty installation. The caller owns the transaction.

Rows keep their numbers, so evaluations, decisions, links to pages and later exports name the same things.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from insitu.times import to_rfc3339
from store.access import put_fact
from store.database import Connection, row, rows, run, scalar
from store.queries import Queries

MOVED: Final = (
    "organisation",
    "person",
    "saved_view",
    "observed_property",
    "unit_conversion",
    "need",
    "site",
    "site_plan",
    "trial",
    "trial_step",
    "agreement",
    "retention",
    "protocol",
    "protocol_draft",
    "network_server",
    "device",
    "network_address",
    "fixed_topic",
    "sensor",
    "datastream",
    "mapping",
    "deployment",
    "plan_place",
    "declared_window",
    "evaluation",
    "unblinding",
    "decision",
    "erasure",
    "erased_rows",
    "alert_rule",
)
"""Tables whose rows go into the file, each after those that it refers to."""
_HIDDEN: Final = "a secret, or the hash of one: it is given again in the new installation"
_RESULTS: Final = "results and what belongs to them: they travel as Parquet, as packages, or in a backup"
_MESSAGES: Final = "messages and their accounts: they belong to the installation that took them in"
_PROOF: Final = "proves what happened in one installation, and stays with it: keep its last backup"
_MOMENT: Final = "the state of a moment, or of one machine: it is made again"
STAYS: Final = {
    **dict.fromkeys(
        (
            *("access_token", "alert_channel", "credential", "invitation", "recovery_code"),
            *("second_factor", "wall_link"),
        ),
        _HIDDEN,
    ),
    **dict.fromkeys(
        (
            *("correction", "datastream_latest", "import", "import_part", "observation", "packed_day"),
            *("quality_flag", "quality_run", "withdrawn_observation"),
        ),
        _RESULTS,
    ),
    **dict.fromkeys(
        (
            *("boot_sequence", "delivered_batch", "delivery", "device_contact", "device_remark"),
            *("device_status", "ledger", "ledger_reason", "message_digest", "reject", "reject_kept"),
            *("reject_overflow", "sparkplug_birth"),
        ),
        _MESSAGES,
    ),
    **dict.fromkeys(
        (
            *("audit", "fact_change", "row_change", "sealed_day", "sealed_part", "statement"),
            *("timestamp_failure", "timestamp_token"),
        ),
        _PROOF,
    ),
    **dict.fromkeys(
        (
            *("access_token_address", "alert", "alert_trouble", "backup_state", "broker_event", "broker_log"),
            *("broker_state", "catalogue_version", "evaluation_request", "ingestor", "installation"),
            *("kept_answer", "notice", "outage", "probe", "schema_migration", "shard", "shard_count"),
            *("sign_in_failure", "signed_in", "trouble", "used_return"),
        ),
        _MOMENT,
    ),
}
"""Tables whose rows stay behind, with the reason."""
LEFT_OUT: Final = {
    "person.password_hash": _HIDDEN,
    "person.last_sign_in_at": _MOMENT,
    "trial.shard_id": _MOMENT,
    "erased_rows.booked": _MESSAGES,
}
"""Columns of moved tables that stay behind, with the reason."""
_AT_ONCE: Final = 500
"""Rows that are entered by one statement."""
_LETTERS_AT_ONCE: Final = 32_000_000
"""At most, unless one row alone has more: a row can hold the picture of a plan, and a JSON value 256 MB."""
_FACT: Final = "moved here"


LEAST_LEFT: Final = 1_000_000
"""Numbers that a new installation has left, of each kind that the database counts."""
_VERSIONS: Final = (("protocol", "version", 2**31 - 1),)
"""Columns that count on without the database."""


class _SQL(Queries, file="catalogue/moving"):
    begin_import: str
    numbered: str
    catalogue_rows: str
    catalogue_columns: str
    present: str
    first_account: str
    forget_first_account: str
    enter_rows: str
    enter_trial_states: str
    keep_password: str
    last_numbers: str
    was_moved: str


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    content: str


@dataclass(frozen=True, slots=True)
class _Columns:
    name: str
    columns: list[str]


@dataclass(frozen=True, slots=True)
class _Numbered:
    name: str
    column: str
    largest: int


@dataclass(frozen=True, slots=True)
class Present:
    """How many rows a table has."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class _Last:
    lock: int
    evaluate: int
    decide: int
    agree: int
    move: int
    window: int
    erase: int
    locked_at: datetime
    unblinded_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Entered:
    """`rows`: how many, by table. `numbers`: the last numbers and times that were moved."""

    rows: dict[str, int]
    numbers: dict[str, int | str]


def list_catalogue(conn: Connection) -> dict[str, list[str]]:
    """Table → its rows as JSON objects, in the order of their keys; all of one moment. A table without rows
    is there too.
    """
    found: dict[str, list[str]] = {name: [] for name in MOVED}
    for one in rows(conn, _Row, _SQL.catalogue_rows, tables=list(MOVED), left_out=list(LEFT_OUT)):
        found[one.name].append(one.content)
    return found


def moved_columns(conn: Connection) -> dict[str, list[str]]:
    """Table → the columns that go into the file."""
    found = rows(conn, _Columns, _SQL.catalogue_columns, tables=list(MOVED), left_out=list(LEFT_OUT))
    return {one.name: one.columns for one in found}


def begin_import(conn: Connection) -> bool:
    """False while somebody else imports a catalogue; else nobody else does until the transaction ends."""
    return bool(scalar(conn, _SQL.begin_import))


def find_used_up(conn: Connection, content: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, int]]:
    """(table, column, number) of rows, JSON objects, whose number leaves too few for what comes after."""
    columns = [*rows(conn, _Numbered, _SQL.numbered, tables=list(MOVED))]
    columns += [_Numbered(*one) for one in _VERSIONS]
    for one in columns:
        for line in content[one.name]:
            number = json.loads(line).get(one.column)
            if isinstance(number, int) and number > one.largest - LEAST_LEFT:
                yield one.name, one.column, number


def list_present(conn: Connection) -> list[Present]:
    """Tables of the catalogue that have rows. The account of the first start, with its organisation, does not
    count while nobody has worked with it.
    """
    found = rows(conn, Present, _SQL.present, tables=list(MOVED), left_out=list(LEFT_OUT))
    if scalar(conn, _SQL.first_account):
        return [one for one in found if one.name not in ("organisation", "person")]
    return found


def enter_catalogue(conn: Connection, content: Mapping[str, Sequence[str]], *, now: datetime) -> Entered:
    """Enter the rows of each table, JSON objects with their numbers; returns how many. Only the owner of the
    tables may.

    The account of the first start makes room for that of the file, which gets its password. Raises RowRefused
    or AlreadyExists for a row that does not fit; the caller rolls back.
    """
    password = scalar(conn, _SQL.forget_first_account)
    entered = {name: sum(_enter(conn, name, content[name])) for name in MOVED}
    scalar(conn, _SQL.enter_trial_states, content=_array(content["trial"]))
    run(conn, _SQL.keep_password, password=password)
    last = row(conn, _Last, _SQL.last_numbers, now=now)
    assert last is not None
    numbers = {
        name: to_rfc3339(value) if isinstance(value, datetime) else value
        for name, value in asdict(last).items()
    }
    put_fact(conn, _FACT, json.dumps(numbers, sort_keys=True))
    return Entered(entered, numbers)


def _enter(conn: Connection, name: str, content: Sequence[str]) -> Iterator[int]:
    some: list[str] = []
    for line in content:
        if some and (len(some) == _AT_ONCE or sum(map(len, some)) + len(line) > _LETTERS_AT_ONCE):
            yield int(scalar(conn, _SQL.enter_rows, table=name, content=_array(some)))
            some = []
        some.append(line)
    if some:
        yield int(scalar(conn, _SQL.enter_rows, table=name, content=_array(some)))


def _array(content: Sequence[str]) -> str:
    """Without another look at the numbers: a float would lose the last zeros of `1.10`."""
    return f"[{','.join(content)}]"


def was_moved(conn: Connection, evaluation_id: int) -> bool:
    """True if this evaluation was moved here, without its results."""
    return bool(scalar(conn, _SQL.was_moved, evaluation_id=evaluation_id))
