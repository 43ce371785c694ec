"""A part hangs (SIGSTOP): TERM still ends `up` in time, other parts are still looked after, and verbs end."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable

from proving.faults import kills, processes
from proving.faults.installation import STOP_S, TRIAL, Failed
from proving.faults.processes import BROKER, DATABASE, INGESTOR, LOADER, PAGES, PARTS
from proving.faults.world import World

BACK_S = 15.0
"""A part that was killed must be there again within this time, although another one hangs."""
VERB_S = 60.0
"""A verb must end, well or with a message, within this time."""


def _stop(world: World, part: str) -> int:
    process = world.installation.parts().get(part)
    if process is None or not processes.send(process.pid, signal.SIGSTOP):
        raise Failed(f"{part} is not there")
    return process.pid


async def _wake(world: World, pid: int, began: float) -> str:
    processes.send(pid, signal.SIGCONT)
    seconds = await world.recovered(kills.RECOVER_S)
    world.unsettled.append((began, time.time()))
    return f"row {seconds:.1f} s after it went on"


async def _end(world: World, part: str, chance: random.Random) -> str:
    began, pid = time.time(), _stop(world, part)
    try:
        await asyncio.sleep(1.0)
        asked = time.monotonic()
        world.installation.strike(signal.SIGTERM)
        await kills.until_started_again(world)
        ended = time.monotonic() - asked
    finally:
        processes.send(pid, signal.SIGCONT)
    return f"ended {ended:.1f} s after TERM (at most {STOP_S:g}); {await _wake(world, pid, began)}"


async def _kill(world: World, part: str, chance: random.Random) -> str:
    other = chance.choice([name for name in (BROKER, DATABASE, INGESTOR, PAGES) if name != part])
    began, pid = time.time(), _stop(world, part)
    try:
        await asyncio.sleep(1.0)
        victim = world.installation.parts()[other].pid
        processes.send(victim, signal.SIGKILL)
        killed = time.monotonic()
        while (there := world.installation.parts().get(other)) is None or there.pid == victim:
            if time.monotonic() - killed > BACK_S:
                raise Failed(f"{part} hangs, {other} was killed and is not there again after {BACK_S:g} s")
            await asyncio.sleep(0.1)
        back = time.monotonic() - killed
    finally:
        processes.send(pid, signal.SIGCONT)
    return f"{other} was back after {back:.1f} s; {await _wake(world, pid, began)}"


async def _enrol(world: World, part: str, chance: random.Random) -> str:
    began, pid = time.time(), _stop(world, part)
    try:
        output = await world.installation.verb(
            "enrol", TRIAL, "spare-3", "--site", "station-a", within=VERB_S
        )
    finally:
        processes.send(pid, signal.SIGCONT)
    if "Traceback" in output.text or "defect" in output.text:
        raise Failed(f"enrol said: {output.text.strip()[-200:]}")
    return f"enrol ended with {output.code}; {await _wake(world, pid, began)}"


Scenario = Callable[[World, random.Random], Awaitable[str]]


def _scenario(act: Callable[[World, str, random.Random], Awaitable[str]], part: str, what: str) -> Scenario:
    async def scenario(world: World, chance: random.Random) -> str:
        return await act(world, part, chance)

    scenario.__doc__ = f"SIGSTOP of {part}, then {what}."
    return scenario


ACTS = {
    "term": (_end, "TERM of `up`"),
    "kill": (_kill, "SIGKILL of another part"),
    "enrol": (_enrol, "an enrolment"),
}
SCENARIOS: dict[str, Scenario] = {
    f"hung-{part}-{name}": _scenario(act, part, what)
    for part in (*PARTS, LOADER)
    for name, (act, what) in ACTS.items()
}
