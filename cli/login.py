"""`login` and `logout`: act as a person in this shell, with that person's rights."""

from __future__ import annotations

import hashlib
import os
from typing import Annotated

import typer

from api.access import LIFETIME, Browser, sign_in
from api.factors import enter_code
from api.sealing import factor_key
from cli.actor import local_administrator, session_file
from cli.output import say
from cli.target import find_target, open_target
from insitu.errors import CorrectInput
from insitu.settings import load
from insitu.whole import write_whole
from store.access import sign_out
from store.audit import record
from store.database import open_pool

_PLACE = "shell"
"""Takes the place of an address where failed attempts are counted."""


def login(
    login: Annotated[str, typer.Argument(help="Your login, as on the pages.")],
    password_file: Annotated[
        str, typer.Option(help="File that holds the password; without it you are asked.")
    ] = "",
    code: Annotated[
        str, typer.Option(help="Code of your second factor, if you have one; without it you are asked.")
    ] = "",
) -> None:
    """Act as a person in this shell from now on, for a week: verbs then have that person's rights."""
    target = find_target()
    password = _read(password_file) if password_file else typer.prompt("Password", hide_input=True)
    with open_pool(target.database_url, application="insitu login", size=1) as pool:
        shell = Browser(_PLACE, f"insitu login by {local_administrator()}", None)
        entered = sign_in(pool, login=login, password=password, browser=shell, now=target.clock.now())
        if entered.wants_code:
            entered = enter_code(
                pool,
                token=entered.token,
                code=code or typer.prompt("Code of your second factor"),
                browser=shell,
                key=factor_key(load(data_dir=target.data_dir)),
                now=target.clock.now(),
            )
    path = session_file(target)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(path, entered.token, mode=0o600)
    say(f"You act as {login.strip()} for {LIFETIME.days} days; `insitu logout` ends it.")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CorrectInput(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error


def logout() -> None:
    """End acting as a person in this shell."""
    target, conn = open_target("insitu logout")
    path = session_file(target)
    if not path.exists():
        conn.close()
        raise CorrectInput("Nobody is signed in in this shell: you act as the local administrator.")
    with conn:
        token = path.read_text("utf-8").strip()
        sign_out(conn, hashlib.sha256(token.encode()).digest())
        record(
            conn, at=target.clock.now(), login=local_administrator(), action="sign out", subject="this shell"
        )
    os.unlink(path)
    say(f"You act as {local_administrator()} again.")
