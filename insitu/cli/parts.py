"""`migrate`, `ingest`, `serve`, `work`: the parts, against servers that somebody else runs."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import typer

from insitu.cli.output import say
from insitu.cli.target import find_target
from insitu.cli.waiting import wait_for_database
from insitu.clock import SYSTEM, Clock
from insitu.errors import CorrectInput
from insitu.loading import loading
from insitu.settings import Settings, load, parse_listen

if TYPE_CHECKING:
    from api.snippets import PublicAddress
    from ingest.mqtt import BrokerAddress
    from ingest.probe import Heartbeats, Prober

ClockOption = Annotated[str, typer.Option("--clock", hidden=True, help="A trial clock, handed down by demo and tests.")]


def register(app: typer.Typer) -> None:
    app.command()(migrate)
    app.command()(ingest)
    app.command()(serve)
    app.command()(work)


def migrate() -> None:
    """Bring the database schema up to date."""
    from store.database import connect
    from store.database import migrate as apply

    with connect(find_target().database_url, application="insitu migrate") as conn:
        applied = apply(conn)
    say("\n".join(f"applied {name}" for name in applied) or "The schema is current.")


class Stop(threading.Event):
    """Set by SIGINT and SIGTERM; `twice` by the second of them: somebody does not want to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = threading.Event()

    def ask(self, *_: Any) -> None:
        if self.is_set():
            self.twice.set()
        self.set()


def until_signal() -> Stop:
    """An event that SIGINT and SIGTERM set."""
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.ask)
    signal.signal(signal.SIGINT, stop.ask)
    return stop


def database_url_of(settings: Settings) -> str:
    return settings.database_url.get_secret_value() if settings.database_url else find_target(settings).database_url


def ingest(clock: ClockOption = "") -> None:
    """Take messages from the broker into the database until told to stop; several share the shards."""
    with loading():
        from ingest.ingestor import run_ingestor

    settings = load()
    database_url, broker, stop = database_url_of(settings), broker_address(settings), until_signal()
    wait_for_database(database_url, application="insitu ingest", stop=stop)
    if stop.is_set():
        return
    run_ingestor(settings, database_url=database_url, broker=broker, clock=Clock.loads(clock) if clock else SYSTEM, stop=stop)


def broker_address(settings: Settings) -> BrokerAddress:
    """The broker of INSITU_MQTT_URL as `ingest` wants it."""
    if settings.mqtt_url is None:
        raise CorrectInput("Set INSITU_MQTT_URL, for example mqtt://ingest:password@127.0.0.1:1883.")
    return parse_broker_url(settings.mqtt_url.get_secret_value(), settings.mqtt_ca)


def parse_broker_url(text: str, ca: Path | None) -> BrokerAddress:
    """`mqtt[s]://user:password@host[:port]`; `ca` is the authority that signed the broker's certificate."""
    from ingest.mqtt import BrokerAddress

    url = urlsplit(text)
    if url.scheme not in ("mqtt", "mqtts") or not url.hostname:
        raise CorrectInput("INSITU_MQTT_URL: write mqtt://user:password@host:port, or mqtts:// for TLS.")
    secure = url.scheme == "mqtts"
    return BrokerAddress(
        host=url.hostname,
        port=url.port or (8883 if secure else 1883),
        username=unquote(url.username or ""),
        password=unquote(url.password or ""),
        tls=secure,
        tls_ca=ca if secure else None,
    )


FIRST_PROBE_S = 1.0
"""Pages that start wait so long for it: what they say of readiness is then found out, not assumed."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def require_safe(name: str, host: str, settings: Settings, *, secure: bool) -> None:
    """CorrectInput where plaintext would leave this machine."""
    if host not in LOOPBACK and not host.startswith("127.") and not secure and not settings.allow_plaintext:
        raise CorrectInput(
            f"{name}={host} is not this machine's loopback: passwords would travel in the clear. Run `insitu cert {host}` "
            "and set INSITU_TLS_CERT and INSITU_TLS_KEY, or set INSITU_ALLOW_PLAINTEXT=yes."
        )


def pages_speak_tls(settings: Settings) -> bool:
    """On an address that others reach, with a certificate; a browser on this machine needs none."""
    host, _ = parse_listen(settings.http_listen)
    return settings.tls_cert is not None and settings.tls_key is not None and host not in LOOPBACK


def reachable_here(host: str) -> str:
    """The address at which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what was asked for


