"""Fonts for the letters of a drawing: a family that the machine has in place of a generic name, or of one
that it has not. The renderer knows no generic families, and would set every unknown one in serifs.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_FAMILIES: Final = re.compile(rb"""font-family\s*(?:=\s*["']|:)\s*(?=([^;<>{}]{0,300}))""", re.IGNORECASE)
_SANS: Final = (
    *("Liberation Sans", "Arimo", "Arial", "Helvetica", "Noto Sans", "Open Sans", "Roboto", "Source Sans 3"),
    *("FreeSans", "DejaVu Sans", "Verdana"),
)
_MONO: Final = ("Liberation Mono", "Noto Sans Mono", "DejaVu Sans Mono")
_IS_MONO: Final = re.compile(r"mono|courier|consolas|menlo", re.IGNORECASE)
_IS_SANS: Final = re.compile(
    r"sans|arial|helvet|verdana|tahoma|segoe|calibri|roboto|lato|inter|ubuntu|system-ui|isocpeur|simplex",
    re.IGNORECASE,
)


def with_known_fonts(drawing: bytes, families: Collection[str]) -> bytes:
    """The SVG with a family of `families` before each list that names none of them. A list that asks for
    serifs, or for nothing that is recognised, stays.
    """
    known = {one.casefold() for one in families}
    sans, mono = (next((one for one in wanted if one.casefold() in known), None) for wanted in (_SANS, _MONO))

    def chosen(found: re.Match[bytes]) -> bytes:
        asked = re.split(rb"""["'](?=[\s/>]|$)""", found[1])[0].decode("utf-8", "replace")
        names = {one.strip().strip("\"'").casefold() for one in asked.split(",")}
        if names & known:
            return found[0]
        family = mono if _IS_MONO.search(asked) else sans if _IS_SANS.search(asked) else None
        return found[0] if family is None else found[0] + family.encode() + b", "

    return _FAMILIES.sub(chosen, drawing)
