"""A first start that is interrupted goes on, or begins again, by itself; so does a migration."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path

from proving.faults import processes
from proving.faults.installation import START_S, Failed, Installation
from proving.faults.world import open_world

END_S = 30.0
"""The servers must have ended this long after their supervisor was killed."""


def _files(folder: Path) -> int:
    """Files and folders below the data directory; those that vanish while it looks do not matter."""
    return sum(len(folders) + len(names) for _, folders, names in os.walk(folder))


async def _watch_start(installation: Installation, stop_at: int | None) -> list[int]:
    """Counts new files during a first start until `stop_at` of them are there, or it is ready. Returns the counts that it saw."""
    counts: list[int] = []
    await installation.start()
    began = time.monotonic()
    while time.monotonic() - began < START_S:
        count = _files(installation.data_dir)
        if not counts or count > counts[-1]:
            counts.append(count)
        if stop_at is not None and count >= stop_at:
            return counts
        if await installation.ready():
            return counts
        await asyncio.sleep(0.002)
    raise Failed(f"first start: not ready within {START_S:g} s: {installation.last_words()}")


async def _interrupted(top: Path, stop_at: int, late: float) -> str | None:
    """One first start, killed, started again with a device's row at its end. The reason of a failure, or None."""
    installation = Installation(top)
    try:
        await _watch_start(installation, stop_at)
        await asyncio.sleep(late)
        installation.strike(signal.SIGKILL)
        await installation.ended(within=10)
        began = time.monotonic()
        while processes.belonging(installation.data_dir):
            if time.monotonic() - began > END_S:
                return f"killed at file {stop_at}: its servers have not ended within {END_S:g} s"
            await asyncio.sleep(0.05)
        await installation.start()
        await installation.until_ready()
    except Failed as problem:
        return f"killed at file {stop_at}: {problem}"
    finally:
        await installation.remove()
    return None


async def _first_starts(top: Path, chance: random.Random, moments: int) -> str:
    whole = Installation(top / "whole")
    try:
        seen = await _watch_start(whole, None)
    finally:
        await whole.remove()
    chosen = [seen[round(index * (len(seen) - 1) / max(1, moments - 1))] for index in range(moments)]
    problems = []
    for index, stop_at in enumerate(chosen):
        problem = await _interrupted(top / f"start-{index}", stop_at, chance.choice((0.0, 0.0, chance.uniform(0, 0.05))))
        if problem is not None:
            problems.append(problem)
    if problems:
        raise Failed(f"{len(problems)} of {moments} first starts are bricked: " + "; ".join(problems[:3]))
    return f"{moments} of {moments} up afterwards, nothing by hand"


async def first_start_killed(top: Path, chance: random.Random) -> str:
    """SIGKILL of a first start at 50 moments, evenly over its new files."""
    return await _first_starts(top, chance, 50)


async def first_start_killed_quick(top: Path, chance: random.Random) -> str:
    """SIGKILL of a first start at 6 moments, evenly over its new files."""
    return await _first_starts(top, chance, 6)


async def port_before_users(top: Path, chance: random.Random) -> str:
    """From its first packet on, the port of the devices lets a true credential in: many firmwares take one refusal as final."""
    installation = Installation(top)
    refusals = 0
    try:
        world = await open_world(installation)
        for _ in range(4):
            starts = len(installation.starts)
            installation.strike(signal.SIGTERM)
            while len(installation.starts) == starts:
                await asyncio.sleep(0.02)
            began = time.monotonic()
            while await world.probe.once() is None:
                refusals += "code 5" in world.probe.reason
                if time.monotonic() - began > 20:
                    raise Failed(f"after a restart no device is let in for 20 s, {refusals} refusals ({world.probe.reason})")
                await asyncio.sleep(0.02)
        await world.close()
    finally:
        await installation.remove()
    if refusals:
        raise Failed(f"{refusals} true devices were refused while it started")
    return "4 restarts, nobody refused"


async def second_up(top: Path, chance: random.Random) -> str:
    """A second `up` on the same data directory ends at once and harms nothing."""
    installation = Installation(top)
    try:
        world = await open_world(installation)
        output = await installation.verb("up", within=20)
        if not output.code:
            raise Failed("a second `up` ended with 0")
        await world.recovered(10)
        await world.close()
    finally:
        await installation.remove()
    return f"refused: {output.text.strip()[:100]}"
