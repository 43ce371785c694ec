"""The map of the sites that the reader may see, beside a table of the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from api.access import Signed
from api.context import Conn, Context, Ctx
from api.maps.view import MOST_ZOOM, View, around, read_view
from api.pages.board import WORST_FIRST, Shown, list_shown
from api.pages.listing import Arranged, Asking, arrange
from api.pages.site_map import SiteMap, Spot, draw, view_of
from api.pages.words import STATES
from api.rendering import Page, page_of, respond
from insitu.model import DeviceState
from store.access import Viewer
from store.catalogue.plans import Plan, list_all_plans
from store.catalogue.sites import HostSite, list_host_sites
from store.database import Connection
from store.rights import Act, Reach
from trials.workflow.plans import is_there

router = APIRouter()
WIDTH: Final = 760.0
HEIGHT: Final = 560.0
EMPTY: Final = "empty"
"""The state of a site without a device that the reader may see."""
_NAMES: Final = {"n": (0.0, -0.5), "s": (0.0, 0.5), "w": (-0.5, 0.0), "e": (0.5, 0.0)}


@dataclass(frozen=True, slots=True)
class SiteState:
    """A site with the devices there that the reader may see: how many there are, and how many are in its
    worst state. `number`: of its mark and its row.
    """

    number: int
    site: HostSite
    state: str
    word: str
    devices: int
    worst: int
    plans: list[Plan]

    @property
    def rank(self) -> int:
        """0 for the worst state."""
        return len(WORST_FIRST) if self.state == EMPTY else WORST_FIRST.index(DeviceState(self.state))

    def words(self, page: Page) -> str:
        if self.state == EMPTY:
            return page.t("no device here")
        return page.t("{n} of {all} devices {state}", n=self.worst, all=self.devices, state=page.t(self.word))


@router.get("/map", response_class=HTMLResponse)
def map_page(
    request: Request,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    asked: Asking,
    at: Annotated[str, Query(max_length=60)] = "",
    zoom: Annotated[str, Query(max_length=12)] = "",
    state: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """The sites of the reader's devices, and those that the reader manages. The part of the map and the
    filters are in the address.
    """
    page = page_of(request, viewer)
    known = list_site_states(conn, context, viewer, page)
    chosen = [one for one in known if not state or one.state == state]
    view = read_view(at, zoom, WIDTH, HEIGHT)
    filters = {"state": state, **({} if view is None else view.address())}
    listed = arrange(
        chosen,
        asked,
        path="/map",
        text=lambda one: f"{one.site.name} {one.site.code} {one.site.host_name} {one.site.kind}",
        columns={
            "number": lambda one: one.number,
            "site": lambda one: one.site.name,
            "host": lambda one: one.site.host_name,
            "state": lambda one: one.rank,
        },
        filters=filters,
    )
    spots = [spot for one in chosen if (spot := _spot(page, one)) is not None]
    return respond(
        request,
        "sites_map.j2",
        page,
        known=known,
        list=listed,
        map=draw(spots, context.grounds, view or view_of(spots, WIDTH, HEIGHT), _closer(listed)),
        is_placed=bool(spots),
        moves=_moves(view or view_of(spots, WIDTH, HEIGHT), listed),
        is_moved=view is not None,
        states=[(one.value, STATES[one]) for one in WORST_FIRST if any(o.state == one for o in known)],
        chosen_state=state,
        degrees=degrees_in(page),
        distance=distance_in(page),
    )


def list_site_states(conn: Connection, context: Context, viewer: Viewer, page: Page) -> list[SiteState]:
    """The sites where the reader sees a device, and those that the reader manages; by name."""
    here = [
        one for one in list_shown(conn, context, viewer, page, with_days=False) if is_there(one.row, page.now)
    ]
    at: dict[str, list[Shown]] = {}
    for one in here:
        if one.row.site is not None:
            at.setdefault(one.row.site, []).append(one)
    managed = viewer.reach(Act.MANAGE_SITES)
    sites = [
        site
        for site in list_host_sites(conn, None, now=page.now)
        if site.code in at
        or managed is Reach.ANY
        or (managed is Reach.OWN and site.host_id == viewer.organisation_id)
    ]
    plans = list_all_plans(conn)
    sites.sort(key=lambda site: (site.name.casefold(), site.code))
    return [
        _state_of(number, site, at.get(site.code, []), plans.get(site.code, []))
        for number, site in enumerate(sites, 1)
    ]


def _state_of(number: int, site: HostSite, devices: Sequence[Shown], plans: list[Plan]) -> SiteState:
    active = [one for one in devices if one.state is not DeviceState.RETIRED] or devices
    if not active:
        return SiteState(number, site, EMPTY, "", 0, 0, plans)
    worst = min((one.state for one in active), key=WORST_FIRST.index)
    count = sum(one.state is worst for one in active)
    return SiteState(number, site, worst.value, STATES[worst], len(active), count, plans)


def _spot(page: Page, one: SiteState) -> Spot | None:
    site = one.site
    if site.latitude is None or site.longitude is None:
        return None
    return Spot(
        site.code,
        site.name,
        one.state,
        one.rank,
        one.words(page),
        f"/fleet?{urlencode({'site': site.code})}" if one.devices else f"#site-{site.code}",
        site.latitude,
        site.longitude,
        one.number,
    )


def _closer(listed: Arranged[SiteState]) -> Callable[[View, Sequence[Spot]], str]:
    def address(view: View, spots: Sequence[Spot]) -> str:
        """Of the part of the map with these sites; of their rows, where no zoom takes them apart."""
        if view.zoom >= MOST_ZOOM - 1:
            return "#sites"
        closer = around([(one.latitude, one.longitude) for one in spots], view.width, view.height)
        return _address(listed, replace(closer, zoom=min(max(closer.zoom, view.zoom + 2), MOST_ZOOM)))

    return address


def _moves(view: View, listed: Arranged[SiteState]) -> dict[str, str]:
    """Addresses of the map nearby: closer, farther, and half a map in each direction."""
    near = {name: view.moved(*step) for name, step in _NAMES.items()}
    near |= {"in": view.zoomed(1), "out": view.zoomed(-1)}
    return {name: _address(listed, one) for name, one in near.items()}


def _address(listed: Arranged[SiteState], view: View) -> str:
    return listed.address(**view.address()) + "#map"


def degrees_in(page: Page) -> Callable[[float, bool], str]:
    """Degrees of a line of the grid in the reader's language."""

    def write(degrees: float, is_longitude: bool) -> str:
        digits = max(0, len(f"{abs(degrees):.3f}".rstrip("0").partition(".")[2]))
        number = page.number(abs(degrees), digits)
        if is_longitude:
            return page.t("{n}° W", n=number) if degrees < 0 else page.t("{n}° E", n=number)
        return page.t("{n}° S", n=number) if degrees < 0 else page.t("{n}° N", n=number)

    return write


def distance_in(page: Page) -> Callable[[float], str]:
    """Metres as the scale of a map names them."""

    def write(metres: float) -> str:
        if metres >= 1000:
            return f"{page.number(metres / 1000, 0)} km"
        return f"{page.number(metres, 0)} m"

    return write


def small_map(context: Context, page: Page, spots: Sequence[Spot]) -> SiteMap | None:
    """The map beside another list; None without a site to draw."""
    if not spots:
        return None
    view = view_of(spots, 440.0, 340.0)

    def closer(view: View, together: Sequence[Spot]) -> str:
        return "/map?" + urlencode(
            around([(one.latitude, one.longitude) for one in together], WIDTH, HEIGHT).address()
        )

    return draw(spots, context.grounds, view, closer)
