"""`insitu ingest`: from the broker into the database, with external servers."""

from __future__ import annotations

from cli.addresses import broker_address, database_url_of, service_settings
from cli.options import ClockOption
from cli.stopping import until_signal
from cli.waiting import wait_for_database
from ingest.broker_log import BrokerLog
from ingest.ingestor import run_ingestor
from insitu.clock import SYSTEM, Clock


def ingest(clock: ClockOption = "") -> None:
    """Take messages from the broker into the database until stopped; several ingestors share the shards."""
    settings = service_settings()
    database_url, broker, stop = database_url_of(settings), broker_address(settings), until_signal()
    wait_for_database(database_url, application="insitu ingest", stop=stop)
    if stop.is_set():
        return
    if settings.mqtt_log is not None:
        BrokerLog(settings.mqtt_log, database_url, stop, settings.broker_monitor_file).start()
    run_ingestor(
        settings,
        database_url=database_url,
        broker=broker,
        clock=Clock.loads(clock) if clock else SYSTEM,
        stop=stop,
    )
