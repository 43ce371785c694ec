"""The protocols of the demo's trials, written for their scenarios: margins have reasons, verdicts are
open.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from simulators.scenario import Scenario
from trials.plan.protocol import Protocol

Texts = dict[str, str]


def protocol_of(scenario: Scenario, *, start: datetime, middle: datetime, end: datetime) -> Protocol:
    """Baseline `[start, middle)`, reporting `[middle, end)`; local midnights."""
    arms = [
        {"name": g.arm, "role": str(g.role), "site": g.site, "devices": g.devices} for g in scenario.groups
    ]
    document = {
        "schema": "insitu/protocol/1",
        "trial": scenario.code,
        "title": scenario.title,
        "question": scenario.question,
        "need": scenario.need,
        "time_zone": scenario.time_zone,
        "periods": [
            {"name": "baseline", "start": start.isoformat(), "end": middle.isoformat()},
            {"name": "reporting", "start": middle.isoformat(), "end": end.isoformat()},
        ],
        "arms": arms,
        "measurements": _measurements(scenario),
        "roles": {"host": scenario.host, "company": scenario.company, "evaluator": scenario.evaluator},
        "missing_data": {
            "en": "A missing interval is left out, never filled in; a day counts with 75 % of its planned "
            "intervals.",
            "fr": "Un intervalle manquant est laissé de côté, jamais reconstitué ; un jour compte avec 75 % "
            "de ses intervalles prévus.",
        },
        "seed": 20260301,
        **_PARTS[scenario.kind],
    }
    return Protocol.model_validate(document)


def _measurements(scenario: Scenario) -> list[dict[str, Any]]:
    found: dict[tuple[str, int], list[str]] = {}
    for group in scenario.groups:
        for name in group.properties:
            found.setdefault((name, group.interval_s), []).append(group.arm)
    return [
        {"property": name, "arms": arms, "interval": f"PT{interval}S"}
        for (name, interval), arms in found.items()
    ]


def _decisions(buy: Texts, stop: Texts) -> dict[str, Texts]:
    return {
        "met": buy,
        "not_met": stop,
        "inconclusive": {
            "en": "the trial is extended by thirty days, or repeated with more devices.",
            "fr": "l’essai est prolongé de trente jours, ou répété avec davantage d’appareils.",
        },
        "not_evaluable": {
            "en": "nothing can be concluded: the findings are put right and the trial is repeated.",
            "fr": "rien ne peut être conclu : les constats sont corrigés et l’essai est répété.",
        },
    }


def _checks(name: str, low: float, high: float, *, stuck_s: int = 21_600) -> list[dict[str, Any]]:
    return [
        {"property": name, "check": "time_syntax", "parameters": {}},
        {"property": name, "check": "gross_range", "parameters": {"fail_low": low, "fail_high": high}},
        {
            "property": name,
            "check": "flat_line",
            "parameters": {"suspect_s": stuck_s // 2, "fail_s": stuck_s},
        },
    ]


_AGREEMENT = {
    "en": "US EPA performance target for PM2.5 air sensors (EPA/600/R-20/280), 24 h.",
    "fr": "Objectif de performance de l’US EPA pour les capteurs de PM2,5 (EPA/600/R-20/280), 24 h.",
}

_PLATFORM: dict[str, Any] = {
    "hypothesis": {
        "en": "Filtration lowers the daily mean PM2.5 of the treated platform by at least 5 µg/m³ against "
        "the control platforms.",
        "fr": "La filtration abaisse la moyenne journalière de PM2,5 du quai traité d’au moins 5 µg/m³ par "
        "rapport aux quais témoins.",
    },
    "checks": _checks("pm25", -10, 1000),
    "endpoints": [
        {
            "name": "filtration-effect",
            "title": {"en": "Effect of filtration on PM2.5", "fr": "Effet de la filtration sur les PM2,5"},
            "rank": "primary",
            "property": "pm25",
            "unit": "ug/m3",
            "design": "control_sites",
            "arms": {"candidate": "treated", "control": "control"},
            "criteria": [
                {
                    "statistic": "effect",
                    "target": {"high": -5},
                    "justification": {
                        "en": "5 µg/m³ is the WHO annual guideline value for PM2.5: a smaller gain would "
                        "not pay for the unit.",
                        "fr": "5 µg/m³ est la valeur guide annuelle de l’OMS pour les PM2,5 : un gain "
                        "moindre ne justifierait pas l’unité.",
                    },
                }
            ],
        },
        {
            "name": "sensor-agreement",
            "title": {
                "en": "Agreement of the sensors with the reference",
                "fr": "Accord des capteurs avec la référence",
            },
            "rank": "secondary",
            "property": "pm25",
            "unit": "ug/m3",
            "design": "reference_collocation",
            "grid": "PT24H",
            "arms": {"candidate": "collocated", "reference": "reference"},
            "criteria": [
                {"statistic": "slope", "target": {"low": 0.65, "high": 1.35}, "justification": _AGREEMENT},
                {"statistic": "intercept", "target": {"low": -5, "high": 5}, "justification": _AGREEMENT},
                {"statistic": "r2", "target": {"low": 0.7}, "justification": _AGREEMENT},
                {"statistic": "rmse", "target": {"high": 7}, "justification": _AGREEMENT},
            ],
        },
    ],
    "decisions": _decisions(
        {
            "en": "the host may buy units for all underground platforms.",
            "fr": "l’hôte peut acheter des unités pour tous les quais souterrains.",
        },
        {
            "en": "the host does not buy; the company may come back with a stronger unit.",
            "fr": "l’hôte n’achète pas ; l’entreprise peut revenir avec une unité plus puissante.",
        },
    ),
}

_WARD: dict[str, Any] = {
    "hypothesis": {
        "en": "Demand-controlled ventilation lowers the daily mean CO₂ of the ward by at least 150 ppm "
        "against the control ward.",
        "fr": "La ventilation à la demande abaisse la moyenne journalière de CO₂ du service d’au moins 150 "
        "ppm par rapport au service témoin.",
    },
    "checks": _checks("co2", 300, 10_000, stuck_s=28_800),
    "endpoints": [
        {
            "name": "co2-effect",
            "title": {"en": "Effect of ventilation on CO₂", "fr": "Effet de la ventilation sur le CO₂"},
            "rank": "primary",
            "property": "co2",
            "unit": "[ppm]",
            "design": "control_sites",
            "arms": {"candidate": "treated", "control": "control"},
            "criteria": [
                {
                    "statistic": "effect",
                    "target": {"high": -150},
                    "justification": {
                        "en": "150 ppm less is what the host's engineers need to reach 800 ppm on busy days.",
                        "fr": "150 ppm de moins sont nécessaires aux ingénieurs de l’hôte pour atteindre "
                        "800 ppm les jours chargés.",
                    },
                }
            ],
        },
        {
            "name": "co2-before-after",
            "title": {"en": "CO₂ before and after", "fr": "CO₂ avant et après"},
            "rank": "secondary",
            "property": "co2",
            "unit": "[ppm]",
            "design": "before_after",
            "arms": {"candidate": "treated"},
            "parameters": {"covariates": ["occupancy"]},
            "criteria": [
                {
                    "statistic": "effect",
                    "target": {"high": -150},
                    "justification": {
                        "en": "The same margin, without a control.",
                        "fr": "La même marge, sans témoin.",
                    },
                }
            ],
        },
    ],
    "decisions": _decisions(
        {"en": "the host may equip its other wards.", "fr": "l’hôte peut équiper ses autres services."},
        {
            "en": "the host does not buy; the company is told by how much it fell short.",
            "fr": "l’hôte n’achète pas ; l’entreprise apprend combien il a manqué.",
        },
    ),
}

_STREET: dict[str, Any] = {
    "hypothesis": {
        "en": "Lden on the façade stays at or below 68 dB over the reporting period.",
        "fr": "Le Lden en façade reste inférieur ou égal à 68 dB sur la période de mesure.",
    },
    "checks": _checks("laeq", 20, 130),
    "endpoints": [
        {
            "name": "lden-limit",
            "title": {"en": "Lden against the limit value", "fr": "Lden et valeur limite"},
            "rank": "primary",
            "property": "laeq",
            "unit": "dB[SPL]",
            "design": "limit_compliance",
            "aggregation": "lden",
            "arms": {"candidate": "street"},
            "parameters": {"u_meas": 0.7},
            "criteria": [
                {
                    "statistic": "mean",
                    "target": {"high": 68},
                    "justification": {
                        "en": "68 dB is the French limit value of Lden for road noise (arrêté of 4 April "
                        "2006).",
                        "fr": "68 dB est la valeur limite française du Lden pour le bruit routier "
                        "(arrêté du 4 avril 2006).",
                    },
                }
            ],
        }
    ],
    "decisions": _decisions(
        {"en": "the street needs no further measure.", "fr": "la rue ne demande pas d’autre mesure."},
        {"en": "the city plans a quieter surface.", "fr": "la ville prévoit un revêtement plus silencieux."},
    ),
}

_PARTS = {"platform": _PLATFORM, "ward": _WARD, "street": _STREET}
