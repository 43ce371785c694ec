"""Walls: secret addresses of screens that show devices, with the rights that their makers have at each
moment. The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from insitu.errors import CorrectInput, NotFound
from store.access import Viewer
from store.audit import record
from store.database import Connection, row, rows, run, scalar
from store.queries import Queries
from store.views import require_plain_name

LONGEST_DAYS: Final = 400
MOST_WALLS: Final = 20
MOST_CHOSEN: Final = 20
"""Trials or sites of one wall."""


class _SQL(Queries, file="walls"):
    list_walls: str
    list_all_walls: str
    find_wall: str
    add_wall: str
    touch_wall: str
    end_wall: str
    end_any_wall: str
    end_walls: str


@dataclass(frozen=True, slots=True)
class WallLink:
    """`trials` and `sites`: codes; none: all that the person sees. `expires_at`: by the clock of the
    machine.
    """

    wall_link_id: int
    name: str
    trials: list[str]
    sites: list[str]
    language: str
    created_at: datetime
    expires_at: datetime
    last_opened_at: datetime | None
    works: bool


@dataclass(frozen=True, slots=True)
class OwnedWall:
    """A wall with the person whose rights it has, for who manages that person."""

    wall_link_id: int
    name: str
    login: str
    person: str
    organisation: str
    trials: list[str]
    sites: list[str]
    created_at: datetime
    expires_at: datetime
    last_opened_at: datetime | None
    works: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWall(Viewer):
    """A wall that a screen asks for, as the person whose rights it has."""

    wall_link_id: int
    wall: str
    trials: list[str]
    sites: list[str]
    expires_at: datetime
    is_new: bool
    """No screen has asked before."""
    is_due: bool
    """No screen has asked for a minute."""


def list_walls(conn: Connection, person_id: int) -> list[WallLink]:
    return rows(conn, WallLink, _SQL.list_walls, person_id=person_id)


def list_all_walls(conn: Connection, organisation_id: int | None = None) -> list[OwnedWall]:
    """The walls of the people of an organisation, or of all, newest first."""
    return rows(conn, OwnedWall, _SQL.list_all_walls, organisation_id=organisation_id)


def add_wall(
    conn: Connection,
    viewer: Viewer,
    *,
    name: str,
    trials: Sequence[str],
    sites: Sequence[str],
    days: int,
    token_sha256: bytes,
    now: datetime,
) -> WallLink:
    """A wall with the rights of this person, in the person's language. The caller has checked that the person
    sees these trials and sites.
    """
    chosen = require_plain_name(name, "wall")
    if not 1 <= days <= LONGEST_DAYS:
        raise CorrectInput(f"A wall lives for 1 to {LONGEST_DAYS} days.")
    if max(len(trials), len(sites)) > MOST_CHOSEN:
        raise CorrectInput(f"A wall shows at most {MOST_CHOSEN} trials and {MOST_CHOSEN} sites by name.")
    if sum(one.works for one in list_walls(conn, viewer.person_id)) >= MOST_WALLS:
        raise CorrectInput(f"You have {MOST_WALLS} walls, which is the most: end one first.")
    number = scalar(
        conn,
        _SQL.add_wall,
        token_sha256=token_sha256,
        person_id=viewer.person_id,
        name=chosen,
        trials=sorted(set(trials)),
        sites=sorted(set(sites)),
        language=viewer.language,
        lifetime=timedelta(days=days),
    )
    detail = {"name": chosen, "trials": sorted(set(trials)), "sites": sorted(set(sites)), "days": days}
    record(conn, at=now, login=viewer.login, action="make wall", subject=str(number), detail=detail)
    return next(one for one in list_walls(conn, viewer.person_id) if one.wall_link_id == number)


def end_wall(conn: Connection, viewer: Viewer, number: int, *, now: datetime) -> None:
    """Raises NotFound for another person's wall, as for none."""
    if not run(conn, _SQL.end_wall, wall_link_id=number, person_id=viewer.person_id):
        raise NotFound(f"You have no wall {number}, or it was ended.")
    record(conn, at=now, login=viewer.login, action="end wall", subject=str(number))


def end_any_wall(
    conn: Connection, number: int, *, organisation_id: int | None = None, by: str, now: datetime
) -> None:
    """End a wall of somebody of that organisation, or of anybody. Raises NotFound for others, as for none."""
    login = scalar(conn, _SQL.end_any_wall, wall_link_id=number, organisation_id=organisation_id)
    if login is None:
        raise NotFound(f"There is no wall {number}, or it was ended.")
    record(conn, at=now, login=by, action="end wall", subject=str(number), detail={"of": login})


def end_walls(conn: Connection, person_id: int) -> int:
    """End all walls of a person. Returns how many there were."""
    return run(conn, _SQL.end_walls, person_id=person_id)


def open_wall(conn: Connection, token_sha256: bytes, *, address: str, now: datetime) -> OpenWall:
    """The wall with that secret. A line tells of its first opening, and a column when a screen last asked.

    Raises NotFound for a secret that opens nothing: it is wrong, was ended, its time is over, or its maker
    may not sign in any more.
    """
    found = row(conn, OpenWall, _SQL.find_wall, token_sha256=token_sha256)
    if found is None:
        raise NotFound(
            "This wall shows nothing any more: its link was ended, or its time is over. Ask for a new one."
        )
    if found.is_due:
        run(conn, _SQL.touch_wall, wall_link_id=found.wall_link_id)
    if found.is_new:
        detail = {"address": address}
        subject = str(found.wall_link_id)
        record(conn, at=now, login=found.login, action="open wall", subject=subject, detail=detail)
    return found
