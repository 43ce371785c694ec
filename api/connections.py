"""Connections below HTTP: closes those that send nothing, or send the head of a request too slowly."""

from __future__ import annotations

import asyncio
import resource
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S: Final = 10.0
"""From the first moment of a connection, or the first byte of a later request, to the end of its head."""
_MOST: Final = 8000
_FOR_OURSELVES: Final = 200
"""Descriptors for the database, files and the log."""


class PromptConnection(H11Protocol):
    """uvicorn's protocol, which by itself would wait for ever for a head."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """The clock runs while a head is incomplete, and does not restart with each byte."""
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_S, self._end)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        self._deadline = None
        answering = self.cycle is not None and not self.cycle.response_complete
        if not self.transport.is_closing() and not answering:
            self.transport.close()


def allow_connections() -> int:
    """Raise the limit of descriptors as far as the system permits; returns the number of connections that may
    be open.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST + _FOR_OURSELVES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(100, wanted - _FOR_OURSELVES)


def server_options() -> dict[str, Any]:
    """Options for uvicorn, except the address."""
    return {
        "http": PromptConnection,
        # beyond this uvicorn answers 503 at once; a slow body costs a descriptor and a few kB, so thousands
        # are fine
        "limit_concurrency": allow_connections(),
        # a thousand devices may connect in the same second; those not accepted yet wait in the kernel
        "backlog": 2048,
        # an idle browser reconnects in a millisecond, so its descriptor is better used by an active client
        "timeout_keep_alive": 5,
        # the head of a request has a few hundred bytes and some cookies
        "h11_max_incomplete_event_size": 16_384,
        # uvicorn would believe any local process; `api.clients` believes the proxies that the settings name
        "proxy_headers": False,
    }
