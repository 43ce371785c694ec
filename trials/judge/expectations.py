"""The words of an outlook: what a protocol may expect, with notes and warnings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from trials.plan.parts import Target
from trials.plan.values import Text

NOTES: Final = {
    "too_few_days": "Only {days} days before the reporting period count; at least {needed} are needed to "
    "foretell anything.",
    "constant_series": "What was measured so far does not vary: nothing can be foretold from it.",
    "no_overlap": "Candidate and reference share too few intervals so far.",
    "one_unit": "The arm has one device: how units differ takes at least two.",
    "u_meas_missing": "The measurement uncertainty (u_meas) is not stated: a limit cannot be judged without "
    "it.",
    "schedule_missing": "The protocol has no schedule of blocks, which a crossover needs.",
    "too_few_pairs": "The days so far hold {pairs} block pairs; at least {needed} are needed to see how "
    "much they scatter.",
    "not_above_zero": "A ratio needs a mean that is clearly above 0.",
    "incomplete": "The protocol lacks an arm, a period or a design that is known.",
    "blinded": "The endpoint is blinded: what the days so far say of its value is withheld.",
    "statistic": "Nothing is foretold of this statistic.",
    "availability": "Not known: completeness is a census of what comes, and has no sampling error.",
    "adjusted_before_after": "Not known: the width depends on how well the model of the baseline predicts "
    "weather and load that are still to come.",
    "interrupted_series": "Not known: level, slope and season are estimated together, and how they share "
    "the scatter shows only afterwards.",
    "synthetic_control": "Not known: its interval comes from the rank among the donors, which more days do "
    "not change.",
    "inconclusive": "With {days} days the verdict will probably be inconclusive: it is decided with a "
    "chance of {chance} % if the true value is {assumed}.",
    "on_the_bound": "The target begins where nothing happens: no number of days tells nothing from its "
    "bound.",
    "not_reachable": "With {days} days the interval is too wide for this target, whatever the true value is.",
    "too_short": "{days} days are planned, of which {counted} will count; at least {needed} are needed.",
}
"""Code → sentence. Those named like a design say why nothing is foretold of it."""
UNKNOWN: Final = ("availability", "adjusted_before_after", "interrupted_series", "synthetic_control")
WARNINGS: Final = ("inconclusive", "not_reachable", "too_short")


class Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class Note(Shown):
    """A coded sentence of `NOTES` with its numbers."""

    code: str
    evidence: dict[str, float | int | str]

    def sentence(self, template: str | None = None) -> str:
        """In English, or as `template` has it."""
        return (template or NOTES[self.code]).format(**self.evidence)


class Expectation(Shown):
    """Of one length of the reporting period."""

    days: int
    """Calendar days."""
    counted: int
    """Of those, how many will count for inference, if as large a share does as so far."""
    half_width: float | None = None
    """Of the two-sided interval; None where there is no estimate, or where it would tell a blinded value."""
    smallest_effect: float | None = None
    """How far from a bound the truth must lie; None on a scale on which it has no unit."""
    met_low: float | None = None
    met_high: float | None = None
    """True values between these are met with the power; None is open."""
    reachable: bool = False
    """Whether any true value is."""
    decided: float | None = None
    """Chance of `met` or `not_met`, if the true value is the assumed one."""


class CriterionOutlook(Shown):
    statistic: str
    target: Target
    unit: str
    assumed: float | None = None
    """True value that `decided` and `days_needed` rest on: no effect; for a level, what the days so far say
    of it.
    """
    planned: Expectation | None = None
    """Of the reporting period as the protocol has it."""
    lengths: list[Expectation] = []
    days_needed: int | None = None
    """Calendar days until the verdict is decided with the power."""
    notes: list[Note] = []


class EndpointOutlook(Shown):
    name: str
    title: Text
    rank: str
    design: str
    level: float
    """Of its intervals; a secondary endpoint shares α with the others."""
    days: int
    """That count so far."""
    criteria: list[CriterionOutlook]
    notes: list[Note] = []


class Outlook(Shown):
    trial: str
    version: int
    power: float
    start: datetime
    end: datetime
    """What was looked at: `[start, end)`, before the reporting period."""
    planned_days: int
    """Calendar days of the reporting period."""
    endpoints: list[EndpointOutlook]

    def warnings(self) -> Iterator[tuple[str, str, Note]]:
        """(endpoint, statistic, why its verdict will probably be inconclusive)."""
        for endpoint in self.endpoints:
            for criterion in endpoint.criteria:
                yield from (
                    (endpoint.name, criterion.statistic, n) for n in criterion.notes if n.code in WARNINGS
                )


def note(code: str, **evidence: float | int | str) -> Note:
    """A note with its numbers."""
    return Note(code=code, evidence=evidence)
