"""`insitu work`: the jobs, with an external database."""

from __future__ import annotations

import logging
from datetime import timedelta
from zoneinfo import ZoneInfo

from cli.addresses import database_url_of
from cli.options import ClockOption
from cli.stopping import until_signal
from insitu.clock import SYSTEM, Clock
from insitu.settings import Settings, load
from jobs.evaluations import Night
from jobs.loop import run_jobs
from jobs.witness import Witness
from trials.witness.authority import split_authorities


def witness_of(settings: Settings) -> Witness:
    return Witness(settings.data_dir, split_authorities(settings.timestamp_urls), settings.timestamp_roots)


def work(clock: ClockOption = "", once: bool = False) -> None:
    """Run the jobs: quality checks of new observations; once a night, evaluations whose inputs have
    changed; signed heads of the audit log, and their time stamps; packing of old results.
    """
    settings = load()
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    night = Night(settings.nightly_hour, ZoneInfo(settings.time_zone))
    trial_clock = Clock.loads(clock) if clock else SYSTEM
    run_jobs(
        database_url_of(settings),
        trial_clock,
        until_signal(),
        night=night,
        once=once,
        witness=witness_of(settings),
        pack_after=timedelta(days=settings.pack_after_days),
    )
