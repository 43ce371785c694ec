"""Answers in fewer bytes, for browsers that take gzip. Called on the threads that make pages: the event loop
never waits for it.

Pages hold no secret that stays the same from one answer to the next (`api.access.form_token` has another mask
each time), so their length tells nobody a secret.
"""

from __future__ import annotations

import gzip
import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

LEAST: Final = 1400
"""Fewer bytes fit into one packet anyway."""
_LEVEL: Final = 5
_TEXTS: Final = (".css", ".js", ".geojson", ".svg")
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


class PackedFiles(StaticFiles):
    """Static files; texts are compressed, once for each version of a file."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        plain = super().file_response(full_path, stat_result, scope, status_code)
        is_text = Path(full_path).suffix in _TEXTS and stat_result.st_size >= LEAST
        if not isinstance(plain, FileResponse) or not is_text:
            return plain
        plain.headers.update(VARIES)
        if not takes_gzip(Request(scope)):
            return plain
        headers = {name: value for name, value in plain.headers.items() if name != "content-length"}
        content = _packed(Path(full_path), stat_result.st_mtime_ns)
        return Response(content, status_code, headers=headers | CODED)


@lru_cache(maxsize=16)
def _packed(path: Path, _changed_ns: int) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)
