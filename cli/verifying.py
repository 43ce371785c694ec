"""`verify`: is a package what it says, and does a key that the reader believes vouch for it?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.options import JsonOption
from cli.reports import show
from cli.trusting import fetch_keys, own_keys, trust_file
from insitu.clock import SYSTEM
from insitu.errors import NOT_VOUCHED, Disagrees
from trials.package.contents import load
from trials.package.trust import TrustedKey, parse_keys, read_trusted
from trials.package.verify import Check
from trials.package.verify import verify as verify_package
from trials.report.render import write_reports
from trials.witness.package import verify_tokens
from trials.witness.tokens import load_roots


def verify(
    package: Annotated[Path, typer.Argument(help="The directory of a package.")],
    key: Annotated[
        list[str] | None,
        typer.Option(help="A key that you believe: hex, or a file with it, PEM or a list. Repeatable."),
    ] = None,
    key_url: Annotated[
        list[str] | None,
        typer.Option(help="Where a lab publishes its keys, as https://lab/.well-known/insitu-keys.json."),
    ] = None,
    own: Annotated[bool, typer.Option("--own", help="Believe the keys of the installation here.")] = False,
    old_format: Annotated[
        bool,
        typer.Option(
            "--old-format",
            help="Accept a package of format 1, whose reports and flags rest on the signature alone.",
        ),
    ] = False,
    tsa_root: Annotated[
        Path | None,
        typer.Option(help="Root certificates (PEM) of time-stamping authorities whose time you believe."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute a package and check its files, flags, reports, signature and time stamps; needs no
    database. The exit code is 0 only if everything agrees and a key that you believe signed it, 1 if
    something differs, 3 if nothing differs but something is left for you to settle.
    """
    believed = _believed(key or [], key_url or [], own=own)
    contents = load(package)
    checks = verify_package(
        contents,
        believed,
        render=lambda document, folder, language: write_reports(document, folder=folder, language=language),
        accept_old=old_format,
        now=SYSTEM.now(),
    )
    roots = load_roots(tsa_root) if tsa_root else None
    checks += verify_tokens(contents, roots, keys=[one.public_key for one in believed])
    agrees = all(check.ok for check in checks)
    unsettled = [check.open for check in checks if check.open]
    document = {
        "agrees": agrees,
        "vouched": agrees and not unsettled,
        "unsettled": unsettled,
        "checks": [check._asdict() for check in checks],
    }
    show(document, _lines_of_checks(checks), as_json=as_json)
    if not agrees:
        raise Disagrees(f"{package} is not as it should be; what differs is named above.")
    if unsettled:
        raise typer.Exit(NOT_VOUCHED)


def _believed(keys: list[str], addresses: list[str], *, own: bool) -> list[TrustedKey]:
    """Keys named in the call, and those in the reader's file."""
    found = [one for text in keys for one in parse_keys(text, name="the named key")]
    found += [one for address in addresses for one in fetch_keys(address)]
    if own:
        found += own_keys()
    return [*found, *read_trusted(trust_file())]


def _lines_of_checks(checks: list[Check]) -> Iterator[str]:
    for check in checks:
        yield f"{'FAIL' if not check.ok else 'open' if check.open else 'ok  '} {check.name}"
        yield from (f"     {_printable(line)}" for line in check.lines)
    if all(check.ok for check in checks):
        yield "Every number agrees."
        yield from (_printable(check.open) for check in checks if check.open)


def _printable(line: str) -> str:
    """Text from a package must not move the cursor or colour a terminal."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)
