"""`…/influx`: InfluxDB line protocol, for devices and agents (Telegraf) made for InfluxDB.

`measurement,tag=value field=value,field=value timestamp`, one point on each line. The field is the name of
the datastream, or `measurement.field` if several measurements have that field. Tags are not kept, but a unit
in a tag counts.
Follows the reference of the line protocol,
https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/. A wrong line is refused alone: it
does not make the other lines of the message wrong.
"""

from __future__ import annotations

import math
import re
from typing import Final

from ingest.decode import times
from ingest.decode.judgement import called_bad
from ingest.decode.result import Decoded, Problem, Unreadable, settle
from ingest.decode.stray import devices_named
from insitu.model import IgnoreReason, Reading, RejectReason
from insitu.unit_words import read_unit
from insitu.wire import MAX_RESULTS

_MAX_DIGITS: Final = 400  # as for JSON: longer numbers overflow any result and take quadratic time

# All quantifiers are possessive, so time is linear in the length of the text. Bytes that are not UTF-8 become
# lone surrogates (`surrogateescape`); no part may contain them, so only their line is refused.
_NO = r"\x00-\x1f\x7f\udc80-\udcff"
_MEASUREMENT = rf"(?![#=])(?:\\[, ]|[^, {_NO}])++"
_KEY = rf"(?:\\[,= ]|[^,= {_NO}])++"
_TAG = re.compile(rf",({_KEY})=({_KEY})")
_HEAD = re.compile(rf"({_MEASUREMENT})((?:,{_KEY}={_KEY})*+) ++")
_FIELD = re.compile(rf'({_KEY})=(?:"((?:[^"\\\udc80-\udcff]|\\[^\udc80-\udcff])*+)"|([^,"\s{_NO}]++))(,?)')
_END = re.compile(r"(?: ++(-?[0-9]++))? *+\r?(?:\n|\Z)")
_BETWEEN = re.compile(r"(?:[ \r\n]|#[^\n]*+)++")
_ESCAPED = re.compile(r"\\([,= ])")
_UNITS: Final = frozenset({"unit", "units", "uom", "unit_of_measurement"})
_ESCAPED_IN_TEXT = re.compile(r'\\(["\\])')

_FLOAT = re.compile(
    r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE
)
_WHOLE = re.compile(r"-?[0-9]++i|[0-9]++u")
_BOOLEAN = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}


class _Malformed(Exception):
    def __init__(self, detail: str, reason: RejectReason = RejectReason.UNPARSABLE) -> None:
        super().__init__(detail)
        self.reason = reason


def decode(payload: bytes, received_us: int) -> Decoded | Unreadable:
    """Points, one on each line; skips comments and empty lines."""
    if payload.endswith(b"\0") or payload.startswith(b"\xef\xbb\xbf"):
        return Unreadable(
            RejectReason.UNPARSABLE, "A zero byte follows the lines, or a byte-order mark begins them."
        )
    text = payload.decode("utf-8", "surrogateescape")
    readings: list[Reading] = []
    problems: list[Problem] = []
    whose: list[str] = []
    at, line, counted = 0, 1, 0
    while at < len(text):
        if (between := _BETWEEN.match(text, at)) is not None:
            at = between.end()
            continue
        try:
            point, named, end = _point(text, at)
            readings += point
            whose += named
        except _Malformed as malformed:
            line += text.count("\n", counted, at)
            counted = at
            newline = text.find("\n", at)
            end = newline + 1 if newline >= 0 else len(text)
            problems.append(Problem(malformed.reason, f"Line {line}: {malformed}", line - 1))
        if len(readings) > MAX_RESULTS:
            return Unreadable(
                RejectReason.TOO_LARGE, f"More than {MAX_RESULTS} results: send several messages."
            )
        at = end
    if not readings and not problems:
        return Decoded([], ignored=IgnoreReason.EMPTY)
    settled = settle(readings, problems)
    return settled._replace(whose=tuple(whose)) if whose and isinstance(settled, Decoded) else settled


def _point(text: str, at: int) -> tuple[list[Reading], list[str], int]:
    """The results of the line that begins at `at`, names of devices in its tags, and the start of the next
    line. A quoted text may contain a line break.
    """
    head = _HEAD.match(text, at)
    if head is None:
        raise _Malformed(f"expected `measurement,tag=value field=value`, found {_excerpt(text, at)}.")
    unit, whose = _read_tags(head[2]) if head[2] else ("", [])
    results: dict[str, object] = {}
    at, more = head.end(), True
    while more:
        field = _FIELD.match(text, at)
        if field is None:
            raise _Malformed(f"expected `field=value`, found {_excerpt(text, at)}.")
        name = _ESCAPED.sub(r"\1", field[1])
        if name in results:
            raise _Malformed(f"the field {name[:60]!r} appears twice.", RejectReason.INVALID_SHAPE)
        results[name] = _value(field[3]) if field[3] is not None else _ESCAPED_IN_TEXT.sub(r"\1", field[2])
        at, more = field.end(), bool(field[4])
    end = _END.match(text, at)
    if end is None:
        raise _Malformed(f"expected a timestamp or the end of the line, found {_excerpt(text, at)}.")
    time_us, repaired = _time(end[1]) if end[1] is not None else (None, False)
    measurement = _ESCAPED.sub(r"\1", head[1])
    return (
        [
            Reading(name, result, time_us, repaired, unit=unit, source=measurement)
            for name, result in results.items()
        ],
        whose,
        end.end(),
    )


def _read_tags(tags: str) -> tuple[str, list[str]]:
    """The unit that a tag states, in UCUM, '' if none does; and texts that may name the device. Raises
    _Malformed where a tag calls the line bad, or comes twice.
    """
    pairs = _TAG.findall(tags)
    found = {_ESCAPED.sub(r"\1", key): _ESCAPED.sub(r"\1", text) for key, text in pairs}
    if len(found) != len(pairs):
        raise _Malformed("a tag appears twice.", RejectReason.INVALID_SHAPE)
    if key := called_bad(found):
        raise _Malformed(
            f"the tag {key[:60]!r} says {found[key][:40]!r}: the device itself calls the line bad.",
            RejectReason.CALLED_BAD,
        )
    unit = next((read_unit(text) or "" for key, text in found.items() if key.casefold() in _UNITS), "")
    return unit, devices_named(found)


def _excerpt(text: str, at: int) -> str:
    return repr(text[at : at + 40].split("\n")[0].rstrip("\r"))


def _value(text: str) -> object:
    if _FLOAT.fullmatch(text):
        return float(text)
    if _WHOLE.fullmatch(text):
        digits = text[:-1]
        return (
            int(digits)
            if len(digits) <= _MAX_DIGITS
            else math.copysign(math.inf, -1 if digits[0] == "-" else 1)
        )
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    raise _Malformed(f"{text[:40]!r} is no number (12.3, 12i, 12u), no true or false, and no text in quotes.")


def _time(digits: str) -> tuple[int, bool]:
    """(µs, repaired) of a timestamp: nanoseconds, or another unit if the magnitude shows it, as in all
    formats.
    """
    number = int(digits) if len(digits) <= 20 else 10**20
    found = times.of_number(number, times.NANOSECONDS)
    if found is None:
        raise _Malformed(f"the timestamp {digits[:40]} is no Unix time in any unit.")
    if abs(number) >= 10**17:  # a float would lose digits
        return number // 1000, False
    return found
