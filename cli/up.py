"""`up`: one machine, real use; and `cert`, its own certificate authority."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import say
from cli.parts import until_signal
from insitu.clock import SYSTEM
from insitu.embedded.certificates import TLS
from insitu.errors import CorrectInput
from insitu.settings import Settings, load

if TYPE_CHECKING:
    from cli.installation import Installation


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(cert)


def given_tls(settings: Settings) -> TLS | None:
    """The certificate of the settings; its CA is INSITU_MQTT_CA, or the certificate itself."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise CorrectInput("Set both INSITU_TLS_CERT and INSITU_TLS_KEY, or neither.")
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return TLS(cert=settings.tls_cert, key=settings.tls_key, ca=settings.mqtt_ca or settings.tls_cert)


def up() -> None:
    """Run everything on this machine until told to stop: database, broker, ingestor, pages, jobs."""
    from cli.installation import Installation, addresses

    settings = load()
    stop = until_signal()
    installation = Installation(
        settings, data_dir=settings.data_dir, clock=SYSTEM, where=addresses(settings, given_tls(settings))
    )
    try:
        installation.begin()
        _wait_until_up(installation, stop)
        if not stop.is_set():
            say(f"Insitu runs at {installation.http_url}; data in {settings.data_dir}.")
            say(_first_sign_in(installation))
        installation.run(stop)
    finally:
        installation.stop(stop.twice)


def _wait_until_up(installation: Installation, stop: threading.Event) -> None:
    """Steps until a device can deliver; says what it waits for where that takes long."""
    said, at = "", time.monotonic() + 5.0
    while not installation.is_up and not stop.wait(0.02):
        installation.step()
        status = installation.status()
        if time.monotonic() > at and status != said:
            said, at = status, time.monotonic() + 5.0
            say(f"Not ready yet: {status or 'the pages do not answer'}")


def _first_sign_in(installation: Installation) -> str:
    password = installation.clerk.facts.first_sign_in
    if password is None:
        return "Stop with Ctrl-C."
    return (
        f"Sign in as 'lab' with the password {password} (shown until somebody has signed in). Stop with "
        "Ctrl-C."
    )


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
    from cli.owners import ids, make_folder, parse_owner
    from insitu.embedded.certificates import fingerprint, issue

    settings = load()
    account = parse_owner(owner) if owner else None
    if account is not None:
        make_folder(to or settings.data_dir / "tls", account)
    tls = issue(to or settings.data_dir / "tls", names, owner=ids(account))
    say(f"INSITU_TLS_CERT={tls.cert}\nINSITU_TLS_KEY={tls.key}\nINSITU_MQTT_CA={tls.ca}")
    say(f"Fingerprint of the authority (SHA-256), for whoever installs it: {fingerprint(tls.ca)}")
    if account is not None:
        say(
            f"{tls.key} belongs to {account.name}; the authority's key, {tls.ca.with_suffix('.key')}, stays "
            "with root."
        )
