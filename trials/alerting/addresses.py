"""Addresses of channels, as people write them, and the secrets of a channel."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from insitu.errors import CorrectInput

LONGEST_ADDRESS: Final = 1000
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
)


def parse_webhook(address: str) -> SplitResult:
    """An https address with a host. Raises CorrectInput for anything else."""
    wrong = CorrectInput(
        "Write an https address, such as https://example.org/alerts, without a user and password."
    )
    if len(address) > LONGEST_ADDRESS or any(not 33 <= ord(letter) < 127 for letter in address):
        raise wrong
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise wrong from error
    if parts.scheme != "https" or not host or "@" in parts.netloc:
        raise wrong
    return parts


def parse_mail(address: str) -> str:
    """One plain address. Raises CorrectInput for a list, a name, or anything that a header could mistake."""
    if len(address) > 254 or not _ADDRESS.fullmatch(address):
        raise CorrectInput("Write one e-mail address, such as name@example.org.")
    return address


def secret_text(secret: bytes) -> str:
    """The secret as people copy it; its letters are the key of the signature."""
    return secret.hex()


def confirmation_code(secret: bytes) -> str:
    """The code that a test by mail carries: who enters it reads what is sent there."""
    digest = hmac.new(secret, b"confirm", hashlib.sha256).digest()
    return base64.b32encode(digest)[:10].decode().lower()
