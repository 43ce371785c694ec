"""Finds what identifies a person in a text: e-mail and telephone, MAC and IMEI of a phone, number plates.

A measurement is no telephone number: a number needs the form that people write (+33…, 06 12 34 56 78), an
IMEI its check digit, and a MAC its separators or exactly twelve hexadecimal digits. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple


class Kind(StrEnum):
    EMAIL = "e-mail address"
    PHONE = "telephone number"
    MAC = "MAC address"
    IMEI = "IMEI"
    PLATE = "number plate"


class Found(NamedTuple):
    """`text[start:end]` is of this kind."""

    kind: Kind
    start: int
    end: int


_SIV: Final = "[A-HJ-NP-TV-Z]"
_BEFORE: Final = r"(?<![\w.,+:-])"
_AFTER: Final = r"(?!\w|[.,:-]\w)"
_EMAIL: Final = r"(?P<email>[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.[A-Za-z]{2,24})"
_OTHERS: Final = "|".join(
    (
        r"(?P<mac>(?<![0-9A-Za-z:.-])(?:[0-9A-Fa-f]{2}(?:(?P<mark>[:-])[0-9A-Fa-f]{2})(?:(?P=mark)"
        r"[0-9A-Fa-f]{2}){4}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![:.-]?[0-9A-Za-z]))",
        r"(?P<bare>(?<![0-9A-Za-z:._-])(?=\d*[A-Fa-f])(?=[A-Fa-f]*\d)[0-9A-Fa-f]{12}(?![0-9A-Za-z:._-]))",
        rf"(?P<imei>{_BEFORE}(?:\d{{15}}|\d{{2}}[- ]\d{{6}}[- ]\d{{6}}[- ]\d){_AFTER})",
        rf"(?P<phone>{_BEFORE}(?!\+\d+[.]\d+(?![\d. -]))"
        rf"(?:(?:\+|00)[1-9]\d{{0,2}}(?:[ .-]?\(0\))?(?:[ .-]?\d){{7,12}}{_AFTER}"
        rf"|0[1-9](?:(?P<gap>[ .-]?)\d\d)(?:(?P=gap)\d\d){{3}}{_AFTER}(?! \d)))",
        rf"(?P<plate>{_BEFORE}(?:{_SIV}{{2}}(?P<dash>[- ]?)\d{{3}}(?P=dash){_SIV}{{2}}"
        rf"|\d{{1,4}}(?P<blank>[ -])[A-Z]{{2,3}}(?P=blank)(?:\d\d|2[AB]|97\d)"
        rf"|\d-[A-Z]{{3}}-\d{{3}}){_AFTER})",
    )
)
_FORMS: Final = re.compile(f"{_EMAIL}|{_OTHERS}")
_FORMS_WITHOUT_EMAIL: Final = re.compile(
    rf"(?P<email>(?!))|(?<![0-9A-Za-z])(?=[+\d]|[A-Fa-f][\dA-Fa-f]|[A-Z]{{2}})(?:{_OTHERS})"
)
"""For texts without @: looks closely only where one of the others may begin."""
_KINDS: Final = {
    "email": Kind.EMAIL,
    "mac": Kind.MAC,
    "bare": Kind.MAC,
    "imei": Kind.IMEI,
    "phone": Kind.PHONE,
    "plate": Kind.PLATE,
}
_NAMES: Final = re.compile(
    r"(?:^|[\W_])(?:(?P<phone>tel|phone|telephone|téléphone|mobile|portable|msisdn|gsm|sms)"
    r"|(?P<imei>imei|imsi|iccid)|(?P<mac>mac|bssid)|(?P<plate>plates?|plaques?|immat\w*)"
    r"|(?P<email>e-?mails?))(?:s|_?(?:number|num|no|nr|address|addr))?(?:$|[\W_])",
    re.IGNORECASE,
)
_OF_NO_KIND: Final = ("number", "num", "no", "nr", "value", "address", "addr", "id")
_SHORTEST: Final = 7
"""No form is shorter."""
_NUMBER_LEAST: Final = 7
_SHORT: Final = 64
"""Names of fields up to this length are remembered: devices send the same ones all the time."""
_NEAR: Final = re.compile(r"[\dA-Fa-f+][\dA-Fa-f +.():-]{7}|[A-Z][A-Z][- ]?\d")
"""Every form without @ has one of these: a number or an address of a phone, the middle of a plate."""
_UPTO_SECONDS: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?"
_TIME: Final = re.compile(rf"{_UPTO_SECONDS}(?:Z|[+-]\d\d:\d\d)?")
_QUOTED_TIME: Final = re.compile(
    rf'"{_TIME.pattern}"|"{_UPTO_SECONDS}(?:[+-][\d:]{{0,5}})?\Z'
    r"""|"20\d\d-\d{0,2}(?:-\d{0,2}(?:T[\d:]{0,8})?)?(?=')"""
)
"""Names nobody, and no form contains a quotation mark. The last one is a time as a sentence about a message
quotes its beginning.
"""


