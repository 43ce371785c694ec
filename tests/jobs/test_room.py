"""The jobs on a disk with too little room: none of them writes, the alert about it goes out, and all go on by
themselves when there is room.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from insitu.clock import SYSTEM
from insitu.errors import FreeSpace
from insitu.model import ClockQuality, Observation
from insitu.room import Room
from insitu.times import to_us
from jobs.alerts import Watcher
from jobs.evaluations import Night
from jobs.loop import run_jobs
from store.database import Connection
from store.observations import merge
from tests.fix_catalogue import SmallTrial

MB = 1_000_000
NIGHT = Night(0, ZoneInfo("UTC"))


class Disk:
    """A disk of 10 GB whose free space a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 5000 * MB
        usage = lambda _folder: SimpleNamespace(free=self.free, total=10_000 * MB)  # noqa: E731
        monkeypatch.setattr("insitu.room.shutil.disk_usage", usage)
        monkeypatch.setattr("insitu.room._EVERY_S", 0.0)


class Rounds(threading.Event):
    """A stop that is set after some rounds; `between` runs before the second one."""

    def __init__(self, number: int, between: Callable[[], None]) -> None:
        super().__init__()
        self.left, self.between = number, between

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        self.between()
        if self.left <= 0:
            self.set()
        return self.is_set()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def old(conn: Connection, catalogue: SmallTrial) -> Connection:
    """Old results, which would be checked and packed."""
    start = datetime.now(UTC) - timedelta(days=9)
    times = [to_us(start + timedelta(minutes=n)) for n in range(4000)]
    stream = catalogue.datastreams["a", "pm25"]
    merge(conn, [Observation(stream, at, 1.0 + at % 7, at, ClockQuality.DEVICE) for at in times])
    conn.commit()
    return conn


def count(conn: Connection, table: str) -> int:
    ((number,),) = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()
    conn.rollback()
    return int(number)


WRITTEN = ("packed_day", "quality_run", "sealed_part", "statement")


def test_without_room_no_job_writes_but_the_watcher_looks_and_they_go_on_by_themselves(
    old: Connection, disk: Disk, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    disk.free = 400 * MB
    before = {name: count(old, name) for name in WRITTEN}
    during: list[dict[str, int]] = []

    def empty() -> None:
        if disk.free < 1000 * MB:
            during.append({name: count(old, name) for name in WRITTEN})
            disk.free = 5000 * MB

    run_jobs(
        database_url,
        SYSTEM,
        Rounds(2, empty),
        night=NIGHT,
        watcher=Watcher(NIGHT.zone, mails=False, data_dir=tmp_path),
        room=Room(tmp_path, 500 * MB),
    )
    assert during == [before], "no job has written"
    assert count(old, "packed_day") > 0
    ((watched,),) = old.execute("SELECT count(*) FROM installation WHERE name = 'alerts_began'").fetchall()
    assert watched == 1
    told = [one.getMessage() for one in caplog.records if one.name == "insitu.jobs"]
    assert [text[:20] for text in told] == ["The jobs wait. The d", "There is room: the j"]
    assert "400 MB free of 10,000 MB" in told[0]


def test_one_round_without_room_says_that_it_did_not_run(
    old: Connection, disk: Disk, database_url: str, tmp_path: Path
) -> None:
    disk.free = 400 * MB
    with pytest.raises(FreeSpace, match="The jobs did not run"):
        run_jobs(
            database_url,
            SYSTEM,
            threading.Event(),
            night=NIGHT,
            once=True,
            room=Room(tmp_path, 500 * MB),
        )
    assert count(old, "packed_day") == 0
