"""Asks a time-stamping authority over HTTP."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from insitu.errors import CorrectInput, RetryLater
from trials.witness.tokens import Untrusted, check_token, make_request

TIMEOUT_S: Final = 15.0
MOST_BYTES: Final = 100_000
FARTHEST: Final = timedelta(minutes=5)
"""An authority whose clock differs more from ours vouches for nothing: one of the two is wrong."""


@dataclass(frozen=True, slots=True)
class Token:
    """`content`: the whole response, DER."""

    content: bytes
    vouched_at: datetime


def split_authorities(text: str | None) -> list[str]:
    """The addresses of INSITU_TIMESTAMP_URLS, separated by commas."""
    found = [one.strip() for one in (text or "").split(",") if one.strip()]
    for one in found:
        parts = urllib.parse.urlsplit(one)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CorrectInput(f"INSITU_TIMESTAMP_URLS: {one!r} is not an address such as https://host/tsr.")
    return list(dict.fromkeys(found))


def ask(url: str, message: bytes, roots: Sequence[x509.Certificate], *, now: datetime) -> Token:
    """A checked token over `message`. Raises RetryLater if the authority does not answer, Untrusted for an
    answer that proves nothing. `now`: wall clock.
    """
    request = make_request(message)
    content = _post(url, request.content)
    vouched = check_token(content, message, roots, nonce=request.nonce)
    if abs(vouched - now) > FARTHEST:
        raise Untrusted(
            f"The authority's time is {vouched:%Y-%m-%d %H:%M:%S}, this machine's "
            f"{now:%Y-%m-%d %H:%M:%S} UTC: set the clock of this machine, or ask another authority."
        )
    return Token(content, vouched)


def _post(url: str, content: bytes) -> bytes:
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked
        url,
        data=content,
        headers={"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            body: bytes = answer.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise RetryLater(f"{url} answers {error.code} {error.reason}.") from error
    except (OSError, http.client.HTTPException) as error:
        raise RetryLater(f"{url} does not answer ({getattr(error, 'reason', error)}).") from error
    if len(body) > MOST_BYTES:
        raise Untrusted(f"{url} answers with more than {MOST_BYTES} bytes, which is no token.")
    return body
