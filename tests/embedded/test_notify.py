from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from insitu.embedded.notify import notify, watchdog_interval_s


@pytest.fixture(params=["path", "abstract"])
def systemd(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The socket on which systemd listens."""
    name = str(tmp_path / "n") if request.param == "path" else f"@insitu-{uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listener


def test_systemd_hears_each_field_on_a_line_of_its_own(systemd: socket.socket) -> None:
    assert notify(READY=1, STATUS="the disk\nis full\nREADY=0")
    assert systemd.recv(4096).decode() == "READY=1\nSTATUS=the disk is full READY=0"


def test_a_systemd_that_does_not_read_stops_nobody(systemd: socket.socket) -> None:
    sent = 0
    while notify(STATUS="x" * 1000):
        sent += 1
        assert sent < 100_000
    assert sent > 0


def test_without_systemd_there_is_nobody_to_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify(READY=1)
    for nobody in (str(tmp_path / "none"), "relative", "@" + "x" * 500):
        monkeypatch.setenv("NOTIFY_SOCKET", nobody)
        assert not notify(READY=1)


@pytest.mark.parametrize(
    ("microseconds", "pid", "interval"),
    [
        ("30000000", "", 15.0),
        ("30000000", "self", 15.0),
        ("30000000", "1", None),
        ("0", "", None),
        ("soon", "", None),
        ("", "", None),
    ],
)
def test_the_watchdog_is_told_twice_in_its_time(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, pid: str, interval: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "self" else pid)
    assert watchdog_interval_s() == interval
