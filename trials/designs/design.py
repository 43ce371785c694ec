"""Describes a design: its words and statistics, the needs of its endpoint, and its forecasts.

Each design makes one `Design` at the end of its file, and `registry` lists them. Everything that depends on a
design looks it up there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from insitu.model import PeriodName
from trials.designs.devices import check_devices
from trials.designs.fit import Needs, Unfit, unfit
from trials.designs.out_of_scale import out_of_scale
from trials.designs.question import Answer, ArmRole, Question
from trials.designs.rehearsal import Rehearsal, Seen, of_answer
from trials.plan.endpoint import Endpoint
from trials.sentences import finding
from trials.series.scale import Scale
from trials.statement import Kind, Sentence

REPORTING = (PeriodName.REPORTING,)
BOTH = (PeriodName.BASELINE, PeriodName.REPORTING)


@dataclass(frozen=True, slots=True)
class Statistic:
    """A statistic that a criterion may name. Designs that use the same name share the statistic."""

    name: str
    words: str
    unit: str | None = None
    """None: the unit of the endpoint."""
    per_day: bool = False
    """Its unit is the endpoint's unit per day."""
    no_effect: float | None = None
    """Its value when nothing happens; None for a statistic that is no effect: a mean, an error, a limit of
    agreement.
    """
    on_circle: bool = False
    """It has a meaning for directions."""
    signed: bool = False
    """On a circle it is an angle to one side or the other."""
    needs_zero: bool = False
    """It is a share or a multiple of the values, so that it needs a true zero; levels have none."""

    def unit_in(self, endpoint_unit: str) -> str:
        """Its unit when the endpoint has `endpoint_unit`."""
        return f"{endpoint_unit}/d" if self.per_day else endpoint_unit if self.unit is None else self.unit


EFFECT = Statistic("effect", "effect", no_effect=0.0)
RELATIVE_EFFECT = Statistic("relative_effect", "relative effect", unit="%", no_effect=0.0, needs_zero=True)


def named(*statistics: Statistic) -> dict[str, Statistic]:
    """Name → statistic, in this order."""
    return {statistic.name: statistic for statistic in statistics}


@dataclass(frozen=True, slots=True)
class Design:
    name: str
    title: str
    method: str
    """How it is computed, with the formula, for the report."""
    arms: tuple[ArmRole, ...]
    periods: tuple[PeriodName, ...]
    statistics: Mapping[str, Statistic]
    function: Callable[[Question], Answer]
    sentences: tuple[Sentence, ...] = ()
    """The findings and notes that only this design states."""
    other_choices: Mapping[str, str] = field(default_factory=dict)
    """Name of another choice of the same analysis, without the part after the colon → its words."""
    lines: Mapping[str, str] = field(default_factory=dict)
    """Name of a series in its figure → its words, unless the name is that of an arm or a period."""
    foretell: Callable[[Rehearsal], Seen] | None = None
    """Forecast from the days before the reporting period; None: use `function` on those days."""
    not_foretold: str | None = None
    """Why nothing can be foretold, as a sentence."""
    early: bool = True
    """Whether an early look may stop the trial for harm (`early_look`); False: it only describes."""
    schedule: bool = False
    """Whether its endpoint has a schedule of blocks."""
    only_means: bool = False
    """It compares means on the endpoint's grid, and uses no day values."""
    needs_capture: bool = True
    """Whether an arm below the protocol's capture blocks the endpoint. False where the question is about
    missing data: then no value counts, and any averaging scale will do.
    """
    on_grid: bool = False
    """Its statistics compare the steps of the endpoint's grid, not day values."""
    needs_zero: bool = False
    """All its statistics need a true zero."""
    is_gated_by_margin: bool = False
    """Whether a gate allows more where the margin of a criterion is wider."""
    selects_by_capture: bool = False
    """Whether the protocol's `capture.days` decides which blocks or donors count."""
    infers_by: str | None = "interval"
    """The one value of its intervals, as in `Estimate.inference_by`; "interval": the day, or the
    planned interval where that is longer. None: it has no sampling error.
    """
    takes_independent: bool = True
    """Whether the protocol may declare its values independent, so that their order means nothing."""
    is_nested: bool = True
    """Whether its interval at a higher level contains that at a lower one."""

    def answer(self, question: Question) -> Answer:
        """The design's answer; findings alone if the results are too large or too small to compute with, or
        if it cannot be computed on their averaging scale.
        """
        findings = out_of_scale(question) if self.needs_capture else []
        if question.rules.every_scale:
            findings += [
                finding(
                    "scale_unfit",
                    what=one.what,
                    property=question.endpoint.property,
                    scale=str(question.scale.name),
                )
                for one in self.unfit(question.endpoint, question.scale)
            ]
        if findings:
            return Answer(findings=findings)
        found, devices = self.function(question), question.devices()
        by = question.inference_by if self.infers_by == "interval" else self.infers_by
        statistics = [
            replace(
                known,
                counts={**known.counts, **devices},
                inference_by=by if question.rules.true_lags else None,
            )
            for known in found.statistics
        ]
        if self.needs_capture and question.rules.ask_devices:
            return replace(
                found,
                statistics=statistics,
                findings=found.findings + check_devices(question, self.function, found),
            )
        return replace(found, statistics=statistics)

    def unfit(self, endpoint: Endpoint, scale: Scale) -> list[Unfit]:
        """Parts of the endpoint that have no meaning on the averaging scale of its property."""
        needs = Needs(self.name, self.statistics, self.on_grid, self.needs_zero)
        return list(unfit(endpoint, scale, needs)) if self.needs_capture else []

    def seen(self, rehearsal: Rehearsal) -> Seen:
        """Forecast of its statistics from the days before the reporting period. Only call it where
        `reason_not_foretold` is None.
        """
        if self.foretell is not None:
            return self.foretell(rehearsal)
        return of_answer(self.answer(rehearsal.question), self.sentences)

    @property
    def reason_not_foretold(self) -> Sentence | None:
        """A note with the name of the design as its code."""
        return (
            None if self.not_foretold is None else Sentence(self.name, "note", self.not_foretold, Kind.NOTE)
        )

    def unit_of(self, statistic: str, endpoint_unit: str) -> str:
        """The unit of one of its statistics, for an endpoint with `endpoint_unit`."""
        return self.statistics[statistic].unit_in(endpoint_unit)
