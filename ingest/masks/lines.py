"""Masks tags and texts in lines of InfluxDB's protocol. Pure."""

from __future__ import annotations

import re
from typing import Final

from ingest.masks.json_text import mask_plain
from ingest.masks.wanted import Masked, Wanted

# A key begins at a line, a comma or a space, and parts are possessive: time is linear in the length.
_KEY: Final = r"(?<![^, \n])(?P<key>(?:\\[,= ]|[^,= \n\"])++)"
_QUOTED: Final = re.compile(rf'{_KEY}="(?P<text>(?:[^"\\]|\\[\s\S])*+)(?P<end>"|\\?\Z)')
_HEAD: Final = re.compile(r"(?P<head>(?:\\[ ]|[^ \n\"])++)(?= )")
_TAG: Final = re.compile(r",(?P<key>(?:\\[,= ]|[^,= ])++)=(?P<text>(?:\\[,= ]|[^,= ])++)")
_NUMBER: Final = re.compile(rf"{_KEY}=(?P<number>-?\d{{7,}}+)(?P<end>[iu]?)(?=[, \n]|\Z)")
_LINE: Final = re.compile(r"[^\n]*\n?")


def mask_lines(text: str, wanted: Wanted, masked: Masked) -> str:
    """A quoted text may hold a line break, so texts come first."""

    def quoted(match: re.Match[str]) -> str:
        if wanted.keeps(match["key"], match["text"], in_list=False):
            return match[0]
        return f'{match["key"]}="{masked.cover(match["text"])}{match["end"]}'

    def tag(match: re.Match[str]) -> str:
        kept = wanted.keeps(match["key"], match["text"], in_list=False)
        return match[0] if kept else f",{match['key']}={masked.cover(match['text'])}"

    def number(match: re.Match[str]) -> str:
        kind = wanted.kind_of(match["key"], match["number"])
        if kind is None:
            return match[0]
        masked.kinds.add(kind)
        masked.gone.append(match["number"])
        whole = match["number"] + match["end"]
        return f'{match["key"]}="{"*" * (len(whole) - 2)}"'

    def line(match: re.Match[str]) -> str:
        row = match[0]
        if "=" not in row:
            return mask_plain(row, wanted, masked) if row.strip() else row
        head = _HEAD.match(row)
        first = _TAG.sub(tag, head["head"]) if head else ""
        rest = row[head.end() :] if head else row
        return masked.clean(first + _NUMBER.sub(number, rest))

    return _LINE.sub(line, _QUOTED.sub(quoted, text))
