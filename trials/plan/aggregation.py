"""How results become day values, and which results an endpoint is about."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from insitu.spacing import Spacing
from trials.plan.values import ClockTime, Names, Part, Span, Weekday, _each_once

AggregationName = Literal[
    "mean",
    "percentile",
    "exceedance_share",
    "count",
    "duty",
    "sum",
    "min",
    "max",
    "la10",
    "la90",
    "lden",
    "ld",
    "le",
    "ln",
]
WITH_STEP: Final = ("percentile", "exceedance_share", "count", "min", "max", "la10", "la90")
WITH_THRESHOLD: Final = ("exceedance_share", "count", "duty")
SHARES: Final = ("exceedance_share", "duty")
OWN_HOURS: Final = ("lden", "ld", "le", "ln")
ON_ENERGY: Final = ("mean", *OWN_HOURS)
"""Aggregations whose day values are levels, averaged by energy again if the property is."""


class Aggregation(Part):
    """How the results of a local day become one value. Written as its name alone if it needs no number."""

    name: AggregationName
    q: float | None = Field(default=None, gt=0, lt=100)
    """For a percentile: `q` per cent of the steps lie at or below it."""
    threshold: float | None = None
    """For `exceedance_share` and `count`: steps above it count. For `duty`: something is on above it (default
    0).
    """
    step: Span | None = None
    """Steps are means over this span, from local midnight on; None: over the planned interval of the
    measurement.
    """

    @model_validator(mode="after")
    def _fits(self) -> Aggregation:
        if (self.q is not None) != (self.name == "percentile"):
            raise ValueError("percentile needs q, as in 95" if self.q is None else f"{self.name} has no q")
        if self.threshold is not None and self.name not in WITH_THRESHOLD:
            raise ValueError(f"{self.name} has no threshold")
        if self.threshold is None and self.name in ("exceedance_share", "count"):
            raise ValueError(f"{self.name} needs a threshold, in the unit of the property")
        if self.step is not None:
            if self.name not in WITH_STEP:
                raise ValueError(f"{self.name} has no step: it is made of all planned intervals of a day")
            if not self.step.goes_into(Spacing(timedelta(days=1))):
                raise ValueError("step must go into a day a whole number of times, as PT15M or PT1H")
        return self

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> Any:
        stated = {name: value for name, value in handler(self).items() if value is not None}
        return self.name if set(stated) == {"name"} else stated

    @classmethod
    def of(cls, given: Aggregation | str) -> Aggregation:
        """The aggregation itself, or the one of that name."""
        return given if isinstance(given, Aggregation) else cls.model_validate({"name": given})


class Filter(Part):
    """The planned intervals that an endpoint is about: those that fulfil every condition. Nothing else is
    planned for it.
    """

    hours: tuple[ClockTime, ClockTime] | None = None
    """Local time of day `[from, to)`, as ["07:00", "19:00"]; may wrap midnight. The start of an interval
    decides.
    """
    weekdays: Annotated[list[Weekday], Field(min_length=1), AfterValidator(_each_once)] | None = None
    holidays: Literal["without", "only"] | None = None
    """The eleven public holidays of metropolitan France."""
    sites: Names | None = None
    devices: Names | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Filter:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("a filter needs hours, weekdays, holidays, sites or devices")
        if self.hours is not None and self.hours[0] in (self.hours[1], "24:00"):
            raise ValueError(
                "hours must end at another time than they begin; leave them out for the whole day"
            )
        return self
