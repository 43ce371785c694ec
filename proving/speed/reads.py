"""How fast results are read, and how many bytes they take: among the observations, then packed, on a
PostgreSQL of its own.

Devices measure on a grid: a random walk with one decimal, received after a delay of about 0.12 s whose last
microsecond is chance.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from insitu.embedded.postgres import Postgres
from insitu.errors import CorrectInput, Disagrees
from insitu.model import Observation
from insitu.times import to_datetime, to_us
from proving.machine import machine, say
from proving.speed.cold import cool
from proving.speed.evaluations import own_server
from proving.speed.fill import START, Size, add_bench_device, add_lab
from proving.speed.packing import pack_everything
from proving.speed.questions import Question, World, list_questions
from store.catalogue.datastreams import list_datastreams
from store.catalogue.trials import add_trial, get_trial, list_trials
from store.database import Connection, connect, migrate
from store.observations import copy_straight, merge
from store.packed.checking import measure_bytes, settle
from store.packed.codec import Columns
from store.packed.days import NewDay, save_days
from store.packed.packing import mark_packed
from store.packed.spans import spans_to_pack

TRIAL: Final = "bench"


class Measured(NamedTuple):
    """Of one size: seconds of each run, by name. `hot` is empty if only packed days were filled; `cold` on a
    server that is not the bench's.
    """

    results: int
    hot: dict[str, list[float]]
    packed: dict[str, list[float]]
    cold: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class _Server:
    """`own`: its server and folder, if the bench may start it again."""

    url: str
    own: tuple[Postgres, Path] | None


def measure(sizes: list[Size], *, runs: int, cold: int, only_packed: bool, database_url: str | None) -> None:
    """Fills, measures, packs, measures again, and prints a table for each size; then how the times grow.
    Raises Disagrees if a packed read misses its goal.

    `cold`: runs with nothing in memory. `only_packed`: fills packed days at once. `database_url`: of an empty
    database, for one size; None: a server of its own for each. CorrectInput if the database is not empty.
    """
    say(machine())
    say(f"Load average when it began: {os.getloadavg()[0]:.1f}\n")
    found: list[Measured] = []
    missed: list[str] = []
    for size in sizes:
        with _server(database_url) as server:
            world = _fill(server, size, only_packed)
            questions = list(list_questions(world))
            found.append(_measure(server, world, questions, runs, cold, only_packed))
            missed += _missed(found[-1], questions)
    if len(found) > 1:
        _print_growth(found)
    if missed:
        raise Disagrees("Goals that are missed: " + "; ".join(missed) + ".")


@contextmanager
def _server(url: str | None) -> Iterator[_Server]:
    if url is None:
        with own_server() as own:
            yield _Server(own[0].url, own)
        return
    with connect(url, application="insitu bench") as conn:
        migrate(conn)
        if list_trials(conn):
            raise CorrectInput("The database is not empty. The bench fills one, and empties none.")
    yield _Server(url, None)


def _fill(server: _Server, size: Size, only_packed: bool) -> World:
    begin = time.perf_counter()
    with connect(server.url, application="insitu bench") as conn:
        world = register(conn, size)
        (fill_packed if only_packed else fill)(conn, world)
        settle(conn)
    every = f"{size.interval.total_seconds() / 60:g} min"
    say(
        f"\n{size.observations:,} results: {size.devices} devices, {size.days} days, every {every}; loaded "
        f"in {time.perf_counter() - begin:.0f} s\n"
    )
    return world


def _measure(
    server: _Server, world: World, questions: Sequence[Question], runs: int, cold: int, only_packed: bool
) -> Measured:
    n = world.size.observations
    hot: dict[str, list[float]] = {}
    bytes_hot, moved, packing = "–", n, ""
    with connect(server.url, application="insitu bench") as conn:
        if not only_packed:
            hot = {one.name: times(conn, one, runs) for one in questions}
            bytes_hot = f"{measure_bytes(conn)[0] / n:.1f}"
            moved, took, cpu = pack_everything(conn, TRIAL, world.end)
            packing = (
                f"Packed {moved:,} results in {took:.0f} s: {moved / took:,.0f}/s, {moved / cpu:,.0f}/s of a "
                f"core beside the database. {n - moved:,} stay among the observations."
            )
            settle(conn)
        of_packed = f"{measure_bytes(conn)[1] / max(moved, 1):.2f}"
        packed = {one.name: times(conn, one, runs) for one in questions}
    chilled = {one.name: list(_cold_times(server, one, cold)) for one in questions}
    say("| | observations, median | p95 | packed, median | p95 | of | cold, slowest |")
    say("|---|---|---|---|---|---|---|")
    for one in questions:
        cells = [_ms(some, share) for some in (hot.get(one.name, []), packed[one.name]) for share in (50, 95)]
        cells += [f"{one.goal_ms:.4g} ms", _ms(chilled[one.name], 100)]
        say(f"| {one.name} | {' | '.join(cells)} |")
    say(f"| bytes a result, with indexes | {bytes_hot} | | {of_packed} | | | |\n")
    say(packing)
    return Measured(n, hot, packed, chilled)


def _cold_times(server: _Server, question: Question, runs: int) -> Iterator[float]:
    """Seconds of each run, the first of its connection to a server that has just started."""
    for run in range(runs if server.own else 0):
        assert server.own is not None
        cool(*server.own)
        with connect(server.url, application="insitu bench") as conn:
            begin = time.perf_counter()
            question.ask(conn, run)
            yield time.perf_counter() - begin


def _missed(found: Measured, questions: Sequence[Question]) -> Iterator[str]:
    for one in questions:
        p95 = float(np.percentile(found.packed[one.name], 95)) * 1000
        if p95 >= one.goal_ms:
            yield f"{one.name} takes {p95:.0f} ms (p95), of {one.goal_ms:.0f}"


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
    start_us, is_slow = to_us(world.start), world.is_slow
    spans = spans_to_pack(start_us, last_us, [], is_slow=is_slow, zone=zone, shift_us=0)
    for start, end in spans:
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
    _fill_rest(conn, world, spans[-1][1] if spans else start_us, chance)
    for place in range(51):
        now = last_us + place * step_us
        merge(conn, [Observation(number, now, 20.0, now, 0) for number in world.streams])
        conn.commit()
    mark_packed(conn, dict.fromkeys(world.streams, world.end))
    conn.commit()


def _fill_rest(conn: Connection, world: World, start_us: int, chance: np.random.Generator) -> None:
    """Among the observations, what no whole day or month holds."""
    step_us = round(world.size.interval.total_seconds() * 1e6)
    times = np.arange(start_us, to_us(world.end), step_us)
    at = np.repeat(times, len(world.streams))
    results = np.round(20 + chance.normal(0, 0.3, len(at)), 1)
    streams = np.tile(world.streams, len(times))
    copy_straight(conn, streams, at, results, at + 120_000, flags=np.ones(len(at), np.int8))
    conn.commit()


def times(conn: Connection, question: Question, runs: int) -> list[float]:
    """Seconds of each run; one before them is not counted."""
    found = []
    for run in range(runs + 1):
        begin = time.perf_counter()
        question.ask(conn, run)
        found.append(time.perf_counter() - begin)
    return found[1:]


def _ms(seconds: Sequence[float], share: int) -> str:
    return f"{np.percentile(seconds, share) * 1000:.3g} ms" if seconds else "–"
