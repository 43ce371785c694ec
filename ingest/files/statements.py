"""The lines above the names: clock and units of the whole file (`Timezone: UTC+1`, `# unit: °F`). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from ingest.files.clocks import Zone, fixed, is_local, read_clock
from ingest.files.headings import Statement, state
from insitu.unit_words import read_unit, states_no_unit

_CLOCK_KEY: Final = (
    r"time[ _-]?zone|tz|zeitzone|fuseau(?: horaire)?|(?:utc|gmt|time)[ _-]?offset"
    r"|offset(?: from)? (?:utc|gmt)"
    r"|décalage(?: horaire)?|(?:data|logger|station|device)? ?clock(?: zone)?|zona horaria"
    r"|time reference|time base"
    r"|zeitbasis|référence horaire"
)
_CLOCK: Final = re.compile(
    rf"(?:.*[\s_(])?(?:{_CLOCK_KEY})(?:\s*[\[(][^\])]*[\])])?\s*(?:[:=;,\t|]|\bis\b|(?=UTC|GMT))\s*(.*)",
    re.IGNORECASE,
)
_TIMES_IN: Final = re.compile(
    r".*\b(?:times?|timestamps?|dates?|heures?|zeit(?:en|angaben)?|uhrzeit(?:en)?|hours?|clock)\b[^:;0-9]*?"
    r"(?:\b(?:in|en|is|are|sont|als|as)\b|[:=(])\s*\(?\s*"
    r"((?:UTC|GMT)\b.*|MEZ|MESZ|CET|CEST|EST|[A-Z]\w+/[A-Z]\w+)\W*",
    re.IGNORECASE,
)
_UNIT: Final = re.compile(
    r"(.*?)[\s_(]*\b(?:units?(?:[ _-]?system)?|unités?|einheit(?:en)?|uom)\b"
    r"(?: of (.*?))?\)?\s*[:=;,\t|]\s*(.+)",
    re.IGNORECASE,
)
_NAMED_IN: Final = re.compile(r"(.+?)\s+(?:in|en)\s+([^\s\d]\S+(?:\s\S+)?)[.]?", re.IGNORECASE)
_ALONE: Final = re.compile(r"(?:UTC|GMT)(?:\s?[+\-−±]\s?[0-9:]{1,5})?|CES?T|MES?Z|[A-Z][a-z]+/[A-Z]\w+")
_WITH_OFFSET: Final = re.compile(r"\b(?:UTC|GMT)\s?[+\-−±]\s?[0-9]{1,2}(?::?[0-9]{2})?(?![0-9])")
_DAYTIME: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}")
_PAIR: Final = re.compile(r"\s*([^=:]+?)\s*[=:]\s*(.+?)\s*")
_KEY_VALUE: Final = re.compile(r"\s*([^:=]+?)\s*[:=]\s*(.+?)\s*")
_TRIM: Final = " \t\"'#;,|*/!%"


class ClockLine(NamedTuple):
    """`zone` is None if the text is unclear."""

    number: int
    text: str
    zone: Zone | None


class UnitLine(NamedTuple):
    """`of`: the name of a column, '' for the file's only result."""

    number: int
    of: str
    statement: Statement


def read_clock_lines(lines: Sequence[str]) -> list[ClockLine]:
    found = []
    for number, line in enumerate(lines, 1):
        text = _plain(line)
        if keyed := _CLOCK.fullmatch(text):
            words = keyed[1].strip(_TRIM + "<>").strip()
            if words and not is_local(words):
                found.append(ClockLine(number, text, _zone(words, text)))
        elif said := _TIMES_IN.fullmatch(text):
            found.append(ClockLine(number, text, read_clock(said[1].strip(_TRIM + ".)"))))
        else:
            found += [ClockLine(number, text, read_clock(words)) for words in _bare_clocks(text)]
    return found


def _bare_clocks(text: str) -> list[str]:
    """A clock alone between separators, or with an offset behind UTC or GMT; a line with a time of day
    says when
    something was, not how the file's times are meant.
    """
    parts = [part.strip(_TRIM + "()[]").strip() for part in re.split(r"[;,|\t]", text)]
    alone = [part for part in parts if _ALONE.fullmatch(part)]
    if alone or _DAYTIME.search(_WITH_OFFSET.sub("", text)):
        return alone[:1]
    return [found[0].strip() for found in _WITH_OFFSET.finditer(text)][:1]


