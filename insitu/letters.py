"""Letters that nobody sees. In a name they make one that looks like another, or that reads backwards.

Refused are control and format characters, line separators, fillers, and what Unicode lets a program ignore;
as RFC 8264 (PRECIS) does for free text. Kept is what a script needs to be written: joiners in their place
(RFC 5892, appendix A), selectors of the form of a sign, and the parts of one picture.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from typing import Any, Final

_ZWNJ: Final = "\u200c"
_ZWJ: Final = "\u200d"
_IN_SIGHT: Final = frozenset("\u06dd\u070f\u08e2\U000110bd\U000110cd") | frozenset(
    chr(code) for code in (*range(0x600, 0x606), 0x890, 0x891)
)
"""Format characters that are drawn: signs of Arabic, Syriac and Kaithi numbers."""
_IGNORED: Final = frozenset(
    chr(code) for code in (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180F, 0x3164, 0xFFA0)
) | frozenset(chr(code) for first, last in ((0x180B, 0x180D),) for code in range(first, last + 1))
"""Default_Ignorable_Code_Point beside the format characters and the selectors below."""
_PICTURE_FORMS: Final = frozenset("\ufe0e\ufe0f")
_KEYCAP: Final = "\u20e3"
_JOINED: Final = ("ARABIC", "SYRIAC", "MANDAIC", "NKO", "MONGOLIAN", "PHAGS-PA", "MANICHAEAN", "ADLAM")
"""Scripts whose letters join their neighbours."""
_VIRAMA: Final = 9
"""Canonical combining class."""
_DEEPEST: Final = 100


def find_unseen(text: str, *, lines: bool = False) -> str | None:
    """The first character that nobody sees, such as "U+202E"; None if there is none. `lines`: the text may
    have several of them.
    """
    for place, letter in enumerate(text):
        if lines and letter in "\n\r\t":
            continue
        if _is_unseen(letter) and not _is_needed(text, place):
            return f"U+{ord(letter):04X}"
    return None


def texts_of(
    document: Any, as_they_are: Collection[str] = (), path: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """(path, text) of every text in a document of at most a hundred levels, names of fields among them."""
    where = ".".join(path)
    if isinstance(document, str):
        yield where, document
    elif isinstance(document, dict) and len(path) < _DEEPEST:
        for name, value in document.items():
            if name not in as_they_are:
                yield where, name
                yield from texts_of(value, as_they_are, (*path, name))
    elif isinstance(document, list) and len(path) < _DEEPEST:
        for number, value in enumerate(document):
            yield from texts_of(value, as_they_are, (*path, str(number)))


def _is_unseen(letter: str) -> bool:
    category = unicodedata.category(letter)
    if category in ("Cc", "Cs", "Zl", "Zp"):
        return True
    if category == "Cf":
        return letter not in _IN_SIGHT
    return category == "Co" or letter in _IGNORED or _is_selector(letter) or _is_reserved(letter)


def _is_reserved(letter: str) -> bool:
    """Not assigned yet, and to be ignored when it is."""
    return letter == "\u2065" or "\ufff0" <= letter <= "\ufff8" or "\U000e0000" <= letter <= "\U000e0fff"


def _is_selector(letter: str) -> bool:
    return "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"


def _is_needed(text: str, place: int) -> bool:
    """Whether the character has an effect that a reader sees, where it is."""
    letter = text[place]
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if not before:
        return False
    if letter in (_ZWJ, _ZWNJ) and unicodedata.combining(before) == _VIRAMA:
        return True
    if letter == _ZWNJ:
        return _joins(_base(text, place)) and _joins(after)
    if letter == _ZWJ:
        return (_is_picture(before) or before in _PICTURE_FORMS) and _is_picture(after)
    if letter in _PICTURE_FORMS:
        return _is_picture(before) or (before in "0123456789#*" and after == _KEYCAP)
    if _is_selector(letter):
        return unicodedata.name(before, "").startswith(("CJK UNIFIED", "CJK COMPATIBILITY"))
    return "\u180b" <= letter <= "\u180f" and unicodedata.name(before, "").startswith("MONGOLIAN LETTER")


def _base(text: str, place: int) -> str:
    """The letter before, without the marks on it."""
    earlier = text[:place].rstrip("".join({one for one in text if unicodedata.combining(one)}))
    return earlier[-1:]


def _joins(letter: str) -> bool:
    is_letter = bool(letter) and unicodedata.category(letter).startswith("L")
    return is_letter and unicodedata.name(letter, "").startswith(_JOINED)


def _is_picture(letter: str) -> bool:
    """A sign of a picture, or a colour of its skin."""
    return bool(letter) and unicodedata.category(letter) in ("So", "Sk", "Sm")
