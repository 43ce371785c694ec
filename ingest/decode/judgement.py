"""Words by which devices call their own results bad: `"quality": "bad"`, `"valid": false`,
`"pm25_status": "error"`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from insitu.wire import MAX_DEPTH

_JUDGING: Final = (
    "status|state|quality|dataquality|validity|flag|qc|qa|health|sensorstatus|datastatus|measurementstatus"
    "|sensorstate|devicestatus"
)
_NAMES: Final = re.compile(rf"(?:(?P<of>.*?)[ _-]?)?(?P<word>{_JUDGING})", re.IGNORECASE)
_GOOD_IF_TRUE: Final = re.compile(
    r"(?:(?P<of>.*?)[ _-])?(?:is[ _-]?)?(?:valid|ok|good|healthy)", re.IGNORECASE
)
_BAD_IF_TRUE: Final = re.compile(
    r"(?:(?P<of>.*?)[ _-])?(?:(?:is|has)[ _-]?)?(?:errors?|err|faults?|faulty|invalid|bad|failed|failure)",
    re.IGNORECASE,
)
_TEXT_ENDINGS: Final = """\
status state quality validity flag qc qa health valid ok good healthy errors error err faults fault faulty
invalid bad failed failure code
"""
_ENDINGS: Final = tuple(_TEXT_ENDINGS.split())
_CODE: Final = re.compile(r"(?:(?P<of>.*?)[ _-])?(?:error|err|fault|failure)[ _-]?code", re.IGNORECASE)
_TEXT_BAD: Final = """\
bad|invalid|not valid|error|err|fault|faulty|fail|failed|failure|broken|defect|defective|unreliable
|out of range|outofrange|overrange|over range|underrange|under range|overflow|underflow|saturated|clipped
|suspect|suspicious|uncertain|questionable|doubtful|nok|ko|not ok|warmup|warm up|warming up|preheat|preheating
|calibrating|calibration|not calibrated|uncalibrated|stale|timeout|disconnected|unavailable|mauvais|mauvaise
|invalide|non valide|erreur|défaut|defaut|en panne|panne|hors service|douteux|douteuse|saturé|étalonnage
|schlecht|ungültig|fehler|defekt|gestört|malo|inválido|fallo
"""
BAD: Final = frozenset(word.strip() for word in _TEXT_BAD.replace("\n", "").split("|"))
"""Plain words, in lower case; they name no person."""
_NONE: Final = frozenset(
    [
        "none",
        "no",
        "ok",
        "okay",
        "good",
        "normal",
        "null",
        "nil",
        "false",
        "off",
        "n/a",
        "na",
        "-",
        "0",
        "0x0",
        "0x00",
        "00",
        "0000",
        "e0",
        "e00",
        "clear",
        "success",
    ]
)
"""Words for no error."""
_WHOLE: Final = frozenset({"", "sensor", "data", "measurement", "device", "result", "probe", "reading"})
"""Beginnings of names that judge all results beside them."""


def calls_bad(name: str, given: object) -> bool:
    """True if a field of that name with that content calls the results beside it bad."""
    leaf = _leaf(name)
    if not leaf.casefold().endswith(_ENDINGS):
        return False
    if isinstance(given, bool):
        return (_BAD_IF_TRUE if given else _GOOD_IF_TRUE).fullmatch(leaf) is not None
    if isinstance(given, str):
        word = plain_word(given)
        if not word:
            return False
        if _BAD_IF_TRUE.fullmatch(leaf) is not None:
            return word not in _NONE
        judges = _NAMES.fullmatch(leaf) is not None or _GOOD_IF_TRUE.fullmatch(leaf) is not None
        return judges and (
            word in BAD or (word in ("false", "no") and _GOOD_IF_TRUE.fullmatch(leaf) is not None)
        )
    return isinstance(given, int | float) and given != 0 and _CODE.fullmatch(leaf) is not None


def judges(name: str) -> bool:
    """True if a field of that name may say whether results beside it are good."""
    leaf = _leaf(name)
    if not leaf.casefold().endswith(_ENDINGS):  # nearly all, and a name costs more by the expressions
        return False
    return any(kind.fullmatch(leaf) is not None for kind in (_CODE, _BAD_IF_TRUE, _GOOD_IF_TRUE, _NAMES))


def called_bad(part: Mapping[str, Any]) -> str:
    """The key by which an object calls all results in it bad; '' if there is none."""
    for key, given in part.items():
        for one in given if isinstance(given, list) else (given,):
            if calls_bad(key, one) and next(about(key)) == "":
                return key
    return ""


def about(name: str) -> Iterator[str]:
    """Paths of what such a field is about: the object that it is in (with a dot behind, or empty), or the one
    result that its name begins with.
    """
    path = _object(name)
    leaf = _leaf(name)
    kinds = (_CODE, _BAD_IF_TRUE, _GOOD_IF_TRUE, _NAMES)
    found = next(match for kind in kinds if (match := kind.fullmatch(leaf)) is not None)
    of = (found["of"] or "").strip(" _-")
    around = f"{path}." if path else ""
    yield around if of.casefold() in _WHOLE else f"{around}{of}"


def plain_word(text: str) -> str:
    """As it is compared: in lower case, with blanks for underscores and hyphens."""
    return re.sub(r"(?<=\w)[_\s-]+(?=\w)", " ", text.strip().casefold())


def _leaf(name: str) -> str:
    """The last key; positions in a list of texts are none: `errors.0`."""
    return _named(name).rpartition(".")[2]


def _object(name: str) -> str:
    return _named(name).rpartition(".")[0]


def _named(name: str) -> str:
    for _ in range(MAX_DEPTH):
        path, dot, last = name.rpartition(".")
        if not dot or not last.isdecimal():
            break
        name = path
    return name
