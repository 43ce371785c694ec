"""Remarks about devices: what Insitu noticed in their messages and worked around. The caller owns the
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from insitu.model import Remark, RemarkCode
from insitu.times import to_datetime
from store.database import Connection, rows, run
from store.ledger import clean
from store.queries import Queries


class _SQL(Queries, file="remarks"):
    save_remarks: str
    list_remarks: str


@dataclass(frozen=True, slots=True)
class DeviceRemark:
    device_id: int
    code: RemarkCode
    subject: str
    amount: float | None
    messages: int
    first_at: datetime
    last_at: datetime


Noted = Mapping[tuple[int, RemarkCode, str], tuple[float | None, int, int]]
"""(device, code, subject) → (amount of the last message, messages, last receipt in µs)."""


def save_remarks(conn: Connection, noted: Noted) -> None:
    """Count them; a device has at most 20 subjects of one code."""
    if noted:
        run(
            conn,
            _SQL.save_remarks,
            device_ids=[device_id for device_id, _, _ in noted],
            codes=[str(code) for _, code, _ in noted],
            subjects=[clean(subject)[:64] for _, _, subject in noted],
            amounts=[amount for amount, _, _ in noted.values()],
            messages=[messages for _, messages, _ in noted.values()],
            at=[to_datetime(us) for _, _, us in noted.values()],
        )


def list_remarks(conn: Connection, device_ids: Sequence[int], since: datetime) -> list[DeviceRemark]:
    """Remarks of these devices that a message after `since` made, newest first."""
    return rows(conn, DeviceRemark, _SQL.list_remarks, device_ids=list(device_ids), since=since)


def gather(remarks: Sequence[tuple[int, Remark, int]]) -> Noted:
    """From (device, remark, receipt in µs) of each message, in order."""
    found: dict[tuple[int, RemarkCode, str], tuple[float | None, int, int]] = {}
    for device_id, (code, subject, amount), received_us in remarks:
        key = device_id, code, subject[:64]
        _, count, latest = found.get(key, (None, 0, received_us))
        found[key] = amount, count + 1, max(latest, received_us)
    return found
