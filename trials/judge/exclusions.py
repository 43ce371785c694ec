"""Intervals that the protocol leaves out: those that a planned rule ties to a window or a swap. Pure.

A window that was declared after it had begun leaves nothing out: otherwise a bad day could be declared away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from insitu.arrays import Bools
from trials.evaluation import EndpointResult
from trials.judge.verdicts import DECIDED
from trials.plan.endpoint import Endpoint
from trials.plan.parts import ExclusionRule
from trials.sentences import finding
from trials.series.aggregate import within
from trials.series.inputs import TrialInputs, WindowInput
from trials.series.slots import Calendar
from trials.statement import Sentence, Statement

EXCLUSIONS_TURN: Final = Sentence(
    "exclusions_turn",
    "warning",
    "With the {intervals} planned intervals that were left out for events, the verdict would be "
    "“{verdict_left_in}”. Ask whether each event was what its window says, and who declared it.",
)
Stretch = tuple[datetime, datetime | None]


def left_out(inputs: TrialInputs, device: str, site: str) -> dict[str, list[Stretch]]:
    """Event → the stretches `[start, end)` of a device in which no result counts; end None for one that
    lasts.
    """
    rules = inputs.protocol.exclusion_rules
    windows = [one for one in inputs.windows if one.covers(device, [site]) and one.declared_at <= one.start]
    found: dict[str, list[Stretch]] = {}
    for rule in rules:
        of_rule = _of_swaps(inputs, device, rule) if rule.event == "swap" else _of_windows(windows, rule)
        found.setdefault(str(rule.event), []).extend(of_rule)
    return {event: stretches for event, stretches in found.items() if stretches}


def _of_windows(windows: Sequence[WindowInput], rule: ExclusionRule) -> Iterator[Stretch]:
    for window in windows:
        if window.kind == rule.event:
            yield window.start, None if window.end is None else window.end + _settles(rule)


def _of_swaps(inputs: TrialInputs, device: str, rule: ExclusionRule) -> Iterator[Stretch]:
    """From each change of the device at its position."""
    for before, after in pairwise(inputs.places_of(device)):
        if (before.site, before.position) == (after.site, after.position):
            yield after.start, after.start + _settles(rule)


def _settles(rule: ExclusionRule) -> timedelta:
    return timedelta(0) if rule.settles is None else rule.settles.about


def slots_left_out(inputs: TrialInputs, device: str, site: str, calendar: Calendar) -> dict[str, Bools]:
    """Event → the slots in which no result counts."""
    return {
        event: within(stretches, calendar, by_half=True)
        for event, stretches in left_out(inputs, device, site).items()
    }


def exclusion_findings(inputs: TrialInputs, endpoint: Endpoint) -> Iterator[Statement]:
    """One for each arm, period and event of an endpoint."""
    for name in dict.fromkeys(endpoint.arms.values()):
        arm = inputs.protocol.arm(name)
        planned = inputs.protocol.interval_of(endpoint.property, name)
        for period in inputs.protocol.periods:
            calendar = Calendar.of(period.start, period.end, planned, inputs.protocol.time_zone, inputs.rules)
            counts: Counter[str] = Counter()
            for device in arm.devices:
                for event, slots in slots_left_out(inputs, device, arm.site, calendar).items():
                    counts[event] += int(slots.sum())
            for event, count in counts.items():
                if count:
                    yield finding(
                        "left_out_as_planned",
                        arm=name,
                        period=str(period.name),
                        event=event,
                        intervals=count,
                    )


# -- what they decide


def is_asked(inputs: TrialInputs, result: EndpointResult) -> bool:
    """Whether a decided verdict rests on what was left out. Rules 6."""
    left_out_any = any(one.code == "left_out_as_planned" for one in result.findings)
    return inputs.rules.ask_exclusions and left_out_any and result.verdict in DECIDED


def left_in(inputs: TrialInputs) -> TrialInputs:
    """The same inputs without rules that leave anything out."""
    return replace(inputs, protocol=inputs.protocol.model_copy(update={"exclusions": []}))


def beside_exclusions(result: EndpointResult, other: EndpointResult) -> EndpointResult:
    """The result, with a warning if `other`, in which nothing is left out, has another verdict."""
    if other.verdict is result.verdict:
        return result
    counts = [one.evidence["intervals"] for one in result.findings if one.code == "left_out_as_planned"]
    told = EXCLUSIONS_TURN.state(
        intervals=sum(count for count in counts if isinstance(count, int)), verdict_left_in=str(other.verdict)
    )
    return result.model_copy(update={"findings": [*result.findings, told]})
