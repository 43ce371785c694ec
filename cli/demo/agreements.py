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
    "software_updates": "partly: sur place, par câble",
    "personal_data": "not_applicable: il ne mesure personne",
}


def agreement_of(scenario: Scenario, start: datetime) -> Agreement:
    """Who uses which data until three years after the start, and a sheet of each model."""
    signed = start.date()
    until: date = signed.replace(year=signed.year + _YEARS, day=1)
    uses = [
        Use(
            party=scenario.host,
            data="résultats, qualité, rapports",
            purpose="décider de l’achat",
            until=until,
        ),
        Use(party=scenario.company, data="résultats de ses appareils", purpose="son produit", until=until),
    ]
    if scenario.evaluator:
        uses.append(Use(party=scenario.evaluator, data="toutes", purpose="évaluer l’essai", until=until))
    models = sorted({group.model for group in scenario.groups})
    return Agreement(
        signed_on=signed,
        use=tuple(uses),
        trade_secrets="aucun",
        security=tuple(Sheet(model=model, answers=_ANSWERS) for model in models),
    )
