"""Plans of sites, and where devices are on them. The caller owns the transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from insitu.errors import NotFound
from store.database import Connection, require_found, row, rows, run, scalar
from store.queries import Queries


class _SQL(Queries, file="catalogue/plans"):
    add_plan: str
    plans_of_site: str
    image_of_plan: str
    hold_site: str
    change_plan: str
    change_image: str
    remove_plan: str
    places_of_site: str
    hold_deployment: str
    put_place: str
    remove_place: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG, with its width and height in pixels."""

    png: bytes
    width: int
    height: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.png).hexdigest()


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan without its picture. `rank`: plans are listed by it. `version`: another one after any change."""

    plan_id: int
    site: str
    name: str
    rank: int
    sha256: str
    width: int
    height: int
    changed_at: datetime
    changed_by: str
    version: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device is on a plan: percent of the width from the left, and of the height from the top."""

    device_id: int
    plan_id: int
    x: float
    y: float
    placed_at: datetime
    placed_by: str
    version: str


def add_plan(
    conn: Connection, site: str, *, name: str, rank: int, picture: Picture, login: str, now: datetime
) -> int:
    """The number of the plan. Raises NotFound if there is no such site."""
    number = scalar(
        conn,
        _SQL.add_plan,
        site=site,
        name=name,
        rank=rank,
        image=picture.png,
        sha256=picture.sha256,
        width=picture.width,
        height=picture.height,
        login=login,
        now=now,
    )
    return require_found(number, f"There is no site {site!r}.")


def list_plans(conn: Connection, site: str) -> list[Plan]:
    """By rank, then by name."""
    return rows(conn, Plan, _SQL.plans_of_site, site=site, plan_id=None)


def list_all_plans(conn: Connection) -> dict[str, list[Plan]]:
    """Code of each site with plans → its plans."""
    found: dict[str, list[Plan]] = {}
    for plan in rows(conn, Plan, _SQL.plans_of_site, site=None, plan_id=None):
        found.setdefault(plan.site, []).append(plan)
    return found


def get_plan(conn: Connection, site: str, plan_id: int) -> Plan:
    """Raises NotFound if the site has no such plan."""
    found = row(conn, Plan, _SQL.plans_of_site, site=site, plan_id=plan_id)
    if found is None:
        raise NotFound(f"The site {site!r} has no plan {plan_id}, or you may not see it.")
    return found


def hold_plan(conn: Connection, site: str, plan_id: int) -> Plan:
    """The same; nobody else changes a plan of the site until the transaction ends."""
    hold_plans(conn, site)
    return get_plan(conn, site, plan_id)


def hold_plans(conn: Connection, site: str) -> list[Plan]:
    """The plans of the site; nobody else changes one until the transaction ends."""
    scalar(conn, _SQL.hold_site, site=site)
    return list_plans(conn, site)


def load_image(conn: Connection, plan: Plan) -> bytes:
    """The picture of a plan, as PNG."""
    found: bytes = scalar(conn, _SQL.image_of_plan, plan_id=plan.plan_id)
    return bytes(found)


def change_plan(conn: Connection, plan: Plan, *, name: str, rank: int, login: str, now: datetime) -> None:
    run(conn, _SQL.change_plan, plan_id=plan.plan_id, name=name, rank=rank, login=login, now=now)


def change_image(conn: Connection, plan: Plan, picture: Picture, *, login: str, now: datetime) -> None:
    """The places stay."""
    run(
        conn,
        _SQL.change_image,
        plan_id=plan.plan_id,
        image=picture.png,
        sha256=picture.sha256,
        width=picture.width,
        height=picture.height,
        login=login,
        now=now,
    )


def remove_plan(conn: Connection, plan: Plan) -> None:
    """With all places on it."""
    run(conn, _SQL.remove_plan, plan_id=plan.plan_id)


def list_places(conn: Connection, site: str, *, now: datetime) -> list[Place]:
    """Places of the devices that are at the site now, on any of its plans."""
    return rows(conn, Place, _SQL.places_of_site, site=site, now=now)


def hold_deployment(conn: Connection, device_id: int, site: str, *, now: datetime) -> int | None:
    """The deployment of a device that is at the site now; nobody else moves it until the transaction ends."""
    found: int | None = scalar(conn, _SQL.hold_deployment, device_id=device_id, site=site, now=now)
    return found


def put_place(
    conn: Connection, deployment_id: int, plan: Plan, *, x: float, y: float, login: str, now: datetime
) -> None:
    """A deployment has one place alone: its earlier one is gone."""
    run(
        conn,
        _SQL.put_place,
        deployment_id=deployment_id,
        plan_id=plan.plan_id,
        x=x,
        y=y,
        login=login,
        now=now,
    )


def remove_place(conn: Connection, deployment_id: int) -> None:
    run(conn, _SQL.remove_place, deployment_id=deployment_id)
