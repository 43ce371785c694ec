"""The database is restored, old, or strange: `up` survives it and says what to do."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

from proving.faults.database import Away, Database, programs
from proving.faults.installation import Failed, Installation, Skipped
from proving.faults.processes import end
from proving.faults.world import open_world

DUMP = Path(__file__).resolve().parents[4] / "shared" / "data" / "installation-2026-11.dump"


async def _program(name: str, *arguments: str, within: float = 120) -> str:
    process = await asyncio.create_subprocess_exec(
        programs() / name,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        text, _ = await asyncio.wait_for(process.communicate(), within)
    except TimeoutError:
        await end(process)
        return f"{name} has not ended within {within:g} s"
    last = (text.decode("utf-8", "replace").strip().splitlines() or [""])[-1]
    return f"{name} ended with {process.returncode}: {last[:150]}"


async def restore_while_it_runs(top: Path, chance: random.Random) -> str:
    """pg_dump, then pg_restore --clean into the running `up`: it is there afterwards, and takes messages."""
    installation = Installation(top)
    try:
        world = await open_world(installation)
        dump, url = str(top / "whole.dump"), world.probe.database.url()
        await _program("pg_dump", "-Fc", "-f", dump, url)
        restored = await _program("pg_restore", "--clean", "--if-exists", "--no-owner", "-d", url, dump)
        await asyncio.sleep(3)
        by_itself = [ending for ending in installation.endings if not ending.asked]
        try:
            row = f"row {await world.recovered(30):.1f} s after it"
        except Failed as problem:
            words = installation.last_words(2)
            raise Failed(
                f"{restored}; {len(by_itself)} endings by itself; {problem}; `up` says: {words}"
            ) from problem
    finally:
        await installation.remove()
    if by_itself:
        raise Failed(f"`up` ended by itself {len(by_itself)} times; {row}")
    return f"{restored}; {row}"


def _old_dump() -> str:
    path = Path(os.environ.get("INSITU_FAULTS_DUMP", DUMP))
    if not path.exists():
        raise Skipped("no dump of an older installation: name one in INSITU_FAULTS_DUMP")
    return str(path)


async def _with_old_schema(installation: Installation) -> None:
    """An installation whose database is the dump of an older one, stopped."""
    await installation.start()
    await installation.until_ready()
    url = Database(installation.data_dir).url()
    reset = "DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public"
    await _program("psql", "-X", "-d", url, "-c", reset)
    await _program("pg_restore", "--no-owner", "--no-privileges", "-d", url, _old_dump(), within=300)
    installation.strike(signal.SIGKILL)
    await installation.ended(within=10)
    await asyncio.sleep(2)


async def old_schema_while_it_ingests(top: Path, chance: random.Random) -> str:
    """An older dump comes into the running `up`: the next start migrates it, and is ready."""
    _old_dump()
    installation = Installation(top)
    try:
        await _with_old_schema(installation)
        await installation.start()
        seconds = await installation.until_ready(120)
    except Away as problem:
        raise Failed(str(problem)) from problem
    finally:
        await installation.remove()
    return f"migrated, ready after {seconds:.1f} s"


async def migration_killed(top: Path, chance: random.Random) -> str:
    """A start that migrates an older database is killed six times; the seventh gets there."""
    _old_dump()
    installation = Installation(top)
    try:
        await _with_old_schema(installation)
        for _ in range(6):
            await installation.start()
            await asyncio.sleep(chance.uniform(0.5, 4.0))
            installation.strike(signal.SIGKILL)
            await installation.ended(within=10)
        await asyncio.sleep(1)
        await installation.start()
        seconds = await installation.until_ready(120)
    finally:
        await installation.remove()
    return f"6 kills, then ready after {seconds:.1f} s"
