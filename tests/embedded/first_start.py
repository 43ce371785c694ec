"""A first start of both servers that kills itself and everything it has started at a given moment.

Run as a script: DATA_DIR SEEN SERVERS. For each line of its input it forks, and prints the exit code of the
fork. SEEN lists file operations in the data directory. A fork dies just before the first operation that is
not in SEEN, and adds it to SEEN. If there is no new one, it starts to the end and stops.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from pathlib import Path

from insitu.embedded.broker import Broker
from insitu.embedded.child import finish
from insitu.embedded.postgres import Postgres
from insitu.embedded.process import Process, children_of, kill_tree

EVENTS = (
    "open",
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.truncate",
    "subprocess.Popen",
)
RANDOM = re.compile(r"(?<=[-.])([0-9a-f]{8}|[a-z0-9_]{8})(?=/|$|\.)")


class Killer:
    def __init__(self, data_dir: Path, seen: Path) -> None:
        self._data_dir = str(data_dir)
        self._seen_file = seen
        self._seen = set(seen.read_text().splitlines()) if seen.exists() else set()
        self._busy = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._busy or event not in EVENTS:
            return
        if event == "open" and not (
            isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_TRUNC)
        ):
            return
        self._busy = True
        try:
            self._judge(event, arguments)
        finally:
            self._busy = False

    def _judge(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "subprocess.Popen":
            moment = "start " + " ".join(Path(str(word)).name for word in arguments[1][7:9])
        else:
            path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | Path) else ""
            if not path.startswith(self._data_dir):
                return
            moment = f"{event} {path.removeprefix(self._data_dir)}"
            moment = re.sub(r"(\.?pg-bin-[^/]*/).*", r"\1…", moment)  # a thousand files of one kind
        moment = RANDOM.sub("*", moment)
        if moment in self._seen:
            return
        with self._seen_file.open("a") as file:
            file.write(moment + "\n")
        for child in children_of(os.getpid()):
            kill_tree(child)
        os.kill(os.getpid(), signal.SIGKILL)


def main(data_dir: Path, seen: Path, servers: str) -> None:
    sys.addaudithook(Killer(data_dir, seen))
    postgres, broker = Postgres(data_dir=data_dir, durable=False), Broker(data_dir=data_dir)
    if "p" in servers:
        finish(postgres.starting())
    if "b" in servers:
        finish(broker.starting(()))
        broker.mark_sessions(["a" * 64])
    broker.stop()
    postgres.stop()


def fork_into(data_dir: Path, seen: Path, servers: str) -> int:
    """The exit code of one start in a process of its own; minus a signal if that killed it."""
    child = os.fork()
    if child == 0:
        try:
            main(data_dir, seen, servers)
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    assert Process.of(os.getpid()).started
    for _ in sys.stdin:
        code = fork_into(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()
