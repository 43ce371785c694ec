"""The gate to the driver: connections, cursors and a pool that raise Insitu's errors instead of psycopg's.

All traffic with a server goes through the methods named here, so callers do not depend on the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, TypeVar

import psycopg
from psycopg_pool import ConnectionPool

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
)
from store.binary import register_columns
from store.constraints import sentence_of

_MOMENTARY: Final = ("08", "25006", "25P03", "25P04", "40", "53", "55006", "55P03", "57", "58")
"""SQLSTATEs, or their first two characters, of transient errors: connection, read-only standby, conflict,
resources, locks, shutdown.
"""
_OF_STATEMENT: Final = ("40", "53200", "55", "57014")
"""Those of them that one statement meets while others run: conflict, memory, locks, too long."""
_LIMIT: Final = "53400"
"""A limit that is set at the server. Trying again would meet it again."""
_OTHER_SCHEMA: Final = ("3F000", "42P01", "42703", "42704", "42883")
"""A schema, table, column, type or function is missing."""
_CHANGED_UNDER_US: Final = "cached plan must not change result type"
"""A migration ran while this connection was open. A new connection does not have the old plan."""

Class = TypeVar("Class", bound=type)


@contextmanager
def _translated() -> Iterator[None]:
    """Raises driver errors as ours."""
    try:
        yield
    except psycopg.Error as error:
        raise insitu_error(error) from error


def insitu_error(error: psycopg.Error) -> InsituError:
    """The error named after the caller's next step: wrong row, transient fault, full disk, wrong schema, or
    our bug.
    """
    text = (str(error).strip().splitlines() or [repr(error)])[0]
    match error:
        case psycopg.errors.DiskFull():
            return FreeSpace(f"The database's disk is full: {error}")
        case psycopg.errors.UniqueViolation():
            return AlreadyExists(_sentence(error) or text)
        case psycopg.errors.ExclusionViolation():
            return CorrectInput(_sentence(error) or text)
        case psycopg.errors.RestrictViolation():
            return ProtocolLocked(f"It cannot be changed: {error.diag.message_primary}.")
        case psycopg.DataError() | psycopg.IntegrityError() | psycopg.errors.ProgramLimitExceeded():
            return RowRefused(_sentence(error) or text)
    return _by_state(error, text)


def _sentence(error: psycopg.Error) -> str | None:
    """A sentence without the names of the schema; None if no constraint refused the row."""
    diag = error.diag
    return sentence_of(
        state=error.sqlstate or "",
        constraint=diag.constraint_name,
        table=diag.table_name,
        column=diag.column_name,
        detail=diag.message_detail,
    )


def _by_state(error: psycopg.Error, text: str) -> InsituError:
    state = error.sqlstate or ""
    if state == _LIMIT:
        return RaiseLimit(
            f"A limit of the database server stops this ({text}): raise it, or do less at once."
        )
    if state.startswith(_MOMENTARY) or _CHANGED_UNDER_US in text:
        kind = TrySmaller if state.startswith(_OF_STATEMENT) else RetryLater
        return kind(f"The database does not answer: {text}")
    if state == "42501":
        return FixPermissions(
            f"The database does not let this account do that: {text}. An administrator runs `insitu migrate` "
            "with the account that owns the tables; it gives the others their rights."
        )
    if state in _OTHER_SCHEMA:
        return RunMigrate(
            f"The schema of the database is not what this version expects ({text}): run `insitu migrate`, "
            "or restore a backup."
        )
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not state:
        return RetryLater(
            f"The database does not answer: {text}"
        )  # raised by the driver itself: connection lost, closed or refused
    return ReportDefect(
        f"The database refuses a statement of Insitu ({state or type(error).__name__}: {text}). Please "
        "report it."
    )


def _call(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except psycopg.Error as error:
            raise insitu_error(error) from error

    return call


def _context(method: Callable[..., Any]) -> Callable[..., Any]:
    @contextmanager
    @wraps(method)
    def context(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with _translated(), method(*args, **kwargs) as value:
            yield value

    return context


def _rows(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def rows(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with _translated():
            yield from method(*args, **kwargs)

    return rows


def _guarded(
    *, calls: tuple[str, ...], contexts: tuple[str, ...] = (), rows: tuple[str, ...] = ()
) -> Callable[[Class], Class]:
    """Wrap these methods with the translation; they keep psycopg's types."""

    def guard(cls: Class) -> Class:
        for names, wrapper in ((calls, _call), (contexts, _context), (rows, _rows)):
            for name in names:
                setattr(cls, name, wrapper(getattr(cls, name)))
        return cls

    return guard


@_guarded(
    calls=(
        "execute",
        "executemany",
        "fetchone",
        "fetchmany",
        "fetchall",
        "nextset",
        "scroll",
        "set_result",
        "close",
        "__next__",
    ),
    contexts=("copy",),
    rows=("stream", "results"),
)
class Cursor(psycopg.Cursor[Any]):
    """A cursor that raises no driver errors."""


@_guarded(
    calls=(
        "execute",
        "commit",
        "rollback",
        "cursor",
        "close",
        "cancel",
        "cancel_safe",
        "fileno",
        "set_autocommit",
        "set_deferrable",
        "set_isolation_level",
        "set_read_only",
        "tpc_begin",
        "tpc_prepare",
        "tpc_commit",
        "tpc_rollback",
        "tpc_recover",
        "__exit__",
    ),
    contexts=("transaction", "pipeline"),
    rows=("notifies",),
)
class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that raises no driver errors. It has no named cursors, because nobody needs them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursor_factory = Cursor
        register_columns(self)

    def server_version(self) -> int:
        """Version in PostgreSQL's notation: 180001 is 18.1."""
        with _translated():
            return self.info.server_version


@_guarded(calls=("getconn", "putconn", "wait", "open", "check", "drain", "resize"))
class Pool(ConnectionPool[Connection]):
    """A pool of such connections; raises RetryLater if none is free in time."""
