"""`register`, `move`, `window`, `deployment`: entries of the lab and the hosts, from a file or the
command line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import Field, ValidationError

from cli.actor import LoginOption, open_acting
from cli.agreement import sentence
from cli.entries import DeviceEntry, enter_device
from cli.fields import to_utc
from cli.mapping import DatastreamEntry, enter_datastream, enter_mappings
from cli.networks import AddressEntry, ServerEntry, enter_address, enter_server
from cli.output import say, warn
from cli.people import add_account, new_password
from cli.topics import TopicEntry, await_topics, enter_topic
from ingest.mapping_entry import MappingEntry
from insitu.entered import Code, Entry, Login, Name
from insitu.errors import CorrectInput, NotFound
from insitu.language import Language
from insitu.model import Role, TrialState, WindowKind
from store.access import password_of, role_in
from store.audit import record
from store.catalogue.devices import find_device
from store.catalogue.entries import amend, compare
from store.corrections import correct_deployment
from trials.workflow.entries import (
    Named,
    NeedEntry,
    OrganisationEntry,
    PropertyEntry,
    SiteEntry,
    TrialEntry,
)
from trials.workflow.life import move as move_trial
from trials.workflow.programme import Done, enter_or_change
from trials.workflow.windows import Target, Wanted, declare

if TYPE_CHECKING:
    from store.database import Connection


class PersonEntry(Entry):
    login: Login
    name: Name
    organisation: Code
    role: Role | None = None
    language: Language = "fr"


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
    wrong = [
        f"property.{number}: {problem}"
        for number, entry in enumerate(wanted.property)
        for problem in entry.problems()
    ]
    if wrong:
        raise CorrectInput(f"{path}:\n" + "\n".join(f"  {problem}" for problem in wrong))
    return wanted


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
    refused = []
    for kind in ("organisation", "person", "site", "property", "need", "trial"):
        for entry in getattr(wanted, kind):
            try:
                told = (
                    _person(conn, entry, now, actor)
                    if kind == "person"
                    else _entered(conn, entry, now, actor)
                )
                tell(told)
            except (CorrectInput, NotFound) as error:
                refused.append(str(error))
    for device in wanted.device:
        try:
            tell(enter_device(conn, device, now, reason, actor))
        except (CorrectInput, NotFound) as error:
            refused.append(str(error))
    return refused


def _entered(conn: Connection, entry: Named, now: datetime, actor: str) -> str:
    """The line that says what happened."""
    return _line(enter_or_change(conn, entry, by=actor, now=now))


def _line(done: Done) -> str:
    if done.changes is None:
        return f"entered {done.kind} {done.code}"
    if not done.changes:
        return f"there   {done.kind} {done.code}"
    return f"changed {done.kind} {done.code}: {'; '.join(done.changes)}"


def _person(conn: Connection, entry: PersonEntry, now: datetime, actor: str) -> str:
    """The line that says what happened, with the password of a new person."""
    given = dict(entry)
    given["role"] = role_in(conn, entry.organisation, entry.role)
    if password_of(conn, entry.login) is None:  # before a hash is made, which takes its time
        with conn.transaction():
            password = new_password()
            add_account(conn, password=password, now=now, **given)
            facts = entry.model_dump(mode="json", exclude_none=True)
            record(conn, at=now, login=actor, action="enter person", subject=entry.login, detail=facts)
        return f"entered person {entry.login}, password {password} (shown this once)"
    with conn.transaction():
        found = compare(conn, "person", entry.login, entry.stated())
        amend(conn, "person", entry.login, found)
        changes = [str(one) for one in found]
        if changes:
            detail = {"changes": changes}
            record(conn, at=now, login=actor, action="change person", subject=entry.login, detail=detail)
    return _line(Done("person", entry.login, changes))


def move(
    trial: str,
    to: Annotated[TrialState, typer.Argument(help="The next step of its life.")],
    note: str = "",
    login: LoginOption = "",
) -> None:
    """Move a trial to its next state: need, shortlisted, agreement, deployment, running, evaluated; or stop
    it without an evaluation. `insitu decide` enters a decision.
    """
    target, conn, actor = open_acting("insitu move", login)
    with conn:
        open_points = move_trial(conn, trial, to, note, by=actor, now=target.clock.now())
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
    target, conn, actor = open_acting("insitu window", login)
    with conn:
        wanted = Wanted(kind, to_utc(start), to_utc(end), reason)
        aim = Target("device", device) if device else Target("site", site)
        declare(conn, aim, wanted, viewer=None, by=actor, now=target.clock.now())
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
