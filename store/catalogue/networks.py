"""Network servers and the addresses of devices behind them. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from insitu.errors import NotFound
from insitu.model import (
    require_code,
)
from store.database import Connection, row, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/networks"):
    network_server: str
    addresses: str
    add_network_server: str
    add_address: str


@dataclass(frozen=True, slots=True)
class NetworkServer:
    network_server_id: int
    code: str
    kind: str


@dataclass(frozen=True, slots=True)
class Address:
    """The device of an address, and the network server that publishes for it."""

    address: str
    network_server: str
    trial: str
    device: str


def add_network_server(conn: Connection, *, code: str, kind: str, now: datetime) -> int:
    """A server that publishes for many devices; `kind` is the first part of its addresses."""
    require_code(code, "network server")
    return int(scalar(conn, _SQL.add_network_server, code=code, kind=kind, now=now))


def add_address(conn: Connection, *, network_server: str, address: str, device_id: int) -> None:
    """Make `address` at the network server an address of the device. Raises AlreadyExists if it is taken,
    NotFound if there is no such server.
    """
    if run(conn, _SQL.add_address, network_server=network_server, address=address, device_id=device_id) != 1:
        raise NotFound(f"There is no network server {network_server!r} for {address!r}.")


def get_network_server(conn: Connection, code: str) -> NetworkServer:
    found = row(conn, NetworkServer, _SQL.network_server, code=code)
    if found is None:
        raise NotFound(
            f"There is no network server {code!r}: enter it as [[network_server]] with `insitu register`."
        )
    return found


def list_addresses(conn: Connection, network_server: str) -> list[Address]:
    return rows(conn, Address, _SQL.addresses, network_server=network_server, address=None)


def find_address(conn: Connection, address: str) -> Address | None:
    return row(conn, Address, _SQL.addresses, network_server=None, address=address)
