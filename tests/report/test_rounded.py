"""Numbers in the sentences of the command line are rounded for people."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trials.world import criterion, cycle, endpoint, inputs, noise, period, protocol, series
from trials.evaluation import Estimate
from trials.judge.compute import compute
from trials.report.labels import COUNT_WORDS, counted
from trials.report.sentence import rounded, sentence_of, sentences
from trials.report.texts import summary
from trials.report.writer import Writer
from trials.statement import Kind, Sentence, Value

ALL = [one for kind in Kind for one in sentences(kind)]
NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
AWKWARD = [100 / 3, -2e-7 / 3, 1e7 / 7, 1.2345678901e120, 0.1 + 0.2, 12345.678901, 2.0]


def digits(text: str) -> int:
    """Significant digits of a number as it is written."""
    return len(text.lower().partition("e")[0].lstrip("+-").replace(",", "").replace(".", "").strip("0")) or 1


def test_the_digits_of_a_written_number_are_counted_by_hand() -> None:
    assert [digits(text) for text in ("0.3000", "12,350", "1.234e+120", "-0.00001", "5", "0")] == [
        1,
        4,
        4,
        1,
        1,
        1,
    ]


@pytest.mark.parametrize("value", AWKWARD)
def test_no_sentence_prints_more_than_six_significant_digits(value: float) -> None:
    """Every piece of evidence that is no time, as if it were a number."""
    for sentence in ALL:
        print_shortly(sentence, value)


def print_shortly(sentence: Sentence, value: float) -> None:
    names = re.findall(r"\{(\w+)\}", sentence.text)
    evidence: dict[str, Value] = {
        name: "2026-05-09T10:05:00+02:00" if name.endswith("_at") else value for name in names
    }
    said = sentence_of(sentence.state(**evidence))
    plain = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "", said)
    assert "{" not in said
    assert [number for number in NUMBER.findall(plain) if digits(number) > 6] == [], said
    if any(name.endswith("_at") for name in names):
        assert "2026-05-09 08:05 UTC" in said


@given(st.floats(-1e300, 1e300))
def test_a_rounded_number_is_right_to_four_digits_and_reads_back(value: float) -> None:
    text = rounded(value)
    assert digits(text) <= 4
    assert float(text) == pytest.approx(value, rel=6e-4, abs=1e-300)
    assert ("e" in text) == bool(float(text) and not 1e-5 <= abs(float(text)) < 1e9)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.30000000000000004, "0.3"),
        (12345.6, "12350"),
        (-2.0, "-2"),
        (0.0, "0"),
        (3e-9, "3e-09"),
        (2.5e12, "2.5e+12"),
    ],
)
def test_numbers_have_no_exponent_unless_they_are_very_large_or_small(value: float, text: str) -> None:
    assert rounded(value) == text


def test_whole_numbers_are_counts_and_stay_as_they_are() -> None:
    (sentence,) = (one for one in ALL if one.code == "results_added")
    assert "1234567 more results" in sentence_of(sentence.state(datastream="a/no2", added=1_234_567, late=0))


# -- what an estimate rests on


def collocation() -> str:
    """Three candidates beside a reference for 29 days, paired day by day."""
    rng = np.random.default_rng(1)
    reference = 30 + cycle(29 * 24) + noise(rng, 0.5, 29 * 24, 3.0)
    devices = [f"candidate-{number}" for number in (1, 2, 3)]
    made = endpoint(
        "reference_collocation", [criterion("rmse", high=7)], arms=["candidate", "reference"], grid="P1D"
    )
    plan = protocol(
        made, periods=[period("reporting", 0, 29)], devices={"candidate": devices}, time_zone="Etc/GMT-1"
    )
    streams = [series(device, reference + noise(rng, 0.3, 29 * 24, 1.0)) for device in devices]
    return summary(compute(inputs(plan, [*streams, series("reference-1", reference, role="reference")])))


def test_pairs_days_and_devices_are_told_apart() -> None:
    """29 days of three devices are 87 pairs, and not 87 days."""
    assert "87 pairs, 29 days, 3 candidate devices, 1 reference device" in collocation()


def estimate(counts: dict[str, int] | None, by: str | None = None) -> Estimate:
    return Estimate(
        statistic="rmse",
        value=1,
        low=0,
        high=2,
        level=0.95,
        unit="1",
        method="m",
        n=87,
        counts=counts,
        inference_by=by,
    )


@pytest.mark.parametrize(
    ("counts", "by", "told"),
    [
        ({"pairs": 87, "days": 29}, "day", "87 pairs, 29 days (inference by day)"),
        ({"days": 52}, "week", "52 weeks (inference by week)"),
        ({"days": 1}, "month", "1 month (inference by month)"),
        (
            {"baseline_days": 26, "reporting_days": 1},
            "week",
            "26 baseline values, 1 reporting value (inference by week)",
        ),
        ({"days": 15}, "sample", "15 samples (inference by sample, declared independent)"),
        ({"block_pairs": 8}, "block_pair", "8 pairs of blocks (inference by pair of blocks)"),
        (None, "year", "87 (inference by year)"),
    ],
)
def test_beside_its_interval_an_estimate_names_what_it_infers_by(
    counts: dict[str, int] | None, by: str, told: str
) -> None:
    assert counted(estimate(counts, by)) == told


def test_counts_are_written_in_order_and_an_older_document_has_its_number() -> None:
    assert counted(estimate(None)) == "87"
    assert (
        counted(estimate({"candidate_devices": 1, "days": 29, "pairs": 87}))
        == "87 pairs, 29 days, 1 candidate device"
    )
    assert counted(estimate({"weeks": 4, "days": 1})) == "1 day, 4 weeks"
    every = counted(estimate(dict.fromkeys(COUNT_WORDS, 2)))
    assert every.count(",") == len(COUNT_WORDS) - 1


# -- in a report


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (0.99839, 0.99731, 0.99908, "0.9984 [0.9973 ; 0.9991]"),
        (1.0028, 0.9909, 1.0147, "1.003 [0.991 ; 1.015]"),
        (0.2391, 0.2009, 0.2847, "0.239 [0.201 ; 0.285]"),
        (-11.1, -13.44, -8.829, "−11.1 [−13.4 ; −8.8]"),
        (64.79, 62.33, 67.24, "64.8 [62.3 ; 67.2]"),
        (1.0, 1.0, 1.0, "1 no sampling error"),
        (1.0, 0.9998, 1.0, "1.00000 [0.99980 ; 1.00000]"),
        (-66.6, -74.0, -59.1, "−66.6 [−74.0 ; −59.1]"),
    ],
)
def test_an_interval_that_has_a_width_shows_it(value: float, low: float, high: float, shown: str) -> None:
    plan = protocol(
        endpoint("limit_compliance", [criterion("mean", high=40)], arms=["candidate"]),
        periods=[period("reporting", 0, 20)],
    )
    w = Writer(compute(inputs(plan, [])), "en")
    found = Estimate(
        statistic="r2", value=value, low=low, high=high, level=0.95, unit="1", method="day_mean", n=89
    )
    assert f"{w.near(value, found)} {w.interval(found)}" == shown


@given(st.floats(0.5, 100.0), st.floats(-7, 1))
def test_both_ends_of_any_interval_are_apart(value: float, size: float) -> None:
    width = 10**size
    found = Estimate(
        statistic="r2", value=value, low=value - width, high=value, level=0.95, unit="1", method="x", n=9
    )
    plan = protocol(
        endpoint("limit_compliance", [criterion("mean", high=40)], arms=["candidate"]),
        periods=[period("reporting", 0, 20)],
    )
    low, high = Writer(compute(inputs(plan, [])), "en").interval(found).strip("[]").split(" ; ")
    assert low != high
