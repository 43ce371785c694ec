"""Twins: the same messages, in the same batches, through the path of objects alone and with columns for plain
messages, leave the same rows in every table and tell the devices the same. So do refusals that are written at
once, and by single statements.

The path of objects with single statements is the oracle: it has rules of its own for every message and no
arrays, and no condition under which it writes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ingest import books
from ingest.at_once import AtOnce
from ingest.books import DatabaseBooks
from ingest.budget import Budget
from ingest.columns.plain import NO_PLAIN, Opened, Plain
from ingest.columns.reading import PlainReader
from ingest.outcome import Booked, Outcome
from insitu.model import Message
from insitu.times import to_us
from store import ledger, shards
from store.at_once import NothingSaved
from store.database import Connection, connect
from store.rejects import Quota, Refused
from tests.examples import examples
from tests.fix_catalogue import SmallTrial
from tests.fix_database import clone
from tests.ingest.mixed_messages import Fleet, change, enrol
from tests.ingest.test_sqlstates import Receiver

MESSAGES = 700
SEEDS = range(examples(quick=6, nightly=200))
QUOTAS = Quota(6000, 10**9), Quota(10**6, 10**9)
"""Little room for refusals, and much."""


class Standing:
    """A clock that shows the time at which it was set."""

    at_us = 0

    def now_us(self) -> int:
        return self.at_us


class NothingIsPlain(PlainReader):
    """Leaves every message to the path of objects."""

    def read(self, messages: Sequence[Message]) -> tuple[Plain, list[int]]:
        return NO_PLAIN, list(range(len(messages)))


class Counting(PlainReader):
    plain = others = ahead = 0

    def read(self, messages: Sequence[Message]) -> tuple[Plain, list[int]]:
        Counting.ahead += self._ahead is not None and self._ahead.messages is messages
        plain, others = super().read(messages)
        Counting.plain += len(plain)
        Counting.others += len(others)
        return plain, others


class Trying(AtOnce):
    """Tries every batch, and counts what becomes of the refusals."""

    whole = in_part = nothing = 0

    def save(self, *args: Any, **kwargs: Any) -> set[Refused] | None:
        self.skip = 0
        try:
            new = super().save(*args, **kwargs)
        except NothingSaved:
            Trying.nothing += 1
            self.skip = 0
            raise
        if new is None:
            Trying.whole += 1
        else:
            Trying.in_part += 1
        return new


class Never(AtOnce):
    def may_try(self, *_: Any) -> bool:
        return False


class Twin:
    """Books of one database; `new_reader` finds the plain messages, `at_once` may write refusals."""

    def __init__(self, url: str, new_reader: type[PlainReader], at_once: AtOnce) -> None:
        self.url = url
        self.conn = connect(url, application="tests")
        (shard,) = shards.layout(self.conn).shards
        self.conn.rollback()
        self.clock = Standing()
        self.books = DatabaseBooks(
            url,
            clock=cast("Any", self.clock),
            shard=shard,
            holder="holder",
            receiver=cast("Any", Receiver()),
            window=200,
            budget=Budget(10**9, 10**9),
            quota=at_once.quota,
            new_reader=new_reader,
        )
        self.books.at_once = at_once

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables, except columns that have the wall clock's time or a transaction's number by
        default.
        """
        columns = self.conn.execute(
            "SELECT c.table_name, array_agg(c.column_name::text ORDER BY c.ordinal_position)"
            " FROM information_schema.columns c"
            " JOIN information_schema.tables t USING (table_schema, table_name)"
            " WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
            " AND coalesce(c.column_default, '') NOT IN ('clock_timestamp()', 'pg_current_xact_id()')"
            " GROUP BY 1"
        ).fetchall()
        found = {}
        for table, names in columns:
            statement = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
                sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names),
                sql.Identifier(table),
                sql.SQL(", ").join(sql.Literal(n + 1) for n in range(len(names))),
            )
            found[table] = self.conn.execute(statement.as_string(self.conn).encode()).fetchall()
        self.conn.rollback()
        return found

    def close(self) -> None:
        self.books.close()
        self.conn.close()


def told(outcome: Outcome) -> tuple[object, ...]:
    """All that devices hear of a batch, and its sums."""
    refusals = [(reject, seq) for reject, seq in outcome.refusals]
    return outcome.receipts, refusals, outcome.rebirths, outcome.stored, outcome.refused


def _same(messages: list[Message]) -> list[Message]:
    return messages


@contextmanager
def twins(url: str, server: str, quota: Quota) -> Iterator[tuple[Twin, Twin]]:
    """(objects and single statements alone, with columns and refusals at once)"""
    with clone(server, str(conninfo_to_dict(url)["dbname"])) as other:
        pair = Twin(url, NothingIsPlain, Never(quota)), Twin(other, Counting, Trying(quota))
        try:
            yield pair
        finally:
            for twin in pair:
                twin.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_columns_leave_the_rows_that_objects_leave(
    seed: int,
    conn: Connection,
    catalogue: SmallTrial,
    database_url: str,
    database_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrol(conn)
    shards.ensure_shards(conn)
    shards.keep_leases(conn, "holder", "test")
    conn.execute("UPDATE shard SET lease_until = 'infinity'")
    conn.commit()
    conn.close()
    fleet, acts = Fleet(seed), random.Random(seed)
    monkeypatch.setattr(Counting, "plain", 0)
    monkeypatch.setattr(Counting, "others", 0)
    monkeypatch.setattr(Counting, "ahead", 0)
    for name in ("whole", "in_part", "nothing"):
        monkeypatch.setattr(Trying, name, 0)
    monkeypatch.setattr(books, "READ_AHEAD", 9)
    opened: list[int] = []
    open_as_object = Opened.open

    def open_(self: Opened, number: int) -> Booked:
        opened.append(number)
        return open_as_object(self, number)

    monkeypatch.setattr(Opened, "open", open_)
    with twins(database_url, database_server, QUOTAS[seed % 2]) as pair:
        batches = [(batch, fleet.now) for batch in fleet.batches(MESSAGES)]
        for number, (batch, now) in enumerate(batches):
            if acts.random() < 0.15:
                state = acts.getstate()
                for twin in pair:
                    acts.setstate(state)
                    change(twin.conn, acts, now)
                    twin.conn.commit()
            for twin in pair:
                twin.clock.at_us = to_us(now)
            later = batches[number + 1][0] if number + 1 < len(batches) else []
            for _ in range(2 if acts.random() < 0.1 else 1):  # the answer to a COMMIT may be lost
                objects = told(pair[0].books.commit(batch))
                columns = told(pair[1].books.commit(batch, ahead=partial(_same, later)))
                assert columns == objects
        objects_left, columns_left = (twin.rows() for twin in pair)
        for table, rows in objects_left.items():
            assert columns_left[table] == rows, table
        assert ledger.recount(pair[1].conn) == []
    assert Counting.plain > MESSAGES / 6
    assert Counting.others > MESSAGES / 10
    assert len(opened) > 5
    assert Counting.ahead > 1
    assert Trying.whole + Trying.in_part > 1
    assert Trying.nothing > 1
