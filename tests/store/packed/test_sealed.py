"""Seals of packed days: their digests are those of the database, moves are no changes, and what somebody
changes by hand in a packed day, or behind the packer's setting, is named.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from insitu.times import to_us
from store.database import Connection, connect
from store.erasures import Scope, erase
from store.packed import sealing
from store.packed.checking import find_wrong_days
from store.packed.codec import Columns
from store.packed.days import NewDay, days_within, save_days, unpack
from store.packed.digests import digests_of
from store.quality import save_flags
from store.seals import find_changed_days, note_days, seal_days
from tests.fix_catalogue import START
from tests.store.packed.test_moments import streams
from tests.store.packed.test_twins import pack_all, seals_of
from tests.store.test_seals import late, sealed, unguarded

__all__ = ["streams"]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LATER = START + 30 * DAY


@pytest.fixture
def packed(conn: Connection, streams: list[int]) -> list[int]:
    """Two datastreams with four days, sealed and then packed but for the newest."""
    sealed(conn)
    pack_all(conn, LATER)
    return streams


def named(conn: Connection) -> list[str]:
    found = find_changed_days(conn, most=10**9)
    conn.rollback()
    return found


def test_a_digest_is_that_of_the_database(conn: Connection, streams: list[int]) -> None:
    """Results with extreme numbers, with and without an import, of all flags and clock qualities."""
    rng, n = np.random.default_rng(7), 500
    times = np.cumsum(rng.integers(1, 10**12, n))
    results = np.concatenate([[0.0, -0.0, 5e-324, 1.7976931348623157e308], rng.normal(size=n - 4)])
    columns = Columns(
        times,
        results,
        times + rng.integers(-(10**6), 10**12, n),
        rng.choice([1, 2, 3, 4, 9], n).astype(np.int8),
        rng.integers(0, 6, n).astype(np.int8),
        rng.choice([-1, 0, 5, 2**31 - 1], n).astype(np.int32),
    )
    parameters = [column.tolist() for column in columns]
    found = conn.execute(
        "SELECT result_digest(%s::int, timestamptz '1970-01-01Z' + t * interval '1 microsecond', r, "
        "timestamptz '1970-01-01Z' + g * interval '1 microsecond', q, f, nullif(i, -1)) FROM "
        "unnest(%s::bigint[], %s::float8[], %s::bigint[], %s::smallint[], %s::smallint[], %s::int[]) "
        "WITH ORDINALITY AS k(t, r, g, f, q, i, n) ORDER BY n",
        (streams[0], *parameters),
    ).fetchall()
    assert [digest for (digest,) in found] == digests_of(streams[0], columns)
    assert len({digest for (digest,) in found}) == 500


def test_the_seal_is_the_same_before_and_after_packing_and_back(conn: Connection, streams: list[int]) -> None:
    pack_all(conn, LATER)
    sealed(conn)
    of_packed = seals_of(conn)
    assert unpack(conn, days_within(conn, streams, [START - DAY] * 2, [LATER] * 2)) > 500
    conn.commit()
    assert named(conn) == []
    for part, start, end, rows, digest in conn.execute(
        "SELECT part, from_time, to_time, rows, sha256 FROM sealed_day WHERE kind = 'observation'"
    ).fetchall():
        assert conn.execute(
            "SELECT * FROM content_of('observation', %s, %s, %s, false)", (part, start, end)
        ).fetchall() == [(rows, digest)]
    assert seals_of(conn) == of_packed


def test_moves_are_not_noted_and_late_results_stay_noted(conn: Connection, packed: list[int]) -> None:
    stream = packed[0]
    assert conn.execute("SELECT count(*) FROM row_change").fetchall() == [(0,)]
    late(conn, stream, 1440 + 30.5)
    pack_all(conn, LATER)
    assert conn.execute("SELECT part, was FROM row_change").fetchall() == [(stream, None)]
    assert named(conn) == []
    unpack(conn, days_within(conn, [stream], [START], [LATER]))
    conn.commit()
    assert conn.execute("SELECT part, was FROM row_change").fetchall() == [(stream, None)]
    pack_all(conn, LATER)
    sealed(conn, 61)
    assert conn.execute("SELECT count(*) FROM row_change").fetchall() == [(0,)]
    assert named(conn) == []


def test_flags_in_place_are_noted_with_what_was_there(conn: Connection, packed: list[int]) -> None:
    stream, at = packed[0], START + DAY + 6 * HOUR
    (day,) = days_within(conn, [stream], [at], [at])
    columns = day.opened()
    before = digests_of(stream, columns)[columns.time_us.tolist().index(to_us(at))]
    flag(conn, stream, at)
    assert conn.execute("SELECT at, was FROM row_change WHERE kind = 'observation'").fetchall() == [
        (at, before)
    ]
    assert named(conn) == []
    sealed(conn, 61)
    assert named(conn) == []
    assert conn.execute("SELECT count(*) FROM row_change").fetchall() == [(0,)]


def flag(conn: Connection, stream: int, at: datetime) -> None:
    flag_as(conn, stream, at, 4)
    conn.commit()


def flag_as(conn: Connection, stream: int, at: datetime, flag: int) -> None:
    save_flags(
        conn,
        datastream_id=stream,
        times_us=np.array([to_us(at)]),
        flags=np.array([flag], np.int8),
        by_check={},
        checks=["c"],
        ran=["c"],
        parameters="",
        sha256="",
        now=LATER,
        received_before=LATER,
    )


def test_erased_days_are_noted_and_explained(conn: Connection, packed: list[int]) -> None:
    scope = Scope("t", "a", START + DAY - HOUR, START + 2 * DAY - HOUR)
    erase(conn, scope, login="lab", reason="asked", now=LATER)
    conn.commit()
    assert conn.execute(
        "SELECT count(*), count(was) FROM row_change WHERE kind = 'observation'"
    ).fetchall() == [(96, 96)]
    assert named(conn) == []
    sealed(conn, 61)
    assert named(conn) == []
    assert conn.execute("SELECT count(*) FROM row_change").fetchall() == [(0,)]


def rewritten(conn: Connection, stream: int, change: Callable[[Columns], Columns]) -> None:
    """As somebody who knows the format and keeps the summary and the checksum right."""
    at = START + DAY + 6 * HOUR
    (day,) = days_within(conn, [stream], [at], [at])
    columns = change(day.opened())
    save_days(conn, [NewDay(stream, day.start_time, day.end_time, columns, True)])
    conn.commit()
    assert find_wrong_days(conn) == []


def without_one(columns: Columns) -> Columns:
    return columns.at(np.arange(len(columns.time_us)) != 7)


def with_one(columns: Columns) -> Columns:
    both = Columns._make(np.concatenate([column, column[:1]]) for column in columns)
    both.time_us[-1] += 77
    return both.at(np.argsort(both.time_us))


REWRITES: dict[str, Callable[[Columns], Columns]] = {
    "results": lambda columns: columns._replace(result=columns.result + 1e-9),
    "a flag": lambda columns: columns._replace(
        flag=np.where(np.arange(len(columns.flag)) == 5, 4, columns.flag).astype(np.int8)
    ),
    "a receipt": lambda columns: columns._replace(received_us=columns.received_us - 1),
    "clock quality": lambda columns: columns._replace(quality=columns.quality + np.int8(1)),
    "import": lambda columns: columns._replace(import_id=columns.import_id + np.int32(2)),
    "times": lambda columns: columns._replace(
        time_us=columns.time_us + 1, received_us=columns.received_us + 1
    ),
    "one removed": without_one,
    "one added": with_one,
}


@pytest.mark.parametrize("change", sorted(REWRITES))
def test_a_packed_day_that_is_written_again_by_hand_is_named(
    conn: Connection, packed: list[int], change: str
) -> None:
    rewritten(conn, packed[0], REWRITES[change])
    told = named(conn)
    assert told
    assert all(one.startswith("rows of observation of t/a/pm25 from 2026-03-0") for one in told)
    late(conn, packed[0], 1440 + 30.5)
    pack_all(conn, LATER)
    sealed(conn, 61)
    assert named(conn), "neither a late result nor the next night washes it"


BYTES = {
    "columns": "UPDATE packed_day SET columns = set_byte(columns, 9, get_byte(columns, 9) # 1)",
    "a removed day": "DELETE FROM packed_day WHERE start_time = (SELECT min(start_time) FROM packed_day)",
    "its datastream": "UPDATE packed_day SET datastream_id = 2 WHERE datastream_id = 1",
    "its start": "UPDATE packed_day SET start_time = start_time + interval '20 days', "
    "end_time = end_time + interval '20 days'",
}


@pytest.mark.parametrize("attack", sorted(BYTES))
def test_the_owner_changes_packed_days(conn: Connection, packed: list[int], attack: str) -> None:
    unguarded(conn, BYTES[attack])
    assert named(conn)
    if attack == "columns":
        assert any("checksum" in one for one in find_wrong_days(conn))
    sealed(conn, 61)
    assert named(conn), "the next night does not seal it as if it were right"


SUMMARY = ("n", "suspect", "failed", "unnumbered", "smallest", "largest", "total")


def test_a_changed_summary_is_named_though_no_result_differs(conn: Connection, packed: list[int]) -> None:
    for column in (*SUMMARY, "first_received", "last_received"):
        more = "1" if column in SUMMARY else "interval '1 microsecond'"
        conn.execute("SAVEPOINT here")
        conn.execute(f"UPDATE packed_day SET {column} = {column} + {more}".encode())
        assert any(f"its summary says {column}" in one for one in find_wrong_days(conn)), column
        conn.execute("ROLLBACK TO here")


@pytest.mark.parametrize("is_packed", [False, True], ids=["hot", "beside packed days"])
def test_what_hides_behind_the_setting_of_the_packer_is_named(
    conn: Connection, streams: list[int], is_packed: bool
) -> None:
    sealed(conn)
    if is_packed:
        pack_all(conn, LATER)
    conn.execute("SET insitu.packs = 'on'")
    gone = conn.execute("DELETE FROM observation WHERE phenomenon_time = '2026-03-04 12:00Z'").rowcount
    conn.execute("RESET insitu.packs")
    conn.commit()
    assert gone == 2
    assert conn.execute("SELECT count(*) FROM row_change").fetchall() == [(0,)], "nothing noted it"
    assert len(named(conn)) == 2
    sealed(conn, 61)
    assert len(named(conn)) == 2


def test_packed_results_in_a_day_that_was_empty_are_named(conn: Connection, packed: list[int]) -> None:
    at = START + 20 * DAY
    columns = Columns(
        np.array([to_us(at + HOUR)]),
        np.array([1.0]),
        np.array([to_us(at + HOUR)]),
        np.array([1], np.int8),
        np.array([0], np.int8),
        np.array([-1], np.int32),
    )
    save_days(conn, [NewDay(packed[0], at, at + DAY, columns)])
    conn.commit()
    (told,) = named(conn)
    assert "t/a/pm25 between 2026-03-21 01:00" in told
    assert "1 rows in days that were sealed without any" in told


def test_observations_in_a_day_that_was_empty_are_named_beside_packed_days(
    conn: Connection, packed: list[int]
) -> None:
    """As many as the packed ones, so that the sum is right."""
    unguarded(
        conn,
        f"INSERT INTO observation SELECT {packed[0]}, timestamptz '2026-03-10Z' + n * interval '1 minute', "
        "1, now(), 0, 1 FROM generate_series(1, (SELECT sum(n) FROM packed_day WHERE datastream_id = "
        f"{packed[0]})) n",
    )
    (told,) = named(conn)
    assert "in days that were sealed without any" in told


def test_a_damaged_day_is_not_sealed_until_it_is_whole_again(conn: Connection, streams: list[int]) -> None:
    pack_all(conn, LATER)
    damage = f"{BYTES['columns']} WHERE datastream_id = {streams[0]}"
    conn.execute(damage.encode())
    sealed(conn)
    parts = "SELECT DISTINCT part FROM sealed_day WHERE kind = 'observation'"
    assert conn.execute(parts.encode()).fetchall() == [(streams[1],)]
    conn.execute(damage.encode())  # the same bit again
    sealed(conn, 51)
    assert sorted(conn.execute(parts.encode()).fetchall()) == [(streams[0],), (streams[1],)]
    assert named(conn) == []


@pytest.mark.parametrize("again", [False, True], ids=["a new day", "a day again"])
def test_an_act_in_the_moment_of_the_seal_stays_noted(
    conn: Connection,
    streams: list[int],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    again: bool,
) -> None:
    """It comes after the notes were taken away, and before the results are read."""
    take_notes = sealing._take_notes
    pack_all(conn, LATER)
    if again:
        sealed(conn)
        late(conn, streams[0], 1440 + 30.5)
    with connect(database_url, application="ingest") as other:

        def meanwhile(*arguments: Any) -> Any:
            taken = take_notes(*arguments)
            if not acts:
                late(other, streams[0], 1440 + 31.5)
                acts.append("a late result")
            return taken

        acts: list[str] = []
        monkeypatch.setattr(sealing, "_take_notes", meanwhile)
        sealed(conn, 61)
    at = START + timedelta(minutes=1440 + 31.5)
    assert acts
    assert conn.execute("SELECT at, was FROM row_change").fetchall() == [(at, None)]
    assert named(conn) == []
    sealed(conn, 62)
    assert named(conn) == []
    assert conn.execute("SELECT count(*) FROM row_change").fetchall() == [(0,)]


@pytest.mark.parametrize("is_packed", [False, True], ids=["hot", "packed"])
@pytest.mark.parametrize("again", [False, True], ids=["a new day", "a day again"])
@pytest.mark.parametrize("when", ["before the seal", "before its commit"])
def test_a_noted_result_that_changes_in_the_moment_of_the_seal_stays_noted(
    conn: Connection, streams: list[int], database_url: str, when: str, again: bool, is_packed: bool
) -> None:
    """Its change is under way while the seal takes its first note away, and ends after the seal."""
    at = START + DAY + 6 * HOUR
    if again:
        sealed(conn)
    else:
        note_days(conn, START + 48 * DAY, "Europe/Paris")
    if is_packed:
        pack_all(conn, LATER)
    flag(conn, streams[0], at)
    with connect(database_url, application="checks") as other:
        if when == "before the seal":
            flag_as(other, streams[0], at, 3)
        assert seal_days(conn, START + 61 * DAY) > 0
        if when == "before its commit":
            flag_as(other, streams[0], at, 3)
        conn.commit()
        assert named(conn) == []
        other.commit()
    assert conn.execute("SELECT at FROM row_change WHERE kind = 'observation'").fetchall() == [(at,)]
    assert named(conn) == []
    sealed(conn, 62)
    assert conn.execute("SELECT count(*) FROM row_change").fetchall() == [(0,)]
    assert named(conn) == []
    unguarded(conn, f"DELETE FROM {'packed_day' if is_packed else 'observation'} WHERE datastream_id = 1")
    assert named(conn)


def test_a_day_that_no_act_explains_keeps_its_notes_in_their_order(
    conn: Connection, packed: list[int]
) -> None:
    """The seal takes them away before it looks, and gives them back as they were."""
    at = START + DAY + 6 * HOUR
    for number in (4, 3):
        flag_as(conn, packed[0], at, number)
        conn.commit()
    rewritten(conn, packed[0], REWRITES["one removed"])
    notes = "SELECT kind, part, at, key, was, note_id FROM row_change ORDER BY note_id"
    before = conn.execute(notes.encode()).fetchall()
    assert sum(kind == "observation" for kind, *_ in before) == 2
    assert named(conn)
    seal_days(conn, START + 61 * DAY)
    conn.commit()
    after = conn.execute(notes.encode()).fetchall()
    assert after == [row for row in before if row[0] == "observation"]
    assert named(conn)


def test_notes_of_one_result_in_another_order_are_named(conn: Connection, packed: list[int]) -> None:
    at = START + DAY + 6 * HOUR
    for number in (4, 3):
        flag_as(conn, packed[0], at, number)
        conn.commit()
    assert named(conn) == []
    conn.execute("ALTER TABLE row_change ALTER note_id SET GENERATED BY DEFAULT")
    unguarded(conn, "UPDATE row_change SET note_id = -note_id WHERE kind = 'observation'")
    (told,) = named(conn)
    assert "t/a/pm25 from 2026-03-01 23:00" in told
