"""Does an endpoint fit the averaging scale of its property? `lock` refuses what an evaluation would block.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from insitu.model import AveragingScale
from insitu.scales import is_level, misfit, turn_of
from trials.designs import DESIGNS
from trials.plan.endpoint import Endpoint
from trials.plan.protocol import Protocol
from trials.plan.rules import Rules
from trials.sentences import finding
from trials.series.inputs import TrialInputs
from trials.series.scale import scale_of
from trials.statement import Statement


class Registered(NamedTuple):
    """A property as the catalogue has it."""

    property: str
    unit: str
    scale: AveragingScale


class Misfit(NamedTuple):
    """A field of an endpoint, and what is wrong with it on the scale of its property."""

    field: str
    finding: Statement


def scale_findings(inputs: TrialInputs, endpoint: Endpoint) -> list[Statement]:
    """The findings of an evaluation; none by rules 1, which knew no scale but two."""
    if not inputs.rules.every_scale:
        return []
    known = [Registered(s.property, s.unit, AveragingScale(s.averaging_scale)) for s in inputs.streams]
    return [one.finding for one in misfits_of_scale(inputs.protocol, endpoint, known)]


def misfits_of_scale(protocol: Protocol, endpoint: Endpoint, known: Sequence[Registered]) -> Iterator[Misfit]:
    """Everything about the endpoint that its scale, or the scale of a covariate, does not admit."""
    design = DESIGNS.get(endpoint.design)
    registered = {one.property: one for one in known}
    own = registered.get(endpoint.property)
    if design is None or own is None or not design.needs_capture:
        return
    yield from _of_property(endpoint, own)
    if misfit(own.unit, own.scale) is not None:
        return
    for unfit in design.unfit(endpoint, scale_of(own.scale, own.unit, Rules())):
        yield Misfit(unfit.field, _unfit(unfit.what, own))
    if own.scale is AveragingScale.SUM and design.on_grid:
        intervals = {protocol.interval_of(own.property, arm) for arm in endpoint.arms.values()}
        if not all(interval.goes_into(endpoint.grid) for interval in intervals):
            yield Misfit("grid", _unfit("grid", own))
    declared = endpoint.parameters.get("covariates", [])
    for name in declared if isinstance(declared, list) else []:
        beside = registered.get(name)
        if beside is not None and beside.scale is AveragingScale.CIRCULAR:
            yield Misfit("parameters.covariates", _unfit("covariates", beside))


def _of_property(endpoint: Endpoint, own: Registered) -> Iterator[Misfit]:
    """Whether the property's scale is the one that is planned, and one that its unit admits."""
    planned = endpoint.averaging_scale
    if planned is not None and planned is not own.scale:
        differs = finding(
            "scale_differs", property=own.property, planned=str(planned), registered=str(own.scale)
        )
        yield Misfit("averaging_scale", differs)
    elif misfit(own.unit, own.scale) is not None:
        yield Misfit("unit", _unfit(own.unit, own))
    elif planned is None and own.scale is AveragingScale.ARITHMETIC:
        if is_level(own.unit):
            yield Misfit(
                "averaging_scale", finding("level_not_by_energy", property=own.property, unit=own.unit)
            )
        elif turn_of(own.unit) is not None:
            yield Misfit(
                "averaging_scale", finding("angle_not_circular", property=own.property, unit=own.unit)
            )


def _unfit(what: str, own: Registered) -> Statement:
    return finding("scale_unfit", what=what, property=own.property, scale=str(own.scale))
