"""How fast results are read, and how many bytes they take: among the observations, then packed, on a
PostgreSQL of its own.

Devices measure on a grid: a random walk with one decimal, received after a delay of about 0.12 s whose last
microsecond is chance.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np

from insitu.errors import CorrectInput
from insitu.model import Observation
from insitu.times import to_datetime, to_us
from proving.machine import machine, say
from proving.speed.evaluations import own_database
from proving.speed.fill import START, Size, add_bench_device, add_lab
from store.catalogue.datastreams import list_datastreams
from store.catalogue.trials import add_trial, get_trial, list_trials
from store.database import Connection, connect, migrate
from store.observations import copy_straight, latest_of, merge, series
from store.packed.checking import measure_bytes, settle
from store.packed.codec import Columns
from store.packed.days import NewDay, save_days
from store.packed.packing import mark_packed, may_pack, pack, packable
from store.packed.spans import spans_to_pack
from store.read.results import Charted, list_buckets
from store.read.streams import count_by_day
from trials.workflow.condition import count_stored_days

TRIAL: Final = "bench"
STEP: Final = 200_000
"""Results in a transaction of the packer, which is alone here."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class World:
    size: Size
    streams: list[int]
    devices: list[int]
    start: datetime = START

    @property
    def end(self) -> datetime:
        return self.start + self.size.days * _DAY


class Measured(NamedTuple):
    """Of one size: seconds of each run, by name. `hot` is empty if only packed days were filled."""

    results: int
    hot: dict[str, list[float]]
    packed: dict[str, list[float]]


def measure(sizes: list[Size], *, runs: int, only_packed: bool, database_url: str | None) -> None:
    """Fills, measures, packs, measures again, and prints a table for each size; then how the times grow.

    `only_packed`: fills packed days at once. `database_url`: of an empty database, for one size; None: a
    server of its own for each. CorrectInput if the database is not empty.
    """
    say(machine())
    say(f"Load average when it began: {os.getloadavg()[0]:.1f}\n")
    found = []
    for size in sizes:
        with (
            _database(database_url) as url,
            connect(url, application="insitu bench") as conn,
        ):
            found.append(_measure(conn, size, runs, only_packed))
    if len(found) > 1:
        _print_growth(found)


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url is None:
        with own_database() as own:
            yield own
        return
    with connect(url, application="insitu bench") as conn:
        migrate(conn)
        if list_trials(conn):
            raise CorrectInput("The database is not empty. The bench fills one, and empties none.")
    yield url


def _measure(conn: Connection, size: Size, runs: int, only_packed: bool) -> Measured:
    begin = time.perf_counter()
    world = register(conn, size)
    if only_packed:
        fill_packed(conn, world)
    else:
        fill(conn, world)
    settle(conn)
    n = size.observations
    every = f"{size.interval.total_seconds() / 60:g} min"
    say(
        f"\n{n:,} results: {size.devices} devices, {size.days} days, every {every}; loaded in "
        f"{time.perf_counter() - begin:.0f} s\n"
    )
    hot: dict[str, list[float]] = {}
    bytes_hot, moved, packing = "–", n, ""
    if not only_packed:
        hot = {name: times(read, runs) for name, read in reads(conn, world)}
        bytes_hot = f"{measure_bytes(conn)[0] / n:.1f}"
        moved, took, cpu = pack_everything(conn, world)
        packing = (
            f"Packed {moved:,} results in {took:.0f} s: {moved / took:,.0f}/s, {moved / cpu:,.0f}/s of a "
            f"core beside the database. {n - moved:,} stay among the observations."
        )
        settle(conn)
    of_packed = f"{measure_bytes(conn)[1] / max(moved, 1):.2f}"
    say("| | observations, median | p95 | packed, median | p95 |\n|---|---|---|---|---|")
    packed: dict[str, list[float]] = {}
    for name, read in reads(conn, world):
        packed[name] = times(read, runs)
        cells = [_ms(some, share) for some in (hot.get(name, []), packed[name]) for share in (50, 95)]
        say(f"| {name} | {' | '.join(cells)} |")
    say(f"| bytes a result, with indexes | {bytes_hot} | | {of_packed} | |\n")
    say(packing)
    return Measured(n, hot, packed)


def _print_growth(found: Sequence[Measured]) -> None:
    """Medians of each read by size; reads of one day or of a number of results have the same name in all."""
    say(f"\n| packed, median | {' | '.join(f'{one.results:,}' for one in found)} |")
    say(f"|---|{'---|' * len(found)}")
    for place, name in enumerate(found[0].packed):
        rows = [list(one.packed.values())[place] for one in found]
        say(f"| {re.sub(r'[0-9]+ days', 'all days', name)} | {' | '.join(_ms(some, 50) for some in rows)} |")


def register(conn: Connection, size: Size, start: datetime = START) -> World:
    """Commits."""
    add_lab(conn)
    add_trial(conn, code=TRIAL, title={"en": "Bench"}, host="host", company="company", now=START)
    for number in range(size.devices):
        add_bench_device(conn, TRIAL, f"d{number:05}", "candidate", size)
    found = list_datastreams(conn, TRIAL)
    conn.commit()
    return World(size, [one.datastream_id for one in found], [one.device_id for one in found], start)


