"""Published targets as data: the numbers of each, and what a protocol that names one must keep to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.errors import CorrectInput
from insitu.model import DatastreamRole, PeriodName, Verdict
from insitu.units import require_unit
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.properties import add_property
from store.database import Connection
from tests.fix_catalogue import START as BEGIN
from tests.fix_catalogue import SmallTrial
from tests.trials.coverage_worlds import Cell, collocation_question
from tests.trials.test_templates import of_trial, written
from tests.trials.world import (
    DAY,
    Floats,
    criterion,
    endpoint,
    inputs,
    noise,
    period,
    protocol,
    question,
    series,
)
from trials.designs import DESIGNS
from trials.evaluation import document_of
from trials.judge.compute import compute
from trials.plan import profiles
from trials.plan.parts import Period
from trials.plan.protocol import Protocol
from trials.plan.reading import digest, read_protocol
from trials.plan.reading import document_of as protocol_document
from trials.report.blocks import Paragraph
from trials.report.build import build
from trials.statistics.metrics import reu
from trials.workflow.drafting import draft
from trials.workflow.locking import lock_protocol
from trials.workflow.templates import Facts, Measured, marks

EVERY = [f"{whole.name}/{part.name}" for whole in profiles.profiles().values() for part in whole.entries]
DIRECTIVE = "eu-2008-50-indicative"
Limits = dict[str, tuple[float | None, float | None]]


def targets(reference: str, design: str) -> Limits:
    return {t.statistic: (t.low, t.high) for t in profiles.entry(reference).designs[design].targets}


# -- the numbers

EPA: list[tuple[str, str, float, Limits, Limits]] = [
    (
        "pm25",
        "ug/m3",
        24,
        {
            "slope": (0.65, 1.35),
            "intercept": (-5, 5),
            "r2": (0.7, None),
            "rmse": (None, 7),
            "nrmse": (None, 30),
        },
        {"sd": (None, 5), "cv": (None, 30)},
    ),
    (
        "pm10",
        "ug/m3",
        24,
        {
            "slope": (0.65, 1.35),
            "intercept": (-10, 10),
            "r2": (0.7, None),
            "rmse": (None, 14),
            "nrmse": (None, 30),
        },
        {"sd": (None, 5), "cv": (None, 30)},
    ),
    (
        "o3",
        "[ppb]",
        1,
        {"slope": (0.8, 1.2), "intercept": (-5, 5), "r2": (0.8, None), "rmse": (None, 5)},
        {"sd": (None, 5), "cv": (None, 30)},
    ),
    (
        "no2",
        "[ppb]",
        1,
        {"slope": (0.65, 1.35), "intercept": (-5, 5), "r2": (0.7, None), "rmse": (None, 15)},
        {},
    ),
    (
        "so2",
        "[ppb]",
        1,
        {"slope": (0.65, 1.35), "intercept": (-5, 5), "r2": (0.7, None), "rmse": (None, 15)},
        {},
    ),
    (
        "co",
        "[ppm]",
        1,
        {"slope": (0.8, 1.2), "intercept": (-0.05, 0.05), "r2": (0.8, None), "rmse": (None, 0.15)},
        {"sd": (None, 0.02)},
    ),
]
OBJECTIVES: list[tuple[str, float, float, float]] = [
    (f"{DIRECTIVE}/no2", 1, 200, 25),
    (f"{DIRECTIVE}/so2", 1, 350, 25),
    (f"{DIRECTIVE}/co", 8, 10, 25),
    (f"{DIRECTIVE}/o3", 8, 120, 30),
    (f"{DIRECTIVE}/pm10", 24, 50, 50),
    (f"{DIRECTIVE}/pm25", 24, 25, 50),
    (f"{DIRECTIVE}/benzene", 24, 5, 30),
    ("eu-2024-2881-indicative/pm25", 24, 25, 35),
    ("eu-2024-2881-indicative/pm10", 24, 45, 50),
    ("eu-2024-2881-indicative/no2", 1, 200, 25),
    ("eu-2024-2881-indicative/no2-day", 24, 50, 25),
    ("eu-2024-2881-indicative/so2", 1, 350, 25),
    ("eu-2024-2881-indicative/so2-day", 24, 50, 25),
    ("eu-2024-2881-indicative/co", 8, 10, 20),
    ("eu-2024-2881-indicative/co-day", 24, 4, 25),
    ("eu-2024-2881-indicative/o3", 8, 120, 25),
]


@pytest.mark.parametrize(("name", "unit", "hours", "accuracy", "precision"), EPA, ids=[row[0] for row in EPA])
def test_the_targets_of_the_us_epa(
    name: str, unit: str, hours: float, accuracy: Limits, precision: Limits
) -> None:
    found = profiles.entry(f"us-epa-air-sensors/{name}")
    assert (found.property, found.unit, found.grid) == (name, unit, timedelta(hours=hours))
    assert targets(f"us-epa-air-sensors/{name}", "reference_collocation") == accuracy
    assert ("replicates" in found.designs) == bool(precision)
    if precision:
        assert targets(f"us-epa-air-sensors/{name}", "replicates") == precision
    assert found.capture.day == 0.75
    assert [p.name for p in profiles.profile("us-epa-air-sensors").entries] == [row[0] for row in EPA]


@pytest.mark.parametrize(
    ("reference", "hours", "level", "per_cent"), OBJECTIVES, ids=[row[0] for row in OBJECTIVES]
)
def test_the_objectives_of_the_directives(
    reference: str, hours: float, level: float, per_cent: float
) -> None:
    found = profiles.entry(reference)
    assert found.grid == timedelta(hours=hours)
    asked = found.designs["reference_collocation"]
    assert asked.parameters == {"limit_value": level}
    assert targets(reference, "reference_collocation") == {"reu": (None, per_cent)}
    if reference.startswith(DIRECTIVE):
        assert targets(reference, "availability") == {"completeness": (90, None)}
    else:
        assert "availability" not in found.designs


def test_every_objective_of_a_directive_is_named_above() -> None:
    assert sorted(name for name in EVERY if name.startswith("eu-")) == sorted(row[0] for row in OBJECTIVES)


ABSOLUTE = {
    "pm25": 8.8,
    "pm10": 22.5,
    "no2": 50,
    "no2-day": 12.5,
    "so2": 87.5,
    "so2-day": 12.5,
    "co": 2.0,
    "co-day": 1.0,
    "o3": 30,
}
"""Maximum uncertainty of the annex in the unit of the pollutant, in two or three digits."""


@pytest.mark.parametrize(("name", "absolute"), ABSOLUTE.items())
def test_the_annex_of_2024_says_the_same_in_per_cent_and_in_concentrations(
    name: str, absolute: float
) -> None:
    asked = profiles.entry(f"eu-2024-2881-indicative/{name}").designs["reference_collocation"]
    (target,) = asked.targets
    assert target.high is not None
    assert target.high / 100 * asked.parameters["limit_value"] == pytest.approx(absolute, abs=0.051)


def test_the_gates_of_a_baseline_model() -> None:
    found = {name: profiles.gate(name) for name in ("hourly", "daily", "monthly")}
    assert {name: (gate.cv_rmse, gate.nmbe) for name, gate in found.items()} == {
        "hourly": (30, 10),
        "daily": (25, 7.5),
        "monthly": (15, 5),
    }


def test_one_directive_ends_when_the_other_begins() -> None:
    old, new = profiles.entry(f"{DIRECTIVE}/no2"), profiles.entry("eu-2024-2881-indicative/no2")
    assert old.valid_to == new.valid_from == date(2026, 12, 12)
    assert (profiles.validity(old), profiles.validity(new)) == ("2008-06-11/2026-12-12", "2026-12-12/..")


# -- every profile


@pytest.mark.parametrize("reference", EVERY)
def test_every_entry_can_be_asked_of_its_designs(reference: str) -> None:
    found = profiles.entry(reference)
    assert found.source is not None
    assert found.checked is not None
    assert found.valid_from is not None
    assert found.unit is None or require_unit(found.unit) == found.unit
    for design, asked in found.designs.items():
        assert {target.statistic for target in asked.targets} <= set(DESIGNS[design].statistics)
        if design in profiles.ON_GRID:
            assert found.grid is not None
    said = "\n".join(profiles.described(reference.partition("/")[0], found))
    assert reference in said
    assert profiles.validity(found) in said


@given(
    bounds=st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=2, max_size=2),
    name=st.sampled_from(EVERY),
)
def test_a_target_is_the_profiles_only_if_both_its_ends_are(bounds: list[float | None], name: str) -> None:
    found = profiles.entry(name)
    design, asked = next(iter(found.designs.items()))
    if bounds == [None, None] or not asked.targets or (None not in bounds and bounds[0] > bounds[1]):
        return
    plan = plan_of(name, design)
    first = plan.endpoints[0].criteria[0]
    changed = first.model_copy(
        update={"target": first.target.model_copy(update={"low": bounds[0], "high": bounds[1]})}
    )
    other = plan.endpoints[0].model_copy(update={"criteria": [changed, *plan.endpoints[0].criteria[1:]]})
    same = (bounds[0], bounds[1]) == (asked.targets[0].low, asked.targets[0].high)
    assert (list(profiles.differences(plan, other)) == []) == same


@given(
    first=st.dates(),
    days=st.integers(1, 400),
    begins=st.dates(),
    length=st.one_of(st.none(), st.integers(1, 4000)),
)
def test_a_profile_holds_in_a_stretch_only_if_it_holds_on_each_of_its_days(
    first: date, days: int, begins: date, length: int | None
) -> None:
    if max(first.toordinal() + days, begins.toordinal() + (length or 0)) > date.max.toordinal():
        return
    ends = begins + timedelta(days=length) if length else None
    found = profiles.entry(EVERY[0]).model_copy(update={"valid_from": begins, "valid_to": ends})
    each = (first + timedelta(days=n) for n in range(days))
    assert profiles.is_valid(found, first, first + timedelta(days=days)) == all(
        begins <= d and (ends is None or d < ends) for d in each
    )


def test_the_local_day_decides_whether_a_profile_holds() -> None:
    """Until 12 December 2026, that day not included, in Paris."""
    old = profiles.entry(f"{DIRECTIVE}/no2")

    def until(text: str) -> bool:
        spans = Period(
            name=PeriodName.REPORTING,
            start=datetime(2026, 11, 1, tzinfo=UTC),
            end=datetime.fromisoformat(text),
        )
        return profiles.holds_in(old, spans, "Europe/Paris")

    assert until("2026-12-12T00:00:00+01:00")
    assert until("2026-12-11T23:00:00+00:00")
    assert not until("2026-12-12T00:00:01+01:00")


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(CorrectInput, match=r"There is no profile 'who': there are ashrae-14-ipmvp, "):
        profiles.entry("who/pm25")
    with pytest.raises(CorrectInput, match=r"Profile us-epa-air-sensors has no 'pm1': it has pm25, "):
        profiles.entry("us-epa-air-sensors/pm1")
    assert [
        profiles.is_known(name) for name in ("us-epa-air-sensors/pm25", "us-epa-air-sensors/pm1", "who/pm25")
    ] == [
        True,
        False,
        False,
    ]


# -- a protocol that names one


def plan_of(reference: str, design: str, **changes: Any) -> Protocol:
    """A protocol whose only endpoint is as the profile has it, but for `changes`."""
    found = profiles.entry(reference)
    asked = found.designs[design]
    more: dict[str, Any] = {
        "profile": reference,
        "unit": found.unit or "kW",
        "property": found.property or "no2",
    }
    if found.grid is not None:
        more["grid"] = found.grid
    if asked.parameters:
        more["parameters"] = dict(asked.parameters)
    made = endpoint(
        design,
        profiles.criteria(found, asked) or [criterion("effect", high=-1)],
        arms=list(DESIGNS[design].arms),
    )
    periods = [period("baseline", 0, 20), period("reporting", 20, 40)]
    capture = {name: value for name, value in found.capture.model_dump().items() if value is not None}
    return protocol({**made, **more, **changes}, periods=periods, capture=capture)


def different(plan: Protocol) -> list[str]:
    return list(profiles.differences(plan, plan.endpoints[0]))


@pytest.mark.parametrize(
    ("reference", "design"), [(name, design) for name in EVERY for design in profiles.entry(name).designs]
)
def test_a_protocol_with_the_profiles_own_targets_has_no_difference(reference: str, design: str) -> None:
    assert different(plan_of(reference, design)) == []


def test_every_difference_is_named_with_what_the_profile_has() -> None:
    pm25 = "us-epa-air-sensors/pm25"
    own = profiles.criteria(profiles.entry(pm25), profiles.entry(pm25).designs["reference_collocation"])
    slope = {**own[0], "target": {"low": 0.7, "high": 1.3}}
    alone = [{name: value for name, value in one.items() if name != "alternative_to"} for one in own]
    for changes, expected in (
        ({"unit": "mg/m3"}, ["unit: 'mg/m3' stands here, us-epa-air-sensors/pm25 has 'ug/m3'"]),
        ({"property": "pm10"}, ["property: 'pm10' stands here, us-epa-air-sensors/pm25 has 'pm25'"]),
        ({"grid": "PT1H"}, ["grid: 1 h stands here, us-epa-air-sensors/pm25 has 24 h"]),
        (
            {"criteria": [slope, *own[1:]]},
            ["criteria: slope [0.7, 1.3] stands here, us-epa-air-sensors/pm25 has [0.65, 1.35]"],
        ),
        (
            {"criteria": own[1:]},
            ["criteria: slope is missing, us-epa-air-sensors/pm25 asks for [0.65, 1.35]"],
        ),
        (
            {"criteria": [*own, criterion("bias", high=1)]},
            ["criteria: us-epa-air-sensors/pm25 has no target for bias"],
        ),
        ({"criteria": alone}, ["criteria: nrmse and rmse are alternatives in us-epa-air-sensors/pm25"]),
        (
            {"profile": "us-epa-air-sensors/pm1"},
            ["profile: Profile us-epa-air-sensors has no 'pm1': it has pm25, pm10, o3, no2, so2, co."],
        ),
    ):
        assert different(plan_of(pm25, "reference_collocation", **changes)) == expected
    elsewhere = plan_of(f"{DIRECTIVE}/no2", "reference_collocation", parameters={"limit_value": 40})
    assert different(elsewhere) == [f"parameters.limit_value: 40 stands here, {DIRECTIVE}/no2 has 200"]
    plan = plan_of(pm25, "reference_collocation")
    thin = plan.model_copy(update={"capture": plan.capture.model_copy(update={"day": 0.5})})
    assert different(thin) == ["capture.day: 0.5 stands here, us-epa-air-sensors/pm25 asks for at least 0.75"]
    other = endpoint(
        "limit_compliance", [criterion("mean", high=1)], arms=["candidate"], profile=pm25, property="pm25"
    )
    plan = protocol(other, periods=[period("reporting", 0, 20)])
    assert different(plan) == [
        f"design: {pm25} has targets for reference_collocation, replicates, none for limit_compliance"
    ]


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
            Measured(device, "pm25", "ug/m3", "candidate", "arithmetic", 900.0, "station")
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
        match=r"endpoints\.precision\.criteria: sd \[, 6\] stands here, us-epa-air-sensors/pm25 has \[, 5\]",
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
        == "Cible : US EPA, EPA/600/R-20/280 (2021), tableau ES-2."
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


# -- an evaluation


def pair(n: int, seed: int = 3) -> tuple[Floats, Floats]:
    reference = 40 + noise(np.random.default_rng(seed), 0.9, n, 15.0)
    return 2 + 0.95 * reference + noise(np.random.default_rng(seed + 1), 0.5, n, 3.0), reference


def evaluated(reference: str, start: datetime) -> dict[str, Any]:
    found = profiles.entry(reference)
    asked = found.designs["reference_collocation"]
    made = endpoint(
        "reference_collocation",
        profiles.criteria(found, asked),
        arms=["candidate", "reference"],
        profile=reference,
        parameters=dict(asked.parameters),
        grid="PT1H",
    )
    plan = protocol(made, periods=[period("reporting", 0, 20, start)])
    candidate, truth = pair(480)
    streams = [
        series("candidate-1", candidate, start=start),
        series("reference-1", truth, start=start, role="reference"),
    ]
    return document_of(compute(inputs(plan, streams)))


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
        text.startswith("Cibles : Directive 2008/50/CE") and "valables 2008-06-11/2026-12-12" in text
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


# -- the uncertainty that the directives ask for


def answer(candidate: Floats, reference: Floats, **parameters: Any) -> dict[str, Any]:
    made = endpoint(
        "reference_collocation",
        [criterion("reu", high=25)],
        arms=["candidate", "reference"],
        parameters=parameters,
    )
    units = {
        ("candidate", PeriodName.REPORTING): [candidate],
        ("reference", PeriodName.REPORTING): [reference],
    }
    asked = question(made, units, start=datetime(2026, 6, 1, tzinfo=UTC))
    return {k.statistic: k for k in DESIGNS["reference_collocation"].answer(asked).statistics}


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
