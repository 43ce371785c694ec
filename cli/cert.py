"""`insitu cert`: your own certificate authority, and server certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import say
from cli.owners import ids, make_folder, parse_owner
from insitu.embedded.certificates import fingerprint, issue
from insitu.settings import load


def cert(
    names: Annotated[list[str], typer.Argument(help="Names and addresses the certificate is for.")],
    to: Annotated[Path | None, typer.Option(help="Folder; default: the data directory.")] = None,
    owner: Annotated[
        str,
        typer.Option(
            help="ACCOUNT[:GROUP] that the server runs as and that reads its key. For root; default: root."
        ),
    ] = "",
) -> None:
    """Make a local certificate authority (once) and a server certificate signed by it."""
    settings = load()
    account = parse_owner(owner) if owner else None
    if account is not None:
        make_folder(to or settings.data_dir / "tls", account)
    tls = issue(to or settings.data_dir / "tls", names, owner=ids(account))
    say(f"INSITU_TLS_CERT={tls.cert}\nINSITU_TLS_KEY={tls.key}\nINSITU_MQTT_CA={tls.ca}")
    say(f"Fingerprint of the authority (SHA-256), to compare before installing it: {fingerprint(tls.ca)}")
    if account is not None:
        say(
            f"{tls.key} belongs to {account.name}; the authority's key, {tls.ca.with_suffix('.key')}, stays "
            "with root."
        )
