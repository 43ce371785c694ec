"""Ports of this machine."""

from __future__ import annotations

import errno
import socket

from insitu.errors import CorrectInput, FreePort


def free_port(host: str) -> int:
    """A port that is free at this moment."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


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
