"""Finds deviations from the plan: protocol against catalogue, observations, checks, looks and evaluations.
Pure.

`trials.sentences` has the codes and their sentences; docs/protocol.md explains each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from insitu.arrays import Ints
from insitu.model import PeriodName
from insitu.times import to_whole_second_us
from trials import quality
from trials.designs import DESIGNS
from trials.evaluation import LookSummary
from trials.judge.at_the_change import touched_at_the_change
from trials.judge.corrections import corrected_afterwards
from trials.judge.looks import is_missed
from trials.judge.versions import parsed, summaries
from trials.plan.parts import Arm
from trials.plan.protocol import Protocol
from trials.sentences import deviation
from trials.series.inputs import Placement, StreamInput, TrialInputs
from trials.statement import Evidence, Statement

DAY = timedelta(days=1)
GRACE = DAY
"""A device may come or go this long before or after a period begins or ends."""
OTHER_INTERVAL = 1.5
"""A median interval deviates if it is more than this many times the planned one, or less than the planned one
divided by this.
"""
NEARLY = 1.25
"""Times between results within this factor of the plan deviate in no way."""
ENOUGH_TIMES = 20
"""Results needed for a median interval."""


def deviations(inputs: TrialInputs, looks: Sequence[LookSummary]) -> list[Statement]:
    """All deviations, in a fixed order. `looks`: planned and made before the end."""
    found = [*_of_lock(inputs), *_of_unblinding(inputs), *_of_swaps_and_windows(inputs)]
    found += [*_of_versions(inputs), *_of_looks(inputs, looks), *_of_evaluation(inputs), *_of_devices(inputs)]
    found += _of_erasures(inputs)
    found += corrected_afterwards(inputs)
    found += touched_at_the_change(inputs)
    found += [
        one for stream in sorted(inputs.streams, key=lambda s: s.key()) for one in _of_stream(inputs, stream)
    ]
    return found


# -- lock, unblinding, amendments


def _minute(when: datetime) -> str:
    return when.isoformat(timespec="minutes")


def _of_lock(inputs: TrialInputs) -> Iterator[Statement]:
    """Judges the first version: a later one is an amendment."""
    first = inputs.versions[0] if inputs.versions else None
    locked_at = first.locked_at if first else inputs.locked_at
    reporting = (parsed(first) if first else inputs.protocol).period(PeriodName.REPORTING)
    if locked_at is None:
        yield deviation("not_locked")
    elif reporting is not None and locked_at >= reporting.start:
        yield deviation("locked_late", locked_at=_minute(locked_at))


def _of_unblinding(inputs: TrialInputs) -> Iterator[Statement]:
    reporting = inputs.protocol.period(PeriodName.REPORTING)
    for one in inputs.unblinded:
        if reporting is not None and one.at < reporting.end:
            yield deviation(
                "unblinded_early",
                endpoint=one.endpoint,
                unblinded_at=_minute(one.at),
                reason=one.reason,
            )


def _of_versions(inputs: TrialInputs) -> Iterator[Statement]:
    """Amendments locked after something could be known, judged by the plan of the version before."""
    if not inputs.versions:
        return
    changed = summaries(inputs.versions)
    for (before, after), summary in zip(pairwise(inputs.versions), changed[1:], strict=True):
        locked: Evidence = {"version": after.version, "locked_at": _minute(after.locked_at)}
        reporting = parsed(before).period(PeriodName.REPORTING)
        if reporting is not None and after.locked_at >= reporting.start:
            yield deviation("amended_during_reporting", **locked, fields=summary.changed)
        opened = [one for one in inputs.unblinded if one.at <= after.locked_at]
        if opened:
            yield deviation("amended_after_unblinding", **locked, endpoint=opened[0].endpoint)
        seen = [
            one.at
            for one in inputs.earlier
            if not one.blinded and reporting and reporting.start <= one.at <= after.locked_at
        ]
        if seen:  # an evaluation before the reporting period shows nothing
            yield deviation("amended_after_result", **locked, seen_at=_minute(seen[0]))


# -- looks and the evaluation


def _of_looks(inputs: TrialInputs, looks: Sequence[LookSummary]) -> Iterator[Statement]:
    for look in looks:
        if look.planned is None and look.made is not None:
            yield deviation("unplanned_look", looked_at=_minute(look.made))
        elif look.planned is not None and is_missed(look, inputs):
            yield deviation("look_not_made", planned_at=_minute(look.planned))


def _of_evaluation(inputs: TrialInputs) -> Iterator[Statement]:
    """Whether the first evaluation that was not a look came in time."""
    by = inputs.protocol.evaluate_by
    reporting = inputs.protocol.period(PeriodName.REPORTING)
    if by is None or reporting is None or inputs.now < reporting.end:
        return
    first = min([one.at for one in inputs.earlier if not one.interim] + [inputs.now])
    if first > by:
        yield deviation("evaluated_late", evaluated_at=_minute(first), planned_at=_minute(by))


# -- devices, swaps, windows


def swaps(inputs: TrialInputs) -> list[tuple[str, str, str]]:
    """(old, new, day) of devices that took over another's position within the trial."""
    ends: dict[tuple[str, str, object], str] = {}
    for stream in inputs.streams:
        for place in stream.placements:
            if place.end is not None:
                ends[place.site, place.position, place.end] = stream.device
    found = set()
    for stream in inputs.streams:
        for place in stream.placements:
            old = ends.get((place.site, place.position, place.start))
            if old is not None and old != stream.device:
                found.add((old, stream.device, _day(inputs, place.start)))
    return sorted(found)


