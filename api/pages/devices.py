"""One device: latest results, series with flags, gaps with causes, places, status, credentials, snippet,
label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import segno
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from api.access import Signed
from api.context import Conn, Context, Ctx
from api.pages import charts, series
from api.pages.board import show, show_gaps
from api.pages.remarks import show_remarks
from api.pages.words import EVERY, FLAGS, GAP_CAUSES, INTERVALS, ROLES, STAMPS, WINDOWS
from api.rendering import Page, page_of, respond
from api.snippets import TOKEN_PLACE, client_id_of, sent_of, snippets
from insitu.wire import PREFIX
from store.access import CredentialLife, Viewer, credentials_of_device, seed_of
from store.broker_events import list_device_events
from store.catalogue.plans import Plan, get_plan, list_places
from store.catalogue.properties import list_properties
from store.catalogue.sensors import list_device_sensors
from store.catalogue.topics import list_topics
from store.database import Connection
from store.read.condition import WINDOWS_AHEAD
from store.read.fleet import FleetRow, get_device, list_statuses
from store.read.places import DeviceWindow
from store.read.streams import Stream
from store.rights import Act
from trials.condition.health import RECENT, BatteryOutlook, Health
from trials.workflow.condition import GAPS_WITHIN, DeviceRecord, load_device, load_health

router = APIRouter()
_MOST_LOG = 50


@dataclass(frozen=True, slots=True)
class ShownCredential:
    life: CredentialLife
    active: bool


@router.get("/trials/{trial}/devices/{device}", response_class=HTMLResponse)
def device_page(
    request: Request,
    trial: str,
    device: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    span: Annotated[str, Query(max_length=8)] = series.DEFAULT_SPAN,
) -> HTMLResponse:
    """Everything about one device that the reader may see."""
    page = page_of(request, viewer)
    row = get_device(conn, viewer, trial, device, now=page.now)
    page = page.in_zone(row.time_zone)
    chosen = span if span in series.SPANS else series.DEFAULT_SPAN
    record = load_device(
        conn,
        row.device_id,
        now=page.now,
        simulated=page.simulated,
        host_id=viewer.host_id,
    )
    lives = credentials_of_device(conn, row.device_id)
    return respond(
        request,
        "device.j2",
        page,
        device=row,
        query="",
        bundle=context.bundle.path.stem,
        log=list_statuses(conn, row.device_id, _MOST_LOG),
        sensors=list_device_sensors(conn, row.device_id),
        plan=_plan(conn, row, page),
        **_broker_events(conn, page, row, lives),
        remarks=show_remarks(conn, page, row.device_id),
        **_health(page, load_health(conn, row.trial, row.device, record, page.now)),
        **_condition(page, row, record),
        **_charts(conn, page, record.judged.streams, chosen),
        **_connect(request, conn, lives, context, viewer, page.now, row, record.judged.streams),
    )


def _plan(conn: Connection, row: FleetRow, page: Page) -> Plan | None:
    """The plan on which the device is now."""
    places = list_places(conn, row.site, now=page.now) if row.site else []
    own = next((one for one in places if one.device_id == row.device_id), None)
    return None if own is None or row.site is None else get_plan(conn, row.site, own.plan_id)


def _condition(page: Page, row: FleetRow, record: DeviceRecord) -> dict[str, Any]:
    return {
        "one": show(page, row, record.judged),
        "streams": record.judged.streams,
        "dead": record.judged.condition.silent_streams,
        "gaps": show_gaps(page, record.gaps),
        "windows": _recent(record.windows, page.now),
        "places": record.positions,
        "causes": GAP_CAUSES,
        "window_words": WINDOWS,
        "flags": FLAGS,
        "interval_words": INTERVALS,
        "stamp_words": STAMPS,
        "roles": ROLES,
    }


def _health(page: Page, health: Health) -> dict[str, Any]:
    one = health.ever
    totals = {
        "received": one.received,
        "stored whole": one.whole,
        "in part": one.in_part,
        "refused": one.refused,
        "repeated": one.repeated,
    }
    return {
        "health": health,
        "totals": totals.items() if one.received else None,
        "week": RECENT,
        "battery_words": _battery(page, health.battery),
    }


def _battery(page: Page, outlook: BatteryOutlook | None) -> str:
    """How long the battery lasts, as far as its levels say it."""
    if outlook is None:
        return page.t("its levels say too little yet")
    if outlook.days_left is None or outlook.soonest is None:
        return page.t("does not fall")
    soonest, days = round(outlook.soonest), round(outlook.days_left)
    if outlook.latest is None:
        return page.n(
            "empty in about {n} day, {soonest} at the earliest",
            "empty in about {n} days, {soonest} at the earliest",
            days,
            soonest=soonest,
        )
    return page.n(
        "empty in about {n} day ({soonest} to {latest})",
        "empty in about {n} days ({soonest} to {latest})",
        days,
        soonest=soonest,
        latest=round(outlook.latest),
    )


def _recent(windows: list[DeviceWindow], now: datetime) -> list[DeviceWindow]:
    """Windows that overlap the days of the gaps, or are near."""
    start, end = now - GAPS_WITHIN, now + WINDOWS_AHEAD
    return [one for one in windows if one.start < end and (one.end is None or one.end > start)]


def _charts(conn: Connection, page: Page, streams: Sequence[Stream], span: str) -> dict[str, Any]:
    if not page.sees_measurements:
        return {"charts": [], "spans": list(series.SPANS), "span": span, "width": timedelta(0), "locale": {}}
    drawn = series.load_series(conn, streams, page.now, series.SPANS[span])
    words = {
        "time": page.t("Time"),
        "mean": page.t("Mean"),
        "low": page.t("Smallest"),
        "high": page.t("Largest"),
        "n": page.t("Results"),
    }
    return {
        "charts": [
            (one, charts.drawing(one, page.reader), charts.spec(one, page.reader, words)) for one in drawn
        ],
        "spans": list(series.SPANS),
        "span": span,
        "width": drawn[0].width if drawn else timedelta(0),
        "locale": charts.locale_of(page.language),
    }


def _broker_events(
    conn: Connection, page: Page, row: FleetRow, lives: Sequence[CredentialLife]
) -> dict[str, Any]:
    """Messages of this device that the broker denied in the last day, whether another client uses its id,
    and whether it came with another's.
    """
    events = list_device_events(conn, [life.username for life in lives])
    own = f"{PREFIX}/{row.trial}/{row.device}/"
    fixed = [one.topic for one in list_topics(conn, row.trial) if one.device == row.device]
    return {
        "denied": next((one for one in events if one.is_denial), None),
        "conflict": next((one for one in events if one.is_conflict), None),
        "refused_id": next((one for one in events if one.is_refused_id), None),
        "own_topics": page.t("{own} or on {topics}", own=own, topics=", ".join(fixed)) if fixed else own,
    }


def _connect(
    request: Request,
    conn: Connection,
    lives: Sequence[CredentialLife],
    context: Context,
    viewer: Viewer,
    now: datetime,
    row: FleetRow,
    streams: list[Stream],
) -> dict[str, Any]:
    """Credentials and snippets, only for the device's company and for the lab."""
    if not viewer.may(Act.CONNECT):
        return {"snippets": {}, "credentials": [], "qr": Markup(), "properties": [], "every": EVERY}
    shown = [
        ShownCredential(life, life.revoked_at is None and (life.expires_at is None or life.expires_at > now))
        for life in lives
    ]
    active = next((one.life.username for one in shown if one.active), f"{row.trial}.{row.device}")
    http = str(request.base_url).rstrip("/")
    texts = snippets(
        context.mqtt_public,
        trial=row.trial,
        device=row.device,
        username=active,
        token=TOKEN_PLACE,
        client_id=client_id_of(row.trial, row.device, seed_of(lives)),
        fields=sent_of(streams),
        http=http,
    )
    return {
        "snippets": texts,
        "credentials": shown,
        "properties": list_properties(conn),
        "every": EVERY,
        "qr": label(f"{http}/trials/{row.trial}/devices/{row.device}"),
    }


def label(address: str) -> Markup:
    """A QR code as inline SVG; the address contains only codes and our own host."""
    drawing = segno.make(address, error="m").svg_inline(
        scale=3, border=2, dark="#000", light="#fff", svgclass="qr", lineclass=None
    )
    return Markup(drawing)  # noqa: S704 - modules only, no text
