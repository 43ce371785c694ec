"""One device sends far too much: it costs its own messages, not those of others, and not the disk."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import random
import time
from pathlib import Path

from proving.faults import mqtt
from proving.faults.installation import TRIAL, Failed, Installation
from proving.faults.world import World, open_world

SIZE = 200_000
P99_S = 1.0
KEPT = 50 * 2**20
"""Bytes that the database may grow by for refused messages of one device, in a flood of any length."""
GROWTH = "SELECT pg_database_size(current_database())"


def _release(window: asyncio.Semaphore, packet_id: int) -> None:
    window.release()


async def _flood(world: World, token: str, readable: bool) -> None:
    """As fast as the broker lets it, with a window of 50 messages, until it is cancelled; connects again at
    once.
    """
    address, numbers = world.address, itertools.count()
    while True:
        window = asyncio.Semaphore(50)
        try:
            session = await mqtt.connect(
                address.host,
                address.mqtt_port,
                client_id="flood",
                user=f"{TRIAL}.flood",
                password=token,
                acknowledged=functools.partial(_release, window),
            )
            while True:
                await asyncio.wait_for(window.acquire(), 5)
                text = {"time": time.time(), "results": {"pm25": next(numbers)}, "note": "x" * SIZE}
                session.send(
                    f"insitu/v1/{TRIAL}/flood/obs", json.dumps(text).encode() if readable else bytes(SIZE)
                )
                if session.backlog() > 2**20:
                    await asyncio.sleep(0.01)
        except (mqtt.Gone, mqtt.Refused, TimeoutError):
            await asyncio.sleep(0.05)


async def _measure(world: World, seconds: float) -> tuple[float, int, int]:
    """p99 from a fresh connection to the row, trials, and trials without a row in five seconds."""
    took: list[float] = []
    failed, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        result = await world.probe.once()
        failed += result is None
        took.append(5.0 if result is None else result)
        await asyncio.sleep(0.1)
    took.sort()
    return took[int(len(took) * 0.99)], len(took), failed


async def _run(top: Path, seconds: float) -> str:
    installation = Installation(top)
    try:
        world = await open_world(installation)
        token = await installation.enrol("flood")
        world.look_after()
        before, said, problems = int((await world.probe.database.lines(GROWTH))[0]), [], []
        for readable in (True, False):
            flood = asyncio.create_task(_flood(world, token, readable))
            try:
                p99, trials, failed = await _measure(world, seconds / 2)
            finally:
                flood.cancel()
            name = "readable" if readable else "unreadable"
            said.append(f"{name}: p99 {p99:.2f} s of {trials}, {failed} without a row")
            if p99 >= P99_S:
                problems.append(said[-1])
        try:
            said.append(f"row {await world.recovered(15):.1f} s after it")
        except Failed as problem:
            problems.append(f"after it: {problem}")
        growth = int((await world.probe.database.lines(GROWTH))[0]) - before
        said.append(f"the database grew by {growth / 2**20:.0f} MB")
        if growth > KEPT:
            problems.append(said[-1])
        disagreed = world.agreement().disagreed
        if disagreed:
            problems.append(f"/readyz disagreed with a device in {len(disagreed)} s")
    finally:
        await installation.remove()
    if problems:
        raise Failed("; ".join(problems))
    return "; ".join(said)


async def flood(top: Path, chance: random.Random) -> str:
    """60 s of 200 kB messages by one credential, readable and not, while another device's p99 is measured."""
    return await _run(top, 60)


async def flood_quick(top: Path, chance: random.Random) -> str:
    """10 s of 200 kB messages by one credential, readable and not, while another device's p99 is measured."""
    return await _run(top, 10)
