"""Ed25519 signatures: each over a message that begins with what it is for, so that none can be used for
another purpose.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from insitu.times import to_rfc3339

PACKAGE: Final = "insitu/package/2"
SUCCESSION: Final = "insitu/key-succession/1"
LIST: Final = "insitu/keys/1"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, and the time at which it signs."""

    key: Ed25519PrivateKey
    at: datetime


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public key, 64 hexadecimal digits."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return raw.hex()


def fingerprint(public: str) -> str:
    """A short name of a public key (hex), to read aloud: eight groups of four of its SHA-256."""
    digest = hashlib.sha256(bytes.fromhex(public)).hexdigest()
    return " ".join(digest[at : at + 4] for at in range(0, 32, 4))


def message(purpose: str, *parts: str) -> bytes:
    """The bytes that are signed: one line for each part. No part may hold a line end."""
    if any("\n" in part for part in parts):
        raise ValueError("a part of a signed message holds a line end")
    return "".join(f"{part}\n" for part in (purpose, *parts)).encode()


def is_signed(public: str, signature: str, content: bytes) -> bool:
    """Whether `signature` (hex) over `content` is by `public` (hex)."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def package_message(descriptor: bytes, public: str, signed_at: str) -> bytes:
    """The message that vouches for a package with this datapackage.json."""
    return message(PACKAGE, public, signed_at, hashlib.sha256(descriptor).hexdigest())


def signature_document(descriptor: bytes, signer: Signer) -> dict[str, Any]:
    """signature.json for a package with this datapackage.json."""
    public, at = public_hex(signer.key), to_rfc3339(signer.at)
    return {
        "algorithm": "Ed25519",
        "key_id": fingerprint(public),
        "public_key": public,
        "signature": signer.key.sign(package_message(descriptor, public, at)).hex(),
        "signed_at": at,
    }
