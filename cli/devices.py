"""`enrol` and `revoke`: a device's credentials, effective at the broker at once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.snippets import PublicAddress, Sent, client_id_of, sent_of, snippets
from cli.actor import open_acting
from cli.addresses import public_address, reachable_there
from cli.output import say
from cli.target import Target
from ingest.acts.enrolling import Enrolled, Enrolment, Login, SayMeasure, SaySite
from ingest.acts.enrolling import enrol as enrol_device
from ingest.acts.enrolling import revoke as revoke_device
from ingest.mapping_entry import read_interval
from insitu.errors import CorrectInput, RetryLater
from insitu.settings import load, parse_listen
from insitu.spacing import Spacing
from store.access import broker_state, credentials_of_device, seed_of
from store.read.streams import list_streams
from store.shards import shards_ready

if TYPE_CHECKING:
    from api.snippets import PublicAddress
    from store.database import Connection

APPLY_TIMEOUT_S = 20.0
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


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
    wanted = Enrolment(trial, device, measure or [], site, position, _spacing(every), days)
    target, conn, actor = open_acting("insitu enrol")
    with conn:
        done = _enrolled(conn, wanted, target.clock.now(), actor)
        device_id, login = done.device_id, done.login
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


def _enrolled(conn: Connection, wanted: Enrolment, now: datetime, actor: str) -> Enrolled:
    """A local administrator and the lab may name any site. Refusals name the option that mends them."""
    try:
        done = enrol_device(conn, wanted, now=now, by=actor, any_site=True)
    except SayMeasure as error:
        raise CorrectInput(
            f"{error} For example: --measure pm25; or register a [[mapping]] of the trial "
            "(docs/operations.md)."
        ) from error
    except SaySite as error:
        raise CorrectInput(f"{error} Say --site.") from error
    if done.added:
        say(f"{wanted.trial}/{wanted.device} measures now also: {', '.join(done.added)}.")
    return done


def _spacing(text: str) -> Spacing:
    """As in a registration, where a number is one of seconds."""
    try:
        return read_interval(float(text) if _NUMBER.fullmatch(text) else text)
    except ValueError as error:
        raise CorrectInput(f"--every: {error}.") from error


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
        ended = revoke_device(conn, trial, device, now=target.clock.now(), by=actor)
        conn.commit()
        trouble = take_effect(conn, target) if ended else None
    say(
        f"{ended} credential{'s' if ended != 1 else ''} of {trial}/{device} ended."
        if ended
        else "It had no credential."
    )
    if trouble is not None:
        raise trouble
