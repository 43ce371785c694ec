"""An installation with its fleet, its probe and its watch, for one scenario; and the judgement at the end."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proving.faults import processes
from proving.faults.agreement import Agreement, compare
from proving.faults.database import REJECTS, ROWS, Database, read_rejects, read_rows
from proving.faults.devices import Address, Device
from proving.faults.installation import TRIAL, Failed, Installation
from proving.faults.journal import Journal, Kind
from proving.faults.oracle import Interval, Judgement, judge
from proving.faults.probe import Probe, Watch

DRAIN_S = 60.0
"""Within this time after the last fault every acknowledged message must be a row or a reject."""
WHOLE_S = 20.0
"""Within this time after a fault all parts must be there again."""
EVERY_KIND = tuple(Kind)


@dataclass
class World:
    """`unsettled`: intervals in which broker or database restarted, a part hung, or trials moved; for the
    oracle.
    """

    installation: Installation
    address: Address
    probe: Probe
    watch: Watch
    devices: list[Device] = field(default_factory=list)
    unsettled: list[Interval] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def add_devices(self, kinds: Sequence[Kind], rate: float) -> None:
        """Enrols a device of each kind and starts it; `rate` in messages a second for each device."""
        first = len(self.devices) + 1
        names = [f"d{first + index}" for index in range(len(kinds))]
        tokens = await self.installation.enrol_all(names)
        for index, kind in enumerate(kinds):
            number, name, token = first + index, names[index], tokens[index]
            share = min(rate, 10.0) if kind in (Kind.UNREADABLE, Kind.HTTP, Kind.HTTP_BARE) else rate
            device = Device(self.address, Journal(name, number, kind), token, share)
            self.devices.append(device)
            self.tasks.append(asyncio.create_task(device.run()))

    def look_after(self) -> None:
        """From now on `/readyz` is compared with a probe, second by second."""
        self.tasks.append(asyncio.create_task(self.watch.run()))

    async def recovered(self, within: float) -> float:
        """Seconds until a fresh device's row is there. Then waits until all parts are there and `/readyz`
        answers. Raises `Failed`.
        """
        try:
            seconds = await self.probe.until(within)
            await self.until_whole()
        except Failed as problem:
            by_itself = sum(not ending.asked for ending in self.installation.endings)
            if not by_itself:
                raise
            raise Failed(
                f"{problem}; `up` ended by itself {by_itself} times: {self.installation.last_words(2)}"
            ) from problem
        return seconds

    async def until_whole(self) -> None:
        began = time.monotonic()
        while not self.installation.whole() or await self.installation.ready() is None:
            if time.monotonic() - began > WHOLE_S:
                parts = {name: process.state for name, process in self.installation.parts().items()}
                raise Failed(f"not all parts are there {WHOLE_S:g} s after a device's row: {parts}")
            await asyncio.sleep(0.1)

    async def drain(self, within: float = DRAIN_S) -> tuple[Judgement, int]:
        """Lets devices finish what they have, then asks the oracle until nothing is lost or time is up. Also
        returns how many messages stayed unacknowledged.
        """
        began = time.monotonic()
        for device in self.devices:
            device.making = False
        while any(device.unacknowledged() for device in self.devices) and time.monotonic() - began < within:
            await asyncio.sleep(0.1)
        while True:
            rows, rejects = self.installation.top / "rows.copy", self.installation.top / "rejects.copy"
            read_at = time.time()
            await self.probe.database.copy(ROWS, rows)
            await self.probe.database.copy(REJECTS, rejects)
            journals = [device.journal for device in self.devices]
            # in a thread, so that devices and watchers keep running
            verdict = await asyncio.to_thread(
                judge, journals, read_rows(rows), read_rejects(rejects), list(self.unsettled), read_at
            )
            lost = any(account.lost for account in verdict.accounts.values())
            if not lost or time.monotonic() - began > within:
                break
            await asyncio.sleep(2.0)
        stuck = sum(device.unacknowledged() for device in self.devices)
        for device in self.devices:
            device.making = True
        return verdict, stuck

    def agreement(self) -> Agreement:
        return compare(self.watch.looks, self.watch.trials)

    def turned_away(self) -> int:
        return sum(len(device.turned_away) for device in self.devices)

    async def must_hold(self) -> Judgement:
        """Checks the judgement, the ledger's own sums, readiness and endings all at once. Raises `Failed`
        with everything that is wrong.
        """
        verdict, stuck = await self.drain()
        problems = verdict.failures()
        if stuck:
            problems.append(f"{stuck} messages were never acknowledged")
        if self.turned_away():
            problems.append(f"{self.turned_away()} connections of true devices were refused")
        for ending in self.installation.endings:
            if not ending.asked:
                problems.append(f"`up` ended by itself with code {ending.code}")
        disagreed = self.agreement().disagreed
        if disagreed:
            problems.append(f"/readyz disagreed with a device in {len(disagreed)} s ({disagreed[0].text()})")
        check = await self.installation.verb("check")
        problems += [line for line in check.text.splitlines() if line.startswith("BAD")]
        if problems:
            raise Failed("; ".join(problems + verdict.examples()[:3]))
        return verdict

    async def close(self) -> None:
        while running := [task for task in self.tasks if not task.done()]:
            for task in running:
                task.cancel()  # again, in case `asyncio.wait_for` swallowed the one before
            await asyncio.wait(running, timeout=1.0)
        self.tasks.clear()
        await self.probe.database.close()
        await self.watch.probe.database.close()


@contextlib.asynccontextmanager
async def folder(keep_in: Path | None = None) -> AsyncIterator[Path]:
    """A new folder that the account of the servers can reach."""
    top = Path(tempfile.mkdtemp(prefix="insitu-faults-", dir=keep_in))
    top.chmod(0o711)
    yield top


async def open_world(installation: Installation, *, started: bool = False) -> World:
    """A started installation with a running trial and two spare devices; `started`: `up` runs already."""
    if not started:
        installation.keep()
    await installation.until_ready()
    await installation.set_up()
    address = Address("127.0.0.1", installation.mqtt_port, installation.http_port, TRIAL)
    names = ("spare-1", "spare-2")
    tokens = await installation.enrol_all(names)
    probes = [
        Probe(address, name, token, Database(installation.data_dir))
        for name, token in zip(names, tokens, strict=True)
    ]
    world = World(installation, address, probes[0], Watch(installation, probes[1]))
    installation.attached.append(world.close)
    await world.probe.until(30.0)
    return world


def pids(world: World) -> dict[str, int]:
    """Pids of the parts, and of the supervisor, that are there now."""
    found = {name: process.pid for name, process in world.installation.parts().items()}
    if world.installation.pid is not None:
        found[processes.SUPERVISOR] = world.installation.pid
    return found
