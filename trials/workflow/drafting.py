"""Drafts of protocols: a template, filled from the catalogue. The caller owns the transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from insitu.errors import CorrectInput
from insitu.spacing import Spacing
from store.catalogue.datastreams import list_datastreams
from store.catalogue.trials import get_trial
from store.database import Connection
from trials.designs import DESIGNS
from trials.plan import profiles
from trials.workflow.templates import _WHY, EN, NAME, TEMPLATES, Document, Facts, Measured, Template, mark

_RANGES = {
    "pm25": (-10, 1000),
    "pm10": (-10, 2000),
    "co2": (300, 10000),
    "laeq": (20, 140),
    "temperature": (-40, 60),
    "humidity": (0, 100),
    "no2": (-20, 1000),
    "o3": (-20, 1000),
}
"""Limits that no result may leave; a property that is not listed gets a mark."""
_RANGE_UNITS = ("ug/m3", "[ppm]", "Cel", "%", "dB[SPL]")
"""Units of these limits; with a profile in another unit (ppb) the range gets a mark."""
_SECONDARY: dict[str, tuple[str, dict[str, str]]] = {
    "replicates": ("precision", {"en": "Precision between units", "fr": "Fidélité entre unités"}),
    "availability": ("data-capture", {"en": "Data capture", "fr": "Saisie des données"}),
}
"""Endpoints that a profile requires of the candidates alone."""


def facts_of(conn: Connection, trial: str) -> Facts:
    """Title, time zone, organisations and datastreams of a trial. NotFound if there is no trial of that
    name.
    """
    known = get_trial(conn, trial)
    measured = [
        Measured(
            s.device,
            s.property,
            s.unit,
            s.role,
            s.averaging_scale,
            s.every(),
            s.deployments[-1].site,
        )
        for s in list_datastreams(conn, trial)
        if s.deployments and s.retired_at is None
    ]
    people = {
        "host": known.host,
        "company": known.company,
        "evaluator": known.evaluator or mark("who", "qui")["en"],
    }
    return Facts(
        known.code,
        known.title,
        known.time_zone,
        people,
        sorted(measured, key=lambda m: (m.device, m.property)),
    )


def skeleton(facts: Facts) -> Document:
    """A protocol that says nothing yet but what the catalogue knows, for a form without a template."""
    return {
        "schema": "insitu/protocol/1",
        "trial": facts.trial,
        "version": 1,
        "title": facts.title,
        "time_zone": facts.time_zone,
        "periods": [{"name": "reporting"}],
        "arms": [{}],
        "measurements": [{}],
        "endpoints": [{"criteria": [{}]}],
        "roles": facts.people,
    }


def draft(
    name: str,
    facts: Facts,
    *,
    start: date,
    days: int = 30,
    property: str | None = None,
    profile: str | None = None,
) -> Document:
    """A protocol as a JSON document. `start`: its first local day; `days` of each period; `profile`:
    published targets for its criteria.

    CorrectInput if the template or profile does not exist, if the profile has nothing for the template's
    design, or if nothing in the trial measures `property`.
    """
    if name not in TEMPLATES:
        known = "\n".join(f"  {one.name}: {one.purpose}" for one in TEMPLATES.values())
        raise CorrectInput(f"There is no template {name!r}. There are:\n{known}")
    template = TEMPLATES[name]
    asked = None if profile is None else profiles.entry(profile)
    about, unit = _property(template, facts, property if asked is None else _property_of(asked, property))
    streams = [m for m in facts.measured if m.property == about]
    arms = [_arm(role, streams) for role in template.roles]
    named = {role: arm["name"] for role, arm in zip(template.roles, arms, strict=True)}
    document = {
        "schema": "insitu/protocol/1",
        "trial": facts.trial,
        "title": facts.title,
        "question": template.question,
        "hypothesis": mark("what is expected", "ce qui est attendu"),
        "time_zone": facts.time_zone,
        "periods": list(_periods(template.baseline, start, days, facts.time_zone)),
        "arms": arms,
        "measurements": [
            {"property": about, "arms": [arm["name"]], "interval": _interval(arm["devices"], streams)}
            for arm in arms
        ],
        "checks": [
            {"property": about, "check": "time_syntax"},
            {"property": about, "check": "gross_range", "parameters": _range(about)},
        ],
        "endpoints": [_main(template, about, unit, named, streams)],
        "missing_data": {
            "en": "Missing intervals are left out; nothing is filled in.",
            "fr": "Les intervalles manquants sont exclus\u202f; rien n’est complété.",
        },
        "roles": facts.people,
        "decisions": {
            verdict: mark("what the host does then", "ce que fait alors l'hôte")
            for verdict in ("met", "not_met", "inconclusive", "not_evaluable")
        },
    }
    if profile is not None and asked is not None:
        _as_profile(document, profile, asked, len(arms[0]["devices"]))
    return document


def _main(
    template: Template, about: str, unit: str, named: dict[str, str], streams: Sequence[Measured]
) -> Document:
    return {
        "name": "main",
        "title": template.title,
        "property": about,
        "unit": unit,
        "arms": named,
        **_endpoint(template, about, streams),
        "criteria": _criteria(template, about),
    }


def _property_of(asked: profiles.Entry, wanted: str | None) -> str | None:
    if wanted is not None and asked.property is not None and wanted != asked.property:
        raise CorrectInput(
            f"The profile is about {asked.property!r}, not {wanted!r}: leave out --property, or take "
            "another profile."
        )
    return asked.property or wanted


def _as_profile(document: Document, profile: str, asked: profiles.Entry, candidates: int) -> None:
    """Gives the endpoint the profile's unit, grid, parameters and targets; what the profile also requires of
    the same arms becomes secondary endpoints.
    """
    (main,) = document["endpoints"]
    if main["design"] not in asked.designs:
        raise CorrectInput(
            f"{profile} has targets for {', '.join(asked.designs)}, and this template asks for "
            f"{main['design']}."
        )
    if (
        asked.property is not None
        and _RANGES.get(asked.property) is not None
        and asked.unit not in (None, *_RANGE_UNITS)
    ):
        for check in (c for c in document["checks"] if c["check"] == "gross_range"):
            check["parameters"] = _range("")
    document["endpoints"] = []
    for design in sorted(asked.designs, key=lambda design: design != main["design"]):
        needs_two = design == "replicates"
        if design == main["design"] or (design in _SECONDARY and (not needs_two or candidates > 1)):
            document["endpoints"].append(_profiled(main, profile, asked, design))
    least = {name: value for name, value in asked.capture.model_dump().items() if value is not None}
    if least:
        document["capture"] = least


def _profiled(main: Document, profile: str, asked: profiles.Entry, design: str) -> Document:
    made = dict(main)
    if design != main["design"]:
        name, title = _SECONDARY[design]
        made |= {
            "name": name,
            "title": title,
            "rank": "secondary",
            "design": design,
            "arms": {"candidate": main["arms"]["candidate"]},
        }
        made = {
            field: value
            for field, value in made.items()
            if field not in ("parameters", "grid", "aggregation", "filter")
        }
    if asked.grid is not None and design in profiles.ON_GRID:
        made["grid"] = str(asked.grid)
    stated = asked.designs[design]
    if stated.parameters:
        made["parameters"] = {**made.get("parameters", {}), **stated.parameters}
    if asked.unit is not None:
        made["unit"] = asked.unit
    return {**made, "profile": profile, "criteria": profiles.criteria(asked, stated) or main["criteria"]}


def _property(template: Template, facts: Facts, wanted: str | None) -> tuple[str, str]:
    """(property, unit): the requested one, else the template's if the trial measures it, else the one that
    most candidates measure.
    """
    units = {m.property: m.unit for m in facts.measured}
    if wanted is not None:
        if facts.measured and wanted not in units:
            raise CorrectInput(
                f"Nothing in {facts.trial} measures {wanted!r}: it measures {', '.join(sorted(units))}."
            )
        return wanted, units.get(wanted, template.unit if wanted == template.property else "1")
    if not units or template.property in units:
        return template.property, units.get(template.property, template.unit)
    counted = Counter(m.property for m in facts.measured if m.role == "candidate") or Counter(units)
    most = max(sorted(counted), key=lambda name: counted[name])
    return most, units[most]


def _arm(role: str, streams: Sequence[Measured]) -> Document:
    """The devices of a role at the site that has most of them; a mark if there is none."""
    own = [m for m in streams if m.role == role]
    if not own:
        return {"name": role, "role": role, "site": f"{NAME}-site", "devices": [f"{NAME}-{role}"]}
    sites = Counter(m.site for m in own)
    site = max(sorted(sites), key=lambda name: sites[name])
    return {
        "name": role,
        "role": role,
        "site": site,
        "devices": list(dict.fromkeys(m.device for m in own if m.site == site)),
    }


def left_out(document: Document, facts: Facts) -> list[str]:
    """Devices at other sites that measure the property in a role of the draft, and so are in none of its
    arms.
    """
    about = document["endpoints"][0]["property"]
    roles = {arm["role"] for arm in document["arms"]}
    inside = {device for arm in document["arms"] for device in arm["devices"]}
    return sorted({m.device for m in facts.measured if m.property == about and m.role in roles} - inside)


def _interval(devices: Sequence[str], streams: Sequence[Measured]) -> str:
    """The longest expected interval of the devices; a quarter of an hour if none is declared."""
    declared = [m.every for m in streams if m.device in devices and m.every is not None]
    return str(max(declared, key=Spacing.about_s)) if declared else "PT15M"


def _range(property: str) -> Document:
    if property not in _RANGES:
        return {
            "fail_low": f"{EN}: the lowest possible result, as a number",
            "fail_high": f"{EN}: the highest possible result, as a number",
        }
    low, high = _RANGES[property]
    return {"fail_low": low, "fail_high": high}


def _endpoint(template: Template, about: str, streams: Sequence[Measured]) -> Document:
    """Judges levels in dB against a limit as Lden, amounts as the total of a day; any other property as a
    mean.
    """
    levels = about == "laeq" if not streams else streams[0].scale == "energetic"
    chosen = dict(template.endpoint)
    if template.name == "limit" and levels:
        chosen["aggregation"] = "lden"
    if not levels:
        chosen.pop("aggregation", None)
    if streams and streams[0].scale == "sum" and not DESIGNS[chosen["design"]].on_grid:
        chosen["aggregation"] = "sum"
    return chosen


def _criteria(template: Template, about: str) -> list[Document]:
    """Published targets hold for their property only; for another one they are numbers that need a
    justification.
    """
    own = about == template.property
    return [
        {**one, "justification": one["justification"] if own else dict(_WHY)} for one in template.criteria
    ]


def _periods(baseline: bool, start: date, days: int, time_zone: str) -> Iterator[Document]:
    zone = ZoneInfo(time_zone)
    names = ["baseline", "reporting"] if baseline else ["reporting"]
    for number, name in enumerate(names):
        edges = [start + timedelta(days=days * n) for n in (number, number + 1)]
        first, last = (datetime(edge.year, edge.month, edge.day, tzinfo=zone).isoformat() for edge in edges)
        yield {"name": name, "start": first, "end": last}
