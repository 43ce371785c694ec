"""A row → for each device in it, the message that the device would have sent on its own topic.

The payload contains nothing about the file or row, so the same results are the same message in every file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from ingest.files.clocks import Zone, winter_option
from ingest.files.rows import Row
from ingest.files.shape import Column, Layout
from ingest.files.stamps import Read, in_zone, read_stamp
from ingest.files.survey import row_unit
from ingest.files.time_columns import with_zone
from ingest.files.twice import Twice
from insitu.times import to_datetime, to_us
from insitu.unit_words import read_unit
from insitu.wire import OBS, PREFIX


class Made(NamedTuple):
    """One message of one row; it has no results only if the row has none."""

    row: int
    topic: str
    payload: bytes
    problem: str = ""
    """Reason why the whole row is refused."""


class _Held(NamedTuple):
    row: Row
    stamp: str
    """The text as in the file, for the payload of a refused row."""
    zone: Zone


def messages(layout: Layout) -> Iterator[Made]:
    """Messages in the order of the file, except for rows in an hour that the clocks showed twice."""
    return _Maker(layout).run()


class _Maker:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._twice: Twice[_Held] = Twice()
        self._groups: dict[str, list[tuple[str, Column]]] = {}
        for column in layout.columns:
            self._groups.setdefault(column.device, []).append((json.dumps(column.name) + ":", column))

    def run(self) -> Iterator[Made]:
        layout, times = self._layout, self._layout.times
        for row in layout.source.rows(layout.needed()):
            if row.problem:
                yield Made(
                    row.number,
                    self._topic(layout.device or next(iter(self._groups), "")),
                    _as_it_stood(row),
                    row.problem,
                )
                continue
            if not row.cells:
                continue
            given = [row.cells[index] for index in times.indexes]
            if times.zone_index is not None:
                given = with_zone(given, row.cells[times.zone_index])
            found = read_stamp(given, times.time_format, is_answered=times.is_answered)
            yield from self._at(row, given, found)
        for settled in self._twice.end():
            yield from self._settled(*settled)

    def _at(self, row: Row, given: list[object], found: datetime | int | Read | None) -> Iterator[Made]:
        zone = self._layout.times.zone
        if isinstance(found, int):
            return self._make(row, _rfc3339(found))
        if isinstance(found, Read) and found.zone is not None:
            return self._local(row, found.local, found.zone)
        if isinstance(found, datetime) and found.tzinfo is not None:
            return self._make(row, _rfc3339(to_us(found)))
        if isinstance(found, datetime) and zone is not None:
            return self._local(row, found, zone)
        problem = _no_time(given, self._layout.times.time_format, local=found is not None)
        return self._make(row, _shown(given), problem)

    def _local(self, row: Row, local: datetime, zone: Zone) -> Iterator[Made]:
        earlier, later = in_zone(local, zone.tz)
        key = self._key(row)
        if earlier is None or later is None:
            problem = (
                f"{local:%Y-%m-%d %H:%M:%S} does not exist in {zone.name}: the clocks were put forward "
                f"over it. If the logger stays on winter time all year, say --zone "
                f"{winter_option(zone, local)}; else "
                "export with UTC or offsets."
            )
            yield from self._make(row, local.isoformat(), problem)
            return
        if earlier != later:
            held = self._twice.hold(key, local, (earlier, later), _Held(row, local.isoformat(), zone))
            for settled in held:
                yield from self._settled(*settled)
            return
        for settled in self._twice.passed(key, local):
            yield from self._settled(*settled)
        yield from self._make(row, _rfc3339(earlier))

    def _key(self, row: Row) -> object:
        """The series to which a row belongs."""
        layout = self._layout
        return tuple(
            row.cells[index] for index in (layout.device_index, layout.property_index) if index is not None
        )

    def _settled(self, time_us: int | None, held: _Held) -> Iterator[Made]:
        if time_us is not None:
            return self._make(held.row, _rfc3339(time_us))
        return self._make(
            held.row,
            held.stamp,
            f"{held.stamp.replace('T', ' ')} was shown twice in {held.zone.name}, and the order of "
            "the rows does not tell "
            "which is meant: they must run exactly twice through that hour. Export with UTC or offsets.",
        )

    def _make(self, row: Row, stamp: str, problem: str = "") -> Iterator[Made]:
        layout = self._layout
        if layout.device_index is None:
            whose = ""
        else:
            cell = row.cells[layout.device_index]
            whose = "" if cell is None else str(cell).strip()
        empty = True
        for device, parts, unit in self._results(row, whose):
            if parts:
                empty = False
                payload = _payload(stamp, parts, unit)
                yield Made(row.number, self._topic(device), payload.encode(), problem)
        if empty:
            yield Made(row.number, "", b"")

    def _results(self, row: Row, whose: str) -> Iterator[tuple[str, list[str], str]]:
        """(device, results as JSON, unit if the catalogue does not know the datastream) for each device in
        the
        row.
        """
        layout, token = self._layout, self._layout.cells.token
        unit = row_unit(layout, row)
        if layout.property_index is not None and layout.result_index is not None:
            device = whose or layout.device
            cell = row.cells[layout.property_index]
            name = layout.name_of(cell)
            if not name and cell in layout.names:
                return
            key = (device, name, unit)
            found = token(
                row.cells[layout.result_index],
                boolean=(device, name) in layout.booleans,
                conversion=layout.conversions.get(key),
            )
            unknown = unit if unit and key not in layout.conversions else ""
            yield (
                device,
                [] if found is None else [f"{json.dumps(name)}:{found}"],
                read_unit(unknown) or unknown,
            )
            return
        for group, columns in self._groups.items():
            device = group or whose or layout.device
            parts = []
            for name_json, column in columns:
                conversion = column.conversion
                if unit:
                    conversion = layout.conversions.get((device, column.name, unit))
                found = token(
                    row.cells[column.index],
                    boolean=(device, column.name) in layout.booleans,
                    conversion=conversion,
                )
                if found is not None:
                    parts.append(name_json + found)
            yield device, parts, ""

    def _topic(self, device: str) -> str:
        return f"{PREFIX}/{self._layout.trial}/{device}/{OBS}"


def _payload(stamp: str, parts: list[str], unit: str) -> str:
    """With the unit of a result that has no datastream yet: a later replay needs it."""
    if not unit:
        return f'{{"time":{json.dumps(stamp)},"results":{{{",".join(parts)}}}}}'
    _, end = json.JSONDecoder().raw_decode(parts[0])
    name, result = parts[0][:end], parts[0][end + 1 :]
    item = f'{{"property":{name},"time":{json.dumps(stamp)},"result":{result},"unit":{json.dumps(unit)}}}'
    return f'{{"observations":[{item}]}}'


def _rfc3339(time_us: int) -> str:
    try:
        return to_datetime(time_us).isoformat()[:-6] + "Z"
    except OverflowError:
        return str(time_us)


def _shown(given: list[object]) -> str:
    return " ".join("" if cell is None else str(cell).strip() for cell in given)


def _no_time(given: list[object], time_format: str, *, local: bool) -> str:
    shown = _shown(given)[:60]
    if local:
        return f"{shown!r} has no offset: import again with --zone."
    return f"{shown!r} is no time in the format {time_format or 'ISO 8601 or Unix'}."


def _as_it_stood(row: Row) -> bytes:
    return json.dumps({"row": row.text}, ensure_ascii=False).encode("utf-8", "backslashreplace")
