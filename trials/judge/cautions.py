"""The sentences that stand beside the verdict of a trial because something in its data may mislead, in both
languages: the document of an evaluation holds them, so that every surface says the same. Pure.

Each repeats a finding of a primary endpoint in short.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from trials.evaluation import Caution, EndpointResult, Evaluation
from trials.plan.values import Text
from trials.statement import Statement, Value

_PERIODS: Final = {"baseline": ("baseline", "de référence"), "reporting": ("reporting", "d’évaluation")}
WORDS: Final = {
    "trend_turns": (
        "{title}: within the {period} period there is a trend, by a straight line from {begin} to {end}. At "
        "one end of it the verdict would be another.",
        "{title} : au sein de la période {period} il y a une tendance, en ligne droite de {begin} à {end}. À "
        "l’une des extrémités le verdict serait autre.",
    ),
    "names_exchanged": (
        "{title}: since the change {device} has the daily rhythm that {other} had before, and the other way "
        "round. They may have exchanged names or places.",
        "{title} : depuis le changement, {device} a le rythme journalier que {other} avait auparavant, et "
        "inversement. Leurs noms ou leurs places ont peut-être été échangés.",
    ),
    "daily_check": (
        "{title}: on {days} of {all} days {reference} departs from the devices beside it at {hour}. A check "
        "of its zero or span may stand among its results.",
        "{title} : {days} jours sur {all}, {reference} s’écarte à {hour} des appareils voisins. Un contrôle "
        "de son zéro ou de sa sensibilité se trouve peut-être parmi ses résultats.",
    ),
    "exclusions_turn": (
        "{title}: {intervals} planned intervals were left out for events. With them the verdict would be "
        "another.",
        "{title} : {intervals} intervalles prévus ont été écartés pour des événements. Avec eux le verdict "
        "serait autre.",
    ),
    "values_pile": (
        "{title}: {number} of {results} results of {device} in the {period} period are exactly {value}, far "
        "more than any value near it, as at the end of a range or by a code for an error. They were used as "
        "they are.",
        "{title} : {number} résultats de {device} sur {results} pendant la période {period} valent "
        "exactement {value}, bien plus que les valeurs voisines, comme à l’extrémité d’une plage ou par un "
        "code d’erreur. Ils ont été utilisés tels quels.",
    ),
}
"""Code of a finding → (English, French)."""


def beside_the_verdict(evaluation: Evaluation) -> list[Text]:
    """All sentences that stand there: about what was set afterwards, and about data that may mislead."""
    afterwards = [one.text for one in evaluation.afterwards or []]
    return afterwards + [one.text for one in evaluation.cautions or []]


def cautions(endpoints: Sequence[EndpointResult]) -> Iterator[Caution]:
    """In the order of the endpoints and of their findings."""
    for endpoint in endpoints:
        for one in endpoint.findings if endpoint.rank == "primary" else []:
            if one.code in WORDS:
                english, french = (_written(endpoint, one, language) for language in (0, 1))
                yield Caution(endpoint=endpoint.name, code=one.code, text=Text(en=english, fr=french))


def _written(endpoint: EndpointResult, finding: Statement, language: int) -> str:
    shown = {name: _shown(name, value, language) for name, value in finding.evidence.items()}
    title = (endpoint.title.en, endpoint.title.fr)[language]
    return WORDS[finding.code][language].format(**shown | {"title": title})


def _shown(name: str, value: Value, language: int) -> object:
    """Numbers with three significant digits and the decimal sign of the language."""
    if name == "period" and isinstance(value, str):
        return _PERIODS[value][language]
    if isinstance(value, float):
        digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
        return f"{value:.{digits}f}".replace(".", ".,"[language])
    return value
