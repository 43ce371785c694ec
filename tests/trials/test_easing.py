"""Is a verdict easier to reach after an amendment? Each kind of change against a table made by hand, criteria
against every possible result, and the comparison against the computation itself.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from insitu.model import Verdict
from tests.examples import examples
from tests.trials.world import (
    DAY,
    START,
    TEXT,
    criterion,
    endpoint,
    inputs,
    noise,
    period,
    protocol,
    protocol_json,
    series,
)
from trials.designs import DESIGNS
from trials.judge.compute import compute
from trials.judge.easing import Ease, compare, of_criteria, together
from trials.plan.endpoint import Endpoint
from trials.plan.protocol import Protocol

SAME, STRICTER, EASIER, CHANGED = Ease.SAME, Ease.STRICTER, Ease.EASIER, Ease.CHANGED
OTHER = {"en": "Other words", "fr": "Autres mots"}
PERIODS = [period("baseline", 0, 20), period("reporting", 20, 40)]


def plan() -> dict[str, Any]:
    """Four endpoints: `main` is primary, `second` and `third` share α, `extra` is exploratory. `main` and
    `third` take part in no comparison of margins, and `second` has an alternative.
    """
    made = [
        endpoint(
            "limit_compliance", [criterion("mean", high=40)], arms=["candidate"], parameters={"u_meas": 1}
        ),
        endpoint(
            "reference_collocation",
            [criterion("rmse", high=7), criterion("nrmse", high=30, alternative_to="rmse")],
            arms=["candidate", "reference"],
            grid="PT1H",
        )
        | {"name": "second", "rank": "secondary"},
        endpoint("before_after", [criterion("effect", high=-2)], arms=["candidate"])
        | {"name": "third", "rank": "secondary", "property": "pm25"},
        endpoint("equivalence", [criterion("difference", low=-2, high=2)], arms=["candidate", "control"])
        | {"name": "extra", "rank": "exploratory"},
    ]
    document = protocol_json(*made, periods=PERIODS, exclusions=[TEXT])
    return Protocol.model_validate(document).model_dump(mode="json", by_alias=True, exclude_none=True)


def at(document: Any, path: str) -> tuple[Any, Any]:
    """(the part that holds the field, its key there)."""
    *steps, last = path.split(".")
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document, int(last) if isinstance(document, list) else last


ALL = ("main", "second", "third", "extra")
NOBODY: dict[str, Ease] = {}


def everybody(ease: Ease) -> dict[str, Ease]:
    return dict.fromkeys(ALL, ease)


MIDDLE = (START + 30 * DAY).isoformat()
BLOCKS = [
    {"start": PERIODS[1]["start"], "end": MIDDLE, "on": True},
    {"start": MIDDLE, "end": PERIODS[1]["end"], "on": False},
]


def renamed_arm(document: dict[str, Any]) -> None:
    document["arms"][1]["name"] = "renamed"
    document["endpoints"][3]["arms"]["control"] = "renamed"
    for measurement in document["measurements"]:
        measurement["arms"][1] = "renamed"


def another_property(document: dict[str, Any]) -> None:
    """Measured from now on, and no endpoint is about it."""
    document["measurements"].append(document["measurements"][0] | {"property": "pm10"})


SETTLING = {"event": "swap", "strategy": "exclude", "settles": "PT6H", "reason": OTHER}
TABLE: list[tuple[str, Any, Ease, dict[str, Ease]]] = [
    # field, value, the trial's verdict, the verdicts of endpoints (those not named: SAME)
    ("title", OTHER, SAME, NOBODY),
    ("question", OTHER, SAME, NOBODY),
    ("need", "air", SAME, NOBODY),
    ("hypothesis", OTHER, SAME, NOBODY),
    ("decisions.met", OTHER, SAME, NOBODY),
    ("decisions.not_met", OTHER, SAME, NOBODY),
    ("decisions.inconclusive", OTHER, SAME, NOBODY),
    ("decisions.not_evaluable", OTHER, SAME, NOBODY),
    ("roles", {"judge": "Somebody"}, SAME, NOBODY),
    ("interim_looks", [PERIODS[1]["start"]], SAME, NOBODY),
    ("evaluate_by", "2027-01-01T00:00:00Z", SAME, NOBODY),
    ("reason", OTHER, SAME, NOBODY),
    ("version", 7, SAME, NOBODY),
    ("time_zone", "UTC", CHANGED, everybody(CHANGED)),
    ("seed", 2, CHANGED, everybody(CHANGED)),
    ("missing_data", OTHER, CHANGED, everybody(CHANGED)),
    ("missing_data", {"worst_percentile": 90, "reason": OTHER}, CHANGED, everybody(CHANGED)),
    ("exclusions", [], CHANGED, everybody(CHANGED)),
    ("exclusions", [SETTLING], CHANGED, everybody(CHANGED)),
    ("periods.0.start", "2026-02-20T00:00:00Z", CHANGED, everybody(CHANGED)),
    ("periods.1.end", "2026-05-20T00:00:00Z", CHANGED, everybody(CHANGED)),
    ("periods.0.name", "washout", CHANGED, everybody(CHANGED)),
    ("arms.1.name", renamed_arm, CHANGED, everybody(CHANGED)),
    ("arms.0.role", "control", CHANGED, everybody(CHANGED)),
    ("arms.0.site", "roof", CHANGED, everybody(CHANGED)),
    ("arms.0.devices", ["candidate-1", "candidate-2"], CHANGED, everybody(CHANGED)),
    # Measurements and checks matter to endpoints about that property.
    ("measurements.1.interval", "PT15M", SAME, {"third": CHANGED, "second": CHANGED}),
    ("measurements.1.arms", ["candidate"], SAME, {"third": CHANGED, "second": CHANGED}),
    ("measurements.0.interval", "PT15M", CHANGED, everybody(CHANGED) | {"third": CHANGED}),
    ("measurements.1.holds", "PT2H", SAME, {"third": CHANGED, "second": CHANGED}),
    ("measurements.0.property", another_property, SAME, NOBODY),
    ("checks.1.parameters", {"fail_low": -90}, SAME, {"third": CHANGED, "second": CHANGED}),
    ("checks.0.parameters", {"fail_low": -90}, CHANGED, everybody(CHANGED)),
    ("checks.0.check", "flat_line", CHANGED, everybody(CHANGED)),
    ("checks.0.property", "pm10", CHANGED, everybody(CHANGED)),
    ("checks.0.arms", ["control"], CHANGED, everybody(CHANGED)),
    # The gate and the level. Which of the two has it: less asked is easier.
    ("capture.share", 0.6, EASIER, everybody(EASIER)),
    ("capture.share", 0.9, STRICTER, everybody(STRICTER)),
    ("capture.days", 0.6, EASIER, everybody(EASIER)),
    ("capture.days", 0.9, STRICTER, everybody(STRICTER)),
    ("capture.day", 0.6, CHANGED, everybody(CHANGED)),
    ("capture.day", 0.9, CHANGED, everybody(CHANGED)),
    ("confidence", 0.9, EASIER, everybody(EASIER)),
    ("confidence", 0.99, STRICTER, everybody(STRICTER)),
    # One endpoint.
    ("endpoints.0.name", "other", CHANGED, {"other": CHANGED}),
    ("endpoints.0.title", OTHER, SAME, NOBODY),
    ("endpoints.0.blinded", True, SAME, NOBODY),
    ("endpoints.0.independent", OTHER, CHANGED, {"main": CHANGED}),
    ("endpoints.0.property", "pm25", CHANGED, {"main": CHANGED}),
    ("endpoints.0.unit", "mg/m3", CHANGED, {"main": CHANGED}),
    ("endpoints.0.design", "availability", CHANGED, {"main": CHANGED}),
    ("endpoints.0.arms", {"candidate": "control"}, CHANGED, {"main": CHANGED}),
    ("endpoints.0.aggregation", "max", CHANGED, {"main": CHANGED}),
    ("endpoints.0.aggregation", {"name": "percentile", "q": 90}, CHANGED, {"main": CHANGED}),
    ("endpoints.0.aggregation", {"name": "count", "threshold": 9}, CHANGED, {"main": CHANGED}),
    ("endpoints.0.aggregation", {"name": "max", "step": "PT2H"}, CHANGED, {"main": CHANGED}),
    ("endpoints.0.averaging_scale", "arithmetic", CHANGED, {"main": CHANGED}),
    ("endpoints.0.filter", {"hours": ["08:00", "18:00"]}, CHANGED, {"main": CHANGED}),
    ("endpoints.0.filter", {"weekdays": ["mon"]}, CHANGED, {"main": CHANGED}),
    ("endpoints.0.filter", {"holidays": "without"}, CHANGED, {"main": CHANGED}),
    ("endpoints.0.filter", {"sites": ["roof"]}, CHANGED, {"main": CHANGED}),
    ("endpoints.0.filter", {"devices": ["candidate-1"]}, CHANGED, {"main": CHANGED}),
    ("endpoints.0.parameters", {"u_meas": 2}, CHANGED, {"main": CHANGED}),
    ("endpoints.0.profile", "us-epa-air-sensors/pm25", CHANGED, {"main": CHANGED}),
    ("endpoints.0.schedule", BLOCKS, CHANGED, {"main": CHANGED}),
    ("endpoints.0.grid", "P1D", CHANGED, {"main": CHANGED}),
    ("endpoints.0.criteria.0.justification", OTHER, SAME, NOBODY),
    ("endpoints.0.criteria.0.statistic", "median", CHANGED, {"main": CHANGED}),
    ("endpoints.0.criteria.0.target", {"high": 50}, EASIER, {"main": EASIER}),
    ("endpoints.0.criteria.0.target", {"high": 30}, STRICTER, {"main": STRICTER}),
    ("endpoints.0.criteria.0.target", {"low": 0, "high": 40}, STRICTER, {"main": STRICTER}),
    ("endpoints.0.criteria.0.target", {"low": 0, "high": 50}, CHANGED, {"main": CHANGED}),
    ("endpoints.0.criteria.0.target", {"low": 40}, CHANGED, {"main": CHANGED}),
    # Ranks. A primary endpoint less is easier; those that share α take from each other.
    ("endpoints.3.rank", "primary", STRICTER, NOBODY),
    ("endpoints.3.rank", "secondary", SAME, {"extra": STRICTER, "second": STRICTER, "third": STRICTER}),
    ("endpoints.1.rank", "exploratory", SAME, {"second": EASIER, "third": EASIER}),
    ("endpoints.1.rank", "primary", STRICTER, {"second": EASIER, "third": EASIER}),
    # The second endpoint may meet one of two.
    ("endpoints.1.criteria.1.alternative_to", None, SAME, {"second": STRICTER, "third": CHANGED}),
    ("endpoints.1.criteria.0.target", {"high": 8}, SAME, {"second": EASIER, "third": CHANGED}),
    ("endpoints.2.criteria.0.target", {"high": -3}, SAME, {"third": STRICTER, "second": CHANGED}),
    ("endpoints.3.criteria.0.target", {"low": -3, "high": 3}, SAME, {"extra": EASIER}),
]


def named(item: object) -> str:
    """The same in every process, which `str` of a function is not."""
    return getattr(item, "__name__", str(item))[:60]


def changed(path: str, value: Any) -> Protocol:
    document = plan()
    if callable(value):
        value(document)
        return Protocol.model_validate(document)
    if path == "version":
        document["reason"] = TEXT
    part, key = at(document, path)
    if value is None:
        del part[key]
    else:
        part[key] = value
    return Protocol.model_validate(document)


@pytest.mark.parametrize(("path", "value", "trial", "endpoints"), TABLE, ids=named)
def test_each_kind_of_change_is_as_easy_as_the_table_says(
    path: str, value: Any, trial: Ease, endpoints: dict[str, Ease]
) -> None:
    after = changed(path, value)
    found = compare(Protocol.model_validate(plan()), after)
    assert found.trial is trial
    assert found.endpoints == {e.name: endpoints.get(e.name, SAME) for e in after.endpoints}


def leaves(model: type[BaseModel], where: str = "") -> Iterator[str]:
    """Paths of all fields of a protocol, without numbers of lists."""
    for name, field in model.model_fields.items():
        path = f"{where}{field.alias or name}"
        inner = [kind for kind in parts_of(field.annotation) if isinstance(kind, type)]
        models = [kind for kind in inner if issubclass(kind, BaseModel) and kind.__name__ != "Text"]
        for kind in models:
            yield from leaves(kind, f"{path}.")
        if not models:
            yield path


def parts_of(kind: Any) -> Iterator[Any]:
    yield kind
    for part in get_args(kind):
        yield from parts_of(part)


def fields_of(path: str, value: Any) -> set[str]:
    """The paths that a row of the table changes, without numbers of lists: its own and those within its
    value.
    """
    own = ".".join(step for step in path.split(".") if not step.isdigit())
    inside = {f"{own}.{name}" for name in value} if isinstance(value, dict) else set()
    of_parts = (
        {f"{own}.{name}" for part in value if isinstance(part, dict) for name in part}
        if isinstance(value, list)
        else set()
    )
    return {own} | inside | of_parts


def test_the_table_changes_every_field_of_a_protocol() -> None:
    """A new field needs a row: the person who adds it decides what a change of it means."""
    touched = set().union(*(fields_of(path, value) for path, value, *_ in TABLE))
    fixed = {"schema", "trial"}  # the same in every version of a protocol
    assert sorted(set(leaves(Protocol)) - touched - fixed) == []


def test_a_version_is_as_easy_as_itself_in_any_order() -> None:
    document = plan()
    document["endpoints"].reverse()
    found = compare(Protocol.model_validate(plan()), Protocol.model_validate(document))
    assert found.trial is SAME
    assert set(found.endpoints.values()) == {SAME}


@given(st.lists(st.sampled_from(list(Ease))), st.randoms(use_true_random=False))
def test_the_order_of_changes_does_not_matter_and_nothing_undoes_a_change(
    eases: list[Ease], chance: Any
) -> None:
    mixed = list(eases)
    chance.shuffle(mixed)
    assert together(eases) is together(mixed)
    kinds = set(eases) - {SAME}
    assert together(eases) is (CHANGED if len(kinds) > 1 else next(iter(kinds), SAME))


# -- criteria against every possible result

BOUNDS = [None, -2, 0, 2]
STATISTICS = ("rmse", "mae", "bias")
RESULTS = [(low, high) for low in range(-3, 4) for high in range(low, 4)]
"""Intervals on a small grid, with ends on and beside each bound."""


def is_target(ends: tuple[int | None, int | None]) -> bool:
    low, high = ends
    return (low is not None or high is not None) and (low is None or high is None or low <= high)


@st.composite
def made_criteria(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(st.sampled_from(STATISTICS), min_size=1, max_size=3))
    found = []
    for name in names:
        low, high = draw(st.tuples(st.sampled_from(BOUNDS), st.sampled_from(BOUNDS)).filter(is_target))
        others = sorted(set(names) - {name})
        alternative = draw(st.sampled_from([None, *others])) if others else None
        found.append(criterion(name, low=low, high=high, alternative_to=alternative))
    return found


def is_met(criteria: list[dict[str, Any]], result: dict[str, tuple[int, int]]) -> bool:
    """Each criterion, or a statistic that is linked with its own by alternatives, lies in all its targets."""
    links = {name: {name} for name in STATISTICS}
    for one in criteria:
        if one.get("alternative_to"):
            joined = links[one["statistic"]] | links[one["alternative_to"]]
            for name in joined:
                links[name] = joined
    inside = {
        name: all(lies_in(result[name], one["target"]) for one in criteria if one["statistic"] == name)
        for name in STATISTICS
    }
    there = {one["statistic"] for one in criteria}
    return all(any(inside[name] for name in links[one["statistic"]] & there) for one in criteria)


def lies_in(ends: tuple[int, int], target: dict[str, Any]) -> bool:
    low, high = target["low"], target["high"]
    return (low is None or ends[0] >= low) and (high is None or ends[1] <= high)


def with_criteria(criteria: list[dict[str, Any]], design: str = "reference_collocation") -> Endpoint:
    return Endpoint.model_validate(endpoint(design, criteria, arms=["candidate", "reference"]))


@settings(max_examples=examples(quick=30, nightly=60), deadline=None)
@example(
    [criterion("rmse", low=-2)],
    [
        criterion("rmse", low=-2),
        criterion("mae", high=-2),
        criterion("mae", low=0, alternative_to="rmse"),
    ],
)
@given(made_criteria(), made_criteria())
def test_criteria_are_called_no_easier_only_if_no_result_meets_them_that_did_not_before(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    used = sorted({one["statistic"] for one in [*before, *after]})
    results = [
        dict.fromkeys(STATISTICS, (0, 0)) | dict(zip(used, ends, strict=True))
        for ends in itertools.product(RESULTS, repeat=len(used))
        if len(used) < 3 or all(end[0] == end[1] for end in ends)
    ]
    was, now = ([is_met(criteria, result) for result in results] for criteria in (before, after))
    easier = any(new and not old for old, new in zip(was, now, strict=True))
    stricter = any(old and not new for old, new in zip(was, now, strict=True))
    ease = of_criteria(with_criteria(before), with_criteria(after))
    assert not easier or ease.may_help
    assert not stricter or ease in (STRICTER, CHANGED)
    truth = {(False, False): SAME, (True, False): EASIER, (False, True): STRICTER, (True, True): CHANGED}
    impossible = not any(was) or not any(now)  # contradicting targets are compared with care alone
    assert impossible or ease is truth[easier, stricter]


# -- designs whose numbers depend on the plan in other ways


def alone(design: str, target: dict[str, Any], arms: list[str], **more: Any) -> Protocol:
    made = endpoint(design, [{"statistic": "effect", "target": target, "justification": TEXT}], arms=arms)
    return protocol(made, periods=PERIODS, **more)


@pytest.mark.parametrize(
    ("before", "after", "ease"),
    [
        ({"high": -5}, {"high": -10}, CHANGED),
        ({"high": -5}, {"high": -1}, CHANGED),
        ({"high": -5}, {"high": 0}, CHANGED),
        ({"high": 0}, {"high": -5}, CHANGED),
        ({"high": 5}, {"high": 3}, STRICTER),
        ({"high": 3}, {"high": 5}, EASIER),
        ({"low": -5, "high": 5}, {"low": -3, "high": 3}, STRICTER),
        ({"low": -3, "high": 3}, {"low": -5, "high": 5}, EASIER),
    ],
)
def test_a_wider_margin_opens_the_gate_of_control_sites_though_the_target_is_stricter(
    before: dict[str, Any], after: dict[str, Any], ease: Ease
) -> None:
    arms = ["candidate", "control"]
    plans = [alone("control_sites", target, arms) for target in (before, after)]
    assert compare(*plans).trial is ease


def test_the_wider_margin_does_let_a_stricter_target_be_met() -> None:
    """The arms drift by 7 in the baseline: more than the margin 5, less than 10. The effect is −20."""
    rng = np.random.default_rng(5)
    hours = 40 * 24
    control = 50 + noise(rng, 0.3, hours, 0.5)
    drift = np.where(np.arange(hours) < hours // 2, 7 * np.arange(hours) / (hours / 2), 3.5 - 20)
    streams = [
        series("candidate-1", control + drift + noise(rng, 0.3, hours, 0.2)),
        series("control-1", control, role="control"),
    ]
    verdicts = [
        compute(inputs(alone("control_sites", {"high": high}, ["candidate", "control"]), streams)).verdict
        for high in (-5, -10)
    ]
    assert verdicts == [Verdict.NOT_EVALUABLE, Verdict.MET]


def test_capture_decides_which_blocks_and_donors_count() -> None:
    for design in ("crossover", "synthetic_control"):
        arms = ["candidate"] if design == "crossover" else ["candidate", "control"]
        plans = [alone(design, {"high": -1}, arms, capture={"days": days}) for days in (0.75, 0.9)]
        assert compare(*plans).trial is CHANGED


def test_a_higher_level_is_not_sure_to_be_stricter_where_two_methods_compete() -> None:
    plans = [
        alone("adjusted_before_after", {"high": -1}, ["candidate"], confidence=level) for level in (0.9, 0.95)
    ]
    assert compare(*plans).trial is CHANGED


DECLARED = {"is_gated_by_margin": r"margin\(", "selects_by_capture": r"capture\.days"}


@pytest.mark.parametrize("name", DECLARED)
def test_a_design_declares_what_else_of_the_plan_its_numbers_depend_on(name: str) -> None:
    folder = Path(__file__).parents[2] / "trials" / "designs"
    using = {
        path.stem
        for path in folder.glob("*.py")
        if re.search(DECLARED[name], ast.unparse(ast.parse(path.read_text("utf-8"))))
    }
    assert using & set(DESIGNS) == {design.name for design in DESIGNS.values() if getattr(design, name)}


# -- the trial's verdict


def test_a_primary_endpoint_that_goes_or_is_demoted_makes_the_trial_easier() -> None:
    document = plan()
    document["endpoints"][3]["rank"] = "primary"
    both = Protocol.model_validate(document)
    for rank in ("secondary", "exploratory"):
        less = copy.deepcopy(document)
        less["endpoints"][0]["rank"] = rank
        assert compare(both, Protocol.model_validate(less)).trial is EASIER
    del document["endpoints"][0]
    assert compare(both, Protocol.model_validate(document)).trial is EASIER


def test_a_criterion_more_is_stricter_and_one_less_is_easier() -> None:
    one, two = (
        protocol(endpoint("reference_collocation", made, arms=["candidate", "reference"]), periods=PERIODS)
        for made in (
            [criterion("rmse", high=7)],
            [criterion("rmse", high=7), criterion("slope", low=0.7, high=1.3)],
        )
    )
    assert compare(one, two).trial is STRICTER
    assert compare(two, one).trial is EASIER
