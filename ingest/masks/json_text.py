"""Masks texts in JSON, or in what was meant as JSON: every byte that stays has its place, so what reads the
payload reads it still. Pure.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Final

from ingest.masks.personal import stars
from ingest.masks.wanted import NAMING, Masked, Wanted

_TOKEN: Final = re.compile(
    r'(?P<text>"(?:[^"\\]|\\[\s\S])*+(?:"|\\?\Z))'
    r'|(?P<mark>[{}\[\],:])|(?P<space>\s+)|(?P<word>[^\s"{}\[\],:]+)'
)
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_VALUES: Final = frozenset(("v", "value", "val", "result"))
_ENDS: Final = ("}", "]", '"')
_LITERALS: Final = frozenset(("true", "false", "null", "NaN", "Infinity", "-Infinity"))
_FREE: Final = re.compile(r"(?<![^\W\d_])[^\W\d_]{3,}+(?!\w*+\s*+[=:])")
"""A word that is no name before = or :, in what is no JSON."""


@dataclass(slots=True)
class _Level:
    is_list: bool
    key: str = ""
    expects_key: bool = False
    in_list: bool = False
    named: str = ""
    """Said by a record about its own value: `{"n": "tel", "v": 1}`."""


@dataclass(slots=True)
class _Walk:
    wanted: Wanted
    masked: Masked
    levels: list[_Level] = field(default_factory=list)

    def token(self, match: re.Match[str]) -> str:
        text = match[0]
        kind = match.lastgroup
        if kind == "mark":
            self._mark(text)
        elif kind == "text":
            return self._text(text)
        elif kind == "word":
            return self._word(text)
        return text

    def _mark(self, mark: str) -> None:
        top = self.levels[-1] if self.levels else None
        if mark in "{[":
            is_list = mark == "["
            self.levels.append(
                _Level(is_list, expects_key=not is_list, in_list=top is not None and top.is_list)
            )
        elif mark in "}]":
            del self.levels[-1:]
        elif top is not None and not top.is_list:
            top.expects_key = mark == ","

    def _path(self) -> str:
        return ".".join([level.key for level in self.levels if not level.is_list and level.key])

    def _text(self, token: str) -> str:
        end = '"' if len(token) > 1 and token.endswith('"') else ""
        inner = token[1 : len(token) - len(end)]
        said = _unescaped(inner)
        top = self.levels[-1] if self.levels else None
        if top is not None and top.expects_key:
            top.key = said
            hidden = self.masked.name(said)
            return token if hidden == said else f'"{_fitted(hidden, inner)}{end}'
        if self.wanted.keeps(self._path(), said, in_list=top is not None and top.in_list):
            if top is not None and top.in_list and top.key in NAMING:
                top.named = said
            return token
        return f'"{_fitted(self.masked.cover(said), inner)}{end}'

    def _word(self, word: str) -> str:
        if _NUMBER.fullmatch(word):
            top = self.levels[-1] if self.levels else None
            named = top.named if top is not None and top.key in _VALUES else ""
            kind = self.wanted.kind_of(named or self._path(), word)
            if kind is None:
                return word
            self.masked.kinds.add(kind)
            self.masked.gone.append(word)
            return f'"{"*" * (len(word) - 2)}"'
        return word if word in _LITERALS else _plain(word, self.masked)


def mask_json(text: str, wanted: Wanted, masked: Masked) -> str:
    walk = _Walk(wanted, masked)
    found = _TOKEN.sub(walk.token, text)
    return found if _is_json(text) else masked.clean(found)


def _is_json(text: str) -> bool:
    """False for what has words between its texts, which may belong together. `text` begins with a bracket or
    a quotation mark.
    """
    if text.rstrip(" \t\r\n")[-1:] not in _ENDS:  # nearly always: it was cut
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def mask_plain(text: str, wanted: Wanted, masked: Masked) -> str:
    """Of one plain value, which a fixed topic carries: `text` has no name."""
    quoted = text.strip().strip('"')
    is_kept = quoted in _LITERALS or wanted.keeps("", quoted, in_list=False)
    return text if is_kept else _plain(text, masked)


def _plain(text: str, masked: Masked) -> str:
    """Without words, and without what names a person; names before = and numbers stay."""
    return _FREE.sub(lambda word: masked.cover(word[0]), masked.clean(text))


def _unescaped(inner: str) -> str:
    if "\\" not in inner:
        return inner
    try:
        said = json.loads(f'"{inner}"', strict=False)
    except ValueError:
        return inner
    return said if isinstance(said, str) else inner


def _fitted(hidden: str, inner: str) -> str:
    """`hidden` with the length that `inner` has in bytes: an escape is longer than its letter."""
    return (
        hidden.encode("utf-8", "backslashreplace").decode().ljust(len(stars(inner)), "*")[: len(stars(inner))]
    )
