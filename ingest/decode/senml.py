"""`…/senml`: Sensor Measurement Lists (RFC 8428), as JSON or CBOR; the first byte distinguishes them.

A pack is resolved as in section 4 of the RFC: base fields apply to their record and all later ones. The last
part of a record's name, after '/' or ':', is the name of the datastream; the part before is its source, which
usually names the device. A wrong record is refused alone; a wrong base field is refused with every later
record, because it would make them wrong.

CBOR is read here without a library. A pack needs few of its types, and a general reader hashes any map key a
device sends; chosen keys could make a single message take seconds.
"""

from __future__ import annotations

import math
import re
import struct
from typing import Any, Final

from ingest.decode import native, times
from ingest.decode.native import Refused, shape_refused
from ingest.decode.result import LONGEST_INTERVAL_US, Decoded, Problem, Unreadable, settle
from insitu.model import IgnoreReason, Reading, RejectReason
from insitu.units import SENML
from insitu.wire import MAX_DEPTH, MAX_RESULTS

VERSION: Final = 10
ABSOLUTE_S: Final = 2**28
"""Smaller times are seconds from now, larger ones seconds since 1970."""
_FURTHEST_S: Final = 1e11

_LABELS: Final = {
    -1: "bver",
    -2: "bn",
    -3: "bt",
    -4: "bu",
    -5: "bv",
    -6: "bs",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}
_VALUES: Final = ("v", "vs", "vb", "vd")
_KINDS: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    **dict.fromkeys(("bn", "bu", "n", "u", "vs"), ((str,), "a text")),
    **dict.fromkeys(("bt", "bv", "bs", "v", "s", "t", "ut"), ((int, float), "a number")),
    "vb": ((bool,), "true or false"),
    "vd": ((str, bytes), "data"),
    "bver": ((int,), "a whole number"),
}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*")
_SEPARATOR: Final = re.compile(r"[/:]")


def decode(payload: bytes, received_us: int) -> Decoded | Unreadable:
    """The records of one pack."""
    try:
        # No JSON text begins with such a byte. An array in CBOR does, and so does the tag that marks CBOR.
        pack = _Cbor(payload).document() if payload[:1] >= b"\x80" else native.read_json(payload)
        if not isinstance(pack, list) and pack != {}:
            raise shape_refused('Expected a list of records, such as [{"n": "pm25", "v": 12.3}].')
        if len(pack) > MAX_RESULTS:
            raise Refused(RejectReason.TOO_LARGE, f"More than {MAX_RESULTS} records: send several messages.")
        return _Pack().resolve(list(pack))
    except Refused as refused:
        return refused.unreadable


class _Pack:
    """The records of one pack that were read so far."""

    def __init__(self) -> None:
        self._base: dict[str, Any] = {}
        self._readings: list[Reading] = []
        self._problems: list[Problem] = []
        self._starts: list[int] = []
        self._every_s = 0.0
        self._base_is_known = True
        """False if the base fields of the last record could not be read."""

    def resolve(self, pack: list[Any]) -> Decoded | Unreadable:
        for number, given in enumerate(pack):
            self._starts.append(len(self._readings))
            where = f" (record {number})"
            try:
                self._read(given, number, where)
            except Refused as refused:
                reason, detail, _ = refused.unreadable
                self._problems.append(Problem(reason, detail, number))
                if not self._base_is_known and _has_base(given):
                    self._give_up(pack, number)
                    break
        if not pack:
            return Decoded([], ignored=IgnoreReason.EMPTY)
        if not self._readings and not self._problems:
            raise shape_refused("No record has a value.")
        settled = settle(self._readings, self._problems)
        if isinstance(settled, Unreadable):
            return settled
        settled = settled._replace(starts=tuple(self._starts))
        if 0 < self._every_s <= LONGEST_INTERVAL_US / 1e6:
            return settled._replace(interval_us=max(1, round(self._every_s * 1e6)))
        return settled

    def _give_up(self, pack: list[Any], wrong: int) -> None:
        """Refuse every record after a wrong base field."""
        for number in range(wrong + 1, len(pack)):
            detail = (
                f"The base fields of record {wrong} are wrong, so this record is not read (record {number})."
            )
            self._problems.append(Problem(RejectReason.INVALID_SHAPE, detail, number))

    def _read(self, given: Any, number: int, where: str) -> None:
        base, self._base_is_known = self._base, False
        record = _labelled(given, where)
        _require_kinds(record, where, base=True)
        version = base.get("bver", VERSION if number else record.get("bver", VERSION))
        if record.get("bver", version) != version:
            raise shape_refused(f"`bver` must be the same for all records{where}.")
        base.update((label, record[label]) for label in record if label[0] == "b")
        base["bver"], self._base_is_known = version, True
        _require_kinds(record, where, base=False)
        if record and all(label[0] == "b" for label in record):
            return  # it only carries base fields for others, as in section 5.1.7
        source, name = _name(base.get("bn", "") + record.get("n", ""), where)
        time = _time(_sum(base.get("bt", 0), record.get("t", 0)), where)
        values = [label for label in _VALUES if label in record]
        if len(values) > 1 or not (values or "s" in record or "bs" in base):
            raise shape_refused(f"Each record needs exactly one of `v`, `vs`, `vb` and `vd`{where}.")
        if not values:
            raise Refused(
                RejectReason.WRONG_TYPE, f"{name[:60]!r} has a sum (`s`) and no value (`v`){where}."
            )
        value = _sum(base.get("bv", 0), record["v"]) if values[0] == "v" else record[values[0]]
        unit = record.get("u", base.get("bu", ""))
        self._readings.append(Reading(name, value, *time, SENML.get(unit, unit), source))
        self._every_s = max(self._every_s, record.get("ut", 0.0))


