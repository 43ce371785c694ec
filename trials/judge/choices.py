"""Other choices under which an endpoint is answered again: with SUSPECT observations, or without a device or
a site. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trials.plan.endpoint import Endpoint
from trials.series.inputs import TrialInputs

MOST_LEFT_OUT = 20
"""Larger arms are not taken apart device by device: leaving out one of that many changes little."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`left_out`: devices to be treated as if they had never been there."""

    name: str
    suspect: bool = False
    left_out: frozenset[str] = frozenset()


def choices(inputs: TrialInputs, endpoint: Endpoint) -> Iterator[Choice]:
    """In a fixed order. Leaves out in turn each device of an arm with several devices, and each site of an
    arm with several sites.
    """
    yield Choice("suspect_included", suspect=True)
    for role in sorted(endpoint.arms):  # candidate comes first
        devices = _devices(inputs, endpoint, role)
        if 1 < len(devices) <= MOST_LEFT_OUT:
            yield from (Choice(f"leave_out:{device}", left_out=frozenset([device])) for device in devices)
        yield from _sites(inputs, devices)


def _devices(inputs: TrialInputs, endpoint: Endpoint, role: str) -> list[str]:
    only = endpoint.filter.devices if endpoint.filter else None
    arm = next(inputs.protocol.arm(name) for of, name in endpoint.arms.items() if of == role)
    return [device for device in arm.devices if only is None or device in only]


def _sites(inputs: TrialInputs, devices: Sequence[str]) -> Iterator[Choice]:
    """Sites where some of the devices were deployed during the periods, and others were not."""
    first, last = min(p.start for p in inputs.protocol.periods), max(p.end for p in inputs.protocol.periods)
    at: dict[str, set[str]] = {}
    for stream in inputs.streams:
        if stream.device in devices:
            for place in stream.placements:
                if place.start < last and (place.end is None or place.end > first):
                    at.setdefault(place.site, set()).add(stream.device)
    for site, there in sorted(at.items()):
        if len(at) > 1 and 0 < len(there) < len(devices):
            yield Choice(f"leave_out_site:{site}", left_out=frozenset(there))
