"""Designs of trials: one file each, one line in `DESIGNS`. Numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from insitu.model import PeriodName
from trials.designs import before_after, control_sites, limit_compliance, reference_collocation
from trials.designs.arrays import ask
from trials.designs.question import Answer, ArmRole, Known, Question

__all__ = ["DESIGNS", "Answer", "Design", "Known", "Question", "ask"]


@dataclass(frozen=True, slots=True)
class Design:
    name: str
    arms: tuple[ArmRole, ...]
    periods: tuple[PeriodName, ...]
    statistics: tuple[str, ...]
    """What a criterion may name."""
    answer: Callable[[Question], Answer]


DESIGNS: dict[str, Design] = {
    design.name: design
    for design in (
        Design(
            "reference_collocation",
            ("candidate", "reference"),
            (PeriodName.REPORTING,),
            reference_collocation.STATISTICS,
            reference_collocation.answer,
        ),
        Design(
            "before_after", ("candidate",), (PeriodName.BASELINE, PeriodName.REPORTING), ("effect", "ratio"), before_after.answer
        ),
        Design(
            "control_sites",
            ("candidate", "control"),
            (PeriodName.BASELINE, PeriodName.REPORTING),
            ("effect",),
            control_sites.answer,
        ),
        Design("limit_compliance", ("candidate",), (PeriodName.REPORTING,), ("mean",), limit_compliance.answer),
    )
}
