"""Fixtures, split by subject."""

import gc
import os
import re
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests.examples import NIGHTLY
from tests.fix_broker import broker
from tests.fix_catalogue import catalogue, catalogue_template
from tests.fix_charts import charts
from tests.fix_database import conn, database_server, database_url, migrated_template
from tests.fix_files import load
from tests.fix_mosquitto import mosquitto
from tests.fix_running import running, running_template, unblinded, unblinded_template
from tests.fix_stack import stack
from tests.fix_station import station, station_template
from tests.forked import end_parent
from tests.quick_charts import draw_in_one_process, end_drawing
from tests.quick_clients import load_certificates_once
from tests.quick_passwords import hash_quickly

os.environ.pop("PYTHONUNBUFFERED", None)
"""A developer's shell or a container may set it; it would hide what buffers do at the end of a program."""
TOGETHER = ("tests/end_to_end/demo/", "tests/report/")
"""Folders whose files share the demo, or the reports."""
SLOWEST = (
    "tests/end_to_end/demo/test_demo.py",
    "tests/end_to_end/demo/",
    "tests/end_to_end/test_story.py",
    "tests/embedded/test_backups.py",
    "tests/store/packed/test_twins.py",
    "tests/end_to_end/test_comes_back.py",
    "tests/end_to_end/",
    "tests/ingest/test_shards.py",
    "tests/ingest/test_faults.py",
    "tests/embedded/test_interrupted.py",
    "tests/ingest/test_deliveries.py",
    "tests/ingest/",
    "tests/api/",
    "tests/embedded/",
)
"""They begin first, so that no worker is left with one of them at the end."""
WAITING = (
    "tests/end_to_end/",
    "tests/ingest/",
    "tests/api/",
    "tests/embedded/",
    "tests/deploy/",
    "tests/jobs/",
)
"""Folders whose tests wait for a server most of their time."""

__all__ = [
    "broker",
    "catalogue",
    "catalogue_template",
    "charts",
    "conn",
    "database_server",
    "database_url",
    "load",
    "migrated_template",
    "mosquitto",
    "running",
    "running_template",
    "stack",
    "station",
    "station_template",
    "unblinded",
    "unblinded_template",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-schema", action="store_true", help="write docs/schema.sql instead of only comparing it"
    )
    parser.addoption(
        "--write-access", action="store_true", help="write docs/access.md instead of only comparing it"
    )
    parser.addoption(
        "--write-figures",
        action="store_true",
        help="write the worked examples of docs/designs instead of only comparing them",
    )
    parser.addoption(
        "--write-validation",
        action="store_true",
        help="write docs/validation.md, and the results of the nightly run, instead of only comparing them",
    )
    parser.addoption(
        "--replications", type=int, default=2000, help="of each cell of docs/validation.md (make nightly)"
    )
    parser.addoption(
        "--timescale", action="store_true", help="also test on TimescaleDB (make test-timescale)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """A shell that starts the tests in the background lets them ignore SIGINT, and every program that they
    start would inherit that. Examples have no time limit: on a busy machine they are slow, not wrong.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hash_quickly()
    load_certificates_once()
    draw_in_one_process()
    for profile in ("patient", NIGHTLY):
        settings.register_profile(profile, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile(config.getoption("--hypothesis-profile") or "patient")


def pytest_collection() -> None:
    """All that is imported and collected stays, so the garbage collector need not look at it: it would take a
    tenth of the time of a run.
    """
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    end_parent()
    end_drawing()


A_PROOF_S = 3600
"""A test of `make nightly` is about ten times as large as another one, which has five minutes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first; a long proof has an hour, unless it says how long it may take."""
    refuse_names_with_the_time(items)
    for item in items:
        if item.get_closest_marker("nightly") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(A_PROOF_S))
    paths = {item: item.nodeid.partition("::")[0] for item in items}
    rank = {
        path: next((n for n, one in enumerate(SLOWEST) if path.startswith(one)), len(SLOWEST))
        for path in paths.values()
    }
    items.sort(key=lambda item: rank[paths[item]])


def refuse_names_with_the_time(items: list[pytest.Item]) -> None:
    """All workers must collect the same names, and they collect at different seconds."""
    now = datetime.now(UTC)
    today = re.compile(rf"{now:%Y-%m-%dT%H:%M}|{int(now.timestamp()) // 10_000}\d{{4}}")
    moving = [item.nodeid for item in items if today.search(item.name)]
    if moving:
        raise pytest.UsageError(f"give an id to each parameter that holds the time of now: {moving}")


class ByServers(LoadScopeScheduling):
    """One worker runs a whole file, since its tests share servers, and all files that share the demo or the
    reports.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if path.startswith(folder)), path)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """The next file; for one worker of three the next one that calculates, so that the processors are
        busy while the others wait for their servers.
        """
        waits = self.nodes.index(node) % 3 != 2
        of_its_kind = (scope for scope in self.workqueue if scope.startswith(WAITING) == waits)
        self.workqueue.move_to_end(next(of_its_kind, next(iter(self.workqueue))), last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByServers:
    return ByServers(config, log)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without the option these tests are left out, not skipped."""
    return True if collection_path.name == "timescale" and not config.getoption("--timescale") else None
