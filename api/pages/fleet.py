"""The fleet: every device that the reader may see, its state and the reason, on a map and in a live table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from api.access import Signed
from api.context import Conn, Context, Ctx
from api.pages.board import WORST_FIRST, Shown, list_shown
from api.pages.listing import Arranged, Asked, Asking, arrange
from api.pages.map import degrees_in, distance_in, small_map
from api.pages.site_map import SiteMap, Spot
from api.pages.words import STATES
from api.rendering import Page, page_of, respond
from insitu.model import DeviceState
from store.catalogue.plans import list_plans

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Chosen:
    """The filters in the address."""

    trial: str | None
    site: str | None
    state: str | None

    def query(self, **changes: str | None) -> str:
        chosen = {"trial": self.trial, "site": self.site, "state": self.state, **changes}
        return urlencode({name: text for name, text in chosen.items() if text})

    def place(self) -> Chosen:
        """The same without a state."""
        return Chosen(self.trial, self.site, None)

    def holds(self, one: Shown) -> bool:
        return (
            (not self.trial or one.row.trial == self.trial)
            and (not self.site or one.row.site == self.site)
            and (not self.state or one.state == self.state)
        )


Count = tuple[str, str, int, str]
"""(state, its word, number of devices, address that shows them)."""


@router.get("/fleet", response_class=HTMLResponse)
def fleet_page(
    request: Request,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    asked: Asking,
    trial: Annotated[str, Query(max_length=64)] = "",
    site: Annotated[str, Query(max_length=64)] = "",
    state: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """Devices with their state. The filters are in the address, so that a selection can be kept and sent."""
    chosen = Chosen(trial or None, site or None, state or None)
    page = page_of(request, viewer)
    known = list_shown(conn, context, viewer, page)
    selected, place = [one for one in known if chosen.holds(one)], chosen.place()
    site_seen = chosen.site and any(one.row.site == chosen.site for one in known)
    plans = list_plans(conn, chosen.site or "") if site_seen else []
    return respond(
        request,
        "fleet.j2",
        page,
        known=known,
        selected=selected,
        list=_arranged(selected, asked, chosen),
        plans=plans,
        chosen=chosen,
        counts=counts([one.state for one in known if place.holds(one)], chosen),
        query=f"{chosen.query()}&since={page.now.timestamp():.3f}".lstrip("&"),
        trials=sorted({one.row.trial: one.row.trial_title for one in known}.items()),
        sites=sorted({one.row.site: one.row.site_name for one in known if one.row.site}.items()),
        map=_map(context, page, known, chosen),
        numbered=False,
        degrees=degrees_in(page),
        distance=distance_in(page),
    )


def counts(states: Iterable[DeviceState], chosen: Chosen) -> list[Count]:
    """Devices by state, from the states of those within the chosen trial and site; a second click on a state
    removes that filter.
    """
    number = Counter(states)
    return [
        (
            state.value,
            STATES[state],
            number[state],
            "/fleet?" + chosen.query(state=None if chosen.state == state else state.value),
        )
        for state in WORST_FIRST
        if number[state]
        or state in (DeviceState.ONLINE, DeviceState.SILENT, DeviceState.DEGRADED)
        or chosen.state == state
    ]


def _arranged(selected: Sequence[Shown], asked: Asked, chosen: Chosen) -> Arranged[Shown]:
    """The page of the list that was asked for; the worst first, unless another order is asked for."""
    return arrange(
        selected,
        asked,
        path="/fleet",
        text=lambda one: " ".join(
            (
                *(one.row.device, one.row.name, one.row.model, one.row.serial, one.row.trial),
                *(*one.row.trial_title.values(), one.row.site_name or "", one.row.position or ""),
            )
        ),
        columns={
            "state": lambda one: WORST_FIRST.index(one.state),
            "device": lambda one: one.row.device,
            "place": lambda one: one.row.site_name and (one.row.site_name, one.row.position or ""),
            "complete": lambda one: one.share,
            "battery": lambda one: one.contact.battery,
            "radio": lambda one: one.contact.rssi,
            "seen": lambda one: one.contact.last_seen_at,
        },
        filters={"trial": chosen.trial, "site": chosen.site, "state": chosen.state},
    )


def _map(context: Context, page: Page, known: Sequence[Shown], chosen: Chosen) -> SiteMap | None:
    """Each site with the state of its worst device."""
    where = Chosen(chosen.trial, None, None)
    at: dict[str, list[Shown]] = {}
    for one in known:
        if (
            one.row.site
            and one.row.latitude is not None
            and one.row.longitude is not None
            and where.holds(one)
        ):
            at.setdefault(one.row.site, []).append(one)
    spots = []
    for code, devices in at.items():
        active = [one for one in devices if one.state is not DeviceState.RETIRED] or devices
        worst = min(active, key=lambda one: WORST_FIRST.index(one.state))
        n = sum(one.state is worst.state for one in active)
        words = page.t("{n} of {all} devices {state}", n=n, all=len(active), state=page.t(worst.word))
        row = devices[0].row
        href = "/fleet?" + chosen.query(site=code)
        spots.append(
            Spot(
                code,
                row.site_name or code,
                worst.state.value,
                WORST_FIRST.index(worst.state),
                words,
                href,
                row.latitude or 0.0,
                row.longitude or 0.0,
            )
        )
    return small_map(context, page, spots)
