"""`register`, `move`, `window`, `swap`, `deployment`: entries of the lab and the hosts, from a file or the
command line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cli.mapping import (
    DatastreamEntry,
    DeviceEntry,
    enter_datastream,
    enter_device,
    enter_mappings,
)
from cli.networks import AddressEntry, ServerEntry, enter_address, enter_server
from cli.output import say
from cli.people import add_account, new_password
from cli.target import open_target
from ingest.mapping_entry import MappingEntry
from insitu.errors import AlreadyExists, CorrectInput
from insitu.model import CODE_PATTERN, AveragingScale, OrganisationKind, TrialState, WindowKind
from insitu.scales import require_scale
from insitu.units import require_unit
from store.access import record
from store.catalogue.deployments import end_deployment, swap_device
from store.catalogue.devices import find_device
from store.catalogue.organisations import add_need, add_organisation
from store.catalogue.properties import add_property, agree_on_scale
from store.catalogue.sites import add_site
from store.catalogue.trials import add_trial, move_trial
from store.catalogue.windows import add_window
from store.corrections import correct_deployment

if TYPE_CHECKING:
    from store.database import Connection

Code = Annotated[str, Field(pattern=CODE_PATTERN)]
Texts = dict[str, str]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OrganisationEntry(_Entry):
    code: Code
    name: str
    kind: OrganisationKind


class PersonEntry(_Entry):
    login: Code
    name: str
    organisation: Code
    language: str = "fr"


class SiteEntry(_Entry):
    code: Code
    host: Code
    name: str
    kind: str = ""
    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=180)


class PropertyEntry(_Entry):
    code: Code
    name: Texts
    unit: str
    averaging_scale: AveragingScale | None = None


class NeedEntry(_Entry):
    code: Code
    host: Code
    title: Texts
    description: Texts = {}


class TrialEntry(_Entry):
    code: Code
    title: Texts
    host: Code
    company: Code
    evaluator: Code | None = None
    need: Code | None = None
    time_zone: str = "Europe/Paris"
    ends_at: datetime | None = None


class Registration(_Entry):
    """A file: lists of tables, entered in this order. Existing entries stay as they are, except mappings."""

    organisation: list[OrganisationEntry] = []
    person: list[PersonEntry] = []
    site: list[SiteEntry] = []
    property: list[PropertyEntry] = []
    need: list[NeedEntry] = []
    trial: list[TrialEntry] = []
    device: list[DeviceEntry] = []
    mapping: list[MappingEntry] = []
    datastream: list[DatastreamEntry] = []
    network_server: list[ServerEntry] = []
    network_address: list[AddressEntry] = []


def read_registration(path: Path) -> Registration:
    """Raises a CorrectInput that names the file and each wrong place in it."""
    try:
        wanted = Registration.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise CorrectInput(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise CorrectInput(f"{path}: {error}.") from error
    except ValidationError as error:
        lines = [f"  {'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()[:10]]
        raise CorrectInput(f"{path}:\n" + "\n".join(lines)) from error
    wrong = [problem for number, entry in enumerate(wanted.property) for problem in _wrong(number, entry)]
    if wrong:
        raise CorrectInput(f"{path}:\n" + "\n".join(f"  {problem}" for problem in wrong))
    return wanted


def _wrong(number: int, entry: PropertyEntry) -> Iterator[str]:
    try:
        require_scale(entry.code, require_unit(entry.unit), entry.averaging_scale)
    except CorrectInput as error:
        yield f"property.{number}: {error}"


def register_file(file: Annotated[Path, typer.Argument(help="TOML; docs/operations.md shows one.")]) -> None:
    """Enter organisations, people, sites, properties, needs, trials, devices, mappings and network servers;
    run it again after editing the file.
    """
    wanted = read_registration(file)
    target, conn = open_target("insitu register")
    now = target.clock.now()

    def person(login: str, **more: Any) -> str:
        password = new_password()
        add_account(conn, login=login, password=password, now=now, **more)
        return f", password {password} (shown this once)"

    enter: dict[str, Callable[..., Any]] = {
        "organisation": lambda **given: add_organisation(conn, now=now, **given),
        "person": person,
        "site": lambda **given: add_site(conn, **given),
        "property": lambda **given: _observed(conn, now, **given),
        "need": lambda **given: add_need(conn, now=now, **given),
        "trial": lambda **given: add_trial(conn, now=now, **given),
    }
    with conn:
        for kind, add in enter.items():
            for entry in getattr(wanted, kind):
                _enter(conn, kind, add, entry)
        for device in wanted.device:
            enter_device(conn, device, now)
        enter_mappings(conn, wanted.device, wanted.mapping, now)
        for stream in wanted.datastream:
            enter_datastream(conn, stream, now)
        for server in wanted.network_server:
            enter_server(conn, server, now)
        for address in wanted.network_address:
            enter_address(conn, address)


def _observed(conn: Connection, now: datetime, **given: Any) -> str:
    """Enters a property, or the averaging scale that an existing one lacks."""
    try:
        with conn.transaction():
            add_property(conn, **given)
    except AlreadyExists:
        code, scale = given["code"], given["averaging_scale"]
        if not agree_on_scale(conn, code, scale):
            raise
        record(conn, at=now, login="cli", action="name scale", subject=code, detail={"scale": str(scale)})
        return f": averaging scale {scale}, where there was none; evaluate its trials again"
    return ""


def _enter(conn: Connection, kind: str, add: Callable[..., Any], entry: BaseModel) -> None:
    given = dict(entry)
    name = given.get("code") or given["login"]
    try:
        with conn.transaction():
            more = add(**given)
    except AlreadyExists:
        say(f"there   {kind} {name}")
    else:
        say(f"entered {kind} {name}{more if isinstance(more, str) else ''}")


def move(
    trial: str,
    to: Annotated[TrialState, typer.Argument(help="The next step of its life.")],
    note: str = "",
    login: str = "lab",
) -> None:
    """Move a trial to its next state: need, shortlisted, agreement, deployment, running, evaluated, buy,
    iterate or stop.
    """
    target, conn = open_target("insitu move")
    with conn:
        move_trial(conn, trial=trial, to=to, at=target.clock.now(), login=login, note=note)
    say(f"{trial} is now: {to}.")


def window(
    kind: WindowKind,
    start: Annotated[
        datetime,
        typer.Argument(formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M%z"], help="UTC, or with an offset."),
    ],
    end: Annotated[datetime, typer.Argument(formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M%z"])],
    reason: Annotated[str, typer.Option(help="Why; shown in the report.")],
    site: Annotated[str, typer.Option(help="For everything at a site.")] = "",
    device: Annotated[str, typer.Option(help="For one device, as TRIAL/DEVICE.")] = "",
    login: str = "lab",
) -> None:
    """Declare a window: in it a device is neither late nor silent, and its empty intervals do not count; a
    window declared afterwards is marked.
    """
    if bool(site) == bool(device):
        raise CorrectInput(
            "A window is for one site or for one device: give --site or --device TRIAL/DEVICE."
        )
    if _utc(end) <= _utc(start):
        raise CorrectInput(f"The window ends at {end} but begins at {start}: the end must come later.")
    target, conn = open_target("insitu window")
    with conn:
        number = find_device(conn, *_pair(device)).device_id if device else None
        add_window(
            conn,
            kind=kind,
            site=site or None,
            device_id=number,
            start=_utc(start),
            end=_utc(end),
            reason=reason,
            declared_by=login,
            now=target.clock.now(),
        )
    say(
        f"Declared: {kind} of {site or device} from {_utc(start):%Y-%m-%d %H:%M} to "
        f"{_utc(end):%Y-%m-%d %H:%M} UTC."
    )


def swap(
    trial: str,
    old: str,
    new: Annotated[str, typer.Argument(help="Already enrolled; takes the place and continues the series.")],
) -> None:
    """Replace a device by another at its place, from now on."""
    target, conn = open_target("insitu swap")
    with conn:
        before, after = (find_device(conn, trial, code).device_id for code in (old, new))
        now = target.clock.now()
        with suppress(CorrectInput):  # not deployed: nothing to end
            end_deployment(conn, device_id=after, at=now)
        swap_device(conn, old_device_id=before, new_device_id=after, at=now)
    say(f"{new} has taken the place of {old}.")


def deployment(
    trial: str,
    device: str,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")],
    start: Annotated[datetime | None, typer.Option(help="When it began, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(help="When it ended, UTC.")] = None,
    at: Annotated[
        datetime | None, typer.Option(help="Which one: where the device stood then, UTC [default: the last].")
    ] = None,
    login: Annotated[str, typer.Option(help="Who corrects.")] = "cli",
) -> None:
    """Correct when a device's deployment began or ended; then replay its rejects."""

    if start is None and end is None:
        raise CorrectInput("Say what is to be corrected: --start, --end, or both.")
    target, conn = open_target("insitu deployment")
    with conn:
        placed = correct_deployment(
            conn,
            device_id=find_device(conn, trial, device).device_id,
            subject=f"{trial}/{device}",
            at=at and _utc(at),
            start=start and _utc(start),
            end=end and _utc(end),
            login=login,
            reason=reason,
            now=target.clock.now(),
        )
    until = f"until {placed.end:%Y-%m-%d %H:%M}" if placed.end else "and still does"
    say(
        f"{trial}/{device} stood at {placed.site}, {placed.position}, from {placed.start:%Y-%m-%d %H:%M} "
        f"{until} (UTC)."
    )
    say(f"To replay its rejects: insitu replay --trial {trial}")


def _pair(text: str) -> tuple[str, str]:
    trial, _, device = text.partition("/")
    if not trial or not device:
        raise CorrectInput(f"{text!r}: write TRIAL/DEVICE.")
    return trial, device


def _utc(when: datetime) -> datetime:
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
