"""The installation's signing key."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from insitu.errors import CorrectInput
from insitu.whole import write_once


def signing_key(data_dir: Path) -> Ed25519PrivateKey:
    """The installation's own key. Made at first use; only its account can read it."""
    path = data_dir / "signing.key"
    if (
        not path.exists() or path.stat().st_size == 0
    ):  # an interrupted start of an older version leaves it empty
        fresh = Ed25519PrivateKey.generate()
        content = fresh.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_once(path, content)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise CorrectInput(f"{path} is not an Ed25519 key: move it away, a new one is made.")
    return key
