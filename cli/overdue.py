"""A question of `check`: has anything stayed longer than it may?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cli.policy import CannotAsk, LookAt
from store.retention import messages_due, results_due

if TYPE_CHECKING:
    from insitu.clock import Clock
    from store.database import Connection

LATE: Final = timedelta(days=2)
"""The night erases what is due; one missed night is made up at the next start."""


def describe_overdue(conn: Connection, clock: Clock) -> str:
    """Raises LookAt with the trials whose data should have gone two days ago, CannotAsk in a simulated time,
    in which nothing is erased.
    """
    if clock.is_simulated:
        raise CannotAsk("the time is simulated, so nothing is erased.")
    before = clock.now() - LATE
    lines = []
    if results := results_due(conn, before):
        lines.append(f"results of {', '.join(results)}")
    if messages := [trial for trial, _ in messages_due(conn, before)]:
        lines.append(f"refused messages of {', '.join(messages)}")
    if lines:
        raise LookAt(
            f"{' and '.join(lines)} have stayed longer than they may: is `insitu work` (or `up`) running at "
            "night? `insitu erase` erases them now."
        )
    return "nothing has stayed longer than it may"
