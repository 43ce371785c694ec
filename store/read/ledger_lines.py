"""The ledger by device and by hour, limited to what a viewer may see."""

from __future__ import annotations

from datetime import datetime

from store.database import Connection, rows
from store.ledger import HourTotals, Totals
from store.queries import Queries
from store.read.fleet import Scope


class _SQL(Queries, file="read/ledger_lines"):
    ledger: str
    ledger_hours: str


def list_ledger(
    conn: Connection, within: Scope, *, replay: bool = False, device: str | None = None
) -> list[Totals]:
    """Sums by device of live traffic, or (`replay`) of replayed rejects."""
    return rows(
        conn,
        Totals,
        _SQL.ledger,
        trials=within.trials,
        devices=within.devices,
        replay=replay,
        device=device,
    )


def list_ledger_hours(
    conn: Connection,
    within: Scope,
    *,
    replay: bool = False,
    device: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    skip: int = 0,
    most: int,
) -> list[HourTotals]:
    """Sums by device and hour of first receipt in `[start, end)`, newest first."""
    return rows(
        conn,
        HourTotals,
        _SQL.ledger_hours,
        trials=within.trials,
        devices=within.devices,
        replay=replay,
        device=device,
        start=start,
        end=end,
        skip=skip,
        most=most,
    )
