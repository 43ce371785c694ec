"""Published targets in trials: drafts, verdicts and reports that name them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from insitu.errors import CorrectInput
from insitu.model import DatastreamRole, Verdict
from insitu.spacing import Spacing
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.properties import add_property
from store.database import Connection
from tests.fix_catalogue import START as BEGIN
from tests.fix_catalogue import SmallTrial
from tests.trials.coverage_worlds import Cell, collocation_question
from tests.trials.test_profiles import DIRECTIVE, answer, evaluated, pair
from tests.trials.test_templates import of_trial, written
from tests.trials.world import (
    DAY,
    criterion,
    endpoint,
    inputs,
    period,
    protocol,
    series,
)
from trials.designs import DESIGNS
from trials.judge.compute import compute
from trials.plan import profiles
from trials.plan.reading import digest, read_protocol
from trials.plan.reading import document_of as protocol_document
from trials.report.blocks import Paragraph
from trials.report.build import build
from trials.statistics.metrics import reu
from trials.workflow.drafting import draft
from trials.workflow.locking import lock_protocol
from trials.workflow.templates import Facts, Measured, marks


def test_a_protocol_that_names_none_keeps_its_hash() -> None:
    made = endpoint("before_after", [criterion("effect", high=-2)], arms=["candidate"])
    plan = protocol(made, periods=[period("baseline", 0, 20), period("reporting", 20, 40)])
    assert "profile" not in json.dumps(protocol_document(plan))
    assert (
        digest(protocol_document(plan)) == "b944190afc64b8f31984853389cefbf4783fabd5bb00aafc569fedb2d54b245b"
    )


def test_lock_refuses_what_differs_and_takes_the_draft(conn: Connection, catalogue: SmallTrial) -> None:
    for code in ("c", "d"):
        number = add_device(conn, trial="t", code=code, now=BEGIN)
        deploy(conn, device_id=number, site="station", position=code, start=BEGIN)
        add_datastream(
            conn,
            device_id=number,
            name="pm25",
            property="pm25",
            unit="ug/m3",
            role=DatastreamRole.CANDIDATE,
            expected_interval=DAY / 96,
        )
    facts = Facts(
        "t",
        {"en": "T", "fr": "T"},
        measured=[
            Measured(
                device, "pm25", "ug/m3", "candidate", "arithmetic", Spacing(timedelta(minutes=15)), "station"
            )
            for device in ("c", "d")
        ],
    )
    document = written(
        draft("air-sensor", facts, start=(BEGIN + DAY).date(), profile="us-epa-air-sensors/pm25")
    )
    precise = next(e for e in document["endpoints"] if e["name"] == "precision")
    alone = {
        **document,
        "endpoints": [{**precise, "rank": "primary"}],
        "arms": document["arms"][:1],
        "measurements": document["measurements"][:1],
    }
    wrong = json.loads(json.dumps(alone))
    wrong["endpoints"][0]["criteria"][0]["target"] = {"high": 6}
    with pytest.raises(
        CorrectInput,
        match=r"endpoints\.precision\.criteria: sd \[, 6\] here, but us-epa-air-sensors/pm25 has \[, 5\]",
    ):
        lock_protocol(conn, read_protocol(json.dumps(wrong)), now=BEGIN, login="judge")
    assert lock_protocol(conn, read_protocol(json.dumps(alone)), now=BEGIN, login="judge").version == 1


def test_lock_refuses_a_profile_in_another_unit_than_the_trial_measures(
    conn: Connection, catalogue: SmallTrial
) -> None:
    add_property(conn, code="pm10", name={"en": "PM10", "fr": "PM10"}, unit="mg/m3")
    for code in ("a", "b"):
        add_datastream(
            conn,
            device_id=catalogue.devices[code],
            name="pm10",
            property="pm10",
            unit="1",
            role=DatastreamRole.CANDIDATE,
            expected_interval=DAY / 96,
        )
    wanted = profiles.entry("us-epa-air-sensors/pm10")
    criteria = profiles.criteria(wanted, wanted.designs["replicates"])
    more = {"profile": "us-epa-air-sensors/pm10", "property": "pm10", "grid": "P1D"}
    made = endpoint("replicates", criteria, arms=["candidate"], **more)
    plan = protocol(made, periods=[period("reporting", 0, 20)], devices={"candidate": ["a", "b"]}, trial="t")
    with pytest.raises(
        CorrectInput, match=r"unit: us-epa-air-sensors/pm10 is in ug/m3, a measures pm10 in mg/m3"
    ):
        lock_protocol(conn, plan, now=BEGIN, login="judge")


def test_a_draft_of_a_profile_has_its_targets_its_grid_and_what_it_asks_beside() -> None:
    document = draft(
        "air-sensor", of_trial("air-sensor"), start=date(2026, 3, 1), profile="us-epa-air-sensors/pm25"
    )
    plan = read_protocol(json.dumps(document))
    assert [(e.name, e.design, e.rank) for e in plan.endpoints] == [
        ("main", "reference_collocation", "primary"),
        ("precision", "replicates", "secondary"),
    ]
    assert [list(profiles.differences(plan, e)) for e in plan.endpoints] == [[], []]
    assert (
        plan.endpoints[0].criteria[0].justification.fr
        == "Cible\u00a0: US EPA, EPA/600/R-20/280 (2021), tableau ES-2."
    )
    assert not [path for path in marks(document) if "justification" in path]
    objective = read_protocol(
        json.dumps(draft("air-sensor", Facts(), start=date(2026, 3, 1), profile=f"{DIRECTIVE}/o3"))
    )
    assert [(e.name, e.design, e.unit) for e in objective.endpoints] == [
        ("main", "reference_collocation", "ug/m3"),
        ("data-capture", "availability", "ug/m3"),
    ]
    assert objective.endpoints[0].parameters == {"limit_value": 120}
    assert [list(profiles.differences(objective, e)) for e in objective.endpoints] == [[], []]


def test_a_range_in_another_unit_is_not_taken_over_into_a_draft() -> None:
    document = draft("air-sensor", Facts(), start=date(2026, 3, 1), profile="us-epa-air-sensors/no2")
    assert "checks.1.parameters.fail_low" in set(marks(document))
    document = draft("air-sensor", Facts(), start=date(2026, 3, 1), profile=f"{DIRECTIVE}/no2")
    assert "checks.1.parameters.fail_low" not in set(marks(document))


def test_a_draft_refuses_a_profile_that_is_about_something_else() -> None:
    with pytest.raises(
        CorrectInput,
        match="has targets for reference_collocation, replicates, and this template asks for "
        "limit_compliance",
    ):
        draft("limit", Facts(), start=date(2026, 3, 1), profile="us-epa-air-sensors/pm25")
    with pytest.raises(CorrectInput, match="The profile is about 'pm25', not 'no2'"):
        draft(
            "air-sensor", Facts(), start=date(2026, 3, 1), profile="us-epa-air-sensors/pm25", property="no2"
        )
    with pytest.raises(CorrectInput, match="Nothing in t measures 'no2'"):
        draft("air-sensor", of_trial("air-sensor"), start=date(2026, 3, 1), profile="us-epa-air-sensors/no2")


def test_a_period_outside_of_the_validity_is_a_warning_and_no_more() -> None:
    now, later = (
        evaluated(f"{DIRECTIVE}/no2", datetime(2026, 3, 1, tzinfo=UTC)),
        evaluated(f"{DIRECTIVE}/no2", datetime(2026, 12, 1, tzinfo=UTC)),
    )
    codes = [[f["code"] for f in one["endpoints"][0]["findings"]] for one in (now, later)]
    assert "profile_not_valid_then" not in codes[0]
    warned = next(f for f in later["endpoints"][0]["findings"] if f["code"] == "profile_not_valid_then")
    assert warned["severity"] == "warning"
    assert warned["evidence"] == {"profile": f"{DIRECTIVE}/no2", "validity": "2008-06-11/2026-12-12"}
    assert now["endpoints"][0]["verdict"] == later["endpoints"][0]["verdict"] == Verdict.MET


def test_the_report_names_the_profile_its_source_and_its_validity_in_both_languages() -> None:
    document = evaluated(f"{DIRECTIVE}/no2", datetime(2026, 12, 1, tzinfo=UTC))
    said = {
        language: [b.text for b in build(document, language).blocks if isinstance(b, Paragraph)]
        for language in ("en", "fr")
    }
    assert [text for text in said["en"] if text.startswith("Targets: Directive 2008/50/EC")] == [
        "Targets: Directive 2008/50/EC, data quality objectives of indicative measurements (Nitrogen "
        "dioxide, 1 h at 200 µg/m³); Directive 2008/50/EC (OJ L 152, 11.6.2008), "
        "Annex I, section A; levels: annexes VII, XI and XIV; valid 2008-06-11/2026-12-12. Objectives "
        "compared with the text of annex I."
    ]
    assert any(
        text.startswith("Cibles\u00a0: Directive 2008/50/CE") and "valables 2008-06-11/2026-12-12" in text
        for text in said["fr"]
    )
    assert any(text.startswith(f"Les cibles de {DIRECTIVE}/no2 valent dans") for text in said["fr"])
    unknown = json.loads(json.dumps(document).replace(f"{DIRECTIVE}/no2", "of-tomorrow/no2"))
    assert any(
        "of-tomorrow/no2, which this version does not know" in b.text
        for b in build(unknown, "en").blocks
        if isinstance(b, Paragraph)
    )


def test_a_profile_that_this_version_does_not_know_does_not_stop_an_evaluation() -> None:
    made = endpoint(
        "reference_collocation",
        [criterion("r2", low=0.7)],
        arms=["candidate", "reference"],
        profile="of-tomorrow/no2",
    )
    candidate, truth = pair(480)
    streams = [series("candidate-1", candidate), series("reference-1", truth, role="reference")]
    evaluation = compute(inputs(protocol(made, periods=[period("reporting", 0, 20)]), streams))
    assert evaluation.verdict is Verdict.MET


def test_the_uncertainty_at_a_limit_is_that_of_the_metric() -> None:
    candidate, reference = pair(480)
    for at, u in ((50.0, 0.0), (200, 0.0), (50.0, 1.5)):
        found = answer(candidate, reference, limit_value=at, u_reference=u)["reu"]
        assert found.value == pytest.approx(
            reu(candidate=candidate, reference=reference, at=at, u_reference=u), rel=1e-9
        )
        assert found.unit == "%"
        low, high = found.interval(0.95)
        assert 0 < low < found.value < high


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"limit_value": 0},
        {"limit_value": -5},
        {"limit_value": "high"},
        {"limit_value": True},
        {"limit_value": 50, "u_reference": -1},
    ],
)
def test_without_a_level_there_is_no_uncertainty_at_it(parameters: dict[str, Any]) -> None:
    assert "reu" not in answer(*pair(480), **parameters)


def test_the_interval_of_the_uncertainty_holds_the_truth() -> None:
    """y = 1 + .9x + e, Var x = 20.5, Var e = 1: the orthogonal line of these moments, at 50."""
    vx, vy, c = 20.5, 0.81 * 20.5 + 1, 0.9 * 20.5
    slope = (vy - vx + np.sqrt((vy - vx) ** 2 + 4 * c**2)) / (2 * c)
    off = 19 - slope * 20 + (slope - 1) * 50
    truth = 200 * np.sqrt(vy - 2 * slope * c + slope**2 * vx + off**2) / 50
    held = 0
    for seed in range(100):
        asked = collocation_question(np.random.default_rng([5, seed]), Cell(0.95, 30))
        asked = replace(asked, endpoint=asked.endpoint.model_copy(update={"parameters": {"limit_value": 50}}))
        found = {k.statistic: k for k in DESIGNS["reference_collocation"].answer(asked).statistics}["reu"]
        low, high = found.interval(0.95)
        held += low <= truth <= high
    assert held >= 88