def fill(conn: Connection, world: World) -> None:
    """Among the observations, in the order of time."""
    size = world.size
    chance, last = np.random.default_rng(1), np.full(size.devices, 20.0)
    step_us = round(size.interval.total_seconds() * 1e6)
    per_day = 86_400_000_000 // step_us
    for day in range(size.days):
        times = to_us(world.start) + (day * per_day + np.arange(per_day, dtype=np.int64)) * step_us
        walk = last + np.cumsum(chance.normal(0, 0.3, (per_day, size.devices)), axis=0)
        last = walk[-1]
        delay = chance.lognormal(np.log(120_000), 0.5, walk.size).astype(np.int64)
        at = np.repeat(times, size.devices)
        flags = np.ones(walk.size, np.int8)
        streams = np.tile(world.streams, per_day)
        copy_straight(conn, streams, at, np.round(walk.ravel(), 1), at + delay, flags=flags)
    now = to_us(world.end)
    merge(conn, [Observation(number, now, 20.0, now, 0) for number in world.streams])
    conn.commit()


def fill_packed(conn: Connection, world: World) -> None:
    """The same in packed days, and the newest 50 among the observations: as it is after some days."""
    size, chance = world.size, np.random.default_rng(1)
    step_us = round(size.interval.total_seconds() * 1e6)
    last_us = to_us(world.end)
    zone = get_trial(conn, TRIAL).time_zone
    for start, end in spans_to_pack(to_us(world.start), last_us, [], is_slow=False, zone=zone, shift_us=0):
        at = np.arange(start, end, step_us)
        ones = np.ones(len(at), np.int8)
        nothing = np.full(len(at), -1, np.int32)
        days = []
        for number in world.streams:
            results = np.round(20 + np.cumsum(chance.normal(0, 0.3, len(at))), 1)
            delay = chance.lognormal(np.log(120_000), 0.5, len(at)).astype(np.int64)
            columns = Columns(at, results, at + delay, ones, ones - ones, nothing)
            days.append(NewDay(number, to_datetime(start), to_datetime(end), columns))
        save_days(conn, days)
        conn.commit()
    for place in range(51):
        now = last_us + place * step_us
        merge(conn, [Observation(number, now, 20.0, now, 0) for number in world.streams])
        conn.commit()
    mark_packed(conn, dict.fromkeys(world.streams, world.end))
    conn.commit()


def reads(conn: Connection, world: World) -> Iterator[tuple[str, Callable[[int], object]]]:
    """(name, what is read in the run of this number)."""
    whole = world.size.days * _DAY
    many, ninety = world.streams[:1000], world.devices[:1000]

    def chart(run: int, start: Any, width: timedelta) -> object:
        stream = world.streams[run * 7919 % len(world.streams)]
        return list_buckets(conn, [Charted(stream, None, None)], start, start + width * 1000, width)

    yield (
        "chart of a day, 1 device",
        lambda run: chart(run, START + run * 31 % (world.size.days - 1) * _DAY, _DAY / 1000),
    )
    yield f"chart of {world.size.days} days in 1,000 buckets", lambda run: chart(run, START, whole / 1000)
    start = max(START, world.end - 91 * _DAY)
    days = (world.end - start).days
    yield (
        f"strips of {len(ninety)} devices, {days} days",
        lambda run: count_by_day(conn, ninety, start, world.end),
    )
    yield (
        f"the fleet page's counts of {len(ninety)}",
        lambda run: count_stored_days(conn, ninety, world.end + _DAY / 2),
    )
    yield f"latest of {len(many)}", lambda run: latest_of(conn, many)
    some = world.streams[
        : max(1, min(len(world.streams), 2_000_000 * world.size.devices // world.size.observations))
    ]
    results = len(some) * world.size.observations // world.size.devices
    yield (
        f"{results:,} results of {len(some)} into NumPy",
        lambda run: series(conn, some, START, world.end),
    )


def pack_everything(conn: Connection, world: World) -> tuple[int, float, float]:
    """(results that moved, seconds, seconds of this process's core)."""
    begin, cpu, moved = time.perf_counter(), time.process_time(), 0
    while may_pack(conn, TRIAL) and (todo := packable(conn, TRIAL, world.end)):
        before = moved
        while todo:
            step = pack(conn, todo, most=STEP)
            conn.commit()
            moved += step.moved
            todo = [one for one in todo if one.datastream_id not in step.seen]
        if moved == before:
            break
    conn.rollback()
    return moved, time.perf_counter() - begin, time.process_time() - cpu


def times(read: Callable[[int], object], runs: int) -> list[float]:
    """Seconds of each run; one before them is not counted."""
    found = []
    for run in range(runs + 1):
        begin = time.perf_counter()
        read(run)
        found.append(time.perf_counter() - begin)
    return found[1:]


def _ms(seconds: Sequence[float], share: int) -> str:
    return f"{np.percentile(seconds, share) * 1000:.3g} ms" if seconds else "–"
