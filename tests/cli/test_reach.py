"""Addresses of an installation."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from cli.reach import Addresses, Reach, addresses
from insitu.errors import CorrectInput, FreePort
from insitu.settings import Settings

SERVERS: Any = None
"""The port of the pages needs neither."""


def test_the_pages_do_not_start_on_a_port_that_another_program_holds(tmp_path: Path) -> None:
    """Its answers would be taken for theirs."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()
        reach = Reach(Settings(), tmp_path, Addresses(("127.0.0.1", 1), taken, None), SERVERS, SERVERS)
        with pytest.raises(FreePort, match=str(taken[1])):
            next(reach.pages_port())
    next(reach.pages_port())


def test_pages_and_broker_need_a_port_each() -> None:
    both = Settings(mqtt_listen="127.0.0.1:8080", http_listen="127.0.0.1:8080")
    with pytest.raises(CorrectInput, match="give each a port"):
        addresses(both, None)
