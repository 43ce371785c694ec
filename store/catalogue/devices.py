"""Devices. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from insitu.errors import CorrectInput, NotFound
from insitu.model import (
    require_code,
)
from insitu.wire import PROBE
from store.database import Connection, require_found, row, run, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/devices"):
    add_device: str
    find_device: str
    retire_device: str


@dataclass(frozen=True, slots=True)
class Device:
    device_id: int
    trial_id: int
    trial: str
    code: str
    name: str
    model: str
    serial: str
    created_at: datetime
    retired_at: datetime | None


def add_device(
    conn: Connection,
    *,
    trial: str,
    code: str,
    now: datetime,
    name: str = "",
    model: str = "",
    serial: str = "",
) -> int:
    require_code(code, "device")
    if code == PROBE:
        raise CorrectInput(
            f"A device cannot be called {code!r}: the service uses that name to prove that messages arrive."
        )
    number = scalar(
        conn, _SQL.add_device, trial=trial, code=code, name=name, model=model, serial=serial, now=now
    )
    return require_found(number, f"There is no trial {trial!r}.")


def find_device(conn: Connection, trial: str, device: str) -> Device:
    found = row(conn, Device, _SQL.find_device, trial=trial, device=device)
    if found is None:
        raise NotFound(f"{trial!r} has no device {device!r}.")
    return found


def retire_device(conn: Connection, *, device_id: int, at: datetime) -> None:
    """Refuse its messages from `at`. Idempotent: the first call counts."""
    run(conn, _SQL.retire_device, device_id=device_id, at=at)
