"""A protocol's outlook: from its baseline alone, for every design that can give one, and with a reason for
the others.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trials import world
from tests.trials.world import DAY, START, TEXT, criterion, endpoint, inputs, period, protocol, series
from trials.designs import DESIGNS
from trials.judge.compute import compute
from trials.judge.expectations import EndpointOutlook, Outlook
from trials.judge.outlook import outlook, seen_period
from trials.package.writing import write_tables
from trials.plan.parts import Block
from trials.report.sentence import sentence_of
from trials.series.inputs import TrialInputs, Unblinding
from trials.statistics.power import Basis, half_width, smallest_effect
from trials.statistics.spread import averaged

BOTH = [period("baseline", 0, 28), period("reporting", 28, 58)]
ONLY = [period("reporting", 40, 70)]
NOT_FORETOLD = [name for name, design in DESIGNS.items() if design.not_foretold]


def values(seed: int, days: int = 28, level: float = 40.0, sd: float = 4.0, phi: float = 0.9) -> world.Floats:
    return level + world.noise(np.random.default_rng(seed), phi, 24 * days, sd) + world.cycle(24 * days)


def one(made: Outlook) -> EndpointOutlook:
    assert len(made.endpoints) == 1
    return made.endpoints[0]


def before_after(*, periods: list[dict[str, Any]] = BOTH, **more: Any) -> TrialInputs:
    plan = protocol(
        endpoint("before_after", [criterion("effect", high=-2.0)], arms=["candidate"], **more),
        periods=periods,
    )
    return inputs(plan, [series("candidate-1", values(1))], now=START + 28 * DAY)


def test_a_before_after_is_foretold_from_the_day_values_of_its_baseline() -> None:
    found = one(outlook(before_after(), lengths=[14, 60]))
    days = values(1).reshape(28, 24).mean(axis=1)
    basis = Basis.of(averaged(np.arange(28), days), before_days=28)
    (criterion_,) = found.criteria
    assert found.days == 28
    assert [row.days for row in criterion_.lengths] == [14, 60]
    assert criterion_.planned is not None
    assert (criterion_.planned.days, criterion_.planned.counted) == (30, 30)
    assert criterion_.planned.half_width == pytest.approx(half_width(basis=basis, days=30, level=0.95))
    detectable = smallest_effect(basis=basis, days=30, level=0.95)
    assert criterion_.planned.smallest_effect == pytest.approx(detectable)
    assert criterion_.planned.met_high == pytest.approx(-2 - detectable)
    assert (criterion_.assumed, criterion_.planned.met_low) == (0.0, None)


def test_a_margin_that_cannot_be_told_from_nothing_is_a_warning_and_a_wide_one_is_none() -> None:
    (warned,) = outlook(before_after()).warnings()
    assert warned[:2] == ("main", "effect")
    assert warned[2].code == "inconclusive"
    assert "With 30 days the verdict will probably be inconclusive" in sentence_of(warned[2])
    plan = protocol(
        endpoint("before_after", [criterion("effect", high=-20.0)], arms=["candidate"]), periods=BOTH
    )
    easy = outlook(inputs(plan, [series("candidate-1", values(1))], now=START + 28 * DAY))
    assert list(easy.warnings()) == []
    needed = one(easy).criteria[0].days_needed
    assert needed is not None
    assert needed <= 30


def test_nothing_of_the_reporting_period_is_looked_at() -> None:
    """The level doubles in the reporting period, known or not: the outlook is equal to the last digit."""
    so_far = before_after()
    later = np.r_[values(1), 2 * values(2, days=30)]
    after = replace(so_far, streams=[series("candidate-1", later)], now=START + 70 * DAY)
    assert outlook(after) == outlook(so_far)


def test_control_sites_are_foretold_from_the_difference_which_cancels_what_both_share() -> None:
    shared = values(5, sd=6.0)
    plan = protocol(
        endpoint("control_sites", [criterion("effect", high=-2.0)], arms=["candidate", "control"]),
        periods=BOTH,
    )
    noise = [0.1 * values(seed, level=0.0) for seed in (6, 7)]
    streams = [
        series("candidate-1", shared + noise[0]),
        series("control-1", shared + noise[1], role="control"),
    ]
    found = one(outlook(inputs(plan, streams, now=START + 28 * DAY))).criteria[0].planned
    alone = one(outlook(before_after())).criteria[0].planned
    assert found is not None
    assert alone is not None
    assert (found.half_width or 9) < 0.25 * (alone.half_width or 0)


def reporting_only(design: str, criteria: list[dict[str, Any]], arms: list[str], **more: Any) -> TrialInputs:
    """No baseline period: the ninety days before the reporting period count."""
    plan = protocol(endpoint(design, criteria, arms=arms, **more), periods=ONLY)
    truth = values(3)
    own = {
        "candidate": truth,
        "reference": truth + values(4, level=0.0, sd=1.0),
        "control": truth + values(7, level=0.0, sd=1.0),
    }
    return inputs(plan, [series(f"{arm}-1", own[arm], role=arm) for arm in arms], now=START + 28 * DAY)


def test_a_collocation_is_foretold_by_the_jackknife_on_the_scale_of_each_statistic() -> None:
    wanted = [
        criterion("slope", low=0.65, high=1.35),
        criterion("bias", low=-5, high=5),
        criterion("rmse", high=7.0),
    ]
    given = reporting_only("reference_collocation", wanted, ["candidate", "reference"])
    found = one(outlook(given))
    rehearsal = compute(
        replace(
            given,
            protocol=given.protocol.model_copy(update={"periods": ONLY_SO_FAR.periods}),
            now=START + 90 * DAY,
        )
    )
    ends = {e.statistic: (e.high - e.low) / 2 for e in rehearsal.endpoints[0].estimates}
    for told in one(outlook(given, lengths=[28])).criteria:
        assert told.lengths[0].half_width == pytest.approx(ends[told.statistic], rel=1e-6), told.statistic
    assert found.criteria[0].assumed == pytest.approx(rehearsal.endpoints[0].estimates[1].value)
    assert found.criteria[2].lengths[1].smallest_effect is None
    assert (found.criteria[2].lengths[1].met_high or 9) < 7


ONLY_SO_FAR = protocol(
    endpoint("reference_collocation", [criterion("slope", low=0)], arms=["candidate", "reference"]),
    periods=[period("reporting", 0, 28)],
)


def test_a_limit_keeps_the_guard_band_however_long_it_is_measured() -> None:
    given = reporting_only(
        "limit_compliance", [criterion("mean", high=45.0)], ["candidate"], parameters={"u_meas": 0.8}
    )
    told = one(outlook(given, lengths=[30, 1800])).criteria[0]
    assert told.assumed == pytest.approx(float(values(3).mean()))
    assert told.lengths[1].half_width == pytest.approx(1.6, abs=0.15)
    assert (told.lengths[0].half_width or 0) > (told.lengths[1].half_width or 9) > 1.6


def test_an_equivalence_is_reachable_when_the_interval_fits_between_its_margins() -> None:
    wide, narrow = (
        one(
            outlook(
                reporting_only(
                    "equivalence", [criterion("difference", low=-d, high=d)], ["candidate", "control"]
                )
            )
        ).criteria[0]
        for d in (6.0, 0.05)
    )
    assert wide.planned is not None
    assert narrow.planned is not None
    assert wide.planned.reachable
    assert wide.planned.met_low == pytest.approx(-(wide.planned.met_high or 0))
    assert not narrow.planned.reachable
    assert [note.code for note in narrow.notes] == ["not_reachable"]


def test_days_that_resemble_each_other_too_much_foretell_nothing() -> None:
    given = reporting_only("equivalence", [criterion("difference", low=-6, high=6)], ["candidate", "control"])
    step = np.repeat(np.r_[np.zeros(9), np.ones(10), np.zeros(9)], 24)
    streams = [series("candidate-1", values(3) + step), series("control-1", values(3), role="control")]
    found = one(outlook(replace(given, streams=streams)))
    assert [note.code for note in found.notes] == ["too_few_effective_days"]
    assert "wait for more of them" in sentence_of(found.notes[0])


def crossover(block_days: int) -> TrialInputs:
    plan = protocol(
        endpoint(
            "crossover",
            [criterion("effect", high=-1.0)],
            arms=["candidate"],
            schedule=[
                {
                    "start": (START + (40 + block_days * n) * DAY).isoformat(),
                    "end": (START + (40 + block_days * (n + 1)) * DAY).isoformat(),
                    "on": n % 2 == 0,
                }
                for n in range(int(30 / block_days) // 2 * 2)
            ],
        ),
        periods=ONLY,
    )
    return inputs(plan, [series("candidate-1", values(3))], now=START + 28 * DAY)


def test_a_crossover_is_foretold_from_its_schedule_laid_over_the_days_so_far() -> None:
    found = one(outlook(crossover(2)))
    days = values(3).reshape(28, 24).mean(axis=1)
    differences = [days[at : at + 2].mean() - days[at + 2 : at + 4].mean() for at in range(25)]
    basis = Basis(float(np.sqrt(np.mean(np.square(differences)))), pair_days=4.0)
    assert found.criteria[0].planned is not None
    assert found.criteria[0].planned.half_width == pytest.approx(half_width(basis=basis, days=30, level=0.95))
    assert [note.code for note in one(outlook(crossover(5))).notes] == ["too_few_pairs"]


def test_a_schedule_that_follows_the_week_has_a_warning_before_it_is_locked() -> None:
    """Six weeks, on for the last three days of each; then the same blocks in two orders."""
    given = crossover(2)
    (made,) = given.protocol.endpoints

    def noted(first_on: list[bool]) -> list[str]:
        weeks = [START + (40 + 7 * n) * DAY for n in range(len(first_on))]
        blocks = [
            Block(start=begin, end=end, on=on)
            for week, first in zip(weeks, first_on, strict=True)
            for begin, end, on in (
                (week, week + 4 * DAY, first),
                (week + 4 * DAY, week + 7 * DAY, not first),
            )
        ]
        planned = given.protocol.model_copy(
            update={"endpoints": [made.model_copy(update={"schedule": blocks})]}
        )
        return [note.code for _, _, note in outlook(replace(given, protocol=planned)).warnings()]

    assert "weekdays_planned_apart" in noted([False] * 6)
    assert "weekdays_planned_apart" not in noted([False, True] * 3)


@pytest.mark.parametrize("design", NOT_FORETOLD)
def test_a_design_that_cannot_be_foretold_says_why(design: str) -> None:
    arms = list(DESIGNS[design].arms)
    statistic = next(iter(DESIGNS[design].statistics))
    plan = protocol(endpoint(design, [criterion(statistic, high=1.0)], arms=arms), periods=BOTH)
    found = one(outlook(inputs(plan, [series(f"{arm}-1", values(1), role=arm) for arm in arms])))
    assert [note.code for note in found.notes] == [design]
    assert sentence_of(found.notes[0]).startswith("Not known: ")
    assert found.criteria[0].planned is None


def test_every_design_is_either_foretold_or_says_why_not() -> None:
    told = {
        "reference_collocation",
        "replicates",
        "before_after",
        "control_sites",
        "equivalence",
        "limit_compliance",
        "crossover",
    }
    assert set(DESIGNS) == told | set(NOT_FORETOLD)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        (np.full(28 * 24, 21.0), "constant_series"),
        (values(1)[: 13 * 24], "too_few_days"),
        (np.full(28 * 24, np.nan), "too_few_days"),
        (np.empty(0), "too_few_days"),
    ],
    ids=["constant", "thirteen days", "nothing usable", "nothing"],
)
@pytest.mark.parametrize("design", ["before_after", "limit_compliance"])
def test_a_baseline_that_says_nothing_is_told_and_no_number_is_made_up(
    design: str, results: world.Floats, code: str
) -> None:
    statistic = "effect" if design == "before_after" else "mean"
    parameters = {} if design == "before_after" else {"u_meas": 1.0}
    made = endpoint(design, [criterion(statistic, high=50.0)], arms=["candidate"], parameters=parameters)
    found = one(
        outlook(inputs(protocol(made, periods=BOTH), [series("candidate-1", results)], now=START + 28 * DAY))
    )
    assert [note.code for note in found.notes] == [code]
    assert found.criteria[0].planned is None
    assert sentence_of(found.notes[0])


def test_an_endpoint_without_its_arm_or_uncertainty_is_told_to_be_incomplete() -> None:
    lonely = protocol(
        endpoint("control_sites", [criterion("effect", high=-2.0)], arms=["candidate"]), periods=BOTH
    )
    unsure = protocol(
        endpoint("limit_compliance", [criterion("mean", high=50)], arms=["candidate"]), periods=BOTH
    )
    for plan, code in ((lonely, "incomplete"), (unsure, "u_meas_missing")):
        found = one(outlook(inputs(plan, [series("candidate-1", values(1))], now=START + 28 * DAY)))
        assert [note.code for note in found.notes] == [code]


def test_of_a_blinded_endpoint_widths_are_told_and_nothing_of_its_value() -> None:
    wanted = [criterion("mean", high=45.0)]
    given = reporting_only(
        "limit_compliance", wanted, ["candidate"], parameters={"u_meas": 0.8}, blinded=True
    )
    open_ = one(
        outlook(replace(given, unblinded=[Unblinding("main", given.now, "judge", "The end.")]))
    ).criteria[0]
    closed = one(outlook(given)).criteria[0]
    assert (closed.assumed, closed.days_needed) == (None, None)
    assert [note.code for note in closed.notes] == ["blinded"]
    assert [row.decided for row in closed.lengths] == [None] * 4
    assert [row.half_width for row in closed.lengths] == [row.half_width for row in open_.lengths]
    other = replace(given, streams=[series("candidate-1", values(3) + 17.0)])
    for moved, row in zip(one(outlook(other)).criteria[0].lengths, closed.lengths, strict=True):
        assert moved.half_width == pytest.approx(row.half_width, rel=1e-9)
        assert (moved.met_high is None) == (row.met_high is None)
        assert (moved.met_high or 0) == pytest.approx(row.met_high or 0, rel=1e-9)
    hidden = reporting_only(
        "reference_collocation", [criterion("rmse", high=7.0)], ["candidate", "reference"], blinded=True
    )
    assert [row.half_width for row in one(outlook(hidden)).criteria[0].lengths] == [None] * 4


def test_secondary_endpoints_are_foretold_at_the_level_they_may_be_judged_at() -> None:
    first = endpoint("before_after", [criterion("effect", high=-2.0)], arms=["candidate"])
    others = [first | {"name": name, "rank": "secondary", "title": TEXT} for name in ("second", "third")]
    found = outlook(
        inputs(
            protocol(first, *others, periods=BOTH), [series("candidate-1", values(1))], now=START + 28 * DAY
        )
    )
    assert [endpoint_.level for endpoint_ in found.endpoints] == pytest.approx([0.95, 0.975, 0.975])


def test_days_that_a_filter_leaves_out_do_not_count_in_a_planned_length_either() -> None:
    given = before_after(filter={"weekdays": ["mon", "tue", "wed", "thu", "fri"]})
    found = one(outlook(given))
    assert found.days == 20
    assert found.criteria[0].planned is not None
    assert found.criteria[0].planned.counted in (21, 22, 23)
    short = before_after(
        filter={"weekdays": ["mon", "tue", "wed"]},
        periods=[period("baseline", 0, 28), period("reporting", 28, 56)],
    )
    assert [note.code for note in one(outlook(short)).notes] == ["too_few_days"]


def test_a_reporting_period_too_short_to_be_evaluated_is_a_warning() -> None:
    given = before_after(periods=[period("baseline", 0, 28), period("reporting", 28, 38)])
    (warned,) = outlook(given).warnings()
    assert sentence_of(warned[2]) == "10 days are planned; 10 of them will count, and at least 14 are needed."


def test_what_is_looked_at_ends_now_or_with_the_baseline_and_never_reaches_the_reporting_period() -> None:
    plan, alone = protocol_with(BOTH), protocol_with(ONLY)
    assert seen_period(plan, START + 20 * DAY) == (START, START + 20 * DAY)
    assert seen_period(plan, START + 50 * DAY) == (START, START + 28 * DAY)
    # 10 April 01:00 in summer time, and 90 days before it 10 January 01:00 in winter time: an hour more.
    assert seen_period(alone, START + 50 * DAY) == (START - 50 * DAY + timedelta(hours=1), START + 40 * DAY)
    assert seen_period(plan, START - 9 * DAY) == (START, START + timedelta(hours=1)), (
        "nothing yet, but a span"
    )


def protocol_with(periods: list[dict[str, Any]]) -> Any:
    return protocol(
        endpoint("limit_compliance", [criterion("mean", high=1)], arms=["candidate"]), periods=periods
    )


def test_a_package_foretells_without_a_database_what_its_inputs_do(tmp_path: Path) -> None:
    from trials.workflow.drafts import outlook_of_package

    given = replace(before_after(), now=START + 60 * DAY)
    write_tables(tmp_path, given, protocol=world.protocol_text(given.protocol), evaluation="{}", flags=[])
    assert outlook_of_package(tmp_path) == outlook(given)
    other = given.protocol.model_copy(update={"confidence": 0.99})
    assert one(outlook_of_package(tmp_path, other)).level == pytest.approx(0.99)
