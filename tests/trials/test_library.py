"""A design on arrays gives the same answer as the same trial, and a wrong call raises one clear error."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from insitu.errors import CorrectInput
from tests.trials.world import (
    DAY,
    HOUR,
    START,
    Floats,
    criterion,
    cycle,
    endpoint,
    inputs,
    noise,
    period,
    protocol,
    series,
    with_gaps,
)
from trials.designs import ask
from trials.judge.compute import compute

N = 20 * 24
TWO = {"baseline": START, "reporting": START + 20 * DAY}
DESIGNS: list[tuple[str, list[str], dict[str, Any], dict[str, Any]]] = [
    ("before_after", ["candidate"], criterion("effect", high=-2), {}),
    (
        "before_after",
        ["candidate"],
        criterion("effect", high=-2),
        {"aggregation": {"name": "percentile", "q": 90}},
    ),
    (
        "control_sites",
        ["candidate", "control"],
        criterion("effect", high=-2),
        {"filter": {"hours": ["07:00", "20:00"]}},
    ),
    ("limit_compliance", ["candidate"], criterion("mean", high=40), {"parameters": {"u_meas": 0.5}}),
    ("reference_collocation", ["candidate", "reference"], criterion("slope", low=0.7), {"grid": "P1D"}),
]


def values_of(arm: str) -> Floats:
    """40 days; the candidate falls by 5 half-way."""
    made: Floats = 30 + cycle(2 * N) + noise(np.random.default_rng(list(arm.encode())), 0.5, 2 * N, 2.0)
    made[300:304] = np.nan
    made[N:] -= 5.0 if arm == "candidate" else 0.0
    return made


@pytest.mark.parametrize(
    ("design", "arms", "wanted", "more"), DESIGNS, ids=[f"{d}-{n}" for n, (d, *_) in enumerate(DESIGNS)]
)
def test_arrays_give_the_estimates_of_the_trial(
    design: str, arms: list[str], wanted: dict[str, Any], more: dict[str, Any]
) -> None:
    plan = protocol(
        endpoint(design, [wanted], arms=arms, **more),
        periods=[period("baseline", 0, 20), period("reporting", 20, 40)],
    )
    of_trial = compute(
        inputs(plan, [series(f"{arm}-1", values_of(arm), role=arm) for arm in arms])
    ).endpoints[0]
    renamed = {"filter": "kept"}
    keywords = {renamed.get(name, name): value for name, value in more.items()}
    if "grid" in keywords:
        keywords["grid"] = timedelta(days=1)
    answer = ask(
        design,
        arms={
            arm: {"baseline": {f"{arm}-1": values_of(arm)[:N]}, "reporting": {f"{arm}-1": values_of(arm)[N:]}}
            for arm in arms
        },
        start=TWO,
        interval=HOUR,
        time_zone="Europe/Paris",
        unit="ug/m3",
        **keywords,
    )
    assert [k.estimate(0.95) for k in answer.statistics] == of_trial.estimates
    assert of_trial.estimates


def test_several_devices_of_an_arm_go_by_name() -> None:
    values = values_of("candidate")

    def effect(before: Any, after: Any) -> float:
        answer = ask(
            "before_after",
            arms={"candidate": {"baseline": before, "reporting": after}},
            start=TWO,
            interval=HOUR,
        )
        return answer.statistic("effect").value

    one = effect(values[:N], values[N:])
    two = effect(
        {"north": values[:N] + 1, "south": values[:N] - 1}, {"north": values[N:] + 1, "south": values[N:] - 1}
    )
    assert two == pytest.approx(one)


def test_a_target_makes_the_design_test_what_it_assumes() -> None:
    drifting = values_of("candidate") + np.linspace(0, 12, 2 * N)
    arms = {
        name: {"baseline": values[:N], "reporting": values[N:]}
        for name, values in (("candidate", drifting), ("control", values_of("control")))
    }
    assert not ask("control_sites", arms=arms, start=TWO, interval=HOUR).blocked
    judged = ask("control_sites", arms=arms, start=TWO, interval=HOUR, targets={"effect": (None, -2.0)})
    assert "baseline_trend" in [finding.code for finding in judged.findings]
    with pytest.raises(CorrectInput, match=r"There is no 'effect': baseline_trend "):
        judged.statistic("effect")


def test_levels_are_averaged_by_energy() -> None:
    levels = np.tile([60.0, 70.0], N) + np.repeat(np.random.default_rng(1).normal(0, 0.2, 40), 24)
    arms = {"candidate": {"reporting": levels}}
    plain, energetic = (
        ask(
            "limit_compliance",
            arms=arms,
            start=TWO,
            interval=HOUR,
            scale=scale,
            parameters={"u_meas": 0.5},
        )
        .statistic("mean")
        .value
        for scale in ("arithmetic", "energetic")
    )
    assert plain == pytest.approx(65, abs=0.5)
    assert energetic == pytest.approx(10 * np.log10(5.5e6), abs=0.5)


GOOD: dict[str, Any] = {
    "arms": {"candidate": {"baseline": np.ones(N), "reporting": np.ones(N)}},
    "start": TWO,
    "interval": HOUR,
}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("miracle", {}, "There is no design 'miracle'; known are "),
    (
        "before_after",
        {"arms": {"candidate": {"reporting": np.ones(N)}}},
        "before_after needs the baseline period of a candidate arm",
    ),
    ("control_sites", {}, "control_sites needs the baseline period of a control arm"),
    (
        "before_after",
        {"arms": {"hero": {"baseline": np.ones(N)}}},
        "'hero' is no role of an arm: candidate, reference, control",
    ),
    (
        "before_after",
        {"arms": {"candidate": {"before": np.ones(N)}}},
        "'before' is no period: baseline, washout, reporting",
    ),
    ("before_after", {"start": {"baseline": START}}, "Say when the reporting period starts"),
    (
        "before_after",
        {"start": {**TWO, "baseline": datetime(2026, 3, 1)}},  # noqa: DTZ001
        "A start needs an offset from UTC",
    ),
    (
        "before_after",
        {"arms": {"candidate": {"baseline": np.ones((2, N))}}},
        "an array of one dimension; several devices go by name",
    ),
    ("before_after", {"aggregation": "percentile"}, "aggregation: percentile needs q"),
    ("before_after", {"kept": {"hours": ["7", "8"]}}, "filter.hours.0: String should match pattern"),
    ("before_after", {"targets": {"effect": (2.0, 1.0)}}, "low lies above high"),
]


@pytest.mark.parametrize(("design", "more", "message"), WRONG, ids=[message for *_, message in WRONG])
def test_a_wrong_call_is_one_clear_error(design: str, more: dict[str, Any], message: str) -> None:
    with pytest.raises(CorrectInput) as caught:
        ask(design, **{**GOOD, **more})
    assert message in str(caught.value)


def test_a_statistic_that_is_not_there_is_told_with_those_that_are() -> None:
    values = values_of("candidate")
    arms = {"candidate": {"baseline": values[:N], "reporting": values[N:]}}
    answer = ask("before_after", arms=arms, start=TWO, interval=HOUR)
    with pytest.raises(CorrectInput, match=r"There is no 'slope': there is effect, ratio\."):
        answer.statistic("slope")


# -- do the intervals hold the truth?


@pytest.mark.parametrize("name", ["exceedance_share", "percentile"])
def test_the_interval_of_day_values_other_than_means_holds_the_truth(name: str) -> None:
    """φ .95, 30 days a period, a daily cycle, 10 % of hours lost; docs/validation.md has the other cells."""
    n, replications, hits = 30 * 24, 200, 0
    refused: Counter[str] = Counter()
    level = 30 + cycle(24)
    share = norm.sf(32, level - 2, 3).mean() - norm.sf(32, level, 3).mean()
    given_name = {"exceedance_share": {"name": name, "threshold": 32}, "percentile": {"name": name, "q": 95}}[
        name
    ]
    truth = {"exceedance_share": 100 * share, "percentile": -2.0}[name]
    for number in range(replications):
        rng = np.random.default_rng([7, number])
        before, after = (with_gaps(rng, base + cycle(n) + noise(rng, 0.95, n, 3.0)) for base in (30, 28))
        answer = ask(
            "before_after",
            arms={"candidate": {"baseline": before, "reporting": after}},
            interval=HOUR,
            unit="%",
            time_zone="Etc/GMT-1",
            start={"baseline": START, "reporting": START + 30 * DAY},
            aggregation=given_name,
        )
        if answer.blocked:
            refused.update(one.code for one in answer.findings if one.severity == "blocking")
            continue
        low, high = answer.statistic("effect").interval(0.95)
        hits += low <= truth <= high
    gates = {"too_few_effective_days", "placebo_as_large", "step_disagrees", "step_earlier"}
    assert refused.keys() <= gates
    assert refused["too_few_effective_days"] <= 0.1 * replications
    assert refused["placebo_as_large"] <= 0.2 * replications  # the price where nothing rules a season out
    assert refused["step_disagrees"] + refused["step_earlier"] <= 0.45 * replications
    assert hits / (replications - refused.total()) >= 0.88
