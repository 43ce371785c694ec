"""A row → for each device in it, the message that the device would have sent on its own topic.

The payload contains nothing about the file or row, so the same results are the same message in every file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingest.files.rows import Row
from ingest.files.shape import Column, Layout
from ingest.files.stamps import Twice, in_zone, read_time
from insitu.times import to_datetime
from insitu.wire import OBS, PREFIX


class Made(NamedTuple):
    """One message of one row; it has no results only if the row has none."""

    row: int
    topic: str
    payload: bytes
    problem: str = ""
    """Reason why the whole row is refused."""


class _Read(NamedTuple):
    row: Row
    stamp: str
    """The text as in the file, for the payload of a refused row."""


def messages(layout: Layout) -> Iterator[Made]:
    """Messages in the order of the file, except for rows in an hour that the clocks showed twice."""
    return _Maker(layout).run()


class _Maker:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._twice: Twice[_Read] = Twice()
        self._groups: dict[str, list[tuple[str, Column]]] = {}
        for column in layout.columns:
            self._groups.setdefault(column.device, []).append((json.dumps(column.name) + ":", column))

    def run(self) -> Iterator[Made]:
        layout, zone = self._layout, self._layout.zone
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
            given = [row.cells[index] for index in layout.time_indexes]
            found = read_time(given, layout.time_format)
            if found.__class__ is int:
                yield from self._make(row, _rfc3339(found))
            elif isinstance(found, datetime) and zone is not None:
                yield from self._local(row, found, zone)
            else:
                yield from self._make(
                    row, _shown(given), _no_time(given, layout.time_format, local=found is not None)
                )
        for settled in self._twice.end():
            yield from self._settled(*settled)

    def _local(self, row: Row, local: datetime, zone: ZoneInfo) -> Iterator[Made]:
        earlier, later = in_zone(local, zone)
        key = self._key(row)
        if earlier is None or later is None:
            problem = (
                f"{local:%Y-%m-%d %H:%M:%S} does not exist in {zone.key}: the clocks were put forward "
                "over it. Export with UTC or offsets."
            )
            yield from self._make(row, local.isoformat(), problem)
            return
        if earlier != later:
            held = self._twice.hold(key, local, (earlier, later), _Read(row, local.isoformat()))
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

    def _settled(self, time_us: int | None, read: _Read) -> Iterator[Made]:
        if time_us is not None:
            return self._make(read.row, _rfc3339(time_us))
        assert self._layout.zone is not None
        return self._make(
            read.row,
            read.stamp,
            f"{read.stamp.replace('T', ' ')} was shown twice in {self._layout.zone.key}, and the order of "
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
        for device, parts in self._results(row, whose):
            if parts:
                empty = False
                payload = f'{{"time":{json.dumps(stamp)},"results":{{{",".join(parts)}}}}}'
                yield Made(row.number, self._topic(device), payload.encode(), problem)
        if empty:
            yield Made(row.number, "", b"")

    def _results(self, row: Row, whose: str) -> Iterator[tuple[str, list[str]]]:
        """(device, results as JSON) for each device in the row."""
        layout, token = self._layout, self._layout.cells.token
        if layout.property_index is not None and layout.result_index is not None:
            device = whose or layout.device
            cell = row.cells[layout.property_index]
            name = "" if cell is None else str(cell).strip()
            found = token(row.cells[layout.result_index], boolean=(device, name) in layout.booleans)
            yield device, [] if found is None else [f"{json.dumps(name)}:{found}"]
            return
        for group, columns in self._groups.items():
            device = group or whose or layout.device
            parts = []
            for name_json, column in columns:
                found = token(row.cells[column.index], boolean=(device, column.name) in layout.booleans)
                if found is not None:
                    parts.append(name_json + found)
            yield device, parts

    def _topic(self, device: str) -> str:
        return f"{PREFIX}/{self._layout.trial}/{device}/{OBS}"


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
