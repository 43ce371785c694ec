"""Ports of this machine."""

from __future__ import annotations

import errno
import secrets
import socket
from collections import deque

from insitu.errors import CorrectInput, FreePort

SERVERS = range(15_000, 32_000)
"""Below the range of outgoing connections on Linux (from 32768) and macOS (from 49152)."""
ATTEMPTS = 100
_PICKED: deque[int] = deque(maxlen=1000)
"""The last ports that were picked. A server is given several before it listens on the first."""


def free_port(host: str) -> int:
    """A port that is free at this moment, below those that kernels give to outgoing connections.

    A port from among those would be lost as soon as its server is away: a device that keeps trying to connect
    is given it as its own, and is connected with itself. None of the last thousand is picked again.
    """
    for _ in range(ATTEMPTS):
        port = secrets.choice(SERVERS)
        if port in _PICKED:
            continue
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                _PICKED.append(port)
                return port
    raise FreePort(f"No free port was found on {host} between {SERVERS[0]} and {SERVERS[-1]}.")


def require_free_port(host: str, port: int) -> None:
    """Raises FreePort, naming the port, if somebody listens there; CorrectInput if the address is not
    ours.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise FreePort(
                f"Port {port} needs rights that this account does not have: choose one above 1023."
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise FreePort(
                    f"Port {port} on {host} is taken: stop the program that holds it or choose another port."
                ) from None
            raise CorrectInput(f"Cannot listen on {host}: {error.strerror}.") from error
