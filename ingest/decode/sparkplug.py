"""`spBv1.0/GROUP/TYPE/EDGE[/DEVICE]`: Sparkplug B 3.0, as a host that listens.

A birth names every metric and gives it an alias; data may use the alias alone. This file decodes a message
without knowing the birth; `ingest/edge_nodes.py` adds the birth. Field numbers follow the payload of the
specification (chapter 6). Nested parts (properties, data sets, templates) stay bytes, so nothing recurses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from ingest.decode import times
from ingest.decode.judgement import BAD, plain_word
from ingest.decode.result import Decoded, Decoder, Problem, StatusReport, Unreadable, settle
from insitu.model import IgnoreReason, Reading, RejectReason
from insitu.unit_words import read_unit
from insitu.wire import MAX_RESULTS, SPARKPLUG, SPARKPLUG_TYPES
from store.births import Defined, Names

_FIELD = descriptor_pb2.FieldDescriptorProto
_METRIC: Final = (
    ("name", 1, _FIELD.TYPE_BYTES),
    ("alias", 2, _FIELD.TYPE_UINT64),
    ("timestamp", 3, _FIELD.TYPE_UINT64),
    ("datatype", 4, _FIELD.TYPE_UINT32),
    ("is_historical", 5, _FIELD.TYPE_BOOL),
    ("is_null", 7, _FIELD.TYPE_BOOL),
    ("properties", 9, _FIELD.TYPE_BYTES),
    ("int_value", 10, _FIELD.TYPE_UINT32),
    ("long_value", 11, _FIELD.TYPE_UINT64),
    ("float_value", 12, _FIELD.TYPE_FLOAT),
    ("double_value", 13, _FIELD.TYPE_DOUBLE),
    ("boolean_value", 14, _FIELD.TYPE_BOOL),
    ("string_value", 15, _FIELD.TYPE_BYTES),
    ("bytes_value", 16, _FIELD.TYPE_BYTES),
    ("dataset_value", 17, _FIELD.TYPE_BYTES),
    ("template_value", 18, _FIELD.TYPE_BYTES),
)
_PROPERTY: Final = (
    ("int_value", 3, _FIELD.TYPE_UINT32),
    ("long_value", 4, _FIELD.TYPE_UINT64),
    ("string_value", 8, _FIELD.TYPE_BYTES),
)
_VALUES: Final = tuple(name for name, _, _ in _METRIC if name.endswith("_value"))
_BITS: Final = {1: 8, 2: 16, 3: 32, 4: 64}
"""Bits of signed whole numbers by datatype (Int8 … Int64), which are sent as unsigned numbers with the same
bits.
"""
_NUMBERS: Final = range(1, 12)
_OWN: Final = ("Node Control/", "Device Control/", "Properties/")
"""Names of an edge node's own settings; they are no results."""
BD_SEQ: Final = "bdSeq"
_QUALITY: Final = "Quality"
_UNITS: Final = frozenset(
    {"engunit", "engunits", "unit", "units", "uom", "engineeringunit", "engineeringunits"}
)


def _message_classes() -> tuple[Any, Any]:
    """(payload, property set)."""
    file = descriptor_pb2.FileDescriptorProto(
        name="insitu/sparkplug.proto", package="insitu.sparkplug", syntax="proto2"
    )
    metric = file.message_type.add(name="Metric")
    for name, number, kind in _METRIC:
        metric.field.add(name=name, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)
    entry = file.message_type.add(name="Property")
    for name, number, kind in _PROPERTY:
        entry.field.add(name=name, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)
    properties = file.message_type.add(name="Properties")
    properties.field.add(name="keys", number=1, type=_FIELD.TYPE_BYTES, label=_FIELD.LABEL_REPEATED)
    properties.field.add(
        name="entries",
        number=2,
        type=_FIELD.TYPE_MESSAGE,
        type_name=".insitu.sparkplug.Property",
        label=_FIELD.LABEL_REPEATED,
    )
    payload = file.message_type.add(name="Payload")
    payload.field.add(name="timestamp", number=1, type=_FIELD.TYPE_UINT64, label=_FIELD.LABEL_OPTIONAL)
    payload.field.add(
        name="metrics",
        number=2,
        type=_FIELD.TYPE_MESSAGE,
        type_name=".insitu.sparkplug.Metric",
        label=_FIELD.LABEL_REPEATED,
    )
    payload.field.add(name="seq", number=3, type=_FIELD.TYPE_UINT64, label=_FIELD.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    payload_class, properties_class = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"insitu.sparkplug.{name}"))
        for name in ("Payload", "Properties")
    )
    return payload_class, properties_class