def _of_swaps_and_windows(inputs: TrialInputs) -> Iterator[Statement]:
    for old, new, day in swaps(inputs):
        yield deviation("unplanned_swap", old=old, new=new, day=day)
    for window in inputs.windows:
        if window.declared_at > window.start:
            yield deviation("window_afterwards", kind=window.kind, target=window.target)
    deployed = {stream.device for stream in inputs.streams}
    for arm in inputs.protocol.arms:
        for device in arm.devices:
            if device not in deployed:
                yield deviation("device_not_deployed", device=device)


def _of_devices(inputs: TrialInputs) -> Iterator[Statement]:
    for arm in inputs.protocol.arms:
        sites = {arm.site, *_sites_of_filters(inputs.protocol, arm)}
        for device in arm.devices:
            own = sorted(
                {p for s in inputs.streams if s.device == device for p in s.placements}, key=lambda p: p.start
            )
            if own:
                yield from _of_places(inputs, device, arm.site, sites, own)
                yield from _of_stay(inputs, arm, device)


def _sites_of_filters(protocol: Protocol, arm: Arm) -> Iterator[str]:
    for endpoint in protocol.endpoints:
        if endpoint.filter is not None and arm.name in endpoint.arms.values():
            yield from endpoint.filter.sites or []


def _of_places(
    inputs: TrialInputs, device: str, planned: str, sites: set[str], places: Sequence[Placement]
) -> Iterator[Statement]:
    """Places that the protocol does not name, and moves from place to place, while the trial lasts."""
    first, last = min(p.start for p in inputs.protocol.periods), max(p.end for p in inputs.protocol.periods)
    during = [p for p in places if p.start < min(last, inputs.now) and (p.end is None or p.end > first)]
    for site in sorted({p.site for p in during} - sites):
        yield deviation("other_site", device=device, site=site, planned=planned)
    for before, after in pairwise(during):
        if (before.site, before.position) != (after.site, after.position) and after.start > first:
            where = {"from": _where(before), "to": _where(after), "day": _day(inputs, after.start)}
            yield deviation("device_moved", device=device, **where)


def _where(place: Placement) -> str:
    return f"{place.site}/{place.position}"


def _day(inputs: TrialInputs, when: datetime) -> str:
    """The local date; rules 1 take the date of the offset in which the time is written."""
    zone = ZoneInfo(inputs.protocol.time_zone)
    return (when.astimezone(zone) if inputs.rules.local_grid else when).date().isoformat()


