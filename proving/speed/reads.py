"""How fast results are read, and how many bytes they take: among the observations, then packed, on a
PostgreSQL of its own.

Devices measure on a grid: a random walk with one decimal, received after a delay of about 0.12 s whose last
microsecond is chance.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np

from insitu.model import Observation
from insitu.times import to_us
from proving.speed.evaluations import own_database
from proving.speed.fill import START, Size, add_bench_device, add_lab
from store.catalogue.datastreams import list_datastreams
from store.catalogue.trials import add_trial
from store.database import Connection, connect
from store.observations import copy_straight, latest_of, merge, series
from store.packed.checking import measure_bytes, settle
from store.packed.packing import may_pack, pack, packable
from store.read.results import Charted, list_buckets
from store.read.streams import count_by_day

TRIAL: Final = "bench"
STEP: Final = 200_000
"""Results in a transaction of the packer, which is alone here."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class World:
    size: Size
    streams: list[int]
    devices: list[int]

    @property
    def end(self) -> Any:
        return START + self.size.days * _DAY


def measure(sizes: list[Size], *, runs: int) -> None:
    """Fills, measures, packs, measures again, and prints a table for each size."""
    _say(
        f"{os.cpu_count()} cores, Python {platform.python_version()}; load average when it began: "
        f"{os.getloadavg()[0]:.1f}\n"
    )
    for size in sizes:
        with own_database() as url, connect(url, application="insitu bench") as conn:
            _measure(conn, size, runs)


def _measure(conn: Connection, size: Size, runs: int) -> None:
    begin = time.perf_counter()
    world = fill(conn, size)
    settle(conn)
    n = size.observations
    every = f"{size.interval.total_seconds() / 60:g} min"
    _say(
        f"\n{n:,} results: {size.devices} devices, {size.days} days, every {every}; loaded in "
        f"{time.perf_counter() - begin:.0f} s\n"
    )
    hot = {name: times(read, runs) for name, read in reads(conn, world)}
    bytes_hot = measure_bytes(conn)[0] / n
    moved, took, cpu = pack_everything(conn, world)
    settle(conn)
    packed = measure_bytes(conn)[1]
    _say("| | observations, median | p95 | packed, median | p95 |\n|---|---|---|---|---|")
    for name, read in reads(conn, world):
        after = times(read, runs)
        _say(
            f"| {name} | {_ms(hot[name], 50)} | {_ms(hot[name], 95)} | {_ms(after, 50)} | {_ms(after, 95)} |"
        )
    _say(f"| bytes a result, with indexes | {bytes_hot:.1f} | | {packed / max(moved, 1):.2f} | |\n")
    _say(
        f"Packed {moved:,} results in {took:.0f} s: {moved / took:,.0f}/s, {moved / cpu:,.0f}/s of a core "
        f"beside the database. {n - moved:,} stay among the observations."
    )


def fill(conn: Connection, size: Size) -> World:
    add_lab(conn)
    add_trial(conn, code=TRIAL, title={"en": "Bench"}, host="host", company="company", now=START)
    for number in range(size.devices):
        add_bench_device(conn, TRIAL, f"d{number:05}", "candidate", size)
    found = list_datastreams(conn, TRIAL)
    world = World(size, [one.datastream_id for one in found], [one.device_id for one in found])
    chance, last = np.random.default_rng(1), np.full(size.devices, 20.0)
    step_us = round(size.interval.total_seconds() * 1e6)
    per_day = 86_400_000_000 // step_us
    for day in range(size.days):
        times = to_us(START) + (day * per_day + np.arange(per_day, dtype=np.int64)) * step_us
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
    return world


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


def _ms(seconds: list[float], share: int) -> str:
    return f"{np.percentile(seconds, share) * 1000:.3g} ms"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the table is the product
