"""Addresses of other servers in settings. No message of an error here holds a password."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

_POSTGRES: Final = re.compile(r"postgres(?:ql)?://(?:[^@/]*@)?[^/?]*(?:/([^?]*))?(?:\?(.*))?")
_PAIRS: Final = re.compile(r"\w+ *= *\S")


def parse_smtp(text: str) -> SplitResult:
    """The parts of smtp[s]://user:password@host:port; the message of its ValueError has no password."""
    return _parse(
        text, "smtp", "write smtp://user:password@host:587, or smtps:// for TLS from the first byte"
    )


def parse_mqtt(text: str) -> SplitResult:
    """The parts of mqtt[s]://user:password@host[:port]; the message of its ValueError has no password."""
    return _parse(text, "mqtt", "write mqtt://user:password@host:port, or mqtts:// for TLS")


def _parse(text: str, scheme: str, advice: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in (scheme, f"{scheme}s") or not parts.hostname or port == 0:
        raise ValueError(advice)
    return parts


def require_database(text: str) -> None:
    """Raises ValueError for a URL of PostgreSQL that ends before its database: libpq would take what is
    missing from the account and this machine. `name=value` pairs are left to libpq.
    """
    url = _POSTGRES.fullmatch(text)
    if url is None:
        whole = bool(_PAIRS.match(text))
    else:
        whole = bool(url[1]) or bool(re.search(r"\b(?:dbname|service)=.", url[2] or ""))
    if not whole:
        raise ValueError(
            "it is not whole, write postgresql://user:password@host:port/database, or leave the setting out"
        )
