"""Published targets as data: the numbers of each, and the rules for a protocol that names one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.errors import CorrectInput
from insitu.model import PeriodName
from insitu.spacing import Spacing
from insitu.units import require_unit
from tests.trials.world import (
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

EVERY = [f"{whole.name}/{part.name}" for whole in profiles.profiles().values() for part in whole.entries]
DIRECTIVE = "eu-2008-50-indicative"
Limits = dict[str, tuple[float | None, float | None]]


def targets(reference: str, design: str) -> Limits:
    return {t.statistic: (t.low, t.high) for t in profiles.entry(reference).designs[design].targets}


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
    assert (found.property, found.unit, found.grid) == (name, unit, Spacing(timedelta(hours=hours)))
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
    assert found.grid == Spacing(timedelta(hours=hours))
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
"""Maximum uncertainty from the annex, in the unit of the pollutant, with two or three digits."""


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
    """Valid until 12 December 2026, that day excluded, in Paris."""
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


def plan_of(reference: str, design: str, **changes: Any) -> Protocol:
    """A protocol whose only endpoint equals the profile, except for `changes`."""
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
        ({"unit": "mg/m3"}, ["unit: 'mg/m3' here, but us-epa-air-sensors/pm25 has 'ug/m3'"]),
        ({"property": "pm10"}, ["property: 'pm10' here, but us-epa-air-sensors/pm25 has 'pm25'"]),
        ({"grid": "PT1H"}, ["grid: 1 h here, but us-epa-air-sensors/pm25 has 24 h"]),
        (
            {"criteria": [slope, *own[1:]]},
            ["criteria: slope [0.7, 1.3] here, but us-epa-air-sensors/pm25 has [0.65, 1.35]"],
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
    assert different(elsewhere) == [f"parameters.limit_value: 40 here, but {DIRECTIVE}/no2 has 200"]
    plan = plan_of(pm25, "reference_collocation")
    thin = plan.model_copy(update={"capture": plan.capture.model_copy(update={"day": 0.5})})
    assert different(thin) == ["capture.day: 0.5 here, but us-epa-air-sensors/pm25 asks for at least 0.75"]
    other = endpoint(
        "limit_compliance", [criterion("mean", high=1)], arms=["candidate"], profile=pm25, property="pm25"
    )
    plan = protocol(other, periods=[period("reporting", 0, 20)])
    assert different(plan) == [
        f"design: {pm25} has targets for reference_collocation, replicates, none for limit_compliance"
    ]


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
