"""A backup or a restore in a process that kills itself at a given change of the file system."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from urllib.parse import quote

from insitu.embedded.backups.manifest import require_whole
from insitu.embedded.backups.restoring import Wanted, find_backup, require_empty, restore
from insitu.embedded.backups.taking import Source, take_physical
from insitu.embedded.directory import hold

CHANGES = {
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.chmod",
    "os.link",
    "shutil.copyfile",
    "shutil.rmtree",
    "subprocess.Popen",
}


def kill_at(step: int) -> None:
    """From now on count changes of the file system and starts of programs, and die before the `step`-th."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        is_write = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if "/pg/" in str(arguments[0]) or "pg-bin-" in str(arguments[0]):
            return  # one of a thousand files in a folder that nobody uses before it is complete
        if event in CHANGES or is_write:
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def back_up(data: Path, binaries: Path, backups: Path) -> None:
    host = quote(str(data / "run"), safe="")
    password = (data / "postgres-postgres.secret").read_text("utf-8")
    one = Source(f"postgresql://postgres@/postgres?host={host}", password, binaries, data, "0001", 18)
    take_physical(one, backups, archive=None)


def put_back(data: Path, backups: Path) -> None:
    place, manifest = find_backup(backups, None)
    require_whole(place, manifest)
    require_empty(data)
    with hold(data):
        restore(data, Wanted(place, manifest), run_as=None, given_binaries=None)
