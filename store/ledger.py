"""The ledger: the outcome of every message and result, by trial, device and hour. The caller owns the
transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

import numpy as np

from store.binary import Int8s, Texts, Times
from store.database import Connection, rows, run
from store.queries import Queries


class _SQL(Queries, file="ledger"):
    add_ledger: str
    add_reasons: str
    recount_stored: str
    recount_rejects: str
    totals: str
    reject_counts: str


@dataclass(slots=True)
class Entry:
    """Counts of one (trial, device, hour); the migration's constraints show how they add up."""

    received: int = 0
    accepted: int = 0
    partly: int = 0
    rejected: int = 0
    repeated: int = 0
    contained: int = 0
    stored: int = 0
    duplicate: int = 0
    conflicting: int = 0
    refused: int = 0
    ignored: int = 0


_COUNTERS = tuple(Entry.__dataclass_fields__)
_counters = attrgetter(*_COUNTERS)


@dataclass(frozen=True, slots=True)
class Key:
    trial: str
    device: str
    hour_us: int
    reject_id: int = 0
    """0 for live traffic, else the reject that was replayed."""


@dataclass(slots=True)
class Ledger:
    """Counts that one transaction adds."""

    entries: dict[Key, Entry] = field(default_factory=dict)
    reasons: dict[tuple[Key, str, str], list[int]] = field(default_factory=dict)
    """(key, 'refused' or 'ignored', reason) → [messages, results]."""

    def entry(self, key: Key) -> Entry:
        found = self.entries.get(key)
        if found is None:
            found = self.entries[key] = Entry()
        return found

    def reason(self, key: Key, outcome: str, reason: str, results: int) -> None:
        counts = self.reasons.setdefault((key, outcome, reason), [0, 0])
        counts[0] += 1
        counts[1] += results


@dataclass(frozen=True, slots=True)
class Difference:
    trial: str
    device: str
    what: str
    counted: int
    present: int

    def __str__(self) -> str:
        return (
            f"{self.trial}/{self.device}: the ledger counts {self.counted} {self.what}, there are "
            f"{self.present}"
        )


@dataclass(frozen=True, slots=True)
class Totals:
    trial: str
    device: str
    received: int
    accepted: int
    partly: int
    rejected: int
    repeated: int
    contained: int
    stored: int
    duplicate: int
    conflicting: int
    refused: int
    ignored: int


@dataclass(frozen=True, slots=True)
class HourTotals(Totals):
    hour: datetime
    """Start of the hour of first receipt."""


@dataclass(frozen=True, slots=True)
class ReasonSum:
    trial: str
    reason: str
    messages: int
    results: int


@dataclass(frozen=True, slots=True)
class RejectCount:
    device: str
    reason: str
    messages: int
    results: int
    last_at: datetime


def clean(text: str) -> str:
    """`text` without the characters that PostgreSQL cannot store: NUL and lone surrogates."""
    if text.isascii() and "\x00" not in text:  # nearly always
        return text[:2000]
    return text.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()[:2000]


def add_ledger(conn: Connection, ledger: Ledger) -> None:
    if ledger.entries:
        run(conn, _SQL.add_ledger, **entry_columns(ledger))
    if ledger.reasons:
        run(conn, _SQL.add_reasons, **reason_columns(ledger))


def entry_columns(ledger: Ledger) -> dict[str, Any]:
    """Keys and counters of its entries."""
    counts = np.array([_counters(entry) for entry in ledger.entries.values()], np.int64)
    counters = counts.reshape(-1, len(_COUNTERS)).T
    return {
        **_key_columns(ledger.entries),
        **{name: Int8s(column) for name, column in zip(_COUNTERS, counters, strict=True)},
    }


def reason_columns(ledger: Ledger) -> dict[str, Any]:
    """Keys, reasons and sums."""
    sums = np.array(list(ledger.reasons.values()), np.int64).reshape(-1, 2)
    return {
        **_key_columns(key for key, _, _ in ledger.reasons),
        "outcomes": Texts([outcome for _, outcome, _ in ledger.reasons]),
        "reasons": Texts([reason for _, _, reason in ledger.reasons]),
        "messages": Int8s(sums[:, 0]),
        "results": Int8s(sums[:, 1]),
    }


def _key_columns(keys: Iterable[Key]) -> dict[str, Any]:
    listed = list(keys)
    return {
        "trials": Texts([clean(key.trial) for key in listed]),
        "devices": Texts([clean(key.device) for key in listed]),
        "hours": Times(np.array([key.hour_us for key in listed], np.int64)),
        "reject_ids": Int8s(np.array([key.reject_id for key in listed], np.int64)),
    }


def recount(conn: Connection) -> list[Difference]:
    """Differences between ledger and rows; none in a healthy installation."""
    return rows(conn, Difference, _SQL.recount_stored) + rows(conn, Difference, _SQL.recount_rejects)


def totals(conn: Connection, trials: Sequence[str] | None) -> list[Totals]:
    """The ledger by device; None: of all trials."""
    return rows(conn, Totals, _SQL.totals, trials=None if trials is None else list(trials))


def reject_counts(conn: Connection, trial: str, before: datetime) -> list[RejectCount]:
    return rows(conn, RejectCount, _SQL.reject_counts, trial=trial, before=before)
