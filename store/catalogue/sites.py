"""Sites of hosts. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from insitu.model import (
    require_code,
)
from store.database import Connection, require_found, rows, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/sites"):
    add_site: str
    sites_of_trial: str
    sites_of_host: str
    possible_sites: str


@dataclass(frozen=True, slots=True)
class Site:
    site_id: int
    code: str
    name: str
    kind: str
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class HostSite(Site):
    """`devices`: how many stand there now."""

    host_id: int
    host: str
    host_name: str
    devices: int


def add_site(
    conn: Connection,
    *,
    code: str,
    host: str,
    name: str,
    kind: str = "",
    latitude: float | None = None,
    longitude: float | None = None,
) -> int:
    """A place of a host; degrees WGS84."""
    require_code(code, "site")
    number = scalar(
        conn,
        _SQL.add_site,
        code=code,
        host=host,
        name=name,
        kind=kind,
        latitude=latitude,
        longitude=longitude,
    )
    return require_found(number, f"There is no host {host!r}.")


def list_sites(conn: Connection, trial: str) -> list[Site]:
    return rows(conn, Site, _SQL.sites_of_trial, trial=trial)


def list_host_sites(
    conn: Connection, host_id: int | None, *, now: datetime, code: str | None = None
) -> list[HostSite]:
    """The sites of a host, or of all (None); `code`: only that one."""
    return rows(conn, HostSite, _SQL.sites_of_host, host_id=host_id, now=now, code=code)


def list_possible_sites(conn: Connection, trial: str) -> list[Site]:
    """Where a device of the trial may be deployed: sites of its host, and those where its devices are or
    were.
    """
    return rows(conn, Site, _SQL.possible_sites, trial=trial)
