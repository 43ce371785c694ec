"""The measurements and messages of one device: truth → instrument → faults → messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from insitu.arrays import Floats
from insitu.wire import OBS, STATUS, Topic
from simulators.scenario import Fault, ObservedProperty, Scenario
from simulators.signals import DAY_STEPS, STEP_US, Grid, site_signals, stream

DAY_US = 86_400_000_000
LIVE_DAYS = 14
"""How long a fleet goes on after its history."""


@dataclass(frozen=True, slots=True)
class World:
    """A scenario in time: the grid, and the true values at each place with and without the intervention."""

    scenario: Scenario
    seed: int
    days: int
    grid: Grid
    truth: dict[tuple[str, str], dict[str, Floats]]
    without: dict[tuple[str, str], dict[str, Floats]]

    @classmethod
    def of(cls, scenario: Scenario, *, start: datetime, days: int, seed: int) -> World:
        """`start` is local midnight of day 0; the intervention begins with the second half of `days`."""
        grid = Grid.of(start, days + LIVE_DAYS, scenario.time_zone)
        truth, without = {}, {}
        for group in scenario.groups:
            key = (group.site, group.place)
            half = days // 2 * DAY_STEPS if group.treated else None
            strength = scenario.strength
            truth[key] = site_signals(scenario.kind, grid, seed, *key, treated_from=half, strength=strength)
            without[key] = site_signals(scenario.kind, grid, seed, *key, treated_from=None, strength=strength)
        return cls(scenario, seed, days, grid, truth, without)


@dataclass(frozen=True, slots=True)
class Sent:
    """One message at the moment it leaves the device."""

    send_us: int
    topic: str
    payload: bytes


@dataclass
class Device:
    """One device of a world. The same seed gives the same `messages`, whatever other devices there are."""

    world: World
    code: str
    counts: dict[str, int] = field(default_factory=dict)
    """Faults injected so far, by kind."""

    def __post_init__(self) -> None:
        scenario = self.world.scenario
        self._group = scenario.group_of(self.code)
        self._properties = [p for p in scenario.properties if p.code in self._group.properties]
        self._faults = [fault for fault in scenario.faults if fault.device == self.code]
        self._rng = stream(self.world.seed, scenario.code, self.code)
        self.gain = float(1 + self._rng.normal(0, self._group.gain_sd))
        self.offset = float(self._rng.normal(0, 0.3))
        self.drift_per_month = float(self._rng.normal(0, self._group.drift_sd))
        self._every = self._group.interval_s * 1_000_000 // STEP_US

    # -- measuring

    def measured(self) -> dict[str, Floats]:
        """Results that the instrument shows on the grid, with its gain, drift, offset, noise, resolution and
        faults.
        """
        truth = self.world.truth[self._group.site, self._group.place]
        months = np.arange(len(self.world.grid.time_us)) / DAY_STEPS / 30
        shown = {}
        for prop in self._properties:
            noise = stream(self.world.seed, self.world.scenario.code, self.code, prop.code).normal(
                0, prop.noise * self._group.noise, len(months)
            )
            shown[prop.code] = self._instrument(prop, truth[prop.code], months, noise)
        return shown

    def _instrument(self, prop: ObservedProperty, truth: Floats, months: Floats, noise: Floats) -> Floats:
        mean = truth
        if self._every > 1:  # an hourly analyser shows the mean of the hour that ends
            sums = np.cumsum(np.insert(truth, 0, 0.0))
            mean = truth.copy()
            mean[self._every :] = (sums[self._every :] - sums[: -self._every])[
                : len(truth) - self._every
            ] / self._every
        relative = prop.code in ("pm25", "pm10", "co2")  # others: an offset only, in the unit
        shown = mean * (self.gain * (1 + self.drift_per_month * months)) if relative else mean.copy()
        shown = shown + (self.offset if prop.code != "occupancy" else 0.0) + noise
        shown = np.round(shown / prop.resolution) * prop.resolution
        for fault in self._faults:
            if fault.property == prop.code:
                self._spoil(fault, shown)
        return shown

    def _spoil(self, fault: Fault, shown: Floats) -> None:
        low, high = (int(min(day, 1e6) * DAY_STEPS) for day in (fault.start, fault.end))
        if low >= len(shown):
            return
        if fault.kind == "stuck":
            shown[low:high] = shown[low]
        elif fault.kind == "spikes":
            at = np.arange(low, min(high, len(shown)), 37)
            shown[at] = 9999.0

    # -- sending

    def lifetime(self) -> tuple[int, int]:
        """First step at which the device is at its place, and the step after the last one."""
        first, last = 0, len(self.world.grid.time_us)
        for swap in self.world.scenario.swaps:
            if swap.new == self.code:
                first = int(swap.day * DAY_STEPS)
            if swap.old == self.code:
                last = int(swap.day * DAY_STEPS)
        return first, last

    def messages(self, from_step: int = 0) -> Iterator[list[Sent]]:
        """Day by day in order of measurement; late ones have a later `send_us`. `from_step`: start there (a
        live fleet).
        """
        shown = self.measured()
        times = self.world.grid.time_us
        first, last = self.lifetime()
        rng = stream(self.world.seed, self.world.scenario.code, self.code, "sending")
        jitter = rng.integers(0, 20_000_000, len(times))
        chance = rng.random((len(times), 2))
        boot, seq = f"{self.code}-0", 0
        boots = {int(f.start * DAY_STEPS): n for n, f in enumerate(self._of("reboot"), 1)}
        day: list[Sent] = []
        for step in range(0, last, self._every):
            if step in boots:
                boot, seq = f"{self.code}-{boots[step]}", 0
                self._note("reboot")
            at = step / DAY_STEPS
            if step >= max(first, from_step) and not self._active(at, "outage", "dies"):
                document = self._document(shown, step, at, boot, seq)
                day += self._send(document, int(times[step]) + int(jitter[step]), at, chance[step])
            if step >= first:
                seq += 1
            if (step // self._every + 1) % (DAY_STEPS // self._every) == 0:
                if step >= max(first, from_step) and not self._active(at, "outage", "dies"):
                    day.append(self._status(int(times[step]) + 60_000_000, step))
                yield day
                day = []
        if day:
            yield day

    def _document(
        self, shown: dict[str, Floats], step: int, at: float, boot: str, seq: int
    ) -> dict[str, object]:
        time_us = int(self.world.grid.time_us[step])
        stamp: object = datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if self._active(at, "clock_1970"):
            stamp = "1970-01-0" + str(1 + step % 9) + "T00:15:00Z"
            self._note("clock_1970")
        elif self._active(at, "clock_ahead"):
            stamp = time_us // 1_000_000 + 400 * 86_400
            self._note("clock_ahead")
        elif self._active(at, "milliseconds"):
            stamp = time_us // 1000
            self._note("milliseconds")
        results = {p.code: float(f"{shown[p.code][step]:.6g}") for p in self._properties}
        if self._active(at, "unknown_property"):
            results["voc"] = 0.4
            self._note("unknown_property")
        return {"boot": boot, "seq": seq, "time": stamp, "results": results}

    def _send(self, document: dict[str, object], send_us: int, at: float, chance: Floats) -> list[Sent]:
        topic = str(Topic(self.world.scenario.code, self.code, OBS))
        payload = json.dumps(document, separators=(",", ":")).encode()
        if self._active(at, "malformed") and chance[0] < 0.2:
            payload = payload[: len(payload) // 2]
            self._note("malformed")
        for fault in self._of("late"):
            if fault.start <= at < fault.end:
                send_us += int((fault.end - at) * DAY_US)
                self._note("late")
        if self._active(at, "reorder") and chance[0] < 0.3:
            send_us += 2_000_000_000
            self._note("reorder")
        sent = [Sent(send_us, topic, payload)]
        if self._active(at, "duplicates") and chance[1] < 0.2:
            sent.append(Sent(send_us + 3_000_000, topic, payload))
            self._note("duplicates")
        return sent

    def _status(self, send_us: int, step: int) -> Sent:
        battery = max(5.0, 100 - 0.4 * step / DAY_STEPS)
        rssi = -60 - 20 * (self.offset + 0.5) ** 2
        document = {
            "state": "online",
            "battery": round(battery, 1),
            "rssi": round(rssi),
            "firmware": "1.4.2",
            "uptime": step * STEP_US // 1_000_000,
        }
        return Sent(
            send_us, str(Topic(self.world.scenario.code, self.code, STATUS)), json.dumps(document).encode()
        )

    def birth(self, now_us: int) -> Sent | None:
        """The status that it sends after it has connected: online, battery, radio. None while it is not
        deployed, or is off.
        """
        step = (now_us - int(self.world.grid.time_us[0])) // STEP_US
        first, last = self.lifetime()
        if not first <= step < last or self._active(step / DAY_STEPS, "outage", "dies"):
            return None
        return self._status(now_us, step)

    def _of(self, kind: str) -> list[Fault]:
        return sorted((fault for fault in self._faults if fault.kind == kind), key=lambda fault: fault.start)

    def _active(self, at: float, *kinds: str) -> bool:
        return any(fault.kind in kinds and fault.start <= at < fault.end for fault in self._faults)

    def _note(self, kind: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