def reachable_there(settings: Settings, host: str) -> str:
    """The address that others are told: INSITU_PUBLIC_HOST, else the listening one, else this machine's name."""
    if settings.public_host:
        return settings.public_host
    return socket.getfqdn() if reachable_here(host) != host else host


def serve(
    clock: ClockOption = "",
    mqtt_public: Annotated[str, typer.Option(hidden=True, help="host:port that snippets show.")] = "",
    mqtt_ca: Annotated[Path | None, typer.Option(hidden=True, help="CA that snippets carry.")] = None,
) -> None:
    """Serve the pages and the HTTP API until told to stop."""
    with loading():
        import uvicorn

        from api.app import create_app
        from api.connections import server_options

    settings = load()
    host, port = parse_listen(settings.http_listen)
    require_safe("INSITU_HTTP_LISTEN", host, settings, secure=settings.tls_cert is not None)
    database_url, stop = database_url_of(settings), until_signal()
    wait_for_database(database_url, application="insitu serve", stop=stop)
    if stop.is_set():
        return
    watch = watch_readiness(settings)
    application = create_app(
        settings,
        database_url=database_url,
        clock=Clock.loads(clock) if clock else SYSTEM,
        mqtt_public=public_address(settings, mqtt_public, mqtt_ca),
        readiness=watch.latest,
    )
    secure = {}
    if pages_speak_tls(settings):
        secure = {"ssl_certfile": str(settings.tls_cert), "ssl_keyfile": str(settings.tls_key)}
    # The event loop admits and answers for all: it must not wait 5 ms behind each page that is being computed.
    sys.setswitchinterval(0.001)
    # What is built by now stays: a look through it for garbage stops everybody for 0.17 s (161,000 objects).
    gc.collect()
    gc.freeze()
    watch.wait_tried(FIRST_PROBE_S)
    uvicorn.run(
        application,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
        **server_options(),
        **secure,  # type: ignore[arg-type]
    )


def watch_readiness(settings: Settings) -> Prober | Heartbeats:
    """A thread that finds it out: by a probe, or by heartbeats where no broker is named."""
    from ingest.probe import Heartbeats, Prober

    database_url = database_url_of(settings)
    watch = Heartbeats(database_url) if settings.mqtt_url is None else Prober(broker_address(settings), database_url)
    watch.start()
    return watch


def public_address(settings: Settings, text: str, ca: Path | None) -> PublicAddress:
    """Where devices reach the broker, as this installation really is."""
    from api.snippets import PublicAddress

    if text:
        host, port = parse_listen(text)
        return PublicAddress(
            reachable_there(settings, host), port, tls=ca is not None, ca_pem=ca.read_text("utf-8") if ca else None
        )
    if settings.mqtt_url is None:
        host, port = parse_listen(settings.mqtt_listen)
        return PublicAddress(reachable_there(settings, host), port, tls=False, ca_pem=None)
    broker = broker_address(settings)
    ca_pem = broker.tls_ca.read_text("utf-8") if broker.tls_ca else None
    return PublicAddress(settings.public_host or broker.host, broker.port, tls=broker.tls, ca_pem=ca_pem)


def work(clock: ClockOption = "", once: bool = False) -> None:
    """Run the jobs: quality checks over what came in; once a night, evaluations whose inputs have changed."""
    with loading():
        from api.jobs import run_jobs
        from api.jobs.evaluations import Night

    settings = load()
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    night = Night(settings.nightly_hour, ZoneInfo(settings.time_zone))
    trial_clock = Clock.loads(clock) if clock else SYSTEM
    run_jobs(database_url_of(settings), trial_clock, until_signal(), night=night, once=once)
