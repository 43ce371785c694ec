"""The unprivileged account that servers run as when Insitu is started by root."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from insitu.errors import CorrectInput, FixPermissions


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int

    def can_search(self, folder: Path) -> bool:
        """True where the mode of `folder` lets this account pass through it."""
        facts = folder.stat()
        if facts.st_uid == self.uid:
            return bool(facts.st_mode & stat.S_IXUSR)
        if facts.st_gid == self.gid:
            return bool(facts.st_mode & stat.S_IXGRP)
        return bool(facts.st_mode & stat.S_IXOTH)


def server_account(run_as: str | None) -> Account | None:
    """Who the servers run as: None (ourselves) unless we are root; else `run_as`, `insitu` or `nobody`."""
    if os.geteuid() != 0:
        return None
    for name in [run_as] if run_as else ["insitu", "nobody"]:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            raise CorrectInput("INSITU_RUN_AS must not be root: PostgreSQL refuses to run as root.")
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    wanted = run_as or "insitu or nobody"
    raise CorrectInput(f"There is no account {wanted!r} to run the servers as: set INSITU_RUN_AS.")


def require_reachable(data_dir: Path, account: Account | None) -> None:
    """FixPermissions naming the first parent of `data_dir` that the account cannot search; nobody's modes are changed."""
    if account is None:
        return
    for parent in reversed(data_dir.resolve().parents):
        if parent.exists() and not account.can_search(parent):
            raise FixPermissions(
                f"The servers run as {account.name!r}, which cannot pass through {parent}. Choose another INSITU_DATA_DIR "
                f"(as root the default is /var/lib/insitu) or allow it: chmod o+x {parent}"
            )


def own_folder(folder: Path, account: Account | None) -> Path:
    """`folder`, made if needed, private to the account."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)
    return folder


def prepare_data_dir(data_dir: Path, account: Account | None) -> None:
    """Make the data directory; as root 0711, so that the account reaches its own folders below it and sees no others."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        data_dir.chmod(0o711 if account is not None else 0o700)
        probe = data_dir / ".writable"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise _unusable(data_dir, error) from error
    require_reachable(data_dir, account)


def _unusable(data_dir: Path, error: OSError) -> Exception:
    import errno

    from insitu.errors import FreeSpace

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FreeSpace(f"{data_dir}: no space left. Free some, or choose another INSITU_DATA_DIR.")
    return FixPermissions(f"{data_dir} cannot be used ({error.strerror}): choose another INSITU_DATA_DIR.")
