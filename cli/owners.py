"""Owners of the files that a broker reads: its own account, which need not be root."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

from insitu.embedded.account import Account
from insitu.errors import CorrectInput, FixPermissions


def parse_owner(text: str) -> Account:
    """`ACCOUNT[:GROUP]`, names or numbers; without a group the account's own. Raises CorrectInput unless we
    are root.
    """
    if os.geteuid() != 0:
        raise CorrectInput(
            "--owner: only root can give files to another account. Run this as root, or as that account."
        )
    name, _, group = text.partition(":")
    try:
        uid, own = _account(name)
        gid = own if not group else int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise CorrectInput(f"--owner {text}: there is no such account or group on this machine.") from None
    return Account(name, uid, gid)


def _account(name: str) -> tuple[int, int]:
    if name.isdecimal():
        try:
            return int(name), pwd.getpwuid(int(name)).pw_gid
        except KeyError:  # an account of a container, say, unknown on this machine
            return int(name), int(name)
    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid


def account_if_there(name: str) -> Account | None:
    """The account of a broker's package, if we are root and it exists."""
    try:
        return parse_owner(name)
    except CorrectInput:
        return None


def make_folder(folder: Path, owner: Account | None) -> None:
    """Create `folder` if needed, so that `owner` can pass through it. Raises FixPermissions, naming the first
    folder that it cannot pass through.

    Existing folders keep their modes.
    """
    folder = folder.resolve()
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755 if owner else 0o700)
    for place in [*reversed(folder.parents), folder]:
        if owner is not None and not _passes(owner, place):
            raise FixPermissions(
                f"{owner.name!r} cannot pass through {place}: choose another folder, or allow it: chmod o+x "
                f"{place}"
            )


def _passes(owner: Account, place: Path) -> bool:
    groups = [owner.gid] if owner.name.isdecimal() else os.getgrouplist(owner.name, owner.gid)
    return any(Account(owner.name, owner.uid, gid).can_search(place) for gid in groups)


def ids(owner: Account | None) -> tuple[int, int] | None:
    """(uid, gid) for `write_whole`."""
    return (owner.uid, owner.gid) if owner else None
