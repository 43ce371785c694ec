"""The reads of pages, strips and evaluations, with the time that each may take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from proving.speed.fill import START, Size
from store.database import Connection
from store.observations import latest_of, series
from store.packed.spans import SLOW
from store.read.results import Charted, list_buckets
from store.read.streams import count_by_day
from trials.workflow.condition import count_stored_days

DAY: Final = timedelta(days=1)
YEAR: Final = 365
LATEST_MS, GRID_MS, STRIPS_MS, DAY_MS, YEAR_MS = 200.0, 300.0, 150.0, 20.0, 50.0
COUNTS_MS: Final = {1000: 300.0, 10_000: 1500.0}
"""By number of devices."""
OFTEN_A_SECOND, SLOWLY_A_SECOND = 2e6, 4e6
"""Results into NumPy: of datastreams that are packed by day, and by month."""
_IN_NUMPY: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class World:
    size: Size
    streams: list[int]
    devices: list[int]
    start: datetime = START

    @property
    def end(self) -> datetime:
        return self.start + self.size.days * DAY

    @property
    def is_slow(self) -> bool:
        """Whether its results are packed by month."""
        return self.size.interval * SLOW >= DAY


class Question(NamedTuple):
    """`ask`: reads in the run of this number; each has another datastream. `goal_ms`: at the 95th
    percentile.
    """

    name: str
    ask: Callable[[Connection, int], object]
    goal_ms: float


def list_questions(world: World) -> Iterator[Question]:
    """Those that the world is large enough for."""
    days = world.size.days
    yield _chart(world, "chart of a day, 1 device", 1, DAY_MS)
    year = min(days, YEAR)
    yield _chart(world, f"chart of {year} days in 1,000 buckets", year, YEAR_MS)
    yield _grid(world, min(days, 90))
    yield _strips(world, world.devices[:1000], min(days, 91))
    numbers = [number for number in COUNTS_MS if number == 1000 or len(world.devices) >= number]
    yield from (_counts(world, number) for number in numbers)
    yield from (_latest(world, number) for number in numbers)
    yield _numpy(world)


def _chart(world: World, name: str, days: int, goal_ms: float) -> Question:
    """A stretch of this many days, another in each run."""
    spare = world.size.days - days

    def ask(conn: Connection, run: int) -> object:
        stream = world.streams[run * 7919 % len(world.streams)]
        start = world.start + (run * 31 % spare if spare else 0) * DAY
        return list_buckets(conn, [Charted(stream, None, None)], start, start + days * DAY, days * DAY / 1000)

    return Question(name, ask, goal_ms)


def _grid(world: World, days: int) -> Question:
    def ask(conn: Connection, run: int) -> object:
        first = run * 7919 % len(world.streams)
        streams = [Charted(world.streams[(first + n) % len(world.streams)], None, None) for n in range(10)]
        return list_buckets(conn, streams, world.end - days * DAY, world.end, timedelta(hours=1))

    return Question(f"hours of 10 datastreams on one grid, {days} days", ask, GRID_MS)


def _strips(world: World, devices: list[int], days: int) -> Question:
    return Question(
        f"strips of {len(devices):,} devices, {days} days",
        lambda conn, run: count_by_day(conn, devices, world.end - days * DAY, world.end),
        STRIPS_MS,
    )


def _counts(world: World, number: int) -> Question:
    devices = world.devices[:number]
    return Question(
        f"the fleet page's counts of {len(devices):,}",
        lambda conn, run: count_stored_days(conn, devices, world.end + DAY / 2),
        COUNTS_MS[number],
    )


def _latest(world: World, number: int) -> Question:
    streams = world.streams[:number]
    return Question(f"latest of {len(streams):,}", lambda conn, run: latest_of(conn, streams), LATEST_MS)


def _numpy(world: World) -> Question:
    of_one = world.size.observations // world.size.devices
    streams = world.streams[: max(1, _IN_NUMPY // of_one)]
    results = len(streams) * of_one
    rate = SLOWLY_A_SECOND if world.is_slow else OFTEN_A_SECOND
    return Question(
        f"{results:,} results of {len(streams):,} into NumPy",
        lambda conn, run: series(conn, streams, world.start, world.end),
        results / rate * 1000,
    )
