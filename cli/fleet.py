"""`devices`: each device with its place, when it was last seen, its state and the reason, as on the lab's
pages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from api.pages.board import explain
from api.rendering import Page
from cli.options import JsonOption
from cli.reports import in_utc, show_table
from cli.target import open_target
from insitu.language import Reader
from insitu.model import DeviceState, Role
from store.access import Viewer
from store.catalogue.trials import get_trial
from store.read.fleet import list_devices
from trials.workflow.condition import load_conditions

if TYPE_CHECKING:
    from insitu.clock import Clock
    from store.database import Connection
    from store.read.fleet import FleetRow
    from trials.condition.state import Condition
    from trials.workflow.condition import Judged

LAB: Final = Viewer(
    person_id=0,
    login="cli",
    name="",
    language="en",
    role=Role.LAB,
    organisation_id=0,
    organisation="",
    has_factor=True,
)
"""A person with the server's shell sees what the lab sees."""


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """`site`, `position` and `deployed_at` are None for a device that is not deployed now; `causes` are
    codes, `why` is their text.
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


def devices(
    trial: Annotated[str | None, typer.Argument(help="Only this trial's.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the devices: their present place, when they were last seen, their state and the reason."""
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
    """Devices by trial and code, all judged at the same moment."""
    now = clock.now()
    rows = list_devices(conn, LAB, now=now, trial=trial)
    found = load_conditions(
        conn, [row.device_id for row in rows], now=now, simulated=clock.is_simulated, host_id=LAB.host_id
    )
    return [_line(row, found[row.device_id], now) for row in rows]


def _line(row: FleetRow, found: Judged, now: datetime) -> DeviceLine:
    condition, contact, stands = found.condition, found.contact, _stands(row, now)
    return DeviceLine(
        trial=row.trial,
        device=row.device,
        name=row.name,
        model=row.model,
        serial=row.serial,
        site=row.site if stands else None,
        position=row.position if stands else None,
        deployed_at=row.deployed_at if stands else None,
        last_seen_at=contact.last_seen_at,
        state=condition.state.value,
        causes=tuple(cause.key for cause in condition.causes),
        why=_why(condition, now),
        battery=contact.battery,
        rssi=contact.rssi,
        firmware=contact.firmware,
        clock_offset=condition.clock_offset,
        completeness=condition.share,
        retired_at=condition.retired_at,
    )


def _why(condition: Condition, now: datetime) -> str:
    """The pages' text in English, but with times in UTC as everywhere in the command line."""
    window = condition.window
    if condition.state is DeviceState.IN_WINDOW and window is not None:
        until = f" until {in_utc(window.end)} UTC" if window.end else ""
        return f"{window.kind}{until}: {window.reason}"
    if condition.state is DeviceState.RETIRED and condition.retired_at is not None:
        return f"since {in_utc(condition.retired_at)} UTC"
    page = Page(path="", viewer=LAB, reader=Reader("en"), now=now, simulated=False, form="")
    text = explain(page, replace(condition, latest_at=None))
    if condition.state is not DeviceState.NEVER_SEEN or condition.latest_at is None:
        return text
    return f"{text}, imported results up to {in_utc(condition.latest_at)} UTC"


def _stands(row: FleetRow, now: datetime) -> bool:
    return (
        row.deployed_at is not None
        and row.deployed_at <= now
        and (row.deployed_until is None or row.deployed_until > now)
    )
