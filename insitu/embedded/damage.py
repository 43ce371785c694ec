"""Files of the embedded servers that are missing, damaged or another account's: named in one sentence, with
the way out. Nothing here changes a file.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from insitu.embedded.account import Account
from insitu.embedded.trouble import account_name
from insitu.errors import FixPermissions, RestoreBackup

_NEEDED: Final = (
    "PG_VERSION",
    "postgresql.conf",
    "pg_hba.conf",
    "global/pg_control",
    "global/pg_filenode.map",
)
"""Files that no complete database lacks, and that are never empty."""
_VERSION: Final = re.compile(r"\d\d\s*", re.ASCII)
_END: Final = re.compile(r"(?:FATAL|PANIC):|^postgres: ")
_FAULT: Final = re.compile(
    r"could not (?:find|open|read|access|load|locate|stat|fsync|seek|create)|required .* does not exist"
    r"|incorrect checksum|wrong (?:checksum|magic|size|type)|invalid (?:data|checkpoint|magic)"
    r"|contains? (?:invalid|errors|unexpected)|bogus data"
    r"|is not a (?:database cluster|valid data) directory|cache lookup failed"
    r"|PG_CONTROL_VERSION"
)
"""Damage, in a line with which the server or a session ends."""
_DAMAGE: Final = re.compile(
    r"(?:FATAL|PANIC|ERROR): +(?:could not (?:open|read|seek|fsync) (?:file|block)|invalid page in block"
    r'|(?:database "(?:insitu|postgres)"|role "(?:insitu|insitu_service|postgres)") does not exist)'
)
"""Damage, in any line that complains."""
_UNREAD: Final = re.compile(r'[Ss]tream metafile.*?"([^"]+)"')
"""In the log of NATS: it does not open a stream, and a new one would take its place."""
_SUM: Final = re.compile(r"[0-9a-f]{16}\s*", re.ASCII)
_BEFORE: Final = re.compile(r"^.*?(?:FATAL|PANIC|ERROR|LOG|DETAIL|postgres): +")
_STEP_S: Final = 0.03


def missing_or_empty(cluster: Path) -> Path | None:
    """The first file of a complete database that is not there, or is there without its content."""
    for name in _NEEDED:
        path = cluster / name
        if not path.is_file() or path.stat().st_size == 0:
            return path
    version = cluster / "PG_VERSION"
    return None if _VERSION.fullmatch(version.read_text("utf-8", "replace")) else version


def require_whole(cluster: Path) -> None:
    """Raises RestoreBackup, naming the file, if a database that was made lacks one."""
    path = missing_or_empty(cluster)
    if path is not None:
        fault = "is damaged" if path.exists() and path.stat().st_size else "is empty"
        raise RestoreBackup(f"{path} {fault if path.exists() else 'is missing'}. {way_out(cluster.parent)}")


def way_out(data_dir: Path) -> str:
    """The two ways to mend a damaged database."""
    return (
        "Insitu leaves the data as they are. Put the file back from a copy of the same moment; or move "
        f"{data_dir} away and run `insitu restore BACKUP`."
    )


def damage_in(lines: Sequence[str], cluster: Path) -> RestoreBackup | FixPermissions | None:
    """The first damage that a log of PostgreSQL names; None if it names none."""
    for line, following in pairwise([*lines, ""]):
        detail = f" ({_plain(following)})" if "DETAIL:" in following else ""
        said = _plain(line) + detail
        if not _DAMAGE.search(line) and not (_END.search(line) and _FAULT.search(said)):
            continue
        if "Permission denied" in said:
            return FixPermissions(f"PostgreSQL says: {said}. {_mode_advice(cluster)}")
        return RestoreBackup(
            f"Files of the database in {cluster} are missing or damaged; PostgreSQL says: {said}. "
            f"{way_out(cluster.parent)}"
        )
    return None


def _plain(line: str) -> str:
    return _BEFORE.sub("", line).strip(" .:")


def _mode_advice(folder: Path) -> str:
    return f"Run `chmod -R u+rwX {folder}`, then start again."


def requiring_ours(folder: Path, account: Account | None, *, but: Path | None = None) -> Iterator[None]:
    """Raises FixPermissions, naming the first file below `folder` that the server's account cannot use, in
    short steps. `but`: a file of the supervisor's own.
    """
    uid, gid = (os.geteuid(), os.getegid()) if account is None else (account.uid, account.gid)
    _require_target(folder)
    due = time.monotonic() + _STEP_S
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        _require_usable(place, place.stat(), folder, uid, gid)
        with os.scandir(place) as entries:
            for entry in entries:
                _require_target(entry.path)
                if entry.is_dir():
                    waiting.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False) and Path(entry.path) != but:
                    _require_usable(Path(entry.path), entry.stat(), folder, uid, gid)
        if time.monotonic() > due:
            yield
            due = time.monotonic() + _STEP_S


def _require_target(path: str | Path) -> None:
    if os.path.islink(path) and not os.path.exists(path):
        raise FixPermissions(
            f"{path} is a symbolic link to {os.readlink(path)}, which is not there or cannot be reached: "
            "mount or allow it, then start again."
        )


def _require_usable(path: Path, facts: os.stat_result, folder: Path, uid: int, gid: int) -> None:
    wanted = 0o7 if stat.S_ISDIR(facts.st_mode) else 0o6
    mine = facts.st_uid == uid
    if not mine and path.suffix == ".conf":
        wanted = 0o4  # settings that somebody else writes
    shift = 6 if mine else 3 if facts.st_gid == gid else 0
    if (facts.st_mode >> shift) & wanted == wanted:
        return
    name = account_name(uid)
    if mine:
        raise FixPermissions(f"{path} is closed to its own account {name!r}. {_mode_advice(folder)}")
    raise FixPermissions(
        f"{path} belongs to {account_name(facts.st_uid)!r}, and the server runs as {name!r}, which cannot "
        f"use it. Run `chown -R {name}: {folder}` as root, then start again."
    )


# -- the broker's store


def require_streams(store: Path) -> None:
    """Raises RestoreBackup, naming the file, if a stream with messages lacks its description: the server
    would begin a new one in its place, and acknowledged messages would be gone.
    """
    for stream in sorted(store.glob("jetstream/*/streams/*")):
        about, digest = stream / "meta.inf", stream / "meta.sum"
        if not _is_json(about):
            refuse_lost(about)
        if not digest.is_file() or not _SUM.fullmatch(digest.read_text("utf-8", "replace")):
            refuse_lost(digest)


def require_recovered(lines: Sequence[str]) -> None:
    """The same, from what the server logs while it starts."""
    for line in lines:
        found = _UNREAD.search(line)
        if found is not None:
            refuse_lost(Path(found[1]))


def refuse_lost(path: Path) -> None:
    """Raises RestoreBackup if there are messages beside a description that is not whole."""
    if any(block.stat().st_size for block in (path.parent / "msgs").glob("*.blk")):
        store = next(parent for parent in path.parents if parent.name == "jetstream").parent
        raise RestoreBackup(
            f"{path} is missing or damaged, and messages that the broker has acknowledged may lie beside it. "
            f"Put the file back from a copy of the same moment; or move {store} away, and the broker begins "
            "with an empty one: devices that number their messages send again what is missing."
        )


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text("utf-8", "replace"))
    except (FileNotFoundError, ValueError):
        return False
    return True
