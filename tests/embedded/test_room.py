"""With too little room on the disk of the database nothing is taken in, and nothing is lost.

A file system of its own is filled for real; where this account may not mount one, the test says so.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from insitu.room import BACK, Room, least_free
from insitu.settings import Settings
from tests.embedded.small_disk import SmallDisk, small_disk
from tests.embedded.test_interrupted import folder
from tests.end_to_end.test_comes_back import Site
from tests.forked import run_verb
from tests.stack import wait_until

pytestmark = pytest.mark.long

__all__ = ["folder"]
MB = 1_000_000


@pytest.fixture
def disk(folder: Path) -> Iterator[SmallDisk]:
    with small_disk(folder / "disk", megabytes=64) as place:
        yield place


def test_a_room_has_a_problem_below_the_least_and_none_until_a_quarter_more_is_free(disk: SmallDisk) -> None:
    room = Room(disk.folder, 5 * MB)
    assert room.problem() is None
    disk.fill(leave=4 * MB)
    time.sleep(0.6)
    said = room.problem()
    assert said is not None
    assert f"The disk of {disk.folder} has 4 MB free of 67 MB" in said
    assert "at least 6 MB" in said
    disk.empty()
    disk.fill(leave=int(5.5 * MB))
    time.sleep(0.6)
    assert room.problem() is not None, "more than the least, but not a quarter more"
    disk.empty()
    disk.fill(leave=int(5 * BACK * MB) + MB)
    time.sleep(0.6)
    assert room.problem() is None


def test_a_small_disk_needs_a_tenth_of_itself_and_an_unknown_one_nothing() -> None:
    assert least_free(512 * MB, 100 * MB) == 10 * MB
    assert least_free(512 * MB, 100_000 * MB) == 512 * MB
    assert Room(None, 512 * MB).problem() is None
    assert Settings().least_free_bytes == 512 * 2**20


@pytest.mark.timeout(400)
def test_a_disk_that_fills_up_stops_the_intake_before_the_database_and_nothing_is_lost(folder: Path) -> None:
    with small_disk(folder / "large", megabytes=700) as disk:
        site = Site(disk.folder)
        least = 60 * MB
        site.up.environment["INSITU_LEAST_FREE_BYTES"] = str(least)
        try:
            site.prepare()
            assert site.delivers() < 60
            before = site.results()
            disk.fill(leave=45 * MB)
            wait_until(lambda: readiness(site) == "disk", "the guard", 60)
            sent = [number for number in range(200) if site.publish(body(number))]
            assert sent, "the broker still takes and keeps messages"
            time.sleep(3)
            assert site.results() == before, "nothing is written"
            ((state, detail),) = [
                (one["state"], one["detail"]) for one in check(site) if one["question"] == "disk"
            ]
            assert state == "bad"
            assert "MB free of" in detail
            assert "Free some space, to at least 75 MB" in detail
            assert shutil.disk_usage(disk.folder).free > 20 * MB, "the database is far from a full disk"
            with psycopg.connect(site.database_url()) as conn:  # it works, for those who read and decide
                conn.execute("UPDATE trial SET title = title")
                conn.rollback()
            disk.empty()
            wait_until(lambda: site.results() >= before + len(sent), "the messages", 90)
            found = set(numbers(site))
            assert found >= set(sent)
            assert site.delivers() < 60
        finally:
            site.up.end()


def body(number: int) -> bytes:
    now = datetime.now(UTC).isoformat()
    results = {"pm25": 1000 + number}
    return json.dumps({"boot": "room", "seq": number + 1, "time": now, "results": results}).encode()


def numbers(site: Site) -> list[int]:
    with psycopg.connect(site.database_url()) as conn:
        found = conn.execute("SELECT result FROM observation WHERE result BETWEEN 1000 AND 1199").fetchall()
    return [round(result) - 1000 for (result,) in found]


def readiness(site: Site) -> str:
    answer = httpx.get(f"http://127.0.0.1:{site.http}/readyz").json()
    return str(answer.get("stage", "ready"))


def check(site: Site) -> list[dict[str, str]]:
    done = run_verb("check", "--json", env=site.up.environment, cwd=site.up.folder, timeout=120)
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found
