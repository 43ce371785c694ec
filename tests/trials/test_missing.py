"""Missing intervals are part of the verdict: worlds whose data are missing because of their value."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from insitu.model import Verdict
from proving.coverage import bounds, missing
from tests.examples import examples
from tests.trials.world import (
    Floats,
    criterion,
    endpoint,
    inputs,
    noise,
    period,
    protocol,
    series,
    window,
)
from trials.evaluation import Evaluation
from trials.judge.completion import mirrored
from trials.judge.compute import compute
from trials.plan.reading import read_protocol
from trials.plan.rules import NEWEST, RULES_1, Rules
from trials.series.inputs import Placement, StreamInput

DAYS = 30
HOURS = 24 * DAYS
REPLICATIONS = 40
TWO = [period("baseline", 0, DAYS), period("reporting", DAYS, 2 * DAYS)]
PLAN = protocol(endpoint("before_after", [criterion("effect", high=0)], arms=["candidate"]), periods=TWO)


def evaluated(values: Floats, rules: int = NEWEST) -> Evaluation:
    return compute(replace(inputs(PLAN, [series("candidate-1", values)]), rules=Rules(rules)))


def silent(rng: np.random.Generator, phi: float, share: float) -> Floats:
    """Nothing happened; the device falls silent at its highest hours of the reporting period."""
    before, after = (20 + noise(rng, phi, HOURS, 4.0) for _ in range(2))
    after[after > np.quantile(after, 1 - share)] = np.nan
    return np.concatenate([before, after])


@pytest.mark.long
@pytest.mark.parametrize(
    "cell",
    [one for one in missing.cells() if one.share in (0.1, 0.15)][:: examples(quick=5, nightly=1)],
    ids=str,
)
def test_silence_because_of_the_value_makes_no_wrong_verdict(cell: missing.Silent) -> None:
    """Forty replications tell a tenth from 2.5 %; the nightly run has 2,000 of each."""
    assert bounds.of_results(missing.measure([cell], replications=40)) == []


@pytest.mark.parametrize(("phi", "share"), [(0.0, 0.1), (0.7, 0.15), (0.95, 0.05)])
def test_hours_lost_because_they_were_high_make_no_false_met(phi: float, share: float) -> None:
    """The whole evaluation; at most 2.5 % and three standard errors of the measurement."""
    found = [
        evaluated(silent(np.random.default_rng([n, int(100 * phi), int(100 * share)]), phi, share)).verdict
        for n in range(REPLICATIONS)
    ]
    assert found.count(Verdict.MET) / REPLICATIONS <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / REPLICATIONS)


def test_the_same_hours_were_met_by_rules_1_as_they_still_are() -> None:
    values = [silent(np.random.default_rng([n, 70, 15]), 0.7, 0.15) for n in range(20)]
    assert sum(evaluated(one, RULES_1).verdict is Verdict.MET for one in values) > 5
    codes = {f.code for one in values for f in evaluated(one, RULES_1).endpoints[0].findings}
    assert not any(code.startswith(("tipping", "missing_by")) for code in codes)


def lowered(rng: np.random.Generator, drop: float, share: float) -> Floats:
    values = 20 + noise(rng, 0.7, 2 * HOURS, 4.0)
    values[HOURS:] -= drop
    values[HOURS:][rng.random(HOURS) < share] = np.nan
    return values


def test_a_clear_effect_is_met_in_spite_of_random_loss_and_its_tipping_point_is_told() -> None:
    evaluation = evaluated(lowered(np.random.default_rng(3), 6.0, 0.1))
    assert evaluation.verdict is Verdict.MET
    told = [f for f in evaluation.endpoints[0].findings if f.code.startswith("tipping_")]
    assert [f.code for f in told] in (["tipping_point"], ["tipping_nowhere"], ["tipping_unseen"])
    assert evaluation.endpoints[0].missing is not None
    assert evaluation.endpoints[0].missing.worst_percentile == 95.0


def test_a_protocol_may_name_a_milder_worst_percentile_with_its_reason() -> None:
    milder = {"worst_percentile": 50, "reason": {"en": "The link fails at random.", "fr": "Au hasard."}}
    made = endpoint("before_after", [criterion("effect", high=0)], arms=["candidate"])
    plan = protocol(made, periods=TWO, missing_data=milder)
    assert plan.worst_percentile == 50
    many = [silent(np.random.default_rng([n, 70, 15]), 0.7, 0.15) for n in range(20)]
    verdicts = [compute(inputs(plan, [series("candidate-1", values)])).verdict for values in many]
    assert verdicts.count(Verdict.MET) > sum(evaluated(one).verdict is Verdict.MET for one in many)


def test_windows_that_were_declared_before_they_began_are_not_missing() -> None:
    values = lowered(np.random.default_rng(4), 6.0, 0.0)
    values[HOURS + 48 : HOURS + 96] = np.nan
    given = inputs(
        PLAN, [series("candidate-1", values)], windows=[window("candidate-1", HOURS + 48, HOURS + 96)]
    )
    assert not [f for f in compute(given).endpoints[0].findings if f.code.startswith("tipping_")]
    late = replace(given.windows[0], declared_at=given.now)
    found = compute(replace(given, windows=[late])).endpoints[0].findings
    assert [f.evidence["missing"] for f in found if f.code.startswith("tipping_")] == [48]


def test_silence_that_follows_high_levels_is_stated() -> None:
    found = evaluated(silent(np.random.default_rng(1), 0.7, 0.06)).endpoints[0].findings
    told = next(f for f in found if f.code == "missing_by_level")
    assert float(str(told.evidence["share"])) > 60


def test_silence_at_random_has_no_pattern() -> None:
    """Four tests at .95 each find something by chance in about a fifth of the trials."""
    found = [evaluated(lowered(np.random.default_rng(n), 6.0, 0.08)).endpoints[0].findings for n in range(40)]
    assert sum(any(f.code.startswith("missing_by") for f in one) for one in found) <= 16


def test_a_mirrored_tail_by_hand() -> None:
    """1 to 8 were seen and two more are missing above them: the median of ten is 6, the lowest two are 1.5
    on average, so the highest two are 10.5; by ratios 36/1.07 and 36/2.
    """
    seen = np.arange(1.0, 9.0)
    far = [one.mean() for one in mirrored(seen - 100, 2, 1.0, 0.0, skewed=True)]
    assert far == [pytest.approx(10.5 - 100)], "below 0 there are no ratios"
    plain, by_ratio = (one.mean() for one in mirrored(seen, 2, 1.0, 0.0, skewed=True))
    assert plain == pytest.approx(10.5)
    assert by_ratio == pytest.approx((36 / 1.07 + 36 / 2) / 2)
    assert len(mirrored(seen, 2, 1.0, 0.0, skewed=False)) == 1


def case() -> Path:
    for folder in (parent / "shared" / "cases" / "trials" for parent in Path(__file__).resolve().parents):
        if (folder / "night-loss" / "protocol.json").is_file():
            return folder / "night-loss"
    pytest.skip("the trials whose truth is known are not beside the repository")


def night() -> Evaluation:
    folder = case()

    def stream(name: str, role: str) -> StreamInput:
        with (folder / f"{name}.csv").open() as file:
            rows = list(csv.DictReader(file))
        times = [round(datetime.fromisoformat(row["time"]).timestamp() * 1e6) for row in rows]
        place = Placement("rue", name, datetime(2026, 1, 1, tzinfo=UTC), None)
        made = series(
            name, np.array([float(r["pm25"]) for r in rows]), property="pm25", role=role, placements=[place]
        )
        return replace(made, time_us=np.array(times, np.int64))

    plan = read_protocol(json.dumps(json.loads((folder / "protocol.json").read_text())))
    return compute(inputs(plan, [stream("cand", "candidate"), stream("ref", "reference")]))


def test_a_sensor_biased_at_night_whose_nights_are_lost_is_not_met() -> None:
    """Bias +6.5 beside a margin of ±6; without the nights 4.8."""
    evaluation = night()
    assert evaluation.verdict in (Verdict.INCONCLUSIVE, Verdict.NOT_MET)
    assert {"tipping_within_apart", "missing_by_hour"} <= {f.code for f in evaluation.endpoints[0].findings}
