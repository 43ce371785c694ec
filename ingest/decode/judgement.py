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
    "|sensorstate|devicestatus|mode|statut|[ée]tat|qualit[ée]|validit[ée]|zustand|qualität|estado|calidad"
)
_IS: Final = r"(?:(?:is|are|has)[ _-]{})?"
"""Before a word that is true or false: `is_valid`, `isValid`, `pm25_is_valid`, `is_pm25_valid`."""
_OF: Final = rf"{_IS.format('')}(?:(?P<of>.*?)[ _-])?{_IS.format('?')}"
_NAMES: Final = re.compile(rf"(?:(?P<of>.*?)[ _-]?)?(?P<word>{_JUDGING})", re.IGNORECASE)
_GOOD_IF_TRUE: Final = re.compile(
    rf"{_OF}(?:valid|ok|good|healthy|valide|g[üu]e?ltig|v[áa]lido)", re.IGNORECASE
)
_BAD_IF_TRUE: Final = re.compile(
    rf"{_OF}(?:errors?|err|faults?|faulty|invalid|bad|failed|failure|erreur|d[ée]faut|invalide|fehler"
    r"|störung|ung[üu]e?ltig|fallo)",
    re.IGNORECASE,
)
_STATES: Final = """\
simulated|simulation|test|dummy|fake|mock|calibrating|calibration|uncalibrated|stale|saturated|overflow
|underflow|overrange|underrange|out[ _-]?of[ _-]?range|timeout|warmup|warming[ _-]?up|preheating|suspect
|questionable|doubtful|unreliable|disconnected|clipped|estimated|interpolated|broken|defective|maintenance
"""
_BAD_STATE: Final = re.compile(_OF + f"(?:{_STATES.replace(chr(10), '')})", re.IGNORECASE)
"""True, or 1, is no result of the place; a text or another number may be a setting."""
_TEXT_ENDINGS: Final = """\
status state quality validity flag qc qa health mode statut état etat qualité qualite validité validite
zustand qualität estado calidad valid ok good healthy valide gültig gueltig gultig válido valido errors error
err faults fault faulty invalid bad failed failure erreur défaut defaut invalide fehler störung ungültig
ungueltig ungultig fallo code simulated simulation test dummy fake mock calibrating calibration uncalibrated
stale saturated overflow underflow range overrange underrange timeout warmup up preheating suspect
questionable doubtful unreliable disconnected clipped estimated interpolated broken defective maintenance
"""
_ENDINGS: Final = tuple(_TEXT_ENDINGS.split())
_CODE: Final = re.compile(r"(?:(?P<of>.*?)[ _-])?(?:error|err|fault|failure)[ _-]?code", re.IGNORECASE)
_KINDS: Final = (_CODE, _BAD_IF_TRUE, _GOOD_IF_TRUE, _BAD_STATE, _NAMES)
_COUNTS: Final = re.compile(r".*(?:errors|faults)", re.IGNORECASE)
"""Counters of what ever went wrong: their number says nothing about this result."""
_TEXT_BAD: Final = """\
bad|invalid|not valid|error|err|fault|faulty|fail|failed|failure|broken|defect|defective|unreliable
|out of range|outofrange|overrange|over range|underrange|under range|overflow|underflow|saturated|clipped
|suspect|suspicious|uncertain|questionable|doubtful|nok|ko|not ok|warmup|warm up|warming up|preheat|preheating
|calibrating|calibration|not calibrated|uncalibrated|stale|timeout|disconnected|unavailable|mauvais|mauvaise
|invalide|non valide|erreur|défaut|defaut|en panne|panne|hors service|douteux|douteuse|saturé|étalonnage
|schlecht|ungültig|fehler|defekt|gestört|malo|inválido|fallo
|simulated|simulation|test|testing|dummy|demo|zero|span|zero check|span check|maintenance|function check
|out of specification|estimated|interpolated|simulé|wartung|kalibrierung|simuliert
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
_NOT: Final = frozenset(("false", "no", "0", "non", "nein"))
_WHOLE: Final = frozenset(
    [
        "",
        "sensor",
        "data",
        "measurement",
        "device",
        "result",
        "probe",
        "reading",
        "operating",
        "operation",
        "measuring",
    ]
)
"""Beginnings of names that judge all results beside them."""


def calls_bad(name: str, given: object) -> bool:
    """True if a field of that name with that content calls the results beside it bad."""
    leaf = _leaf(name)
    if not leaf.casefold().endswith(_ENDINGS):
        return False
    if isinstance(given, bool):
        return any(
            kind.fullmatch(leaf) for kind in ((_BAD_IF_TRUE, _BAD_STATE) if given else (_GOOD_IF_TRUE,))
        )
    if isinstance(given, str):
        return _says_bad(leaf, plain_word(given))
    return isinstance(given, int | float) and _counts_as_bad(leaf, given)


def _says_bad(leaf: str, word: str) -> bool:
    if not word:
        return False
    if _BAD_IF_TRUE.fullmatch(leaf) is not None:
        return word not in _NONE
    if _BAD_STATE.fullmatch(leaf) is not None:
        return word in ("true", "yes")
    is_good = _GOOD_IF_TRUE.fullmatch(leaf) is not None
    return (is_good and word in _NOT) or ((is_good or _NAMES.fullmatch(leaf) is not None) and word in BAD)


def _counts_as_bad(leaf: str, given: float) -> bool:
    """A code of an error; 0 for "valid"; 1 for "test"; a whole number for "fault", unless it is a counter."""
    if given == 0:
        return _GOOD_IF_TRUE.fullmatch(leaf) is not None
    if _CODE.fullmatch(leaf) is not None or (given == 1 and _BAD_STATE.fullmatch(leaf) is not None):
        return True
    return given % 1 == 0 and _BAD_IF_TRUE.fullmatch(leaf) is not None and _COUNTS.fullmatch(leaf) is None


def judges(name: str) -> bool:
    """True if a field of that name may say whether results beside it are good."""
    leaf = _leaf(name)
    if not leaf.casefold().endswith(_ENDINGS):  # nearly all, and a name costs more by the expressions
        return False
    return any(kind.fullmatch(leaf) is not None for kind in _KINDS)


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
    found = next(match for kind in _KINDS if (match := kind.fullmatch(leaf)) is not None)
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
