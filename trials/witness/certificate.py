"""The certificate of an erasure: the signed line of the audit log, and who took a copy before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

SCHEMA: Final = "insitu/erasure/1"


@dataclass(frozen=True, slots=True)
class Certificate:
    """`document` is canonical JSON; key and signature (Ed25519) are hexadecimal. `copies`: exports and
    downloads before, which an erasure does not reach; they are not signed.
    """

    document: str
    public_key: str
    signature: str
    copies: Sequence[Mapping[str, Any]]


def certificate_document(certificate: Certificate) -> str:
    """As JSON text, with what the document says readable beside it."""
    content = {
        "schema": SCHEMA,
        "erasure": json.loads(certificate.document)["detail"],
        "document": certificate.document,
        "public_key": certificate.public_key,
        "signature": certificate.signature,
        "copies": [{name: _text(value) for name, value in copy.items()} for copy in certificate.copies],
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _text(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
