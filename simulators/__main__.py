"""A fleet as a process of its own: `python -m simulators JOB`, where JOB is a JSON file with the arguments of
`run`. Reports progress as JSON lines.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from insitu.clock import Clock
from simulators.devices import LIVE_DAYS, World
from simulators.fleet import BrokerLogin, Fleet, FleetResult
from simulators.scenario import load_scenario

DAY_US = 86_400_000_000


def say(kind: str, result: FleetResult, now_us: int) -> None:
    line = {
        "kind": kind,
        "published": result.published,
        "acknowledged": result.acknowledged,
        "now_us": now_us,
    }
    # The protocol with the parent.
    print(json.dumps({**line, "faults": result.faults}), flush=True)  # noqa: T201


def main(path: str) -> None:
    """`scenarios`, `start`, `days`, `seed`, `clock`, `from_us`, `until_us`, `logins`, `acknowledged_log`,
    `live`.
    """
    job: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    start = datetime.fromisoformat(job["start"]).astimezone(ZoneInfo(job["time_zone"]))
    worlds = [
        World.of(load_scenario(s), start=start, days=job["days"], seed=job["seed"]) for s in job["scenarios"]
    ]
    logins = {name: BrokerLogin(**login) for name, login in job["logins"].items()}
    log = Path(job["acknowledged_log"]) if job.get("acknowledged_log") else None
    fleet = Fleet(worlds, logins, clock=Clock.loads(job["clock"]), acknowledged_log=log)
    result = fleet.run(
        from_us=job["from_us"],
        until_us=job["until_us"],
        stop=stop,
        progress=lambda r, now: say("progress", r, now),
    )
    if not stop.is_set():
        say("done", result, job["until_us"])
    if job.get("live") and not stop.is_set():
        end_us = int(worlds[0].grid.time_us[0]) + (job["days"] + LIVE_DAYS) * DAY_US
        fleet.run(from_us=job["until_us"], until_us=end_us, stop=stop)
    fleet.close()


if __name__ == "__main__":
    main(sys.argv[1])
