"""Words for systemd, where it started us: ready, what is going on, and that we still live."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(**fields: str) -> None:
    """Send `FIELD=text` lines to $NOTIFY_SOCKET; nothing where there is none, or nobody reads it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    text = "\n".join(f"{name}={words.splitlines()[0] if words else ''}" for name, words in fields.items())
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
        link.settimeout(0.2)
        link.sendto(text.encode(), address)
