"""Rules of each single design: its boundary, the check of its assumption, its refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from insitu.language import Language, catalogue
from insitu.model import PeriodName, Verdict
from tests.trials.coverage_worlds import (
    Cell,
    adjusted_question,
    counts_question,
    crossover_question,
    equivalence_question,
    interrupted_question,
    replicates_question,
    synthetic_question,
)
from tests.trials.test_gate import DESIGNS as EVERY_DESIGN
from tests.trials.test_gate import blocked, codes, evaluated, plan_of, streams_of, values_of
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
    question,
    window,
)
from trials.designs import DESIGNS, Answer
from trials.designs.question import Question
from trials.evaluation import Evaluation, document_of
from trials.plan.parts import Capture
from trials.report.blocks import Paragraph
from trials.report.build import build
from trials.report.words import CHOICE_WORDS
from trials.report.writer import LOCALE
from trials.series.inputs import WindowInput
from trials.series.scale import ARITHMETIC

BASELINE, REPORTING = PeriodName.BASELINE, PeriodName.REPORTING
HOURS = 20 * 24


def answered(asked: Question) -> Answer:
    return DESIGNS[asked.endpoint.design].answer(asked)


def evidence(answer: Answer, code: str) -> dict[str, Any]:
    return dict(next(f for f in answer.findings if f.code == code).evidence)


def values(answer: Answer) -> dict[str, float]:
    return {known.statistic: known.value for known in answer.statistics}


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- 2 replicates


def replicates(*units: Floats) -> Answer:
    made = endpoint("replicates", [criterion("sd", high=2)], arms=["candidate"])
    return answered(question(made, {("candidate", REPORTING): list(units)}, start=START))


def test_one_unit_has_nobody_to_differ_from() -> None:
    answer = replicates(values_of("candidate", HOURS))
    assert (answer.statistics, [f.code for f in answer.findings]) == ([], ["one_unit"])


def test_two_copies_of_one_series_are_not_two_units() -> None:
    assert [
        f.code for f in replicates(values_of("candidate", HOURS), values_of("candidate", HOURS)).findings
    ] == ["identical_units"]


def test_units_that_never_measure_together_share_no_interval() -> None:
    even = np.arange(HOURS) % 2 == 0
    one, other = np.where(even, values_of("a", HOURS), np.nan), np.where(even, np.nan, values_of("b", HOURS))
    assert evidence(replicates(one, other), "no_common_intervals") == {"steps": 0}


def test_only_intervals_in_which_every_unit_is_valid_are_compared() -> None:
    """Two units one apart: SD = √(N·½/(2N − 1)), u = √½; an hour missing in the third unit is left out for
    all.
    """
    one = values_of("a", HOURS)
    hole = one.copy()
    hole[48:60] = np.nan
    answer = replicates(one, one + 1 + 1e-9 * rng().normal(size=HOURS))
    n = HOURS
    assert values(answer)["sd"] == pytest.approx(np.sqrt(n / 2 / (2 * n - 1)), rel=1e-6)
    assert values(answer)["u_between"] == pytest.approx(np.sqrt(0.5), rel=1e-6)
    assert replicates(one, one + 1 + rng().normal(size=HOURS), hole).statistics[0].n == HOURS - 12


def test_variation_is_per_cent_of_a_mean_above_zero_only() -> None:
    cold = values_of("a", HOURS) - 30
    assert "cv" not in values(replicates(cold, cold + rng().normal(size=HOURS)))
    assert "cv" in values(replicates(*(unit + 60 for unit in (cold, cold + rng().normal(size=HOURS)))))


# -- 3 availability


def available(missing: list[tuple[int, int]], windows: list[WindowInput], target: float = 95.0) -> Evaluation:
    """20 days of 24 hours, with stretches of missing hours."""
    plan = plan_of("availability")
    endpoint_ = plan.endpoints[0]
    wanted = endpoint_.criteria[0].model_copy(
        update={"target": endpoint_.criteria[0].target.model_copy(update={"low": target})}
    )
    plan = plan.model_copy(update={"endpoints": [endpoint_.model_copy(update={"criteria": [wanted]})]})
    series = values_of("candidate", HOURS)
    for first, last in missing:
        series[first:last] = np.nan
    return evaluated(inputs(plan, streams_of(plan, candidate=series), windows=windows))


def afterwards(found: WindowInput) -> WindowInput:
    return replace(found, declared_at=found.start + HOUR)


def test_a_share_exactly_on_its_target_is_enough() -> None:
    evaluation = available([(100, 124)], [])  # 456 of 480 are exactly 95 %
    estimate = evaluation.endpoints[0].criteria[0].estimate
    assert estimate is not None
    assert (estimate.low, estimate.value, estimate.high) == (95.0, 95.0, 95.0)
    assert evaluation.verdict is Verdict.MET
    assert available([(100, 125)], []).verdict is Verdict.NOT_MET


def test_a_device_that_is_mostly_silent_is_judged_and_not_excused() -> None:
    evaluation = available([(24, 480)], [])
    assert evaluation.verdict is Verdict.NOT_MET
    assert not evaluation.gate[0].passed


def test_a_window_declared_beforehand_leaves_the_denominator_and_one_declared_afterwards_cannot_decide() -> (
    None
):
    planned = available([(100, 148)], [window("candidate-1", 100, 148)])
    assert planned.verdict is Verdict.MET
    assert "windows_afterwards" not in codes(planned)
    late = available([(100, 148)], [afterwards(window("candidate-1", 100, 148))])
    estimate = late.endpoints[0].criteria[0].estimate
    assert estimate is not None
    assert (estimate.low, estimate.high) == (90.0, 100.0)
    assert late.verdict is Verdict.INCONCLUSIVE
    assert "windows_afterwards" in codes(late)
    assert (
        available([(100, 148)], [afterwards(window("candidate-1", 100, 148))], target=90.0).verdict
        is Verdict.MET
    )


def test_gaps_are_counted_and_the_time_between_them_is_operation() -> None:
    found = {e.statistic: e.value for e in available([(10, 12), (100, 106)], []).endpoints[0].estimates}
    assert found == {
        "completeness": 100 * 472 / 480,
        "uptime": 100 * 472 / 480,
        "gaps": 2.0,
        "longest_gap": 6.0,
        "mtbf": 236.0,
    }


def test_bad_results_are_uptime_and_not_completeness() -> None:
    plan = plan_of("availability")
    streams = streams_of(plan, candidate=values_of("candidate", HOURS))
    streams[0].flag[:48] = 4
    found = {e.statistic: e.value for e in evaluated(inputs(plan, streams)).endpoints[0].estimates}
    assert (found["completeness"], found["uptime"]) == (90.0, 100.0)


def test_a_series_without_a_gap_has_a_lower_bound_for_the_time_between_failures() -> None:
    evaluation = available([], [])
    assert "no_gap" in codes(evaluation)
    assert next(e.value for e in evaluation.endpoints[0].estimates if e.statistic == "mtbf") == 480.0


# -- 9 equivalence


def test_the_mean_difference_and_the_limits_of_agreement_are_those_of_the_day_values() -> None:
    asked = equivalence_question(rng(4))
    answer = answered(asked)
    _, candidate = asked.days_of(asked.arm("candidate", REPORTING))
    _, incumbent = asked.days_of(asked.arm("control", REPORTING))
    d = (candidate - incumbent)[np.isfinite(candidate - incumbent)]
    assert values(answer)["difference"] == pytest.approx(d.mean())
    assert values(answer)["loa_high"] == pytest.approx(d.mean() + 1.96 * d.std(ddof=1))
    assert values(answer)["loa_low"] == pytest.approx(d.mean() - 1.96 * d.std(ddof=1))


def test_the_incumbent_itself_is_no_candidate() -> None:
    series = values_of("candidate", HOURS)
    made = endpoint("equivalence", [criterion("difference", -1, 1)], arms=["candidate", "control"])
    answer = answered(
        question(made, {("candidate", REPORTING): [series], ("control", REPORTING): [series]}, start=START)
    )
    assert [f.code for f in answer.findings] == ["identical_units"]


# -- 11 crossover


def switched(days: int, length: int, lasting: float = 0.0, seed: int = 1) -> Answer:
    """On lowers by 4. On the first day after a switch, the share `lasting` of the state before remains."""
    states = [n % 4 in (0, 3) for n in range(days // length)]
    starts = [START + n * length * DAY for n in range(len(states))]
    blocks = [
        {"start": a.isoformat(), "end": (a + length * DAY).isoformat(), "on": s}
        for a, s in zip(starts, states, strict=True)
    ]
    on = np.repeat(np.repeat(states, length), 24).astype(float)
    by_day = on.copy()
    for n in range(1, len(states)):
        first = slice(n * length * 24, (n * length + 1) * 24)
        by_day[first] = (1 - lasting) * on[first] + lasting * float(states[n - 1])
    level = 20 + cycle(len(on)) - 4 * by_day + noise(rng(seed), 0.5, len(on), 1.0)
    made = endpoint("crossover", [criterion("effect", high=-2)], arms=["candidate"], schedule=blocks)
    return answered(
        question(made, {("candidate", REPORTING): [level]}, start=START, time_zone="Europe/Paris")
    )


def test_six_pairs_are_enough_and_five_are_not() -> None:
    answer = switched(12, 1)
    assert values(answer)["effect"] == pytest.approx(-4, abs=0.5)
    assert evidence(answer, "permutation") == {"pairs": 6, "p": 2 / 64, "smallest": 2 / 64}
    assert "carry_over_unchecked" in {f.code for f in answer.findings}
    few = switched(10, 1)
    assert (few.statistics, evidence(few, "too_few_pairs")) == ([], {"pairs": 5, "needed": 6})


def test_what_lasts_after_a_switch_is_found() -> None:
    assert "no_carry_over" in {f.code for f in switched(56, 2).findings}
    answer = switched(56, 2, lasting=0.8)
    found = evidence(answer, "carry_over")
    assert found["high"] < 0  # in the direction of the effect, which is negative
    (_, without_first_days) = answer.sensitivity[0]
    assert abs(without_first_days.value) > abs(values(answer)["effect"])


def test_days_on_which_the_device_was_switched_count_nowhere() -> None:
    """Blocks from noon to noon: two of three days are whole."""
    asked = crossover_question(rng(3), Cell(days=42))
    noon = [b.model_copy(update={"start": b.start + 12 * HOUR}) for b in asked.endpoint.schedule or []]
    whole = answered(asked)
    partly = answered(replace(asked, endpoint=asked.endpoint.model_copy(update={"schedule": noon})))
    counted = [
        sum(d.value is not None for line in answer.lines for d in line.days) for answer in (whole, partly)
    ]
    assert counted[1] <= counted[0] - 13


def test_a_crossover_without_a_schedule_cannot_be_evaluated() -> None:
    plan = plan_of("crossover")
    plan = plan.model_copy(update={"endpoints": [plan.endpoints[0].model_copy(update={"schedule": None})]})
    blocked(evaluated(inputs(plan, streams_of(plan))), "schedule_missing")


# -- 6 interrupted series


def test_a_change_of_level_and_slope_is_found_with_its_placebo_dates() -> None:
    answer = answered(interrupted_question(rng(2), Cell(0.5, 90)))
    assert values(answer)["level_change"] == pytest.approx(-4, abs=0.8)
    assert values(answer)["slope_change"] == pytest.approx(-0.03, abs=0.03)
    found = evidence(answer, "placebo_dates")
    assert 40 <= found["dates"] <= 62
    assert found["p"] == pytest.approx(1 / (found["dates"] + 1))


def test_a_short_baseline_prints_no_placebo() -> None:
    answer = answered(interrupted_question(rng(2), Cell(0.5, 30)))
    assert evidence(answer, "too_few_placebos")["needed"] == 20
    assert "placebo_dates" not in {f.code for f in answer.findings}


def test_counts_are_compared_as_rates() -> None:
    answer = answered(counts_question(rng(2), Cell(0.5, 60)))
    assert set(values(answer)) == {"rate_ratio", "slope_ratio"}
    assert values(answer)["rate_ratio"] == pytest.approx(0.7, abs=0.1)


def test_what_falls_below_zero_is_no_count() -> None:
    asked = interrupted_question(rng(2), Cell(0.5, 30))
    units = {
        key: [replace(unit, value=unit.value - 40) for unit in found] for key, found in asked.units.items()
    }
    poisson = asked.endpoint.model_copy(update={"parameters": {"family": "poisson"}})
    answer = answered(replace(asked, endpoint=poisson, units=units))
    assert (answer.statistics, answer.blocked) == ([], True)
    assert "not_counts" in {f.code for f in answer.findings}


# -- 5 adjusted before/after


def test_the_weather_that_hides_savings_is_taken_out() -> None:
    """2 degrees colder cost 3 of the 4 that were saved: without adjustment little is left."""
    asked = adjusted_question(rng(1), Cell(0.7, 90))
    answer = answered(asked)
    assert values(answer)["effect"] == pytest.approx(-4, abs=0.8)
    plain = DESIGNS["before_after"].answer(asked)
    assert abs(values(plain)["effect"] + 4) > 1.2
    widths = {name: e.high - e.low for name, e in answer.sensitivity if name in ("block_bootstrap", "fsu")}
    assert len(widths) == 2
    low, high = answer.statistics[0].interval(0.95)
    assert high - low == pytest.approx(max(widths.values()))
    assert evidence(answer, "savings_uncertainty")["share"] > 0


def test_a_model_that_predicts_unseen_weeks_badly_is_not_used() -> None:
    asked = adjusted_question(rng(1), Cell(0.7, 60))
    wild = {k: [replace(u, value=np.abs(u.value - 50) ** 2) for u in us] for k, us in asked.units.items()}
    answer = answered(replace(asked, units=wild))
    assert answer.statistics == []
    assert evidence(answer, "model_gate")["most_cv_rmse"] == 25.0


def test_without_savings_their_uncertainty_is_not_printed() -> None:
    asked = adjusted_question(rng(1), Cell(0.7, 60))
    more = {
        **asked.units,
        ("candidate", REPORTING): [replace(u, value=u.value + 10) for u in asked.arm("candidate", REPORTING)],
    }
    answer = answered(replace(asked, units=more))
    assert values(answer)["effect"] > 0
    assert "savings_uncertainty" not in {f.code for f in answer.findings}


@pytest.mark.parametrize("unit", ["Cel", "dB[SPL]"])
def test_per_cent_of_a_temperature_or_a_level_are_no_savings(unit: str) -> None:
    asked = adjusted_question(rng(1), Cell(0.7, 60))
    answer = answered(replace(asked, endpoint=asked.endpoint.model_copy(update={"unit": unit})))
    assert (answer.statistics, evidence(answer, "not_ratio_scale")) == ([], {"unit": unit})


def test_an_adjustment_needs_something_to_adjust_for() -> None:
    asked = adjusted_question(rng(1), Cell(0.7, 60))
    bare = replace(asked, endpoint=asked.endpoint.model_copy(update={"parameters": {}}), covariates={})
    assert "covariates_missing" in {f.code for f in answered(bare).findings}
    silent = replace(
        asked,
        covariates={("outdoor", BASELINE): asked.covariates["outdoor", BASELINE], ("outdoor", REPORTING): []},
    )
    assert evidence(answered(silent), "covariate_missing") == {"covariate": "outdoor", "period": "reporting"}


def test_colder_days_than_any_before_are_another_season() -> None:
    asked = adjusted_question(rng(1), Cell(0.7, 60))
    arctic = {
        **asked.covariates,
        ("outdoor", REPORTING): [
            replace(u, value=u.value - 40) for u in asked.covariates["outdoor", REPORTING]
        ],
    }
    answer = answered(replace(asked, covariates=arctic))
    assert answer.statistics == []
    assert "season_mismatch" in {f.code for f in answer.findings}


# -- 8 synthetic control


def donors(asked: Question, count: int) -> Question:
    fewer = {key: us if key[0] == "candidate" else us[:count] for key, us in asked.units.items()}
    return replace(asked, units=fewer)


def test_nineteen_donors_are_needed() -> None:
    asked = synthetic_question(rng(1), Cell(0.7, 30))
    assert evidence(answered(donors(asked, 18)), "too_few_donors") == {"donors": 18, "needed": 19}
    answer = answered(donors(asked, 19))
    assert values(answer)["effect"] == pytest.approx(-4, abs=2)
    assert evidence(answer, "placebo_rank")["p"] >= 1 / 20


def test_a_stricter_level_needs_more_donors() -> None:
    asked = replace(synthetic_question(rng(1), Cell(0.7, 30)), level=0.975)
    assert evidence(answered(asked), "too_few_donors") == {"donors": 25, "needed": 39}


def test_a_treated_place_that_is_one_of_its_donors_is_no_trial() -> None:
    asked = synthetic_question(rng(1), Cell(0.7, 30))
    copied = {
        key: [asked.arm("control", key[1])[0]] if key[0] == "candidate" else us
        for key, us in asked.units.items()
    }
    assert "identical_units" in {f.code for f in answered(replace(asked, units=copied)).findings}


def test_a_place_that_no_donor_follows_is_not_compared() -> None:
    asked = synthetic_question(rng(1), Cell(0.7, 30))
    own = {**asked.units}
    for period in (BASELINE, REPORTING):
        own["candidate", period] = [
            replace(u, value=50 + noise(rng(9), 0.99, len(u.value), 10.0)) for u in own["candidate", period]
        ]
    answer = answered(replace(asked, units=own))
    assert answer.statistics == []
    assert evidence(answer, "poor_fit")["fit"] < 50


@pytest.mark.parametrize("design", EVERY_DESIGN)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_report_of_any_design_has_words_for_all_it_says(design: str, language: Language) -> None:
    plan = plan_of(design)
    evaluation = evaluated(inputs(plan, streams_of(plan)))
    model = build(document_of(evaluation), language)
    said = [block.text for block in model.blocks if isinstance(block, Paragraph)]
    assert not [text for text in said if "{" in text]
    words = {
        (name if language == "en" else catalogue(LOCALE, "fr")[name])
        for name in (DESIGNS[design].title, DESIGNS[design].method)
    }
    assert all(any(word in text for text in said) for word in words)
    (result,) = evaluation.endpoints
    assert {estimate.statistic for estimate in result.estimates} <= DESIGNS[design].statistics.keys()
    choices = {name.partition(":")[0] for name in (s.name for s in result.sensitivity)}
    assert choices <= DESIGNS[design].other_choices.keys() | CHOICE_WORDS.keys()


@pytest.mark.parametrize("design", EVERY_DESIGN)
def test_a_question_about_nothing_is_a_finding(design: str) -> None:
    made = plan_of(design).endpoints[0]
    asked = Question(made, Capture(), 0.95, 1, ARITHMETIC, {})
    answer = answered(asked)
    assert answer.blocked
    assert answer.statistics == []


def test_every_design_answers_the_same_twice() -> None:
    for ask in (replicates_question, adjusted_question, synthetic_question, crossover_question):
        first, second = (answered(ask(rng(5))) for _ in range(2))
        assert [k.estimate(0.95) for k in first.statistics] == [k.estimate(0.95) for k in second.statistics]
        assert first.statistics


def test_a_schedule_is_read_in_any_offset() -> None:
    asked = crossover_question(rng(3))
    assert asked.endpoint.schedule is not None
    assert asked.endpoint.schedule[0].start == datetime.fromisoformat("2026-06-01T02:00:00+02:00")
