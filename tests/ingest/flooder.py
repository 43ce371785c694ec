"""A device that publishes 200 kB messages as fast as its broker accepts them, and reconnects whenever it is
cut off.

`python -m tests.ingest.flooder HOST PORT USER TOKEN TOPIC KIND SECONDS`; prints the numbers of acknowledged
messages, connections and refusals.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable

from proving.throughput.fill import _connect, _publish

SIZE = 200_000


def random_bytes() -> bytes:
    return os.urandom(SIZE)


def known_results() -> bytes:
    return _list_of("pm25")


def unknown_results() -> bytes:
    return _list_of("nobody-knows-this")


def _list_of(name: str) -> bytes:
    """A payload with thousands of results within the two minutes before now."""
    start = time.time() - 120
    observations = [{"property": name, "time": round(start + n * 0.04, 3), "result": n} for n in range(2900)]
    return json.dumps({"observations": observations}).encode()


KINDS: dict[str, Callable[[], bytes]] = {
    "random": random_bytes,
    "results": known_results,
    "unknown": unknown_results,
}


def flood(
    host: str, port: int, user: str, token: str, topic: str, kind: str, seconds: float
) -> tuple[int, int, int]:
    end, acknowledged, connections, refused = time.monotonic() + seconds, list[int](), 0, 0
    while time.monotonic() < end:
        try:
            with socket.create_connection((host, port), timeout=5) as link:
                link.sendall(_connect(user, token))
                if link.recv(4)[3:4] != b"\x00":
                    refused += 1
                    time.sleep(0.1)
                    continue
                connections += 1
                _publish_until(link, topic, kind, end, acknowledged)
        except OSError:
            time.sleep(0.1)
    return sum(acknowledged), connections, refused


def _publish_until(link: socket.socket, topic: str, kind: str, end: float, acknowledged: list[int]) -> None:
    """Publishes until the end, or until the connection is cut; counts acknowledgements as they come."""
    mid = open_ = 0
    payload = b""
    while time.monotonic() < end:
        if mid % 50 == 0:
            payload = KINDS[kind]()
        mid = mid % 65_535 + 1
        link.sendall(_publish(topic, payload, mid))
        open_ += 1
        while open_ > 20:
            part = link.recv(4 * open_)
            if not part:
                return
            open_ -= len(part) // 4
            acknowledged.append(len(part) // 4)


if __name__ == "__main__":
    host, port, user, token, topic, kind, seconds = sys.argv[1:]
    sys.stdout.write(" ".join(map(str, flood(host, int(port), user, token, topic, kind, float(seconds)))))
