"""The agreement of a demo trial: complete but for two headings of its security sheets."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from simulators.scenario import Scenario
from trials.plan.agreement import PROVISIONS, Agreement, Sheet, Use

if TYPE_CHECKING:
    from datetime import date

_YEARS: Final = 3
_ANSWERS: Final = dict.fromkeys(PROVISIONS, "met") | {
    "software_updates": "partly: on site, by cable",
    "personal_data": "not_applicable: it measures no people",
}


def agreement_of(scenario: Scenario, start: datetime) -> Agreement:
    """Who uses which data until three years after the start, and a sheet of each model."""
    signed = start.date()
    until: date = signed.replace(year=signed.year + _YEARS, day=1)
    uses = [
        Use(party=scenario.host, data="results, flags, reports", purpose="decide what to buy", until=until),
        Use(party=scenario.company, data="results of its own devices", purpose="its product", until=until),
    ]
    if scenario.evaluator:
        uses.append(Use(party=scenario.evaluator, data="all", purpose="evaluate the trial", until=until))
    models = sorted({group.model for group in scenario.groups})
    return Agreement(
        signed_on=signed,
        use=tuple(uses),
        trade_secrets="none",
        security=tuple(Sheet(model=model, answers=_ANSWERS) for model in models),
    )
