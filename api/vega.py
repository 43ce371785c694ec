"""The charts' JavaScript: Vega-Lite as one file, made on this machine from a wheel and kept on disk.

The repository contains no third-party JavaScript, and none is downloaded. Making it takes a second, 100 MB
and the interpreter lock, so it runs in its own process.
"""

from __future__ import annotations

import gzip
import logging
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Final

from insitu.errors import RetryLater
from insitu.whole import write_whole

_LOG: Final = logging.getLogger("insitu.api")
_TIMEOUT_S: Final = 120
_PROGRAM: Final = """
import pathlib, sys, vl_convert
from insitu.whole import write_whole
write_whole(pathlib.Path(sys.argv[1]), vl_convert.javascript_bundle("export { vegaEmbed };"), mode=0o644)
"""


class Bundle:
    """`path` exists once `ready`; `start` makes it, once."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"vega-{version('vl-convert-python')}.js"
        self._made = threading.Event()

    def start(self) -> None:
        if self.path.exists():
            self._made.set()
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        threading.Thread(target=self._make, name="vega bundle", daemon=True).start()

    def _make(self) -> None:
        try:
            subprocess.run(
                [sys.executable, "-P", "-c", _PROGRAM, str(self.path)],
                check=True,
                timeout=_TIMEOUT_S,
                capture_output=True,
                text=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            # pages work without it: every chart also has a drawing and a table from the server
            _LOG.warning(
                "interactive charts are not available: %s %s", error, getattr(error, "stderr", "") or ""
            )
        self._made.set()

    def wait_packed(self) -> Path:
        """The same, compressed: a quarter of the bytes. Made once."""
        path = self.wait()
        packed = path.with_name(f"{path.name}.gz")
        if not packed.exists():
            write_whole(packed, gzip.compress(path.read_bytes(), mtime=0), mode=0o644)
        return packed

    def wait(self, seconds: float = 20.0) -> Path:
        """The file; raises RetryLater if it is not ready in time."""
        self._made.wait(seconds)
        if not self.path.exists():
            raise RetryLater(
                "Interactive charts are not available: the log says why. The drawings and tables on the "
                "page still work."
            )
        return self.path
