"""Runs scenarios and reports their outcomes. Keeps the folders of failures, with all logs; removes the
others.
"""

from __future__ import annotations

import asyncio
import functools
import random
import shutil
import time
import traceback
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from proving.faults.database import Away
from proving.faults.installation import Failed, Installation, Skipped
from proving.faults.scenarios.catalogue import Scenario
from proving.faults.world import EVERY_KIND, World, open_world

RATE = 8.0
"""Messages a second and device in a shared world."""
LIMIT_S = 1200.0
"""A scenario that takes longer has failed."""


@dataclass(frozen=True)
class Outcome:
    """`verdict`: ok, FAILED or skipped."""

    name: str
    verdict: str
    seconds: float
    said: str


Report = Callable[[Outcome], None]


class Runner:
    """`top`: where installations live. `kept`: where the folders of failures stay. `beside`: scenarios with
    an installation of their own run while others share a world; what measures speed runs alone, at the end.
    """

    def __init__(self, top: Path, kept: Path, seed: int, report: Report, *, beside: bool = False) -> None:
        self._top, self._kept, self._seed, self._report = top, kept, seed, report
        self._beside = beside
        self._worlds = 0

    async def run(self, scenarios: Sequence[Scenario]) -> list[Outcome]:
        own = [scenario for scenario in scenarios if scenario.own is not None]
        shared = [scenario for scenario in scenarios if scenario.shared is not None]
        if not self._beside:
            return [*await self._shared(shared), *await self._owns(own)]
        async with asyncio.TaskGroup() as group:
            in_world = group.create_task(self._shared(shared))
            beside = group.create_task(self._owns([one for one in own if not one.alone]))
        alone = await self._owns([one for one in own if one.alone])
        return [*in_world.result(), *beside.result(), *alone]

    async def _owns(self, scenarios: Sequence[Scenario]) -> list[Outcome]:
        return [await self._own(scenario) for scenario in scenarios]

    def _chance(self, name: str) -> random.Random:
        return random.Random(self._seed * 1_000_003 + zlib.crc32(name.encode()))

    async def _judged(self, name: str, work: Callable[[], Awaitable[str]]) -> Outcome:
        began = time.monotonic()
        try:
            async with asyncio.timeout(LIMIT_S):
                said, verdict = await work(), "ok"
        except Skipped as reason:
            said, verdict = str(reason), "skipped"
        except (Failed, Away) as problem:
            said, verdict = str(problem), "FAILED"
        except TimeoutError:
            said, verdict = f"has not ended within {LIMIT_S:g} s", "FAILED"
        # A scenario that breaks is a failure with a name, and the others still run.
        except Exception as problem:  # noqa: BLE001
            said, verdict = f"the harness itself: {type(problem).__name__}: {problem}", "FAILED"
            (self._kept / f"{name}.traceback").write_text(traceback.format_exc(), "utf-8")
        outcome = Outcome(name, verdict, time.monotonic() - began, said)
        self._report(outcome)
        return outcome

    async def _own(self, scenario: Scenario) -> Outcome:
        act, top = scenario.own, self._top / scenario.name
        assert act is not None
        top.mkdir(mode=0o711)
        top.chmod(0o711)
        outcome = await self._judged(scenario.name, lambda: act(top, self._chance(scenario.name)))
        self._clear(top, outcome.verdict == "FAILED")
        return outcome

    async def _shared(self, scenarios: Sequence[Scenario]) -> list[Outcome]:
        """One world for all. After a failure the rest gets a new one, since the old one may be damaged."""
        outcomes: list[Outcome] = []
        left = list(scenarios)
        while left:
            self._worlds += 1
            installation = Installation(self._top / f"world-{self._worlds}")
            opened: list[World] = []

            async def open_(installation: Installation = installation, opened: list[World] = opened) -> str:
                opened.append(await open_world(installation))
                await opened[0].add_devices(EVERY_KIND, RATE)
                opened[0].look_after()
                return f"{len(EVERY_KIND)} kinds of device publish"

            outcomes.append(await self._judged(f"world {self._worlds} opens", open_))
            if outcomes[-1].verdict == "ok":
                outcomes += await self._in_world(opened[0], left)
            else:
                left.clear()
            if opened:
                await opened[0].close()
            await installation.remove()
            self._clear(installation.top, any(outcome.verdict == "FAILED" for outcome in outcomes))
        return outcomes

    async def _in_world(self, world: World, left: list[Scenario]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while left:
            scenario = left.pop(0)
            act = scenario.shared
            assert act is not None
            chance = self._chance(scenario.name)
            outcomes.append(await self._judged(scenario.name, functools.partial(act, world, chance)))
            if outcomes[-1].verdict == "FAILED":
                break

        async def books() -> str:
            verdict = await world.must_hold()
            total = sum(account.acknowledged for account in verdict.accounts.values())
            return f"{total} acknowledged, lost 0, readiness agreed {world.agreement().line()}"

        outcomes.append(await self._judged(f"world {self._worlds} adds up", books))
        return outcomes

    def _clear(self, folder: Path, failed: bool) -> None:
        """Removes the folder. Keeps the logs of a failure, not its gigabytes."""
        if failed:
            shutil.copytree(
                folder,
                self._kept / folder.name,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("data", "*.dump", "*.csv", "*.copy"),
            )
        shutil.rmtree(folder, ignore_errors=True)
