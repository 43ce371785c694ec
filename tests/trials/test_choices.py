"""Sensitivity: which other choices each design has, and that each does what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from insitu.model import PeriodName
from tests.trials.coverage_worlds import (
    Ask,
    Cell,
    adjusted_question,
    before_after_question,
    collocation_question,
    control_sites_question,
    counts_question,
    crossover_question,
    equivalence_question,
    interrupted_question,
    limit_question,
    replicates_question,
    synthetic_question,
)
from tests.trials.test_gate import DESIGNS, evaluated, more_of, streams_of
from tests.trials.world import DAY, START, endpoint, inputs, protocol
from trials.designs import DESIGNS as REGISTERED
from trials.designs import Answer
from trials.designs.other_choices import block_lengths
from trials.designs.question import Question
from trials.evaluation import Estimate, Evaluation
from trials.judge.choices import choices
from trials.series.inputs import Placement, StreamInput, TrialInputs

CELL = Cell(0.7, 28)


def answered(ask: Ask, *, bare: bool = False) -> tuple[Question, Answer]:
    asked = replace(ask(np.random.default_rng(5), CELL), bare=bare)
    return asked, REGISTERED[asked.endpoint.design].answer(asked)


def estimate(answer: Answer, name: str, statistic: str) -> Estimate:
    (found,) = [e for of, e in answer.sensitivity if of == name and e.statistic == statistic]
    return found


# -- of the designs themselves


@pytest.mark.parametrize(
    ("ask", "names"),
    [
        (collocation_question, {"day_bootstrap", "block_length:6", "orthogonal"}),
        (replicates_question, {"day_bootstrap", "block_length:6"}),
        (before_after_question, {"block_length:3", "block_length:6"}),
        (adjusted_question, {"block_bootstrap", "fsu", "block_length:14", "without_weekend"}),
        (interrupted_question, {"without_season"}),
        (counts_question, {"without_season"}),
        (control_sites_question, {"block_length:3", "block_length:6"}),
        (synthetic_question, {"equal_weights"}),
        (equivalence_question, {"block_length:3", "block_length:6"}),
        (limit_question, {"sampling_only", "block_length:3", "block_length:6"}),
        (crossover_question, {"first_days_out"}),
    ],
)
def test_each_design_has_another_block_length_or_another_model(ask: Ask, names: set[str]) -> None:
    _, answer = answered(ask)
    assert {name for name, _ in answer.sensitivity} - {"hac"} == names
    assert all(np.isfinite([e.value, e.low, e.high]).all() and e.low <= e.high for _, e in answer.sensitivity)


@pytest.mark.parametrize(
    "ask", [collocation_question, before_after_question, adjusted_question, synthetic_question]
)
def test_a_choice_makes_no_further_choices_of_itself(ask: Ask) -> None:
    names = {name for name, _ in answered(ask, bare=True)[1].sensitivity}
    assert not {
        name for name in names if name.partition(":")[0] in ("block_length", "orthogonal", "equal_weights")
    }
    assert answered(ask, bare=True)[1].statistics[0].value == answered(ask)[1].statistics[0].value


@pytest.mark.parametrize(
    ("days", "lengths"), [(14, (2, 4)), (28, (3, 6)), (90, (4, 8)), (365, (7, 14)), (1, (1, 2))]
)
def test_blocks_have_the_cube_root_of_the_days_and_twice_that(days: int, lengths: tuple[int, int]) -> None:
    assert block_lengths(days) == lengths


def test_the_block_bootstrap_of_a_difference_is_centred_on_it_and_about_as_wide_as_its_standard_error() -> (
    None
):
    _, answer = answered(before_after_question)
    effect = answer.statistic("effect")
    for name in ("block_length:3", "block_length:6"):
        found = estimate(answer, name, "effect")
        assert found.value == pytest.approx(effect.value)
        assert (found.low + found.high) / 2 == pytest.approx(effect.value, abs=0.2 * (found.high - found.low))
        assert 0.2 < (found.high - found.low) / np.subtract(*effect.interval(0.95)[::-1]) < 1.2
    assert estimate(answer, "block_length:3", "effect") != estimate(answer, "block_length:6", "effect")


def test_the_other_regression_stands_under_the_names_of_the_usual_one() -> None:
    asked, answer = answered(collocation_question)
    for name in ("slope", "intercept"):
        other = answer.statistic(f"{name}_orthogonal").estimate(asked.level)
        found = estimate(answer, "orthogonal", name)
        assert (found.value, found.low, found.high) == (other.value, other.low, other.high)


def test_donors_of_equal_weight_are_their_plain_mean() -> None:
    asked, answer = answered(synthetic_question)
    gaps = []
    for name in (PeriodName.REPORTING, PeriodName.BASELINE):
        _, treated = asked.days_of(asked.arm("candidate", name))
        donors = [asked.days_of([unit])[1] for unit in asked.arm("control", name)]
        table = np.stack([treated, *donors], axis=1)
        table = table[np.isfinite(table).all(axis=1)]
        gaps.append(float(np.mean(table[:, 0] - table[:, 1:].mean(axis=1))))
    assert estimate(answer, "equal_weights", "effect").value == pytest.approx(gaps[0] - gaps[1])


def test_a_model_without_weekends_knows_less_and_stays_near_the_truth() -> None:
    _, answer = answered(adjusted_question)
    assert estimate(answer, "without_weekend", "effect").value == pytest.approx(-4, abs=1.5)
    assert estimate(answer, "block_length:14", "effect").value == pytest.approx(
        answer.statistic("effect").value
    )


# -- devices and sites left out


def given(design: str, devices: dict[str, list[str]], sites: dict[str, str]) -> TrialInputs:
    """Inputs in which the devices named in `sites` were there, the others at the station."""
    criteria, periods, arms = DESIGNS[design]
    plan = protocol(
        endpoint(design, criteria, arms=arms, **more_of(design)),
        periods=periods,
        devices=devices,
        time_zone="Etc/GMT-1",
    )

    def at(stream: StreamInput) -> StreamInput:
        site = sites.get(stream.device, "station")
        return replace(stream, placements=[Placement(site, stream.device, START - 30 * DAY, None)])

    return inputs(plan, [at(stream) for stream in streams_of(plan)])


def names(evaluation: Evaluation) -> list[str]:
    return [s.name for s in evaluation.endpoints[0].sensitivity if s.name.startswith("leave_out")]


FOUR = {"candidate": ["c-1", "c-2"], "control": ["k-1", "k-2", "k-3"]}


def test_every_device_and_every_site_of_every_arm_is_left_out_in_turn() -> None:
    evaluation = evaluated(given("control_sites", FOUR, {"k-1": "north", "k-2": "north", "k-3": "south"}))
    assert names(evaluation) == [
        "leave_out:c-1",
        "leave_out:c-2",
        "leave_out:k-1",
        "leave_out:k-2",
        "leave_out:k-3",
        "leave_out_site:north",
        "leave_out_site:south",
    ]


def test_an_arm_at_one_site_loses_no_site() -> None:
    assert not [
        name
        for name in names(evaluated(given("control_sites", FOUR, {})))
        if name.startswith("leave_out_site")
    ]


def test_leaving_a_site_out_is_the_trial_without_its_devices() -> None:
    whole = given("control_sites", FOUR, {"k-1": "north", "k-2": "north", "k-3": "south"})
    (found,) = [s for s in evaluated(whole).endpoints[0].sensitivity if s.name == "leave_out_site:north"]
    fewer = given("control_sites", FOUR | {"control": ["k-3"]}, {})
    streams = [stream for stream in whole.streams if stream.device not in ("k-1", "k-2")]
    alone = evaluated(replace(fewer, streams=streams)).endpoints[0].estimates[0]
    assert found.estimate is not None
    assert (found.estimate.value, found.estimate.low, found.estimate.high) == (
        alone.value,
        alone.low,
        alone.high,
    )


def test_a_site_where_a_device_stood_only_before_the_trial_is_none_of_it() -> None:
    whole = given("control_sites", FOUR, {})
    moved = [
        replace(
            s, placements=[Placement("depot", "shelf", START - 40 * DAY, START - 30 * DAY), *s.placements]
        )
        if s.device == "k-1"
        else s
        for s in whole.streams
    ]
    asked = replace(whole, streams=moved)
    assert not [
        one.name
        for one in choices(asked, asked.protocol.endpoints[0])
        if one.name.startswith("leave_out_site")
    ]


def test_a_large_arm_is_not_taken_apart_device_by_device() -> None:
    many = {"candidate": ["c-1"], "control": [f"k-{n}" for n in range(21)]}
    asked = given("control_sites", many, {f"k-{n}": "north" for n in range(9)})
    assert [one.name for one in choices(asked, asked.protocol.endpoints[0])] == [
        "suspect_included",
        "leave_out_site:north",
        "leave_out_site:station",
    ]
