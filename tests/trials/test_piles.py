"""One exact value that a continuous quantity has far too often: worlds written with NumPy and SciPy alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm

from insitu.arrays import Floats
from insitu.model import Verdict
from tests.trials.world import criterion, endpoint, inputs, period, protocol, series
from trials.evaluation import EndpointResult, Evaluation
from trials.judge.compute import compute
from trials.plan.rules import Rules
from trials.quality import piles
from trials.quality.piles import Pile, find_piles

HOURS = 24 * 60


def ar(rng: np.random.Generator, phi: float) -> Floats:
    steps = rng.normal(0, np.sqrt(1 - phi**2), HOURS)
    steps[0] = rng.normal()
    made: Floats = lfilter([1.0], [1.0, -phi], steps)
    return made


def air(rng: np.random.Generator, shape: str = "normal", phi: float = 0.8) -> Floats:
    x, day = ar(rng, phi), np.sin(2 * np.pi * np.arange(HOURS) / 24)
    made: Floats = {
        "normal": 20 + 4 * x,
        "lognormal": 20 * np.exp(0.6 * x - 0.18),
        "exponential": -8 * norm.logsf(x),
        "uniform": 40 * norm.cdf(x),
        "cycle": 20 + x + 6 * day,
        "rhythm": 20 + 6 * day + 0.05 * x,
    }[shape]
    return made


def rounded(values: Floats, step: float | None) -> Floats:
    return values if step is None else np.round(np.round(values / step) * step, 6)


@pytest.mark.parametrize("shape", ["normal", "lognormal", "exponential", "uniform", "cycle", "rhythm"])
def test_no_pile_is_seen_where_there_is_none(shape: str) -> None:
    """Also in slow air, where values repeat, and in the coarse steps of a cheap device."""
    for seed in range(3):
        for phi in (0.0, 0.8, 0.98):
            for step in (None, 0.01, 0.1, 1.0):
                values = rounded(air(np.random.default_rng([seed, round(100 * phi)]), shape, phi), step)
                assert find_piles(values, rests=False) == []


def test_the_look_that_spares_sorting_millions_of_results_misses_no_pile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    series, found = [], 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        values = rounded(rng.normal([0, 20, 1000][seed % 3], [0.3, 3, 50][seed // 3 % 3], 20 + seed), 0.1)
        there = rng.random(len(values)) < [0.0, 0.01, 0.1][seed // 9 % 3]
        series.append(np.where(there, rng.choice([0.0, 255.0, -9999.0, values.min()]), values))
    usual = [[find_piles(one, rests=rests) for rests in (False, True)] for one in series]
    monkeypatch.setattr(piles, "_may_pile", lambda _: True)
    for one, piled in zip(series, usual, strict=True):
        assert piled == [find_piles(one, rests=rests) for rests in (False, True)]
        found += bool(piled[0])
    assert 20 < found < 100


@pytest.mark.parametrize("shape", ["normal", "lognormal"])
@pytest.mark.parametrize("share", [0.05, 0.2])
def test_a_range_that_ends_and_values_set_to_zero_are_seen_with_their_number(
    shape: str, share: float
) -> None:
    for seed in range(10):
        values = air(np.random.default_rng(seed), shape)
        top = round(float(np.quantile(values, 1 - share)), 1)
        stopped = rounded(np.minimum(values, top), 0.1)
        assert find_piles(stopped, rests=False) == [Pile(top, Counter(stopped.tolist())[top], "highest")]
        cut = rounded(np.maximum(values - np.quantile(values, share), 0.0), 0.1)
        assert find_piles(cut, rests=False) == [Pile(0.0, Counter(cut.tolist())[0.0], "zero")]
        assert find_piles(cut, rests=True) == [], "power, light and rain rest at 0"


@pytest.mark.parametrize("code", [-9999.0, 65535.0, 850.0, 85.0, -127.0, 99.9])
def test_a_code_for_an_error_is_seen_also_with_a_real_zero(code: float) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        values = rounded(air(rng), 0.1)
        lost = rng.random(HOURS) < 0.01
        values[lost] = code
        for rests in (False, True):
            assert find_piles(values, rests=rests) == [Pile(code, int(lost.sum()), "apart")]


def test_a_state_and_a_single_long_stay_at_the_peak_are_no_piles() -> None:
    rng = np.random.default_rng(1)
    assert find_piles(rng.integers(0, 14, HOURS).clip(0, 3).astype(float), rests=False) == []
    peak = rounded(air(rng), 0.1)
    peak[700:760] = peak.max() + 0.1
    assert find_piles(peak, rests=False) == []


# -- in an evaluation


def evaluated(
    values: Floats, *, unit: str = "ug/m3", rules: int = 6, codes: list[float] | None = None
) -> Evaluation:
    """At most 20 on average, by one device that sends every hour."""
    plan = protocol(
        endpoint(
            "limit_compliance",
            [criterion("mean", high=20.0)],
            arms=["candidate"],
            unit=unit,
            parameters={"u_meas": 0},
        ),
        periods=[period("reporting", 0, 60)],
    )
    stream = series("candidate-1", values, unit=unit)
    if codes:
        stream = replace(stream, flag=np.where(np.isin(values, codes), np.int8(4), stream.flag))
    return compute(replace(inputs(plan, [stream]), rules=Rules(rules)))


def the(evaluation: Evaluation) -> EndpointResult:
    (one,) = evaluation.endpoints
    return one


def said(evaluation: Evaluation) -> set[str]:
    return {one.code for one in the(evaluation).findings}


def test_a_limit_is_not_met_by_readings_that_stop_below_the_truth() -> None:
    """The truth is 21; the device stops at 21.5, nearly half of the time."""
    turned = 0
    for seed in range(4):
        truth = 21 + (air(np.random.default_rng(seed), phi=0.3) - 20)
        values = rounded(np.minimum(truth, 21.5), 0.1)
        old, new = evaluated(values, rules=5), evaluated(values)
        assert said(old) & {"values_pile", "pile_turns"} == set()
        assert old.cautions is None
        assert "values_pile" in said(new)
        assert new.cautions is not None
        assert new.cautions[0].code == "values_pile"
        assert (
            f"{Counter(values.tolist())[21.5]} of 1440 results of candidate-1 in the reporting period are"
            in new.cautions[0].text.en
        )
        assert new.verdict is not Verdict.MET
        turned += old.verdict is Verdict.MET
        numbers = [[c.estimate for c in the(one).criteria] for one in (old, new)]
        assert numbers[0] == numbers[1], "no number changes"
    assert turned >= 3


def test_a_code_makes_a_verdict_open_that_turns_without_it_and_a_check_keeps_it_out() -> None:
    rng = np.random.default_rng(3)
    values = rounded(air(rng, phi=0.3) + 1, 0.1)
    values[rng.random(HOURS) < 0.02] = -127.0
    (with_codes, without) = (evaluated(values), evaluated(values, codes=[-127.0]))
    assert said(with_codes) >= {"values_pile", "pile_turns"}
    assert with_codes.verdict is Verdict.INCONCLUSIVE
    assert said(without) & {"values_pile", "pile_turns"} == set()
    other = [one for one in the(with_codes).sensitivity if one.name == "piles_otherwise"]
    assert [one.estimate for one in other] == [one.estimate for one in the(without).criteria]


def test_a_pile_that_changes_nothing_leaves_the_verdict_as_it_is() -> None:
    values = rounded(np.minimum(air(np.random.default_rng(4), phi=0.3) - 8, 18.0), 0.1)
    found = evaluated(values)
    assert found.verdict is Verdict.MET
    assert "pile_turns" not in said(found)
    assert "values_pile" in said(found)
    assert found.cautions


def test_power_rests_at_zero_and_is_not_asked() -> None:
    values = rounded(np.maximum(air(np.random.default_rng(5)) - 18, 0.0), 0.1)
    assert "values_pile" in said(evaluated(values))
    assert "values_pile" not in said(evaluated(values, unit="W"))
