"""Too few descriptors, a broker that is full, clocks that jump."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import time
from pathlib import Path

from proving.faults import mqtt, processes
from proving.faults.installation import TRIAL, Failed, Installation, Skipped
from proving.faults.journal import Kind
from proving.faults.processes import INGESTOR, SUPERVISOR
from proving.faults.scenarios.crowds import enrol_crowd
from proving.faults.world import open_world

FULL_BROKER = 16 * 2**20


async def few_descriptors(top: Path, chance: random.Random) -> str:
    """`up` under a limit of 96 descriptors a process while 200 idle devices connect; afterwards it takes
    messages.
    """
    if shutil.which("prlimit") is None:
        raise Skipped("prlimit is not there")
    installation = Installation(top, limits=("prlimit", "--nofile=96:96"))
    try:
        world = await open_world(installation)
        user, token = await enrol_crowd(installation, top, 1)  # a device has fewer connections
        sessions = []
        for index in range(200):
            try:
                sessions.append(
                    await mqtt.connect(
                        world.address.host,
                        world.address.mqtt_port,
                        client_id=f"idle-{index}",
                        user=user,
                        password=token,
                        timeout=1,
                    )
                )
            except (mqtt.Gone, mqtt.Refused):
                break
        await asyncio.sleep(2)
        for session in sessions:
            session.cut()
        seconds = await world.recovered(20)
        ended = [ending for ending in installation.endings if not ending.asked]
    finally:
        await installation.remove()
    if ended:
        raise Failed(f"`up` ended by itself with {ended[0].code}")
    return f"{len(sessions)} connections at most; row {seconds:.1f} s after they left"


async def full_broker(top: Path, chance: random.Random) -> str:
    """The broker keeps 16 MB and the ingestor hangs: it refuses instead of dropping, and all that it took
    arrives.
    """
    installation = Installation(top, settings={"INSITU_MAX_FILE_STORE": str(FULL_BROKER)})
    kinds = (Kind.SEQUENCED, Kind.TIMED, Kind.COUNTED, Kind.BARE, Kind.CONSTANT)
    try:
        world = await open_world(installation)
        await world.add_devices(kinds, 1500)
        world.look_after()
        began = time.time()
        pid = installation.parts()[INGESTOR].pid
        processes.send(pid, signal.SIGSTOP)
        await asyncio.sleep(25)
        waiting = sum(device.unacknowledged() for device in world.devices)
        for device in world.devices:
            device.rate = 20
        processes.send(pid, signal.SIGCONT)
        seconds = await world.recovered(60)
        world.unsettled.append((began, time.time() + 60))
        await world.must_hold()
        acknowledged = sum(bool(at) for device in world.devices for at in device.journal.acknowledged)
    finally:
        await installation.remove()
    return (
        f"{waiting} waited in their devices; {acknowledged} acknowledged, all there; row {seconds:.1f} s "
        "after the ingestor went on"
    )


async def device_clocks(top: Path, chance: random.Random) -> str:
    """A device whose clock jumps to 1970 and ten years ahead: each message is a reject, its next true one a
    row.
    """
    installation = Installation(top)
    try:
        world = await open_world(installation)
        session = await mqtt.connect(
            world.address.host,
            world.address.mqtt_port,
            client_id="jump",
            user=f"{TRIAL}.{world.probe.device}",
            password=world.probe.token,
        )
        for index in range(20):
            at = 1000.0 + index if index % 2 else time.time() + 10 * 365 * 86400
            await session.publish(
                f"insitu/v1/{TRIAL}/{world.probe.device}/obs",
                json.dumps({"time": at, "results": {"pm25": index}}).encode(),
                5,
            )
        session.close()
        seconds = await world.recovered(10)
        rejects = [
            reject.reason
            for reject in await world.probe.database.rejects(top / "rejects.copy")
            if reject.device == world.probe.device
        ]
    finally:
        await installation.remove()
    if rejects != ["clock_out_of_range"] * 20:
        raise Failed(f"20 impossible times became {len(rejects)} rejects: {sorted(set(rejects))}")
    return f"20 rejects clock_out_of_range; row {seconds:.1f} s after them"


async def machine_clock(top: Path, chance: random.Random) -> str:
    """After a reboot the monotonic clock begins again: `up` runs in a time namespace two days ahead, then in
    one just begun.
    """
    if shutil.which("unshare") is None:
        raise Skipped("unshare is not there; the wall clock belongs to the whole machine and is not touched")
    jumps = []
    installation = Installation(
        top, limits=("unshare", "--time", "--monotonic=172800", "--boottime=172800", "--")
    )
    try:
        probe = await asyncio.create_subprocess_exec(
            *installation.limits, "true", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        if await probe.wait():
            raise Skipped(
                "this kernel gives no time namespace here; the wall clock belongs to the whole machine and "
                "is not touched"
            )
        world = await open_world(installation)
        for limits in ((), installation.limits):
            installation.limits = limits
            starts = len(installation.starts)
            installation.strike(signal.SIGKILL)
            while len(installation.starts) == starts:
                await asyncio.sleep(0.05)
            jumps.append(await world.recovered(25))
    finally:
        await installation.remove()
    return (
        f"rows {', '.join(f'{seconds:.1f} s' for seconds in jumps)} after two days back and two ahead "
        f"({SUPERVISOR} killed)"
    )
