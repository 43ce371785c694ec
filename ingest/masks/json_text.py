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
_LONGEST_SHAPE: Final = 512
_MOST_SHAPES: Final = 4096
_TIME_KEY: Final = r'"time":'
_STAMP: Final = re.compile(
    rf'(?<={_TIME_KEY})"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{{1,9}})?(?:Z|[+-]\d\d:\d\d)?"'
)
_SHORT_NUMBER: Final = re.compile(r'(?<=":)-?(?:0|[1-9]\d{0,5})(?:\.\d{0,9})?(?=[,}\]]|\Z)')
_CUT_IN_TIME: Final = re.compile(
    rf'(\{{(?:"[^"\\]*+":(?:"[^"\\]*+"|[^\s"{{}}\[\],:]++),)*+{_TIME_KEY})"20\d\d'
    r"(?:-\d{0,2}(?:-\d{0,2}(?:T[\d:.]*+(?:[+-][\d:]*+)?)?)?)?"
)
_SOME_TIME, _BEGUN_TIME = "\udc00", "\udc01"
"""No text that was read from bytes has these."""
_LONG_NUMBER: Final = re.compile(r"\d{7}")
_harmless: set[tuple[str, Wanted]] = set()
"""Shapes of texts that stay as they are. Devices send the same ones all the time, and a walk costs as much as
reading ten good messages.
"""
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
    """`masked`: still without findings."""
    shape = _shape(text, wanted)
    if shape is not None and (shape, wanted) in _harmless:
        return text
    found = _TOKEN.sub(_Walk(wanted, masked).token, text)
    if not _is_json(text):
        found = masked.clean(found)
    if shape is not None and found == text and not masked.gone and not masked.kinds:
        if len(_harmless) >= _MOST_SHAPES:
            _harmless.clear()
        _harmless.add((shape, wanted))
    return found


def _shape(text: str, wanted: Wanted) -> str | None:
    """The text without the values that name nobody whatever they are, so that one text of a shape speaks for
    all: numbers below seven digits as values, and times, also a time in which the text ends. None: no other
    text is like it.
    """
    if len(text) > _LONGEST_SHAPE or wanted.allowed:
        return None
    cut = _CUT_IN_TIME.fullmatch(text)
    shape = _SHORT_NUMBER.sub("0", _STAMP.sub(_SOME_TIME, cut[1] if cut else text))
    if _LONG_NUMBER.search(shape):
        return None
    return f"{shape}{_BEGUN_TIME}" if cut else shape


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
