"""Checks whether the pages answer."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from typing import Final

_EVERY_S: Final = 1.0
_PATIENCE_S: Final = 3.0


class PagesWatch:
    """Requests /healthz once a second, in its own thread."""

    def __init__(self, host: str, port: int, secure: bool) -> None:
        self._host, self._port, self._secure = host, port, secure
        self._stop = threading.Event()
        self.answered_at = time.monotonic()
        self.answers = False

    def start(self) -> None:
        threading.Thread(target=self._run, name="pages watch", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def silent_s(self, now: float) -> float:
        """Seconds since the pages answered."""
        return now - self.answered_at

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S if self.answers else 0.1):
            self.answers = self._ask()
            if self.answers:
                self.answered_at = time.monotonic()

    def _ask(self) -> bool:
        link = self._link()
        try:
            link.request("GET", "/healthz")
            return link.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            link.close()

    def _link(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=_PATIENCE_S)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = (
            False,
            ssl.CERT_NONE,
        )  # our own child on this machine, under its public name
        return http.client.HTTPSConnection(self._host, self._port, timeout=_PATIENCE_S, context=context)
