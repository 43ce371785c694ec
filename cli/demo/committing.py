"""A step of the demo with its commit. It is tried again if a server goes away."""

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
    """Returns the result of `work` once it is committed. Each attempt has its own connection and transaction.

    `look_after` is called after each failed attempt, and waits a little. A commit may be kept although its
    answer was lost: `is_done` looks for it before the next attempt. Without it the work may be repeated.
    Raises RetryLater after `patience_s`.
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
