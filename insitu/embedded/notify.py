"""A word to systemd: sd_notify over $NOTIFY_SOCKET, without a library."""

from __future__ import annotations

import os
import socket


def notify(**fields: str | int) -> bool:
    """Send `READY=1`, `STATUS=…`, `WATCHDOG=1`, `STOPPING=1` and such; False if systemd asked for nothing or
    does not listen.

    Never waits and never raises: a supervisor must not stop because systemd does not read. Newlines in a text
    become spaces.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or address[0] not in "/@":
        return False
    if address[0] == "@":
        address = "\0" + address[1:]
    text = "\n".join(f"{name}={' '.join(str(value).splitlines())}" for name, value in fields.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            link.setblocking(False)
            link.sendto(text.encode("utf-8", "replace"), address)
    except OSError:
        return False
    return True


def watchdog_interval_s() -> float | None:
    """Seconds between two WATCHDOG=1, half of WatchdogSec; None if systemd expects none from this process."""
    microseconds, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 2e6
