"""Charts of a trial: several devices on one grid, with a range, a table, a CSV, and an address to keep."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from api.access import Signed, record_download, require_right
from api.context import Conn, Context, Ctx
from api.pages.chart_words import LINES, WIDTHS
from api.pages.comparing import (
    MOST_LINES,
    Choice,
    Dot,
    Happened,
    Line,
    Plan,
    list_choices,
    load_happened,
    load_lines,
    read_plan,
)
from api.pages.local_times import write_local
from api.pages.plots import LaneFacts, plot
from api.pages.series import SPANS
from api.pages.spans import Grid, Span, read_span
from api.pages.words import FLAGS, GAP_CAUSES, PERIODS, ROLES, WINDOWS
from api.rendering import Page, page_of, respond
from insitu.errors import CorrectInput
from insitu.times import to_datetime
from insitu.zones import zone_or_utc
from store.access import Viewer, visible_trial
from store.catalogue.trials import Trial
from store.database import Connection
from store.read.fleet import list_devices
from store.rights import Act

router = APIRouter()
_HEAD: Final = (
    "line",
    "arm",
    "role",
    "devices",
    "property",
    "unit",
    "from",
    "to",
    "results",
    "mean",
    "smallest",
    "largest",
    "flag",
)


_MOST_AT_FIRST: Final = 6
"""With more devices than that the page begins with the mean of each arm."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of the address. `lines`: a key of LINES; empty: by the number of devices."""

    code: str
    devices: tuple[str, ...]
    lines: str
    first: str
    last: str
    span: str
    width: str


