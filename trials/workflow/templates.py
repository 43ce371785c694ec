"""Templates of protocols for the common trials, with marks where people must decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from insitu.spacing import Spacing
from trials.plan import profiles

Document = dict[str, Any]
EN, FR, NAME = "TO BE WRITTEN", "À ÉCRIRE", "to-be-named"
"""How a mark begins: in a text of either language, in a code."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A datastream of the trial."""

    device: str
    property: str
    unit: str
    role: str
    scale: str
    every: Spacing | None
    site: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a trial from the catalogue; empty if no trial is named."""

    trial: str = f"{NAME}-trial"
    title: dict[str, str] = field(default_factory=lambda: mark("a title", "un titre"))
    time_zone: str = "Europe/Paris"
    people: dict[str, str] = field(default_factory=dict)
    measured: Sequence[Measured] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """`roles`: arms it needs. `property`, `unit`: its subject, unless the trial measures something else."""

    name: str
    purpose: str
    roles: tuple[str, ...]
    baseline: bool
    property: str
    unit: str
    title: dict[str, str]
    question: dict[str, str]
    endpoint: Document
    criteria: tuple[Document, ...]


def mark(en: str, fr: str) -> dict[str, str]:
    """A text that somebody has to write."""
    return {"en": f"{EN}: {en}", "fr": f"{FR} : {fr}"}


def _criterion(statistic: str, justification: dict[str, str], **more: Any) -> Document:
    target = {name: more.pop(name) for name in ("low", "high") if name in more}
    return {"statistic": statistic, "target": target, "justification": justification, **more}


_WHY = mark(
    "why this margin and no other; change the number",
    "pourquoi cette marge et pas une autre\u202f; changez le nombre",
)
_LIMIT = mark(
    "which text sets this limit; change the number", "quel texte fixe cette limite\u202f; changez le nombre"
)
_PM25 = profiles.entry("us-epa-air-sensors/pm25")
TEMPLATES: dict[str, Template] = {
    one.name: one
    for one in (
        Template(
            "air-sensor",
            "a sensor beside a reference analyser",
            ("candidate", "reference"),
            False,
            "pm25",
            "ug/m3",
            {"en": "Agreement with the reference", "fr": "Accord avec la référence"},
            {
                "en": "Does the sensor say what the reference says?",
                "fr": "Le capteur dit-il ce que dit la référence ?",
            },
            {"design": "reference_collocation", "grid": "P1D"},
            tuple(profiles.criteria(_PM25, _PM25.designs["reference_collocation"])),
        ),
        Template(
            "retrofit",
            "ventilation or energy: before and after, with a place where nothing changes",
            ("candidate", "control"),
            True,
            "co2",
            "[ppm]",
            {"en": "Effect of the retrofit", "fr": "Effet de la rénovation"},
            {
                "en": "Does the retrofit lower it, compared with the place where nothing changed?",
                "fr": "La rénovation le fait-elle baisser, par rapport au lieu où rien n'a changé ?",
            },
            {"design": "control_sites"},
            (_criterion("effect", _WHY, high=-1),),
        ),
        Template(
            "limit",
            "noise or air against a limit value",
            ("candidate",),
            False,
            "laeq",
            "dB[SPL]",
            {"en": "Level against the limit", "fr": "Niveau et valeur limite"},
            {
                "en": "Does the level stay at or below the limit?",
                "fr": "Le niveau reste-t-il inférieur ou égal à la limite ?",
            },
            {
                "design": "limit_compliance",
                "parameters": {"u_meas": f"{EN}: standard uncertainty of the instrument, as a number"},
            },
            (_criterion("mean", _LIMIT, high=68),),
        ),
        Template(
            "equivalence",
            "a device beside the one in use: no relevant difference",
            ("candidate", "control"),
            False,
            "temperature",
            "Cel",
            {"en": "Difference from the device in use", "fr": "Écart avec l'appareil en service"},
            {
                "en": "Can the device replace the one in use?",
                "fr": "L'appareil peut-il remplacer celui en service ?",
            },
            {"design": "equivalence"},
            (_criterion("difference", _WHY, low=-1, high=1),),
        ),
        Template(
            "street",
            "an intervention in a street, with streets where nothing changes",
            ("candidate", "control"),
            True,
            "laeq",
            "dB[SPL]",
            {"en": "Effect of the intervention", "fr": "Effet de l'intervention"},
            {
                "en": "Does the intervention lower it, compared with the control streets?",
                "fr": "L'intervention le fait-elle baisser, par rapport aux rues témoins ?",
            },
            {
                "design": "control_sites",
                "aggregation": "ld",
                "filter": {"weekdays": ["mon", "tue", "wed", "thu", "fri"], "holidays": "without"},
            },
            (_criterion("effect", _WHY, high=-1),),
        ),
    )
}


def marks(document: Any, where: str = "") -> Iterator[str]:
    """Paths of the fields of a protocol document that still hold a mark."""
    if isinstance(document, dict):
        for name, part in document.items():
            yield from marks(part, f"{where}.{name}" if where else str(name))
    elif isinstance(document, list):
        for number, part in enumerate(document):
            yield from marks(
                part, f"{where}.{part['name'] if isinstance(part, dict) and 'name' in part else number}"
            )
    elif isinstance(document, str) and document.startswith((EN, FR, NAME)):
        yield where
