"""Kills and restarts in a world with every kind of device."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from pathlib import Path

from proving.faults import kills, mqtt
from proving.faults.installation import STOP_S, TRIAL, Failed, Installation
from proving.faults.world import World, open_world


async def _all(world: World, names: list[str], chance: random.Random) -> str:
    events = [await kills.strike(world, name, chance) for name in names]
    longest = max(events, key=lambda event: event.seconds)
    return (
        f"{len(events)} events, {sum(event.kills for event in events)} kills; row at worst after "
        f"{longest.seconds:.1f} s ({longest.name})"
    )


async def each_part(world: World, chance: random.Random) -> str:
    """SIGKILL of each part, of the loader and of the supervisor, one after the other."""
    return await _all(
        world, ["ingestor", "broker", "database", "pages", "jobs", "loader", "supervisor"], chance
    )


async def two_at_once(world: World, chance: random.Random) -> str:
    """SIGKILL of two parts within a tenth of a second, and of one while another starts."""
    return await _all(world, ["two at once", "one, and another while it starts"] * 3, chance)


async def during_start(world: World, chance: random.Random) -> str:
    """SIGKILL of the supervisor, and of its parts, during its own start."""
    return await _all(
        world,
        [
            "supervisor while it starts",
            "part while the supervisor starts",
            "part while the supervisor starts",
        ],
        chance,
    )


async def restart(world: World, chance: random.Random) -> str:
    """SIGTERM, start again: every device that was let in before is let in again."""
    return await _all(world, ["TERM of the supervisor"], chance)


async def broker_lives(world: World, chance: random.Random) -> str:
    """The broker dies six times; constant messages of one life must not pass for those of another."""
    return await _all(world, ["broker"] * 6, chance)


async def many(world: World, chance: random.Random) -> str:
    """Forty events as the soak draws them."""
    return await _all(world, [kills.choose(chance) for _ in range(40)], chance)


async def interrupt_twice(world: World, chance: random.Random) -> str:
    """SIGTERM twice, as an impatient person does: it ends in time, and comes back."""
    world.installation.strike(signal.SIGTERM)
    world.installation.strike(signal.SIGTERM)
    await kills.until_started_again(world)
    return f"ended within {STOP_S:g} s; row after {await world.recovered(kills.RECOVER_S):.1f} s"


BURST = 100


async def _burst(world: World, token: str) -> None:
    """A hundred messages that no two differ, each acknowledged."""
    session = await mqtt.connect(
        world.address.host,
        world.address.mqtt_port,
        client_id="constant",
        user=f"{TRIAL}.constant",
        password=token,
    )
    for _ in range(BURST):
        await session.publish(f"insitu/v1/{TRIAL}/constant/obs", b'{"results": {"pm25": 21.5}}', 5)
    session.close()


async def _stored(world: World, wanted: int) -> int:
    """Rows of the constant device, as soon as there are enough, or after ten seconds."""
    query = (
        "SELECT count(*) FROM observation JOIN datastream USING (datastream_id) JOIN device USING "
        "(device_id) WHERE device.code = 'constant'"
    )
    until = time.monotonic() + 10
    while (rows := int((await world.probe.database.lines(query))[0])) < wanted and time.monotonic() < until:
        await asyncio.sleep(0.1)
    return rows


async def constants(top: Path, chance: random.Random) -> str:
    """A hundred constant messages in each of four lives of the broker; nothing is on its way when it dies, so
    each is one row.
    """
    installation, lives = Installation(top), 4
    try:
        world = await open_world(installation)
        token = await installation.enrol("constant")
        for life in range(1, lives + 1):
            await _burst(world, token)
            rows = await _stored(world, life * BURST)
            if life < lives and rows == life * BURST:
                await kills.strike(world, "broker", chance)
            elif rows != life * BURST:
                raise Failed(
                    f"{life * BURST} constant messages acknowledged in {life} lives of the broker, {rows} "
                    "rows"
                )
    finally:
        await installation.remove()
    return f"{lives * BURST} acknowledged, {rows} rows"
