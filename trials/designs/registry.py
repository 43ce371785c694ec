"""The register of designs: one line each.

Design 12, `early_look`, is none that an endpoint names: it wraps the others while the reporting period lasts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from insitu.model import PeriodName
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
from trials.designs.question import Answer, ArmRole, Question, out_of_scale

REPORTING = (PeriodName.REPORTING,)
BOTH = (PeriodName.BASELINE, PeriodName.REPORTING)


@dataclass(frozen=True, slots=True)
class Design:
    name: str
    arms: tuple[ArmRole, ...]
    periods: tuple[PeriodName, ...]
    statistics: tuple[str, ...]
    """What a criterion may name."""
    function: Callable[[Question], Answer]
    needs_capture: bool = True
    """Whether an arm below the protocol's capture blocks the endpoint; not where missing data are what is
    asked about.
    """
    early: bool = True
    """Whether an early look may stop the trial for harm (`early_look`); False: it only describes."""

    def answer(self, question: Question) -> Answer:
        """What the design finds, or why nothing can be computed with these results."""
        found = out_of_scale(question) if self.needs_capture else []
        return Answer(findings=found) if found else self.function(question)


DESIGNS: dict[str, Design] = {
    design.name: design
    for design in (
        Design(
            "reference_collocation",
            ("candidate", "reference"),
            REPORTING,
            reference_collocation.STATISTICS,
            reference_collocation.answer,
            early=False,
        ),
        Design(
            "replicates", ("candidate",), REPORTING, replicates.STATISTICS, replicates.answer, early=False
        ),
        Design(
            "availability",
            ("candidate",),
            REPORTING,
            availability.STATISTICS,
            availability.answer,
            needs_capture=False,
            early=False,
        ),
        Design("before_after", ("candidate",), BOTH, ("effect", "ratio"), before_after.answer),
        Design(
            "adjusted_before_after",
            ("candidate",),
            BOTH,
            adjusted_before_after.STATISTICS,
            adjusted_before_after.answer,
        ),
        Design(
            "interrupted_series",
            ("candidate",),
            BOTH,
            interrupted_series.STATISTICS,
            interrupted_series.answer,
        ),
        Design("control_sites", ("candidate", "control"), BOTH, ("effect",), control_sites.answer),
        Design(
            "synthetic_control",
            ("candidate", "control"),
            BOTH,
            synthetic_control.STATISTICS,
            synthetic_control.answer,
        ),
        Design(
            "equivalence", ("candidate", "control"), REPORTING, equivalence.STATISTICS, equivalence.answer
        ),
        Design("limit_compliance", ("candidate",), REPORTING, ("mean",), limit_compliance.answer),
        Design("crossover", ("candidate",), REPORTING, crossover.STATISTICS, crossover.answer),
    )
}
