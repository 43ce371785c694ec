"""The truth manifest of a scenario: the results of a perfect evaluation, and the faults injected into each
device.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from insitu.arrays import Floats
from simulators.devices import Device, World
from simulators.scenario import Endpoint, Scenario
from simulators.signals import DAY_STEPS


def truth(scenario: Scenario, *, start: datetime, days: int, seed: int) -> dict[str, Any]:
    """Endpoints with their true values over the reporting period (the second half), devices with gains and
    faults.
    """
    world = World.of(scenario, start=start, days=days, seed=seed)
    devices = {code: Device(world, code) for code in scenario.device_codes()}
    return {
        "scenario": scenario.code,
        "seed": seed,
        "start": start.isoformat(),
        "days": days,
        "strength": scenario.strength,
        "endpoints": [
            {**endpoint.model_dump(mode="json"), "true_value": _true_value(world, endpoint, devices)}
            for endpoint in scenario.endpoints
        ],
        "devices": {
            code: {"gain": device.gain, "offset": device.offset, "drift_per_month": device.drift_per_month}
            for code, device in devices.items()
        },
        "faults": [fault.model_dump(mode="json", by_alias=True) for fault in scenario.faults],
        "swaps": [swap.model_dump(mode="json") for swap in scenario.swaps],
    }


def _true_value(world: World, endpoint: Endpoint, devices: dict[str, Device]) -> float:
    """Effect = observed − counterfactual, noise-free; slope = ratio of gains; mean on the property's
    scale.
    """
    reporting = slice(world.days // 2 * DAY_STEPS, world.days * DAY_STEPS)
    treated = [
        (g.site, g.place) for g in world.scenario.groups if g.treated or not _any_treated(world.scenario)
    ]
    if endpoint.statistic == "effect":
        differences = [
            np.mean(
                world.truth[key][endpoint.property][reporting]
                - world.without[key][endpoint.property][reporting]
            )
            for key in treated
        ]
        return float(np.mean(differences))
    if endpoint.statistic == "slope":
        candidates = [d.gain for c, d in devices.items() if world.scenario.group_of(c).arm == "collocated"]
        references = [d.gain for c, d in devices.items() if world.scenario.group_of(c).role == "reference"]
        return float(np.mean(candidates) / np.mean(references))
    levels = np.concatenate([world.truth[key][endpoint.property][reporting] for key in treated])
    return lden(levels, np.tile(world.grid.hour[reporting], len(treated)))


def _any_treated(scenario: Scenario) -> bool:
    return any(group.treated for group in scenario.groups)


def lden(levels: Floats, hours: Floats) -> float:
    """Day-evening-night level in dB, French periods 6–18, 18–22, 22–6 local (Directive 2002/49/EC, annex
    I).
    """
    penalty = np.where((hours >= 18) & (hours < 22), 5.0, np.where((hours >= 6) & (hours < 18), 0.0, 10.0))
    return float(10 * np.log10(np.mean(10 ** ((levels + penalty) / 10))))
