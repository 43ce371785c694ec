"""Pages that a person keeps under a name, for that person alone. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from insitu.errors import AlreadyExists, CorrectInput, NotFound
from insitu.letters import find_unseen
from store.access import Viewer
from store.audit import record
from store.database import Connection, rows, run, scalar
from store.queries import Queries

MOST_VIEWS: Final = 50
LONGEST_NAME: Final = 60
LONGEST_ADDRESS: Final = 1000


class _SQL(Queries, file="views"):
    list_views: str
    hold_person: str
    add_view: str
    set_view: str
    remove_view: str


@dataclass(frozen=True, slots=True)
class SavedView:
    """`address`: path and query of a page. `place`: from 1, without holes."""

    saved_view_id: int
    name: str
    address: str
    place: int


def list_views(conn: Connection, person_id: int) -> list[SavedView]:
    """In the person's own order."""
    return rows(conn, SavedView, _SQL.list_views, person_id=person_id)


def get_view(conn: Connection, person_id: int, number: int) -> SavedView:
    """Raises NotFound for another person's, as for none."""
    return _find(list_views(conn, person_id), number)


def add_view(conn: Connection, viewer: Viewer, *, name: str, address: str, now: datetime) -> SavedView:
    """Keep an address, which the caller has checked, at the end of the list."""
    known = _hold(conn, viewer)
    if len(known) >= MOST_VIEWS:
        raise CorrectInput(f"You keep {MOST_VIEWS} views, which is the most: remove one first.")
    chosen = _require_name(name, known)
    if not 0 < len(address) <= LONGEST_ADDRESS:
        raise CorrectInput(f"The address of a view has at most {LONGEST_ADDRESS} characters.")
    number = scalar(conn, _SQL.add_view, person_id=viewer.person_id, name=chosen, address=address)
    _record(conn, viewer, "save view", int(number), now)
    return get_view(conn, viewer.person_id, int(number))


def change_view(
    conn: Connection,
    viewer: Viewer,
    number: int,
    *,
    name: str | None = None,
    place: int | None = None,
    now: datetime,
) -> SavedView:
    """Another name, or another place; None: as it is. A place beyond the end is the last one."""
    known = _hold(conn, viewer)
    one = _find(known, number)
    others = [view for view in known if view is not one]
    chosen = one.name if name is None else _require_name(name, others)
    at = known.index(one) if place is None else min(max(place, 1), len(known)) - 1
    for order, view in enumerate([*others[:at], one, *others[at:]], start=1):
        kept = chosen if view is one else view.name
        if (kept, order) != (view.name, view.place):
            _set(conn, viewer, view, kept, order)
    _record(conn, viewer, "change view", number, now)
    return get_view(conn, viewer.person_id, number)


def remove_view(conn: Connection, viewer: Viewer, number: int, *, now: datetime) -> None:
    known = _hold(conn, viewer)
    one = _find(known, number)
    run(conn, _SQL.remove_view, person_id=viewer.person_id, saved_view_id=number)
    for order, view in enumerate((view for view in known if view is not one), start=1):
        if view.place != order:
            _set(conn, viewer, view, view.name, order)
    _record(conn, viewer, "remove view", number, now)


def _hold(conn: Connection, viewer: Viewer) -> list[SavedView]:
    """The person's views, which nobody else changes until the transaction ends."""
    scalar(conn, _SQL.hold_person, person_id=viewer.person_id)
    return list_views(conn, viewer.person_id)


def _find(known: list[SavedView], number: int) -> SavedView:
    found = next((one for one in known if one.saved_view_id == number), None)
    if found is None:
        raise NotFound(f"You keep no view {number}.")
    return found


def _set(conn: Connection, viewer: Viewer, view: SavedView, name: str, place: int) -> None:
    run(
        conn,
        _SQL.set_view,
        person_id=viewer.person_id,
        saved_view_id=view.saved_view_id,
        name=name,
        place=place,
    )


def _require_name(name: str, others: list[SavedView]) -> str:
    chosen = require_plain_name(name, "view")
    if any(one.name == chosen for one in others):
        raise AlreadyExists(f"You keep a view named {chosen!r} already: choose another name.")
    return chosen


def require_plain_name(name: str, what: str) -> str:
    """One line of 1 to LONGEST_NAME characters; raises CorrectInput for another."""
    chosen = " ".join(name.split())
    if not 0 < len(chosen) <= LONGEST_NAME or find_unseen(chosen) is not None:
        raise CorrectInput(f"The name of a {what} is one line of 1 to {LONGEST_NAME} characters.")
    return chosen


def _record(conn: Connection, viewer: Viewer, action: str, number: int, now: datetime) -> None:
    """A line without the name and the address, which are the person's own."""
    record(conn, at=now, login=viewer.login, action=action, subject=str(number))
