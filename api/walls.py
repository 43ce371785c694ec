"""Walls: the devices that a screen shows, and the links with which it does so without signing in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.access import digest
from api.context import Context
from api.pages.board import WORST_FIRST, Shown, list_shown
from api.pages.words import STATES
from api.rendering import Page
from api.views import fields_of
from insitu.errors import CorrectInput, NotFound
from insitu.model import DeviceState
from store.access import Viewer, visible_trial
from store.database import Connection
from store.read.fleet import list_devices
from store.views import get_view
from store.walls import WallLink, add_wall

MOST_TILES = 48
MOST_PLACES = 18
_TROUBLED = frozenset(WORST_FIRST) - {DeviceState.ONLINE, DeviceState.RETIRED}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Codes of trials and of sites; none of a kind: all of it."""

    trials: Sequence[str] = ()
    sites: Sequence[str] = ()

    def holds(self, one: Shown) -> bool:
        return (not self.trials or one.row.trial in self.trials) and (
            not self.sites or one.row.site in self.sites
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A site: devices that send, of those that are not retired, and the worst state there."""

    name: str
    state: DeviceState
    online: int
    devices: int


@dataclass(frozen=True, slots=True)
class Board:
    """`tiles`: devices that are not in order, worst first, without the last `rest` of them; `places`
    likewise, with `more_places`.
    """

    counts: list[tuple[str, str, int]]
    tiles: list[Shown]
    rest: int
    places: list[Place]
    more_places: int
    devices: int
    last_heard: datetime | None


def load_board(conn: Connection, context: Context, viewer: Viewer, page: Page, chosen: Chosen) -> Board:
    """The chosen devices among those that this person sees now."""
    shown = [one for one in list_shown(conn, context, viewer, page, with_days=False) if chosen.holds(one)]
    active = [one for one in shown if one.state is not DeviceState.RETIRED]
    troubled = [one for one in active if one.state in _TROUBLED]
    numbers = {state: sum(one.state is state for one in active) for state in WORST_FIRST}
    places = _places(active)
    heard = [one.contact.last_seen_at for one in active if one.contact.last_seen_at is not None]
    always = (DeviceState.ONLINE, DeviceState.SILENT)
    return Board(
        counts=[
            (state.value, STATES[state], number)
            for state, number in numbers.items()
            if number or state in always
        ],
        tiles=troubled[:MOST_TILES],
        rest=max(0, len(troubled) - MOST_TILES),
        places=places[:MOST_PLACES],
        more_places=max(0, len(places) - MOST_PLACES),
        devices=len(active),
        last_heard=max(heard, default=None),
    )


def _places(active: Sequence[Shown]) -> list[Place]:
    """Sites with their devices, the worst first."""
    at: dict[str, list[Shown]] = {}
    for one in active:
        if one.row.site:
            at.setdefault(one.row.site, []).append(one)
    places = [
        Place(
            devices[0].row.site_name or code,
            min((one.state for one in devices), key=WORST_FIRST.index),
            sum(one.state is DeviceState.ONLINE for one in devices),
            len(devices),
        )
        for code, devices in at.items()
    ]
    return sorted(places, key=lambda place: (WORST_FIRST.index(place.state), place.name))


def chosen_of_view(conn: Connection, viewer: Viewer, number: int) -> Chosen:
    """The trial and the site of a kept page of devices."""
    address = get_view(conn, viewer.person_id, number).address
    if address.partition("?")[0] != "/fleet":
        raise CorrectInput("A wall shows devices: choose a view of the page Devices.")
    fields = fields_of(address)
    if set(fields) & {"q", "state"}:
        raise CorrectInput(
            "A wall shows all devices of a trial and a site: choose a view without a search and a state."
        )
    return Chosen(
        [fields["trial"]] if "trial" in fields else [], [fields["site"]] if "site" in fields else []
    )


def require_seen(conn: Connection, viewer: Viewer, chosen: Chosen, now: datetime) -> None:
    """Raises NotFound for a trial or a site where this person sees nothing."""
    for trial in chosen.trials:
        visible_trial(conn, viewer, trial)
    if chosen.sites:
        sites = {one.site for one in list_devices(conn, viewer, now=now)}
        for site in chosen.sites:
            if site not in sites:
                raise NotFound(f"There is no site {site!r} with a device that you may see.")


def write_wall_link(base_url: str, token: str) -> str:
    """`base_url`: of the installation, as the reader's browser reaches it."""
    return f"{base_url.rstrip('/')}/walls/{token}"


def make_wall(
    conn: Connection, viewer: Viewer, token: str, *, name: str, chosen: Chosen, days: int, now: datetime
) -> WallLink:
    """A link for a screen, with `token` as its secret."""
    require_seen(conn, viewer, chosen, now)
    return add_wall(
        conn,
        viewer,
        name=name,
        trials=chosen.trials,
        sites=chosen.sites,
        days=days,
        token_sha256=digest(token),
        now=now,
    )
