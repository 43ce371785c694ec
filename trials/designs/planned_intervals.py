"""Planned intervals that a trial cannot be computed with: `lock` refuses them. Pure.

An interval that fits nowhere is no error of the arithmetic, which would give a number; the number would be
about other times than the protocol means.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from insitu.spacing import Spacing
from trials.designs.registry import DESIGNS
from trials.plan.aggregation import OWN_HOURS
from trials.plan.endpoint import Endpoint
from trials.plan.profiles import ON_GRID
from trials.plan.protocol import Protocol

HOUR: Final = Spacing(timedelta(hours=1))
TWO_HOURS: Final = Spacing(timedelta(hours=2))
DAY: Final = Spacing(timedelta(days=1))
OF_ONE_INTERVAL: Final = ("mean", "sum", "duty")
"""Aggregations that make sense of a day with a single interval."""


def unusable_intervals(protocol: Protocol) -> Iterator[str]:
    """Each as "path: problem and what to write instead"."""
    for number, measurement in enumerate(protocol.measurements):
        interval = measurement.interval
        if interval.about > HOUR.about and not (interval.days or interval.months or interval.goes_into(DAY)):
            yield (
                f"measurements.{number}.interval: {interval} neither goes into a day a whole number of times "
                "nor is a whole number of days, so it cannot keep to the local clock: write PT4H, PT6H, P1D, "
                "P1W or P1M"
            )
    for endpoint in protocol.endpoints:
        if endpoint.design in DESIGNS:
            yield from (
                f"endpoints.{endpoint.name}.{problem}" for problem in _of_endpoint(protocol, endpoint)
            )


def _of_endpoint(protocol: Protocol, endpoint: Endpoint) -> Iterator[str]:
    intervals = {
        arm: protocol.interval_of(endpoint.property, arm) for arm in dict.fromkeys(endpoint.arms.values())
    }
    if not intervals:
        return
    longest = max(intervals.values(), key=Spacing.about_s)
    yield from _of_day_value(endpoint, longest)
    yield from _of_filter(endpoint, longest)
    if endpoint.design in ON_GRID:
        yield from _of_grid(endpoint, intervals)
    elif longest.is_longer_than_a_day:
        yield from _of_long(endpoint, intervals)


def _of_day_value(endpoint: Endpoint, longest: Spacing) -> Iterator[str]:
    name, step = endpoint.aggregation.name, endpoint.aggregation.step
    if name in OWN_HOURS and longest.about > HOUR.about and longest != TWO_HOURS:
        yield (
            f"aggregation: {name} weighs the hours of a day, and an interval of {longest} holds several of "
            "its parts: plan PT1H or shorter"
        )
    elif name not in (*OF_ONE_INTERVAL, *OWN_HOURS) and step is None and longest.about >= DAY.about:
        yield (
            f"aggregation: {name} is made of the intervals of a day, and {longest} leaves one or none: plan "
            "PT1H or shorter"
        )


def _of_filter(endpoint: Endpoint, longest: Spacing) -> Iterator[str]:
    kept = endpoint.filter
    if kept is None:
        return
    if kept.hours is not None and longest.about >= DAY.about:
        yield f"filter.hours: an interval of {longest} has no hour of its own: leave hours out"
    if longest.is_longer_than_a_day:
        for field in ("weekdays", "holidays"):
            if getattr(kept, field) is not None:
                yield f"filter.{field}: an interval of {longest} holds many days: leave {field} out"


def _of_grid(endpoint: Endpoint, intervals: dict[str, Spacing]) -> Iterator[str]:
    for arm, interval in intervals.items():
        if not interval.goes_into(endpoint.grid):
            yield (
                f"grid: {endpoint.grid} is no whole number of the planned intervals of {arm!r}, {interval}: "
                "a step would compare a part of an interval with the whole. Write the grid as "
                f"{interval}, or a multiple"
            )


def _of_long(endpoint: Endpoint, intervals: dict[str, Spacing]) -> Iterator[str]:
    """For designs that compare days, where an interval is longer than a day."""
    longest = max(intervals.values(), key=Spacing.about_s)
    if len(set(intervals.values())) > 1:
        told = ", ".join(f"{arm!r} {interval}" for arm, interval in intervals.items())
        yield (
            f"arms: their intervals differ ({told}), so that a day of one would be compared with a longer "
            "interval of the other: plan the same interval for both, or use reference_collocation with a grid"
        )
    if endpoint.parameters.get("covariates"):
        yield (
            f"parameters.covariates: covariates are matched by day, and {longest} is longer: leave them out, "
            "or plan P1D or shorter"
        )
    if DESIGNS[endpoint.design].schedule:
        yield (
            f"design: the blocks of {endpoint.design} are compared by whole days, and {longest} is longer: "
            "plan P1D or shorter"
        )
