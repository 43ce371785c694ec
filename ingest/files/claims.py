"""Statements of a file about its numbers besides clock and unit: a factor in a column's name, a correction
in a line above, a clock that was wrong. Nobody can tell whether it was applied already, so it is asked. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from ingest.files.statements import read_clock_lines
from insitu.errors import CorrectInput

_TEN: Final = r"(?:10+|0[.,]0*1)"
_IN_NAME: Final = re.compile(
    rf"(?<![A-Za-z0-9])((?:[x×]|\bby\s)\s?{_TEN}|{_TEN}\s?[x×]|1/10+)(?![0-9A-Za-z.,])"
    rf"|(?<=[\w)\]\s])([*×]\s?{_TEN}|/\s?10+)(?![0-9A-Za-z.,])"
    r"|\b(tenths?|hundredths?|thousandths?|dixièmes?|centièmes?|zehntel|hundertstel)\b",
    re.IGNORECASE,
)
_FACTOR: Final = (
    r"factor|multiplier|coefficient|coeff|facteur|multiplicateur|faktor|multiplikator|scale|scaling"
)
_SHIFT: Final = r"offset|bias|shift|décalage|versatz|zero point"
_CLOCK: Final = (
    r"(?:clock|time|horloge|uhr|uhrzeit|rtc)\b.*\b(?:deviation|drift|error|difference|lag|dérive|écart"
    r"|erreur|abweichung|fehler)|gangabweichung|zeitabweichung|uhrabweichung"
)
_CLAIM: Final = re.compile(
    rf"(?P<key>.*?(?:\b(?P<factor>{_FACTOR})\b|\b(?P<shift>{_SHIFT})\b|\b(?P<clock>{_CLOCK})\b)[^:=;,\t]*)"
    r"\s*[:=;,\t]\s*(?P<number>[+\-−]?\d+(?:[.,:]\d+)*)",
    re.IGNORECASE,
)
_OTHER: Final = re.compile(
    r"power factor|facteur de puissance|leistungsfaktor|full scale|scale type", re.IGNORECASE
)
_CAVEAT: Final = re.compile(
    rf"\b(?:divided?|multipl(?:y|ied)) by\b|\b(?:diviser|divisé\w*|multiplié\w*) par\b|\bgeteilt durch\b"
    rf"|(?:^|\s)[x×*] ?{_TEN}(?![\d.,])"
    r"|\b(?:tenths?|hundredths?|thousandths?|dixièmes?|centièmes?|zehntel)\b"
    r"|\b(?:do not use|ne pas utiliser|nicht verwenden|test data|données (?:de test|simulées)|testdaten)\b"
    r"|\b(?:simulated|synthetic|simulierte?|fictives?)\b"
    r"|\b(?:invalid|invalides?|ungültige?)\b(?!.*[:=;,\t]\s*0\s*$)"
    r"|\b(?:in|under|en|cours d['’]) ?(?:calibration|maintenance|étalonnage)\b"
    r"|\b(?:clock|horloge|uhr|rtc)\b.*\b(?:slow|fast|ahead|behind|late|avance|retarde?|geht (?:vor|nach))\b",
    re.IGNORECASE,
)
"""Words that say that numbers or times are not what they seem."""
_SYSTEM: Final = re.compile(
    r"\b(?:imperial|us customary|english|american|us|u\.s\.)\s+units?\b"
    r"|unités (?:impériales|anglo-saxonnes)",
    re.IGNORECASE,
)
_WINTER: Final = re.compile(
    r"\b(?:lst|(?:local )?standard time|winter ?time|heure d['’ ]?hiver|heure normale|winterzeit|normalzeit"
    r"|(?:no|without|sans|ohne) (?:dst|summer time|heure d['’]été|sommerzeit|daylight saving))\b",
    re.IGNORECASE,
)
_SINCE: Final = re.compile(r"\b(?:since|depuis|seit|from)\b\D*((?:19|20)[0-9]{2})\b", re.IGNORECASE)
_DEVICE: Final = re.compile(
    r"(?:device|logger|station|sensor|node|instrument|appareil|capteur|enregistreur|gerät)[ _]?"
    r"(?:id|name|code|nom|no\.?|number)?\s*[:=;,\t]\s*([a-z0-9][a-z0-9_-]{0,63})",
    re.IGNORECASE,
)
_TRIM: Final = " \t\r\n\"'#;,|*"


def read_factor(name: str) -> str:
    """The factor in a column's name: `x10` of `temperature (x10)`; '' if it states none."""
    found = _IN_NAME.search(name.replace("_", " "))
    return found[0].strip() if found else ""


def require_no_factor(path: Path, name: str, ignore: Collection[str]) -> None:
    """Raises CorrectInput if a column's name says that its numbers are multiples of the result."""
    factor = read_factor(name)
    if factor and factor.casefold() not in {text.strip().casefold() for text in ignore}:
        raise CorrectInput(
            f"{path}: {factor!r} in {name!r} may be a factor. Correct the numbers and the name; or say "
            f"--ignore {factor!r} if they are the results as they are."
        )


def says_winter(text: str) -> str:
    """The words that say that a clock never follows summer time; '' if there are none."""
    found = _WINTER.search(text)
    return found[0] if found else ""


def other_epoch(name: str) -> str:
    """The year from which a column counts: `seconds since 2010-01-01`; '' for 1970, or if it states none."""
    found = _SINCE.search(name)
    return found[1] if found and found[1] != "1970" else ""


def require_no_claims(path: Path, lines: Sequence[str], ignore: Collection[str]) -> None:
    """Raises CorrectInput for a line above the names that says a factor, an offset, a wrong clock, or a
    system of units, and is not ignored.
    """
    ignored = {text.strip().casefold() for text in ignore}
    for line in lines:
        text = line.replace('"', "").strip(_TRIM)
        if text.casefold() in ignored or _OTHER.search(text):
            continue
        if _SYSTEM.search(text):
            raise CorrectInput(
                f"{path}: a line above the names says {text[:80]!r}. Say the units, as --map "
                f"COLUMN=DATASTREAM:UNIT for each column, and --ignore {text!r}."
            )
        if has_caveat(text) or (_claims(text) and not read_clock_lines([line])):
            raise CorrectInput(
                f"{path}: a line above the names says {text[:80]!r}. If that is in the numbers and times "
                f"already, say --ignore {text!r}; otherwise correct the file."
            )


def require_own_device(
    path: Path, lines: Sequence[str], others: Collection[str], ignore: Collection[str]
) -> None:
    """Raises CorrectInput for a line above the names that names another device of the trial."""
    ignored = {text.strip().casefold() for text in ignore}
    for line in lines:
        text = line.replace('"', "").strip(_TRIM)
        found = _DEVICE.fullmatch(text)
        if found and found[1] in others and text.casefold() not in ignored:
            raise CorrectInput(
                f"{path}: a line above the names says {text[:80]!r}, another device of the trial. Say "
                f"--device {found[1]}, or --ignore {text!r} if the file is of the one that you said."
            )


def has_caveat(text: str) -> bool:
    return _CAVEAT.search(text) is not None


def _claims(text: str) -> bool:
    """True unless the number changes nothing: a factor of 1 or 100 %, an offset of 0."""
    found = _CLAIM.match(text)
    if found is None:
        return False
    digits = found["number"].replace("−", "-").replace(",", ".")
    parts = [float(part) for part in digits.split(":") if part] if digits.count(".") < 2 else [0.0]
    if found["factor"]:
        return parts != [1.0] and not (parts == [100.0] and "%" in text)
    return any(parts)
