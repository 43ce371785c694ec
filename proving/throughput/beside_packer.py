"""How fast messages are taken in while the packer works on old results beside the ingestor."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import numpy as np

from insitu.clock import SYSTEM
from insitu.model import Observation
from insitu.times import to_us
from jobs.loop import PAUSE_S
from jobs.packing import Packer
from proving.machine import machine, say
from proving.throughput.drain import CLEAN, Bench
from proving.throughput.measuring import DEVICES, bench_folder
from proving.throughput.servers import KINDS, Kind
from store.catalogue.datastreams import list_datastreams
from store.database import connect
from store.observations import copy_straight, merge

OLD: Final = 4_000_000
"""Results that wait for the packer: more than it packs meanwhile."""
_STEP_US: Final = 10_000_000


def measure(*, messages: int, results: Sequence[int], runs: int) -> None:
    """Drains three times in a run, the packer works in the second one, and prints the rates."""
    say(machine())
    say(f"{messages:,} messages from {DEVICES} devices; {OLD:,} old results wait for the packer.\n")
    say("| broker | results | without (msg/s) | beside the packer | without | share | packed meanwhile |")
    say("|---|---|---|---|---|---|---|")
    for kind in [kind for kind in KINDS if kind.binary() is not None]:
        for count in results:
            shares = []
            for _ in range(runs):
                before, _ = _drained(kind, messages, count, with_packer=False)
                beside, packed = _drained(kind, messages, count, with_packer=True)
                after, _ = _drained(kind, messages, count, with_packer=False)
                shares.append(2 * beside / (before + after))
                say(
                    f"| {kind.name} | {count} | {before:,.0f} | {beside:,.0f} | {after:,.0f} | "
                    f"{shares[-1]:.1%} | {packed:,} |"
                )
            say(f"| {kind.name} | {count} | | median of {runs} | | {statistics.median(shares):.1%} | |")


def _drained(kind: Kind, messages: int, results: int, *, with_packer: bool) -> tuple[float, int]:
    """(messages a second, results packed meanwhile), on servers of its own."""
    with (
        bench_folder() as folder,
        Bench(folder, kind, devices=DEVICES, messages=messages, results=results) as bench,
    ):
        bench.make_sessions(yardstick=False)
        _add_old(bench)
        bench.fill()
        if not with_packer:
            return bench.drain_with_insitu(CLEAN).rate, 0
        with _packing(bench.postgres.service_url) as moved:
            rate = bench.drain_with_insitu(CLEAN).rate
        return rate, sum(moved)


def _add_old(bench: Bench) -> None:
    """Results of a trial of their own, the newest ten days old, and the 60 after them, which stay."""
    streams = [one.datastream_id for one in list_datastreams(bench.conn, "yardstick")]
    end = to_us(bench.start - timedelta(days=10))
    times = end - np.arange(OLD // len(streams), dtype=np.int64)[::-1] * _STEP_US
    at = np.repeat(times, len(streams))
    copy_straight(bench.conn, np.tile(streams, len(times)), at, 20 + (at % 997) / 10, at + 120_000)
    bench.conn.commit()
    later = [end + place * _STEP_US for place in range(1, 61)]
    merge(bench.conn, [Observation(number, at, 20.0, at, 0) for number in streams for at in later])
    bench.conn.commit()


@contextmanager
def _packing(url: str) -> Iterator[list[int]]:
    """The packer at the pace of the job, in a thread of this process; yields how many results moved in each
    round.
    """
    moved: list[int] = []
    stop = threading.Event()

    def run() -> None:
        with connect(url, application="insitu packer") as conn:
            packer = Packer(SYSTEM, timedelta(days=2), stop)
            while not stop.is_set():
                moved.append(packer(conn))
                stop.wait(PAUSE_S)

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run)
        try:
            yield moved
        finally:
            stop.set()
            running.result()
