"""Signs of life and statuses of devices. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from insitu.times import to_datetime
from store.binary import Float8s, Int4s, Times
from store.database import Connection, run
from store.ledger import clean
from store.queries import Queries


class _SQL(Queries, file="signs"):
    touch_devices: str
    save_statuses: str
    touch_status: str


@dataclass(frozen=True, slots=True)
class StatusLine:
    device_id: int
    at_us: int
    state: str | None
    battery: float | None
    rssi: float | None
    firmware: str | None
    uptime: float | None
    snr: float | None
    margin: float | None
    note: str | None
    received_us: int


class Heard(NamedTuple):
    """The messages of a device in a batch."""

    first_us: int
    """Receipt of the first one, and of the last one."""
    last_us: int
    back_us: int | None = None
    """Receipt of the first one after the last long silence among them."""
    offset_s: float | None = None
    """Largest device time − receipt; None if it sent no time."""


def touch_devices(conn: Connection, seen: Mapping[int, Heard]) -> None:
    """`seen`: device → its messages."""
    if seen:
        run(
            conn,
            _SQL.touch_devices,
            device_ids=Int4s(np.array(list(seen))),
            first=Times(np.array([one.first_us for one in seen.values()], np.int64)),
            seen=Times(np.array([one.last_us for one in seen.values()], np.int64)),
            back=_or_null(
                [None if one.back_us is None else to_datetime(one.back_us) for one in seen.values()]
            ),
            offsets=_numbers([one.offset_s for one in seen.values()]),
        )


def _or_null(times: list[datetime | None]) -> list[datetime | None] | None:
    """Nearly always nothing: `unnest` fills up with nulls."""
    return times if any(times) else None


def _numbers(values: list[float | None]) -> Float8s | list[float | None]:
    return values if None in values else Float8s(np.array(values, np.float64))


def save_statuses(conn: Connection, lines: Sequence[StatusLine]) -> None:
    if not lines:
        return
    run(
        conn,
        _SQL.save_statuses,
        **_status_columns(lines),
        received=[to_datetime(line.received_us) for line in lines],
        notes=[None if line.note is None else clean(line.note) for line in lines],
    )
    newest: dict[int, StatusLine] = {}
    for line in sorted(lines, key=lambda line: line.at_us):
        newest[line.device_id] = _newer(newest.get(line.device_id), line)
    run(conn, _SQL.touch_status, **_status_columns(list(newest.values())))


def _newer(before: StatusLine | None, line: StatusLine) -> StatusLine:
    """`line`, with missing values taken from `before`: a last will does not contain the battery."""
    if before is None:
        return line
    kept = {
        name: getattr(before, name)
        for name in ("state", "battery", "rssi", "firmware", "uptime", "snr", "margin")
        if getattr(line, name) is None
    }
    return replace(line, **kept)


def _status_columns(lines: Sequence[StatusLine]) -> dict[str, list[Any]]:
    return {
        "device_ids": [line.device_id for line in lines],
        "at": [to_datetime(line.at_us) for line in lines],
        "states": [line.state for line in lines],
        "batteries": [line.battery for line in lines],
        "rssis": [line.rssi for line in lines],
        "firmwares": [None if line.firmware is None else clean(line.firmware) for line in lines],
        "uptimes": [line.uptime for line in lines],
        "snrs": [line.snr for line in lines],
        "margins": [line.margin for line in lines],
    }
