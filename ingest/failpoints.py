"""Points where a test can end the process: INSITU_FAILPOINT=before_commit:3 kills it at its third pass."""

from __future__ import annotations

import itertools
import os
import signal
from functools import cache


def reach(name: str) -> None:
    """SIGKILL our own process where the environment asks for it here; otherwise nothing."""
    wanted, at, passes = _failpoint()
    if name == wanted and next(passes) >= at:
        os.kill(os.getpid(), signal.SIGKILL)


@cache
def _failpoint() -> tuple[str, int, itertools.count[int]]:
    """Its name, the pass at which it ends us, and a counter of passes from 1."""
    name, _, at = os.environ.get("INSITU_FAILPOINT", "").partition(":")
    return name, int(at or 1), itertools.count(1)
