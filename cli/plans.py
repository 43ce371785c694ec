"""`plans`: plans of a site, and where devices are on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.actor import LoginOption, open_acting
from cli.options import JsonOption
from cli.output import say
from cli.reports import show_table
from cli.target import open_target
from insitu.errors import CorrectInput, NotFound
from store.catalogue.plans import list_places, list_plans
from store.catalogue.sites import list_host_sites
from trials.workflow import plans as acts
from trials.workflow.plans import PlanEntry, Spot
from trials.workflow.redrawing import redraw

if TYPE_CHECKING:
    from store.database import Connection

Site = Annotated[str, typer.Argument(help="Code of the site.")]
Number = Annotated[
    int, typer.Argument(min=1, help="Number of the plan: `insitu plans --site SITE` lists them.")
]
"""`insitu plans` acts as the lab: a host's people place their devices on the pages, or over the API."""


@dataclass(frozen=True, slots=True)
class PlanLine:
    """`devices`: how many are on it."""

    plan: int
    site: str
    name: str
    rank: int
    width: int
    height: int
    devices: int
    changed_at: datetime
    changed_by: str


def plans(
    site: Annotated[str, typer.Option(help="Only this site's.")] = "", as_json: JsonOption = False
) -> None:
    """List the plans of sites; enter, change and remove them, and place devices on them."""
    target, conn = open_target("insitu plans")
    with conn:
        now = target.clock.now()
        sites = [one.code for one in list_host_sites(conn, None, now=now, code=site or None)]
        if site and not sites:
            raise NotFound(f"There is no site {site!r}.")
        lines = [line for code in sites for line in _lines(conn, code, now)]
    show_table(
        lines,
        {
            "plan": lambda one: one.plan,
            "site": lambda one: one.site,
            "name": lambda one: one.name,
            "rank": lambda one: one.rank,
            "pixels": lambda one: f"{one.width} × {one.height}",
            "devices": lambda one: one.devices,
            "changed (UTC)": lambda one: one.changed_at,
            "by": lambda one: one.changed_by,
        },
        empty="There is no plan yet: `insitu plans add SITE FILE --name NAME` enters one.",
        as_json=as_json,
    )


def _lines(conn: Connection, site: str, now: datetime) -> list[PlanLine]:
    places = list_places(conn, site, now=now)
    return [
        PlanLine(
            one.plan_id,
            one.site,
            one.name,
            one.rank,
            one.width,
            one.height,
            sum(place.plan_id == one.plan_id for place in places),
            one.changed_at,
            one.changed_by,
        )
        for one in list_plans(conn, site)
    ]


def add(
    site: Site,
    file: Annotated[Path, typer.Argument(help="SVG, PNG or JPEG, at most 8 MiB.")],
    name: Annotated[str, typer.Option(help="Name of the plan, such as 'Platform level'.")],
    rank: Annotated[int, typer.Option(help="Its order: lower floors first.")] = 0,
    login: LoginOption = "",
) -> None:
    """Enter a plan of a site. Insitu draws the file again, and keeps that picture alone."""
    entry, picture = _entry(name, rank), redraw(_read(file))
    target, conn, actor = open_acting("insitu plans", login)
    with conn:
        now = target.clock.now()
        number = acts.add_plan(conn, site, entry, picture, viewer=None, by=actor, now=now)
    say(f"Plan {number} of {site}: {entry.name}, {picture.width} × {picture.height} pixels.")


def change(
    site: Site,
    plan: Number,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    rank: Annotated[int | None, typer.Option(help="Another place in the order.")] = None,
    file: Annotated[Path | None, typer.Option(help="Another picture; the places stay.")] = None,
    login: LoginOption = "",
) -> None:
    """Change the name, the order or the picture of a plan."""
    picture = None if file is None else redraw(_read(file))
    target, conn, actor = open_acting("insitu plans", login)
    with conn:
        before = next((one for one in list_plans(conn, site) if one.plan_id == plan), None)
        if before is None:
            raise NotFound(f"The site {site!r} has no plan {plan}: `insitu plans --site {site}` lists them.")
        entry = _entry(before.name if name is None else name, before.rank if rank is None else rank)
        now = target.clock.now()
        acts.change_plan(conn, site, plan, entry, picture, viewer=None, by=actor, now=now)
    say(f"Plan {plan} of {site}: {entry.name}.")


def place(
    site: Site,
    plan: Number,
    device: Annotated[str, typer.Argument(help="TRIAL/DEVICE of a device that stands at the site.")],
    x: Annotated[float | None, typer.Option(help="Percent from the left.")] = None,
    y: Annotated[float | None, typer.Option(help="Percent from the top.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Take the device off the plan.")] = False,
    login: LoginOption = "",
) -> None:
    """Place a device on a plan, move it there, or take it off."""
    if off == (x is not None or y is not None):
        raise CorrectInput("Say where with --x and --y, or take the device off with --off.")
    spot = None if off else _spot(x, y)
    target, conn, actor = open_acting("insitu plans", login)
    with conn:
        now = target.clock.now()
        is_new = acts.place_device(conn, site, plan, device, spot, viewer=None, by=actor, now=now)
    if spot is None:
        say(f"{device} is off plan {plan}." if is_new else f"{device} was not on plan {plan}.")
    else:
        say(f"{device} is at {spot.x:g} % from the left and {spot.y:g} % from the top of plan {plan}.")


def remove(
    site: Site,
    plan: Number,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it, with every place on it.")] = False,
    login: LoginOption = "",
) -> None:
    """Remove a plan for good, with every place on it; the devices stay."""
    target, conn, actor = open_acting("insitu plans", login)
    with conn:
        now = target.clock.now()
        try:
            acts.remove_plan(conn, site, plan, is_sure=yes, viewer=None, by=actor, now=now)
        except CorrectInput as error:
            raise CorrectInput(f"{error} Add --yes.") from None
    say(f"Plan {plan} of {site} is removed.")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CorrectInput(f"Cannot read {file}: {error.strerror}.") from None


def _entry(name: str, rank: int) -> PlanEntry:
    try:
        return PlanEntry(name=" ".join(name.split()), rank=rank)
    except ValueError:
        raise CorrectInput("A plan has a name of 1 to 200 characters, and a rank from -999 to 999.") from None


def _spot(x: float | None, y: float | None) -> Spot:
    try:
        return Spot.model_validate({"x": x, "y": y})
    except ValueError:
        raise CorrectInput("--x and --y are percent from 0 to 100: give both.") from None
