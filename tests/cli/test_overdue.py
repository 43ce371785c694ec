"""`insitu check` names trials whose data should have gone two days ago."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cli.overdue import describe_overdue
from cli.policy import CannotAsk, LookAt
from insitu.clock import Clock
from jobs.life import erase_due
from store.database import Connection
from store.retention import set_retention
from tests.fix_catalogue import START
from tests.store.test_erasures import HOUR, NEVER, filled
from tests.store.test_seals import day

__all__ = ["filled"]


class Standing(Clock):
    """A clock of real use that stands."""

    def at(self, real: float) -> float:
        return self.start


def told(conn: Connection, days: float) -> str:
    return describe_overdue(conn, Standing(start=(START + timedelta(days=days)).timestamp()))


def test_data_that_stay_longer_than_they_may_are_named_until_they_are_erased(filled: Connection) -> None:
    filled.execute("UPDATE trial SET ends_at = %s", (START + 30 * HOUR,))
    set_retention(filled, "t", {"results_days": 10, "rejects_days": 3}, login="lab", now=START)
    assert told(filled, 4.9) == "nothing has stayed longer than it may"
    with pytest.raises(LookAt, match=r"^refused messages of t have stayed"):
        told(filled, 6)
    with pytest.raises(LookAt, match=r"^results of t and refused messages of t have stayed"):
        told(filled, 14)
    erase_due(filled, START + timedelta(days=14), NEVER)
    assert told(filled, 20) == "nothing has stayed longer than it may"


def test_in_a_simulated_time_nothing_is_due(filled: Connection) -> None:
    with pytest.raises(CannotAsk):
        describe_overdue(filled, day(4))