def _plain(line: str) -> str:
    return line.strip().replace('"', "").strip(" \t'#;,|*/!").strip()


def _zone(words: str, line: str) -> Zone | None:
    """Its value; a bare number is in hours, or in seconds or minutes where the line says so."""
    if (
        re.fullmatch(r"[+\-−]?\d{1,5}(?:\.\d+)?", words) and "offset" in line.lower()
    ) or "décalage" in line.lower():
        try:
            number = float(words.replace("−", "-"))
        except ValueError:
            return read_clock(words)
        lower = line.lower()
        minutes = number / 60 if "sec" in lower else number if "min" in lower else number * 60
        return fixed(round(minutes)) if abs(minutes) <= 14 * 60 and minutes == round(minutes) else None
    first = re.sub(r"\s*[\[(].*[\])]$", "", words)
    return read_clock(words) or (read_clock(first) if first != words and _agrees(first, words) else None)


def _agrees(first: str, words: str) -> bool:
    """`UTC+1 (Paris)` and `Europe/Paris (UTC+1)`: the remark in brackets states no other clock."""
    inside = read_clock(words[len(first) :].strip(" ()[]"))
    zone = read_clock(first)
    return inside is None or zone == inside


def read_unit_lines(lines: Sequence[str], names: Sequence[str]) -> list[UnitLine]:
    """`names`: columns and datastreams, in lower case; a line `temperature: °F` needs one of them. A name
    alone in the line above belongs to its `UNIT: °C`.
    """
    found, above = [], ""
    for number, line in enumerate(lines, 1):
        text, before = _plain(line).replace(" : ", ": "), above
        above = text
        if keyed := _UNIT.fullmatch(text):
            if "\t" in line.strip() and text.lower().count("unit=") > 1:
                continue
            of = (keyed[2] or keyed[1]).strip(_TRIM + ":-._").strip()
            of = of or (before if before.casefold() in names else "")
            found += _units_of(number, of, keyed[3].strip(_TRIM.replace("%", "").replace("/", "")).strip())
        elif (pair := _KEY_VALUE.fullmatch(text)) and pair[1].strip().lower() in names and read_unit(pair[2]):
            found.append(UnitLine(number, pair[1].strip(), state(pair[2])))
        elif (said := _NAMED_IN.fullmatch(text)) and read_unit(said[2]) and (of := _column(said[1], names)):
            found.append(UnitLine(number, of, state(said[2])))
        else:
            found += _listed(number, line, names)
    return found


def _column(words: str, names: Sequence[str]) -> str:
    """`temperature` of `All temperatures`; '' if it is no column."""
    last = words.casefold().removeprefix("all ").removesuffix(" is").removesuffix(" are").strip()
    return next((one for one in (last, last.removesuffix("s")) if one in names), "")


def _listed(number: int, line: str, names: Sequence[str]) -> list[UnitLine]:
    """A line of a list of channels: `2;temperature;°F`."""
    cells = [cell.strip(_TRIM.replace("%", "")).strip() for cell in re.split(r"[;,|\t]", line)]
    of = [cell for cell in cells if cell.casefold() in names]
    units = [cell for cell in cells if cell.casefold() not in names and _is_plain_unit(cell)]
    return [UnitLine(number, of[0], state(units[0]))] if len(of) == 1 and len(units) == 1 else []


def _is_plain_unit(cell: str) -> bool:
    """True for a unit that is no other word: not for `min`, `in`, `C`, `m`."""
    is_word = states_no_unit(cell) or cell.casefold() in ("in", "ms", "hr", "sec", "count", "counts", "deg")
    return cell == "%" or (len(cell) > 1 and not is_word and read_unit(cell) is not None)


def _units_of(number: int, of: str, words: str) -> list[UnitLine]:
    """One unit, or a list of pairs: `temperature=°F, pressure=Pa`."""
    if not words or words in ("-", "none"):
        return []
    pairs = [_PAIR.fullmatch(part) for part in re.split(r"[;,|]", words)]
    if all(pairs):
        return [UnitLine(number, pair[1].strip(), state(pair[2])) for pair in pairs if pair]
    return [UnitLine(number, of, state(words))]
