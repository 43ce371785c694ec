"""`key`: the key that signs packages, and the keys of others that a reader believes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from cli.actor import open_acting
from cli.options import JsonOption
from cli.output import say
from cli.reports import show, show_table
from cli.trusting import fetch_keys, own_signing_keys, trust_file
from insitu.clock import SYSTEM
from insitu.errors import CorrectInput
from insitu.times import to_rfc3339
from store.audit import record
from trials.package.keys import SigningKey, revoke_key, rotate_key
from trials.package.signing import fingerprint
from trials.package.trust import keep_trusted, parse_keys, read_trusted


def show_keys(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the key that signs packages here, and those before it."""
    if context.invoked_subcommand is None:
        keys = own_signing_keys()
        show(keys, _lines(keys), as_json=as_json)


def _lines(keys: list[SigningKey]) -> Iterator[str]:
    *before, present = keys
    yield f"public key   {present.public_key}"
    yield f"fingerprint  {present.fingerprint}"
    yield f"created      {to_rfc3339(present.created)}"
    for one in reversed(before):
        yield ""
        yield f"before       {one.public_key}"
        yield f"fingerprint  {one.fingerprint}"
        yield f"created      {to_rfc3339(one.created)}, replaced {_moment(one.replaced_at)}"
        if one.revoked_from is not None:
            yield f"revoked      from {to_rfc3339(one.revoked_from)} on: {one.revoked_reason}"


def _moment(when: datetime | None) -> str:
    return "–" if when is None else to_rfc3339(when)


def rotate(reason: Annotated[str, typer.Option(help="Why; it is published and in the audit log.")]) -> None:
    """Replace the key that signs packages; the old key vouches for the new one, then it is destroyed."""
    target, conn, actor = open_acting("insitu key rotate")
    folder = target.data_dir
    with conn:
        key = rotate_key(folder, reason=_said(reason), now=SYSTEM.now())
        detail = {"public_key": key.public_key, "reason": reason}
        record(
            conn,
            at=target.clock.now(),
            login=actor,
            action="rotate key",
            subject=key.fingerprint,
            detail=detail,
        )
    say(f"New key {key.public_key}")
    say(f"fingerprint {key.fingerprint}: tell it to those who verify your packages.")


def revoke(
    key: Annotated[str, typer.Argument(help="A replaced key: public key in hex, or its fingerprint.")],
    since: Annotated[
        str, typer.Option("--from", help="Nothing that it signed from then on counts; as 2026-03-01T08:00Z.")
    ],
    reason: Annotated[str, typer.Option(help="Why; it is published and in the audit log.")],
) -> None:
    """Revoke a replaced key from a time on."""
    start = _time(since)
    target, conn, actor = open_acting("insitu key revoke")
    folder = target.data_dir
    with conn:
        revoked = revoke_key(folder, key, since=start, reason=_said(reason), now=SYSTEM.now())
        detail = {"public_key": revoked.public_key, "from": to_rfc3339(start), "reason": reason}
        record(
            conn,
            at=target.clock.now(),
            login=actor,
            action="revoke key",
            subject=revoked.fingerprint,
            detail=detail,
        )
    say(f"{revoked.fingerprint} is revoked from {to_rfc3339(start)} on; /keys and the published list say so.")


def trust(
    name: Annotated[str, typer.Argument(help="Your name for whose key it is, as city-lab.")],
    key: Annotated[
        str,
        typer.Argument(help="Hex, a file with hex, PEM or a list of keys, or the https address of a list."),
    ],
) -> None:
    """Believe a key from now on: `insitu verify` then takes what it signs. Again: replace it."""
    keys = fetch_keys(key) if "://" in key else parse_keys(key, name=name)
    path = trust_file()
    keep_trusted(path, name, [one.renamed(name) for one in keys])
    for one in keys:
        say(f"{name}: {fingerprint(one.public_key)}. Compare it with what the lab reads out to you.")
    say(f"Kept in {path}.")


def trusted(as_json: JsonOption = False) -> None:
    """List the keys of others that you believe."""
    path = trust_file()
    show_table(
        read_trusted(path),
        {
            "name": lambda one: one.name,
            "fingerprint": lambda one: fingerprint(one.public_key),
            "replaced": lambda one: one.replaced_at,
            "revoked from": lambda one: one.revoked_from,
        },
        empty=f"{path} holds no keys: `insitu key trust NAME KEY` adds one.",
        as_json=as_json,
    )


def _said(reason: str) -> str:
    if not reason.strip() or len(reason) > 500 or not reason.isprintable():
        raise CorrectInput("Say why in one line of at most 500 characters: --reason.")
    return reason.strip()


def _time(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise CorrectInput(f"--from {text!r} is not a time: write it as 2026-03-01T08:00Z.") from None
    if when.tzinfo is None:
        raise CorrectInput(f"--from {text!r} has no offset from UTC: write it as 2026-03-01T08:00Z.")
    return when
