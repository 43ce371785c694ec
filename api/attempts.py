"""Failed attempts to sign in, counted by address and login."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from insitu.errors import RetryLater


class TooManyAttempts(RetryLater):
    """Too many attempts to sign in: wait a quarter of an hour and try again."""


class Attempts:
    """Recent failed sign-ins, bounded in number. Uses the wall clock, because it protects the machine."""

    def __init__(
        self, *, within_s: float = 900.0, per_pair: int = 8, per_address: int = 40, most_keys: int = 10_000
    ) -> None:
        self._within_s, self._most_keys = within_s, most_keys
        self._limits = {"pair": per_pair, "address": per_address}
        self._failures: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, address: str, login: str) -> None:
        """Raises TooManyAttempts if this address, or this address with this login, failed too often."""
        with self._lock:
            for key in self._keys(address, login):
                count, since = self._failures.get(key, (0, 0.0))
                if count >= self._limits[key[0]] and time.monotonic() - since < self._within_s:
                    raise TooManyAttempts()

    def failed(self, address: str, login: str) -> None:
        with self._lock:
            for key in self._keys(address, login):
                count, since = self._failures.pop(key, (0, time.monotonic()))
                if time.monotonic() - since >= self._within_s:
                    count, since = 0, time.monotonic()
                self._failures[key] = (count + 1, since)
            while len(self._failures) > self._most_keys:
                self._failures.popitem(last=False)

    @staticmethod
    def _keys(address: str, login: str) -> list[tuple[str, ...]]:
        return [("pair", address, login), ("address", address)]