def _has_base(record: Any) -> bool:
    """True if it may have a base field that later records need."""
    labels = record.keys if isinstance(record, native.Twice) else record
    if not isinstance(labels, dict | list):
        return False
    return any(
        label < 0 if isinstance(label, int) else isinstance(label, str) and label[:1] == "b"
        for label in labels
    )


def _labelled(record: Any, where: str) -> dict[str, Any]:
    """Its known labels."""
    if isinstance(record, native.Twice):
        raise shape_refused(f"{record.detail.removesuffix('.')}{where}.")
    if not isinstance(record, dict):
        raise shape_refused(f"A record must be an object{where}.")
    found: dict[str, Any] = {}
    for label, given in record.items():
        name = _LABELS.get(label) if isinstance(label, int) else label
        if name in found:
            raise shape_refused(f"The label {name!r} appears twice{where}.")
        if name in _KINDS:
            found[name] = given
        elif name is not None and name.endswith("_"):
            raise shape_refused(f"The label {name[:60]!r} must be understood, and is not{where}.")
    return found


def _require_kinds(record: dict[str, Any], where: str, *, base: bool) -> None:
    """Refuse a label of the wrong type: among base fields, which later records need, or among the others."""
    for name, given in record.items():
        kinds, words = _KINDS[name]
        if (
            name.startswith("b") == base and given.__class__ not in kinds
        ):  # isinstance takes True for a number
            raise shape_refused(f"`{name}` must be {words}{where}.")
    if base and not 0 < record.get("bver", VERSION) <= VERSION:
        raise shape_refused(f"`bver` must be at most {VERSION}, the version of RFC 8428{where}.")


def _name(whole: str, where: str) -> tuple[str, str]:
    """(source, name of the datastream)"""
    if not _NAME.fullmatch(whole):
        raise shape_refused(
            f"The name {whole[:60]!r} must begin with a letter or digit, and consist of A–Z a–z 0–9 - : . / "
            f"_{where}."
        )
    trimmed = whole.rstrip("/:")
    name = _SEPARATOR.split(trimmed)[-1]
    return trimmed[: len(trimmed) - len(name)].rstrip("/:"), name


def _time(seconds: float, where: str) -> tuple[int | None, bool, int]:
    """(µs since 1970, repaired, µs from the receipt)."""
    if -_FURTHEST_S < seconds < ABSOLUTE_S:
        return None, False, round(seconds * 1e6)
    found = times.of_number(seconds) if seconds > 0 else None
    if found is None:
        raise shape_refused(f"`bt` + `t` is no time{where}.")
    return *found, 0


def _sum(base: float, given: float) -> float:
    try:
        return base + given
    except OverflowError:  # an integer too large for a float, added to a float
        return math.inf if (base if isinstance(base, int) else given) > 0 else -math.inf


_BREAK: Final = object()
_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 2, 3, 4, 5, 6, 7
_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}
_SIMPLES: Final = {20: False, 21: True, 22: None, 23: None}
_POSITIVE, _NEGATIVE, _DECIMAL, _CBOR = 2, 3, 4, 55799
_MAX_BIGNUM: Final = 166  # bytes: 400 digits, as in JSON


