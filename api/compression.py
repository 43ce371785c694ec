"""Answers in fewer bytes, for browsers that take gzip. Called on the threads that make pages: the event loop
never waits for it.

Pages hold no secret that stays the same from one answer to the next (`api.access.form_token` has another mask
each time), so their length tells nobody a secret.
"""

from __future__ import annotations

import gzip
from typing import Final

from fastapi import Request

LEAST: Final = 1400
"""Fewer bytes fit into one packet anyway."""
_LEVEL: Final = 5
VARIES: Final = {"Vary": "Accept-Encoding"}
CODED: Final = {"Content-Encoding": "gzip", **VARIES}


def takes_gzip(request: Request) -> bool:
    for part in request.headers.get("accept-encoding", "").split(","):
        name, _, quality = part.partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return quality.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def compress(request: Request, content: bytes) -> tuple[bytes, dict[str, str]]:
    """The content as it is sent, and the headers that say so."""
    if len(content) < LEAST or not takes_gzip(request):
        return content, VARIES
    return gzip.compress(content, _LEVEL, mtime=0), CODED
