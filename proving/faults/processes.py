"""Finds the processes of an installation in /proc, and sends signals to one of them at a time.

A process belongs to a data directory if its arguments or environment name it. Nothing is found by program
name alone, so that two installations on one machine never meet.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path

SUPERVISOR, DATABASE, BROKER, INGESTOR, PAGES, JOBS = "up", "database", "broker", "ingest", "serve", "work"
PARTS = (DATABASE, BROKER, INGESTOR, PAGES, JOBS)
LOADER = "loader"
"""The program that some parts are forks of."""
PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """`part` is one of PARTS, LOADER or SUPERVISOR, or "" for workers of the database, verbs and others;
    `state` is the letter in /proc.
    """

    pid: int
    parent: int
    part: str
    state: str


@dataclass(frozen=True)
class Use:
    """Resources of a process: bytes of resident memory, open descriptors."""

    memory: int
    descriptors: int


def _part(arguments: list[str]) -> str:
    program = os.path.basename(arguments[0])
    if program == "postgres" and "-D" in arguments:
        return DATABASE
    if program.startswith("nats-server"):
        return BROKER
    if program.startswith("python") and "cli.loader" in arguments:
        return LOADER
    if program.startswith("python") or program == "insitu":
        verbs = [word for word in arguments[1:] if word in (SUPERVISOR, INGESTOR, PAGES, JOBS)]
        return verbs[0] if verbs else ""
    return ""


def read(pid: int) -> Process | None:
    """The process with this pid; None if it has ended."""
    try:
        stat = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
        arguments = (PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return None
    state, parent = stat[stat.rindex(")") + 2 :].split()[:2]
    if state in "ZX":
        return None
    return Process(pid, int(parent), _part(arguments), state)


def belonging(data_dir: Path) -> list[Process]:
    """Every process whose arguments or environment name the data directory, except this one."""
    name = os.fsencode(data_dir)
    mine = []
    for entry in os.scandir(PROC):
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            named = name in (PROC / entry.name / "cmdline").read_bytes()
            named = (
                named
                or b"INSITU_DATA_DIR=" + name + b"\0" in (PROC / entry.name / "environ").read_bytes() + b"\0"
            )
        except OSError:
            continue
        process = read(int(entry.name)) if named else None
        if process is not None:
            mine.append(process)
    return mine


def parts_of(supervisor: int) -> dict[str, Process]:
    """The parts below this supervisor, by name, with the loader: its children, and the loader's."""
    found = [process for pid in _children(supervisor) if (process := read(pid)) is not None]
    for process in list(found):
        if process.part == LOADER:
            found += [fork for pid in _children(process.pid) if (fork := read(pid)) is not None]
    return {process.part: process for process in found if process.part in (*PARTS, LOADER)}


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for task in (PROC / str(pid) / "task").glob("*"):
        try:
            children += [int(child) for child in (task / "children").read_text("utf-8").split()]
        except OSError:
            continue
    return children


def send(pid: int, which: signal.Signals) -> bool:
    """False if the process had already ended."""
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        return False
    return True


async def end(process: asyncio.subprocess.Process) -> None:
    """Sends SIGKILL unless it has ended, and waits for the end. By pid: the object's own `kill` would take
    its exit status from asyncio.
    """
    if process.returncode is None:
        send(process.pid, signal.SIGKILL)
    await process.communicate()


def use(pid: int) -> Use | None:
    """Memory and descriptors now; None if it has ended."""
    try:
        pages = int((PROC / str(pid) / "statm").read_text("utf-8").split()[1])
        return Use(pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(PROC / str(pid) / "fd")))
    except (OSError, IndexError):
        return None


def disk_use(folder: Path) -> int:
    """Bytes on disk below a folder; skips files that vanish meanwhile."""
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(top, name)).st_blocks * 512
            except OSError:
                continue
    return total
