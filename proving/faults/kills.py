"""The seeded killer. One event is one or two signals to parts or supervisor, at any moment, even while they
start.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proving.faults import processes
from proving.faults.installation import RESTART_S, STOP_S, Failed
from proving.faults.processes import BROKER, DATABASE, INGESTOR, JOBS, LOADER, PAGES, PARTS
from proving.faults.world import World, pids

RECOVER_S = 20.0
"""After any kill a fresh device's row must be there within this time; systemd's two seconds are extra."""


@dataclass(frozen=True)
class Event:
    """`kills`: SIGKILLs that struck. `seconds`: from the signal, or from systemd's restart, to a fresh
    device's row. `at`: since 1970.
    """

    name: str
    kills: int
    seconds: float
    at: float


Strike = Callable[[World, random.Random], Awaitable[int]]
"""Strikes and returns how many SIGKILLs struck."""


def kill_part(part: str) -> Strike:
    async def strike(world: World, chance: random.Random) -> int:
        process = world.installation.parts().get(part)
        return int(process is not None and processes.send(process.pid, signal.SIGKILL))

    return strike


async def kill_two(world: World, chance: random.Random) -> int:
    """Two parts within the same tenth of a second."""
    first, second = chance.sample(PARTS, 2)
    struck = await kill_part(first)(world, chance)
    await asyncio.sleep(chance.choice((0.0, chance.uniform(0, 0.1))))
    return struck + await kill_part(second)(world, chance)


async def kill_again(world: World, chance: random.Random) -> int:
    """A part; then, while it starts again, the same part or another."""
    struck = await kill_part(chance.choice((BROKER, DATABASE, INGESTOR)))(world, chance)
    await asyncio.sleep(chance.uniform(0.2, 1.5))
    return struck + await kill_part(chance.choice((BROKER, DATABASE, INGESTOR)))(world, chance)


async def kill_supervisor(world: World, chance: random.Random) -> int:
    struck = int(world.installation.strike(signal.SIGKILL))
    await until_started_again(world)
    return struck


async def until_started_again(world: World) -> None:
    """Waits until `keep` starts `up` again."""
    before, began = len(world.installation.starts), time.monotonic()
    while len(world.installation.starts) == before:
        if time.monotonic() - began > STOP_S + RESTART_S:
            raise Failed(f"`up` has not ended within {STOP_S:g} s")
        await asyncio.sleep(0.02)


async def kill_supervisor_while_it_starts(world: World, chance: random.Random) -> int:
    struck = await kill_supervisor(world, chance)
    await asyncio.sleep(chance.uniform(0.1, 2.5))
    return struck + await kill_supervisor(world, chance)


async def kill_part_while_up_starts(world: World, chance: random.Random) -> int:
    """Kills a part as soon as it is there: `up` may still be starting the others."""
    struck = await kill_supervisor(world, chance)
    part, until = chance.choice(PARTS), time.monotonic() + 8
    while part not in (there := world.installation.parts()) and time.monotonic() < until:
        await asyncio.sleep(0.02)
    await asyncio.sleep(chance.choice((0.0, chance.uniform(0, 0.5))))
    return struck + int(part in there and processes.send(there[part].pid, signal.SIGKILL))


async def end_politely(world: World, chance: random.Random) -> int:
    world.installation.strike(signal.SIGTERM)
    await until_started_again(world)
    return 0


async def hang_part(world: World, chance: random.Random) -> int:
    """SIGSTOP of one part for up to three seconds."""
    process = world.installation.parts().get(chance.choice(PARTS))
    if process is not None and processes.send(process.pid, signal.SIGSTOP):
        await asyncio.sleep(chance.uniform(0.5, 3.0))
        processes.send(process.pid, signal.SIGCONT)
    return 0


HANGS = "a part hangs"
STRIKES: dict[str, tuple[int, Strike]] = {
    "ingestor": (19, kill_part(INGESTOR)),
    "loader": (2, kill_part(LOADER)),
    "broker": (19, kill_part(BROKER)),
    "database": (14, kill_part(DATABASE)),
    "pages": (6, kill_part(PAGES)),
    "jobs": (5, kill_part(JOBS)),
    "two at once": (12, kill_two),
    "one, and another while it starts": (8, kill_again),
    "supervisor": (6, kill_supervisor),
    "supervisor while it starts": (3, kill_supervisor_while_it_starts),
    "part while the supervisor starts": (4, kill_part_while_up_starts),
    "TERM of the supervisor": (1, end_politely),
    HANGS: (1, hang_part),
}
"""By name: weight of 100, and the function."""


def choose(chance: random.Random) -> str:
    names = list(STRIKES)
    return chance.choices(names, [STRIKES[name][0] for name in names])[0]


async def strike(world: World, name: str, chance: random.Random) -> Event:
    """Runs one event, then waits for a fresh device's row within `RECOVER_S` and for all parts. Raises
    `Failed`.
    """
    before, starts = time.time(), len(world.installation.starts)
    there = pids(world)
    kills = await STRIKES[name][1](world, chance)
    began = world.installation.starts[-1] if len(world.installation.starts) > starts else before
    try:
        await world.probe.until(RECOVER_S)
        rowed = time.time()
        await world.until_whole()
    except Failed as problem:
        raise Failed(f"after {name}: {problem}") from problem
    now = time.time()
    # A broker repeats messages after a restart, and while acknowledgements wait for the database.
    if name == HANGS or any(pids(world).get(part) != there.get(part) for part in (BROKER, DATABASE)):
        world.unsettled.append((before, now))
    return Event(name, kills, rowed - began, before)
