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


def _names(data_dir: Path) -> list[str]:
    """Files and folders in the data directory and one level below."""
    names: list[str] = []
    for folder in (data_dir, *(entry for entry in _entries(data_dir) if not entry.name.startswith("pg-bin"))):
        names += [str(entry.relative_to(data_dir)) for entry in _entries(folder)]
    return names


def _entries(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder)]
    except (FileNotFoundError, NotADirectoryError):
        return []


async def _watch_start(installation: Installation, until: str | None) -> list[str]:
    """Watches a first start until a file of that name is there, or it is ready. Returns the names in the
    order they came.
    """
    seen: dict[str, None] = {}
    await installation.start()
    began = asked = time.monotonic()
    while time.monotonic() - began < START_S:
        seen.update(dict.fromkeys(_names(installation.data_dir)))
        if until is not None and until in seen:
            return list(seen)
        if time.monotonic() - asked > 0.5:
            asked = time.monotonic()
            if await installation.ready():
                return list(seen)
        await asyncio.sleep(0.001)
    raise Failed(f"first start: not ready within {START_S:g} s: {installation.last_words()}")


async def _interrupted(top: Path, until: str, late: float, everything: bool) -> str | None:
    """One first start, killed, started again until it is ready. The reason of a failure, or None.

    `everything`: all processes die, as when the power goes; else the supervisor alone.
    """
    installation, who = Installation(top), "everything" if everything else "the supervisor"
    try:
        await _watch_start(installation, until)
        await asyncio.sleep(late)
        installation.strike(signal.SIGKILL)
        for process in processes.belonging(installation.data_dir) if everything else ():
            processes.send(process.pid, signal.SIGKILL)
        await installation.ended(within=10)
        began = time.monotonic()
        while processes.belonging(installation.data_dir):
            if time.monotonic() - began > END_S:
                return f"{who} killed at {until}: its servers have not ended within {END_S:g} s"
            await asyncio.sleep(0.05)
        await installation.start()
        await installation.until_ready()
    except Failed as problem:
        return f"{who} killed at {until}: {problem}"
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
    for index, until in enumerate(chosen):
        late = chance.choice((0.0, 0.0, chance.uniform(0, 0.05)))
        problem = await _interrupted(top / f"start-{index}", until, late, everything=index % 3 != 2)
        if problem is not None:
            problems.append(problem)
    if problems:
        raise Failed(f"{len(problems)} of {moments} first starts are bricked: " + "; ".join(problems[:3]))
    return f"{moments} of {moments} up afterwards, nothing by hand"


async def first_start_killed(top: Path, chance: random.Random) -> str:
    """SIGKILL of a first start at 50 moments, evenly over its new files."""
    return await _first_starts(top, chance, 50)


async def first_start_killed_quick(top: Path, chance: random.Random) -> str:
    """SIGKILL of a first start at 4 moments, evenly over its new files."""
    return await _first_starts(top, chance, 4)


async def port_before_users(top: Path, chance: random.Random) -> str:
    """From its first packet on, the port of the devices lets a true credential in: many firmwares take one
    refusal as final.
    """
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
                    raise Failed(
                        f"after a restart no device is let in for 20 s, {refusals} refusals "
                        f"({world.probe.reason})"
                    )
                await asyncio.sleep(0.02)
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
    finally:
        await installation.remove()
    return f"refused: {output.text.strip()[:100]}"
