"""Two databases live through the same: one packs whenever it likes, the other never. No reader can tell them
apart, and every result is once in either.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from insitu.clock import Clock
from insitu.errors import CorrectInput
from insitu.model import Observation
from insitu.times import to_datetime, to_us
from jobs.evaluations import Night
from jobs.seals import seal_settled
from proving.faults.packed import read_packed
from store import observations
from store.catalogue.devices import find_device
from store.catalogue.swaps import count_later
from store.corrections import Correction, correct
from store.database import Connection, connect
from store.erasures import Scope, erase
from store.imports import Origin, add_parts, begin_import, count_unknown, list_origins, withdraw_import
from store.kept import received_early, series_kept
from store.ledger import recount
from store.packed.checking import find_wrong_days
from store.packed.packing import may_pack, pack, packable
from store.quality import save_flags
from store.read.results import Charted, export_observations, list_buckets, list_own_observations
from store.read.streams import count_by_day, list_streams
from store.replays import stored_of
from store.seals import find_changed_days
from tests.examples import examples
from tests.fix_catalogue import START, SmallTrial
from tests.fix_database import clone

pytestmark = pytest.mark.long

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = START + 100 * DAY
NIGHT = Night(0, ZoneInfo("Europe/Paris"))
FROM_START = to_us(START)


@pytest.fixture
def twins(
    conn: Connection, catalogue: SmallTrial, database_url: str, database_server: str
) -> Iterator[tuple[Connection, Connection, SmallTrial]]:
    """(one that packs, one that never does, what is in the catalogue of both)."""
    conn.close()
    name = database_url.rsplit("/", 1)[-1].split("?")[0] if "://" in database_url else _name(database_url)
    with (
        clone(database_server, name) as other,
        connect(database_url, application="packs") as first,
        connect(other, application="never packs") as second,
    ):
        yield first, second, catalogue


def _name(conninfo: str) -> str:
    return next(part.split("=")[1] for part in conninfo.split() if part.startswith("dbname="))


def raw(conn: Connection) -> list[tuple[Any, ...]]:
    """Every result with all that is known of it, read without the code of the store."""
    rows = conn.execute(
        "SELECT datastream_id, (extract(epoch FROM phenomenon_time) * 1000000)::int8, result, "
        "(extract(epoch FROM received_at) * 1000000)::int8, flag, clock_quality, coalesce(import_id, -1) "
        "FROM observation"
    ).fetchall()
    for number, record in conn.execute("SELECT datastream_id, columns FROM packed_day").fetchall():
        rows += [(number, *one) for one in read_packed(record)]
    return sorted(rows)


def pack_all(conn: Connection, before: datetime, *, most: int = 10**9) -> int:
    moved = 0
    while may_pack(conn, "t") and (todo := packable(conn, "t", before)):
        step = pack(conn, todo, most=most)
        conn.commit()
        moved += step.moved
        if not step.moved:
            break
    conn.rollback()
    return moved


def seals_of(conn: Connection) -> list[list[tuple[Any, ...]]]:
    """Each sealed day, how far the parts are sealed, and the notes about changes since then."""
    found = [
        conn.execute(statement).fetchall()
        for statement in (
            b"SELECT * FROM sealed_day ORDER BY seal_id, kind, part, from_time",
            b"SELECT kind, part, noted_until, sealed_until::text FROM sealed_part ORDER BY 1, 2",
            b"SELECT kind, part, at, key, was FROM row_change ORDER BY kind, part, at, key, note_id",
        )
    ]
    conn.rollback()
    return found


def seen(conn: Connection, world: SmallTrial, spans: list[tuple[datetime, datetime]]) -> dict[str, Any]:
    """The answer of each reader."""
    streams = sorted(world.datastreams.values())
    devices = sorted(world.devices.values())
    found: dict[str, Any] = {
        "streams": list_streams(conn, devices),
        "count": observations.count(conn),
        "first receipt": observations.first_receipt(conn, "t"),
        "latest": observations.latest_of(conn, streams),
        "unnumbered": count_unknown(conn, "t"),
        "ledger": recount(conn),
        "unchecked": conn.execute(
            "SELECT datastream_id, unchecked_from FROM datastream_latest ORDER BY 1"
        ).fetchall(),
    }
    for number, (start, end) in enumerate(spans):
        found |= {f"{name} {number}": one for name, one in _between(conn, world, start, end).items()}
    conn.rollback()
    return found


def _between(conn: Connection, world: SmallTrial, start: datetime, end: datetime) -> dict[str, Any]:
    streams, devices = sorted(world.datastreams.values()), sorted(world.devices.values())
    several = observations.series(conn, streams, start, end)
    kept = series_kept(conn, streams, start, end, late_after=HOUR, alone_below=10**9)
    early = received_early(conn, streams, start, end)
    charted = [
        Charted(number, (10.0, None, None)[at % 3], (None, 360.0, None)[at % 3])
        for at, number in enumerate(streams)
    ]
    page = list_own_observations(conn, streams[0], start, end, after=start + (end - start) / 3, most=37)
    keys = [(number, to_datetime(t)) for number, one in several.items() for t in one.time_us.tolist()[::7]]
    late = [to_datetime(t) for one in several.values() for t in one.received_us.tolist()[::11]]
    return {
        "series": {n: [column.tolist() for column in _arrays(one)] for n, one in several.items()},
        "early": {number: [*some.items()] for number, some in sorted(early.items())},
        "kept": {n: ([c.tolist() for c in _arrays(one)], one.days_late) for n, one in kept.items()},
        "buckets": [
            list_buckets(conn, charted, start, end, width) for width in (HOUR, 7 * HOUR, DAY, 9 * DAY)
        ],
        "page": page,
        "export": list(export_observations(conn, streams, start, end)),
        "days": count_by_day(conn, devices, start, end),
        "later": [count_later(conn, find_device(conn, "t", code), start) for code in world.devices],
        "origins": list_origins(conn, [number for number, _ in keys], [at for _, at in keys]),
        "stored": sorted(map(astuple, stored_of(conn, streams, late, None))),
        "imported": sorted(map(astuple, stored_of(conn, streams, late, 1))),
    }


def _arrays(one: Any) -> list[Any]:
    return [getattr(one, name) for name in one.__slots__ if isinstance(getattr(one, name), np.ndarray)]


@dataclass
class Life:
    """The same acts on both."""

    twins: tuple[Connection, Connection]
    world: SmallTrial
    imports: list[int] = field(default_factory=list)

    def both(self, act: Any) -> Any:
        answers = []
        for conn in self.twins:
            try:
                answers.append(act(conn))
                conn.commit()
            except CorrectInput as error:
                conn.rollback()
                answers.append(str(error))
        assert answers[0] == answers[1]
        return answers[0]

    def merge(self, rows: list[Observation], import_id: int | None = None) -> None:
        def act(conn: Connection) -> tuple[int, list[int], list[int]]:
            merged = observations.merge(conn, rows, import_id)
            gone = {*merged.duplicate, *merged.conflicting}
            conn.execute(
                "INSERT INTO ledger (trial, device, hour, received, accepted, contained, stored, duplicate) "
                "SELECT 't', d.code, '2000-01-01Z', count(*), count(*), count(*), count(*), 0 "
                "FROM unnest(%s::int[]) AS k(datastream_id) JOIN datastream USING (datastream_id) "
                "JOIN device d USING (device_id) "
                "GROUP BY d.code ON CONFLICT (trial, device, hour, reject_id) DO UPDATE SET "
                "received = ledger.received + excluded.received, "
                "accepted = ledger.accepted + excluded.accepted, "
                "contained = ledger.contained + excluded.contained, stored = ledger.stored + excluded.stored",
                ([one.datastream_id for n, one in enumerate(rows) if n not in gone],),
            )
            if import_id is not None:
                new = [one for n, one in enumerate(rows) if n not in gone]
                add_parts(
                    conn, import_id, [one.datastream_id for one in new], [to_datetime(o.time_us) for o in new]
                )
            return merged.stored, sorted(merged.duplicate), sorted(merged.conflicting)

        self.both(act)

    def brought(self, rows: list[Observation]) -> None:
        """By an import."""
        origin = Origin("file.csv", "lab", "t", "00")
        number = self.both(lambda conn: begin_import(conn, origin, now=NOW))
        self.imports.append(number)
        self.merge(rows, number)

    def corrected(self, rows: list[Observation], *, numbered: bool) -> None:
        origin = Origin("better.csv", "lab", "t", "01")
        number = self.both(lambda conn: begin_import(conn, origin, now=NOW)) if numbered else None
        if number is not None:
            self.imports.append(number)
        correction = Correction("t", "lab", "wrong zero", "better.csv", f"{len(self.imports):02}", number)
        self.both(lambda conn: correct(conn, rows, correction=correction, now=NOW))

    def flagged(self, stream: int, seed: int, first: datetime, last: datetime) -> None:
        def act(conn: Connection) -> int:
            found = observations.series(conn, [stream], first, last)[stream]
            flags = np.random.default_rng(seed).choice([1, 1, 1, 3, 4], len(found.time_us)).astype(np.int8)
            save_flags(
                conn,
                datastream_id=stream,
                times_us=found.time_us,
                flags=flags,
                by_check={},
                checks=["c"],
                ran=["c"],
                parameters="",
                sha256="",
                now=NOW,
                received_before=NOW + 1000 * DAY,
            )
            return len(flags)

        self.both(act)


def result_of(seed: int, kind: int) -> float:
    rng = np.random.default_rng(seed)
    return [float(rng.normal()), round(float(rng.normal(20, 5)), 1), 1e300, 5.0][kind % 4]


def base(streams: list[int]) -> list[Observation]:
    """Forty days: two datastreams of half an hour, one of six hours, one of two results in three months."""
    rows = []
    for stream, step, kind in zip(streams, (1800, 1800, 21_600, 4_000_000), range(4), strict=True):
        for t in range(FROM_START, FROM_START + 40 * 86_400_000_000, step * 1_000_000):
            rows.append(Observation(stream, t, result_of(t % 97, kind), t + 1_000_000, 0))
    return rows


def some_rows(chance: random.Random, streams: list[int]) -> list[Observation]:
    """A stretch of a grid, and rows anywhere; of one or two datastreams; some of them twice."""
    rows = []
    for stream in chance.sample(streams, chance.choice([1, 1, 2])):
        first = FROM_START + chance.randrange(0, 60 * 96) * 900_000_000
        step = chance.choice([900, 1800, 3600, 21_600]) * 1_000_000
        times = [first + step * at for at in range(chance.choice([1, 3, 50, 300]))]
        times += [FROM_START + chance.randrange(0, 60 * 96) * 900_000_000 for _ in range(chance.randrange(6))]
        times += times[: chance.randrange(3)]
        kind, seed = chance.randrange(4), chance.randrange(3)
        late = chance.choice([1, 7200, 100_000]) * 1_000_000
        quality = chance.choice([0, 0, 4])
        rows += [Observation(stream, t, result_of(seed + t % 97, kind), t + late, quality) for t in times]
    chance.shuffle(rows)
    return rows


def instant(chance: random.Random, *, after: int = -1, before: int = 60) -> datetime:
    return START + chance.randrange(after * 96, before * 96) * HOUR / 4


def act_around(life: Life, chance: random.Random, act: str) -> None:
    """Acts that change no result."""
    if act == "seal":
        now = to_us(instant(chance, after=3, before=70)) / 1e6
        clock = Clock(start=now, real_start=time.time(), rate=1.0000001, fast_until=now)
        life.both(lambda conn: seal_settled(conn, clock, NIGHT, threading.Event()))
    elif act == "stamp":
        stamp = chance.choice(["begin", "end", "instant"])
        life.both(
            lambda conn: (
                conn.execute(
                    "UPDATE datastream SET stamp = %s WHERE expected_interval IS NOT NULL", (stamp,)
                ).rowcount
            )
        )
    elif act == "zone":
        zone = chance.choice(["Europe/Paris", "America/St_Johns", "UTC"])
        life.both(lambda conn: conn.execute("UPDATE trial SET time_zone = %s", (zone,)).rowcount)


def act_on(life: Life, chance: random.Random, act: str) -> int:
    """Returns how many results it packed."""
    streams, (first, _) = sorted(life.world.datastreams.values()), life.twins
    if act == "pack":
        before = instant(chance, after=20)
        return pack_all(first, before, most=chance.choice([1, 100, 10**9]))
    if act == "rows":
        life.merge(some_rows(chance, streams))
    elif act == "import":
        life.brought(some_rows(chance, streams))
    elif act == "correct":
        life.corrected(some_rows(chance, streams), numbered=chance.random() < 0.5)
    elif act == "flags":
        life.flagged(chance.choice(streams), chance.randrange(9), *sorted([instant(chance), instant(chance)]))
    elif act == "withdraw" and life.imports:
        number = chance.choice(life.imports)
        life.both(lambda conn: withdraw_import(conn, number, login="lab", reason="wrong", now=NOW))
    elif act == "erase":
        since, until = sorted([instant(chance), instant(chance)])
        scope = Scope(
            "t",
            chance.choice([None, "a", "b"]),
            None if chance.random() < 0.1 else since,
            None if chance.random() < 0.3 else until,
        )
        life.both(lambda conn: erase(conn, scope, login="lab", reason="asked", now=NOW).results_by_device)
    else:
        act_around(life, chance, act)
    return 0


ACTS = {
    "pack": 8,
    "rows": 5,
    "import": 3,
    "correct": 3,
    "flags": 3,
    "withdraw": 2,
    "erase": 2,
    "seal": 4,
    "stamp": 1,
    "zone": 1,
}


@pytest.mark.parametrize("seed", range(examples(quick=2, nightly=300)))
def test_nobody_can_tell_a_database_that_packs_from_one_that_does_not(
    twins: tuple[Connection, Connection, SmallTrial], seed: int
) -> None:
    first, second, world = twins
    life, chance = Life((first, second), world), random.Random(seed)
    slow = sorted(world.datastreams.values())[2:]
    life.both(
        lambda conn: (
            conn.execute(
                "UPDATE datastream SET expected_interval = NULL WHERE datastream_id = ANY(%s)", (slow,)
            ).rowcount
        )
    )
    life.merge(base(sorted(world.datastreams.values())))
    packed = 0
    for act in ["pack", "seal", *chance.choices(list(ACTS), list(ACTS.values()), k=25)]:
        packed += act_on(life, chance, act)
        assert raw(first) == raw(second), act
        assert seals_of(first) == seals_of(second), act
        if act in ("pack", "flags"):
            assert find_changed_days(first, most=10**9) == [], act
            first.rollback()
    since, until = sorted([instant(chance), instant(chance)])
    spans = [(START - DAY, START + 120 * DAY), (since, until + HOUR)]
    assert seen(first, world, spans) == seen(second, world, spans)
    assert find_wrong_days(first) == []
    assert [find_changed_days(conn, most=10**9) for conn in life.twins] == [[], []]
    assert packed > 1000
    assert (first.execute("SELECT count(*) FROM sealed_day").fetchone() or (0,))[0] > 40
    assert second.execute("SELECT count(*) FROM packed_day").fetchone() == (0,)
