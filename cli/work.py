"""`insitu work`: the jobs, with an external database."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cli.addresses import database_url_of, service_settings
from cli.options import ClockOption
from cli.outlets import outlets_of
from cli.stopping import until_signal
from insitu.clock import SYSTEM, Clock
from insitu.room import Room
from insitu.settings import Settings
from jobs.alerts import Watcher
from jobs.deliveries import deliver_due, start_deliveries
from jobs.evaluations import Night
from jobs.loop import run_jobs
from jobs.witness import Witness
from store.database import connect
from trials.witness.authority import split_authorities

PATIENCE_S: Final = 12.0
"""A delivery that has begun may end before the worker does."""


def witness_of(settings: Settings) -> Witness:
    return Witness(settings.data_dir, split_authorities(settings.timestamp_urls), settings.timestamp_roots)


def work(clock: ClockOption = "", once: bool = False) -> None:
    """Run the jobs: quality checks of new observations; alerts; once a night, evaluations whose inputs have
    changed; signed heads of the audit log, and their time stamps; packing of old results.
    """
    settings = service_settings()
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    night = Night(settings.nightly_hour, ZoneInfo(settings.time_zone))
    trial_clock = Clock.loads(clock) if clock else SYSTEM
    database_url, stop, outlets = database_url_of(settings), until_signal(), outlets_of(settings)
    watcher = Watcher(night.zone, mails=outlets.mail is not None, data_dir=settings.data_dir)
    threads = [] if once else start_deliveries(database_url, trial_clock, outlets, stop)
    run_jobs(
        database_url,
        trial_clock,
        stop,
        night=night,
        once=once,
        witness=witness_of(settings),
        watcher=watcher,
        pack_after=timedelta(days=settings.pack_after_days),
        room=Room(settings.database_disk, settings.least_free_bytes),
    )
    if once and not trial_clock.runs_fast:
        with connect(database_url, application="insitu work") as conn:
            deliver_due(conn, trial_clock.now, outlets, stop)
    for thread in threads:
        thread.join(PATIENCE_S)
