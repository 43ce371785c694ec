"""ETags of things that several people change, and what a request says about the one it began with."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

IfMatch = Annotated[
    str | None,
    Header(max_length=200, description="The ETag of what you read: 412 if somebody changed it since."),
]


def quoted(tag: str) -> str:
    """As it stands in the header ETag."""
    return f'"{tag}"'


def stated_tag(header: str | None) -> str | None:
    """The tag of If-Match without its quotes, `*` for any; None without the header. A list of tags is none of
    ours, and matches nothing.
    """
    if header is None or not header.strip():
        return None
    plain = header.strip().removeprefix("W/")
    return plain[1:-1] if len(plain) > 1 and plain[0] == plain[-1] == '"' else plain
