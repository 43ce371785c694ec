"""Once its cause is repaired, a refused message goes through the path again: each result is stored once, and
the ledger records it.
"""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from ingest.decode import DECODERS, Decoded, Unreadable, influx
from ingest.replay import Replayed, replay
from insitu.clock import SYSTEM
from insitu.model import DatastreamRole
from store import ledger
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device, find_device
from store.database import Connection, connect
from store.observations import count
from store.read.refused import list_rejects
from tests.fix_catalogue import START, SmallTrial
from tests.ingest.test_batch import T0, ingest, message
from tests.stack import Stack, stamp

SUMS = (
    "SELECT sum(received), sum(accepted), sum(partly), sum(rejected), sum(repeated), sum(contained), "
    "sum(stored), sum(duplicate),"
    " sum(conflicting), sum(refused) FROM ledger WHERE reject_id <> 0"
)


def measure(conn: Connection, name: str) -> None:
    """Adds a datastream of that name to device `a`."""
    device_id = find_device(conn, "t", "a").device_id
    add_datastream(
        conn, device_id=device_id, name=name, property="pm25", unit="1", role=DatastreamRole.CANDIDATE
    )
    conn.commit()


def timed(n: int, **results: object) -> dict[str, object]:
    return {"time": (T0 - n * 60_000_000) / 1e6, "boot": "b", "seq": n, "results": results}


def open_rejects(conn: Connection) -> list[str]:
    return sorted(one.reason for one in list_rejects(conn, None) if one.replayed_at is None)


def test_rejects_that_are_replayed_together_count_each_result_once(
    conn: Connection, catalogue: SmallTrial
) -> None:
    """Among them are a result that is already stored, the same result under two `seq`, and another result for
    the same time.
    """
    ingest(conn, [message(timed(n, pm25=1.0, co2=400.0 + n)) for n in (1, 2)])
    same = {"time": (T0 - 180_000_000) / 1e6, "results": {"co2": 403.0}, "boot": "b"}
    ingest(
        conn,
        [
            message({**same, "seq": 3}),
            message({**same, "seq": 4}),
            message({**same, "seq": 5, "results": {"co2": 9.0}}),
        ],
    )
    measure(conn, "co2")
    assert replay(conn, clock=SYSTEM) == Replayed(tried=5, stored=3, still_refused=1)
    assert count(conn) == 5
    assert ledger.recount(conn) == []
    # received = accepted + partly + rejected + repeated; contained = stored + duplicate + conflicting +
    # refused
    assert conn.execute(SUMS).fetchall() == [(4, 3, 0, 0, 1, 6, 3, 3, 0, 0)]
    assert replay(conn, clock=SYSTEM) == Replayed(tried=1, stored=0, still_refused=1)
    assert conn.execute(SUMS).fetchall() == [(4, 3, 0, 0, 1, 6, 3, 3, 0, 0)]


def test_a_reject_stays_until_nothing_of_it_is_refused(conn: Connection, catalogue: SmallTrial) -> None:
    ingest(conn, [message(timed(1, co2=400.0, no2=31.0, o3=44.0))])
    measure(conn, "co2")
    assert replay(conn, clock=SYSTEM) == Replayed(tried=1, stored=1, still_refused=1)
    assert replay(conn, clock=SYSTEM) == Replayed(tried=1, stored=0, still_refused=1)
    measure(conn, "no2")
    measure(conn, "o3")
    assert replay(conn, clock=SYSTEM) == Replayed(tried=1, stored=2, still_refused=0)
    assert replay(conn, clock=SYSTEM) == Replayed(tried=0, stored=0, still_refused=0)
    assert count(conn) == 3
    assert ledger.recount(conn) == []


