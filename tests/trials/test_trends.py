"""A verdict about a mean that holds at one end of the period only: worlds written with NumPy and SciPy
alone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from insitu.arrays import Floats
from insitu.model import Verdict
from tests.trials.world import criterion, endpoint, inputs, period, protocol, series
from trials.designs import Answer, ask
from trials.evaluation import Evaluation, document_of
from trials.judge.answers import judged
from trials.judge.cautions import WORDS, beside_the_verdict
from trials.judge.compute import compute
from trials.package.readme import readme
from trials.plan.rules import Rules
from trials.report.blocks import Banner
from trials.report.build import build
from trials.report.sentence import sentences
from trials.report.texts import summary
from trials.statement import Kind

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 60
HOURS = 24 * DAYS


def air(rng: np.random.Generator, phi: float = 0.8) -> Floats:
    """Around 0, with a daily rhythm; 3 % of the hours lost."""
    steps = rng.normal(0, np.sqrt(1 - phi**2), HOURS)
    steps[0] = rng.normal()
    made: Floats = 3 * lfilter([1.0], [1.0, -phi], steps) + 3 * np.sin(2 * np.pi * np.arange(HOURS) / 24)
    made[rng.random(HOURS) < 0.03] = np.nan
    return made


RISE = np.arange(HOURS) / HOURS
"""From 0 to 1."""


def asked(design: str, targets: dict[str, Any], arms: dict[str, dict[str, Floats]], **more: Any) -> Answer:
    start = {"baseline": FIRST - DAYS * 24 * HOUR, "reporting": FIRST}
    periods = {name for values in arms.values() for name in values}
    begin = {name: start[name] for name in periods}
    return ask(design, arms=arms, start=begin, interval=HOUR, bare=True, targets=targets, **more)


def worlds(rng: np.random.Generator, moves: float, phi: float = 0.8) -> dict[str, Answer]:
    """Each design with a clear verdict about the mean, and a trend of `moves` over the reporting period."""
    drift = moves * (RISE - 0.5)
    a, b, c, d = (air(rng, phi) for _ in range(4))
    level = 20 + 3 * np.sin(2 * np.pi * np.arange(HOURS) / 24)
    return {
        "limit": asked(
            "limit_compliance",
            {"mean": (None, 20)},
            {"candidate": {"reporting": 18.5 + a + drift}},
            parameters={"u_meas": 0},
        ),
        "equivalence": asked(
            "equivalence",
            {"difference": (-2, 2)},
            {"candidate": {"reporting": 20 + a + drift}, "control": {"reporting": 20 + b}},
        ),
        "control": asked(
            "control_sites",
            {"effect": (None, 0)},
            {
                "candidate": {"baseline": 20 + a, "reporting": 17 + b + drift},
                "control": {"baseline": 20 + c, "reporting": 20 + d},
            },
        ),
        "beside": asked(
            "reference_collocation",
            {"bias": (-1, 1)},
            {"candidate": {"reporting": level + a / 5 + drift / 2}, "reference": {"reporting": level}},
        ),
    }


def warned(answer: Answer) -> list[dict[str, Any]]:
    found = judged(answer, tell=False)
    return [one.evidence for one in found.findings if one.code == "trend_turns"]


def test_a_trend_across_the_bound_is_told_with_the_line_that_numpy_fits() -> None:
    counts = dict.fromkeys(worlds(np.random.default_rng(0), 0.0), 0)
    for seed in range(3):
        for name, answer in worlds(np.random.default_rng([seed, 1]), 8.0).items():
            if judged(answer, tell=False).verdict is not Verdict.MET:
                continue
            (one,) = warned(answer)
            counts[name] += 1
            assert one["end"] - one["begin"] == pytest.approx(one["slope"] * (DAYS - 1))
            assert one["begin"] < one["end"]
            assert one["end"] - one["begin"] == pytest.approx(4.0 if name == "beside" else 8.0, abs=4)
    assert min(counts.values()) >= 1, counts


def test_the_slope_is_that_of_least_squares_through_the_days() -> None:
    rng = np.random.default_rng(2)
    values = 18.5 + air(rng) + 8 * (RISE - 0.5)
    (one,) = warned(
        asked(
            "limit_compliance",
            {"mean": (None, 20)},
            {"candidate": {"reporting": values}},
            parameters={"u_meas": 0},
        )
    )
    of_days = np.nanmean(values.reshape(DAYS, 24), axis=1)
    slope, _ = np.polyfit(np.arange(DAYS), of_days, 1)
    middle = of_days.mean()
    assert one["slope"] == pytest.approx(slope)
    assert (one["begin"], one["end"]) == pytest.approx(
        (middle - slope * (DAYS - 1) / 2, middle + slope * (DAYS - 1) / 2)
    )


def test_air_without_a_trend_is_not_warned_of() -> None:
    found = [
        name
        for seed in range(2)
        for phi in (0.5, 0.9)
        for name, answer in worlds(np.random.default_rng([seed, round(10 * phi)]), 0.0, phi).items()
        if warned(answer)
    ]
    assert found == []


# -- in an evaluation


def evaluated(values: Floats, **more: Any) -> Evaluation:
    plan = protocol(
        endpoint(
            "limit_compliance",
            [criterion("mean", high=20.0)],
            arms=["candidate"],
            parameters={"u_meas": 0},
            **more,
        ),
        periods=[period("reporting", 0, DAYS)],
    )
    return compute(inputs(plan, [series("candidate-1", values)]))


def test_the_first_page_and_the_command_line_say_it_in_both_languages() -> None:
    values = 18.5 + air(np.random.default_rng(2)) + 8 * (RISE - 0.5)
    found = evaluated(values)
    assert found.verdict is Verdict.MET
    assert found.cautions is not None
    (caution,) = found.cautions
    (own,) = [one.evidence for one in found.endpoints[0].findings if one.code == "trend_turns"]
    begin, end = (f"{own[name]:.1f}" for name in ("begin", "end"))
    assert f"from {begin} to {end}" in caution.text.en
    assert f"de {begin.replace('.', ',')} à {end.replace('.', ',')}" in caution.text.fr
    for language in ("en", "fr"):
        first = build(document_of(found), language).blocks[0]
        assert isinstance(first, Banner)
        assert getattr(caution.text, language) in first.notes
    assert caution.text.en in summary(found).splitlines()[1]
    assert beside_the_verdict(found) == [caution.text]
    assert caution.text.en in readme(found, "a" * 64)
    assert caution.text.fr in readme(found, "a" * 64)
    assert Evaluation.model_validate(document_of(found)).cautions == found.cautions


def test_neither_an_exploratory_endpoint_nor_one_that_is_blinded_stands_beside_the_verdict() -> None:
    values = 18.5 + air(np.random.default_rng(2)) + 8 * (RISE - 0.5)
    assert evaluated(values, blinded=True).cautions is None


def test_before_rules_6_a_trend_was_a_note() -> None:
    plan = protocol(
        endpoint(
            "limit_compliance", [criterion("mean", high=20.0)], arms=["candidate"], parameters={"u_meas": 0}
        ),
        periods=[period("reporting", 0, DAYS)],
    )
    values = 18.5 + air(np.random.default_rng(2)) + 8 * (RISE - 0.5)
    old = compute(replace(inputs(plan, [series("candidate-1", values)]), rules=Rules(5)))
    assert old.cautions is None
    assert old.verdict is Verdict.MET
    assert {"trend_in_period"} <= {one.code for one in old.endpoints[0].findings}


def test_every_sentence_beside_the_verdict_says_no_more_than_its_finding_knows() -> None:
    """The names in its holes are those of the finding, and of the title; both languages have the same."""
    of_findings = {one.code: _holes(one.text) | {"title"} for one in sentences(Kind.FINDING)}
    for code, (english, french) in WORDS.items():
        assert _holes(english) <= of_findings[code], code
        assert _holes(english) == _holes(french), code


def _holes(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
