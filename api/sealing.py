"""Secrets of second factors are encrypted (AES-256-GCM) with a key that is not in the database, so that a
dump of it is no way in.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from insitu.errors import InsituError
from insitu.settings import Settings
from insitu.whole import write_once

KEY_FILE: Final = "factor.key"
_NONCE_BYTES: Final = 12


class OtherKey(InsituError):
    """The second factors were encrypted with another key: bring back factor.key or INSITU_FACTOR_KEY. Until
    then recovery codes work, and the lab can reset a factor.
    """


def factor_key(settings: Settings) -> bytes:
    """The key of `INSITU_FACTOR_KEY`, else of a file in the data directory, made at the first use."""
    if settings.factor_key is not None:
        text = settings.factor_key.get_secret_value()
    else:
        text = _own_key(settings.data_dir / KEY_FILE)
    return hashlib.sha256(b"second factors\0" + text.encode()).digest()


def _own_key(path: Path) -> str:
    if not path.exists():
        write_once(path, secrets.token_urlsafe(32))
    return path.read_text("utf-8").strip()


def seal(secret: bytes, person_id: int, key: bytes) -> bytes:
    """The form in which the database keeps a secret; it can be opened for this person only."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, str(person_id).encode())


def unseal(sealed: bytes, person_id: int, key: bytes) -> bytes:
    """Raises OtherKey if it was sealed with another key, or for another person."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], str(person_id).encode())
    except InvalidTag as error:
        raise OtherKey() from error
