"""The ledger by device and by hour, limited to what a viewer may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.database import Connection, row, rows
from store.ledger import HourTotals, Totals
from store.queries import Queries
from store.read.fleet import Scope


class _SQL(Queries, file="read/ledger_lines"):
    ledger: str
    ledger_stored: str
    ledger_sums: str
    ledger_hours: str


@dataclass(frozen=True, slots=True)
class Sums:
    """`stored`: results; `refused`: messages, whole or in part."""

    stored: int
    refused: int


@dataclass(frozen=True, slots=True)
class _Stored:
    trial: str
    device: str
    stored: int


def count_stored(conn: Connection, devices: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Results of live traffic that were stored, by (trial, device); without those that have none."""
    trials, names = sorted({trial for trial, _ in devices}), [f"{trial}/{code}" for trial, code in devices]
    found = rows(conn, _Stored, _SQL.ledger_stored, trials=trials, devices=names)
    return {(one.trial, one.device): one.stored for one in found}


def sum_ledger(conn: Connection, within: Scope) -> Sums:
    """Of live traffic, over all devices."""
    found = row(conn, Sums, _SQL.ledger_sums, trials=within.trials, devices=within.devices)
    assert found is not None
    return found


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
