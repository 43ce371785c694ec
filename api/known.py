"""The cookie of a browser that has signed in before: it names no session and gives no right, only an
allowance of attempts of its own. Signed with a key of the installation, one signature for each login.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

from store.database import Connection
from store.people import kept_fact

_MOST_LOGINS: Final = 4
_COOKIE: Final = re.compile(r"[0-9a-f]{32}(?:\.[0-9a-f]{64}){1,4}")


def browser_key(conn: Connection) -> bytes:
    """The key, the same for all processes; made at the first use."""
    return bytes.fromhex(kept_fact(conn, "browser_key", secrets.token_hex(32)))


def known_browser(cookie: str | None, login: str, key: bytes) -> str | None:
    """The number of a browser that has signed in with this login; None for any other."""
    if cookie is None or not _COOKIE.fullmatch(cookie):
        return None
    browser, *signatures = cookie.split(".")
    own = _sign(browser, login, key)
    return browser if any(hmac.compare_digest(own, one) for one in signatures) else None


def know_browser(cookie: str | None, login: str, key: bytes) -> str:
    """The cookie of a browser that signs in now; it stays known for the last logins."""
    if cookie is None or not _COOKIE.fullmatch(cookie):
        cookie = secrets.token_hex(16)
    browser, *signatures = cookie.split(".")
    own = _sign(browser, login, key)
    kept = [one for one in signatures if one != own][-(_MOST_LOGINS - 1) :]
    return ".".join([browser, *kept, own])


def _sign(browser: str, login: str, key: bytes) -> str:
    return hmac.new(key, f"{browser}\0{login}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
