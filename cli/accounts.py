"""`people`: lists them, invites, resets passwords, disables, and gives tokens to programs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from api.access import digest, new_token
from api.inviting import invite_person, make_link, write_link
from cli import lists
from cli.actor import open_acting
from cli.addresses import pages_url
from cli.options import JsonOption
from cli.output import say
from cli.reports import show_table
from cli.target import open_target
from insitu.errors import CorrectInput
from insitu.language import Language
from insitu.logins import fold_login
from insitu.model import Role
from store import factors, linked
from store import people as accounts
from store import tokens as held

if TYPE_CHECKING:
    from store.tokens import Token

LoginArgument = Annotated[str, typer.Argument(help="An e-mail address or a short name.")]


def people(context: typer.Context, as_json: JsonOption = False) -> None:
    """List who can sign in: organisation, role, since when."""
    if context.invoked_subcommand is None:
        lists.people(as_json)


def invite(
    login: LoginArgument,
    organisation: Annotated[str, typer.Option(help="Code of the person's organisation.")],
    role: Annotated[
        Role | None, typer.Option(help="Of a host: operator or buyer; of the lab: lab or auditor.")
    ] = None,
    name: Annotated[str, typer.Option(help="The person can change it.")] = "",
    language: Annotated[Language, typer.Option(help="Of the pages.")] = "fr",
    manages: Annotated[
        bool, typer.Option(help="The person manages the people of this organisation.")
    ] = False,
) -> None:
    """Invite a person: prints a link, once, with which the person sets a password within 7 days."""
    target, conn, actor = open_acting("insitu people invite")
    with conn:
        token = invite_person(
            conn,
            login=login,
            name=name,
            organisation=organisation,
            role=role,
            language=language,
            manages=manages,
            by=actor,
            now=target.clock.now(),
        )
    say(f"Give {fold_login(login)} this link; it works once, within 7 days, and is shown this once:\n")
    say(f"    {write_link(pages_url(target.running), token)}\n")


def reset(login: LoginArgument) -> None:
    """Print a link, once, with which a person sets another password; until then the old one works."""
    target, conn, actor = open_acting("insitu people reset")
    with conn:
        member = accounts.get_member(conn, fold_login(login))
        token = make_link(conn, member, by=actor, now=target.clock.now())
    say(f"Give {member.login} this link; it works once, within 7 days, and is shown this once:\n")
    say(f"    {write_link(pages_url(target.running), token)}\n")


def disable(login: LoginArgument) -> None:
    """End every session, link and token of a person who left."""
    target, conn, actor = open_acting("insitu people disable")
    with conn:
        member = accounts.get_member(conn, fold_login(login))
        accounts.disable(conn, member, by=actor, now=target.clock.now())
    say(f"{member.login} is disabled: sessions and tokens have ended, open pages end within 5 seconds.")


def enable(login: LoginArgument) -> None:
    """Let a disabled person sign in again, with the password from before."""
    target, conn, actor = open_acting("insitu people enable")
    with conn:
        member = accounts.get_member(conn, fold_login(login))
        accounts.enable(conn, member, by=actor, now=target.clock.now())
    say(f"{member.login} can sign in again.")


def reset_factor(login: LoginArgument) -> None:
    """Remove the second factor of a person who lost it; every session of the person ends."""
    target, conn, actor = open_acting("insitu people reset-factor")
    with conn:
        member = accounts.get_member(conn, fold_login(login))
        was_there = factors.reset(conn, member, by=actor, now=target.clock.now())
    if not was_there:
        raise CorrectInput(f"{member.login} has no second factor.")
    say(f"{member.login} has no second factor any more, and every session has ended.")


def unlink(login: LoginArgument) -> None:
    """Forget as whom another sign-in knows a person; the next sign-in there links the login again."""
    target, conn, actor = open_acting("insitu people unlink")
    with conn:
        member = accounts.get_member(conn, fold_login(login))
        linked.unlink(conn, member, by=actor, now=target.clock.now())
    say(f"No other sign-in knows {member.login} any more.")


def manager(
    login: LoginArgument,
    no_longer: Annotated[bool, typer.Option("--no-longer", help="Take this right away.")] = False,
) -> None:
    """Let a person invite, reset and disable people of the own organisation."""
    target, conn, actor = open_acting("insitu people manager")
    with conn:
        member = accounts.get_member(conn, fold_login(login))
        accounts.set_manages(conn, member, not no_longer, by=actor, now=target.clock.now())
    say(f"{member.login} manages the people of {member.organisation}{' no longer' if no_longer else ''}.")


def token(
    login: Annotated[str, typer.Argument(help="Whose rights it has; of a machine: who answers for it.")],
    name: Annotated[str, typer.Option(help="Name of the program.")],
    days: Annotated[int, typer.Option(min=1, max=400, help="Days until it ends.")],
    machine: Annotated[bool, typer.Option(help="It belongs to the person's organisation.")] = False,
    acts: Annotated[bool, typer.Option("--acts", help="It also changes what the person may change.")] = False,
) -> None:
    """Make a token with which a program reads the HTTP API, or also acts; shown once."""
    target, conn, actor = open_acting("insitu people token")
    secret = new_token()
    with conn:
        member = accounts.get_member(conn, fold_login(login))
        held.add_token(
            conn,
            person_id=member.person_id,
            login=member.login,
            is_machine=machine,
            acts=acts,
            name=name.strip(),
            token_sha256=digest(secret),
            lifetime=timedelta(days=days),
            by=actor,
            now=target.clock.now(),
        )
    say(
        f"{name.strip()} {'reads and acts' if acts else 'reads'} with the rights of {member.login}. The "
        "token is shown this once:\n"
    )
    say(f"    {secret}\n")


def tokens(
    login: Annotated[str | None, typer.Argument(help="A person; default: all machines.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the tokens of machines, or a person's own."""
    _, conn = open_target("insitu people tokens")
    with conn:
        found = (
            held.list_machine_tokens(conn)
            if login is None
            else held.list_tokens(conn, accounts.get_member(conn, fold_login(login)).person_id)
        )
    show_table(
        found,
        {
            "token": lambda one: one.access_token_id,
            "name": lambda one: one.name,
            "organisation": lambda one: one.organisation,
            "login": lambda one: one.login,
            "ends (UTC)": lambda one: one.expires_at,
            "last used (UTC)": _last_used,
            "works": lambda one: "yes" if one.works else "no",
        },
        empty="There is no token: `insitu people token LOGIN --name NAME --days DAYS` makes one.",
        as_json=as_json,
    )


def _last_used(one: Token) -> datetime | None:
    return one.last_used_at


def revoke(number: Annotated[int, typer.Argument(help="As `insitu people tokens` shows it.")]) -> None:
    """End a token."""
    target, conn, actor = open_acting("insitu people revoke")
    with conn:
        ended = held.get_token(conn, number)
        held.end_token(conn, ended, by=actor, now=target.clock.now())
    say(f"Token {number}, {ended.name}, has ended.")


def assign(
    number: Annotated[int, typer.Argument(help="As `insitu people tokens` shows it.")], login: LoginArgument
) -> None:
    """Let another person of the organisation answer for a machine's token."""
    target, conn, actor = open_acting("insitu people assign")
    with conn:
        held.hand_over(
            conn, held.get_token(conn, number), fold_login(login), by=actor, now=target.clock.now()
        )
    say(f"{fold_login(login)} answers for token {number} now.")
