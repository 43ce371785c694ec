"""An endpoint: one question about one property."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
)

from insitu.model import AveragingScale
from insitu.spacing import Spacing
from trials.plan.aggregation import Aggregation, Filter
from trials.plan.parts import Block, Criterion
from trials.plan.values import Code, Part, ProfileName, Span, Text


class Endpoint(Part):
    name: Code
    title: Text
    rank: Literal["primary", "secondary", "exploratory"] = "primary"
    property: Code
    unit: str
    design: str
    """A name registered in `trials.designs`: `reference_collocation`, `before_after`, `control_sites`, …"""
    arms: dict[Literal["candidate", "reference", "control"], Code]
    aggregation: Annotated[
        Aggregation, BeforeValidator(lambda given: {"name": given} if isinstance(given, str) else given)
    ] = Aggregation(name="mean")
    averaging_scale: AveragingScale | None = None
    """States the averaging scale of the property, which must be registered with it; None: whatever it has. A
    property in dB that is averaged arithmetically must be stated here.
    """
    filter: Filter | None = None
    """None: every planned interval of its arms."""
    blinded: Annotated[bool | None, AfterValidator(lambda on: on or None)] = None
    """True: no estimate and no verdict is made before the evaluator unblinds it."""
    independent: Text | None = None
    """Why its values do not depend on each other (patients in any order, say). None: they may, and the
    interval allows for it.
    """
    grid: Span = Spacing(timedelta(hours=1))
    """Step of the pairs of a collocation."""
    criteria: list[Criterion] = Field(min_length=1)
    schedule: list[Block] | None = None
    """For a crossover only: blocks in order of time. The first two are a pair, the next two another; the time
    between blocks is washout.
    """
    profile: ProfileName | None = None
    """Published targets that its criteria follow, as `us-epa-air-sensors/pm25`; `trials.plan.profiles` has
    them.
    """
    parameters: dict[str, float | int | str | bool | list[str]] = Field(default_factory=dict)
    """Parameters of the design: `u_meas`, `limit_value`, `covariates`, …; each design documents its own."""
