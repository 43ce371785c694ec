"""`simulate`: sends a fleet from a scenario file to a running installation, and writes its truth manifest."""

from __future__ import annotations

import json
import os
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli.actor import open_acting
from cli.addresses import broker_address, parse_broker_url
from cli.demo.register import give_credentials
from cli.demo.register import register as put_into_catalogue
from cli.devices import wait_until_applied
from cli.output import progress, say
from cli.stopping import until_signal
from cli.target import Target
from insitu.clock import Clock
from insitu.embedded.child import Child, python_module
from insitu.errors import CorrectInput, InsituError
from insitu.settings import load, portable_environment
from insitu.whole import write_whole
from simulators.scenario import load_scenario
from simulators.truth import truth as manifest_of
from store.access import fact, put_fact, revoke_credentials
from store.audit import record
from store.catalogue.devices import find_device
from store.catalogue.trials import list_trials

if TYPE_CHECKING:
    from ingest.mqtt import BrokerAddress
    from simulators.scenario import Scenario
    from store.database import Connection


def simulate(
    scenario: Annotated[str, typer.Argument(help="A TOML file, or the name of one that comes with Insitu.")],
    days: Annotated[int, typer.Option(min=1, help="Days of history, sent first as late data.")] = 1,
    takes: Annotated[
        float, typer.Option(help="Seconds the history takes; 0: as fast as a day a second.")
    ] = 0.0,
    live: Annotated[
        bool, typer.Option("--live/--no-live", help="Go on in real time after the history.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of every signal and fault.")] = 1,
    truth: Annotated[Path | None, typer.Option(help="File for the truth manifest.")] = None,
) -> None:
    """Send the measurements of a simulated fleet to the installation on this machine, and write down the
    truth.
    """
    plan = load_scenario(scenario)
    stop = until_signal()
    target, conn, actor = open_acting("insitu simulate")
    with conn:
        life = _life(conn, plan, target, days=days, seed=seed)
        logins = _logins(conn, plan, target, actor)
    start, days, seed = (
        datetime.fromisoformat(life["start"]).astimezone(ZoneInfo(plan.time_zone)),
        life["days"],
        life["seed"],
    )
    manifest = manifest_of(plan, start=start, days=days, seed=seed)
    path = truth or Path(f"{plan.code}.truth.json")
    path.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    say(f"{len(logins)} devices of {plan.code}; the truth is in {path}.")
    job = {
        "scenarios": [str(Path(scenario).resolve()) if Path(scenario).is_file() else scenario],
        "start": start.isoformat(),
        "days": days,
        "seed": seed,
        "time_zone": plan.time_zone,
        "logins": logins,
        "acknowledged_log": None,
        "live": live,
        **_span(life, start, days, takes),
    }
    _run(job, stop, target)


def _life(conn: Connection, plan: Scenario, target: Target, *, days: int, seed: int) -> dict[str, Any]:
    """When this fleet began. A second run continues it, because another seed would contradict the earlier
    data.
    """
    name = f"simulated {plan.code}"
    kept = fact(conn, name)
    if kept is not None:
        return {**json.loads(kept), "new": False}
    if any(trial.code == plan.code for trial in list_trials(conn)):
        raise CorrectInput(f"There is a real trial {plan.code!r} here: give the scenario another code.")
    zone = ZoneInfo(plan.time_zone)
    today = target.clock.now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    start = today - timedelta(days=days)
    put_into_catalogue(conn, plan, start=start)
    life = {"start": start.isoformat(), "days": days, "seed": seed}
    put_fact(conn, name, json.dumps(life))
    conn.commit()
    return {**life, "new": True}


def _logins(conn: Connection, plan: Scenario, target: Target, actor: str) -> dict[str, dict[str, Any]]:
    """New credentials for every device, active at the broker; the old ones are revoked."""
    now = target.clock.now()
    for device in plan.device_codes():
        revoke_credentials(conn, device_id=find_device(conn, plan.code, device).device_id, at=now)
    pairs = give_credentials(conn, plan, now=now, login=actor)
    detail = {"devices": len(pairs)}
    record(conn, at=now, login=actor, action="simulate", subject=plan.code, detail=detail)
    conn.commit()
    wait_until_applied(conn)
    address = _broker(target)
    return {
        name: {
            "host": address.host,
            "port": address.port,
            "username": username,
            "password": token,
            "ca": str(address.tls_ca) if address.tls_ca else None,
        }
        for name, (username, token) in pairs.items()
    }


def _broker(target: Target) -> BrokerAddress:
    if target.running is None:
        return broker_address(load())
    ca = Path(target.running.mqtt_ca) if target.running.mqtt_ca else None
    return parse_broker_url(target.running.mqtt_url, ca)


def _span(life: dict[str, Any], start: datetime, days: int, takes: float) -> dict[str, Any]:
    """The first time, the history on a fast clock; later runs only the time from now on."""
    now = time.time()
    if not life["new"]:
        return {"clock": Clock().dumps(), "from_us": int(now * 1e6), "until_us": int(now * 1e6)}
    history = timedelta(seconds=now - start.timestamp())
    clock = Clock.simulated(real_start=now, history=history, takes=timedelta(seconds=takes or max(5.0, days)))
    return {
        "clock": clock.dumps(),
        "from_us": int(start.timestamp() * 1e6),
        "until_us": int(clock.fast_until * 1e6),
    }


def _run(job: dict[str, Any], stop: Any, target: Target) -> None:
    with tempfile.TemporaryDirectory(prefix="insitu-simulate-") as folder:
        path, log = Path(folder) / "fleet.json", Path(folder) / "fleet.log"
        write_whole(path, json.dumps(job))  # readable by us only: it contains the devices' tokens
        fleet = Child(
            python_module("simulators", str(path)),
            log=log,
            env=portable_environment(os.environ),
            cwd=Path("/"),
        )
        fleet.start()
        try:
            _follow(job, fleet, log, stop)
        finally:
            fleet.stop()
    if target.running is not None:
        say(f"Its page: {target.running.http}/trials/{_code(job)}")


def _code(job: dict[str, Any]) -> str:
    return str(next(iter(job["logins"])).partition("/")[0])


def _follow(job: dict[str, Any], fleet: Any, log: Path, stop: Any) -> None:
    first, last = job["from_us"], job["until_us"]
    done = False
    with progress("History") as show:
        while not stop.wait(0.2) and fleet.poll() is None and not done:
            said = _last_line(log)
            done = said.get("kind") == "done"
            if said:
                show(
                    min(said["now_us"], last) - first,
                    max(1, last - first),
                    f"{said['acknowledged']:,} messages acknowledged",
                )
    if fleet.poll() not in (None, 0):
        raise InsituError(f"The simulated fleet ended: {fleet.last_words(3)}")
    if job["live"] and not stop.is_set():
        say("The fleet is live. Stop with Ctrl-C.")
        while not stop.wait(0.5):
            if fleet.poll() is not None:
                raise InsituError(f"The simulated fleet ended: {fleet.last_words(3)}")


def _last_line(log: Path) -> dict[str, Any]:
    try:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        return dict(json.loads(lines[-1])) if lines else {}
    except (OSError, ValueError):
        return {}
