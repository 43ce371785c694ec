"""Finds aggregations, statistics and designs that have no meaning on an averaging scale. `lock` refuses them,
and an evaluation blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, Protocol, get_args

from insitu.model import AveragingScale
from trials.plan.aggregation import ON_ENERGY, OWN_HOURS, AggregationName
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Target
from trials.series.scale import ARITHMETIC, Scale

_EVERY: Final = frozenset(get_args(AggregationName))
AGGREGATIONS: Final[Mapping[AveragingScale, frozenset[str]]] = {
    AveragingScale.ARITHMETIC: _EVERY - {*OWN_HOURS},
    AveragingScale.ENERGETIC: _EVERY - {"sum"},
    AveragingScale.CIRCULAR: frozenset({"mean"}),
    AveragingScale.TIME_WEIGHTED: _EVERY - {"sum", *OWN_HOURS},
    AveragingScale.SUM: _EVERY - {"la10", "la90", *ON_ENERGY},
}
"""Those that have a meaning. On the scale `sum`, `mean` would not say whether it is a day's total or the
amount of an interval.
"""


class Unfit(NamedTuple):
    """A field of an endpoint, and the name of what has no meaning on the scale."""

    field: str
    what: str


class Suited(Protocol):
    """A statistic, and the scales that suit it (`trials.designs.design.Statistic`)."""

    @property
    def name(self) -> str: ...

    @property
    def on_circle(self) -> bool: ...

    @property
    def signed(self) -> bool: ...

    @property
    def needs_zero(self) -> bool: ...


class Needs(NamedTuple):
    """The needs of a design."""

    design: str
    statistics: Mapping[str, Suited]
    on_grid: bool
    zero: bool


def unfit(endpoint: Endpoint, scale: Scale, needs: Needs) -> Iterator[Unfit]:
    """Parts of the endpoint that have no meaning on the scale of its property."""
    aggregation = endpoint.aggregation.name
    on_circle = any(statistic.on_circle for statistic in needs.statistics.values())
    if scale.is_circular and not on_circle:
        yield Unfit("design", needs.design)
        return
    totals = needs.on_grid and scale.is_total and aggregation == "mean"  # the totals of the grid's steps
    if aggregation not in AGGREGATIONS[scale.name] and not totals:
        yield Unfit("aggregation", aggregation)
    compared = scale if needs.on_grid else scale.between if aggregation in ON_ENERGY else ARITHMETIC
    if compared.is_level and needs.zero:
        yield Unfit("design", needs.design)
    for number, criterion in enumerate(endpoint.criteria):
        statistic = needs.statistics.get(criterion.statistic)
        if statistic is None:
            continue
        if (scale.is_circular and not statistic.on_circle) or (compared.is_level and statistic.needs_zero):
            yield Unfit(f"criteria.{number}.statistic", statistic.name)
        elif scale.is_circular and statistic.signed and not _is_arc(criterion.target, scale):
            yield Unfit(f"criteria.{number}.target", f"{statistic.name}: target")


def _is_arc(target: Target, scale: Scale) -> bool:
    """Whether both ends are stated and lie within a quarter turn: beyond, large and small change places."""
    ends = (target.low, target.high)
    return all(end is not None and abs(end) <= scale.turn / 4 for end in ends)
