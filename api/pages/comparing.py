"""Several devices of a trial on one grid: which lines there are, their points, and the events."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from api.pages.series import Point, load_points, load_single
from api.pages.spans import MOST, Grid, Span, grid_of
from insitu.times import to_datetime
from store.access import Viewer
from store.catalogue.trials import Trial
from store.database import Connection
from store.read.fleet import FleetRow
from store.read.places import DeviceWindow, Placed, list_places, list_windows
from store.read.streams import Stream, list_streams
from store.rights import Act
from store.trials import protocols, unblindings
from trials.condition.gaps import DeviceGap
from trials.plan.rules import Rules
from trials.series.scale import scale_of
from trials.workflow.condition import load_gaps

MOST_LINES: Final = 12
"""More lines than that are no picture."""


@dataclass(frozen=True, slots=True)
class Dot:
    """`[at, until)` of one line; a single result has `until` = `at`. `devices`: those with a mean there."""

    at: datetime
    until: datetime
    low: float
    high: float
    middle: float | None
    n: int
    flag: int
    devices: int


@dataclass(frozen=True, slots=True)
class Line:
    """A datastream, or the mean of those of an arm."""

    name: str
    arm: str
    role: str
    devices: tuple[str, ...]
    dots: list[Dot]
    break_after: timedelta
    """A line is not drawn across a longer silence."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The part of the newest locked protocol that a chart needs. `arms`: device → its arm."""

    arms: dict[str, str]
    periods: list[tuple[str, datetime, datetime]]
    properties: list[str]
    """Of its endpoints, in order."""
    blinded: frozenset[str]
    """Properties of endpoints that are still blinded."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A datastream that can be drawn, with its device and arm."""

    device: FleetRow
    stream: Stream
    arm: str
    name: str


@dataclass(frozen=True, slots=True)
class Happened:
    """Gaps, windows and deployments of the devices in the span."""

    gaps: dict[int, list[DeviceGap]]
    windows: dict[int, list[DeviceWindow]]
    places: dict[int, list[Placed]]


def read_plan(conn: Connection, viewer: Viewer, trial: Trial) -> Plan:
    """Nothing, for a trial without a locked protocol or a reader who may not see it; its blinding holds all
    the same.
    """
    newest = next((one for one in protocols(conn, trial.code) if one.locked_at), None)
    if newest is None:
        return Plan({}, [], [], frozenset())
    text: dict[str, Any] = json.loads(newest.document)
    opened = {one.endpoint for one in unblindings(conn, trial.code)}
    blinded = frozenset(
        one["property"] for one in text["endpoints"] if one.get("blinded") and one["name"] not in opened
    )
    if not viewer.may(Act.READ_PROTOCOL, trial):
        return Plan({}, [], [], blinded)
    return Plan(
        {device: arm["name"] for arm in text["arms"] for device in arm["devices"]},
        [
            (one["name"], datetime.fromisoformat(one["start"]), datetime.fromisoformat(one["end"]))
            for one in text["periods"]
        ],
        list(dict.fromkeys(one["property"] for one in text["endpoints"])),
        blinded,
    )


def list_choices(conn: Connection, devices: Sequence[FleetRow], plan: Plan) -> list[Choice]:
    """Every datastream of these devices, by arm and device. The role takes the place of an arm where there
    is no protocol.
    """
    by_id = {one.device_id: one for one in devices}
    streams = list_streams(conn, list(by_id))
    several = {
        (one.device_id, one.property)
        for one in streams
        for other in streams
        if one.device_id == other.device_id
        and one.property == other.property
        and one.datastream_id != other.datastream_id
    }
    choices = []
    for stream in streams:
        device = by_id[stream.device_id]
        arm = plan.arms.get(device.device, str(stream.role))
        more = f"/{stream.name}" if (stream.device_id, stream.property) in several else ""
        choices.append(Choice(device, stream, arm, device.device + more))
    return sorted(choices, key=lambda one: (one.arm, one.name))


