"""Where devices are deployed, and when. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from insitu.errors import CorrectInput, NotFound
from store.database import Connection, require_found, row, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/deployments"):
    deploy: str
    open_deployment: str
    end_deployment: str
    deployments_of_trial: str
    correct_place: str


@dataclass(frozen=True, slots=True)
class Place:
    """Present place of a device, and since when."""

    site: str
    position: str
    start: datetime


@dataclass(frozen=True, slots=True)
class Deployment:
    """`[start, end)`; `end` is None while it lasts."""

    device_id: int
    device: str
    site: str
    position: str
    start: datetime
    end: datetime | None


def deploy(
    conn: Connection,
    *,
    device_id: int,
    site: str,
    position: str,
    start: datetime,
    end: datetime | None = None,
) -> int:
    """Deploy for `[start, end)`; raises CorrectInput if the device is deployed elsewhere during that time."""
    number = scalar(
        conn, _SQL.deploy, device_id=device_id, site=site, position=position, start=start, end=end
    )
    return require_found(number, f"There is no site {site!r}.")


def end_deployment(conn: Connection, *, device_id: int, at: datetime) -> None:
    if run(conn, _SQL.end_deployment, device_id=device_id, at=at) == 0:
        raise CorrectInput("That device has no open deployment that began before then.")


def correct_place(conn: Connection, *, device_id: int, start: datetime, site: str, position: str) -> None:
    """Correct where a device stood in the deployment that began at `start`."""
    if run(conn, _SQL.correct_place, device_id=device_id, start=start, site=site, position=position) != 1:
        raise NotFound(f"There is no site {site!r}.")


def swap_device(conn: Connection, *, old_device_id: int, new_device_id: int, at: datetime) -> None:
    """Replace the old device by the new one at the same position at `at`; the position's series continues."""
    place = row(conn, Place, _SQL.open_deployment, device_id=old_device_id)
    if place is None:
        raise CorrectInput("The device to be replaced is not deployed at the moment.")
    end_deployment(conn, device_id=old_device_id, at=at)
    deploy(conn, device_id=new_device_id, site=place.site, position=place.position, start=at)


def list_deployments(conn: Connection, trial: str) -> list[Deployment]:
    """In order of their start."""
    return rows(conn, Deployment, _SQL.deployments_of_trial, trial=trial)
