"""The database goes away before each statement in turn: of a verb, a round of jobs, a batch and a page.
Everything waits, and nothing reports a defect.
"""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cli.group import app
from ingest.books import DatabaseBooks
from ingest.budget import Budget
from ingest.mqtt import BrokerAddress, Receiver
from ingest.worker import Worker
from insitu.clock import SYSTEM
from insitu.model import Message
from insitu.times import to_us
from jobs.evaluations import Night
from jobs.loop import run_jobs
from store import shards
from store.access import fact, put_fact
from store.database import Connection, connect
from store.rejects import Quota
from tests.api.conftest import serving
from tests.cutting import cut_everywhere, cutting
from tests.examples import some_of
from tests.fix_catalogue import SmallTrial

pytestmark = pytest.mark.long

NIGHT = Night(0, ZoneInfo("UTC"))

PROGRAMME = """
[[property]]
code = "temperature"
name = { en = "Temperature" }
unit = "Cel"

[[mapping]]
trial = "t"
field = "temp"
property = "temperature"
unit = "K"
"""


def verbs(folder: Path) -> dict[str, list[str]]:
    (folder / "programme.toml").write_text(PROGRAMME, "utf-8")
    return {
        "replay": ["replay"],
        "register": ["register", str(folder / "programme.toml")],
        "enrol": ["enrol", "t", "a"],
        "revoke": ["revoke", "t", "a"],
        "broker-config": ["broker-config", "nats", "--to", str(folder)],
        "shards": ["shards", "--count", "2"],
        "migrate": ["migrate"],
    }


@pytest.mark.parametrize(
    "verb",
    some_of(["register", "replay", "enrol", "revoke", "broker-config", "shards", "migrate"], every=2),
)
def test_a_verb_that_is_cut_off_asks_to_retry(
    database_url: str,
    database_server: str,
    catalogue: SmallTrial,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
) -> None:
    monkeypatch.setenv("INSITU_DATABASE_URL", database_url)
    monkeypatch.setenv("INSITU_MQTT_URL", "mqtt://insitu-ingest:secret@127.0.0.1:1")
    with cutting(database_server, monkeypatch) as cutter:
        assert cut_everywhere(cutter, lambda: app(verbs(tmp_path)[verb], standalone_mode=False)) > 1


class Rounds(threading.Event):
    """An event that is set after `rounds` waits; a wait takes no time."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.left = rounds

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        if self.left <= 0:
            self.set()
        return self.is_set()


def test_the_jobs_go_on_in_the_next_round_wherever_they_were_cut_off(
    own_world_url: str,
    database_server: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    with connect(own_world_url, application="tests") as conn, cutting(database_server, monkeypatch) as cutter:

        def rounds() -> None:
            put_fact(conn, "evaluated_again", yesterday)
            conn.commit()
            caplog.clear()
            run_jobs(own_world_url, SYSTEM, Rounds(2), night=NIGHT)
            assert cutter.happened == ("The next round tries again." in caplog.text)
            assert fact(conn, "evaluated_again") != yesterday, "the second round did what the first could not"
            conn.rollback()

        with caplog.at_level(logging.WARNING):
            assert cut_everywhere(cutter, rounds, step=5) > 5
            assert "defect" not in caplog.text


def test_one_round_that_is_cut_off_asks_to_retry(
    own_world_url: str, database_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cutting(database_server, monkeypatch) as cutter:
        cut_everywhere(
            cutter, lambda: run_jobs(own_world_url, SYSTEM, threading.Event(), night=NIGHT, once=True)
        )


def test_a_job_that_meets_a_defect_ends_neither_the_loop_nor_the_other_job(
    own_world_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise TypeError("met by a test")

    monkeypatch.setattr("jobs.quality.check_quality", fail)
    run_jobs(own_world_url, SYSTEM, Rounds(2), night=NIGHT)
    assert "could not be checked: a defect of Insitu" in caplog.text
    with connect(own_world_url, application="tests") as conn:
        assert fact(conn, "evaluated_again") is not None


def test_a_batch_that_is_cut_off_anywhere_is_stored_once(
    database_url: str,
    database_server: str,
    conn: Connection,
    catalogue: SmallTrial,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shards.ensure_shards(conn)
    shards.keep_leases(conn, "me", "me")
    conn.commit()
    layout = shards.layout(conn)
    conn.rollback()
    shard, budget = layout.shards[0], Budget(10**9, 10**9)
    receiver = Receiver(
        BrokerAddress("127.0.0.1", 1, "x", "y"),
        client_id=shard.client_id,
        filters=layout.wanted(0),
        window=4000,
        clock=SYSTEM,
        granted=(),
    )
    books = DatabaseBooks(
        database_url,
        clock=SYSTEM,
        shard=shard,
        holder="me",
        receiver=receiver,
        window=4000,
        budget=budget,
        quota=Quota(),
    )
    worker = Worker(receiver, books)
    start, batches = datetime.now(UTC) - timedelta(days=1), 0

    def batch() -> None:
        nonlocal batches
        batches += 1
        messages = []
        for number in range(3):
            at = start + timedelta(minutes=10 * batches + number)
            content = {
                "boot": "b",
                "seq": 3 * batches + number,
                "time": at.isoformat(),
                "results": {"pm25": number},
            }
            payload = json.dumps(content).encode()
            messages.append(
                Message(
                    "insitu/v1/t/a/obs", payload, to_us(datetime.now(UTC)), number, 1, 1, False, len(payload)
                )
            )
        shards.keep_leases(conn, "me", "me")
        conn.commit()
        worker._keep(messages)

    with cutting(database_server, monkeypatch) as cutter:
        assert cut_everywhere(cutter, batch) > 5
    books.close()
    assert conn.execute("SELECT count(*) FROM observation").fetchone() == (3 * batches,)


def test_a_page_that_is_cut_off_answers_that_it_is_not_at_this_moment(
    world_url: str, database_server: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(world_url, data_dir) as client:
        pages = client("lab")
        with cutting(database_server, monkeypatch) as cutter:
            for path in ("/fleet", "/trials", "/api/v1/trials"):
                answers = set()

                def get(path: str = path, answers: set[int] = answers) -> None:
                    answers.add(pages.get(path).status_code)

                cut_everywhere(cutter, get)
                assert 200 in answers
                assert answers <= {200, 503}
