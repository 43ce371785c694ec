"""Refusals of a batch by one statement: what is in the way, and what it costs. In test_twins.py it leaves the
rows of single statements.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from ingest import at_once
from ingest.at_once import PAUSE, AtOnce
from ingest.booking import book
from ingest.deliveries import Turn
from ingest.reading import prepare
from insitu.clock import SYSTEM
from insitu.errors import RetryLater
from insitu.model import Message
from insitu.times import to_datetime
from store import ledger
from store.catalogue.snapshot import load_snapshot
from store.database import Connection, connect
from store.read.refused import list_rejects
from store.rejects import ROW_BYTES, Quota
from store.retention import set_retention
from store.sequences import KnownRanges, lock_sequences
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_batch import T0, message, result, sums

UNREADABLE = b'{"note": "by the door", "results'


def ingest(
    conn: Connection,
    messages: list[Message],
    way: AtOnce,
    turn: int = 0,
    known: KnownRanges | None = None,
) -> None:
    items = prepare(messages, load_snapshot(conn))
    book(
        conn,
        items,
        client_id="session",
        now_us=T0,
        quota=way.quota,
        at_once=way,
        turn=Turn(turn, 1000),
        known=known,
    )
    conn.commit()


def unreadable(n: int) -> Message:
    return message(UNREADABLE, mid=n, at=T0 + n)


def kept_bytes(conn: Connection) -> list[int]:
    return [kept for (kept,) in conn.execute("SELECT bytes FROM reject_kept")]


def test_beside_new_refusals_one_that_is_known_is_a_repeat(conn: Connection, catalogue: SmallTrial) -> None:
    way, in_part = AtOnce(Quota()), message({"time": (T0 - 1000) / 1e6, "results": {"nox": 1.0}})
    ingest(conn, [in_part, unreadable(1)], way, 1)
    ingest(conn, [in_part, unreadable(2)], way, 2)
    line = sums(conn)
    assert (line.received, line.rejected, line.repeated) == (4, 3, 1)
    assert kept_bytes(conn) == [len(in_part.payload) + 2 * len(UNREADABLE) + 3 * ROW_BYTES]
    ingest(conn, [message({"time": T0 / 1e6, "results": {"nox": 1.0}})], way, 3)
    assert way.skip == 0, "nothing was in the way"
    assert ledger.recount(conn) == []


def test_a_batch_whose_answer_was_lost_is_written_once(conn: Connection, catalogue: SmallTrial) -> None:
    way = AtOnce(Quota())
    for turn in (2, 4):
        ingest(conn, [unreadable(1), unreadable(2)], way, turn)
    line = sums(conn)
    assert (line.received, line.rejected, line.repeated) == (4, 2, 2)
    assert kept_bytes(conn) == [2 * (len(UNREADABLE) + ROW_BYTES)]
    assert ledger.recount(conn) == []


def test_wherever_the_server_ends_the_connection_the_batch_is_there_once(
    conn: Connection, catalogue: SmallTrial, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each statement, and before and after the commit. The ranges that were remembered outlive it."""
    way, known, left = AtOnce(Quota()), KnownRanges(), -1
    execute = Connection.execute

    def ended(self: Connection, *arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= self is not conn
        if left == 0:
            execute(conn, "SELECT pg_terminate_backend(%s, 5000)", (self.info.backend_pid,))
        return execute(self, *arguments, **named)

    monkeypatch.setattr(Connection, "execute", ended)
    for before in count(1):
        seqs = (2 * before, 2 * before + 3)  # leaves holes, and fills earlier ones
        batch = [message(result(before, boot="k", seq=seq)) for seq in seqs]
        batch += [unreadable(1000 * before + n) for n in range(3)]
        left = before
        with suppress(RetryLater), connect(database_url, application="tests") as first:
            ingest(first, batch, way, 5 * before, known)
        was_ended, left = left <= 0, -1
        with connect(database_url, application="tests") as second:
            ingest(second, batch, way, 5 * before, known)
            found = lock_sequences(second, [(catalogue.devices["a"], "k")], to_datetime(T0))
        assert found == {(catalogue.devices["a"], "k"): ranges_of(range(1, before + 1))}
        line = sums(conn)
        conn.rollback()
        assert (line.stored, line.rejected) == (before, 3 * before)
        assert ledger.recount(conn) == []
        conn.rollback()
        if not was_ended:
            assert before > 8, "the walk went through all of it"
            return


def ranges_of(batches: range) -> list[tuple[int, int]]:
    accounted: list[tuple[int, int]] = []
    for seq in sorted({seq for n in batches for seq in (2 * n, 2 * n + 3)}):
        if accounted and accounted[-1][1] == seq:
            accounted[-1] = accounted[-1][0], seq + 1
        else:
            accounted.append((seq, seq + 1))
    return accounted


def test_texts_stay_where_the_trial_lets_them(conn: Connection, catalogue: SmallTrial) -> None:
    way = AtOnce(Quota())
    ingest(conn, [unreadable(1)], way, 1)
    set_retention(conn, "t", {"raw_fields": ["note"], "raw_days": 3}, login="lab", now=SYSTEM.now())
    ingest(conn, [unreadable(2)], way, 2)
    assert [b"door" in one.payload for one in list_rejects(conn, None)] == [True, False]
    assert ledger.recount(conn) == []


def test_after_something_was_in_the_way_it_is_tried_again_later(
    conn: Connection, catalogue: SmallTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_once, "PAUSE", 3)
    assert PAUSE > 3
    way = AtOnce(Quota(per_hour=0))
    skipped = []
    for turn in range(8):
        ingest(conn, [unreadable(turn)], way, turn)
        skipped.append(way.skip)
    assert skipped == [3, 2, 1, 3, 2, 1, 3, 2]
    assert ledger.recount(conn) == []


def test_a_batch_with_refusals_takes_as_many_statements_as_a_clean_one(
    conn: Connection, catalogue: SmallTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    way, counts = AtOnce(Quota()), []
    execute = Connection.execute

    def counted(self: Connection, *arguments: Any, **named: Any) -> Any:
        counts[-1] += 1
        return execute(self, *arguments, **named)

    monkeypatch.setattr(Connection, "execute", counted)
    for turn, dirt in enumerate([0, 0, 1, 50]):
        counts.append(0)
        clean = message(result(10 - turn, boot="k", seq=turn))
        ingest(conn, [clean, *(unreadable(100 * turn + n) for n in range(1, dirt + 1))], way, turn)
    assert counts[1] == counts[2] == counts[3]
    assert sums(conn).rejected == 51
