"""The certificates of the world are loaded once in a process: httpx loads them for each of its clients, which
takes 20 ms, and the tests have hundreds that speak plain HTTP.
"""

from __future__ import annotations

from functools import cache

from httpx import create_ssl_context
from httpx._transports import default


def load_certificates_once() -> None:
    default.create_ssl_context = cache(create_ssl_context)  # type: ignore[attr-defined]
