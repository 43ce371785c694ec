"""No driver error leaves the gate, whatever the server does and whenever it goes away."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from insitu.errors import (
    AlreadyExists,
    CorrectInput,
    FixPermissions,
    FreeSpace,
    InsituError,
    ProtocolLocked,
    RaiseLimit,
    ReportDefect,
    RetryLater,
    RowRefused,
    RunMigrate,
    TrySmaller,
    UpgradePostgres,
)
from store.database import connect, open_pool, require_postgres, wait_for
from store.gate import Connection, Cursor
from tests.cutting import cut_everywhere, cutting

_SILENT = {
    "connect",
    "wait",
    "xid",
    "add_notice_handler",
    "add_notify_handler",
    "remove_notice_handler",
    "remove_notify_handler",
    "setinputsizes",
    "setoutputsize",
}
"""Methods that only set a value, or are reached only through `store.database.connect` or a guarded method."""


@pytest.mark.parametrize(("ours", "theirs"), [(Connection, psycopg.Connection), (Cursor, psycopg.Cursor)])
def test_every_method_of_the_driver_that_speaks_with_a_server_is_behind_the_gate(
    ours: type, theirs: type
) -> None:
    methods = {
        n for n in dir(theirs) if not n.startswith("_") and callable(getattr(theirs, n)) and n[0].islower()
    }
    open_ones = {name for name in methods if getattr(ours, name) is getattr(theirs, name)} - _SILENT
    assert not open_ones


_KINDS = [kind for kind in vars(psycopg.errors).values() if isinstance(kind, type)]
_STATES = sorted({kind.sqlstate for kind in _KINDS if isinstance(getattr(kind, "sqlstate", None), str)})


def _said(conn: Connection, state: str) -> InsituError:
    with pytest.raises(InsituError) as caught:
        conn.execute(
            f"DO $$ BEGIN RAISE EXCEPTION 'said by a test' USING ERRCODE = '{state}'; END $$".encode()
        )
    conn.rollback()
    assert isinstance(caught.value.__cause__, psycopg.Error)
    return caught.value


def test_whatever_the_server_says_is_one_of_our_errors(conn: Connection) -> None:
    errors = [state for state in _STATES if state[:2] not in ("00", "01", "02")]
    assert len(errors) > 200
    assert all(str(_said(conn, state)) for state in errors)


def test_an_error_says_what_to_do_next(conn: Connection) -> None:
    expected = {
        RetryLater: ("57P01", "53300", "08006", "25006", "58030"),
        TrySmaller: ("57014", "40P01", "55P03", "53200"),
        RaiseLimit: ("53400",),
        RunMigrate: ("42P01", "42703", "42883", "3F000"),
        ReportDefect: ("42601", "XX000", "25P02", "42P10", "55000", "0A000"),
        FreeSpace: ("53100",),
        AlreadyExists: ("23505",),
        CorrectInput: ("23P01",),
        ProtocolLocked: ("23001",),
        RowRefused: ("22003", "23503", "54000"),
        FixPermissions: ("42501",),
    }
    said = {
        kind: tuple(state for state in states if type(_said(conn, state)) is kind)
        for kind, states in expected.items()
    }
    assert said == expected


def _statement(conn: Connection) -> object:
    return conn.execute("SELECT 1").fetchall()


def _commit(conn: Connection) -> object:
    conn.execute("SELECT 1")
    return conn.commit()


def _rollback(conn: Connection) -> object:
    conn.execute("SELECT 1")
    return conn.rollback()


def _leave(conn: Connection) -> object:
    with conn:
        conn.execute("SELECT 1")
    return None


def _nest(conn: Connection) -> object:
    with conn.transaction(), conn.transaction():
        conn.execute("SELECT 1")
    return None


def _copy_in(conn: Connection) -> object:
    conn.execute("CREATE TEMP TABLE x (n int)")
    with conn.cursor().copy("COPY x FROM STDIN") as copy:
        for n in range(3):
            copy.write_row((n,))
    return None


def _copy_out(conn: Connection) -> object:
    with conn.cursor() as cursor, cursor.copy("COPY (SELECT generate_series(1, 10)) TO STDOUT") as copy:
        return sum(1 for _ in copy)


def _stream(conn: Connection) -> object:
    with conn.cursor() as cursor:
        return sum(1 for _ in cursor.stream("SELECT generate_series(1, 100)", size=10))


def _many(conn: Connection) -> object:
    conn.execute("CREATE TEMP TABLE x (n int)")
    with conn.cursor() as cursor:
        return cursor.executemany("INSERT INTO x VALUES (%s)", [(1,), (2,)])


def _autocommit(conn: Connection) -> object:
    conn.autocommit = True
    conn.execute("SELECT 1")
    conn.autocommit = False
    return None


def _notified(conn: Connection) -> object:
    conn.autocommit = True
    return wait_for(conn, "nobody", timeout_s=0)


@pytest.mark.parametrize(
    "action",
    [
        _statement,
        _commit,
        _rollback,
        _leave,
        _nest,
        _copy_in,
        _copy_out,
        _stream,
        _many,
        _autocommit,
        _notified,
    ],
    ids=lambda action: action.__name__.strip("_"),
)
def test_a_connection_that_is_cut_at_any_exchange_asks_to_retry(
    database_url: str, database_server: str, monkeypatch: pytest.MonkeyPatch, action: Any
) -> None:
    with cutting(database_server, monkeypatch) as cutter:

        def attempt() -> None:
            conn = connect(database_url, application="insitu tests")
            try:
                action(conn)
            finally:
                conn.close()
            with pytest.raises(RetryLater):
                conn.execute("SELECT 1")  # on a closed connection

        assert cut_everywhere(cutter, attempt) > 1


def test_a_pool_whose_server_is_gone_asks_to_retry(tmp_path: Any) -> None:
    pool = open_pool(f"postgresql://u@/d?host={tmp_path}", application="pool")
    with pytest.raises(RetryLater), pool.connection(timeout=0.2):
        pass
    pool.close()
    with pytest.raises(RetryLater), pool.connection(timeout=0.2):
        pass


def test_waiting_for_nothing_is_no_error(database_url: str) -> None:
    with connect(database_url, application="tests", autocommit=True) as conn:
        assert not wait_for(conn, "nobody", timeout_s=0.05)


@pytest.mark.parametrize(
    ("version", "ok"), [(150_020, False), (160_004, False), (170_000, True), (180_001, True)]
)
def test_a_server_older_than_17_is_refused_by_its_number(version: int, ok: bool) -> None:
    if ok:
        require_postgres(version)
        return
    with pytest.raises(UpgradePostgres, match=rf"PostgreSQL {version // 10_000}; Insitu needs 17 or 18"):
        require_postgres(version)


def test_a_url_that_is_none_is_explained_without_the_password() -> None:
    with pytest.raises(CorrectInput) as caught:
        connect("postgresql://u:hunter2@h:x/d?nonsense=1", application="tests")
    assert "hunter2" not in str(caught.value)
