"""Warns where a decided verdict holds for the mean of a period and not for one of its ends. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from insitu.model import Verdict
from trials.designs import Answer, Known
from trials.designs.question import Trend, at_any_level
from trials.designs.trends import TREND_TURNS
from trials.judge.verdicts import DECIDED, verdict_of
from trials.plan.endpoint import Endpoint
from trials.statement import Statement


def trend_findings(endpoint: Endpoint, answer: Answer, level: float, verdict: Verdict) -> Iterator[Statement]:
    """One for each trend that reaches across a bound. None where nothing is decided."""
    known = {one.statistic: one for one in answer.statistics}
    if verdict not in DECIDED:
        return
    for trend in answer.trends:
        named = [one.statistic for one in endpoint.criteria if one.statistic in trend.values]
        if any(_verdict_at(endpoint, known, trend, end, level) is not verdict for end in (0, 1)):
            begin, end = trend.values[named[0]]
            yield TREND_TURNS.state(
                period=trend.period, statistic=named[0], slope=trend.slope, begin=begin, end=end
            )


def _verdict_at(endpoint: Endpoint, known: dict[str, Known], trend: Trend, end: int, level: float) -> Verdict:
    """The verdict on the values that the trend has at an end, as if they were known exactly; other statistics
    as they are.
    """
    moved = {
        name: replace(known[name], value=values[end], interval=at_any_level((values[end], values[end])))
        for name, values in trend.values.items()
        if name in known
    }
    return verdict_of(endpoint, known | moved, level, blocked=False)[1]
