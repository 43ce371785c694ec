"""Statuses and messages of one device, for its health. Checks no rights: ask only for a device that the
reader may see.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from store.database import Connection, rows
from store.queries import Queries


class _SQL(Queries, file="read/health"):
    said: str
    fared: str


@dataclass(frozen=True, slots=True)
class Said:
    """Columns of what a device said in its statuses, oldest first.

    `level_percent`: medians of six hours. `before_…` and `after_…`: two statuses in a row, between which it
    seems to have started again; uptimes in s. `firmware_since` is None for the first firmware.
    """

    level_at: list[datetime]
    level_percent: list[float]
    before_at: list[datetime]
    before_uptime_s: list[float]
    after_at: list[datetime]
    after_uptime_s: list[float]
    firmware: list[str]
    firmware_since: list[datetime | None]


@dataclass(frozen=True, slots=True)
class Fared:
    """Messages by their outcome, altogether and lately; `partly`: some of their results were refused."""

    received: int
    accepted: int
    partly: int
    rejected: int
    repeated: int
    lately_received: int
    lately_partly: int
    lately_rejected: int
    lately_repeated: int


def read_said(conn: Connection, device_id: int, start: datetime, now: datetime) -> Said:
    (found,) = rows(conn, Said, _SQL.said, device_id=device_id, start=start, now=now)
    return found


def read_fared(conn: Connection, trial: str, device: str, start: datetime) -> Fared:
    """`start`: since when is lately."""
    (found,) = rows(conn, Fared, _SQL.fared, trial=trial, device=device, start=start)
    return found
