"""Posts of many devices in one transaction: each gets its own answer, and a bad one affects only itself."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest

from ingest import http
from ingest.decode import DECODERS, Decoded
from ingest.http import Answer, Post, Taker, WrongToken, posted
from insitu.clock import SYSTEM
from insitu.errors import RetryLater
from store import access
from store.database import Connection, connect
from store.ledger import recount
from tests.fix_catalogue import START, SmallTrial

NOON = START + timedelta(hours=12)


@pytest.fixture
def taker(database_url: str, conn: Connection, catalogue: SmallTrial) -> Taker:
    for device in ("a", "b"):
        access.add_credential(
            conn,
            device_id=catalogue.devices[device],
            username=f"t.{device}",
            token_sha256=digest(device),
            nats_hash="-",
            mosquitto_hash="-",
            now=START,
        )
    conn.commit()
    return Taker(lambda: connect(database_url, application="tests"), SYSTEM)


def digest(device: str) -> bytes:
    return hashlib.sha256(f"token of {device}".encode()).digest()


def post(
    device: str, number: int, *, suffix: str = "obs", payload: bytes | None = None, token: str | None = None
) -> Post:
    content = {
        "boot": "k",
        "seq": number,
        "time": (NOON + timedelta(minutes=number)).isoformat(),
        "results": {"pm25": number},
    }
    message = posted(f"insitu/v1/t/{device}/{suffix}", payload or json.dumps(content).encode(), SYSTEM)
    return Post("t", device, digest(token or device), message)


def stored(conn: Connection) -> list[float]:
    found = [result for (result,) in conn.execute("SELECT result FROM observation ORDER BY 1").fetchall()]
    conn.rollback()
    return found


def test_each_post_of_a_group_has_its_own_answer(taker: Taker, conn: Connection) -> None:
    posts = [
        post("a", 1),
        post("b", 2),
        post("a", 3, token="b"),
        post("a", 1),
        post("b", 4, payload=b"{"),
        post("b", 5, token="x"),
    ]
    first, second, other, again, unreadable, unknown = taker.take(posts)
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert (first.stored, second.stored) == (1, 1)
    assert isinstance(other, WrongToken)
    assert isinstance(unknown, WrongToken)
    assert isinstance(again, Answer)
    assert (again.stored, again.duplicate) == (0, 1)
    assert isinstance(unreadable, Answer)
    assert list(unreadable.refused) == ["unparsable"]
    assert stored(conn) == [1, 2]
    assert recount(conn) == []


def test_a_token_counts_as_of_the_commit(taker: Taker, conn: Connection, catalogue: SmallTrial) -> None:
    access.revoke_credentials(conn, device_id=catalogue.devices["a"], at=NOON)
    conn.commit()
    refused, fine = taker.take([post("a", 1), post("b", 2)])
    assert isinstance(refused, WrongToken)
    assert isinstance(fine, Answer)
    assert stored(conn) == [2]


@pytest.mark.parametrize("bad", range(0, 40, 13))
def test_what_the_database_refuses_and_what_we_fail_on_cost_themselves_only(
    taker: Taker, conn: Connection, monkeypatch: pytest.MonkeyPatch, bad: int
) -> None:
    def defective(payload: bytes, received_us: int) -> Decoded:
        raise OverflowError("cannot count to 10")

    monkeypatch.setitem(DECODERS, "influx", defective)
    conn.execute(f"ALTER TABLE observation ADD CHECK (result <> {100 + bad})")
    conn.commit()
    posts = [post("ab"[n % 2], 100 + n) for n in range(40)]
    posts.insert(20, post("a", 0, suffix="influx", payload=b"air pm25=3"))
    answers = taker.take(posts)
    refused = {
        n: list(answer.refused)
        for n, answer in enumerate(answers)
        if isinstance(answer, Answer) and answer.refused
    }
    assert refused == {20: ["internal_error"], (bad if bad < 20 else bad + 1): ["database_refused"]}
    assert stored(conn) == [100 + n for n in range(40) if n != bad]
    assert recount(conn) == []


def test_without_a_commit_nothing_is_answered_as_stored(
    database_url: str, taker: Taker, conn: Connection
) -> None:
    """The connection is cut after the rows and before the commit, at both attempts."""
    cut = 0

    class Cut:
        def __enter__(self) -> Connection:
            self.conn = connect(database_url, application="tests")
            return self.conn

        def __exit__(self, *_: object) -> None:
            nonlocal cut
            cut += 1
            conn.execute("SELECT pg_terminate_backend(%s)", (self.conn.info.backend_pid,))
            self.conn.commit()

    answers = http.Taker(Cut, SYSTEM).take([post("a", 1), post("b", 2)])
    assert [type(answer) for answer in answers] == [RetryLater, RetryLater]
    assert cut == 2
    conn.rollback()
    assert stored(conn) == []
