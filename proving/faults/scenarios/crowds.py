"""Many devices at once, and several ingestors with trials that move."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import time
from pathlib import Path

from proving.faults import kills, mqtt, processes
from proving.faults.database import Away, Database
from proving.faults.installation import TRIAL, Failed, Installation
from proving.faults.journal import Kind
from proving.faults.processes import BROKER, DATABASE, end
from proving.faults.world import World, open_world

CROWD_S = 60.0
MOVES_S = 60.0
"""A change of shards must be done within this time."""


def _catalogue(count: int) -> str:
    """A network server that speaks for `count` devices: enrolling them one by one would take hours."""
    blocks = ['[[network_server]]\ncode = "crowd"\nkind = "chirpstack"\n']
    for index in range(count):
        blocks.append(f'[[device]]\ntrial = "{TRIAL}"\ncode = "c{index}"\nsite = "station-a"\n')
        blocks.append(
            f'[[network_address]]\nnetwork_server = "crowd"\naddress = "chirpstack/{index:016x}"\ntrial = '
            f'"{TRIAL}"\ndevice = "c{index}"\n'
        )
    mapping = f'[[mapping]]\ntrial = "{TRIAL}"\nfield = "pm25"\nproperty = "pm25"\n'
    return "\n".join([*blocks, mapping])


async def enrol_crowd(installation: Installation, top: Path, count: int) -> tuple[str, str]:
    """(user, token) of a network server that speaks for `count` devices and may have as many connections."""
    catalogue = top / "crowd.toml"
    catalogue.write_text(_catalogue(count), "utf-8")
    await installation.must("register", str(catalogue), within=600)
    text = await installation.must("network", "crowd", "--enrol")
    token = re.search(r"^ *([A-Za-z0-9_-]{40,})$", text, re.MULTILINE)
    user = re.search(r"(?:user ?name|username|user)\W+([\w.-]*crowd[\w.-]*)", text, re.IGNORECASE)
    if token is None or user is None:
        raise Failed(f"`insitu network --enrol` printed no token or user: {text[:400]}")
    return user[1], token[1]


async def _one(world: World, user: str, token: str, index: int, until: float) -> bool:
    """Connects and publishes until it is acknowledged, as 2,000 devices do after a power cut."""
    topic = f"application/1/device/{index:016x}/event/up"
    at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    text = {
        "time": at,
        "deviceInfo": {"devEui": f"{index:016x}"},
        "devAddr": f"{index:08x}",
        "fCnt": int(until) % 60000,
        "data": "AQ==",
        "object": {"pm25": index},
    }
    while time.monotonic() < until:
        try:
            session = await mqtt.connect(
                world.address.host,
                world.address.mqtt_port,
                client_id=f"crowd-{index}",
                user=user,
                password=token,
                timeout=20,
            )
            await session.publish(topic, json.dumps(text).encode(), 20)
            session.close()
        except (mqtt.Gone, mqtt.Refused):
            await asyncio.sleep(0.5)
        else:
            return True
    return False


async def _rows(database: Database) -> int:
    query = (
        "SELECT count(DISTINCT device.code) FROM observation JOIN datastream USING (datastream_id) JOIN "
        "device USING (device_id)"
        " WHERE device.code LIKE 'c%' AND result >= 0"
    )
    return int((await database.lines(query, 20))[0])


async def _crowd(top: Path, count: int) -> str:
    installation = Installation(top)
    try:
        world = await open_world(installation)
        user, token = await enrol_crowd(installation, top, count)
        broker = installation.parts()[BROKER].pid
        processes.send(broker, signal.SIGKILL)
        began = time.monotonic()
        acknowledged = sum(
            await asyncio.gather(
                *(_one(world, user, token, index, began + CROWD_S) for index in range(count))
            )
        )
        seconds = time.monotonic() - began
        if acknowledged < count:
            raise Failed(f"{acknowledged} of {count} devices were acknowledged within {CROWD_S:g} s")
        while (rows := await _rows(world.probe.database)) < count:
            if time.monotonic() - began > CROWD_S:
                raise Failed(f"{count} devices were acknowledged, {rows} have a row")
            await asyncio.sleep(0.5)
        await world.recovered(kills.RECOVER_S)
    finally:
        await installation.remove()
    return f"{count} devices acknowledged {seconds:.1f} s after a kill of the broker, all rows there"


async def crowd(top: Path, chance: random.Random) -> str:
    """2,000 devices connect at once after the broker was killed."""
    return await _crowd(top, 2000)


async def crowd_quick(top: Path, chance: random.Random) -> str:
    """300 devices connect at once after the broker was killed."""
    return await _crowd(top, 300)


async def moving_trials(world: World, chance: random.Random) -> str:
    """Two ingestors, four shards: the trial moves from one to the next while its devices restart."""
    second = await world.installation.begin("ingest")
    began = time.time()
    moves = 0
    try:
        await _shards(world, "--count", "4")
        for shard in (1, 2, 3, 0, 2):
            await _shards(world, "--move", f"{TRIAL}={shard}")
            moves += 1
            await asyncio.sleep(chance.uniform(1, 4))
        await end(second)
        await _shards(world, "--count", "1")
        await asyncio.sleep(8)
        seconds = await world.recovered(MOVES_S)
    finally:
        await end(second)
        world.unsettled.append((began, time.time() + 10))
    return f"{moves} moves, one of two ingestors killed; row {seconds:.1f} s after it"


async def _shards(world: World, *arguments: str) -> None:
    """`insitu shards`; as long as it says that an earlier move is not over, again, as it asks."""
    for _ in range(20):
        output = await world.installation.verb("shards", *arguments)
        if not output.code or "try again in some seconds" not in output.text:
            break
        await asyncio.sleep(1)
    if output.code:
        raise Failed(f"`insitu shards {' '.join(arguments)}` ended with {output.code}: {output.text.strip()}")


async def database_away(top: Path, seconds: float, rate: float) -> str:
    """The postmaster hangs while devices go on; afterwards everything acknowledged is there."""
    installation = Installation(top)
    kinds = (Kind.SEQUENCED, Kind.TIMED, Kind.COUNTED, Kind.BARE, Kind.CONSTANT)
    try:
        world = await open_world(installation)
        await world.add_devices(kinds, rate / len(kinds))
        world.look_after()
        began = time.time()
        while time.time() - began < seconds:
            for process in processes.belonging(installation.data_dir):
                if process.part == DATABASE:
                    processes.send(process.pid, signal.SIGKILL)
            await asyncio.sleep(0.1)
        back = await world.recovered(60)
        acknowledged = sum(bool(at) for device in world.devices for at in device.journal.acknowledged)
        await world.must_hold()
    except Away as problem:
        raise Failed(f"the database stays away: {problem}") from problem
    finally:
        await installation.remove()
    return f"{acknowledged} acknowledged, all there; row {back:.1f} s after the database could start"


async def away(top: Path, chance: random.Random) -> str:
    """The database is killed as often as it starts, for three minutes, at 500 messages a second."""
    return await database_away(top, 180, 500)


async def away_quick(top: Path, chance: random.Random) -> str:
    """The database is killed as often as it starts, for 12 s, at 200 messages a second."""
    return await database_away(top, 12, 200)
