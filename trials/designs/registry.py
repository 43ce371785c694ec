"""The register of designs, one line each, with its look-ups.

No endpoint names design 12, `early_look`: it wraps the others while the reporting period lasts.
"""

from __future__ import annotations

from collections.abc import Iterator

from trials.designs import (
    adjusted_before_after,
    availability,
    before_after,
    control_sites,
    crossover,
    equivalence,
    interrupted_series,
    limit_compliance,
    reference_collocation,
    replicates,
    synthetic_control,
)
from trials.designs.design import Design, Statistic
from trials.plan.aggregation import ON_ENERGY
from trials.plan.endpoint import Endpoint

DESIGNS: dict[str, Design] = {
    module.DESIGN.name: module.DESIGN
    for module in (
        reference_collocation,
        replicates,
        availability,
        before_after,
        adjusted_before_after,
        interrupted_series,
        control_sites,
        synthetic_control,
        equivalence,
        limit_compliance,
        crossover,
    )
}


def find_statistic(name: str) -> Statistic | None:
    """The statistic of that name, in any design; None if no design has it."""
    return next((design.statistics[name] for design in DESIGNS.values() if name in design.statistics), None)


def unit_of(statistic: str, endpoint_unit: str) -> str:
    """The unit of a statistic for an endpoint with `endpoint_unit`; a name that is no statistic has the
    endpoint's unit.
    """
    registered = find_statistic(statistic)
    return registered.unit_in(endpoint_unit) if registered else endpoint_unit


def misfits(endpoint: Endpoint) -> Iterator[str]:
    """Fields of an endpoint that its design cannot use, each as "field: problem"."""
    design = DESIGNS.get(endpoint.design)
    if endpoint.schedule and not (design and design.schedule):
        scheduled = " or a ".join(name for name, other in DESIGNS.items() if other.schedule)
        yield f"schedule: only a {scheduled} has one, and this is {endpoint.design!r}"
    if design and design.only_means and endpoint.aggregation.name not in ON_ENERGY:
        yield f"aggregation: {design.name} compares means on its grid, not {endpoint.aggregation.name}"
    if design and endpoint.independent is not None and not design.takes_independent:
        able = ", ".join(name for name, other in DESIGNS.items() if other.takes_independent)
        yield (
            f"independent: {design.name} rests on the order of its days, so that it cannot do "
            f"without; leave independent out, or use one of {able}"
        )
