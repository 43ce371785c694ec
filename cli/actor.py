"""Who acts when a verb changes something: the local administrator, or the person of `insitu login`."""

from __future__ import annotations

import hashlib
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from cli.target import Target, open_target
from insitu.errors import CorrectInput, NotAcceptedHere
from insitu.model import Role
from insitu.settings import load, parse_roles
from store.access import Viewer, signed_in, visible_trial
from store.read.people import list_people
from store.rights import Act

if TYPE_CHECKING:
    from store.database import Connection

LoginOption = Annotated[
    str,
    typer.Option(
        "--login",
        help="The person for whom you record this, who must be known here; the record names both. Without it "
        "you act as yourself: as the account of this shell, or as the person of `insitu login`.",
    ),
]


def open_acting(
    application: str,
    on_behalf_of: str = "",
    *,
    act: Act | None = None,
    trial: str = "",
) -> tuple[Target, Connection, str]:
    """The target, a connection, and who acts, as rows and the audit log name them.

    The local administrator may do everything, also on behalf of a known person. The person of `insitu login`
    must be allowed `act` in `trial`, or without `act` be of the lab; otherwise raises NotAcceptedHere.
    """
    target, conn = open_target(application)
    try:
        actor = _actor(conn, target, on_behalf_of, act, trial)
        conn.rollback()
    except BaseException:
        conn.close()
        raise
    return target, conn, actor


def _actor(
    conn: Connection,
    target: Target,
    on_behalf_of: str,
    act: Act | None,
    trial: str,
) -> str:
    viewer = _signed_in_person(conn, target)
    if viewer is None:
        return local_administrator(_known(conn, on_behalf_of))
    if on_behalf_of not in ("", viewer.login):
        raise CorrectInput(
            f"You act as {viewer.login}, and only for yourself: leave out --login, or end that with "
            "`insitu logout`."
        )
    allowed = viewer.role is Role.LAB if act is None else viewer.may(act, visible_trial(conn, viewer, trial))
    if not allowed:
        raise NotAcceptedHere(
            f"{viewer.login} may not do that. `insitu logout` ends acting as {viewer.login} in this shell."
        )
    return viewer.login


def local_administrator(on_behalf_of: str = "") -> str:
    """The account of the shell, as the audit log names it."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # as in a container
        name = str(number)
    return f"local:{name} on behalf of {on_behalf_of}" if on_behalf_of else f"local:{name}"


def _known(conn: Connection, login: str) -> str:
    """`login` if it is a person's here, or empty. CorrectInput lists the people otherwise."""
    if not login:
        return ""
    logins = [person.login for person in list_people(conn)]
    if login not in logins:
        known = f"known are {', '.join(logins)}" if logins else "nobody is known yet"
        raise CorrectInput(f"There is no person {login!r} here: {known} (`insitu people` lists them).")
    return login


def _signed_in_person(conn: Connection, target: Target) -> Viewer | None:
    path = session_file(target)
    try:
        token = path.read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CorrectInput(f"Cannot read {path} ({error.strerror}).") from error
    viewer = signed_in(conn, [digest := hashlib.sha256(token.encode()).digest()]).get(digest)
    if viewer is None:
        raise NotAcceptedHere(
            "Your sign-in in this shell has ended: `insitu login` signs in again, `insitu logout` goes on as "
            "the local administrator."
        )
    if not viewer.has_factor and viewer.role in parse_roles(load().totp_required):
        raise NotAcceptedHere(
            f"{viewer.login} needs a second factor (INSITU_TOTP_REQUIRED): sign in on the pages and add one."
        )
    return viewer


def session_file(target: Target) -> Path:
    """The file of this account with the session at this installation."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "insitu" / f"session-{_name_of(target)}"


def _name_of(target: Target) -> str:
    """The same for each call; without the password of the database, which may change."""
    if target.running is not None:
        where = str(Path(target.running.data_dir).resolve())
    else:
        url = urlsplit(target.database_url)
        where = f"{url.hostname}:{url.port or 5432}{url.path}"
        if not url.hostname:
            where = target.database_url
    return hashlib.sha256(where.encode()).hexdigest()[:16]
