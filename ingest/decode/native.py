"""Insitu's own JSON, in its three shapes (see `insitu.wire`).

The fast path reads nearly all messages with msgspec. A message that it cannot read, or that has more
quotation marks than it used (an unknown field, a duplicate key), goes to the exact path, which names the
error.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Any

import msgspec

from ingest.decode import times
from ingest.decode.flatten import Record, add_readings, leaves
from ingest.decode.judgement import called_bad
from ingest.decode.result import Decoded, Problem, Unreadable, settle
from ingest.decode.stray import devices_named, stray_factor, stray_time, stray_unit
from insitu.model import IgnoreReason, Reading, RejectReason
from insitu.times import to_us
from insitu.wire import MAX_DEPTH, MAX_RESULTS, MAX_SEQ

_MAX_DIGITS = 400  # longer numbers overflow any result and take quadratic time


class _Plain(msgspec.Struct, gc=False):
    results: dict[str, float | bool | str | None]
    time: datetime | float | None = None
    boot: str | None = None
    seq: int | None = None


_PLAIN = msgspec.json.Decoder(_Plain)


def decode(payload: bytes, received_us: int) -> Decoded | Unreadable:
    """One message, a list of messages, or `{"observations": […]}`."""
    try:
        plain = _PLAIN.decode(payload)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return _exactly(payload)
    return _quickly(plain, payload) or _exactly(payload)


def _quickly(plain: _Plain, payload: bytes) -> Decoded | None:
    """None if the message needs the exact path."""
    time, boot, seq = plain.time, plain.boot, plain.seq
    quotes = 2 + 2 * len(plain.results)
    time_us, repaired = None, False
    if isinstance(time, datetime):
        if time.tzinfo is None:
            return None
        time_us = to_us(time)
        quotes += 4
    elif time is not None:
        found = times.of_number(time)
        if found is None:
            return None
        time_us, repaired = found
        quotes += 2
    sequences: tuple[tuple[str, int], ...] = ()
    if boot is not None and seq is not None:
        if not 0 < len(boot) <= 64 or "@" in boot or not boot.isprintable() or not 0 <= seq <= MAX_SEQ:
            return None
        sequences = ((boot, seq),)
        quotes += 6
    readings = []
    for name, result in plain.results.items():
        readings.append(Reading(name, result, time_us, repaired))
        if result.__class__ is str:
            quotes += 2
    if payload.count(b'"') != quotes or not 0 < len(readings) <= MAX_RESULTS:
        return None
    return Decoded(readings, sequences)


class Refused(Exception):
    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.unreadable = Unreadable(reason, detail)


def shape_refused(detail: str) -> Refused:
    return Refused(RejectReason.INVALID_SHAPE, detail)


def problem_of(refused: Refused, item: int | None) -> Problem:
    """The problem of an item in a list; None: the message is no list."""
    reason, detail, _ = refused.unreadable
    return Problem(reason, detail if item is None else f"{detail.removesuffix('.')} (item {item}).", item)


def not_an_object(part: Any, example: str) -> Refused:
    """The refusal of a part that must be an object such as `example`."""
    return shape_refused(part.detail if isinstance(part, Twice) else f"Expected an object such as {example}.")


def require_bound(readings: list[Reading]) -> None:
    if len(readings) > MAX_RESULTS:
        raise Refused(RejectReason.TOO_LARGE, f"More than {MAX_RESULTS} results: send several messages.")


class _Parts:
    """Reads the parts of one message, in order."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.records: dict[int, Record] = {}
        self.problems: list[Problem] = []
        self.sequences: list[tuple[str, int]] = []
        self.starts: list[int] = []
        self.whose: list[str] = []

    def read(self, part: Any, item: int | None) -> None:
        """A part that cannot be read becomes a problem."""
        self.starts.append(len(self.readings))
        try:
            self._read(part, item)
        except Refused as refused:
            self.problems.append(problem_of(refused, item))
        require_bound(self.readings)

    def _read(self, part: Any, item: int | None) -> None:
        if not isinstance(part, dict):
            raise not_an_object(part, '{"results": {"pm25": 12.3}}')
        if not part:
            return
        self.whose += devices_named(part)
        sequence = _sequence(part)
        if sequence is not None:
            self.sequences.append(sequence)
        if "observations" in part:
            if part.get("results"):
                raise shape_refused("`results` and `observations` are both there: send one of them.")
            self._read_observations(part["observations"], part, item)
            return
        results = part.get("results")
        if not isinstance(results, dict):
            raise shape_refused(
                'Neither `results` nor `observations` is there: send {"results": {"pm25": 12.3}}, or a plain '
                'object such as {"pm25": 12.3} on …/telemetry.'
            )
        _require_known(part)
        add_readings(leaves(results), self.readings, self.records, time_of(part))

    def _read_observations(self, observations: Any, part: dict[str, Any], item: int | None) -> None:
        """Those without a time get that of their message, `part`."""
        if not isinstance(observations, list):
            raise shape_refused("`observations` must be a list.")
        around = time_of(part)
        for number, found in enumerate(observations):
            if item is None:
                self.starts.append(len(self.readings))
            try:
                if isinstance(found, Twice):
                    raise shape_refused(found.detail)
                is_whole = isinstance(found, dict) and isinstance(found.get("property"), str)
                if not is_whole or "result" not in found:
                    raise shape_refused("Each observation needs `property` and `result`.")
                self.whose += devices_named(found)
                _require_known({**found, "time": found.get("time", part.get("time"))}, "unit")
                named = leaves(found["result"], found["property"])
                time = around if found.get("time") is None else time_of(found)
                add_readings(named, self.readings, self.records, time, _unit_of(found))
            except Refused as refused:
                self.problems.append(problem_of(refused, number if item is None else item))