def _unparsable(detail: str) -> Refused:
    return Refused(RejectReason.UNPARSABLE, f"Not CBOR: {detail}.")


class _Cbor:
    """The part of RFC 8949 that SenML needs, with the same bounds as JSON: depth, text or integer keys, no
    duplicates.
    """

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def document(self) -> Any:
        """The single item of the payload."""
        found = self._item(0)
        if self._at != len(self._payload):
            raise _unparsable(f"more bytes after its end at {self._at}")
        return found

    def _take(self, count: int) -> bytes:
        taken = self._payload[self._at : self._at + count]
        if len(taken) < count:
            raise _unparsable("it ends in the middle")
        self._at += count
        return taken

    def _item(self, depth: int, *, breakable: bool = False) -> Any:
        first = self._take(1)[0]
        kind, info = first >> 5, first & 31
        if kind == _SIMPLE:
            return self._simple(info, breakable)
        argument: int | None = info
        if info in _SIZES:
            argument = int.from_bytes(self._take(_SIZES[info]), "big")
        elif info == 31 and _BYTES <= kind <= _MAP:
            argument = None  # it ends with a break
        elif info >= 24:
            raise _unparsable(f"byte {first:#04x} at {self._at - 1}")
        if kind in (_BYTES, _TEXT):
            return self._string(kind, argument)
        if argument is not None and kind < _BYTES:
            return argument if kind == 0 else -1 - argument
        if depth >= MAX_DEPTH:
            raise Refused(
                RejectReason.TOO_DEEP, f"Nested deeper than {MAX_DEPTH} levels: send a plain shape."
            )
        if kind == _TAG:
            return self._tagged(argument or 0, self._item(depth + 1), depth)
        return self._array(argument, depth + 1) if kind == _ARRAY else self._map(argument, depth + 1)

    def _simple(self, info: int, breakable: bool) -> Any:
        if info in _FLOATS:
            return struct.unpack(_FLOATS[info], self._take(_SIZES[info]))[0]
        if info == 31 and breakable:
            return _BREAK
        if info >= 28:
            raise _unparsable(f"an end without a beginning at {self._at - 1}")
        if info == 24:
            info = self._take(1)[0]
            if info < 32:
                raise _unparsable(f"a simple value of two bytes at {self._at - 1}")
        return _SIMPLES.get(info)

    def _string(self, kind: int, length: int | None) -> str | bytes:
        whole = self._take(length) if length is not None else b"".join(self._chunks(kind))
        if kind == _BYTES:
            return whole
        try:
            return whole.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _unparsable("a text is not UTF-8") from error

    def _chunks(self, kind: int) -> list[bytes]:
        chunks = []
        while (first := self._take(1)[0]) != 0xFF:
            info = first & 31
            if first >> 5 != kind or (info >= 24 and info not in _SIZES):
                raise _unparsable(f"byte {first:#04x} in a text at {self._at - 1}")
            chunks.append(
                self._take(int.from_bytes(self._take(_SIZES[info]), "big") if info in _SIZES else info)
            )
        return chunks

    def _array(self, length: int | None, depth: int) -> list[Any]:
        found: list[Any] = []
        while len(found) != length:
            item = self._item(depth, breakable=length is None)
            if item is _BREAK:
                break
            found.append(item)
        return found

    def _map(self, length: int | None, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        while len(found) != length:
            key = self._item(depth, breakable=length is None)
            if key is _BREAK:
                break
            if key.__class__ is not int and key.__class__ is not str:
                raise shape_refused("A label is neither a whole number nor a text.")
            if key in found:
                raise shape_refused(f"The label {str(key)[:60]!r} appears twice.")
            found[key] = self._item(depth)
        return found

    def _tagged(self, tag: int, content: Any, depth: int) -> Any:
        if tag == _CBOR and depth == 0:
            return content
        if tag in (_POSITIVE, _NEGATIVE) and isinstance(content, bytes):
            if len(content) > _MAX_BIGNUM:
                return math.inf if tag == _POSITIVE else -math.inf
            number = int.from_bytes(content, "big")
            return number if tag == _POSITIVE else -1 - number
        if (
            tag == _DECIMAL
            and isinstance(content, list)
            and [part.__class__ for part in content] == [int, int]
        ):
            return float(f"{content[1]}e{content[0]}")
        return [tag, content]  # a type that no SenML label accepts