_Payload, _Properties = _message_classes()


class Metric(NamedTuple):
    """One metric as sent; `name` is None if only the alias identifies it."""

    name: str | None
    alias: int | None
    datatype: int | None
    time_us: int | None
    repaired: bool
    historical: bool
    value: object
    """None for a null; bytes if it is not a single value."""
    problem: str = ""
    """Why it cannot be read."""
    unit: str = ""
    """In UCUM, or as sent where nobody knows it; empty if its properties state none."""
    quality: str = ""
    """`bad`, `stale` or `uncertain`; empty if its properties call it good, or say nothing."""


class EdgeMessage(NamedTuple):
    """A message of an edge node, decoded without its birth."""

    kind: str
    time_us: int | None
    seq: int | None
    metrics: list[Metric]

    @property
    def bd_seq(self) -> int | None:
        """Number of the connection to which this birth or death belongs."""
        found = next((metric.value for metric in self.metrics if metric.name == BD_SEQ), None)
        return found if isinstance(found, int) and not isinstance(found, bool) and found < 2**63 else None


_NO_NAME: Final = (None, "The name of a metric is not UTF-8, or holds a NUL.")


def _decoder(kind: str) -> Decoder:
    def decode(payload: bytes, _received_us: int) -> Decoded | Unreadable:
        read = parse(kind, payload)
        return read if isinstance(read, Unreadable) else meaning(read, {})

    return decode


DECODERS: dict[str, Decoder] = {f"{SPARKPLUG}/{kind}": _decoder(kind) for kind in SPARKPLUG_TYPES}


def parse(kind: str, payload: bytes) -> EdgeMessage | Unreadable:
    """Decode the message, field by field."""
    found = _Payload()
    try:
        found.ParseFromString(payload)
    except DecodeError:
        return Unreadable(
            RejectReason.UNPARSABLE, "Not a Sparkplug B payload: its Protocol Buffers cannot be read."
        )
    if len(found.metrics) > MAX_RESULTS:
        return Unreadable(RejectReason.TOO_LARGE, f"More than {MAX_RESULTS} metrics: send several messages.")
    seq = found.seq if found.HasField("seq") else None
    if (seq is None and kind != "NDEATH") or (seq is not None and seq > 255):
        return Unreadable(
            RejectReason.INVALID_SHAPE, "A Sparkplug message has a `seq` from 0 to 255; only NDEATH has none."
        )
    stamp = _time(found.timestamp) if found.HasField("timestamp") else (None, False)
    return EdgeMessage(kind, stamp[0], seq, [_metric(metric, stamp) for metric in found.metrics])


def _time(milliseconds: int) -> tuple[int | None, bool]:
    found = times.of_number(milliseconds, times.MILLISECONDS)
    return found if found is not None else (None, False)


def _metric(metric: Any, stamp: tuple[int | None, bool]) -> Metric:
    datatype = metric.datatype if metric.HasField("datatype") else None
    time_us, repaired = _time(metric.timestamp) if metric.HasField("timestamp") else stamp
    value: object = None
    if not metric.is_null:
        present = next((name for name in _VALUES if metric.HasField(name)), None)
        value = None if present is None else getattr(metric, present)
        if present == "string_value":
            value = metric.string_value.decode("utf-8", "replace")
    name, problem = _name(metric.name) if metric.HasField("name") else (None, "")
    unit, quality = "", ""
    if metric.HasField("properties"):
        try:
            unit, quality = _properties(metric.properties)
        except DecodeError:
            problem = problem or "The properties of a metric cannot be read."
    return Metric(
        name,
        metric.alias if metric.HasField("alias") else None,
        datatype,
        time_us,
        repaired,
        metric.is_historical,
        value,
        problem,
        unit,
        quality,
    )


