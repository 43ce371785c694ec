"""`enrol` and `revoke`: a device's credentials, effective at the broker at once."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.snippets import PublicAddress, Sent, client_id_of, sent_of, snippets
from cli.actor import open_acting
from cli.addresses import public_address, reachable_there
from cli.output import say
from cli.target import Target
from ingest.mapping_entry import read_interval
from insitu.embedded.users import hash_token, mosquitto_hash
from insitu.errors import CorrectInput, NotFound, RetryLater
from insitu.model import DatastreamRole, require_code
from insitu.settings import load, parse_listen
from insitu.spacing import Spacing
from store.access import (
    add_credential,
    broker_state,
    credentials_of_device,
    revoke_credentials,
    seed_of,
    username_taken,
)
from store.audit import SERVICE, record
from store.catalogue.datastreams import add_datastream, list_datastreams
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device, find_device
from store.catalogue.properties import list_properties
from store.mappings import accept_usual_units, apply_mappings, fields_of, mappings_of_trial
from store.read.streams import list_streams
from store.shards import shards_ready

if TYPE_CHECKING:
    from api.snippets import PublicAddress
    from store.database import Connection

APPLY_TIMEOUT_S = 20.0
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Login:
    """Credential of a device; the token is shown once and stored nowhere."""

    username: str
    token: str


def give_credential(
    conn: Connection,
    *,
    device_id: int,
    trial: str,
    device: str,
    now: datetime,
    expires_at: datetime | None = None,
    login: str = SERVICE,
) -> Login:
    """Create a new credential for a device; older ones stay valid until they are revoked. The caller
    commits.
    """
    token = secrets.token_urlsafe(32)
    username = (
        f"{trial}.{device}"
        if not _taken(conn, f"{trial}.{device}")
        else f"{trial}.{device}.{secrets.token_hex(3)}"
    )
    add_credential(
        conn,
        device_id=device_id,
        username=username,
        token_sha256=hashlib.sha256(token.encode()).digest(),
        nats_hash=hash_token(token),
        mosquitto_hash=mosquitto_hash(token),
        now=now,
        expires_at=expires_at,
    )
    record(
        conn, at=now, login=login, action="enrol", subject=f"{trial}/{device}", detail={"username": username}
    )
    return Login(username, token)


def _taken(conn: Connection, username: str) -> bool:
    return username_taken(conn, username)


def wait_until_applied(conn: Connection) -> None:
    """Return once the broker uses the committed credentials; otherwise raises a RetryLater that names the
    problem.
    """
    limit = time.monotonic() + APPLY_TIMEOUT_S
    while not shards_ready(conn):  # a trial without a session has no credentials at the broker yet
        conn.rollback()
        if time.monotonic() > limit:
            raise RetryLater(
                "The credential is stored, but not every trial is heard yet: `insitu shards` says what is "
                "missing."
            )
        time.sleep(0.05)
    wanted = broker_state(conn).wanted
    conn.rollback()
    while time.monotonic() < limit:
        state = broker_state(conn)
        conn.rollback()
        if state.applied >= wanted and state.problem is None:
            return
        if state.applied >= wanted:
            raise RetryLater(
                f"The credential is stored, but the broker refuses the new list: {state.problem}"
            )
        time.sleep(0.05)
    raise RetryLater(
        "The credential is stored, but no process has handed it to the broker within "
        f"{APPLY_TIMEOUT_S:.0f} s: is `insitu up` or `demo` running? "
        "For a broker of your own run `insitu broker-config` and reload it."
    )


def enrol(
    trial: str,
    device: str,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            help="Properties of the device, as NAME or NAME=PROPERTY; those that it has stay. Default for a "
            "new device: those of the trial's mappings."
        ),
    ] = None,
    site: Annotated[
        str, typer.Option(help="Site of the device; may be left out if the trial has one site.")
    ] = "",
    position: Annotated[str, typer.Option(help="Position at the site; default: the device's own name.")] = "",
    every: Annotated[
        str, typer.Option(help="Planned time between two results: seconds, or PT15M, P1D, P1M.")
    ] = "900",
    days: Annotated[int, typer.Option(help="Days until the credential ends; 0: with the trial.")] = 0,
) -> None:
    """Give a device its credential (shown once) and snippets that work as they are."""
    spacing = _spacing(every)
    target, conn, actor = open_acting("insitu enrol")
    with conn:
        now = target.clock.now()
        device_id = _known_or_new(conn, trial, device, measure or [], site, position, spacing, now, actor)
        expires_at = now + timedelta(days=days) if days else None
        login = give_credential(
            conn,
            device_id=device_id,
            trial=trial,
            device=device,
            now=now,
            expires_at=expires_at,
            login=actor,
        )
        fields = sent_of(list_streams(conn, [device_id]))
        client_id = client_id_of(trial, device, seed_of(credentials_of_device(conn, device_id)))
        conn.commit()
        trouble = take_effect(conn, target)
    _show(target, trial, device, login, client_id, fields)
    if trouble is not None:
        raise trouble


def take_effect(conn: Connection, target: Target, *, tell: Callable[[str], None] = say) -> RetryLater | None:
    """None once the broker has the new credential. A problem is returned, so that the token can be shown
    first: it is shown only once.
    """
    if target.running is None:
        tell(
            "This broker is not Insitu's own: run `insitu broker-config` and reload it, then this is in "
            "force.\n"
        )
        return None
    try:
        wait_until_applied(conn)
    except RetryLater as error:
        return error
    return None


def _spacing(text: str) -> Spacing:
    """As in a registration, where a number is one of seconds."""
    try:
        return read_interval(float(text) if _NUMBER.fullmatch(text) else text)
    except ValueError as error:
        raise CorrectInput(f"--every: {error}.") from error


def _known_or_new(
    conn: Connection,
    trial: str,
    device: str,
    measure: list[str],
    site: str,
    position: str,
    every: Spacing,
    now: datetime,
    actor: str,
) -> int:
    try:
        found = find_device(conn, trial, device)
    except NotFound:
        if not measure and not fields_of(mappings_of_trial(conn, trial), device):
            raise CorrectInput(
                f"{trial} has no device {device!r}. To make one, say what it measures, for example "
                "--measure pm25, "
                "or register a [[mapping]] of the trial (docs/operations.md)."
            ) from None
    else:
        _measure(conn, found.device_id, measure, every, f"{trial}/{device}", now, actor)
        return found.device_id
    require_code(device, "device")
    site = site or _only_site(conn, trial)
    device_id = add_device(conn, trial=trial, code=device, name=device, model="", serial="", now=now)
    deploy(
        conn,
        device_id=device_id,
        site=site,
        position=position or device,
        start=now,
    )
    _measure(conn, device_id, measure, every, "", now, actor)
    if not measure:
        apply_mappings(conn, trial, device=device)
    place = {"site": site, "position": position or device, "measure": measure}
    record(conn, at=now, login=actor, action="enter device", subject=f"{trial}/{device}", detail=place)
    return device_id


def _measure(
    conn: Connection,
    device_id: int,
    measure: Sequence[str],
    every: Spacing,
    existing: str,
    now: datetime,
    actor: str,
) -> None:
    """Give a device datastreams, as NAME or NAME=PROPERTY. `existing`: the name of a device that was there
    before: datastreams that it has stay, and new ones are audited.
    """
    units = {p.code: p.unit for p in list_properties(conn)}
    present = {one.name: one.property for one in list_streams(conn, [device_id])}
    added = []
    for text in measure:
        name, _, named = text.partition("=")
        observed = named or name
        if observed not in units:
            raise CorrectInput(
                f"{observed!r} is no observed property here; known are {', '.join(sorted(units))}."
            )
        if name in present:
            if present[name] != observed:
                raise CorrectInput(
                    f"{existing} has a datastream {name!r} already, of {present[name]}, not {observed}: give "
                    f"the new one another name, as --measure NAME={observed}."
                )
            continue
        add_datastream(
            conn,
            device_id=device_id,
            name=name,
            property=observed,
            unit=units[observed],
            role=DatastreamRole.CANDIDATE,
            expected_interval=every,
        )
        accept_usual_units(conn, units[observed])
        added.append(name)
    if added and existing:
        record(conn, at=now, login=actor, action="measure", subject=existing, detail={"datastreams": added})
        say(f"{existing} measures now also: {', '.join(added)}.")


def _only_site(conn: Connection, trial: str) -> str:
    sites = sorted({place.site for stream in list_datastreams(conn, trial) for place in stream.deployments})
    if len(sites) != 1:
        known = f" ({', '.join(sites)})" if sites else ""
        raise CorrectInput(f"Name the site of the device with --site: {trial} has {len(sites)} sites{known}.")
    return sites[0]


def _show(target: Target, trial: str, device: str, login: Login, client_id: str, fields: list[Sent]) -> None:
    say(f"{login.username} is active. Its token is shown this once:\n\n    {login.token}\n")
    if not fields:
        say(
            f"{trial}/{device} has no datastream yet, so its results would be refused. Say what it measures: "
            f"`insitu enrol {trial} {device} --measure PROPERTY` adds datastreams and prints snippets, or "
            "register a [[mapping]] for each field that it sends (docs/operations.md). Its client id is "
            f"{client_id}."
        )
        return
    http = target.running.http if target.running else None
    for title, text in snippets(
        public_of(target),
        trial=trial,
        device=device,
        username=login.username,
        token=login.token,
        client_id=client_id,
        fields=fields,
        http=http,
    ).items():
        say(f"--- {title}\n{text}\n")
    if target.running:
        say(f"Its page: {target.running.http}/trials/{trial}/devices/{device}")


def public_of(target: Target) -> PublicAddress:
    """The broker's address for devices of a target."""
    settings = load()
    if target.running is None:
        return public_address(settings, "", None)
    host, port = parse_listen(target.running.mqtt)
    ca = target.running.mqtt_ca
    return PublicAddress(
        reachable_there(settings, host),
        port,
        tls=ca is not None,
        ca_pem=Path(ca).read_text("utf-8") if ca else None,
    )


def revoke(trial: str, device: str) -> None:
    """End every credential of a device and disconnect it."""
    target, conn, actor = open_acting("insitu revoke")
    with conn:
        found = find_device(conn, trial, device)
        now = target.clock.now()
        ended = revoke_credentials(conn, device_id=found.device_id, at=now)
        record(
            conn,
            at=now,
            login=actor,
            action="revoke",
            subject=f"{trial}/{device}",
            detail={"credentials": ended},
        )
        conn.commit()
        trouble = take_effect(conn, target) if ended else None
    say(
        f"{ended} credential{'s' if ended != 1 else ''} of {trial}/{device} ended."
        if ended
        else "It had no credential."
    )
    if trouble is not None:
        raise trouble
