"""Devices are registered, and their credentials given and ended. The caller owns the transaction."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from insitu.embedded.users import hash_token, mosquitto_hash
from insitu.errors import AlreadyExists, CorrectInput, NotFound
from insitu.model import DatastreamRole, require_code
from store.access import add_credential, credentials_of_device, revoke_credentials, username_taken
from store.audit import SERVICE, record
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device, find_device
from store.catalogue.properties import list_properties
from store.catalogue.sites import list_possible_sites, list_sites
from store.mappings import accept_usual_units, apply_mappings, fields_of, mappings_of_trial
from store.read.streams import list_streams

if TYPE_CHECKING:
    from insitu.spacing import Spacing
    from store.database import Connection


class SayMeasure(CorrectInput):
    """A new device needs to say what it measures."""


class SaySite(CorrectInput):
    """A new device needs to say at which site it is."""


LONGEST_DAYS: Final = 3660
MOST_FIELDS: Final = 100
MOST_POSITION: Final = 200


@dataclass(frozen=True, slots=True)
class Login:
    """Credential of a device; the token is shown once and stored nowhere."""

    username: str
    token: str


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A device to be given its credential, or to be registered before.

    `measure`: its datastreams, as NAME or NAME=PROPERTY; those that it has stay; none: those of the trial's
    mappings, for a new device. `site` empty: the only one of the trial. `position` empty: the device's own
    name.
    """

    trial: str
    device: str
    measure: Sequence[str] = ()
    site: str = ""
    position: str = ""
    every: Spacing | None = None
    days: int = 0
    """Until the credential ends; 0: with the trial."""
    is_new: bool | None = None
    """True: it must not exist; False: it must; None: either."""
    since: datetime | None = None
    """Since when a new device has been at its site, for results that it has kept; None: from now on."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    device_id: int
    login: Login
    is_new: bool
    added: list[str]
    """Names of datastreams that a device got that was there before."""


def enrol(
    conn: Connection,
    wanted: Enrolment,
    *,
    now: datetime,
    by: str,
    any_site: bool = False,
    ends_others: bool = False,
) -> Enrolled:
    """Give a device a credential, and register it if it is not there yet. Older credentials stay valid,
    unless this one `ends_others`.

    `any_site`: also a site of another host than the trial's. Raises CorrectInput that says what is missing,
    AlreadyExists.
    """
    if not 0 <= wanted.days <= LONGEST_DAYS:
        raise CorrectInput(
            f"A credential lives for 1 to {LONGEST_DAYS} days, or with 0 as long as the trial."
        )
    try:
        device_id: int | None = find_device(conn, wanted.trial, wanted.device).device_id
    except NotFound:
        device_id = None
    if wanted.is_new is True and device_id is not None:
        raise AlreadyExists(f"{wanted.trial} has a device {wanted.device!r} already.")
    if wanted.is_new is False and device_id is None:
        raise NotFound(f"{wanted.trial!r} has no device {wanted.device!r}.")
    is_new, added = device_id is None, list[str]()
    if device_id is None:
        device_id = _register(conn, wanted, now=now, by=by, any_site=any_site)
    else:
        added = measure(conn, wanted.trial, wanted.device, wanted.measure, every=wanted.every, now=now, by=by)
    login = give_credential(
        conn,
        device_id=device_id,
        trial=wanted.trial,
        device=wanted.device,
        now=now,
        expires_at=now + timedelta(days=wanted.days) if wanted.days else None,
        login=by,
    )
    if ends_others:
        revoke(conn, wanted.trial, wanted.device, now=now, by=by, keep=login.username)
    return Enrolled(device_id, login, is_new, added)


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
    """Create a new credential for a device; older ones stay valid until they are revoked."""
    token = secrets.token_urlsafe(32)
    username = f"{trial}.{device}"
    if username_taken(conn, username):
        username = f"{username}.{secrets.token_hex(3)}"
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
    subject, detail = f"{trial}/{device}", {"username": username}
    record(conn, at=now, login=login, action="enrol", subject=subject, detail=detail)
    return Login(username, token)


def revoke(
    conn: Connection, trial: str, device: str, *, now: datetime, by: str, keep: str | None = None
) -> int:
    """End every credential of a device except `keep`; it is disconnected. Returns how many ended. A `keep`
    that the device does not have ends none.
    """
    found = find_device(conn, trial, device)
    valid = [one.username for one in credentials_of_device(conn, found.device_id) if one.revoked_at is None]
    if keep is not None and keep not in valid:
        raise CorrectInput(
            f"{trial}/{device} has no valid credential {keep!r} to keep, so none was ended. It has "
            f"{', '.join(valid) or 'none'}."
        )
    ended = revoke_credentials(conn, device_id=found.device_id, at=now, keep=keep)
    detail: dict[str, object] = {"credentials": ended} | ({"kept": keep} if keep else {})
    record(conn, at=now, login=by, action="revoke", subject=f"{trial}/{device}", detail=detail)
    return ended


def measure(
    conn: Connection,
    trial: str,
    device: str,
    wanted: Sequence[str],
    *,
    every: Spacing | None,
    now: datetime,
    by: str,
) -> list[str]:
    """Give a device that is there further datastreams, as NAME or NAME=PROPERTY; those that it has stay.
    Returns the names of new ones.
    """
    found, name = find_device(conn, trial, device), f"{trial}/{device}"
    added = _add_streams(conn, found.device_id, wanted, every, name)
    if added:
        record(conn, at=now, login=by, action="measure", subject=name, detail={"datastreams": added})
    return added


def _register(conn: Connection, wanted: Enrolment, *, now: datetime, by: str, any_site: bool) -> int:
    trial, device = wanted.trial, wanted.device
    if not wanted.measure and not fields_of(mappings_of_trial(conn, trial), device):
        raise SayMeasure(f"{trial} has no device {device!r}. To make one, say what it measures.")
    require_code(device, "device")
    if len(wanted.position) > MOST_POSITION or not wanted.position.isprintable():
        raise CorrectInput(f"A position is one line of at most {MOST_POSITION} characters.")
    site = wanted.site or _only_site(conn, trial)
    if not any_site and site not in {one.code for one in list_possible_sites(conn, trial)}:
        raise CorrectInput(f"There is no site {site!r} at the host of {trial}.")
    device_id = add_device(conn, trial=trial, code=device, name=device, model="", serial="", now=now)
    position, start = wanted.position or device, wanted.since or now
    if start > now:
        raise CorrectInput("A device cannot be there since a time that is still to come: leave it empty.")
    deploy(conn, device_id=device_id, site=site, position=position, start=start)
    _add_streams(conn, device_id, wanted.measure, wanted.every, f"{trial}/{device}")
    if not wanted.measure:
        apply_mappings(conn, trial, device=device)
    place = {"site": site, "position": position, "measure": list(wanted.measure)}
    place |= {"since": start.isoformat()} if wanted.since else {}
    record(conn, at=now, login=by, action="enter device", subject=f"{trial}/{device}", detail=place)
    return device_id


def _add_streams(
    conn: Connection, device_id: int, wanted: Sequence[str], every: Spacing | None, device: str
) -> list[str]:
    """Raises CorrectInput for a property that is not registered, and for a name that has another property."""
    if len(wanted) > MOST_FIELDS:
        raise CorrectInput(f"A device gets at most {MOST_FIELDS} datastreams at once.")
    units = {p.code: p.unit for p in list_properties(conn)}
    present = {one.name: one.property for one in list_streams(conn, [device_id])}
    added = []
    for text in wanted:
        name, _, named = text.partition("=")
        observed = named or name
        if not name.isprintable():
            raise CorrectInput("The name of a datastream is the field of the payload, on one line.")
        if observed not in units:
            raise CorrectInput(
                f"{observed!r} is no observed property here; known are {', '.join(sorted(units))}."
            )
        if name in present:
            if present[name] != observed:
                raise CorrectInput(
                    f"{device} has a datastream {name!r} already, of {present[name]}, not {observed}: give "
                    f"the new one another name, as NAME={observed}."
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
        present[name] = observed
        added.append(name)
    return added


def _only_site(conn: Connection, trial: str) -> str:
    sites = [one.code for one in list_sites(conn, trial)]
    if len(sites) != 1:
        known = f" ({', '.join(sites)})" if sites else ""
        raise SaySite(f"Name the site of the device: {trial} has {len(sites)} sites{known}.")
    return sites[0]
