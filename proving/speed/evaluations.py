"""How long an evaluation takes, and how much memory: from database to verdict, on a PostgreSQL of its own.

`fill` makes the data. Measures the real thing: `insitu evaluate` in a process of its own, and the nightly
job.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from insitu.embedded.postgres import Postgres
from insitu.errors import InsituError
from insitu.model import Observation
from insitu.times import to_us
from proving.speed.fill import START, Size, add_lab, add_late, add_trial
from proving.speed.packing import pack_everything
from store.catalogue.datastreams import list_datastreams
from store.database import Connection, connect, migrate
from store.observations import merge
from store.packed.checking import settle
from trials.statistics.intervals import bootstrap
from trials.workflow.evaluating import evaluate_trial

LARGE: Final = Size(devices=50, days=365, interval=timedelta(minutes=1))
SMALL: Final = Size(devices=10, days=60, interval=timedelta(minutes=15))
TRIALS: Final = 100
REPLICATES: Final = 10_000
LARGE_S, PACKED_S, LARGE_MB, BOOTSTRAP_S, NIGHT_S = 20.0, 6.0, 1536.0, 2.0, 60.0
"""Limits: seconds of a large trial, also when its results are packed, and MB; of a bootstrap; of a night."""
EXPORT_S, VERIFY_S = 60.0, 60.0
"""Of the large trial's package."""


class Usage(NamedTuple):
    """Resources of a process so far."""

    cpu_s: float
    peak_mb: float
    """Largest resident memory."""


class Run(NamedTuple):
    """One process, from its start to its end."""

    wall_s: float
    usage: Usage
    said: str


def measure(
    night: Callable[[Connection], int],
    *,
    large: Size = LARGE,
    small: Size = SMALL,
    trials: int = TRIALS,
    runs: int = 3,
) -> None:
    """Fills, measures, prints the table. `night`: the job that evaluates again what changed; returns how many
    evaluations it made.
    """
    _say(
        f"{os.cpu_count()} cores, Python {platform.python_version()}; load average when it began: "
        f"{os.getloadavg()[0]:.1f}\n"
    )
    with own_server() as (postgres, _), connect(postgres.url, application="insitu bench") as conn:
        begin = time.perf_counter()
        add_lab(conn)
        add_trial(conn, "large", large, seed=1)
        conn.commit()
        settle(conn)
        _say(f"{large.observations:,} planned observations, filled in {time.perf_counter() - begin:.0f} s\n")
        _say("| what | took (s) | of (s) | CPU (s) | memory (MB) | of (MB) |\n|---|---|---|---|---|---|")
        name = f"one trial: {large.devices} datastreams, {large.days} days, every {large.interval.seconds} s"
        for home, limit_s in (("among the observations", LARGE_S), ("packed", PACKED_S)):
            if home == "packed":
                _pack(conn, large)
            for number in range(runs):
                run = evaluate_alone(postgres.url, "large")
                what = f"{name}, {home}, run {number + 1}"
                _say(_row(what, run.wall_s, limit_s, run.usage.cpu_s, run.usage.peak_mb))
        _package(postgres.url, name)
        _say(
            _row(
                f"{REPLICATES:,} bootstrap replicates of {large.days} days",
                bootstrap_s(large.days),
                BOOTSTRAP_S,
            )
        )
        took, cpu, made = _night(conn, night, small, trials)
        name = (
            f"{trials} trials of {small.devices} datastreams, {small.days} days, every "
            f"{small.interval.seconds} s"
        )
        _say(_row(f"a night: {name}, and the one above; {made} had changed", took, NIGHT_S, cpu))
        took, cpu, made = _timed(conn, night)
        _say(_row(f"the next night; {made} had changed", took, NIGHT_S, cpu))
    _say("\n" + run.said)


def _package(database_url: str, name: str) -> None:
    """Writes the package of the large trial and verifies it."""
    with tempfile.TemporaryDirectory(prefix="insitu-bench-") as folder:
        package = str(Path(folder) / "package")
        for what, verb in (
            ("exported", ("export", "large", "--to", package)),
            ("verified", ("verify", package, "--own")),
        ):
            run = run_alone(database_url, *verb)
            limit_s = EXPORT_S if what == "exported" else VERIFY_S
            _say(_row(f"{name}, its package {what}", run.wall_s, limit_s, run.usage.cpu_s, run.usage.peak_mb))


