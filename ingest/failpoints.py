"""Points at which a test may end the process: INSITU_FAILPOINT=before_commit:3 kills it when it gets there
for the third time.
"""

from __future__ import annotations

import os
import signal

_NAME, _, _COUNT = os.environ.get("INSITU_FAILPOINT", "").partition(":")
_passed: dict[str, int] = {}


def reach(name: str) -> None:
    """SIGKILL ourselves if the environment asks for it; otherwise do nothing."""
    if name == _NAME:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] >= int(_COUNT or 1):
            os.kill(os.getpid(), signal.SIGKILL)
