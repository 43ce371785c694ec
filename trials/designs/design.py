"""What a design says of itself: its words and statistics, what its endpoint needs, what it can foretell.

Each design makes one `Design` at the end of its file, and `registry` lists them. Everything that depends on
a design looks it up there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from insitu.model import PeriodName
from trials.designs.question import Answer, ArmRole, Question, out_of_scale
from trials.designs.rehearsal import Rehearsal, Seen, of_answer
from trials.statement import Kind, Sentence

REPORTING = (PeriodName.REPORTING,)
BOTH = (PeriodName.BASELINE, PeriodName.REPORTING)


@dataclass(frozen=True, slots=True)
class Statistic:
    """What a criterion may name. Designs that share a name share the statistic."""

    name: str
    words: str
    unit: str | None = None
    """None: that of the endpoint."""
    per_day: bool = False
    """Its unit is that of the endpoint, per day."""
    no_effect: float | None = None
    """Its value when nothing happens; None for what is no effect: a mean, an error, a limit of agreement."""

    def unit_in(self, endpoint_unit: str) -> str:
        """Its unit for an endpoint in that unit."""
        return f"{endpoint_unit}/d" if self.per_day else endpoint_unit if self.unit is None else self.unit


EFFECT = Statistic("effect", "effect", no_effect=0.0)
RELATIVE_EFFECT = Statistic("relative_effect", "relative effect", unit="%", no_effect=0.0)


def named(*statistics: Statistic) -> dict[str, Statistic]:
    """Name → statistic, in this order."""
    return {statistic.name: statistic for statistic in statistics}


@dataclass(frozen=True, slots=True)
class Design:
    name: str
    title: str
    method: str
    """How it computes, with the formula, for the report."""
    arms: tuple[ArmRole, ...]
    periods: tuple[PeriodName, ...]
    statistics: Mapping[str, Statistic]
    function: Callable[[Question], Answer]
    sentences: tuple[Sentence, ...] = ()
    """Of the findings and notes that it alone states."""
    other_choices: Mapping[str, str] = field(default_factory=dict)
    """Name of another choice of the same analysis, without what follows a colon → its words."""
    lines: Mapping[str, str] = field(default_factory=dict)
    """Name of a series of its figure → its words, where it is not that of an arm or a period."""
    foretell: Callable[[Rehearsal], Seen] | None = None
    """What the days before the reporting period say; None: what `function` finds in them."""
    not_foretold: str | None = None
    """Why nothing can be foretold, as a sentence."""
    early: bool = True
    """Whether an early look may stop the trial for harm (`early_look`); False: it only describes."""
    schedule: bool = False
    """Whether its endpoint has blocks."""
    only_means: bool = False
    """It compares means on the endpoint's grid, and asks for no day values."""
    needs_capture: bool = True
    """Whether an arm below the protocol's capture blocks the endpoint; not where missing data are what is
    asked about.
    """

    def answer(self, question: Question) -> Answer:
        """What the design finds, or why nothing can be computed with these results."""
        findings = out_of_scale(question) if self.needs_capture else []
        return Answer(findings=findings) if findings else self.function(question)

    def seen(self, rehearsal: Rehearsal) -> Seen:
        """What the days before the reporting period say of its statistics; not to be asked where
        `reason_not_foretold` says why nothing can be said.
        """
        if self.foretell is not None:
            return self.foretell(rehearsal)
        return of_answer(self.answer(rehearsal.question), self.sentences)

    @property
    def reason_not_foretold(self) -> Sentence | None:
        """Its code is the name of the design."""
        return (
            None if self.not_foretold is None else Sentence(self.name, "note", self.not_foretold, Kind.NOTE)
        )

    def unit_of(self, statistic: str, endpoint_unit: str) -> str:
        """The unit of one of its statistics, of an endpoint in that unit."""
        return self.statistics[statistic].unit_in(endpoint_unit)