def _of_stay(inputs: TrialInputs, arm: Arm, device: str) -> Iterator[Statement]:
    """Whether the device, or its replacement, was there from the beginning to the end of each period that its
    endpoints need.
    """
    designs = [
        DESIGNS[e.design]
        for e in inputs.protocol.endpoints
        if arm.name in e.arms.values() and e.design in DESIGNS
    ]
    needed = {name for design in designs for name in design.periods}
    for period in inputs.protocol.periods:
        end = min(period.end, inputs.now)
        if period.name not in needed or end - period.start <= 2 * GRACE:
            continue
        there = [
            p for p in inputs.places_of(device) if p.start < end and (p.end is None or p.end > period.start)
        ]
        of: Evidence = {"device": device, "period": str(period.name)}
        if not there:
            yield deviation("device_absent", **of)
            continue
        if there[0].start - period.start > GRACE:
            yield deviation("deployed_late", **of, day=_day(inputs, there[0].start))
        ends = [p.end for p in there if p.end is not None]
        if len(ends) == len(there) and end - max(ends) > GRACE:
            yield deviation("removed_early", **of, day=_day(inputs, max(ends)))


# -- datastreams


def _of_erasures(inputs: TrialInputs) -> Iterator[Statement]:
    """Erased results that may have been measured in a period of the plan."""
    for one in inputs.erasures:
        if any(
            (one.start is None or one.start < period.end) and (one.end is None or one.end > period.start)
            for period in inputs.protocol.periods
        ):
            yield deviation(
                "results_erased",
                number=one.erasure_id,
                erased_at=_minute(one.erased_at),
                erased=one.results,
                device=one.device,
                reason=one.reason,
            )


def _of_stream(inputs: TrialInputs, stream: StreamInput) -> Iterator[Statement]:
    sites = [place.site for place in stream.placements]
    planned = (
        inputs.protocol.planned_checks(stream.property, stream.device, sites) if len(stream.time_us) else {}
    )
    for check in dict.fromkeys([*planned, *stream.checks]):
        if check not in stream.ran:
            yield deviation("check_not_run", check=check, datastream=stream.key())
    if stream.checked_with is not None and set(planned) <= set(stream.ran):
        wanted = quality.parameters_text(quality.plan(list(planned.items())))
        if stream.checked_with != wanted:
            yield deviation("other_parameters", datastream=stream.key())
    yield from _of_interval(inputs, stream)


def _of_interval(inputs: TrialInputs, stream: StreamInput) -> Iterator[Statement]:
    """The median time between results of a device of an arm, against the plan."""
    arm = next((arm for arm in inputs.protocol.arms if stream.device in arm.devices), None)
    measured = [
        m
        for m in inputs.protocol.measurements
        if arm and m.property == stream.property and arm.name in m.arms
    ]
    if not measured:
        return
    steps = []
    for period in inputs.protocol.periods:
        inside = (stream.time_us >= to_whole_second_us(period.start)) & (
            stream.time_us < to_whole_second_us(period.end)
        )
        steps.append(np.diff(stream.time_us[inside]))
    every = np.concatenate(steps)
    planned_s = measured[0].interval.about_s()
    if len(every) < ENOUGH_TIMES or mostly_planned(every, planned_s):
        return
    found_s = float(np.median(every)) / 1e6
    if found_s > OTHER_INTERVAL * planned_s or found_s * OTHER_INTERVAL < planned_s:
        yield deviation("other_interval", datastream=stream.key(), measured_s=found_s, planned_s=planned_s)


def mostly_planned(every: Ints, planned_s: float) -> bool:
    """Whether more than half of the times between results lie so near the plan that their median does too:
    counting them costs a hundredth of a median of many that are alike.
    """
    planned_us = 1e6 * planned_s
    near = (every > planned_us / NEARLY) & (every < planned_us * NEARLY)
    return bool(2 * np.count_nonzero(near) > len(every))
