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
from ingest.decode.result import Decoded, Unreadable
from insitu.model import Reading, RejectReason
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
        if not 0 < len(boot) <= 64 or not boot.isprintable() or not 0 <= seq <= MAX_SEQ:
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


def _exactly(payload: bytes) -> Decoded | Unreadable:
    try:
        document = read_json(payload)
        parts = document if isinstance(document, list) else [document]
        if not parts:
            raise shape_refused("The list is empty.")
        readings: list[Reading] = []
        sequences: list[tuple[str, int]] = []
        for number, part in enumerate(parts):
            where = f" (item {number})" if isinstance(document, list) else ""
            _read_part(part, where, readings, sequences)
            if len(readings) > MAX_RESULTS:
                raise Refused(
                    RejectReason.TOO_LARGE, f"More than {MAX_RESULTS} results: send several messages."
                )
        return Decoded(readings, tuple(sequences), in_part=0 < len(sequences) < len(parts))
    except Refused as refused:
        return refused.unreadable


def read_json(payload: bytes) -> Any:
    """Strict JSON: bounded depth, UTF-8, no duplicate keys, no endless numbers; floats may be infinite."""
    depth_limit(payload)
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(RejectReason.UNPARSABLE, f"Not UTF-8 at byte {error.start}.") from error
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_int=_integer, parse_constant=float)
    except Refused:
        raise
    except (ValueError, RecursionError) as error:
        raise Refused(RejectReason.UNPARSABLE, f"Not JSON: {str(error)[:200]}") from error


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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise shape_refused(f"The key {twice[:60]!r} appears twice.")
    return found


def _integer(digits: str) -> int | float:
    return (
        int(digits) if len(digits) <= _MAX_DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)
    )


def _read_part(part: Any, where: str, readings: list[Reading], sequences: list[tuple[str, int]]) -> None:
    if not isinstance(part, dict):
        raise shape_refused(f'Expected an object such as {{"results": {{"pm25": 12.3}}}}{where}.')
    sequence = _sequence(part, where)
    if sequence is not None:
        sequences.append(sequence)
    if "observations" in part:
        observations = part["observations"]
        if not isinstance(observations, list) or not observations:
            raise shape_refused(f"`observations` must be a list with at least one item{where}.")
        for item in observations:
            if (
                not isinstance(item, dict)
                or not isinstance(item.get("property"), str)
                or "result" not in item
            ):
                raise shape_refused(f"Each observation needs `property` and `result`{where}.")
            readings.append(
                Reading(item["property"], item["result"], *time_of(item, where), unit=_unit_of(item, where))
            )
        return
    results = part.get("results")
    if not isinstance(results, dict) or not results:
        raise shape_refused(f"Neither `results` nor `observations` is there{where}.")
    time = time_of(part, where)
    readings.extend(Reading(name, result, *time) for name, result in results.items())


def _unit_of(item: dict[str, Any], where: str) -> str:
    """The unit that an observation states; '' for that of its datastream."""
    unit = item.get("unit", "")
    if not isinstance(unit, str):
        raise shape_refused(f"`unit` must be a text such as ug/m3{where}.")
    return unit


def _sequence(part: dict[str, Any], where: str) -> tuple[str, int] | None:
    boot, seq = part.get("boot"), part.get("seq")
    if boot is None and seq is None:
        return None
    if boot is None or seq is None:
        raise shape_refused(f"`boot` and `seq` belong together{where}.")
    if not isinstance(boot, str) or not 0 < len(boot) <= 64 or "\x00" in boot or not boot.isprintable():
        raise shape_refused(f"`boot` must be a text of 1 to 64 printable characters{where}.")
    if isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq <= MAX_SEQ:
        raise shape_refused(f"`seq` must be a whole number from 0 to 2^63 − 2{where}.")
    return boot, seq


def time_of(part: dict[str, Any], where: str) -> tuple[int | None, bool]:
    given = part.get("time")
    if given is None:
        return None, False
    if isinstance(given, str):
        time_us = times.of_text(given)
        if time_us is None:
            raise shape_refused(
                f"`time` {given[:40]!r} is not RFC 3339 with an offset, such as 2026-03-01T12:00:00Z{where}."
            )
        return time_us, False
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise shape_refused(f"`time` must be RFC 3339 text or a Unix number{where}.")
    found = times.of_number(given) if not isinstance(given, int) or abs(given) < 10**21 else None
    if found is None:
        raise shape_refused(f"`time` {str(given)[:40]} is no Unix time in any unit{where}.")
    return found