def load_lines(
    conn: Connection, chosen: Sequence[Choice], span: Span, *, by_arm: bool
) -> tuple[list[Line], Grid | None]:
    """The lines and their grid; None as the grid: single results. Too many of them are drawn in buckets."""
    if span.width == "raw" and not by_arm:
        single = _single_lines(conn, chosen, span)
        if single is not None:
            return single, None
    expected = min((every for one in chosen if (every := one.stream.usual_interval_s())), default=None)
    grid = grid_of(span, expected)
    end = to_datetime(int(grid.edges[-1]))
    streams = [one.stream for one in chosen]
    points = load_points(conn, streams, grid.edges, end)
    untils = dict(zip(grid.edges[:-1].tolist(), grid.edges[1:].tolist(), strict=True))
    until = {to_datetime(at): to_datetime(next_at) for at, next_at in untils.items()}
    lines = [_line(one, points[one.stream.datastream_id], until, grid) for one in chosen]
    return (_arms(chosen, lines) if by_arm else lines), grid


def _single_lines(conn: Connection, chosen: Sequence[Choice], span: Span) -> list[Line] | None:
    lines = []
    for one in chosen:
        points = load_single(conn, one.stream, span.start, span.end, MOST)
        if points is None:
            return None
        dots = [Dot(p.at, p.at, p.low, p.high, p.middle, p.n, p.flag, 1) for p in points]
        every = one.stream.usual_interval_s() or 3600.0
        lines.append(_named(one, dots, timedelta(seconds=2.5 * every)))
    return lines


def _line(one: Choice, points: Sequence[Point], until: Mapping[datetime, datetime], grid: Grid) -> Line:
    dots = [Dot(p.at, until[p.at], p.low, p.high, p.middle, p.n, p.flag, 1) for p in points]
    step_s = grid.step_s or 86_400
    longest = max(1.5 * step_s, 2.5 * (one.stream.usual_interval_s() or 0.0))
    return _named(one, dots, timedelta(seconds=longest))


def _named(one: Choice, dots: list[Dot], break_after: timedelta) -> Line:
    return Line(one.name, one.arm, str(one.stream.role), (one.device.device,), dots, break_after)


def _arms(chosen: Sequence[Choice], lines: Sequence[Line]) -> list[Line]:
    """The mean of the devices of each arm, on the property's scale: each device counts once in a bucket."""
    arms: dict[str, list[tuple[Choice, Line]]] = {}
    for one, line in zip(chosen, lines, strict=True):
        arms.setdefault(one.arm, []).append((one, line))
    return [_mean(arm, members) for arm, members in arms.items()]


def _mean(arm: str, members: Sequence[tuple[Choice, Line]]) -> Line:
    stream = members[0][0].stream
    scale = scale_of(stream.averaging_scale, stream.unit, Rules()).between
    buckets: dict[datetime, list[Dot]] = {}
    for _, line in members:
        for dot in line.dots:
            buckets.setdefault(dot.at, []).append(dot)
    dots = []
    for at, several in sorted(buckets.items()):
        middles = [dot.middle for dot in several if dot.middle is not None]
        mean = scale.mean(np.asarray(middles)) if middles else math.nan
        dots.append(
            Dot(
                at,
                several[0].until,
                min(dot.low for dot in several),
                max(dot.high for dot in several),
                mean if math.isfinite(mean) else None,
                sum(dot.n for dot in several),
                max(dot.flag for dot in several),
                len(middles),
            )
        )
    devices = tuple(dict.fromkeys(one.device.device for one, _ in members))
    longest = max(line.break_after for _, line in members)
    return Line(arm, arm, str(stream.role), devices, dots, longest)


def load_happened(
    conn: Connection,
    device_ids: Sequence[int],
    *,
    start: datetime,
    end: datetime,
    now: datetime,
    simulated: bool,
    host_id: int | None,
) -> Happened:
    """Gaps, windows and deployments of these devices in `[start, end)`."""
    windows: dict[int, list[DeviceWindow]] = {}
    for window in list_windows(conn, device_ids, host_id, start, end):
        windows.setdefault(window.device_id, []).append(window)
    places: dict[int, list[Placed]] = {}
    for place in list_places(conn, device_ids, host_id):
        if place.start < end and (place.end is None or place.end > start):
            places.setdefault(place.device_id, []).append(place)
    gaps = load_gaps(conn, device_ids, start=start, end=end, now=now, simulated=simulated, host_id=host_id)
    return Happened(gaps, windows, places)
