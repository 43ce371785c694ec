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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.bench import telegraf
from ingest.bench.drain import CLEAN, INPUTS, Bench
from ingest.bench.live import RATE, latencies
from ingest.bench.outage import RATE as RATE_AWAY
from ingest.bench.outage import outage
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
    telegraf: float | None
    """Messages, from the first row seen to the last; None where it is not installed."""
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
    missing = [kind.name for kind in KINDS if kind.binary() is None] + ([] if telegraf.binary() else ["telegraf"])
    say(machine())
    if missing:
        say(f"Not installed here, so not measured: {', '.join(missing)}.")
    say(
        f"{messages:,} messages from {DEVICES} devices a run; medians of {runs} runs, lowest and highest ratio in brackets; live at {RATE:,} messages/s.\n"
    )
    say(
        "| broker | results a message | paho, receiving only (msg/s) | Insitu (msg/s) | ratio | observations/s | COPY (rows/s) | Telegraf (msg/s) | CPU (µs/msg) | RSS (MB) | live p50/p99 (ms) |"
    )
    say("|---|---|---|---|---|---|---|---|---|---|---|")
    for kind in kinds:
        for count in results:
            say(line([once(kind, messages=messages, results=count) for _ in range(runs)]))


def once(kind: Kind, *, messages: int, results: int) -> Measured:
    """One run in a folder of its own."""
    with _folder() as folder, Bench(folder, kind, devices=DEVICES, messages=messages, results=results) as bench:
        bench.make_sessions(yardsticks=True)
        bench.fill()
        copy = bench.copy()
        paho = bench.drain_with_paho()
        peer = telegraf.drain(bench, messages) if telegraf.binary() else None
        drained = bench.drain_with_insitu()
        live = latencies(bench)
    return Measured(kind.name, results, paho, drained.rate, copy, peer, drained.cpu_us, drained.rss_mb, *live)


def dirt(*, messages: int, results: Sequence[int], runs: int) -> None:
    """The same drain for inputs with 1 % of repeats and 1 % of malformed messages, beside clean input of the same servers."""
    say(machine())
    say(
        f"{messages:,} messages from {DEVICES} devices of each input; medians of {runs} runs, ratio to clean input of the same run.\n"
    )
    say("| broker | results a message | clean (msg/s) | 1 % repeated | 1 % malformed |\n|---|---|---|---|---|")
    for kind in [kind for kind in KINDS if kind.binary() is not None]:
        for count in results:
            found = [_dirty(kind, messages=messages, results=count, turn=turn) for turn in range(runs)]
            cells = [_ratios([one[given] / one[CLEAN] for one in found]) for given in INPUTS[1:]]
            clean = statistics.median(one[CLEAN] for one in found)
            say(f"| {kind.name} | {count} | {clean:,.0f} | {' | '.join(cells)} |")


def _dirty(kind: Kind, *, messages: int, results: int, turn: int) -> dict[str, float]:
    """Messages a second for each input; each run begins with another one, since tables grow."""
    rates: dict[str, float] = {}
    with _folder() as folder, Bench(folder, kind, devices=DEVICES, messages=messages, results=results) as bench:
        bench.make_sessions(yardsticks=False)
        for place in range(len(INPUTS)):
            given = INPUTS[(turn + place) % len(INPUTS)]
            bench.fill(given)
            rates[given] = bench.drain_with_insitu(given).rate
    return rates


def away(*, seconds: Sequence[float], results: Sequence[int]) -> None:
    """The database away for so long, while devices publish."""
    say(machine())
    say(f"{DEVICES} devices publish {RATE_AWAY:,} messages/s without a pause; the database is stopped, and started again.\n")
    say(
        "| broker | results a message | away (s) | waiting then | drained in (s) | at (msg/s) | times the pace | RSS before, largest (MB) |"
    )
    say("|---|---|---|---|---|---|---|---|")
    for kind in [kind for kind in KINDS if kind.binary() is not None]:
        for count, away_s in [(count, away_s) for count in results for away_s in seconds]:
            with _folder() as folder, Bench(folder, kind, devices=DEVICES, messages=0, results=count) as bench:
                bench.make_sessions(yardsticks=False)
                found = outage(bench, seconds=away_s)
            say(
                f"| {kind.name} | {count} | {found.away_s:.0f} | {found.backlog:,} | {found.drained_s:.1f} | {found.drain_rate:,.0f} "
                f"| {found.factor:.1f} | {found.rss_before_mb:.0f}, {found.rss_peak_mb:.0f} |"
            )


@contextmanager
def _folder() -> Iterator[Path]:
    """Of one run; the servers' account can reach it."""
    folder = Path(tempfile.mkdtemp(prefix="insitu-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ratios(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.0%} ({min(ratios):.0%}–{max(ratios):.0%})"


def line(found: Sequence[Measured]) -> str:
    """A row of the table: medians."""
    ratios = [one.ratio for one in found]

    def median(numbers: Iterable[float]) -> float:
        return statistics.median(numbers)

    rate = median(one.insitu for one in found)
    peers = [one.telegraf for one in found if one.telegraf is not None]
    peer = f"{median(peers):,.0f}" if peers else "–"
    return (
        f"| {found[0].broker} | {found[0].results} | {median(one.paho for one in found):,.0f} | {rate:,.0f} "
        f"| {_ratios(ratios)} | {rate * found[0].results:,.0f} "
        f"| {median(one.copy for one in found):,.0f} | {peer} | {median(one.cpu_us for one in found):.0f} | {median(one.rss_mb for one in found):.0f} "
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
