"""Intervals that a design cannot be computed with are refused by `lock`, in a sentence that says what to
write; those that it can, are not.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.trials.world import criterion, endpoint, period, protocol_json
from trials.designs.planned_intervals import unusable_intervals
from trials.judge.looks import planned_days
from trials.plan.protocol import Protocol
from trials.plan.rules import Rules

COLLOCATION = {"design": "reference_collocation", "statistic": "slope", "arms": ["candidate", "reference"]}
LIMIT = {"design": "limit_compliance", "statistic": "mean", "arms": ["candidate"]}
CONTROL = {"design": "control_sites", "statistic": "effect", "arms": ["candidate", "control"]}


def problems(asked: dict[str, Any], intervals: list[str], **more: Any) -> list[str]:
    """Of a protocol whose arms have these intervals, in the order of `arms`."""
    made = endpoint(asked["design"], [criterion(asked["statistic"], 0, 1)], arms=asked["arms"], **more)
    document = protocol_json(made, periods=[period("baseline", 0, 90), period("reporting", 90, 180)])
    document["measurements"] = [
        {"property": "no2", "arms": [arm], "interval": interval}
        for arm, interval in zip(asked["arms"], intervals, strict=True)
    ]
    return list(unusable_intervals(Protocol.model_validate(document)))


@pytest.mark.parametrize(
    ("asked", "intervals", "more", "message"),
    [
        (LIMIT, ["PT5H"], {}, "measurements.0.interval: PT5H neither goes into a day"),
        (LIMIT, ["P1DT12H"], {}, "measurements.0.interval: P1DT12H neither goes into a day"),
        (LIMIT, ["P1D"], {"aggregation": "lden"}, "endpoints.main.aggregation: lden weighs the hours"),
        (LIMIT, ["PT3H"], {"aggregation": "ln"}, "endpoints.main.aggregation: ln weighs the hours"),
        (LIMIT, ["P1D"], {"aggregation": "max"}, "endpoints.main.aggregation: max is made of the intervals"),
        (
            LIMIT,
            ["P1M"],
            {"aggregation": {"name": "percentile", "q": 95}},
            "endpoints.main.aggregation: percentile is made of the intervals",
        ),
        (
            LIMIT,
            ["P1D"],
            {"filter": {"hours": ["07:00", "19:00"]}},
            "endpoints.main.filter.hours: an interval of P1D",
        ),
        (
            LIMIT,
            ["P7D"],
            {"filter": {"weekdays": ["mon"]}},
            "endpoints.main.filter.weekdays: an interval of P7D",
        ),
        (
            LIMIT,
            ["P1M"],
            {"filter": {"holidays": "only"}},
            "endpoints.main.filter.holidays: an interval of P1M",
        ),
        (
            COLLOCATION,
            ["PT1H", "P1D"],
            {},
            "endpoints.main.grid: PT1H is no whole number of the planned intervals",
        ),
        (COLLOCATION, ["PT1H", "P1M"], {"grid": "P30D"}, "endpoints.main.grid: P30D is no whole number"),
        (COLLOCATION, ["PT1H", "P7D"], {"grid": "P1M"}, "endpoints.main.grid: P1M is no whole number"),
        (COLLOCATION, ["PT40M", "PT1H"], {}, "endpoints.main.grid: PT1H is no whole number"),
        (CONTROL, ["PT1H", "P7D"], {}, "endpoints.main.arms: their intervals differ"),
        (
            {"design": "before_after", "statistic": "effect", "arms": ["candidate"]},
            ["P7D"],
            {"parameters": {"covariates": ["outdoor"]}},
            "endpoints.main.parameters.covariates: covariates are matched by day",
        ),
        (
            {"design": "crossover", "statistic": "effect", "arms": ["candidate"]},
            ["P1W"],
            {},
            "endpoints.main.design: the blocks of crossover",
        ),
    ],
)
def test_an_interval_that_a_design_cannot_use_is_refused(
    asked: dict[str, Any], intervals: list[str], more: dict[str, Any], message: str
) -> None:
    found = problems(asked, intervals, **more)
    assert len(found) == 1
    assert found[0].startswith(message)


@pytest.mark.parametrize(
    ("asked", "intervals", "more"),
    [
        (LIMIT, ["PT7M"], {}),
        (LIMIT, ["PT15M"], {"aggregation": "lden"}),
        (LIMIT, ["PT2H"], {"aggregation": "lden"}),
        (LIMIT, ["P1D"], {"filter": {"weekdays": ["mon"]}}),
        (LIMIT, ["P1M"], {}),
        (LIMIT, ["P1Y"], {"aggregation": "sum"}),
        (COLLOCATION, ["PT1H", "P1D"], {"grid": "P1D"}),
        (COLLOCATION, ["PT1H", "P1M"], {"grid": "P1M"}),
        (COLLOCATION, ["P1M", "P1M"], {"grid": "P1Y"}),
        (COLLOCATION, ["PT15M", "PT1H"], {}),
        (CONTROL, ["PT15M", "P1D"], {}),
        (CONTROL, ["P7D", "P1W"], {}),
    ],
)
def test_an_interval_that_a_design_can_use_is_not(
    asked: dict[str, Any], intervals: list[str], more: dict[str, Any]
) -> None:
    assert problems(asked, intervals, **more) == []


def test_a_look_counts_the_values_that_the_period_will_have() -> None:
    """Of 90 days, 12.9 weeks: the last, cut one is mostly inside."""
    made = endpoint("limit_compliance", [criterion("mean", high=1)], arms=["candidate"])
    for interval, expected in (("PT1H", 90), ("P1D", 90), ("P1W", 13), ("P1M", 3)):
        document = protocol_json(made, periods=[period("reporting", 0, 90)], time_zone="Etc/GMT-1")
        document["measurements"][0]["interval"] = interval
        plan = Protocol.model_validate(document)
        assert planned_days(plan, plan.endpoints[0], Rules()) == expected
