"""`register`, `move`, `window`, `deployment`: entries of the lab and the hosts, from a file or the
command line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from pydantic import Field, ValidationError, model_validator

from cli.actor import LoginOption, open_acting
from cli.agreement import sentence
from cli.entries import DeviceEntry, enter_device
from cli.fields import Code, Entry, Line, Login, Moment, Name, Texts, ZoneName, to_utc
from cli.mapping import DatastreamEntry, enter_datastream, enter_mappings
from cli.networks import AddressEntry, ServerEntry, enter_address, enter_server
from cli.output import say, warn
from cli.people import add_account, new_password
from cli.topics import TopicEntry, await_topics, enter_topic
from ingest.mapping_entry import MappingEntry
from insitu.errors import AlreadyExists, CorrectInput, NotFound
from insitu.language import Language
from insitu.model import AveragingScale, OrganisationKind, Role, TrialState, WindowKind
from insitu.scales import require_scale
from insitu.units import require_unit
from store.access import password_of, role_in
from store.audit import record
from store.catalogue.devices import find_device
from store.catalogue.entries import amend, compare
from store.catalogue.organisations import add_need, add_organisation
from store.catalogue.properties import add_property, agree_on_scale
from store.catalogue.sites import add_site
from store.catalogue.trials import add_trial, move_trial
from store.catalogue.windows import add_window
from store.corrections import correct_deployment
from trials.workflow.agreeing import load_agreed

if TYPE_CHECKING:
    from store.database import Connection


_NEEDS_AGREEMENT: Final = (TrialState.DEPLOYMENT, TrialState.RUNNING)


class OrganisationEntry(Entry):
    code: Code
    name: Name
    kind: OrganisationKind


class PersonEntry(Entry):
    login: Login
    name: Name
    organisation: Code
    role: Role | None = None
    language: Language = "fr"


class SiteEntry(Entry):
    code: Code
    host: Code
    name: Name
    kind: Line = ""
    latitude: float | None = Field(default=None, ge=-90, le=90, allow_inf_nan=False)
    longitude: float | None = Field(default=None, ge=-180, le=180, allow_inf_nan=False)

    @model_validator(mode="after")
    def _both(self) -> SiteEntry:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude belong together: give both, or none")
        return self


class PropertyEntry(Entry):
    code: Code
    name: Texts
    unit: str
    averaging_scale: AveragingScale | None = None


class NeedEntry(Entry):
    code: Code
    host: Code
    title: Texts
    description: Texts | None = None


class TrialEntry(Entry):
    code: Code
    title: Texts
    host: Code
    company: Code
    evaluator: Code | None = None
    need: Code | None = None
    time_zone: ZoneName = "Europe/Paris"
    ends_at: Moment | None = None


class Registration(Entry):
    """A file: lists of tables, entered in this order. An existing entry is compared, and changed or
    refused.
    """

    organisation: list[OrganisationEntry] = Field(default_factory=list)
    person: list[PersonEntry] = Field(default_factory=list)
    site: list[SiteEntry] = Field(default_factory=list)
    property: list[PropertyEntry] = Field(default_factory=list)
    need: list[NeedEntry] = Field(default_factory=list)
    trial: list[TrialEntry] = Field(default_factory=list)
    device: list[DeviceEntry] = Field(default_factory=list)
    mapping: list[MappingEntry] = Field(default_factory=list)
    datastream: list[DatastreamEntry] = Field(default_factory=list)
    network_server: list[ServerEntry] = Field(default_factory=list)
    network_address: list[AddressEntry] = Field(default_factory=list)
    topic: list[TopicEntry] = Field(default_factory=list)


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


def register_file(
    file: Annotated[Path, typer.Argument(help="TOML; docs/operations.md shows one.")],
    reason: Annotated[
        str, typer.Option(help="Corrects entries that reports tell of: why they were wrong.")
    ] = "",
) -> None:
    """Enter organisations, people, sites, properties, needs, trials, devices, mappings, network servers and
    topics; run it again after editing the file: each entry is compared, and changed or refused.
    """
    wanted = read_registration(file)
    target, conn, actor = open_acting("insitu register")
    now, lines = target.clock.now(), list[str]()
    with conn:
        with conn.transaction():  # all of the file, or nothing
            refused = _enter_all(conn, wanted, now, lines.append, reason.strip(), actor)
            if refused:
                raise CorrectInput("\n".join((*refused, f"Nothing of {file} was entered.")))
            enter_mappings(conn, wanted.device, wanted.mapping, now, lines.append, actor)
            for stream in wanted.datastream:
                enter_datastream(conn, stream, now, lines.append, actor)
            for server in wanted.network_server:
                enter_server(conn, server, now, lines.append, actor)
            for address in wanted.network_address:
                enter_address(conn, address, now, lines.append, actor)
            for topic in wanted.topic:
                enter_topic(conn, topic, target, now, lines.append, actor)
        for line in lines:  # only now it is true
            say(line)
        if wanted.topic:
            await_topics(conn, target)


def _enter_all(
    conn: Connection,
    wanted: Registration,
    now: datetime,
    tell: Callable[[str], None],
    reason: str,
    actor: str,
) -> list[str]:
    """Enters the tables up to the devices; returns what is refused."""

    def person(login: str, organisation: str, role: Role | None, **more: Any) -> str:
        role = role_in(conn, organisation, role)
        if password_of(conn, login) is not None:  # before a hash is made, which takes its time
            raise AlreadyExists()
        password = new_password()
        add_account(
            conn, login=login, organisation=organisation, role=role, password=password, now=now, **more
        )
        return f", password {password} (shown this once)"

    enter: dict[str, Callable[..., Any]] = {
        "organisation": lambda **given: add_organisation(conn, now=now, **given),
        "person": person,
        "site": lambda **given: add_site(conn, **given),
        "property": lambda **given: _observed(conn, now, actor, **given),
        "need": lambda description, **given: add_need(conn, now=now, description=description or {}, **given),
        "trial": lambda **given: add_trial(conn, now=now, **given),
    }
    refused = []
    for kind, add in enter.items():
        for entry in getattr(wanted, kind):
            try:
                tell(_enter(conn, kind, add, entry, now, actor))
            except (CorrectInput, NotFound) as error:
                refused.append(str(error))
    for device in wanted.device:
        try:
            tell(enter_device(conn, device, now, reason, actor))
        except (CorrectInput, NotFound) as error:
            refused.append(str(error))
    return refused


def _observed(conn: Connection, now: datetime, actor: str, **given: Any) -> str:
    """Enters a property, or the averaging scale that an existing one lacks."""
    try:
        with conn.transaction():
            add_property(conn, **given)
    except AlreadyExists:
        code, scale = given["code"], given["averaging_scale"]
        if not agree_on_scale(conn, code, scale):
            raise
        amend(conn, "property", code, compare(conn, "property", code, given))
        record(conn, at=now, login=actor, action="name scale", subject=code, detail={"scale": str(scale)})
        return f": averaging scale {scale}, where there was none; evaluate its trials again"
    return ""


def _enter(
    conn: Connection, kind: str, add: Callable[..., Any], entry: Entry, now: datetime, actor: str
) -> str:
    """The line that says what happened."""
    given = dict(entry)
    name = given.get("code") or given["login"]
    try:
        with conn.transaction():
            more = add(**given)
            facts = entry.model_dump(mode="json", exclude_none=True)
            record(conn, at=now, login=actor, action=f"enter {kind}", subject=name, detail=facts)
    except AlreadyExists:
        with conn.transaction():
            found = compare(conn, kind, name, entry.stated())
            if not found:
                return f"there   {kind} {name}"
            amend(conn, kind, name, found)
            changes = [str(one) for one in found]
            detail = {"changes": changes}
            record(conn, at=now, login=actor, action=f"change {kind}", subject=name, detail=detail)
        return f"changed {kind} {name}: {'; '.join(changes)}"
    return f"entered {kind} {name}{more if isinstance(more, str) else ''}"


def move(
    trial: str,
    to: Annotated[TrialState, typer.Argument(help="The next step of its life.")],
    note: str = "",
    login: LoginOption = "",
) -> None:
    """Move a trial to its next state: need, shortlisted, agreement, deployment, running, evaluated; or stop
    it without an evaluation. `insitu decide` enters a decision.
    """
    if to in (TrialState.BUY, TrialState.ITERATE):
        raise CorrectInput(
            f"A decision rests on an evaluation and has a reason: insitu decide {trial} {to} --evaluation N "
            "--reason WHY."
        )
    target, conn, actor = open_acting("insitu move", login)
    with conn:
        move_trial(conn, trial=trial, to=to, at=target.clock.now(), login=actor, note=note)
        open_points = load_agreed(conn, trial).open_points if to in _NEEDS_AGREEMENT else []
    say(f"{trial} is now: {to}.")
    for point in open_points:
        warn(f"open in the agreement: {sentence(point)}")


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
    login: LoginOption = "",
) -> None:
    """Declare a window: in it a device is neither late nor silent, and its empty intervals do not count; a
    window declared afterwards is marked.
    """
    if bool(site) == bool(device):
        raise CorrectInput(
            "A window is for one site or for one device: give --site or --device TRIAL/DEVICE."
        )
    if to_utc(end) <= to_utc(start):
        raise CorrectInput(f"The window ends at {end} but begins at {start}: the end must come later.")
    target, conn, actor = open_acting("insitu window", login)
    with conn:
        number = find_device(conn, *_pair(device)).device_id if device else None
        add_window(
            conn,
            kind=kind,
            site=site or None,
            device_id=number,
            start=to_utc(start),
            end=to_utc(end),
            reason=reason,
            declared_by=actor,
            now=target.clock.now(),
        )
    say(
        f"Declared: {kind} of {site or device} from {to_utc(start):%Y-%m-%d %H:%M} to "
        f"{to_utc(end):%Y-%m-%d %H:%M} UTC."
    )


def deployment(
    trial: str,
    device: str,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")],
    start: Annotated[datetime | None, typer.Option(help="When it began, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(help="When it ended, UTC.")] = None,
    at: Annotated[
        datetime | None, typer.Option(help="Which one: where the device stood then, UTC [default: the last].")
    ] = None,
    login: LoginOption = "",
) -> None:
    """Correct when a device's deployment began or ended; then replay its rejects."""

    if start is None and end is None:
        raise CorrectInput("Say what is to be corrected: --start, --end, or both.")
    target, conn, actor = open_acting("insitu deployment", login)
    with conn:
        placed = correct_deployment(
            conn,
            device_id=find_device(conn, trial, device).device_id,
            subject=f"{trial}/{device}",
            at=at and to_utc(at),
            start=start and to_utc(start),
            end=end and to_utc(end),
            login=actor,
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
