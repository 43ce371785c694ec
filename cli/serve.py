"""`insitu serve`: pages and HTTP API, with external servers."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
import uvicorn

from api.app import create_app
from api.connections import server_options
from cli.addresses import (
    broker_address,
    database_url_of,
    pages_speak_tls,
    public_address,
    require_safe,
    service_settings,
)
from cli.options import ClockOption
from cli.stopping import until_signal
from cli.waiting import wait_for_database
from ingest.probe import Heartbeats, Prober
from insitu.clock import SYSTEM, Clock
from insitu.room import Room
from insitu.settings import Settings, parse_listen

FIRST_PROBE_S = 1.0
"""The pages wait this long at their start for the first probe, so that they report a real result."""
_COLLECTED_AT: Final = (20_000, 20, 20)
"""A page of a thousand devices makes tens of thousands of objects and no cycles: by default every 700 of them
would have Python look for some.
"""


def serve(
    clock: ClockOption = "",
    mqtt_public: Annotated[str, typer.Option(hidden=True, help="host:port that snippets show.")] = "",
    mqtt_ca: Annotated[Path | None, typer.Option(hidden=True, help="CA that snippets carry.")] = None,
) -> None:
    """Serve the pages and the HTTP API until stopped."""
    settings = service_settings()
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
    # The event loop admits and answers everyone: it must not wait 5 ms behind each page that is being
    # computed.
    sys.setswitchinterval(0.001)
    # Everything built so far stays; a garbage collection over it would stop everybody for 0.17 s (161,000
    # objects).
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AT)
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
    """A thread that watches readiness: with a probe, or with heartbeats if no broker is configured."""
    database_url = database_url_of(settings)
    watch = (
        Heartbeats(database_url)
        if settings.mqtt_url is None
        else Prober(
            broker_address(settings),
            database_url,
            room=Room(settings.database_disk, settings.least_free_bytes),
        )
    )
    watch.start()
    return watch
