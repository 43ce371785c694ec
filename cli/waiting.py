"""A part that starts before its database waits for it and reports that; it ends after an error that waiting
does not fix.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from cli.output import warn
from insitu.errors import RetryLater
from store.database import connect, require_current

SAY_EVERY_S: Final = 10.0
_PAUSE_S: Final = 1.0


def wait_for_database(url: str, *, application: str, stop: threading.Event) -> None:
    """Returns when the database answers and its schema is current, or when `stop` is set.

    Raises RunMigrate, UpgradeInsitu, UpgradePostgres or NotAcceptedHere: a person or another unit must act
    and start the part again.
    """
    said_at = float("-inf")
    while not stop.is_set():
        try:
            with connect(url, application=application) as conn:
                require_current(conn)
            return
        except RetryLater as error:
            if time.monotonic() - said_at >= SAY_EVERY_S:
                said_at = time.monotonic()
                warn(f"{application} waits for the database. {error}")
        stop.wait(_PAUSE_S)
