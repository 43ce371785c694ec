"""A whole honest life leaves every seal whole; a result that somebody changes by hand is named with its day,
and no other day is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from insitu.clock import Clock
from insitu.errors import ProtocolLocked
from insitu.model import Observation
from insitu.times import to_us
from jobs.evaluations import Night
from jobs.seals import seal_settled, seal_when_due
from store import database, seals
from store.access import add_person
from store.audit import audit, record
from store.corrections import Correction, correct
from store.database import Connection, connect, migrate
from store.erasures import Scope, erase
from store.factors import offer
from store.imports import Origin, add_parts, begin_import, withdraw_import
from store.mapping import new_mapping
from store.mappings import replace_mappings
from store.observations import merge
from store.people import set_profile
from store.seals import find_changed_days, find_changed_facts
from tests.fix_catalogue import START, SmallTrial
from tests.store.packed.test_twins import pack_all
from trials.workflow.checking import check_quality

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NIGHT = Night(0, ZoneInfo("Europe/Paris"))
NEVER = threading.Event()


def day(number: float) -> Clock:
    """A clock that stands at a day of the trial, all but."""
    at = (START + number * DAY).timestamp()
    return Clock(start=at, real_start=time.time(), rate=1.0000001, fast_until=at)


def sealed(conn: Connection, number: float = 50) -> None:
    conn.commit()
    seals.seal_facts(conn, START + number * DAY)
    conn.commit()
    assert seal_settled(conn, day(number), NIGHT, NEVER)


def problems(conn: Connection) -> list[str]:
    conn.commit()
    return find_changed_facts(conn) + find_changed_days(conn, most=10**9)


def unguarded(conn: Connection, statement: str) -> None:
    """As the owner, with the triggers off."""
    conn.execute("SET session_replication_role = replica")
    assert conn.execute(statement.encode()).rowcount
    conn.execute("SET session_replication_role = origin")
    conn.commit()


def late(
    conn: Connection, stream: int, minutes: float, value: float = 7, import_id: int | None = None
) -> None:
    """A result of some minutes after the start, on day 60."""
    at, received = START + timedelta(minutes=minutes), START + 60 * DAY
    done = merge(conn, [Observation(stream, to_us(at), value, to_us(received), 0)], import_id)
    assert done.stored == 1
    if import_id is not None:
        add_parts(conn, import_id, [stream], [at])
    conn.commit()


@pytest.mark.parametrize("packs", ["never", "before the seal", "after the seal", "always"])
def test_a_whole_life_leaves_the_seals_whole(running: Connection, catalogue: SmallTrial, packs: str) -> None:
    conn, stream = running, catalogue.datastreams["a", "pm25"]

    def pack(when: str) -> None:
        conn.commit()
        if packs in (when, "always"):
            pack_all(conn, START + 59 * DAY)

    pack("before the seal")
    sealed(conn)
    pack("after the seal")
    assert problems(conn) == []
    assert (packs == "never") == (conn.execute("SELECT FROM packed_day").fetchone() is None)

    def correction(value: float, file: str, number: int | None = None) -> None:
        one = [Observation(stream, to_us(START + 5 * HOUR), value, to_us(START + 60 * DAY), 0)]
        words = Correction("t", "lab", "wrong unit", file, file, number)
        assert correct(conn, one, correction=words, now=START + 60 * DAY) == 1
        if number is not None:
            add_parts(conn, number, [stream], [START + 5 * HOUR])

    def imported(file: str) -> int:
        return begin_import(conn, Origin(file, "lab", "t"), now=START + 60 * DAY)

    first = imported("a.csv")
    second = imported("b.csv")
    acts = {
        "a late result": lambda: late(conn, stream, 30.5),
        "the checks": lambda: check_quality(conn, "t", now=START + 61 * DAY),
        "results of a file, between and before": lambda: [
            late(conn, stream, minutes, import_id=first) for minutes in (40.5, 41.5, -9000)
        ],
        "a correction": lambda: correction(1.5, "x"),
        "a correction of the correction, by an import": lambda: correction(2.5, "y", second),
        "the checks over everything": lambda: check_quality(conn, "t", now=START + 62 * DAY, everything=True),
        "a withdrawal": lambda: withdraw_import(conn, first, login="lab", reason="no", now=START + 62 * DAY),
        "a withdrawal that puts back": lambda: withdraw_import(
            conn, second, login="lab", reason="no", now=START + 62 * DAY
        ),
        "the checks again": lambda: check_quality(conn, "t", now=START + 63 * DAY),
        "an erasure": lambda: erase(
            conn,
            Scope("t", "a", START + 2 * DAY, START + 3 * DAY),
            login="lab",
            reason="asked",
            now=START + 63 * DAY,
        ),
        "results of the erased day": lambda: late(conn, stream, 2 * 1440 + 30.5),
        "an erasure of everything": lambda: erase(
            conn, Scope("t", None, None, None), login="lab", reason="asked", now=START + 64 * DAY
        ),
    }
    for name, act in acts.items():
        act()
        pack("before the seal")
        assert problems(conn) == [], f"{name}, before it is sealed"
        sealed(conn, 66)
        pack("after the seal")
        assert problems(conn) == [], name
    assert conn.execute("SELECT count(*) FROM row_change").fetchall() == [(0,)]


ATTACKS = {
    "a result": "UPDATE observation SET result = result + 1e-9 WHERE phenomenon_time = '2026-03-05 06:00Z'",
    "a flag": "UPDATE observation SET flag = 4 WHERE phenomenon_time = '2026-03-05 06:00Z'",
    "its receipt": "UPDATE observation SET received_at = received_at - interval '1 day' "
    "WHERE phenomenon_time = '2026-03-05 06:00Z'",
    "a result removed": "DELETE FROM observation WHERE phenomenon_time = '2026-03-05 06:00Z'",
    "a result added": "INSERT INTO observation "
    "SELECT datastream_id, '2026-03-05 06:01Z', 1, received_at, 0, 1 FROM observation LIMIT 1",
    "two results exchanged": "UPDATE observation o SET result = x.result FROM observation x "
    "WHERE (o.phenomenon_time, x.phenomenon_time) IN (('2026-03-05 06:00Z', '2026-03-05 07:00Z'), "
    "('2026-03-05 07:00Z', '2026-03-05 06:00Z'))",
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_the_changed_day_is_named_and_no_other(running: Connection, attack: str) -> None:
    sealed(running)
    unguarded(running, ATTACKS[attack])
    (told,) = problems(running)
    assert told.startswith(
        "rows of observation of t/a/pm25 from 2026-03-04 23:00 to 2026-03-05 23:00 UTC are not as they were "
        "sealed"
    )
    sealed(running, 51)
    assert len(problems(running)) == 1, "the next night does not seal it as if it were right"


def test_a_result_in_a_day_that_was_empty_is_named(running: Connection, catalogue: SmallTrial) -> None:
    sealed(running)
    stream = catalogue.datastreams["b", "pm25"]
    unguarded(running, f"INSERT INTO observation VALUES ({stream}, '2026-03-07 06:00Z', 1, now(), 0, 1)")
    (told,) = problems(running)
    assert "t/b/pm25 between 2026-03-07 06:00" in told
    assert "1 rows in days that were sealed without any" in told


@pytest.mark.parametrize("attack", ["a result", "its receipt", "a result removed"])
def test_with_the_triggers_on_no_act_explains_it(running: Connection, attack: str) -> None:
    sealed(running)
    running.execute(ATTACKS[attack].encode())
    (told,) = problems(running)
    assert "t/a/pm25 from 2026-03-04 23:00" in told
    sealed(running, 51)
    assert len(problems(running)) == 1


def test_a_late_result_does_not_wash_a_changed_one_of_its_day(
    running: Connection, catalogue: SmallTrial
) -> None:
    sealed(running)
    unguarded(running, ATTACKS["a result"])
    late(running, catalogue.datastreams["a", "pm25"], 4 * 1440 + 30.5)
    sealed(running, 61)
    assert len(problems(running)) == 1


def test_seals_and_their_extent_are_vouched_for(running: Connection) -> None:
    sealed(running)
    for attack, name in {
        "UPDATE sealed_day SET sha256 = 'x' WHERE part = 1": "seal 2 is",
        "DELETE FROM sealed_day WHERE kind = 'observation'": "seal 2 is not",
        "UPDATE sealed_part SET sealed_until = '2026-01-01', noted_until = '2026-01-01'": "how far",
        "UPDATE fact_change SET sha256 = 'x' WHERE kind = 'site'": "seal 1 is not",
        "INSERT INTO fact_change (kind, key, sha256, how, is_act, seal_id) "
        "VALUES ('x', 'x', 'x', 'enter', true, 3)": "seal 3 has no line",
        "DELETE FROM fact_change": "seal 1 is not",
    }.items():
        running.execute("SAVEPOINT here")
        running.execute("SET LOCAL session_replication_role = replica")
        assert running.execute(attack.encode()).rowcount
        assert name in "; ".join(find_changed_facts(running) + find_changed_days(running, most=10**9)), attack
        running.execute("ROLLBACK TO here")


def test_sealed_rows_stay(running: Connection) -> None:
    sealed(running)
    for statement in ("UPDATE sealed_day SET rows = 1", "DELETE FROM fact_change", "DELETE FROM sealed_day"):
        with pytest.raises(ProtocolLocked):
            running.execute(statement.encode())
        running.rollback()


def test_a_transaction_that_may_not_note_its_rows_is_waited_for(
    running: Connection, catalogue: SmallTrial, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has looked before the job moved the time from which changes are noted."""
    monkeypatch.setattr("jobs.seals._PATIENCE_S", 0.3)
    running.commit()
    with connect(database_url, application="ingest") as other:
        at, stream = START + 50 * DAY, catalogue.datastreams["a", "pm25"]
        merge(other, [Observation(stream, to_us(at), 1, to_us(at), 0)])
        assert not seal_settled(running, day(60), NIGHT, NEVER)
        assert running.execute("SELECT count(*) FROM sealed_day").fetchall() == [(0,)]
        running.commit()
        other.commit()
    assert seal_settled(running, day(60), NIGHT, NEVER)
    assert problems(running) == []


