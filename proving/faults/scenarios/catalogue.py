"""Every scenario by name. `make faults` runs the `quick` ones. Shared ones run one after the other in one
world.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from proving.faults.scenarios import crowds, disks, floods, hung, killed, limits, restores, starts, verbs
from proving.faults.world import World

Shared = Callable[[World, random.Random], Awaitable[str]]
Own = Callable[[Path, random.Random], Awaitable[str]]


@dataclass(frozen=True)
class Scenario:
    """Exactly one of `shared` and `own` is set. `alone`: it measures speed, so nothing runs beside it."""

    name: str
    quick: bool
    shared: Shared | None = None
    own: Own | None = None
    alone: bool = False

    @property
    def what(self) -> str:
        return (getattr(self.shared or self.own, "__doc__", None) or "").strip()


QUICK_HUNG = {"hung-database-term", "hung-database-kill", "hung-broker-enrol", "hung-ingest-kill"}

SCENARIOS = (
    Scenario("kill-each-part", True, shared=killed.each_part),
    Scenario("kill-two-at-once", True, shared=killed.two_at_once),
    Scenario("kill-during-start", True, shared=killed.during_start),
    Scenario("restart", True, shared=killed.restart),
    Scenario("restart-impatient", False, shared=killed.interrupt_twice),
    Scenario("broker-lives", True, shared=killed.broker_lives),
    Scenario("kill-many", False, shared=killed.many),
    *(Scenario(name, name in QUICK_HUNG, shared=act) for name, act in hung.SCENARIOS.items()),
    Scenario("moving-trials", True, shared=crowds.moving_trials),
    Scenario("constants", True, own=killed.constants),
    Scenario("port-before-users", False, own=starts.port_before_users),
    Scenario("first-start-killed-quick", True, own=starts.first_start_killed_quick),
    Scenario("first-start-killed", False, own=starts.first_start_killed),
    Scenario("second-up", False, own=starts.second_up),
    Scenario("disk-full-broker", True, own=disks.broker),
    Scenario("broker-disk-smaller", False, own=disks.smaller),
    Scenario("disk-full-database", False, own=disks.database),
    Scenario("disk-full-logs", False, own=disks.logs),
    Scenario("disk-full-enrol", True, own=disks.enrolment),
    Scenario("disk-full-first-start", False, own=disks.first_start),
    Scenario("flood-quick", True, own=floods.flood_quick, alone=True),
    Scenario("flood", False, own=floods.flood, alone=True),
    Scenario("crowd-quick", False, own=crowds.crowd_quick, alone=True),
    Scenario("crowd", False, own=crowds.crowd, alone=True),
    Scenario("database-away-quick", False, own=crowds.away_quick),
    Scenario("database-away", False, own=crowds.away),
    Scenario("restore-while-it-runs", True, own=restores.restore_while_it_runs),
    Scenario("old-schema", False, own=restores.old_schema_while_it_ingests),
    Scenario("migration-killed", False, own=restores.migration_killed),
    Scenario("verbs-killed", False, own=verbs.killed_verbs),
    Scenario("night-killed", False, own=verbs.night),
    Scenario("few-descriptors", False, own=limits.few_descriptors),
    Scenario("broker-full", False, own=limits.full_broker),
    Scenario("device-clocks", False, own=limits.device_clocks),
    Scenario("machine-clock", False, own=limits.machine_clock),
)
