"""A fresh device: connects with a true credential, publishes at QoS 1, and looks for its row. No other sign
of life counts.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import dataclass, field

from proving.faults import mqtt
from proving.faults.agreement import Look, Trial
from proving.faults.database import Away, Database
from proving.faults.devices import Address
from proving.faults.installation import Failed, Installation

TRIAL_S = 5.0
"""A row that takes longer does not count."""
WATCHED_S = 4.0
"""The same for the trials that are compared with `/readyz`: longer than the product's own patience."""


@dataclass
class Probe:
    """`device` is a spare one. `database` is the probe's own connection. `reason`: why the last trial
    failed.
    """

    address: Address
    device: str
    token: str
    database: Database
    reason: str = ""
    _last: int = 0
    _clients: itertools.count[int] = field(default_factory=itertools.count)

    async def once(self, within: float = TRIAL_S) -> float | None:
        """Seconds until the row is there, or None."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(within):
                await self._publish(within)
                while not await self.database.has(self.device, self._last):
                    await asyncio.sleep(0.03)
        except mqtt.Refused as refusal:
            self.reason = f"connect: {refusal}"
        except mqtt.Gone as problem:
            self.reason = f"publish: {problem}"
        except Away as problem:
            self.reason = f"database: {problem}"
        except TimeoutError:
            self.reason = f"no row within {within:g} s"
        else:
            return time.monotonic() - began
        return None

    async def _publish(self, within: float) -> None:
        self._last = max(int(time.time() * 1000) * 1000, self._last + 1000)
        at, name = self._last, f"{self.address.trial}.{self.device}"
        session = await mqtt.connect(
            self.address.host,
            self.address.mqtt_port,
            client_id=f"{self.device}:{next(self._clients)}",
            user=name,
            password=self.token,
            timeout=within,
        )
        try:
            topic = f"insitu/v1/{self.address.trial}/{self.device}/obs"
            await session.publish(topic, json.dumps({"time": at, "results": {"pm25": 1}}).encode(), within)
        finally:
            session.close()

    async def until(self, within: float) -> float:
        """Seconds until a trial succeeds. Raises `Failed` with the reason of the last one."""
        began = time.monotonic()
        while (left := within - (time.monotonic() - began)) > 0:
            if await self.once(min(left, TRIAL_S)) is not None:
                return time.monotonic() - began
            await asyncio.sleep(0.05)
        raise Failed(f"no row of a fresh device within {within:g} s ({self.reason})")


@dataclass
class Watch:
    """Asks `/readyz` five times a second, and tries a probe of its own four times a second, for
    `agreement`.
    """

    installation: Installation
    probe: Probe
    looks: list[Look] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)

    async def run(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            group.create_task(self._try())

    async def _look(self) -> None:
        while True:
            began = time.time()
            ready = await self.installation.ready()
            self.looks.append(Look(time.time(), ready))
            await asyncio.sleep(max(0.0, 0.2 - (time.time() - began)))

    async def _try(self) -> None:
        while True:
            began = time.time()
            took = await self.probe.once(WATCHED_S)
            self.trials.append(Trial(began, time.time(), took, "" if took is not None else self.probe.reason))
            await asyncio.sleep(max(0.0, 0.25 - (time.time() - began)))