def test_results_newer_than_all_others_but_of_sealed_days_are_noted(
    running: Connection, catalogue: SmallTrial
) -> None:
    """A device was away, and sends what it has kept; COPY would note nothing."""
    sealed(running, 60)
    for hour in (41 * 24 + 1, 41 * 24 + 2, 59 * 24, 60 * 24):
        late(running, catalogue.datastreams["a", "pm25"], hour * 60)
    assert running.execute("SELECT count(*) FROM row_change").fetchall() == [(2,)]
    assert problems(running) == []
    sealed(running, 70)
    assert problems(running) == []


def test_a_migration_makes_no_changed_fact_right(
    running: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sealed(running)
    unguarded(running, "UPDATE site SET latitude = latitude + 1")
    (before,) = problems(running)
    assert before == "site 1 (station) is not as it was sealed"
    step = tmp_path / "9999_later.sql"
    step.write_text(
        "ALTER TABLE device ADD COLUMN colour text NOT NULL DEFAULT 'grey'; UPDATE need SET code = code;"
        "UPDATE organisation SET name = name || '.'; ALTER TABLE site ADD COLUMN floor int;"
    )
    known = database.migrations()
    monkeypatch.setattr("store.database.migrations", lambda: [*known, step])
    assert migrate(running) == ["9999_later"]
    assert problems(running) == [before]
    sealed(running, 51)
    assert problems(running) == [before]


def test_each_round_seals_what_changed_and_says_so_once(running: Connection) -> None:
    running.commit()
    for _ in range(3):
        seal_when_due(running, day(50), NIGHT, NEVER)
    lines = [line for line in audit(running) if line.action == "seal"]
    assert [line.subject for line in lines] == ["facts", "results", "facts"], "the third has the last night"
    assert {line.login for line in lines} == {"job:seals"}


WASHES = {
    "the extent of the seals": "DELETE FROM sealed_part WHERE kind = 'observation'",
    "the days": "DELETE FROM sealed_day WHERE kind = 'observation'",
    "both, and the end": "DELETE FROM sealed_day; DELETE FROM sealed_part",
    "a day of the next seal": "INSERT INTO sealed_day "
    "SELECT 3, d.kind, d.part, d.from_time, d.to_time, c.rows, c.sha256 FROM sealed_day d "
    "CROSS JOIN LATERAL content_of(d.kind, d.part, d.from_time, d.to_time, false) c "
    "WHERE d.kind = 'observation'",
}


@pytest.mark.parametrize("wash", sorted(WASHES))
def test_no_night_washes_a_changed_result(running: Connection, wash: str) -> None:
    """The owner removes what says otherwise, and lets the job seal again."""
    sealed(running)
    unguarded(running, ATTACKS["a result"])
    unguarded(running, WASHES[wash])
    for number in (51, 52):
        sealed(running, number)
        assert problems(running) != []


def test_a_change_that_is_undone_by_hand_is_named(running: Connection) -> None:
    """The owner removes the last seal and puts the row back as it was; the next seal has another number."""
    sealed(running)
    running.execute("UPDATE site SET name = 'Other'")
    record(running, at=START, login="lab", action="change site", subject="station")
    seals.seal_facts(running, START + 51 * DAY)
    assert problems(running) == []
    unguarded(running, "DELETE FROM fact_change WHERE seal_id = (SELECT max(seal_id) FROM fact_change)")
    unguarded(running, "UPDATE site SET name = 'Station'")
    running.execute("UPDATE organisation SET name = name || 'x'")
    record(running, at=START, login="lab", action="change organisation", subject="x")
    seals.seal_facts(running, START + 51 * DAY)
    (told,) = problems(running)
    assert told.startswith("seal 3 is not as line")


def test_acts_without_a_line_are_no_changes_by_hand(running: Connection) -> None:
    """The same mappings again, another name of one's own, a secret that waits for its first code."""
    add_person(running, login="x", name="X", organisation="lab", password_hash="", now=START)
    ((person,),) = running.execute("SELECT person_id FROM person WHERE login = 'x'").fetchall()
    record(running, at=START, login="lab", action="enter person", subject="x")
    replace_mappings(running, "t", [new_mapping(running, field="fan", property="fan", devices="b")])
    sealed(running)
    acts: list[Callable[[], object]] = [
        lambda: replace_mappings(
            running, "t", [new_mapping(running, field="fan", property="fan", devices="b")]
        ),
        lambda: set_profile(running, person, name="Y", language="en"),
        lambda: offer(running, person, b"one"),
        lambda: offer(running, person, b"two"),
    ]
    for act in acts:
        act()
        running.commit()
        assert seals.seal_facts(running, START + 51 * DAY) > 0
        assert problems(running) == []
