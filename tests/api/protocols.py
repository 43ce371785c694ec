"""Documents of protocols for the tests of their form: those of docs/, one for each design, one with every
field, and spoilt ones; and what a browser sends of the form of one.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from api.protocol_form.choices import Choices
from api.protocol_form.kinds import is_local
from api.protocol_form.showing import show_form
from api.rendering import ENVIRONMENT
from insitu.language import Reader
from tests.api.forms import form_of
from trials.designs import DESIGNS
from trials.plan.protocol import Protocol
from trials.workflow.drafting import Facts, draft, skeleton
from trials.workflow.templates import TEMPLATES

ROOT = Path(__file__).parents[2]
READER = Reader("en", "Europe/Paris")
NOTHING = Choices(READER, [], {}, {})
PAGE = """{% from "protocol_fields.j2" import draw with context %}
{% for title, nodes in shown.sections %}{% for node in nodes %}
{{ draw(node, t, say, is_local, true) }}{% endfor %}{% endfor %}"""
FULL: dict[str, Any] = {
    "schema": "insitu/protocol/1",
    "trial": "small",
    "version": 3,
    "title": {"en": "A", "fr": "B"},
    "question": {"en": "Two\nlines", "fr": " spaces "},
    "need": "air",
    "hypothesis": {"en": "A", "fr": "B"},
    "time_zone": "Europe/Paris",
    "periods": [
        {"name": "baseline", "start": "2026-02-01T00:00:00+01:00", "end": "2026-03-01T00:00:00Z"},
        {"name": "washout", "start": "2026-03-02T00:00:00+01:00", "end": "2026-03-05T00:00:00+01:00"},
        {"name": "reporting", "start": "2026-03-28T00:00:30+01:00", "end": "2026-05-01T00:00:00+02:00"},
    ],
    "arms": [
        {"name": "treated", "role": "candidate", "site": "south", "devices": ["a", "b"]},
        {"name": "control", "role": "control", "site": "south", "devices": ["c"]},
    ],
    "measurements": [{"property": "co2", "arms": ["treated", "control"], "interval": 3600, "holds": "PT2H"}],
    "checks": [
        {"property": "co2", "check": "gross_range", "parameters": {"fail_low": 0, "fail_high": 2e3}},
        {"property": "co2", "check": "flat_line", "arms": ["treated"]},
    ],
    "capture": {"share": 0.7, "day": 0.5},
    "endpoints": [
        {
            "name": "co2",
            "title": {"en": "A", "fr": "B"},
            "rank": "secondary",
            "property": "co2",
            "unit": "[ppm]",
            "design": "crossover",
            "arms": {"candidate": "treated", "control": "control"},
            "aggregation": {"name": "percentile", "q": 95, "step": "PT1H"},
            "averaging_scale": "arithmetic",
            "filter": {"hours": ["07:00", "19:00"], "weekdays": ["mon", "fri"], "devices": ["a", "c"]},
            "blinded": True,
            "independent": {"en": "A", "fr": "B"},
            "grid": "PT1H",
            "criteria": [
                {
                    "statistic": "effect",
                    "target": {"low": -5.0, "high": 5},
                    "justification": {"en": "A", "fr": "B"},
                    "alternative_to": "relative_effect",
                }
            ],
            "schedule": [
                {"start": "2026-04-01T00:00:00+02:00", "end": "2026-04-02T00:00:00+02:00", "on": True},
                {"start": "2026-04-03T00:00:00+02:00", "end": "2026-04-04T00:00:00+02:00", "on": False},
            ],
            "profile": "us-epa-air-sensors/pm25",
            "parameters": {"u_meas": 0.7, "covariates": ["t"], "family": "poisson", "x": "5", "y": True},
        },
        {"name": "levels", "aggregation": "lden"},
    ],
    "confidence": 0.9,
    "exclusions": [
        {"en": "A", "fr": "B"},
        {"event": "swap", "strategy": "exclude", "settles": "P1D", "reason": {"en": "A", "fr": "B"}},
    ],
    "missing_data": {"worst_percentile": 90, "reason": {"en": "A", "fr": "B"}},
    "interim_looks": ["2026-04-10T00:00:00+02:00"],
    "evaluate_by": "2026-06-01T00:00:00+02:00",
    "seed": 7,
    "roles": {"host": "clinic", "evaluator": "institute"},
    "decisions": {
        name: {"en": "A", "fr": "B"} for name in ("met", "not_met", "inconclusive", "not_evaluable")
    },
    "reason": {"en": "A", "fr": "B"},
}
"""Every field of a protocol at least once; no valid one, because no protocol has all of them."""


def sent_of(document: dict[str, Any], choices: Choices = NOTHING) -> dict[str, list[str]]:
    """The texts that a browser sends of the drawn form, by path."""
    page = ENVIRONMENT.from_string(PAGE).render(
        shown=show_form(document, choices),
        t=lambda text, **more: text.format(**more),
        say=str,
        is_local=is_local,
    )
    found: dict[str, list[str]] = {}
    for name, text in form_of(page).sent:
        assert name.startswith("f.")
        found.setdefault(name.removeprefix("f."), []).append(text.replace("\r\n", "\n"))
    return found


def documents_of_docs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every protocol, or endpoint in a protocol, in the pages of docs/."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        for number, block in enumerate(re.findall(r"```json[\w-]*\n(.*?)```", path.read_text("utf-8"), re.S)):
            try:
                found = json.loads(block)
            except ValueError:
                continue
            if isinstance(found, dict) and "criteria" in found:
                found = {**FULL, "endpoints": [found]}
            if isinstance(found, dict) and "endpoints" in found:
                yield f"{path.name}-{number}", found


def documents() -> dict[str, dict[str, Any]]:
    found = dict(documents_of_docs())
    assert len(found) > 10, "the pages of docs/ have protocols"
    templates = {f"template-{name}": draft(name, Facts(), start=START.date()) for name in TEMPLATES}
    return {**found, **templates, "skeleton": skeleton(Facts()), "full": FULL, "nothing": {}}


def of_design(name: str) -> dict[str, Any]:
    """A protocol that uses the design: its arms, its periods, its first statistic; made from its description,
    so that a new design is here by itself.
    """
    design = DESIGNS[name]
    statistic = next(iter(design.statistics))
    edges = ["2026-01-01", "2026-02-01", "2026-03-01"]
    periods = [
        {"name": str(period), "start": f"{edges[n]}T00:00:00+01:00", "end": f"{edges[n + 1]}T00:00:00+01:00"}
        for n, period in enumerate(design.periods)
    ]
    inside = edges[len(design.periods) - 1][:8]
    blocks = [
        {"start": f"{inside}0{n}T00:00:00+01:00", "end": f"{inside}0{n + 1}T00:00:00+01:00", "on": n % 2 == 0}
        for n in (2, 3)
    ]
    text = {"en": "A", "fr": "B"}
    return {
        "trial": "small",
        "title": text,
        "question": text,
        "hypothesis": text,
        "periods": periods,
        "arms": [
            {"name": role, "role": role, "site": "station", "devices": [f"{role}-1", f"{role}-2"]}
            for role in design.arms
        ],
        "measurements": [{"property": "no2", "arms": list(design.arms), "interval": "PT1H"}],
        "endpoints": [
            {
                "name": "main",
                "title": text,
                "property": "no2",
                "unit": "ug/m3",
                "design": name,
                "arms": {role: role for role in design.arms},
                "criteria": [
                    {"statistic": statistic, "target": {"low": -1, "high": 1}, "justification": text}
                ],
                **({"schedule": blocks} if design.schedule else {}),
            }
        ],
        "missing_data": text,
        "decisions": dict.fromkeys(("met", "not_met", "inconclusive", "not_evaluable"), text),
    }


START = Protocol.model_validate(of_design("reference_collocation")).periods[0].start
ALL = documents() | {f"design-{name}": of_design(name) for name in DESIGNS}


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["2026-03-01T00:00:00+01:00", "2026-02-30", "PT1H", "5", "true", '["a"]', "a\r\nb", "\n", ""]
    )
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "en", "fr", "low", "start", "arms", "reason", "event", "x", ""])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value of a document, but not of the whole."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in inside:
        yield (*path, step)
        yield from places(one, (*path, step))


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """The full protocol with some values replaced by anything, and some fields more."""
    document = copy.deepcopy(FULL)
    for _ in range(draw(st.integers(1, 4))):
        *path, last = draw(st.sampled_from(list(places(document))))
        holder = document
        for step in path:
            holder = holder[step]
        holder[last] = draw(values)
        if isinstance(holder, dict) and draw(st.booleans()):
            holder[draw(st.text(max_size=5))] = draw(values)
    return document
