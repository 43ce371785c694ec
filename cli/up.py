"""`insitu up`: everything on one machine, for real use."""

from __future__ import annotations

import threading
import time

from cli.addresses import service_settings
from cli.installation import Installation
from cli.output import say
from cli.reach import addresses
from cli.stopping import until_signal
from insitu.clock import SYSTEM
from insitu.embedded.certificates import TLS
from insitu.errors import CorrectInput
from insitu.settings import Settings


def given_tls(settings: Settings) -> TLS | None:
    """The certificate of the settings; its CA is INSITU_MQTT_CA, or the certificate itself."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise CorrectInput("Set both INSITU_TLS_CERT and INSITU_TLS_KEY, or neither.")
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return TLS(cert=settings.tls_cert, key=settings.tls_key, ca=settings.mqtt_ca or settings.tls_cert)


def up() -> None:
    """Run everything on this machine until stopped: database, broker, ingestor, pages, jobs."""
    settings = service_settings()
    stop = until_signal()
    installation = Installation(
        settings, data_dir=settings.data_dir, clock=SYSTEM, where=addresses(settings, given_tls(settings))
    )
    try:
        installation.begin()
        _wait_until_up(installation, stop)
        if not stop.is_set():
            say(f"Insitu runs at {installation.reach.http_url}; data in {settings.data_dir}.")
            say(_first_sign_in(installation))
        installation.run(stop)
    finally:
        installation.stop(stop.twice)


def _wait_until_up(installation: Installation, stop: threading.Event) -> None:
    """Run steps until a device can deliver; if that takes long, prints the reason."""
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
