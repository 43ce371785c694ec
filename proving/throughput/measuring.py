"""Measures every broker and number of results, and prints the table."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proving.machine import machine, say
from proving.throughput import telegraf
from proving.throughput.drain import CLEAN, INPUTS, Bench
from proving.throughput.live import latencies
from proving.throughput.outage import RATE as RATE_AWAY
from proving.throughput.outage import outage
from proving.throughput.servers import KINDS, Kind

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
    """Messages, from the first row to nine tenths of them; None where it is not installed."""
    cpu_us: float
    """Of the ingestor, a message."""
    rss_mb: float
    live: tuple[tuple[float, float], ...]
    """From publish to commit, live at each of the rates: median and 99th percentile (ms)."""
    dirty: dict[str, float]
    """Input with 1 % of repeats, and of malformed messages: messages a second by those of clean input."""

    @property
    def ratio(self) -> float:
        return self.insitu / self.paho


def run(*, messages: int, results: Sequence[int], runs: int, rates: Sequence[int]) -> None:
    """Measures and prints the table, a line as soon as each broker and number of results is done."""
    kinds = [kind for kind in KINDS if kind.binary() is not None]
    missing = [kind.name for kind in KINDS if kind.binary() is None] + (
        [] if telegraf.binary() else ["telegraf"]
    )
    say(machine())
    if missing:
        say(f"Not installed here, so not measured: {', '.join(missing)}.")
    say(
        f"{messages:,} messages from {DEVICES} devices a run; medians of {runs} runs, lowest and highest "
        "ratio in brackets.\n"
    )
    columns = [
        "broker",
        "results a message",
        "paho, receiving only (msg/s)",
        "Insitu (msg/s)",
        "ratio",
        "observations/s",
        "1 % repeated",
        "1 % malformed",
        "COPY (rows/s)",
        "Telegraf (msg/s)",
        "of Telegraf",
        "CPU (µs/msg)",
        "RSS (MB)",
        *(f"p50/p99 at {rate:,}/s (ms)" for rate in rates),
    ]
    say(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for kind in kinds:
        for count in results:
            say(
                line(
                    [
                        once(kind, messages=messages, results=count, rates=rates, turn=turn)
                        for turn in range(runs)
                    ]
                )
            )


def once(kind: Kind, *, messages: int, results: int, rates: Sequence[int], turn: int) -> Measured:
    """One run in folders of its own."""
    with (
        bench_folder() as folder,
        Bench(folder, kind, devices=DEVICES, messages=messages, results=results) as bench,
    ):
        bench.make_sessions(yardstick=True)
        if telegraf.binary():
            telegraf.make_session(bench)
        bench.fill()
        copy = bench.copy()
        paho = bench.drain_with_paho()
        peer = telegraf.drain(bench, messages) if telegraf.binary() else None
        drained = bench.drain_with_insitu()
        live = tuple(latencies(bench, rate=rate) for rate in rates)
    inputs = _dirty(kind, messages=messages, results=results, turn=turn)
    dirty = {given: inputs[given] / inputs[CLEAN] for given in INPUTS[1:]}
    return Measured(
        kind.name, results, paho, drained.rate, copy, peer, drained.cpu_us, drained.rss_mb, live, dirty
    )


def _dirty(kind: Kind, *, messages: int, results: int, turn: int) -> dict[str, float]:
    """Messages a second for each input; each run begins with another one, since tables grow."""
    rates: dict[str, float] = {}
    with (
        bench_folder() as folder,
        Bench(folder, kind, devices=DEVICES, messages=messages, results=results) as bench,
    ):
        bench.make_sessions(yardstick=False)
        for place in range(len(INPUTS)):
            given = INPUTS[(turn + place) % len(INPUTS)]
            bench.fill(given)
            rates[given] = bench.drain_with_insitu(given).rate
    return rates


def away(*, seconds: Sequence[float], results: Sequence[int]) -> None:
    """Measures with the database away for each of `seconds`, while devices publish."""
    say(machine())
    say(
        f"{DEVICES} devices publish {RATE_AWAY:,} messages/s without a pause; the database is stopped, and "
        "started again.\n"
    )
    say(
        "| broker | results a message | away (s) | waiting then | drained in (s) | at (msg/s) | times the "
        "pace | RSS before, largest (MB) |"
    )
    say("|---|---|---|---|---|---|---|---|")
    for kind in [kind for kind in KINDS if kind.binary() is not None]:
        for count, away_s in [(count, away_s) for count in results for away_s in seconds]:
            with (
                bench_folder() as folder,
                Bench(folder, kind, devices=DEVICES, messages=0, results=count) as bench,
            ):
                bench.make_sessions(yardstick=False)
                found = outage(bench, seconds=away_s)
            say(
                f"| {kind.name} | {count} | {found.away_s:.0f} | {found.backlog:,} | {found.drained_s:.1f} "
                f"| {found.drain_rate:,.0f} "
                f"| {found.factor:.1f} | {found.rss_before_mb:.0f}, {found.rss_peak_mb:.0f} |"
            )


@contextmanager
def bench_folder() -> Iterator[Path]:
    """A folder for one run; the servers' account can reach it."""
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

    def median(numbers: Iterable[float]) -> str:
        return f"{statistics.median(numbers):,.0f}"

    peers = [one.telegraf for one in found if one.telegraf is not None]
    cells = [
        found[0].broker,
        str(found[0].results),
        median(one.paho for one in found),
        median(one.insitu for one in found),
        _ratios([one.ratio for one in found]),
        median(one.insitu * one.results for one in found),
        *(_ratios([one.dirty[given] for one in found]) for given in INPUTS[1:]),
        median(one.copy for one in found),
        median(peers) if peers else "–",
        _ratios([one.insitu / one.telegraf for one in found if one.telegraf]) if peers else "–",
        median(one.cpu_us for one in found),
        median(one.rss_mb for one in found),
    ]
    for place in range(len(found[0].live)):
        cells.append(" / ".join(median(one.live[place][part] for one in found) for part in (0, 1)))
    return f"| {' | '.join(cells)} |"
