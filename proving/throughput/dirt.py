"""How much slower dirty input is: drained in turn with clean input."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from proving.machine import machine, say
from proving.throughput.drain import CLEAN, INPUTS, Bench, Drained
from proving.throughput.measuring import DEVICES, bench_folder
from proving.throughput.servers import KINDS


def measure(*, messages: int, results: Sequence[int], runs: int, one_in: int) -> None:
    """Pairs of drains, and prints the medians of their ratios."""
    say(machine())
    say(
        f"{messages:,} messages from {DEVICES} devices a drain, one in {one_in} dirty; medians of {runs} "
        "pairs.\n"
    )
    say(
        "| broker | results | input | clean (msg/s) | dirty (msg/s) | ratio | CPU, clean and dirty (µs/msg) |"
    )
    say("|---|---|---|---|---|---|---|")
    for kind in [kind for kind in KINDS if kind.binary() is not None]:
        for count in results:
            for given in INPUTS[1:]:
                size = partial(
                    Bench, kind=kind, devices=DEVICES, messages=messages, results=count, odd=one_in
                )
                pairs = [_pair(size, given, dirty_first=turn % 2 == 1) for turn in range(runs)]
                say(line(kind.name, count, given, pairs))


def _pair(new_bench: Callable[[Path], Bench], given: str, *, dirty_first: bool) -> tuple[Drained, Drained]:
    """(clean, dirty), in servers of their own. Every other pair begins with the dirty one, since tables
    grow.
    """
    drained = {}
    with bench_folder() as folder, new_bench(folder) as bench:
        bench.make_sessions(yardstick=False)
        for now in (given, CLEAN) if dirty_first else (CLEAN, given):
            bench.fill(now)
            drained[now] = bench.drain_with_insitu(now)
    return drained[CLEAN], drained[given]


def line(broker: str, results: int, given: str, pairs: Sequence[tuple[Drained, Drained]]) -> str:
    """A row of the table."""
    ratios = [dirty.rate / clean.rate for clean, dirty in pairs]
    clean_rate, dirty_rate = (statistics.median(pair[place].rate for pair in pairs) for place in (0, 1))
    clean_cpu, dirty_cpu = (statistics.median(pair[place].cpu_us for pair in pairs) for place in (0, 1))
    spread = f"{statistics.median(ratios):.0%} ({min(ratios):.0%}–{max(ratios):.0%})"
    return (
        f"| {broker} | {results} | {given} | {clean_rate:,.0f} | {dirty_rate:,.0f} | {spread} "
        f"| {clean_cpu:.1f}, {dirty_cpu:.1f} |"
    )