def _exactly(payload: bytes) -> Decoded | Unreadable:
    try:
        document = read_json(payload, deep=True)
        is_list = isinstance(document, list)
        parts = document if is_list else [document]
        found = _Parts()
        for number, part in enumerate(parts):
            found.read(part, number if is_list else None)
    except Refused as refused:
        return refused.unreadable
    sequences = tuple(found.sequences)
    if not found.readings and not found.problems:
        return Decoded([], sequences, ignored=IgnoreReason.EMPTY)
    settled = settle(found.readings, found.problems)
    if isinstance(settled, Unreadable):
        return settled
    starts = found.starts if is_list else found.starts[1:]
    return settled._replace(
        sequences=sequences,
        in_part=0 < len(sequences) < len(parts),
        records=found.records,
        starts=tuple(starts),
        whose=tuple(found.whose),
    )


class Twice:
    """An object with a duplicate key, which costs only the item of a list that it is in."""

    def __init__(self, key: str, keys: list[str]) -> None:
        self.detail = f"The key {key[:60]!r} appears twice."
        self.keys = keys


_NO_NUMBER = re.compile(r"-?(?:nan|inf(?:inity)?|none|undefined)\b", re.IGNORECASE)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(payload: bytes, *, deep: bool = False) -> Any:
    """Strict JSON: bounded depth, UTF-8, no duplicate keys, no endless numbers; floats may be infinite.

    An item of a list that has a duplicate key is a `Twice`; `deep`: also in a list that an object holds.
    """
    depth_limit(payload)
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(RejectReason.UNPARSABLE, _not_text(payload, error.start)) from error
    repeated: list[Twice] = []

    def unique(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        names = [name for name, _ in pairs]
        repeated.append(Twice(next(name for name in names if names.count(name) > 1), names))
        return repeated[-1]

    try:
        document = json.loads(text, object_pairs_hook=unique, parse_int=_integer, parse_constant=float)
    except (ValueError, RecursionError) as error:
        raise Refused(RejectReason.UNPARSABLE, _not_json(text, error)) from error
    if _SURROGATE.search(text):
        document = _encodable(document)
    return _isolated(document, deep) if repeated else document


def _encodable(found: Any) -> Any:
    """The document with each half of a surrogate pair, which is no character, written out as its escape."""
    if isinstance(found, str):
        return found.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(found, list):
        return [_encodable(part) for part in found]
    if isinstance(found, dict):
        return {_encodable(name): _encodable(part) for name, part in found.items()}
    return found


def _not_text(payload: bytes, at: int) -> str:
    if payload[:2] == b"\x1f\x8b":
        return "The message is compressed (gzip): send it as it is."
    return f"Not UTF-8 at byte {at}: send JSON as text in UTF-8; CBOR belongs on …/senml."


def _not_json(text: str, error: Exception) -> str:
    at = text.find("\0")
    if at >= 0:
        return f"A zero byte is in the JSON, at byte {at}: send strlen() bytes, not sizeof()."
    if not isinstance(error, json.JSONDecodeError):
        return f"Not JSON: {str(error)[:200]}"
    found = repr(text[error.pos : error.pos + 20])
    where = f"at character {error.pos + 1}"
    if _NO_NUMBER.match(text, error.pos):
        return f"Not JSON {where}: {found} is no number; leave the result out when the sensor gives none."
    if error.msg == "Extra data":
        return (
            f"Not JSON {where}: after its end comes {found}. Send one message at a time, or several as a "
            "list […, …]."
        )
    if error.pos >= len(text.rstrip()):
        return f"Not JSON: it ends too early, {where}. It was cut, or a bracket or quotation mark is missing."
    single = " JSON has double quotation marks." if text[error.pos] in "'’‘“”" else ""
    return f"Not JSON {where}: {error.msg[0].lower()}{error.msg[1:]}, found {found}.{single}"


def _isolated(document: Any, deep: bool) -> Any:
    """The document with each item of a list that holds a duplicate key replaced by its `Twice`."""
    if isinstance(document, list):
        return [_first_twice(item) or item for item in document]
    inner = document.get("observations") if deep and isinstance(document, dict) else None
    if isinstance(inner, list):
        document = {**document, "observations": [_first_twice(item) or item for item in inner]}
        found = _first_twice({name: part for name, part in document.items() if name != "observations"})
    else:
        found = _first_twice(document)
    if found is not None:
        raise shape_refused(found.detail)
    return document


def _first_twice(found: Any) -> Twice | None:
    if isinstance(found, Twice):
        return found
    parts = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return next((twice for part in parts if (twice := _first_twice(part)) is not None), None)


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def depth_limit(payload: bytes) -> None:
    """Refuse deep nesting before any parser recurses: at most MAX_DEPTH open brackets outside of strings."""
    if payload.count(b"{") + payload.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in re.findall(rb"[\[{\]}]", _STRING.sub(b"", payload)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise Refused(
                RejectReason.TOO_DEEP, f"Nested deeper than {MAX_DEPTH} levels: send a plain shape."
            )


def _integer(digits: str) -> int | float:
    return (
        int(digits) if len(digits) <= _MAX_DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)
    )


def _require_known(part: dict[str, Any], unit: str = "") -> None:
    """Refuse a time or a unit under a name that is not read, and results that their device calls bad;
    `unit`: the name that is read.
    """
    require_good(part)
    if key := stray_time(part):
        raise shape_refused(f"The time is in {key[:60]!r}, which is not read: call it `time`.")
    if key := stray_unit(part, unit):
        raise shape_refused(
            f"{key[:60]!r} states a unit, and is not read: "
            + (
                "call it `unit`."
                if unit
                else "send `observations`, each with its `unit`; or have the fields mapped in their units, "
                "and leave it out."
            )
        )

    if key := stray_factor(part):
        raise shape_refused(
            f"{key[:60]!r} is a factor, and is not read: send the results themselves; or have the fields "
            "mapped with their `scale`, and leave it out."
        )


def require_good(part: dict[str, Any]) -> None:
    """Refuse a part that calls its own results bad."""
    if key := called_bad(part):
        raise Refused(
            RejectReason.CALLED_BAD,
            f"{key[:60]!r} says {str(part[key])[:40]!r}: the device itself calls these results bad, so they "
            "are not stored.",
        )


def _unit_of(item: dict[str, Any]) -> str:
    """The unit that an observation states; '' for that of its datastream."""
    unit = item.get("unit", "")
    if not isinstance(unit, str):
        raise shape_refused("`unit` must be a text such as ug/m3.")
    return unit


def _sequence(part: dict[str, Any]) -> tuple[str, int] | None:
    boot, seq = part.get("boot"), part.get("seq")
    if boot is None and seq is None:
        return None
    if boot is None or seq is None:
        raise shape_refused("`boot` and `seq` belong together.")
    if not isinstance(boot, str) or not 0 < len(boot) <= 64 or "\x00" in boot or not boot.isprintable():
        raise shape_refused("`boot` must be a text of 1 to 64 printable characters.")
    if "@" in boot:
        raise shape_refused("`boot` must not hold @: an e-mail address tells of a person, not of a start.")
    if isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq <= MAX_SEQ:
        raise shape_refused("`seq` must be a whole number from 0 to 2^63 − 2.")
    return boot, seq


def time_of(part: dict[str, Any]) -> tuple[int | None, bool]:
    given = part.get("time")
    if given is None:
        return None, False
    if isinstance(given, str):
        time_us = times.of_text(given)
        if time_us is None:
            raise shape_refused(
                f"`time` {given[:40]!r} is not RFC 3339 with an offset, such as 2026-03-01T12:00:00Z"
                f"{'; send a Unix time without quotes' if given.strip().isdecimal() else ''}."
            )
        return time_us, False
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise shape_refused("`time` must be RFC 3339 text or a Unix number.")
    found = times.of_number(given) if not isinstance(given, int) or abs(given) < 10**21 else None
    if found is None:
        raise shape_refused(f"`time` {str(given)[:40]} is no Unix time in any unit.")
    return found