@dataclass(frozen=True, slots=True)
class Option:
    """A device that can be chosen."""

    choice: Choice
    chosen: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that a chart, its table and its CSV show."""

    trial: Trial
    plan: Plan
    span: Span
    asked: Asked
    properties: dict[str, dict[str, str]]
    """Code → name."""
    code: str
    unit: str
    options: list[Option]
    lines: list[Line]
    grid: Grid | None
    happened: Happened | None
    chosen: list[Choice]
    problem: str

    @property
    def start(self) -> datetime:
        """Where the drawing begins: the grid may begin a little before what was asked for."""
        return self.span.start if self.grid is None else to_datetime(int(self.grid.edges[0]))

    @property
    def end(self) -> datetime:
        return self.span.end if self.grid is None else to_datetime(int(self.grid.edges[-1]))


async def asked_of(
    property: Annotated[str, Query(max_length=64)] = "",
    device: Annotated[list[str] | None, Query(max_length=200)] = None,
    lines: Annotated[str, Query(max_length=8)] = "",
    first: Annotated[str, Query(alias="from", max_length=32)] = "",
    last: Annotated[str, Query(alias="to", max_length=32)] = "",
    span: Annotated[str, Query(max_length=8)] = "",
    width: Annotated[str, Query(max_length=8)] = "auto",
) -> Asked:
    """The fields of the address, with words that fit."""
    kind = lines if lines in LINES else ""
    return Asked(property, tuple(dict.fromkeys(device or ())), kind, first, last, span, width)


AskedOf = Annotated[Asked, Depends(asked_of)]


@router.get("/trials/{trial}/charts", response_class=HTMLResponse)
def charts_page(
    request: Request, trial: str, conn: Conn, context: Ctx, viewer: Signed, asked: AskedOf
) -> HTMLResponse:
    """Results of several devices beside each other."""
    found = visible_trial(conn, viewer, trial)
    page = page_of(request, viewer, found.time_zone)
    seen = look(conn, context, viewer, found, asked)
    facts = _lanes(page, seen)
    return respond(
        request,
        "charts.j2",
        page,
        status=400 if seen.problem else 200,
        trial=found,
        seen=seen,
        problem=seen.problem,
        plot=plot(seen.lines, facts, seen.start, seen.end, page.reader),
        facts=facts,
        rows=list(table_of(seen.lines)),
        roles=ROLES,
        flags=FLAGS,
        widths=WIDTHS,
        kinds=LINES,
        first=write_local(seen.span.start, found.time_zone),
        last=write_local(seen.span.end, found.time_zone),
        ways=_ways(page, seen),
        query=urlencode(address_of(seen, seen.span), doseq=True),
        most=MOST_LINES,
    )


@router.get("/trials/{trial}/charts.csv")
def charts_csv(trial: str, conn: Conn, context: Ctx, viewer: Signed, asked: AskedOf) -> Response:
    """The numbers of the chart with the same address."""
    found = visible_trial(conn, viewer, trial)
    seen = look(conn, context, viewer, found, asked)
    if seen.problem:
        raise CorrectInput(seen.problem)
    text = "".join(write_csv(seen))
    record_download(conn, viewer, "chart", found.code, context.clock.now())
    name = f'attachment; filename="{found.code}-{seen.code}.csv"'
    return Response(text, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})


def look(conn: Connection, context: Context, viewer: Viewer, trial: Trial, asked: Asked) -> Seen:
    """The chart of a reader. Raises NotFound for who may not read measurements; a choice that cannot
    be drawn is a `problem`.
    """
    require_right(viewer, Act.READ_MEASUREMENTS, f"chart of {trial.code!r}", trial)
    now = context.clock.now()
    plan = read_plan(conn, viewer, trial)
    choices = list_choices(conn, list_devices(conn, viewer, now=now, trial=trial.code), plan)
    names = {one.stream.property: one.stream.property_name for one in choices}
    planned = [code for code in plan.properties if code in names]
    wanted = asked.code if asked.code in names else next(iter([*planned, *names]), "")
    possible = [one for one in choices if one.stream.property == wanted]
    many = len(possible) > _MOST_AT_FIRST and not asked.devices
    asked = replace(asked, lines=asked.lines or ("arm" if many else "device"))
    by_arm = asked.lines == "arm"
    named = [one for one in possible if one.device.device in asked.devices]
    chosen = named or _first(plan, wanted, possible, by_arm=by_arm)
    problem = _problem(plan, wanted, chosen, by_arm=by_arm)
    span = Span(now - SPANS["7d"], now, "auto", trial.time_zone)
    try:
        span = read_span(
            first=asked.first,
            last=asked.last,
            span=asked.span,
            width=asked.width,
            time_zone=trial.time_zone,
            now=now,
        )
    except CorrectInput as error:
        problem = str(error)
    lines, grid = ([], None) if problem else load_lines(conn, chosen, span, by_arm=by_arm)
    seen = Seen(
        trial=trial,
        plan=plan,
        span=span,
        asked=asked,
        properties=names,
        code=wanted,
        unit=possible[0].stream.unit if possible else "",
        options=[Option(one, one in chosen) for one in possible],
        lines=lines,
        grid=grid,
        happened=None,
        chosen=chosen,
        problem=problem,
    )
    return seen if problem or len(chosen) > MOST_LINES else _with_happened(conn, context, viewer, seen)


def _first(plan: Plan, code: str, possible: Sequence[Choice], *, by_arm: bool) -> list[Choice]:
    """The devices that are drawn before anybody chooses: of a blinded property those of one arm."""
    shown = [one for one in possible if code not in plan.blinded or one.arm == possible[0].arm]
    return shown if by_arm else shown[:MOST_LINES]


def _with_happened(conn: Connection, context: Context, viewer: Viewer, seen: Seen) -> Seen:
    happened = load_happened(
        conn,
        list(dict.fromkeys(one.device.device_id for one in seen.chosen)),
        start=seen.start,
        end=seen.end,
        now=context.clock.now(),
        simulated=context.clock.is_simulated,
        host_id=viewer.host_id,
    )
    return replace(seen, happened=happened)


def _problem(plan: Plan, code: str, chosen: Sequence[Choice], *, by_arm: bool) -> str:
    """Why these cannot be drawn beside each other; empty if they can."""
    arms = {one.arm for one in chosen}
    if code in plan.blinded and len(arms) > 1:
        return (
            "An endpoint about this property is blinded, so its arms are not shown beside each other: choose "
            "devices of one arm."
        )
    if not by_arm and len(chosen) > MOST_LINES:
        return f"A chart shows at most {MOST_LINES} lines: choose fewer devices, or the mean of each arm."
    return ""


# -- the page's words and ways


def address_of(seen: Seen, span: Span) -> dict[str, str | list[str]]:
    """The address of the same lines over a span."""
    address: dict[str, str | list[str]] = {"property": seen.code}
    if seen.asked.devices:
        address["device"] = [one.device.device for one in seen.chosen]
    address["lines"] = seen.asked.lines
    return address | span.address()


def _ways(page: Page, seen: Seen) -> list[tuple[str, str]]:
    """(words, query) of links to other spans: nearer, farther, before, after, and the protocol's periods."""
    span = seen.span
    now = page.now
    ways = [
        (page.t("Zoom in"), span.zoomed(0.5)),
        (page.t("Zoom out"), span.zoomed(2.0)),
        (page.t("Earlier"), span.moved(-0.5)),
        (page.t("Later"), span.moved(0.5)),
        *(
            (page.t(name), Span(now - length, now, span.width, span.time_zone))
            for name, length in SPANS.items()
        ),
        *(
            (page.t(PERIODS[name]), Span(start, end, span.width, span.time_zone))  # type: ignore[index]
            for name, start, end in seen.plan.periods
        ),
    ]
    return [(words, urlencode(address_of(seen, one), doseq=True)) for words, one in ways]


