"""The database goes away while devices publish at a fixed pace: how large does the ingestor grow, how fast
does it catch up?
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insitu.errors import InsituError
from proving.throughput.drain import Bench
from proving.throughput.fill import fill
from proving.throughput.servers import PASSWORD
from store import ledger
from store.database import connect

RATE: Final = 2000
BEFORE_S: Final = 5.0
AFTER_S: Final = 40.0


@dataclass(frozen=True, slots=True)
class Outage:
    away_s: float
    backlog: int
    """Messages that waited when the database came back."""
    drain_rate: float
    """Messages a second until the backlog was gone, live ones among them."""
    drained_s: float
    rss_before_mb: float
    rss_peak_mb: float

    @property
    def factor(self) -> float:
        """The drain rate as a multiple of the devices' pace."""
        return self.drain_rate / RATE


def outage(bench: Bench, *, seconds: float) -> Outage:
    """Stops the database for `seconds`. Raises InsituError unless every message becomes rows."""
    count = int(RATE * (BEFORE_S + seconds + AFTER_S))
    published = [0]
    begin = time.perf_counter()

    def paced() -> Iterator[tuple[str, bytes]]:
        for number in range(count):
            wait = begin + number / RATE - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            published[0] = number
            yield bench.message(number)

    publisher = threading.Thread(
        target=fill,
        args=(bench.address.host, bench.address.port, "fleet", PASSWORD, paced()),
        kwargs={"block": 1},
    )
    ingestor = bench.start_ingestor()
    try:
        publisher.start()
        time.sleep(BEFORE_S)
        rss_before = _peak_mb(ingestor.pid)
        bench.postgres.stop()
        gone = time.perf_counter()
        time.sleep(seconds)
        bench.postgres.start()
        back = time.perf_counter()
        with connect(bench.postgres.url, application="insitu bench") as conn:
            bench.conn = conn
            stored_then, published_then = bench.received(), published[0]
            limit = back + 120
            while (stored := bench.received()) < published[
                0
            ] - RATE // 4:  # a quarter of a second behind is live
                if time.perf_counter() > limit:
                    raise InsituError(
                        f"Two minutes after the outage {published[0] - stored} messages still waited."
                    )
                time.sleep(0.05)
            drained_s = time.perf_counter() - back
            rss_peak = _peak_mb(ingestor.pid)
            publisher.join()
            _wait_for_all(bench, count)
        return Outage(
            back - gone,
            published_then - stored_then,
            (stored - stored_then) / drained_s,
            drained_s,
            rss_before,
            rss_peak,
        )
    finally:
        ingestor.stop()


def _wait_for_all(bench: Bench, count: int) -> None:
    limit = time.monotonic() + 30
    while sum(line.stored for line in ledger.totals(bench.conn, None)) < count * len(bench.names):
        bench.conn.rollback()
        if time.monotonic() > limit:
            raise InsituError("Not every message became rows: a defect, please report it.")
        time.sleep(0.1)


def _peak_mb(pid: int | None) -> float:
    peak = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(peak.split()[1]) / 1024
