"""Signed answers to a NATS server that asks whether a client may enter (auth callout): keys (nkeys) and
tokens (JWT).
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ACCOUNT: Final = 0
"""First byte of the public key of an account; its text begins with A."""
_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}
Claims = Mapping[str, Any]


class Issuer:
    """A key pair of this process: the server believes what it signs. The private half is never stored."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = _nkey(_ACCOUNT, raw)

    def token(self, *, about: str, audience: str, nats: str, name: str = "") -> str:
        """A signed token; `about` is the subject's public key, `nats` the claims of the server in JSON, which
        may be long.
        """
        claims = {
            "iat": int(time.time()),
            "iss": self.public,
            "sub": about,
            "aud": audience,
            "name": name,
        }
        body = f'{encoded(claims)[:-1]},"nats":{nats}}}'
        text = f"{_base64(encoded(_HEADER).encode())}.{_base64(body.encode())}"
        return f"{text}.{_base64(self._key.sign(text.encode()))}"


def claims_of(token: bytes) -> dict[str, Any]:
    """The claims of a token whose sender is known already: its signature is not checked."""
    body = token.split(b".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))))


def encoded(claims: Claims) -> str:
    """JSON without blanks."""
    return json.dumps(claims, ensure_ascii=False, separators=(",", ":"))


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _nkey(kind: int, raw: bytes) -> str:
    body = bytes([kind]) + raw
    return base64.b32encode(body + binascii.crc_hqx(body, 0).to_bytes(2, "little")).decode().rstrip("=")
