"""`insitu bench ingest`: from a filled session to the last commit, beside two yardsticks of the same run.

For each broker, number of results a message, and run: a fresh PostgreSQL (fsync on) and a fresh broker; two persistent sessions,
the ingestor's and a yardstick's, are made and left; the broker is filled; the yardstick (paho with manual acknowledgement,
receiving only) drains its session; the real ingestor, a process of its own, drains the other, timed from the first message it
receives to the commit of the last. Before, the same number of rows goes into the same table by COPY. Machines are noisy: the
table shows medians, and ratios within a run.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.bench.drain import Bench
from ingest.bench.live import RATE, latencies
from ingest.bench.servers import KINDS, Kind

DEVICES = 40


@dataclass(frozen=True, slots=True)
class Measured:
    """One run; rates per second."""

    broker: str
    results: int
    paho: float
    """Messages, receiving only."""
    insitu: float
    """Messages, from the first received to the last committed."""
    copy: float
    """Rows."""
    cpu_us: float
    """Of the ingestor, a message."""
    rss_mb: float
    p50_ms: float
    """From publish to commit, live at a fixed pace."""
    p99_ms: float

    @property
    def ratio(self) -> float:
        return self.insitu / self.paho


def run(*, messages: int, results: Sequence[int], runs: int) -> None:
    """Measure and print the table, a line as each broker is done."""
    kinds = [kind for kind in KINDS if kind.binary() is not None]
    missing = [kind.name for kind in KINDS if kind.binary() is None]
    say(machine())
    if missing:
        say(f"Not installed here, so not measured: {', '.join(missing)}.")
    say(
        f"{messages:,} messages from {DEVICES} devices a run; medians of {runs} runs, lowest and highest ratio in brackets; live at {RATE:,} messages/s.\n"
    )
    say(
        "| broker | results a message | paho, receiving only (msg/s) | Insitu (msg/s) | ratio | observations/s | COPY (rows/s) | CPU (µs/msg) | RSS (MB) | live p50/p99 (ms) |"
    )
    say("|---|---|---|---|---|---|---|---|---|---|")
    for kind in kinds:
        for count in results:
            say(line([once(kind, messages=messages, results=count) for _ in range(runs)]))


def once(kind: Kind, *, messages: int, results: int) -> Measured:
    """One run in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="insitu-bench-"))
    folder.chmod(0o711)
    try:
        with Bench(folder, kind, devices=DEVICES, messages=messages, results=results) as bench:
            bench.make_sessions()
            bench.fill()
            copy = bench.copy()
            paho = bench.drain_with_paho()
            drained = bench.drain_with_insitu()
            live = latencies(bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Measured(kind.name, results, paho, drained.rate, copy, drained.cpu_us, drained.rss_mb, *live)


def line(found: Sequence[Measured]) -> str:
    """A row of the table: medians."""
    ratios = [one.ratio for one in found]

    def median(numbers: Iterable[float]) -> float:
        return statistics.median(numbers)

    rate = median(one.insitu for one in found)
    return (
        f"| {found[0].broker} | {found[0].results} | {median(one.paho for one in found):,.0f} | {rate:,.0f} "
        f"| {median(ratios):.0%} ({min(ratios):.0%}–{max(ratios):.0%}) | {rate * found[0].results:,.0f} "
        f"| {median(one.copy for one in found):,.0f} | {median(one.cpu_us for one in found):.0f} | {median(one.rss_mb for one in found):.0f} "
        f"| {median(one.p50_ms for one in found):.0f} / {median(one.p99_ms for one in found):.0f} |"
    )


def machine() -> str:
    """What the figures were measured on."""
    model = "unknown processor"
    try:
        names = [
            text.partition(":")[2].strip() for text in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in text
        ]
        model = names[0] if names else model
    except OSError:
        pass
    return f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the table is the product
