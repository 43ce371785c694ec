"""Statements: the head of the audit log, or one line of it, signed by the installation.

A statement is canonical JSON (RFC 8785), so that its bytes are the same everywhere. A time-stamping authority
stamps their SHA-256.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trials.package.signing import is_signed as fits
from trials.package.signing import public_hex
from trials.plan.reading import canonical

SCHEMA: Final = "insitu/statement/1"
HEAD: Final = "head"
ACTS: Final = ("lock", "unblind", "evaluate", "decide", "erase")
"""Actions of the audit log that become statements of their own."""
_DOMAIN: Final = b"insitu statement 1\n"
"""So that a signature over a statement is never one over anything else."""


@dataclass(frozen=True, slots=True)
class Signed:
    """`document` is canonical JSON; key and signature (Ed25519) are hexadecimal."""

    document: str
    public_key: str
    signature: str

    def content(self) -> dict[str, Any]:
        """Raises ValueError for a document that is no JSON object."""
        content = json.loads(self.document)
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
        return content


def state_head(*, line: int, lines: int, sha256: str, at: datetime, previous: str) -> str:
    """The document about the last of `lines` lines. `previous`: SHA-256 of the document of the head before,
    or empty.
    """
    return _text(
        {
            "schema": SCHEMA,
            "what": HEAD,
            "line": line,
            "lines": lines,
            "sha256": sha256,
            "at": _moment(at),
            "previous": previous,
        }
    )


def state_line(
    *, what: str, line: int, sha256: str, at: datetime, by: str, subject: str, detail: dict[str, Any]
) -> str:
    """The document about one line; `sha256` is that of the line."""
    return _text(
        {
            "schema": SCHEMA,
            "what": what,
            "line": line,
            "sha256": sha256,
            "at": _moment(at),
            "by": by,
            "subject": subject,
            "detail": detail,
        }
    )


def _text(content: dict[str, Any]) -> str:
    return canonical(content).decode()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def sign(document: str, key: Ed25519PrivateKey) -> Signed:
    """The same document and key give the same signature."""
    return Signed(document, public_hex(key), key.sign(_DOMAIN + document.encode()).hex())


def is_signed(statement: Signed) -> bool:
    """True if the signature is by the key that the statement names; whose key that is, the caller knows."""
    return fits(statement.public_key, statement.signature, _DOMAIN + statement.document.encode())
