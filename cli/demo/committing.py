"""Runs a step of the demo and its commit, and retries if a server goes away meanwhile: the demo supervises
its own servers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Final, TypeVar

from insitu.errors import RetryLater
from store.database import Connection

Kind = TypeVar("Kind")
PATIENCE_S: Final = 120.0


def never(_: Connection) -> bool:
    """For work that may be repeated: nothing shows whether it was committed."""
    return False


def committed(
    work: Callable[[Connection], Kind],
    *,
    connect: Callable[[], Connection],
    look_after: Callable[[], None],
    is_done: Callable[[Connection], bool] = never,
    patience_s: float = PATIENCE_S,
) -> Kind:
    """Returns the result of `work` after its commit. Each attempt has its own connection and transaction. May
    raise RetryLater.

    Calls `look_after`, which waits a little, after each failed attempt. A commit may have succeeded although
    its answer was lost, so `is_done` checks for that before the next attempt. Without `is_done` the work may
    be repeated.
    """
    limit = time.monotonic() + patience_s
    unanswered: list[Kind] = []
    while True:
        try:
            with closing(connect()) as conn:
                if unanswered and is_done(conn):
                    return unanswered[-1]
                found = work(conn)
                unanswered.append(found)
                conn.commit()
                return found
        except RetryLater:
            if time.monotonic() > limit:
                raise
        look_after()
