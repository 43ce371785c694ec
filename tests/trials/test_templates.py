"""Every draft is a protocol except for the parts that people must write; `lock` names those that are left,
and accepts a finished draft.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from insitu.errors import CorrectInput, NotFound
from insitu.model import AveragingScale, DatastreamRole, Verdict
from insitu.spacing import Spacing
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device, retire_device
from store.catalogue.properties import add_property
from store.database import Connection
from tests.fix_catalogue import START, SmallTrial
from tests.trials.world import cycle, inputs, series
from trials.designs import DESIGNS
from trials.judge.compute import compute
from trials.judge.outlook import outlook
from trials.plan.reading import read_protocol
from trials.workflow.drafting import draft, facts_of, left_out
from trials.workflow.locking import lock_protocol
from trials.workflow.templates import EN, FR, NAME, TEMPLATES, Facts, Measured, marks

DAY = timedelta(days=1)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
every_template = pytest.mark.parametrize("name", TEMPLATES)


def written(document: Any) -> Any:
    """The draft with every mark replaced."""
    if isinstance(document, dict):
        return {name: written(part) for name, part in document.items()}
    if isinstance(document, list):
        return [written(part) for part in document]
    if isinstance(document, str) and document.endswith("as a number"):
        return 0.5
    return "It was written." if isinstance(document, str) and document.startswith((EN, FR)) else document


def of_trial(template: str) -> Facts:
    """Facts of a trial: two devices for each role that the template needs, and one more at another site."""
    one = TEMPLATES[template]
    scale = "energetic" if one.property == "laeq" else "arithmetic"
    rows = [
        Measured(
            f"{role}-{n}",
            one.property,
            one.unit,
            role,
            scale,
            Spacing(n * timedelta(minutes=10)),
            "here" if n < 3 else "there",
        )
        for role in one.roles
        for n in (1, 2, 3)
    ]
    return Facts("t", {"en": "Trial", "fr": "Essai"}, "Europe/Paris", {"host": "h"}, rows)


@every_template
def test_a_template_is_a_protocol_that_its_design_can_answer(name: str) -> None:
    plan = read_protocol(json.dumps(draft(name, Facts(), start=date(2026, 3, 1))))
    (found,) = plan.endpoints
    design = DESIGNS[found.design]
    assert set(design.arms) == set(found.arms)
    assert {c.statistic for c in found.criteria} <= set(design.statistics)
    assert {p.name for p in plan.periods} == set(design.periods)
    assert f"| `{name}` |" in PAGE.read_text("utf-8")


@every_template
def test_a_template_without_a_trial_names_everything_that_is_left(name: str) -> None:
    left = set(marks(draft(name, Facts(), start=date(2026, 3, 1))))
    assert {
        "trial",
        "title.en",
        "title.fr",
        "hypothesis.en",
        "decisions.met.fr",
        "arms.candidate.devices.0",
    } <= left
    assert set(marks(written(draft(name, of_trial(name), start=date(2026, 3, 1))))) == set()


@every_template
def test_a_trial_fills_arms_intervals_and_units(name: str) -> None:
    facts = of_trial(name)
    document = draft(name, facts, start=date(2026, 3, 1), days=28)
    plan = read_protocol(json.dumps(document))
    assert {arm.role.value: arm.devices for arm in plan.arms} == {
        r: [f"{r}-1", f"{r}-2"] for r in TEMPLATES[name].roles
    }
    assert {arm.site for arm in plan.arms} == {"here"}
    assert {m.interval for m in plan.measurements} == {Spacing(timedelta(minutes=20))}
    assert left_out(document, facts) == sorted(f"{role}-3" for role in TEMPLATES[name].roles)
    assert not [path for path in marks(document) if path.startswith(("trial", "title", "arms"))]
    assert plan.periods[0].start.isoformat() == "2026-03-01T00:00:00+01:00"
    ends = {
        1: "2026-03-29T00:00:00+01:00",
        2: "2026-04-26T00:00:00+02:00",
    }  # the clocks change between the two
    assert plan.periods[-1].end.isoformat() == ends[len(plan.periods)]


def test_a_published_target_is_not_carried_over_to_another_property() -> None:
    facts = Facts("t", measured=[Measured("a", "no2", "ug/m3", "candidate", "arithmetic", None, "here")])
    document = draft("air-sensor", facts, start=date(2026, 3, 1))
    assert document["endpoints"][0]["property"] == "no2"
    assert "endpoints.main.criteria.0.justification.en" in set(marks(document))
    assert "endpoints.main.criteria.0.justification.en" not in set(
        marks(draft("air-sensor", Facts(), start=date(2026, 3, 1)))
    )


def test_a_level_against_a_limit_is_judged_as_lden_and_a_concentration_as_a_mean() -> None:
    assert draft("limit", Facts(), start=date(2026, 3, 1))["endpoints"][0]["aggregation"] == "lden"
    facts = Facts("t", measured=[Measured("a", "no2", "ug/m3", "candidate", "arithmetic", None, "here")])
    assert "aggregation" not in draft("limit", facts, start=date(2026, 3, 1))["endpoints"][0]


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(CorrectInput, match=r"There is no template 'noise'\. There are:\n  air-sensor: "):
        draft("noise", Facts(), start=date(2026, 3, 1))
    with pytest.raises(CorrectInput, match=r"Nothing in t measures 'radon': it measures pm25\."):
        draft("limit", of_trial("air-sensor"), start=date(2026, 3, 1), property="radon")


def test_lock_refuses_a_draft_until_everything_is_written(conn: Connection, catalogue: SmallTrial) -> None:
    facts = facts_of(conn, "t")
    assert {(m.device, m.site, m.every) for m in facts.measured} == {
        ("a", "station", Spacing(timedelta(minutes=15))),
        ("b", "station", Spacing(timedelta(minutes=15))),
    }
    document = draft("limit", facts, start=(START + DAY).date(), property="pm25")
    with pytest.raises(CorrectInput) as caught:
        lock_protocol(conn, read_protocol(json.dumps(document)), now=START, login="judge")
    assert "decisions.met.en: this is still to be written" in str(caught.value)
    assert "endpoints.main.parameters.u_meas: this is still to be written" in str(caught.value)
    whole = written(document)
    whole["title"]["en"] += "\u202e"
    with pytest.raises(
        CorrectInput, match=r"title\.en: a character that nobody sees, U\+202E: write it again"
    ):
        lock_protocol(conn, read_protocol(json.dumps(whole)), now=START, login="judge")
    locked = lock_protocol(conn, read_protocol(json.dumps(written(document))), now=START, login="judge")
    assert locked.version == 1


@pytest.mark.parametrize("step", ["\u00b2", "\u2460", "-1", "01", "9" * 50])
def test_a_field_whose_name_looks_like_a_number_is_a_field(step: str) -> None:
    with pytest.raises(CorrectInput):
        read_protocol(json.dumps({step: {step: 1}, "arms": [{step: 1}]}))


def test_a_role_that_no_device_has_is_a_mark(conn: Connection, catalogue: SmallTrial) -> None:
    document = draft("air-sensor", facts_of(conn, "t"), start=START.date())
    assert [arm["devices"] for arm in document["arms"]] == [["a", "b"], [f"{NAME}-reference"]]
    number = add_device(conn, trial="t", code="r", now=START)
    deploy(conn, device_id=number, site="station", position="r", start=START)
    add_datastream(
        conn,
        device_id=number,
        name="pm25",
        property="pm25",
        unit="ug/m3",
        role=DatastreamRole.REFERENCE,
        expected_interval=DAY / 24,
    )
    document = draft("air-sensor", facts_of(conn, "t"), start=START.date())
    assert [arm["devices"] for arm in document["arms"]] == [["a", "b"], ["r"]]
    assert [m["interval"] for m in document["measurements"]] == ["PT15M", "PT1H"]
    assert (
        lock_protocol(conn, read_protocol(json.dumps(written(document))), now=START, login="judge").version
        == 1
    )
    with pytest.raises(NotFound):
        facts_of(conn, "nowhere")


@every_template
def test_a_draft_that_is_filled_and_written_is_locked_and_evaluated_without_an_obstacle(
    name: str, conn: Connection, catalogue: SmallTrial
) -> None:
    """From the catalogue to a verdict: two devices for each role, hourly, sixty quiet days with an effect far
    beyond every margin.
    """
    template = TEMPLATES[name]
    scale = AveragingScale.ENERGETIC if template.property == "laeq" else AveragingScale.ARITHMETIC
    if template.property != "pm25":
        words = {"en": name, "fr": name}
        add_property(conn, code=template.property, name=words, unit=template.unit, averaging_scale=scale)
    for device in catalogue.devices.values():
        retire_device(conn, device_id=device, at=START)
    for role in template.roles:
        for code in (f"{role}-1", f"{role}-2"):
            number = add_device(conn, trial="t", code=code, now=START)
            deploy(conn, device_id=number, site="station", position=code, start=START)
            add_datastream(
                conn,
                device_id=number,
                name=template.property,
                property=template.property,
                unit=template.unit,
                role=DatastreamRole(role),
                expected_interval=DAY / 24,
            )
    document = written(draft(name, facts_of(conn, "t"), start=(START + DAY).date()))
    plan = read_protocol(json.dumps(document))
    assert lock_protocol(conn, plan, now=START, login="judge").version == 1
    rng = np.random.default_rng(5)
    first = plan.periods[-1].start - 30 * DAY  # the baseline, or the days before a trial that has none
    shared = 50 + 5 * rng.standard_normal(60 * 24) + cycle(60 * 24)
    streams = []
    for arm in plan.arms:
        for device in arm.devices:
            own = shared + 0.2 * rng.standard_normal(60 * 24)
            if arm.role == "candidate" and len(plan.periods) == 2:
                own[30 * 24 :] -= 8
            more = {
                "property": template.property,
                "averaging_scale": str(scale),
                "role": str(arm.role),
                "unit": template.unit,
            }
            streams.append(series(device, own, start=first, **more))
    found = compute(inputs(plan, streams)).endpoints[0]
    assert [one.code for one in found.findings if one.severity == "blocking"] == []
    assert found.verdict is Verdict.MET
    foretold = outlook(inputs(plan, streams)).endpoints[0]
    assert all(criterion.planned is not None for criterion in foretold.criteria)
