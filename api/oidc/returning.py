"""The way of one browser to the provider and back: its secrets travel in a signed cookie of this browser."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

LIFETIME: Final = timedelta(minutes=15)
"""A person may look for a telephone meanwhile."""
LONGEST_NEXT: Final = 1000


@dataclass(frozen=True, slots=True)
class Journey:
    """`state` ties the way back to this browser, `nonce` the id_token to this sign-in, `verifier` the code to
    this server (PKCE). `next`: the page to which the person wanted; `until`: seconds since 1970.
    """

    state: str
    nonce: str
    verifier: str
    next: str
    until: int


def new_journey(next: str, now: datetime) -> Journey:
    return Journey(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        next=next if len(next) <= LONGEST_NEXT else "/",
        until=int((now + LIFETIME).timestamp()),
    )


def seal_journey(journey: Journey, key: bytes) -> str:
    """The content of the cookie."""
    text = urlsafe_b64encode(json.dumps(asdict(journey)).encode()).decode()
    return f"{text}.{_sign(text, key)}"


def open_journey(cookie: str | None, key: bytes, now: datetime) -> Journey | None:
    """None for a cookie that is missing, too old, or not ours."""
    text, _, signature = (cookie or "").partition(".")
    if not text or not hmac.compare_digest(_sign(text, key).encode(), signature.encode()):
        return None
    journey = Journey(**json.loads(urlsafe_b64decode(text)))
    return journey if now.timestamp() <= journey.until else None


def _sign(text: str, key: bytes) -> str:
    return hmac.new(key, b"elsewhere\0" + text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
