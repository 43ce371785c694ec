"""Refused messages are kept up to a bound, and only counted beyond it; a device that floods is suspended."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.acts.enrolling import give_credential
from ingest.booking import book
from ingest.budget import Budget
from ingest.http import Post, Taker, posted
from ingest.outcome import Outcome
from ingest.reading import prepare
from insitu.clock import SYSTEM
from insitu.model import Message
from store import access, ledger
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.deliveries import drop_old_claims
from store.read.fleet import Scope
from store.read.refused import count_reasons, list_rejects
from store.rejects import ROW_BYTES, Quota
from store.replays import list_overflow
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_batch import T0, message, result, sums

NONE = Quota(per_hour=0)


def ingest(conn: Connection, messages: list[Message], quota: Quota) -> Outcome:
    outcome = book(conn, prepare(messages, load_snapshot(conn)), client_id="session", now_us=T0, quota=quota)
    conn.commit()
    return outcome


def overflow(conn: Connection) -> list[tuple[str, str, str, int, int, int]]:
    return [(o.trial, o.device, o.reason, o.messages, o.results, o.bytes) for o in list_overflow(conn, None)]


def unreadable(n: int, size: int = 1000, **more: Any) -> Message:
    return message(bytes([255]) * size, mid=n, at=T0 + n, **more)


def test_of_a_device_so_many_bytes_are_kept_an_hour_and_the_rest_is_counted(
    conn: Connection, catalogue: SmallTrial
) -> None:
    quota = Quota(per_hour=3 * (1000 + ROW_BYTES))
    outcome = ingest(conn, [unreadable(n) for n in range(5)], quota)
    ingest(conn, [unreadable(n) for n in range(5, 7)], quota)
    assert len(list_rejects(conn, None)) == 3
    assert overflow(conn) == [("t", "a", "unparsable", 4, 0, 4000)]
    assert ["not kept" in told.detail for told, _ in outcome.refusals] == [False, False, False, True, True]
    line = sums(conn)
    assert (line.received, line.rejected) == (7, 7)
    assert ledger.recount(conn) == []
    ingest(conn, [unreadable(n, device="b") for n in range(10, 13)], quota)
    hour = 3_600_000_000
    ingest(conn, [message(b"\xff" * 1000, mid=20 + n, at=T0 + hour + n) for n in range(3)], quota)
    assert len(list_rejects(conn, None)) == 9, "another device, another hour"
    assert ledger.recount(conn) == []


def test_messages_of_nobody_share_a_bound(conn: Connection, catalogue: SmallTrial) -> None:
    ingest(conn, [unreadable(n, device=f"stranger{n}") for n in range(4)], Quota(per_hour=1000 + ROW_BYTES))
    assert overflow(conn) == [("t", "unknown", "unknown_device", 3, 0, 3000)]
    assert ledger.recount(conn) == []


def test_all_rejects_together_have_a_bound_on_disk(conn: Connection, catalogue: SmallTrial) -> None:
    ingest(conn, [unreadable(1)], Quota(on_disk=1))
    assert overflow(conn) == [("t", "a", "unparsable", 1, 0, 1000)]


def test_a_repeat_of_what_was_only_counted_is_not_counted_again(
    conn: Connection, catalogue: SmallTrial
) -> None:
    """A repeat is recognised by its delivery, by its seq, and, with device times, by its bytes for some
    minutes.
    """
    timed = message({"time": T0 / 1e6, "results": {"nox": 1.0}})
    counted = message({"boot": "k", "seq": 1, "time": T0 / 1e6, "results": {"nox": 2.0}})
    for _ in range(3):
        ingest(conn, [unreadable(1), timed, counted], NONE)
    assert overflow(conn) == [
        ("t", "a", "unknown_property", 2, 2, timed.size + counted.size),
        ("t", "a", "unparsable", 1, 0, 1000),
    ]
    assert sums(conn).repeated == 6
    assert ledger.recount(conn) == []
    assert drop_old_claims(conn, "overflow", timedelta(0)) == 2
    ingest(conn, [counted], NONE)
    assert sums(conn).repeated == 7, "its seq is known for good"


def test_what_is_refused_in_part_beyond_the_bound_stores_the_rest(
    conn: Connection, catalogue: SmallTrial
) -> None:
    ingest(
        conn,
        [message({**result(1, 1.0), "results": {"pm25": 1.0, "nox": 1.0}}), message(result(1, 2.0))],
        NONE,
    )
    line = sums(conn)
    assert (line.stored, line.refused, line.conflicting, line.partly, line.rejected) == (1, 1, 1, 1, 1)
    assert sorted(reason for _, _, reason, *_ in overflow(conn)) == ["conflicting_result", "unknown_property"]
    assert ledger.recount(conn) == []


def test_what_is_only_counted_stands_wherever_rejects_are_counted(
    conn: Connection, catalogue: SmallTrial
) -> None:
    ingest(conn, [unreadable(n) for n in range(3)], Quota(per_hour=1000 + ROW_BYTES))
    now = datetime.fromtimestamp(T0 / 1e6, UTC)
    (one,) = count_reasons(conn, Scope(None, None), since=now - timedelta(days=1))
    assert (one.messages, one.dropped, one.recent, one.replayed) == (3, 2, 3, 0)
    (line,) = ledger.reject_counts(conn, "t", now + timedelta(hours=1))
    assert (line.reason, line.messages) == ("unparsable", 3)


def test_over_http_the_same_bound_holds(conn: Connection, catalogue: SmallTrial) -> None:
    login = give_credential(conn, device_id=catalogue.devices["a"], trial="t", device="a", now=SYSTEM.now())
    token_sha256 = hashlib.sha256(login.token.encode()).digest()
    taker = Taker(lambda: nullcontext(conn), SYSTEM, NONE)
    for _ in range(2):
        taker.take([Post("t", "a", token_sha256, posted("insitu/v1/t/a/obs", b"\xff", SYSTEM))])
    assert overflow(conn) == [("t", "a", "unparsable", 2, 0, 2)]


def test_a_message_over_its_budget_is_refused_unread(conn: Connection, catalogue: SmallTrial) -> None:
    good = message(result(1))
    ingest(conn, [good._replace(payload=good.payload[:8], unread=b"u" * 32, size=200_000, mid=5)], Quota())
    ((reason, detail, size),) = [(r.reason, r.detail, r.size) for r in list_rejects(conn, ["t"])]
    assert (reason, size) == ("too_fast", 200_000)
    assert "200000 bytes" in detail
    assert ledger.recount(conn) == []


# -- suspension


@pytest.fixture
def credential(conn: Connection, catalogue: SmallTrial) -> str:
    """Suspensions of device a, at a broker that is ours."""
    now = datetime.now(UTC)
    username = give_credential(
        conn, device_id=catalogue.devices["a"], trial="t", device="a", now=now
    ).username
    access.broker_applied(conn, version=1, at=now)
    conn.commit()
    return username


def suspended_for(conn: Connection) -> float | None:
    until = access.suspend(conn, trial="t", device="a", sent=83_000_000, seconds=2.0)
    return None if until is None else (until - datetime.now(UTC)).total_seconds()


def test_a_suspended_credential_is_not_let_in_and_comes_back_by_itself(
    conn: Connection, credential: str
) -> None:
    now = datetime.now(UTC)
    before = access.broker_state(conn).wanted
    assert suspended_for(conn) == pytest.approx(60, abs=5)
    assert access.broker_state(conn).wanted == before + 1
    assert access.active_credentials(conn, now) == []
    assert [c.username for c in access.active_credentials(conn, now, suspended=True)] == [credential]
    expiry = access.next_expiry(conn, now)
    assert expiry is not None
    assert (expiry - now).total_seconds() == pytest.approx(60, abs=5)
    (life,) = access.credentials_of_device(conn, 1)
    assert (life.suspended_bytes, life.suspended_seconds) == (83_000_000, 2.0)
    conn.execute("UPDATE credential SET suspended_until = clock_timestamp() - interval '1 second'")
    assert [c.username for c in access.active_credentials(conn, now)] == [credential]
    assert access.next_expiry(conn, now) is None
    assert access.credentials_of_device(conn, 1)[0].suspended_until is None


def test_who_goes_on_is_suspended_twice_as_long_up_to_a_quarter_of_an_hour(
    conn: Connection, credential: str
) -> None:
    lengths = []
    for _ in range(6):
        lengths.append(suspended_for(conn))
        assert suspended_for(conn) is None, "it is cut off already"
        conn.execute("UPDATE credential SET suspended_until = clock_timestamp() - interval '1 minute'")
    assert lengths == [pytest.approx(60 * minutes, abs=5) for minutes in (1, 2, 4, 8, 15, 15)]
    assert access.suspensions(conn) == 6
    conn.execute("UPDATE credential SET suspended_until = clock_timestamp() - interval '16 minutes'")
    assert suspended_for(conn) == pytest.approx(60, abs=5)


def test_nothing_is_suspended_where_the_broker_is_another_s_or_nobody_is_let_in(
    conn: Connection, credential: str
) -> None:
    before = access.broker_state(conn).wanted
    assert access.suspend(conn, trial="t", device="b", sent=1, seconds=1) is None
    conn.execute("UPDATE broker_state SET applied_at = NULL")
    assert suspended_for(conn) is None
    assert access.broker_state(conn).wanted == before, "the broker need not read its users again"


def test_the_default_budget_lets_a_day_s_backlog_of_an_ordinary_device_pass_at_once() -> None:
    """Messages of 200 bytes, one every five seconds by their times, sent all at once."""
    budget = Budget(512 * 1024, 8 * 1024**2, now=lambda: 0.0)
    assert all(budget.allows("insitu/v1/t/a/obs", 200) for _ in range(86_400 // 5))
