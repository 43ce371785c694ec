"""From publish to commit while messages come at a fixed pace: when did the ledger first count the k-th
message?
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Final

import numpy as np

from proving.throughput.drain import Bench
from proving.throughput.fill import fill
from proving.throughput.servers import PASSWORD
from store import ledger
from store.database import connect

SECONDS: Final = 10
_LOOK_EVERY_S: Final = 0.002


def latencies(bench: Bench, *, rate: int, seconds: int = SECONDS) -> tuple[float, float]:
    """(median, 99th percentile) in ms, over `rate` · `seconds` messages after those that came before;
    resolution 2 ms.
    """
    count = rate * seconds
    published = np.zeros(count)
    seen_at: list[float] = []
    seen: list[int] = []
    stop = threading.Event()
    ingestor = bench.start_ingestor()
    try:
        before = bench.received()

        def look() -> None:
            with connect(bench.postgres.url, application="insitu bench") as conn:
                conn.autocommit = True
                while not stop.is_set():
                    total = sum(line.received for line in ledger.totals(conn, None))
                    seen.append(total - before)
                    seen_at.append(time.perf_counter())
                    stop.wait(_LOOK_EVERY_S)

        watcher = threading.Thread(target=look)
        watcher.start()
        fill(
            bench.address.host, bench.address.port, "fleet", PASSWORD, _paced(bench, published, rate), block=1
        )
        limit = time.monotonic() + 30
        while (not seen or seen[-1] < count) and time.monotonic() < limit:
            time.sleep(0.01)
        stop.set()
        watcher.join()
    finally:
        stop.set()
        ingestor.stop()
    first = np.searchsorted(np.array(seen), np.arange(1, count + 1))
    took = (np.array([*seen_at, np.inf])[first] - published) * 1000
    return float(np.quantile(took, 0.5)), float(np.quantile(took, 0.99))


def _paced(
    bench: Bench, published: np.ndarray[tuple[int], np.dtype[np.float64]], rate: int
) -> Iterator[tuple[str, bytes]]:
    first, bench.sent_live = bench.messages + bench.sent_live, bench.sent_live + len(published)
    begin = time.perf_counter()
    for number in range(len(published)):
        wait = begin + number / rate - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        message = bench.message(first + number)
        published[number] = time.perf_counter()
        yield message
