"""Ports that are picked for servers."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from insitu.embedded.ports import SERVERS, free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_no_outgoing_connection_can_take_a_port_that_was_picked(host: str) -> None:
    """Otherwise a device that keeps trying while its broker is away connects with itself."""
    picked = {free_port(host) for _ in range(40)}
    assert picked <= set(SERVERS)
    found = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if found.exists():  # Linux
        first, last = map(int, found.read_text("ascii").split())
        assert not [port for port in picked if first <= port <= last]


def test_a_port_that_somebody_listens_on_is_not_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held, socket.socket() as probe:
        held.bind(("127.0.0.1", 0))
        probe.bind(("127.0.0.1", 0))
        taken, free = held.getsockname()[1], probe.getsockname()[1]
        probe.close()
        choices = iter([taken, taken, free])
        monkeypatch.setattr("insitu.embedded.ports.secrets.choice", lambda _: next(choices))
        assert free_port("127.0.0.1") == free


def test_no_port_is_picked_twice_before_its_server_listens() -> None:
    """A broker is given three; one in five thousand starts failed with two that were the same."""
    picked = [free_port("127.0.0.1") for _ in range(600)]
    assert len(set(picked)) == 600
