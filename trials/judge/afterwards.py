"""Finds that a protocol was locked or changed when results could be known, and whether that qualifies a
verdict. Pure.

A verdict means what it says only if its criteria were there first. Three moments count: the reporting period
begins, it ends, a result is seen. For each, the last version that was locked before it is compared with the
version that is applied. docs/protocol.md, "Set afterwards", has the rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Final

from insitu.model import PeriodName, Verdict
from trials.evaluation import Afterwards, TargetChange
from trials.judge.after_words import (
    NEVER_LOCKED,
    WINDOW_ENDED,
    WINDOW_ENDED_LATER,
    amended,
    locked_late,
    window_ended,
    written,
)
from trials.judge.easing import Ease, Easing, compare
from trials.judge.versions import parsed
from trials.plan.parts import Period, Target
from trials.plan.protocol import Protocol
from trials.series.inputs import EarlierEvaluation, Placement, TrialInputs, WindowInput

STAGES: Final = ("seen", "ended", "begun")
"""The moments, the gravest first."""


@dataclass(frozen=True, slots=True)
class Version:
    """A locked version with its plan."""

    number: int
    locked_at: datetime
    plan: Protocol

    @property
    def reporting(self) -> Period:
        found = self.plan.period(PeriodName.REPORTING)
        assert found is not None, "a protocol without a reporting period is refused"
        return found


@dataclass(frozen=True, slots=True)
class Amended:
    """The applied version beside the last one that was locked before a moment."""

    stage: str
    at: datetime
    """The moment."""
    before: Version
    easing: Easing


@dataclass(frozen=True, slots=True)
class Record:
    """The sentences beside the verdict, and how much easier each verdict became."""

    sentences: list[Afterwards]
    is_late: bool
    """The first version was locked when results could be known, or none was locked."""
    trial: list[Ease]
    endpoints: list[Mapping[str, Ease]]

    def qualifies(self, verdict: Verdict, endpoint: str | None = None) -> bool:
        """Whether the verdict, of an endpoint or of the trial, needs the words "after the fact"."""
        eases = self.trial if endpoint is None else [of[endpoint] for of in self.endpoints]
        return self.is_late or any(_qualified(verdict, ease) for ease in eases)


def _qualified(verdict: Verdict, ease: Ease) -> bool:
    """Stricter criteria that are met all the same were met before. Any other verdict may come from them."""
    return ease.may_help if verdict is Verdict.MET else ease is not Ease.SAME


def record(inputs: TrialInputs) -> Record:
    """Judges the versions up to the applied one. `inputs`: with the reporting period uncut."""
    zone, versions = inputs.protocol.time_zone, _versions(inputs)
    if not versions:
        return Record([written(NEVER_LOCKED, {}, zone)], True, [], [])
    first, applied = versions[0], versions[-1]
    is_late = first.locked_at >= first.reporting.start
    sentences = [locked_late(first.locked_at, first.reporting, zone)] if is_late else []
    changes = list(_amended(inputs, versions))
    if changes:
        sentences.append(_sentence(changes, applied, zone))
    ended = list(_ended(inputs, versions)) if inputs.rules.tell_ended else []
    return Record(
        [*sentences, *(one.sentence for one in ended)],
        is_late,
        [*(change.easing.trial for change in changes), *(one.trial for one in ended)],
        [*(change.easing.endpoints for change in changes), *(one.endpoints for one in ended)],
    )


def _versions(inputs: TrialInputs) -> list[Version]:
    """Oldest first. Inputs without versions have the applied one alone."""
    if inputs.versions:
        *older, last = inputs.versions
        plans = [*((one, parsed(one)) for one in older), (last, inputs.protocol)]
        return [Version(one.version, one.locked_at, plan) for one, plan in plans]
    if inputs.locked_at is None:
        return []
    return [Version(inputs.protocol.version, inputs.locked_at, inputs.protocol)]


# -- the three moments


def _amended(inputs: TrialInputs, versions: Sequence[Version]) -> Iterator[Amended]:
    """For each moment after which the applied version was locked: what was valid before it."""
    applied = versions[-1]
    for stage, moments in _moments(inputs, versions).items():
        for number, version in enumerate(versions[1:], 1):
            at, before = moments[number], versions[number - 1]
            if at is not None and version.locked_at >= at:
                yield Amended(stage, at, before, compare(before.plan, applied.plan))
                break


def _moments(inputs: TrialInputs, versions: Sequence[Version]) -> dict[str, list[datetime | None]]:
    """Stage → the moment that counts for each version. A version's own periods cannot move a moment away, so
    those of the version before it count.
    """
    before = [versions[0], *versions[:-1]]
    seen = min(_seen(inputs, versions), default=None)
    return {
        "seen": [seen for _ in versions],
        "ended": [version.reporting.end for version in before],
        "begun": [version.reporting.start for version in before],
    }


def _seen(inputs: TrialInputs, versions: Sequence[Version]) -> Iterator[datetime]:
    """Times at which somebody could see results of the reporting period, as it was planned then."""
    for evaluation in inputs.earlier:
        version = _in_force(versions, evaluation.at)
        if evaluation.at >= version.reporting.start and _is_open(inputs, version.plan, evaluation):
            yield evaluation.at
    for unblinding in inputs.unblinded:
        if unblinding.at >= _in_force(versions, unblinding.at).reporting.start:
            yield unblinding.at


def _in_force(versions: Sequence[Version], at: datetime) -> Version:
    return next((version for version in reversed(versions) if version.locked_at <= at), versions[0])


def _is_open(inputs: TrialInputs, plan: Protocol, evaluation: EarlierEvaluation) -> bool:
    """Whether the evaluation showed any endpoint."""
    opened = {one.endpoint for one in inputs.unblinded if one.at <= evaluation.at}
    return any(not endpoint.blinded or endpoint.name in opened for endpoint in plan.endpoints)


# -- windows that were ended


@dataclass(frozen=True, slots=True)
class Ended:
    """A window that somebody ended when a result had been seen."""

    sentence: Afterwards
    trial: Ease
    endpoints: Mapping[str, Ease]


def _ended(inputs: TrialInputs, versions: Sequence[Version]) -> Iterator[Ended]:
    """An open window excuses what is missing until somebody ends it: within the reporting period that moment
    decides what counts, and afterwards nothing.
    """
    seen, reporting = min(_seen(inputs, versions), default=None), versions[-1].reporting
    for window in inputs.windows:
        at = window.ended_at
        if seen is None or at is None or at < seen or window.start >= reporting.end:
            continue
        touched = _touched(inputs, window)
        if not touched:
            continue
        within = at < reporting.end
        endpoints = {
            one.name: Ease.CHANGED if within and one.name in touched else Ease.SAME
            for one in inputs.protocol.endpoints
        }
        primary = [endpoints[one.name] for one in inputs.protocol.endpoints if one.rank == "primary"]
        code, zone = WINDOW_ENDED if within else WINDOW_ENDED_LATER, inputs.protocol.time_zone
        yield Ended(
            window_ended(code, window.target, start=window.start, ended=at, seen=seen, zone=zone),
            Ease.CHANGED if Ease.CHANGED in primary else Ease.SAME,
            endpoints,
        )


def _touched(inputs: TrialInputs, window: WindowInput) -> set[str]:
    """The endpoints that use a device which the window covers."""
    covered = set()
    for arm in inputs.protocol.arms:
        for device in arm.devices:
            stood = (place.site for place in inputs.places_of(device) if _meets(place, window))
            sites = [arm.site, *stood]
            if window.covers(device, sites):
                covered.add(arm.name)
    return {one.name for one in inputs.protocol.endpoints if covered & set(one.arms.values())}


def _meets(place: Placement, window: WindowInput) -> bool:
    """Whether a device stood there at any time of the window."""
    until = window.end or window.ended_at
    begun = until is None or place.start < until
    return begun and (place.end is None or place.end > window.start)


# -- the sentence


def _sentence(changes: Sequence[Amended], applied: Version, zone: str) -> Afterwards:
    """One sentence: about the gravest moment at which something became easier, else the gravest moment."""
    grave = (
        *(change for change in changes if change.easing.trial.may_help),
        *(change for change in changes if change.easing.others_may_be_easier),
        *(change for change in changes if change.easing.trial is Ease.STRICTER),
        *changes,
    )
    chosen = grave[0]
    how = str(chosen.easing.trial)
    if chosen.easing.others_may_be_easier and not chosen.easing.trial.may_help:
        how = "others"
    said = amended(
        chosen.stage,
        how,
        version=applied.number,
        locked_at=applied.locked_at,
        before=chosen.before.number,
        at=chosen.at,
        zone=zone,
    )
    targets = list(_other_targets(chosen.before.plan, applied.plan))
    return said.model_copy(update={"targets": targets})


def _other_targets(before: Protocol, after: Protocol) -> Iterator[TargetChange]:
    """Criteria of one statistic are compared in their order."""
    old, new = _targets(before), _targets(after)
    for endpoint, statistic in dict.fromkeys([*old, *new]):
        pairs = zip_longest(old.get((endpoint, statistic), []), new.get((endpoint, statistic), []))
        for was, now in pairs:
            if was != now:
                yield TargetChange(endpoint=endpoint, statistic=statistic, before=was, after=now)


def _targets(plan: Protocol) -> dict[tuple[str, str], list[Target]]:
    found: dict[tuple[str, str], list[Target]] = {}
    for endpoint in plan.endpoints:
        for criterion in endpoint.criteria:
            found.setdefault((endpoint.name, criterion.statistic), []).append(criterion.target)
    return found
