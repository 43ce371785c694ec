"""The unprivileged account that the servers run as when root starts Insitu."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from insitu.embedded.trouble import explained
from insitu.errors import CorrectInput, FixPermissions


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int

    def can_search(self, folder: Path) -> bool:
        """True if the mode of `folder` lets this account pass through it."""
        facts = folder.stat()
        if facts.st_uid == self.uid:
            return bool(facts.st_mode & stat.S_IXUSR)
        if facts.st_gid == self.gid:
            return bool(facts.st_mode & stat.S_IXGRP)
        return bool(facts.st_mode & stat.S_IXOTH)


def server_account(run_as: str | None) -> Account | None:
    """The account to run the servers as; None means our own. For root: `run_as`, else `insitu`, else
    `nobody`.
    """
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
    """Raises FixPermissions, naming the first parent of `data_dir` that the account cannot search. Changes no
    modes.
    """
    if account is None:
        return
    for parent in reversed(data_dir.resolve().parents):
        if parent.exists() and not account.can_search(parent):
            raise FixPermissions(
                f"The servers run as {account.name!r}, which cannot pass through {parent}. Choose another "
                "INSITU_DATA_DIR "
                f"(as root the default is /var/lib/insitu) or allow it: chmod o+x {parent}"
            )


def own_folder(folder: Path, account: Account | None) -> Path:
    """`folder`, created if needed and made private to the account. Refuses a symbolic link of that name: it
    could point anywhere.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if account is not None:
            os.fchown(descriptor, account.uid, account.gid)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
    return folder


def prepare_data_dir(data_dir: Path, account: Account | None) -> None:
    """Create the data directory. As root, give it mode 0711: the account can enter its own folders there but
    cannot list the rest.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        data_dir.chmod(0o711 if account is not None else 0o700)
        with tempfile.TemporaryFile(dir=data_dir) as probe:
            probe.write(b"x")
            probe.flush()
    except OSError as error:
        raise explained(error, data_dir) from error
    require_reachable(data_dir, account)