def _lanes(page: Page, seen: Seen) -> list[LaneFacts]:
    """Gaps, windows and swaps of each device in the reader's words."""
    if seen.happened is None:
        return []
    devices = {one.device.device_id: one.device.device for one in seen.chosen}
    happened, lanes = seen.happened, []
    for number, name in devices.items():
        streams = {one.name for one in _streams_of(seen, number)}
        gaps = [
            (
                found.gap.start,
                found.gap.end,
                page.t("Gap, {cause}", cause=page.t(GAP_CAUSES[found.gap.cause])),
            )
            for found in happened.gaps.get(number, [])
            if found.datastream is None or found.datastream in streams
        ]
        windows = [
            (one.start, one.end or seen.end, f"{page.t(WINDOWS[one.kind])}{page.colon}{one.reason}")
            for one in happened.windows.get(number, [])
        ]
        places = happened.places.get(number, [])
        marks = [(one.start, page.t("Deployed at {site}", site=one.site_name)) for one in places]
        marks += [(one.end, page.t("Deployment ended")) for one in places if one.end is not None]
        inside = [(at, text) for at, text in marks if seen.start < at < seen.end]
        lanes.append(LaneFacts(name, gaps, windows, sorted(inside)))
    return lanes


def _streams_of(seen: Seen, device_id: int) -> list[Any]:
    return [one.stream for one in seen.chosen if one.device.device_id == device_id]


# -- numbers


def table_of(lines: Sequence[Line]) -> Iterator[tuple[datetime, list[Dot | None]]]:
    """A row for each bucket or time, newest first, with a cell for each line."""
    cells = [{dot.at: dot for dot in line.dots} for line in lines]
    times = sorted({at for by_time in cells for at in by_time}, reverse=True)
    for at in times:
        yield at, [by_time.get(at) for by_time in cells]


def write_csv(seen: Seen) -> Iterator[str]:
    """A line of text for each dot, oldest first; numbers as they are, times with their offset."""
    zone = zone_or_utc(seen.trial.time_zone)
    yield _row(_HEAD)
    for line in seen.lines:
        for dot in line.dots:
            yield _row(
                (
                    line.name,
                    line.arm,
                    line.role,
                    " ".join(line.devices),
                    seen.code,
                    seen.unit,
                    dot.at.astimezone(zone).isoformat(),
                    dot.until.astimezone(zone).isoformat(),
                    dot.n,
                    "" if dot.middle is None else repr(dot.middle),
                    repr(dot.low),
                    repr(dot.high),
                    dot.flag,
                )
            )


def _row(cells: Sequence[object]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    return written.getvalue()
