"""`python -m proving.faults list | run NAME… | quick | soak`."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path

from proving.faults.installation import Failed, Installation
from proving.faults.journal import Kind
from proving.faults.runner import Outcome, Runner
from proving.faults.scenarios.catalogue import SCENARIOS, Scenario
from proving.faults.soak import Goal, Soak, tables
from proving.faults.world import EVERY_KIND, open_world

SLOW = {Kind.UNREADABLE: 0.4, Kind.HTTP: 5.0, Kind.HTTP_BARE: 5.0}
"""Messages a second of the kinds that must not grow with the rate of the soak: rejects are bounded, and each
post opens a connection.
"""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _report(outcome: Outcome) -> None:
    say(f"{outcome.name:26} {outcome.verdict:8} {outcome.seconds:6.1f} s  {outcome.said}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proving.faults", description=__doc__)
    parser.add_argument(
        "--keep", type=Path, default=Path("out/faults"), help="where seeds and logs of failures stay"
    )
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument(
        "--beside", action="store_true", help="two installations at a time; needs two free processors"
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="all scenarios; * marks those of `quick`")
    run = verbs.add_parser("run", help="some scenarios by name, or all")
    run.add_argument("names", nargs="+")
    verbs.add_parser("quick", help="each kind of fault once, in about eight minutes")
    soak = verbs.add_parser("soak", help="kills by seed until a goal is reached")
    soak.add_argument("--hours", type=float, default=0.0)
    soak.add_argument("--kills", type=int, default=0)
    soak.add_argument("--messages", type=int, default=0)
    soak.add_argument("--rate", type=float, default=500.0, help="messages a second, all devices together")
    soak.add_argument("--calm", action="store_true", help="no kills: memory, descriptors and disk only")
    return parser.parse_args()


def _chosen(names: Sequence[str]) -> list[Scenario]:
    if list(names) == ["all"]:
        return [scenario for scenario in SCENARIOS if not scenario.name.endswith("-quick")]
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise SystemExit(f"no scenario {', '.join(unknown)}; `python -m proving.faults list` has all")
    return [by_name[name] for name in names]


async def _run(scenarios: Sequence[Scenario], seed: int, top: Path, kept: Path, *, beside: bool) -> bool:
    began = time.monotonic()
    outcomes = await Runner(top, kept, seed, _report, beside=beside).run(scenarios)
    failed = [outcome for outcome in outcomes if outcome.verdict == "FAILED"]
    skipped = sum(outcome.verdict == "skipped" for outcome in outcomes)
    say(
        f"\n{len(outcomes)} outcomes, {len(failed)} failed, {skipped} skipped, "
        f"{time.monotonic() - began:.0f} s, seed {seed}"
    )
    if failed:
        lines = [f"seed {seed}", *(f"{outcome.name}: {outcome.said}" for outcome in failed)]
        (kept / "failures.txt").write_text("\n".join(lines) + "\n", "utf-8")
        say(f"logs and seed of the failures: {kept}")
        say(f"again: python -m proving.faults --seed {seed} run NAME")
    return not failed


async def _soak(options: argparse.Namespace, seed: int, top: Path, kept: Path) -> bool:
    installation = Installation(top / "soak")
    try:
        world = await open_world(installation)
        fast = [kind for kind in EVERY_KIND if kind not in SLOW]
        await world.add_devices(EVERY_KIND, options.rate / len(fast))
        for device in world.devices:
            device.rate = SLOW.get(device.journal.kind, device.rate)
        world.look_after()
        soak = Soak(world, Goal(options.hours, options.kills, options.messages), random.Random(seed), say)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, soak.end)
        try:
            await soak.run(killing=not options.calm)
        finally:
            text = [f"Seed {seed}.", "", *tables(soak), "", *soak.problems]
            (kept / f"soak-{seed}.md").write_text("\n".join(text) + "\n", "utf-8")
            say("\n".join(text))
            await world.close()
        disagreed = world.agreement().disagreed
        return not soak.problems and not disagreed and not world.turned_away()
    except Failed as problem:
        say(f"the soak did not begin: {problem}")
        return False
    finally:
        await installation.remove()
        shutil.copytree(installation.top / "logs", kept / f"soak-{seed}-logs", dirs_exist_ok=True)


async def _until_told(work: Coroutine[None, None, bool]) -> bool:
    """On SIGTERM ends the work as Ctrl-C does: installations are stopped, folders removed."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        say("told to stop")
        return False


def main() -> None:
    options = _arguments()
    if options.verb == "list":
        for scenario in SCENARIOS:
            say(f"{'*' if scenario.quick else ' '} {scenario.name:26} {scenario.what}")
        return
    seed = options.seed if options.seed is not None else int(time.time()) % 1_000_000
    kept = options.keep.resolve() / f"{options.verb}-{seed}"
    kept.mkdir(parents=True, exist_ok=True)
    top = Path(tempfile.mkdtemp(prefix="insitu-faults-"))
    top.chmod(0o711)
    say(f"seed {seed}")
    try:
        if options.verb == "soak":
            well = asyncio.run(_until_told(_soak(options, seed, top, kept)))
        else:
            names = (
                [scenario.name for scenario in SCENARIOS if scenario.quick]
                if options.verb == "quick"
                else options.names
            )
            work = _run(_chosen(names), seed, top, kept, beside=options.beside)
            well = asyncio.run(_until_told(work))
    finally:
        shutil.rmtree(top, ignore_errors=True)
    sys.exit(not well)


if __name__ == "__main__":
    main()
