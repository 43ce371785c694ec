"""Shared by the benches: a description of the machine, and lines printed as they are made."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_CPU = Path("/proc/cpuinfo")


def machine() -> str:
    """Processors, system and Python, in one line."""
    lines = _CPU.read_text("utf-8").splitlines() if _CPU.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    model = models[0] if models else "unknown processor"
    return (
        f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}"
    )


def say(text: str) -> None:
    """Prints at once, since a table may take an hour after the one before."""
    print(text, flush=True)  # noqa: T201 - the table is the product