def _pack(conn: Connection, size: Size) -> None:
    """All but the newest 50 results of each datastream, after one more that tells which are the newest."""
    end = START + timedelta(days=size.days)
    streams = [one.datastream_id for one in list_datastreams(conn, "large")]
    merge(conn, [Observation(number, to_us(end), 30.0, to_us(end), 0) for number in streams])
    conn.commit()
    if not pack_everything(conn, "large", end).results:
        raise InsituError("Nothing was packed, so nothing was measured.")
    settle(conn)


def evaluate_alone(database_url: str, trial: str) -> Run:
    """Runs `insitu evaluate` in a process of its own. Raises InsituError with its last words if it fails."""
    return run_alone(database_url, "evaluate", trial)


def run_alone(database_url: str, *verb: str) -> Run:
    """The same for any verb of the command line."""
    with tempfile.TemporaryFile("w+") as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cli", *verb],
            env={**os.environ, "INSITU_DATABASE_URL": database_url},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        usage = Usage(0.0, 0.0)
        while process.poll() is None:
            usage = usage_of(process.pid) or usage
            time.sleep(0.01)
        wall = time.perf_counter() - begin
        output.seek(0)
        said = output.read().strip()
    if process.returncode != 0:
        raise InsituError(f"`insitu {' '.join(verb)}` failed: {said[-500:]}")
    return Run(wall, usage, said)


def usage_of(pid: int) -> Usage | None:
    """None if the process has ended, or the system does not report it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    peaks = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return Usage((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), peaks[0]) if peaks else None


def bootstrap_s(days: int) -> float:
    """Seconds that the interval of a mean takes, with blocks of a week."""
    sums = np.stack([np.random.default_rng(1).normal(0, 1, days), np.ones(days)], axis=1)
    begin = time.perf_counter()
    bootstrap(sums, lambda s: s[..., 0] / s[..., 1], block=7, replicates=REPLICATES, seed=1, level=0.95)
    return time.perf_counter() - begin


def _night(
    conn: Connection, night: Callable[[Connection], int], size: Size, trials: int
) -> tuple[float, float, int]:
    """Evaluates the trials, then adds one late observation to each. (s, CPU s, new evaluations) of the night
    that follows.
    """
    names = [f"small-{number:03}" for number in range(trials)]
    now = datetime.now(UTC)
    for seed, name in enumerate(names):
        add_trial(conn, name, size, seed=seed)
        evaluate_trial(conn, name, now=now, login="lab", simulated=False)
        conn.commit()
    settle(conn)
    for name in names:
        add_late(conn, name, datetime.now(UTC))
    conn.commit()
    return _timed(conn, night)


def _timed(conn: Connection, night: Callable[[Connection], int]) -> tuple[float, float, int]:
    begin, cpu = time.perf_counter(), time.process_time()
    made = night(conn)
    return time.perf_counter() - begin, time.process_time() - cpu, made


@contextmanager
def own_server() -> Iterator[tuple[Postgres, Path]]:
    """A server for this run alone, migrated, and its folder, which the server's account can reach."""
    folder = Path(tempfile.mkdtemp(prefix="insitu-bench-"))
    folder.chmod(0o711)
    try:
        with Postgres(data_dir=folder / "postgres") as postgres:
            with connect(postgres.url, application="insitu bench") as conn:
                migrate(conn)
            yield postgres, folder / "postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _row(what: str, took: float, of: float, cpu: float | None = None, mb: float | None = None) -> str:
    """A row of the table; cells that were not measured hold a dash."""
    memory = ("–", "–") if mb is None else (f"{mb:,.0f}", f"{LARGE_MB:,.0f}")
    return (
        f"| {what} | {_seconds(took)} | {of:.0f} | {'–' if cpu is None else f'{cpu:.1f}'} | {memory[0]} | "
        f"{memory[1]} |"
    )


def _seconds(took: float) -> str:
    """Three digits that count: a step of a millisecond is not printed as none."""
    return f"{took:.0f}" if took >= 100 else f"{took:.3g}"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the table is the product