def _properties(content: bytes) -> tuple[str, str]:
    """(unit, quality) that a set of properties states. Raises DecodeError for other bytes."""
    found = _Properties()
    found.ParseFromString(content)
    unit = quality = ""
    for key, entry in zip(found.keys, found.entries, strict=False):
        name = key.decode("utf-8", "replace")
        text = entry.string_value.decode("utf-8", "replace").strip()
        if name == _QUALITY:
            quality = _judged(text or (entry.int_value if entry.HasField("int_value") else entry.long_value))
        elif text and name.casefold().replace("_", "").replace(" ", "") in _UNITS:
            unit = read_unit(text) or text
    return unit, quality


def _judged(given: str | int) -> str:
    """The word for a quality: OPC's codes from 192 to 255 are good; 500 is stale in Sparkplug."""
    if isinstance(given, str):
        return "bad" if plain_word(given) in BAD else ""
    if 192 <= given < 256:
        return ""
    return "stale" if given == 500 else "uncertain" if 64 <= given < 128 else "bad"


def _name(given: bytes) -> tuple[str | None, str]:
    """(name, why it is none)."""
    try:
        return _NO_NAME if b"\0" in given else (given.decode("utf-8"), "")
    except UnicodeDecodeError:
        return _NO_NAME


def meaning(message: EdgeMessage, names: Names) -> Decoded | Unreadable:
    """Results of the message with the names from a birth; a death has none."""
    status = _STATUS[message.kind]
    if message.kind.endswith("DEATH"):
        return Decoded([], status=status, ignored=IgnoreReason.STATUS)
    readings: list[Reading] = []
    problems: list[Problem] = []
    historical = True
    by_name = {defined.name: defined for defined in names.values()}
    for number, metric in enumerate(message.metrics):
        name, datatype = metric.name, metric.datatype
        if metric.problem:
            problems.append(Problem(RejectReason.UNPARSABLE, metric.problem, number))
            continue
        if name is None:
            if metric.alias not in names:
                problems.append(
                    Problem(
                        RejectReason.UNKNOWN_ALIAS,
                        f"No birth has named the alias {metric.alias}: the edge node was asked for one.",
                        number,
                    )
                )
                continue
            defined = names[metric.alias]
            name = defined.name
        else:
            defined = by_name.get(name, Defined(name, None))
        datatype = defined.datatype if datatype is None else datatype
        if metric.value is None or name == BD_SEQ or name.startswith(_OWN):
            continue
        historical &= metric.historical
        unit = metric.unit or defined.unit
        readings.append(
            Reading(name, _result(metric.value, datatype), metric.time_us, metric.repaired, unit=unit)
        )
        if metric.quality:  # a reading of its own, so that a mapping can overrule it
            readings.append(Reading(f"{name}.{_QUALITY}", metric.quality, metric.time_us, metric.repaired))
    if not readings and not problems:
        return Decoded([], status=status or StatusReport(), ignored=IgnoreReason.STATUS)
    settled = settle(readings, problems)
    return (
        settled
        if isinstance(settled, Unreadable)
        else settled._replace(status=status, historical=historical and bool(readings))
    )


_STATUS: Final = {
    "NBIRTH": StatusReport(state="online", note="born"),
    "DBIRTH": StatusReport(state="online", note="born"),
    "NDEATH": StatusReport(state="offline", note="dead"),
    "DDEATH": StatusReport(state="offline", note="dead"),
    "NDATA": None,
    "DDATA": None,
}


def _result(value: object, datatype: int | None) -> object:
    """Converts signed numbers from their bits. A value other than a number, boolean or text stays bytes,
    which no datastream accepts.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if datatype in _BITS:
        bits = _BITS[datatype]
        low = value & (1 << bits) - 1
        return low - (1 << bits) if low >> bits - 1 else low
    return value if datatype is None or datatype in _NUMBERS else f"datatype {datatype}"


def names_of(metrics: Iterable[Metric]) -> Names:
    """As a birth defines them, by alias; a metric without one has a number below 0, which is no alias."""
    return {
        -number if metric.alias is None else metric.alias: Defined(metric.name, metric.datatype, metric.unit)
        for number, metric in enumerate(metrics, 1)
        if metric.name is not None
    }


def rebirth_command(time_us: int) -> bytes:
    """NCMD: `Node Control/Rebirth` = true."""
    command = _Payload(timestamp=time_us // 1000)
    command.metrics.add(
        name=b"Node Control/Rebirth", timestamp=time_us // 1000, datatype=11, boolean_value=True
    )
    return bytes(command.SerializeToString())