def test_a_device_that_was_unknown_keeps_what_it_still_lacks_to_be_replayed(
    conn: Connection, catalogue: SmallTrial
) -> None:
    ingest(conn, [message(timed(1, pm25=1.0, co2=400.0), device="new", mid=1)])
    device_id = add_device(conn, trial="t", code="new", now=START)
    deploy(conn, device_id=device_id, site="station", position="new", start=START)
    stream = {"device_id": device_id, "property": "pm25", "unit": "1", "role": DatastreamRole.CANDIDATE}
    add_datastream(conn, name="pm25", **stream)  # type: ignore[arg-type]
    conn.commit()
    assert replay(conn, clock=SYSTEM) == Replayed(tried=1, stored=1, still_refused=1)
    add_datastream(conn, name="co2", **stream)  # type: ignore[arg-type]
    conn.commit()
    assert replay(conn, clock=SYSTEM) == Replayed(tried=1, stored=1, still_refused=0)
    assert ledger.recount(conn) == []


def test_of_two_rejects_of_one_message_each_is_settled_by_its_own_mending(
    conn: Connection, catalogue: SmallTrial
) -> None:
    ingest(conn, [message(timed(1, pm25="high", co2=400.0))])
    measure(conn, "co2")
    assert replay(conn, clock=SYSTEM) == Replayed(tried=2, stored=1, still_refused=1)
    assert open_rejects(conn) == ["wrong_type"]
    assert ledger.recount(conn) == []


def test_a_deployment_that_is_corrected_brings_back_what_its_clock_had_cost(
    conn: Connection, catalogue: SmallTrial
) -> None:
    early = (START - timedelta(days=40)).timestamp()
    ingest(conn, [message({"time": early, "boot": "b", "seq": 1, "results": {"pm25": 1.0}})])
    assert open_rejects(conn) == ["clock_out_of_range"]
    assert replay(conn, clock=SYSTEM) == Replayed(tried=1, stored=0, still_refused=1)
    conn.execute(
        "UPDATE deployment SET period = tstzrange(lower(period) - interval '60 days', upper(period))"
    )
    conn.commit()
    assert replay(conn, clock=SYSTEM) == Replayed(tried=1, stored=1, still_refused=0)
    assert ledger.recount(conn) == []


def test_a_reject_on_which_we_fail_costs_the_others_nothing(
    conn: Connection, catalogue: SmallTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_at_times(payload: bytes, received_us: int) -> Decoded | Unreadable:
        if b"=7" in payload:
            raise KeyError("seven")
        return influx.decode(payload, received_us)

    for n in range(12):
        ingest(conn, [message(f"air co2={n} {(T0 - n) * 1000}".encode(), suffix="influx", mid=n + 1)])
    measure(conn, "co2")
    with monkeypatch.context() as patched:
        patched.setitem(DECODERS, "influx", fails_at_times)
        assert replay(conn, clock=SYSTEM) == Replayed(tried=12, stored=11, still_refused=1)
    assert replay(conn, clock=SYSTEM) == Replayed(tried=1, stored=1, still_refused=0)
    assert ledger.recount(conn) == []


def test_replays_at_the_same_time_and_live_messages_store_each_result_once(stack: Stack) -> None:
    """Two tabs or a double click replay at the same time, while the device goes on."""
    device = stack.device("t/a")
    device.send_all(
        {"boot": "b", "seq": n, "time": stamp(900 - n), "results": {"co2": n}} for n in range(700)
    )
    stack.wait_for(700)
    measure(stack.conn, "co2")
    found: list[Replayed] = []

    def press() -> None:
        with connect(stack.database_url, application="tests") as conn:
            found.append(replay(conn, clock=SYSTEM, trial="t", reason="unknown_property"))

    tabs = [threading.Thread(target=press) for _ in range(4)]
    for tab in tabs:
        tab.start()
    device.send_all(
        {"boot": "b", "seq": n, "time": stamp(900 - n), "results": {"co2": n}} for n in range(500, 800)
    )
    for tab in tabs:
        tab.join(60)
    stack.wait_for(1000)
    assert len(found) == 4
    assert sum(one.still_refused for one in found) == 0
    assert sum(one.tried for one in found) == 700
    assert stack.rows("SELECT count(*), count(DISTINCT result) FROM observation") == [(800, 800)]
    assert stack.rows("SELECT count(*) FROM reject WHERE replayed_at IS NULL") == [(0,)]
    assert ledger.recount(stack.conn) == []
    device.close()
