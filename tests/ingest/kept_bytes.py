"""How the bytes of a refused message are kept: as they came, or with stars in place of other texts."""

from __future__ import annotations

STAR = ord("*")


def is_kept(kept: bytes, sent: bytes) -> bool:
    """True if every byte of `kept` is the one that was sent, or a star in its place."""
    return len(kept) == len(sent) and all(
        found in (given, STAR) for found, given in zip(kept, sent, strict=True)
    )
