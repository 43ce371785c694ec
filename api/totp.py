"""Codes of an authenticator: TOTP (RFC 6238) over HOTP (RFC 4226), with SHA-1, 30 s and 6 digits, which every
authenticator knows; and recovery codes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b32encode
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

STEP_S: Final = 30
DIGITS: Final = 6
AROUND: Final = 1
"""Steps by which a telephone's clock may differ, before and after."""
SECRET_BYTES: Final = 20
RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 16
_GROUP: Final = 5


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def step_at(moment: datetime) -> int:
    """The number of the step of 30 s, since 1970."""
    return int(moment.timestamp()) // STEP_S


def code_of(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of a step: RFC 4226, section 5.3."""
    mac = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def find_step(secret: bytes, code: str, now: datetime, *, after: int) -> int | None:
    """The step of a code, at most `AROUND` steps from now and later than `after`; None for a wrong code."""
    found = None
    for step in range(step_at(now) - AROUND, step_at(now) + AROUND + 1):
        if hmac.compare_digest(code_of(secret, step).encode(), code.encode()) and step > after:
            found = step
    return found


def write_secret(secret: bytes) -> str:
    """The secret as a person types it into an authenticator: groups of four letters."""
    text = b32encode(secret).decode()
    return " ".join(text[place : place + 4] for place in range(0, len(text), 4))


def write_address(secret: bytes, *, login: str, place: str) -> str:
    """The address in the QR code. `place`: the name of this installation in the list of the authenticator.
    Hash, digits and period are the usual ones and left out, so that the drawing is coarse.
    """
    asked = {"secret": b32encode(secret).decode(), "issuer": f"Insitu {place}"}
    return f"otpauth://totp/{quote(f'Insitu {place}:{login}')}?{urlencode(asked, quote_via=quote)}"


def new_recovery_codes() -> list[str]:
    """Ten codes of 128 random bits, in groups of five letters and digits."""
    texts = [
        b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().rstrip("=").lower()
        for _ in range(RECOVERY_CODES)
    ]
    return ["-".join(one[at : at + _GROUP] for at in range(0, len(one), _GROUP)) for one in texts]


def recovery_digest(code: str) -> bytes:
    """The SHA-256 of a recovery code; blanks, hyphens and case do not matter."""
    return hashlib.sha256("".join(one for one in code.lower() if one.isalnum()).encode()).digest()


def plain_code(text: str) -> str | None:
    """The digits of an authenticator's code, typed with or without blanks; None for anything else."""
    digits = "".join(text.split())
    return digits if len(digits) == DIGITS and digits.isascii() and digits.isdecimal() else None
