"""`devices`: where each device stands now, when it was last seen, its state and why, as the lab's pages judge
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from api.pages.board import assess
from api.pages.completeness import Strips
from api.rendering import Page
from cli.options import JsonOption
from cli.reports import in_utc, show_table
from cli.target import open_target
from insitu.language import Reader
from insitu.model import DeviceState, OrganisationKind
from store.access import Viewer
from store.catalogue.trials import get_trial
from store.read.fleet import list_devices

if TYPE_CHECKING:
    from api.pages.board import Shown
    from insitu.clock import Clock
    from store.database import Connection
    from store.read.fleet import FleetRow

LAB: Final = Viewer(
    person_id=0,
    login="cli",
    name="",
    language="en",
    kind=OrganisationKind.LAB,
    organisation_id=0,
    organisation="",
)
"""Who has the server's shell sees what the lab sees."""


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """`site`, `position` and `deployed_at` are None for a device that stands nowhere now; `causes` are codes,
    `why` says them.
    """

    trial: str
    device: str
    name: str
    model: str
    serial: str
    site: str | None
    position: str | None
    deployed_at: datetime | None
    last_seen_at: datetime | None
    state: str
    causes: tuple[str, ...]
    why: str
    battery: float | None
    """Per cent."""
    rssi: float | None
    """dBm."""
    firmware: str | None
    clock_offset: float | None
    """s, device time − receipt."""
    completeness: float | None
    """Share of the planned intervals of the last 14 days."""
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Counts:
    """What judging needs of a server that keeps counts between two pages; here they are read once."""

    strips: Strips


def devices(
    trial: Annotated[str | None, typer.Argument(help="Only this trial's.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the devices: where they stand now, when they were last seen, their state and why."""
    target, conn = open_target("insitu devices")
    with conn:
        if trial is not None:
            get_trial(conn, trial)
        lines = judged(conn, target.clock, trial)
    show_table(
        lines,
        {
            "trial": lambda line: line.trial,
            "device": lambda line: line.device,
            "site": lambda line: line.site,
            "position": lambda line: line.position,
            "last seen (UTC)": lambda line: line.last_seen_at,
            "state": lambda line: line.state.replace("_", " "),
            "why": lambda line: line.why,
        },
        empty=f"There is no device {f'of {trial} ' if trial else ''}yet: "
        f"`insitu enrol {trial or 'TRIAL'} DEVICE --measure PROPERTY` makes one and prints its credential.",
        as_json=as_json,
    )


def judged(conn: Connection, clock: Clock, trial: str | None) -> list[DeviceLine]:
    """By trial and code, as of one now."""
    page = Page(
        path="", viewer=LAB, reader=Reader("en"), now=clock.now(), simulated=clock.is_simulated, form=""
    )
    rows = list_devices(conn, LAB, now=page.now, trial=trial)
    return [_line(one, page.now) for one in assess(conn, _Counts(Strips()), LAB, page, rows)]


def _line(one: Shown, now: datetime) -> DeviceLine:
    row, stands = one.row, _stands(one.row, now)
    return DeviceLine(
        trial=row.trial,
        device=row.device,
        name=row.name,
        model=row.model,
        serial=row.serial,
        site=row.site if stands else None,
        position=row.position if stands else None,
        deployed_at=row.deployed_at if stands else None,
        last_seen_at=row.last_seen_at,
        state=one.state.value,
        causes=one.codes,
        why=_why(one),
        battery=row.battery,
        rssi=row.rssi,
        firmware=row.firmware,
        clock_offset=row.clock_offset,
        completeness=one.share,
        retired_at=row.retired_at,
    )


def _why(one: Shown) -> str:
    """As the pages say it, but times in UTC like all others here."""
    row = one.row
    if one.state is DeviceState.IN_WINDOW:
        until = f" until {in_utc(row.window_until)} UTC" if row.window_until else ""
        return f"{row.window_kind}{until}: {row.window_reason}"
    if one.state is DeviceState.RETIRED and row.retired_at:
        return f"since {in_utc(row.retired_at)} UTC"
    return one.cause


def _stands(row: FleetRow, now: datetime) -> bool:
    return (
        row.deployed_at is not None
        and row.deployed_at <= now
        and (row.deployed_until is None or row.deployed_until > now)
    )
