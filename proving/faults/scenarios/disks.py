"""The disk is full, and free again: nothing has to be repaired. Uses tmpfs, so it needs root and mount."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from proving.faults import processes
from proving.faults.installation import TRIAL, Failed, Installation, Skipped
from proving.faults.journal import Kind
from proving.faults.processes import BROKER
from proving.faults.world import World, open_world

FREED_S = 30.0
"""After space is back a fresh device's row must be there within this time."""
FULL_S = 8.0
STORE = 16 * 2**20
KINDS = (Kind.SEQUENCED, Kind.TIMED, Kind.BARE, Kind.CONSTANT)
Meanwhile = Callable[[World], Awaitable[str]]


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Mounts a tmpfs of `size` bytes there, with what the folder held, owners and modes included."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        raise Skipped("mounting a small disk needs root")
    aside = folder.with_name(folder.name + ".aside")
    folder.mkdir(exist_ok=True)
    status = folder.stat()
    folder.rename(aside)
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise Skipped(f"no tmpfs here: {made.stderr.strip()}")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", folder], check=True)
        os.chown(folder, status.st_uid, status.st_gid)
        folder.chmod(status.st_mode & 0o7777)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


class Ballast:
    """A file that takes what is left of a disk, again and again, until it is freed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ballast"
        self._task: asyncio.Task[None] | None = None

    def _fill(self) -> None:
        """Takes pages until there is no more; what others free meanwhile is for the next round."""
        page = bytes(4096)
        with contextlib.suppress(OSError), self._path.open("ab", buffering=0) as file:
            free = os.statvfs(self._path.parent).f_bavail * os.statvfs(self._path.parent).f_frsize
            for _ in range(free // len(page) + 1):
                file.write(page)

    async def _keep_full(self) -> None:
        while True:
            self._fill()
            await asyncio.sleep(0.2)

    def __enter__(self) -> Ballast:
        self._task = asyncio.create_task(self._keep_full())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        self._path.unlink(missing_ok=True)


async def _full(top: Path, part: str, size: int, meanwhile: Meanwhile) -> str:
    """The disk of one folder of the data directory ("" for all of it) fills up and is freed while devices
    publish.
    """
    # a small store of the broker, so that its cap does not depend on the size of the disk
    installation = Installation(top, settings={"INSITU_MAX_FILE_STORE": str(STORE)})
    try:
        if part:
            await installation.start()
            await installation.until_ready()
            await installation.stop()
        folder = installation.data_dir / part if part else installation.data_dir
        with small_disk(folder, size):
            world = await open_world(installation)
            await world.add_devices(KINDS, 20)
            world.look_after()
            try:
                with Ballast(folder):
                    said = await meanwhile(world)
                began = time.time()
                await world.recovered(FREED_S)
                seconds = time.time() - began
                world.unsettled.append((0, time.time() + 60))
                await world.must_hold()
            finally:
                await world.close()
                await installation.stop()
    finally:
        await installation.remove()
    return f"row {seconds:.1f} s after space was back; {said}"


async def _wait(world: World) -> str:
    before = sum(bool(at) for device in world.devices for at in device.journal.acknowledged)
    await asyncio.sleep(FULL_S)
    after = sum(bool(at) for device in world.devices for at in device.journal.acknowledged)
    return f"{after - before} acknowledged while it was full"


async def broker(top: Path, chance: random.Random) -> str:
    """The broker's disk is full, then free: it takes messages again without anybody's help."""
    return await _full(top, "broker", 64 * 2**20, _wait)


async def smaller(top: Path, chance: random.Random) -> str:
    """The broker starts on a disk with less free space than at its first start: its cap follows, as
    docs/operations.md says.
    """
    installation = Installation(top)
    try:
        await installation.start()
        await installation.until_ready()
        await installation.stop()
        with small_disk(installation.data_dir / "broker", 64 * 2**20):
            try:
                await installation.start()
                seconds = await installation.until_ready(60)
            finally:
                await installation.stop()
    finally:
        await installation.remove()
    return f"ready after {seconds:.1f} s with 64 MB"


async def database(top: Path, chance: random.Random) -> str:
    """The database's disk is full, then free."""
    return await _full(top, "pg", 256 * 2**20, _wait)


async def logs(top: Path, chance: random.Random) -> str:
    """The disk of the logs is full: messages go on, or go on again."""
    return await _full(top, "logs", 2**20, _wait)


async def enrolment(top: Path, chance: random.Random) -> str:
    """Everything is on a full disk, somebody enrols, and the broker dies; then space is back."""

    async def meanwhile(world: World) -> str:
        await asyncio.sleep(2)
        output = await world.installation.verb("enrol", TRIAL, "spare-3", "--site", "station-a", within=60)
        if (process := world.installation.parts().get(BROKER)) is not None:
            processes.send(process.pid, signal.SIGKILL)
        await asyncio.sleep(FULL_S)
        return f"enrol ended with {output.code}"

    return await _full(top, "", 512 * 2**20, meanwhile)


async def first_start(top: Path, chance: random.Random) -> str:
    """A first start on a disk that is too small ends with a message; with space it goes on by itself."""
    installation = Installation(top)
    installation.data_dir.mkdir(mode=0o711)
    try:
        with small_disk(installation.data_dir, 64 * 2**20):
            await installation.start()
            try:
                ended = f"ended with {(await installation.ended(within=30)).code}"
            except Failed:
                ended = "still trying"
            subprocess.run(["mount", "-o", f"remount,size={512 * 2**20}", installation.data_dir], check=True)
            if installation.pid is None:
                await installation.start()
            try:
                seconds = await installation.until_ready()
            finally:
                await installation.stop()
    finally:
        await installation.remove()
    return f"on a full disk: {ended}; ready {seconds:.1f} s after space was back"
