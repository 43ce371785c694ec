"""An administrator switches the columnstore of TimescaleDB on: every write and every read meets packed rows,
with the rights of the running parts, and does what it does without. The oracle is a dictionary.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg.conninfo import make_conninfo

from ingest.booking import book
from ingest.reading import prepare
from ingest.replay import replay
from insitu.clock import SYSTEM
from insitu.model import Message
from insitu.times import to_us
from store.catalogue.snapshot import load_snapshot
from store.database import Connection, connect, migrate, migrations
from store.erasures import Scope, erase
from store.imports import withdraw_import
from store.kept import series_kept
from store.ledger import recount
from store.observations import latest_of, series
from store.quality import save_flags
from store.read.results import Charted, list_buckets
from store.read.streams import count_by_day
from store.seals import find_changed_days
from tests.columnstore import SWITCH_ON, pack
from tests.fix_catalogue import START, SmallTrial
from tests.store.test_seals import sealed

Load = Callable[..., Any]
STEP = timedelta(seconds=30)
COUNT = 4 * 2880  # four days, over the border of two chunks: START is a Sunday, and chunks begin on Thursdays
BATCH = 1000
"""Rows of one datastream that the columnstore packs together."""


def at(n: int) -> datetime:
    return START + n * STEP


class Packed:
    """Rows of two devices, packed. `told` is what must be read: (device, n) → result."""

    def __init__(self, conn: Connection, catalogue: SmallTrial, load: Load) -> None:
        self.conn, self.catalogue, self.load = conn, catalogue, load
        self.told: dict[tuple[str, int], float] = {}
        conn.execute(SWITCH_ON.encode())
        conn.execute("CALL add_columnstore_policy('observation', after => INTERVAL '1 hour')")
        conn.commit()
        conn.execute("SET ROLE insitu_service")
        conn.commit()
        for device in ("a", "b"):
            self.send(device, {n: float(n) for n in range(COUNT)})
        self.pack()

    def stream(self, device: str) -> int:
        return self.catalogue.datastreams[device, "pm25"]

    def pack(self) -> None:
        self.conn.execute("RESET ROLE")
        pack(self.conn)
        assert self.unpacked() == 0
        self.conn.execute("SET ROLE insitu_service")
        self.conn.commit()

    def unpacked(self) -> int:
        """Rows that are not packed, or that a write has unpacked."""
        unpacked = 0
        for (chunk,) in self.conn.execute("SELECT c::text FROM show_chunks('observation') c").fetchall():
            statement = f"SELECT count(*) FROM ONLY {chunk}".encode()
            unpacked += self.conn.execute(statement).fetchall()[0][0]
        return unpacked

    def send(self, device: str, results: dict[int, float]) -> list[int]:
        """As a device sends them; the number of stored, repeated and contradicting results."""
        entries = [{"time": at(n).isoformat(), "results": {"pm25": result}} for n, result in results.items()]
        now = to_us(datetime.now(UTC))
        messages = [
            Message(f"insitu/v1/t/{device}/obs", json.dumps(entries[i : i + 300]).encode(), now, qos=1, mid=1)
            for i in range(0, len(entries), 300)
        ]
        outcome = book(self.conn, prepare(messages, load_snapshot(self.conn)), client_id="x", now_us=now)
        self.conn.commit()
        for n, result in results.items():
            self.told.setdefault((device, n), result)
        booked = outcome.messages
        return [
            sum(kind(one) for one in booked)
            for kind in (lambda one: one.stored, lambda one: one.duplicate, lambda one: one.conflicting)
        ]

    def require_all(self, *, others: int = 0) -> None:
        """Every reader sees exactly what was told, and `others` of another datastream of device `a`."""
        ids = [self.stream("a"), self.stream("b")]
        end = at(10 * COUNT)
        kept = series_kept(self.conn, ids, START, end, late_after=timedelta(hours=1), alone_below=0)
        plain = series(self.conn, ids, START, end)
        day_counts = dict[str, int]()
        counts = count_by_day(
            self.conn, list(self.catalogue.devices.values()), START - timedelta(days=1), end
        )
        for device_id, n in zip(counts.device_id, counts.n, strict=True):
            name = next(code for code, number in self.catalogue.devices.items() if number == device_id)
            day_counts[name] = day_counts.get(name, 0) + n
        for device, number in zip(("a", "b"), ids, strict=True):
            wanted = sorted((to_us(at(n)), r) for (who, n), r in self.told.items() if who == device)
            times = np.array([t for t, _ in wanted], np.int64)
            values = np.array([r for _, r in wanted], np.float64)
            for found in (plain[number], kept[number]):
                assert np.array_equal(found.time_us, times)
                assert np.array_equal(found.result, values)
            assert day_counts.get(device, 0) == len(wanted) + (others if device == "a" else 0)
            (latest,) = latest_of(self.conn, [number]) if wanted else (None,)
            if latest is not None:
                assert (to_us(latest.phenomenon_time), latest.result) == wanted[-1]
        self.conn.rollback()


@pytest.fixture
def packed(conn: Connection, catalogue: SmallTrial, load: Load) -> Iterator[Packed]:
    yield Packed(conn, catalogue, load)
    conn.rollback()
    conn.execute("RESET ROLE")


def test_readers_see_packed_rows(packed: Packed) -> None:
    packed.require_all()
    charted = [Charted(packed.stream("a"), None, None)]
    (bucket,) = list_buckets(packed.conn, charted, START, at(COUNT), COUNT * STEP)
    assert (bucket.n, bucket.smallest, bucket.largest) == (COUNT, 0.0, COUNT - 1.0)


def test_repeats_late_rows_and_contradictions_in_packed_chunks(packed: Packed) -> None:
    assert packed.send("a", {5: 5.0, COUNT: -1.0}) == [1, 1, 0]
    packed.pack()
    assert packed.send("a", dict.fromkeys((7, COUNT, COUNT + 1, COUNT + 5000), -2.0)) == [2, 0, 2]
    assert packed.send("b", {n: float(n) for n in range(0, COUNT, 7)}) == [0, len(range(0, COUNT, 7)), 0]
    packed.require_all()


def test_a_correction_unpacks_the_batches_that_it_changes_and_no_more(packed: Packed) -> None:
    """Two far rows of 23,040: without constant bounds, every packed row would be unpacked."""
    times = [3, COUNT - 3]
    content = "time,pm25\n" + "".join(f"{at(n).isoformat()},0.5\n" for n in times)
    assert packed.load(content, reason="the zero was off").corrected == 2
    assert 0 < packed.unpacked() <= 2 * BATCH
    for n in times:
        packed.told["a", n] = 0.5
    packed.require_all()


def test_the_flags_of_a_run_land_in_packed_rows(packed: Packed) -> None:
    number = packed.stream("a")
    times = np.array([to_us(at(n)) for n in range(100, 200)], np.int64)
    save_flags(
        packed.conn,
        datastream_id=number,
        times_us=times,
        flags=np.full(100, 4, np.int8),
        by_check={},
        checks=[],
        ran=[],
        parameters="{}",
        sha256="",
        now=START,
        received_before=at(COUNT),
    )
    packed.conn.commit()
    assert 0 < packed.unpacked() <= 2 * BATCH
    flags = series(packed.conn, [number], START, at(COUNT))[number].flag
    assert np.flatnonzero(flags == 4).tolist() == list(range(100, 200))
    packed.require_all()


def test_an_import_is_withdrawn_from_packed_rows_and_what_it_corrected_comes_back(packed: Packed) -> None:
    new = dict.fromkeys(range(COUNT, COUNT + 300), 1.5)
    content = "time,pm25\n" + "".join(f"{at(n).isoformat()},{r}\n" for n, r in ({10: 0.25} | new).items())
    number = packed.load(content, reason="a better file").import_id
    packed.told |= {("a", n): r for n, r in new.items()}
    packed.told["a", 10] = 0.25
    packed.pack()
    packed.require_all()
    done = withdraw_import(packed.conn, number, login="lab", reason="it was not", now=START)
    packed.conn.commit()
    assert (done.taken_out, done.put_back) == (300, 1)
    for n in new:
        del packed.told["a", n]
    packed.told["a", 10] = 10.0
    packed.require_all()
    assert recount(packed.conn) == []


@pytest.mark.parametrize("device", ["a", None])
def test_packed_rows_are_erased(packed: Packed, device: str | None) -> None:
    since, until = at(1000), at(9000)
    scope = Scope("t", device, since, until, ["results"])
    done = erase(packed.conn, scope, login="lab", reason="asked", now=START)
    packed.conn.commit()
    gone = [(who, n) for (who, n) in packed.told if 1000 <= n < 9000 and device in (who, None)]
    assert done.erased["observation"] == len(gone)
    for key in gone:
        del packed.told[key]
    packed.require_all()


def test_a_whole_trial_is_erased_from_packed_chunks(packed: Packed) -> None:
    erase(packed.conn, Scope("t", parts=["results"]), login="lab", reason="asked", now=START)
    packed.conn.commit()
    packed.told = {}
    packed.require_all()


def test_what_is_erased_from_packed_chunks_is_noted_for_the_seals(packed: Packed) -> None:
    """A whole batch and parts of two: each result has a note, and its days are explained and sealed again."""
    conn = packed.conn
    sealed(conn)
    scope = Scope("t", "a", at(1500), at(3500), ["results"])
    erase(conn, scope, login="lab", reason="asked", now=START)
    conn.commit()
    noted = "SELECT count(*) FROM row_change WHERE kind = 'observation' AND was IS NOT NULL"
    assert conn.execute(noted.encode()).fetchall() == [(2000,)]
    assert find_changed_days(conn, most=10**9) == []
    sealed(conn, 51)
    assert conn.execute(noted.encode()).fetchall() == [(0,)]


def test_a_replay_meets_its_packed_rows(packed: Packed) -> None:
    """A message with one known and one unknown field; its rows are packed, then the field is made known."""
    conn = packed.conn
    text = f'{{"time": "{at(COUNT).isoformat()}", "results": {{"pm25": 3.5, "dust": true}}}}'
    message = Message("insitu/v1/t/a/obs", text.encode(), to_us(datetime.now(UTC)), qos=1, mid=1)
    known = load_snapshot(conn)
    book(conn, prepare([message], known), client_id="x", now_us=to_us(datetime.now(UTC)))
    conn.commit()
    packed.told["a", COUNT] = 3.5
    packed.pack()
    conn.execute("RESET ROLE")
    conn.execute(
        "UPDATE datastream SET name = 'dust' WHERE name = 'fan' AND device_id = %s",
        (packed.catalogue.devices["a"],),
    )
    conn.execute("UPDATE device SET name = name")
    conn.commit()
    conn.execute("SET ROLE insitu_service")
    conn.commit()
    done = replay(conn, clock=SYSTEM)
    assert (done.tried, done.stored, done.still_refused) == (1, 1, 0)
    packed.require_all(others=1)


def test_a_snapshot_that_is_older_than_a_packed_chunk_misses_nothing(
    packed: Packed, database_url: str
) -> None:
    """Packed rows are seen at once by everybody, so the reader must not let chunks be packed under it."""
    late = dict.fromkeys(range(COUNT, COUNT + 2000), 0.5)
    packed.send("a", late)
    packed.conn.execute("SELECT hold_chunks()")
    with connect(database_url, application="policy") as policy:
        policy.execute("SET lock_timeout = '200ms'")
        policy.commit()
        with pytest.raises(Exception, match="lock timeout"):
            pack(policy)  # type: ignore[arg-type]
    packed.conn.rollback()
    packed.require_all()


def test_an_older_schema_with_packed_rows_is_migrated(
    database_server: str, migrated_template: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The state before this version's migrations, with the columnstore on; then `insitu migrate`."""
    import psycopg

    with psycopg.connect(database_server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE older")
        try:
            url = make_conninfo(database_server, dbname="older")
            with connect(url, application="tests") as conn:
                conn.execute("CREATE EXTENSION timescaledb")
                conn.commit()
                every = migrations()
                old = [path for path in every if path.stem < "0018"]
                with monkeypatch.context() as patched:
                    patched.setattr("store.database.migrations", lambda: old)
                    patched.setattr("store.database.needed_rights", lambda: "{}")
                    conn.execute("CREATE FUNCTION grant_pages() RETURNS void LANGUAGE sql AS ''")
                    conn.execute("CREATE FUNCTION grant_service(jsonb) RETURNS void LANGUAGE sql AS ''")
                    conn.execute("CREATE FUNCTION grant_erasure() RETURNS void LANGUAGE sql AS ''")
                    conn.commit()
                    assert len(migrate(conn)) == len(old)
                    for name in ("grant_pages()", "grant_service(jsonb)", "grant_erasure()"):
                        conn.execute(f"DROP FUNCTION {name}".encode())
                conn.execute(
                    "INSERT INTO observation SELECT 1, '2026-03-01'::timestamptz + n * interval '1 min', n, "
                    "now(), 0 FROM generate_series(0, 4999) n"
                )
                conn.execute(SWITCH_ON.encode())
                conn.commit()
                pack(conn)
                assert len(migrate(conn)) == len(every) - len(old)
                found = series(conn, [1], START, START + timedelta(days=9))[1]
                assert found.result.tolist() == list(range(5000))
        finally:
            admin.execute("DROP DATABASE older WITH (FORCE)")
