"""Hours of kills by seed in one world, and the table of docs/reliability.md."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from proving.faults import kills, processes
from proving.faults.agreement import Second
from proving.faults.database import Away
from proving.faults.installation import Failed
from proving.faults.kills import Event
from proving.faults.oracle import Judgement
from proving.faults.world import World, pids

CHECKPOINT = 200
"""Events between two judgements; in between only the probe looks at the database."""
SAMPLE_S = 60.0


@dataclass(frozen=True)
class Goal:
    """The soak ends after `hours`, or after both `kills` and `messages`, whichever comes first. 0 means: no
    such goal.
    """

    hours: float
    kills: int
    messages: int

    def reached(self, seconds: float, kills: int, messages: int) -> bool:
        counted = (self.kills or self.messages) and kills >= self.kills and messages >= self.messages
        return bool(counted) or (self.hours > 0 and seconds >= self.hours * 3600)


@dataclass(frozen=True)
class Sample:
    """Resources at `seconds` after the start: memory and descriptors by part, bytes on disk of the data
    directory.
    """

    seconds: float
    use: dict[str, processes.Use]
    disk: int
    messages: int


@dataclass
class Soak:
    world: World
    goal: Goal
    chance: random.Random
    say: Callable[[str], None]
    events: list[Event] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    judgement: Judgement | None = None
    told: bool = False

    def end(self) -> None:
        """Ends the soak after the current event and the judgement."""
        self.told = True

    def kills(self) -> int:
        return sum(event.kills for event in self.events)

    def messages(self) -> int:
        return sum(len(device.journal.made) for device in self.world.devices)

    async def run(self, killing: bool = True) -> None:
        """Runs until the goal is reached. Notes faults that do not recover, and goes on while the
        installation does.
        """
        began = sampled = time.monotonic()
        self._sample(0.0)
        checked = 0
        while not self.told and not self.goal.reached(
            time.monotonic() - began, self.kills(), self.messages()
        ):
            if killing:
                await self._strike()
                await asyncio.sleep(self.chance.uniform(0.0, 0.6))
            else:
                await asyncio.sleep(1.0)
            if time.monotonic() - sampled > SAMPLE_S:
                sampled = time.monotonic()
                self._sample(sampled - began)
                self.say(
                    f"{sampled - began:.0f} s: {self.kills()} kills, {self.messages()} messages, "
                    f"{len(self.problems)} problems"
                )
            if len(self.events) >= checked + CHECKPOINT:
                checked = len(self.events)
                await self._check()
            if len(self.problems) > 20:
                self.say("more than 20 problems: given up")
                break
        await self._check()
        self._sample(time.monotonic() - began)

    async def _strike(self) -> None:
        name = kills.choose(self.chance)
        try:
            self.events.append(await kills.strike(self.world, name, self.chance))
        except (Failed, Away) as problem:
            self.problems.append(f"event {len(self.events)}: {problem}")
            self.say(self.problems[-1])
            self.events.append(Event(name, 1, kills.RECOVER_S, time.time()))

    async def _check(self) -> None:
        try:
            self.judgement, stuck = await self.world.drain(120)
        except Away as problem:
            self.problems.append(f"no judgement: {problem}")
            return
        found = self.judgement.failures() + ([f"{stuck} never acknowledged"] if stuck else [])
        if found:
            self.say(f"after {self.kills()} kills: {'; '.join(found)}")
            self.problems.append(
                f"after {self.kills()} kills: " + "; ".join(found + self.judgement.examples()[:3])
            )

    def _sample(self, seconds: float) -> None:
        held = {
            name: use for name, pid in pids(self.world).items() if (use := processes.use(pid)) is not None
        }
        self.samples.append(
            Sample(seconds, held, processes.disk_use(self.world.installation.data_dir), self.messages())
        )


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def tables(soak: Soak) -> list[str]:
    """Lines of Markdown: messages by kind, kills by kind, readiness, what the parts held."""
    lines = [
        "| messages | made | transmitted | acknowledged | rows | rejects | lost | doubled | two as "
        "documented |",
        "|---|" + "--:|" * 8,
    ]
    for account in soak.judgement.accounts.values() if soak.judgement is not None else ():
        counts = (
            account.messages,
            account.transmissions,
            account.acknowledged,
            account.rows,
            account.rejects,
            account.lost,
            account.doubled,
            account.as_documented,
        )
        lines.append(f"| {account.kind.value} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    by_name: dict[str, list[Event]] = defaultdict(list)
    for event in soak.events:
        by_name[event.name].append(event)
    lines += [
        "",
        "| what struck | times | kills | row of a fresh device, p50 | p99 | longest |",
        "|---|" + "--:|" * 5,
    ]
    for name, events in sorted(by_name.items(), key=lambda item: -len(item[1])):
        took = sorted(event.seconds for event in events)
        figures = " | ".join(
            f"{seconds:.1f} s" for seconds in (percentile(took, 0.5), percentile(took, 0.99), took[-1])
        )
        lines.append(f"| {name} | {len(events)} | {sum(event.kills for event in events)} | {figures} |")
    agreement = soak.world.agreement()
    lines += [
        "",
        f"`/readyz` agreed with a device in {agreement.line()}. True devices refused: "
        f"{soak.world.turned_away()}. Endings by itself: "
        f"{sum(not ending.asked for ending in soak.world.installation.endings)}.",
    ]
    return [*lines, *(_explain(second, soak.events) for second in agreement.disagreed), "", *_held(soak)]


def _explain(second: Second, events: list[Event]) -> str:
    before = [
        f"{event.name} {second.at - event.at:.1f} s before"
        for event in events
        if 0 <= second.at - event.at < 20
    ]
    return f"- {second.text()}; {', '.join(before) or 'nothing had happened'}"


def _held(soak: Soak) -> list[str]:
    parts = (*processes.PARTS, processes.SUPERVISOR)
    lines = [
        "| after | messages | disk | " + " | ".join(f"{part}: MB, descriptors" for part in parts) + " |",
        "|--:|--:|--:|" + "--:|" * len(parts),
    ]
    step = max(1, len(soak.samples) // 8)
    for sample in [*soak.samples[:-1:step], soak.samples[-1]]:
        held = (sample.use.get(part) for part in parts)
        cells = " | ".join(
            "–" if use is None else f"{use.memory / 2**20:.0f}, {use.descriptors}" for use in held
        )
        lines.append(
            f"| {sample.seconds / 60:.0f} min | {sample.messages:,} | {sample.disk / 2**20:.0f} MB | "
            f"{cells} |"
        )
    return lines