def find_personal(text: str, *, bare: bool = True) -> Iterator[Found]:
    """In order. `bare`: twelve hexadecimal digits alone are a MAC; not in a version, which looks so too."""
    if len(text) < _SHORTEST or _names_nobody(text):
        return
    forms = _FORMS if "@" in text else _FORMS_WITHOUT_EMAIL
    for match in forms.finditer(text):
        group = next(name for name in _KINDS if match[name] is not None)
        if (group == "bare" and not bare) or (group == "imei" and not _has_check_digit(match[0])):
            continue
        yield Found(_KINDS[group], match.start(), match.end())


def _names_nobody(text: str) -> bool:
    """True for most texts, and quickly. False if the forms have to be tried."""
    if "@" in text:
        return False
    if _NEAR.search(text) is None or is_stamp(text):
        return True
    return '"' in text and _NEAR.search(_QUOTED_TIME.sub("", text)) is None


def is_stamp(text: str) -> bool:
    """True for a time as Insitu's format has it, which is nearly every text of a device."""
    return _TIME.fullmatch(text) is not None


def kind_of_name(name: str) -> Kind | None:
    """The kind that a field of this name holds: `tel`, `imei`, `client.mac_address`, `phone.number`."""
    return _kind_of_short(name) if len(name) <= _SHORT else _kind_of(name)


@lru_cache(maxsize=4096)
def _kind_of_short(name: str) -> Kind | None:
    return _kind_of(name)


def _kind_of(name: str) -> Kind | None:
    around, _, leaf = name.rpartition(".")
    whole = f"{around.rpartition('.')[2]}.{leaf}" if leaf.lower() in _OF_NO_KIND else leaf
    match = _NAMES.search(whole)
    return None if match is None else next(_KINDS[one] for one, text in match.groupdict().items() if text)


def kind_of_number(name: str, digits: str) -> Kind | None:
    """A plain number is personal by the name of its field, or as an IMEI."""
    plain = digits.lstrip("-")
    if len(plain) < _NUMBER_LEAST or not plain.isdecimal():
        return None
    if len(plain) == 15 and _has_check_digit(plain):
        return Kind.IMEI
    return kind_of_name(name)


def hide(text: str, *, bare: bool = True) -> tuple[str, set[Kind]]:
    """The text with stars in the place of what was found, of the same length in UTF-8."""
    found = list(find_personal(text, bare=bare))
    if not found:
        return text, set()
    for one in reversed(found):
        text = text[: one.start] + stars(text[one.start : one.end]) + text[one.end :]
    return text, {one.kind for one in found}


def stars(text: str) -> str:
    """As many stars as the text has bytes in UTF-8."""
    try:
        return "*" * len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # half of a pair that was written as an escape
        return "*" * len(text.encode("utf-8", "surrogatepass"))


def _has_check_digit(text: str) -> bool:
    """Luhn's check digit at the end, and not one digit only."""
    digits = [int(letter) for letter in text if letter.isdecimal()]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(set(digits)) > 2 and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
