"""Where the running NATS server says which user a connection has; its log names connections only."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from insitu.whole import write_whole


@dataclass(frozen=True, slots=True)
class Monitor:
    """A local port, and a path that nobody can guess, because a program that may ask learns user names."""

    port: int
    path: str

    def tell(self, file: Path, pid: int | None) -> None:
        """Write the address and the server's process id, by which its log names the server."""
        # Elsewhere than on Linux there is a process in between, so the log has another number.
        server = pid if pid and sys.platform.startswith("linux") else 0
        write_whole(file, f"http://127.0.0.1:{self.port}/{self.path} {server}\n")
