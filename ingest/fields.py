"""Readings as a device's mappings see them: selected in lists, converted, timed, left out, or sent to health.

Runs only for devices whose mappings say more than property and unit, and for results in lists of objects.
Strict by default: without a mapping's word, a text is no number and a position is no name. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ingest.decode import Decoded, StatusReport
from ingest.decode.flatten import Record
from ingest.decode.judgement import judges
from ingest.field_times import UnreadableTime, looks_like_time, read_time
from ingest.field_values import NoHealth, converted, health_of, is_none
from ingest.selectors import Selector, selectors, suggestion
from ingest.stated_facts import Fact, may_state_facts, stated_facts
from ingest.stated_units import contradiction, stated_units
from insitu.model import IgnoreReason, Reading, RejectReason
from store.catalogue.snapshot import KnownDevice
from store.fields import FieldRule, is_same


@dataclass(slots=True)
class Sorted:
    """The readings of a device, sorted by their use; `sort_fields` owns it until it returns."""

    readings: list[Reading] = field(default_factory=list)
    """Results with the names of their datastreams."""
    kept: list[tuple[int, Reading, bool]] = field(default_factory=list)
    """Each of those that stay: (index, reading, time from the payload)."""
    own_times: list[Reading] = field(default_factory=list)
    """Those whose time a mapping takes from the payload, behind a network server."""
    refused: dict[RejectReason, tuple[int, str]] = field(default_factory=dict)
    left_out: dict[IgnoreReason, int] = field(default_factory=dict)
    health: dict[str, float | str] = field(default_factory=dict)
    fates: list[tuple[int, str, str]] = field(default_factory=list)
    """(index of the reading, what it is, why) of those that are no results."""

    def status(self, before: StatusReport | None) -> StatusReport | None:
        if not self.health:
            return before
        return (before or StatusReport())._replace(**self.health)  # type: ignore[arg-type]


def needs_rules(device: KnownDevice, decoded: Decoded) -> bool:
    if device.rules or decoded.records:
        return True
    return any(may_state_facts(reading.property) for reading in decoded.readings)


def sort_fields(device: KnownDevice, decoded: Decoded) -> Sorted:
    """Apply the mappings of the device to each reading."""
    return _Sorter(device, decoded).sort()


class _Refused(Exception):
    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class _Sorter:
    """One message of one device."""

    def __init__(self, device: KnownDevice, decoded: Decoded) -> None:
        self._device, self._decoded = device, decoded
        self._rules = device.rules
        self._selectors = selectors({**device.datastreams, **device.rules}) if decoded.records else []
        self._patterns = [name for name in device.rules if "*" in name]
        self._fields = [self._field(index) for index in range(len(decoded.readings))]
        self._times = self._scoped_times()
        self._timers = {rule.time_field for rule in device.rules.values() if rule.time_field}
        self._named = self._named_times()
        self._unexpected = self._unexpected_words()
        self._stated = stated_units(decoded.readings, self._fields)
        self._late, self._bad = stated_facts(decoded, self._told_names(), self._is_result)
        self._sorted = Sorted()

    def sort(self) -> Sorted:
        for index, reading in enumerate(self._decoded.readings):
            try:
                self._sort(index, reading)
            except _Refused as refused:
                before, first = self._sorted.refused.get(refused.reason, (0, str(refused)))
                self._sorted.refused[refused.reason] = (before + 1, first)
                self._sorted.fates.append((index, str(refused.reason), str(refused)))
        return self._sorted

    def _told_names(self) -> list[str | None]:
        """Names of the readings in mappings, also of those that are times of others."""
        sent = self._decoded.readings
        return [
            name or (sent[index].property if sent[index].property in self._timers else None)
            for index, name in enumerate(self._fields)
        ]

    def _is_result(self, index: int) -> bool:
        """True if a datastream has it."""
        name = self._fields[index]
        rule = self._rules.get(name) if name is not None else None
        return name in self._device.datastreams and (rule is None or not is_none(self._sent(index), rule))

    def _sent(self, index: int) -> object:
        return self._decoded.readings[index].result

    def _require_good(self, index: int, rule: FieldRule | None) -> None:
        """Raises _Refused for a result whose time is elsewhere, or that its device calls bad."""
        fact = self._bad.get(index)
        if fact is None and index in self._late and self._time_index(index, rule) is None:
            fact = self._late[index]
        if fact is not None:
            raise _Refused(*fact)

    def _field(self, index: int) -> str | None:
        """The name of the reading that a mapping or datastream has; None if there is none."""
        reading, record = self._decoded.readings[index], self._decoded.records.get(index)
        known: tuple[Mapping[str, object], ...] = (self._rules, self._device.datastreams)
        names = [reading.property]
        if reading.source:
            names.insert(0, f"{reading.source}.{reading.property}")
        if record is not None:
            selected = [one.field for one in self._selectors if one.selects(record)]
            names = [*selected, *(names if not record.is_positional else ())]
        found = next((name for name in names if any(name in names_of for names_of in known)), None)
        if found is None and self._mapped_whole(reading.property) is None:
            return next((one for one in self._patterns if _is_named(reading, one)), None)
        return found

    def _mapped_whole(self, name: str) -> str | None:
        """The field with a datastream that `name` is a part of: `ENERGY.Power` of `ENERGY.Power.0`, where a
        device with three phases sends a list. No pattern may leave such a part out.
        """
        wholes = (name[:at] for at in range(len(name)) if name[at] == ".")
        return next((whole for whole in wholes if whole in self._device.datastreams), None)

    def _scope(self, index: int, depth: int | None = None) -> tuple[int, ...]:
        """Identifies the objects in lists around a reading, down to `depth`."""
        record = self._decoded.records.get(index)
        return () if record is None else tuple(id(step.keys) for step in record.steps[:depth])

    def _scoped_times(self) -> dict[tuple[int, ...], int]:
        """Objects around a mapped time → index of its reading."""
        found = {}
        for index, name in enumerate(self._fields):
            if name is not None and (rule := self._rules.get(name)) is not None and rule.time:
                found[self._scope(index)] = index
        return found

    def _named_times(self) -> dict[tuple[tuple[int, ...], str], int]:
        """(objects around it, name) of a field that is the time of another → index of its reading."""
        found = {}
        if self._timers:
            for index, reading in enumerate(self._decoded.readings):
                for name in (self._fields[index], reading.property):
                    if name in self._timers:
                        found[self._scope(index), name] = index
        return found

    def _unexpected_words(self) -> dict[tuple[int, ...], Fact]:
        """Objects around a field that does not say what its mapping expects → the refusal of what is beside
        it.
        """
        found = {}
        for index, name in enumerate(self._fields):
            rule = self._rules.get(name) if name is not None else None
            sent = self._sent(index)
            if rule is not None and rule.expect and not any(is_same(word, sent) for word in rule.expect):
                words = " or ".join(repr(word) for word in rule.expect)
                says = f"{name!r} says {str(sent)[:40]!r}, and the mappings hold for {words}"
                found[self._scope(index)] = (
                    (RejectReason.CALLED_BAD, f"{says}: the device itself calls the results beside it bad.")
                    if judges(str(name))
                    else (RejectReason.UNIT_MISMATCH, f"{says}: map the fields in that unit, then replay.")
                )
        return found

    def _require_expected(self, index: int) -> None:
        """Raises _Refused for a result beside a field that says something unexpected."""
        scope = self._scope(index)
        for depth in range(len(scope) + 1):
            if scope[:depth] in self._unexpected:
                raise _Refused(*self._unexpected[scope[:depth]])

    def _sort(self, index: int, reading: Reading) -> None:
        name = self._fields[index]
        record = self._decoded.records.get(index)
        rule = self._rules.get(name) if name is not None else None
        if name is None or rule is None or rule.is_result:
            self._require_good(index, rule)
        if name is None and record is not None and reading.property not in self._timers:
            self._unselected(index, reading, record)
            return
        if name in self._timers or (name is None and reading.property in self._timers):
            self._leave_out(index, IgnoreReason.NO_RESULT, "the time of another field")
            return
        if rule is not None and not rule.is_result:
            self._no_result(index, reading, rule)
            return
        if rule is not None and is_none(reading.result, rule):
            self._leave_out(index, IgnoreReason.MISSING, "stands for no result")
            return
        if record is not None and name is not None and "[]" in name and self._time_index(index, rule) is None:
            raise _Refused(RejectReason.UNKNOWN_PROPERTY, _untimed(name, record))
        if self._unexpected:
            self._require_expected(index)
        changed = (reading if rule is None else converted(reading, rule))._replace(
            property=name or reading.property
        )
        if self._stated and (
            against := contradiction(self._stated, changed, reading.property, self._device.datastreams)
        ):
            raise _Refused(RejectReason.UNIT_MISMATCH, against)
        if name is None and self._patterns and (whole := self._mapped_whole(reading.property)) is not None:
            raise _Refused(
                RejectReason.UNKNOWN_PROPERTY,
                f"{whole[:60]!r} is mapped, and came in parts here: map each, as field = "
                f"{reading.property[:80]!r}, or with `ignore`, then replay.",
            )
        self._keep(index, changed, rule)

    def _keep(self, index: int, reading: Reading, rule: FieldRule | None) -> None:
        self._require_unit(reading, rule)
        at = self._time_index(index, rule)
        if at is None:
            kept = (
                reading if reading.property not in self._device.datastreams else reading._replace(source="")
            )
            self._sorted.readings.append(kept)
            self._sorted.kept.append((index, kept, False))
            return
        timer = self._rules.get(self._fields[at] or "")
        try:
            time_us, repaired = read_time(
                self._decoded.readings[at].result,
                timer.time if timer else "auto",
                timer.zone if timer else "",
            )
        except UnreadableTime as error:
            raise _Refused(
                RejectReason.INVALID_SHAPE, f"{self._decoded.readings[at].property[:60]!r}: {error}"
            ) from error
        timed = reading._replace(time_us=time_us, repaired=repaired, offset_us=0, source="")
        self._sorted.kept.append((index, timed, True))
        (self._sorted.own_times if self._decoded.network_time else self._sorted.readings).append(timed)

    def _require_unit(self, reading: Reading, rule: FieldRule | None) -> None:
        stream = self._device.datastreams.get(reading.property)
        if rule is None or stream is None or not rule.is_scaled or reading.unit in ("", stream.unit):
            return
        raise _Refused(
            RejectReason.UNIT_MISMATCH,
            f"{reading.property[:60]!r} came in {reading.unit[:40]!r}, and its mapping scales it from "
            f"{stream.unit!r}.",
        )

    def _time_index(self, index: int, rule: FieldRule | None) -> int | None:
        """Index of the reading that is this one's time; None if the message's own time counts."""
        if rule is not None and rule.time_field:
            at = self._named.get(
                (self._scope(index), rule.time_field), self._named.get(((), rule.time_field))
            )
            if at is None:
                raise _Refused(
                    RejectReason.INVALID_SHAPE, f"Its time {rule.time_field[:60]!r} is not in the message."
                )
            return at
        scope = self._scope(index)
        return next(
            (
                self._times[scope[:depth]]
                for depth in range(len(scope), -1, -1)
                if scope[:depth] in self._times
            ),
            None,
        )

    def _no_result(self, index: int, reading: Reading, rule: FieldRule) -> None:
        if not rule.health:
            self._leave_out(index, IgnoreReason.NO_RESULT, "its time" if rule.time else "ignored")
            return
        if is_none(reading.result, rule):
            self._leave_out(index, IgnoreReason.MISSING, "stands for no result")
            return
        try:
            self._sorted.health[rule.health] = health_of(converted(reading, rule), rule)
        except NoHealth as error:
            raise _Refused(RejectReason.WRONG_TYPE, str(error)) from error
        self._leave_out(index, IgnoreReason.STATUS, f"the device's {rule.health}")

    def _leave_out(self, index: int, reason: IgnoreReason, why: str) -> None:
        self._sorted.left_out[reason] = self._sorted.left_out.get(reason, 0) + 1
        self._sorted.fates.append((index, str(reason), why))

    def _unselected(self, index: int, reading: Reading, record: Record) -> None:
        """A result in a list that no mapping selects."""
        if any(one.names(record) for one in self._selectors):
            self._leave_out(index, IgnoreReason.NO_RESULT, "a key of the list")
            return
        if isinstance(reading.result, str) and any(_is_beside(one, record) for one in self._selectors):
            self._leave_out(index, IgnoreReason.NO_RESULT, "text beside a selected result")
            return
        if not record.is_positional:
            self._keep(index, reading, None)
            return
        raise _Refused(
            RejectReason.UNKNOWN_PROPERTY,
            _unselected_advice(reading.property[:80], suggestion(record)),
        )


def _unselected_advice(name: str, field: str) -> str:
    if "=" in field or "[]" in field:
        return (
            f"{name!r} is in a list of objects, whose order means nothing: map it by a key, as field = "
            f"{field!r}, then replay."
        )
    return (
        f"{name!r} is in a list of objects, which only their order tells apart: if it never changes, map the "
        f"result as field = {field!r}, then replay."
    )


def _untimed(name: str, record: Record) -> str:
    """How to map a result of every object of a list, which has no time."""
    start = f"{name[:80]!r} takes every object of a list, so each needs a time: "
    entries = record.steps[-1].keys.items()
    timer = next((key for key, entry in entries if looks_like_time(key, entry)), None)
    if timer is not None:
        field = f"{name.rpartition('.')[0]}.{timer}"
        return f'{start}map its time, as field = {field!r} with time = "auto", then replay.'
    return f"{start}map one object, as field = {suggestion(record)!r}, then replay."


def _is_beside(selector: Selector, record: Record) -> bool:
    """True if the selector takes another entry of the same object."""
    return selector.selects(record._replace(leaf=selector.leaf))


def _is_named(reading: Reading, pattern: str) -> bool:
    """True if the pattern names the field; `update.*` also names an `update` that is null."""
    name = reading.property
    return fnmatchcase(name, pattern) or (reading.result is None and fnmatchcase(f"{name}.", pattern))
