"""Is a verdict easier to reach under another version of the protocol? Pure: compares two plans.

A change counts as harmless only if that can be shown from the plans alone: the results that are met under
the new version were met under the old one. Everything that cannot be shown is CHANGED.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import Any, Final

from trials.designs import DESIGNS
from trials.judge.verdicts import alternatives
from trials.judge.versions import changed_paths
from trials.plan.endpoint import Endpoint
from trials.plan.parts import Criterion, Target
from trials.plan.protocol import Protocol
from trials.plan.reading import document_of
from trials.statistics.criteria import margin

WORDS: Final = {
    "schema",
    "trial",
    "title",
    "question",
    "need",
    "hypothesis",
    "roles",
    "decisions",
    "interim_looks",
    "evaluate_by",
}
"""Fields of a protocol that no number depends on."""
WORDS_OF_ENDPOINT: Final = {"title", "blinded"}
"""Blinding delays a result and does not change it."""
OWN_COMPARISON: Final = {"confidence", "capture", "measurements", "checks", "endpoints"}


class Ease(StrEnum):
    """How much easier `met` is than before."""

    SAME = "same"
    STRICTER = "stricter"
    EASIER = "easier"
    CHANGED = "changed"
    """Neither can be shown."""

    @property
    def may_help(self) -> bool:
        """Whether something may be met that was not met before."""
        return self in (Ease.EASIER, Ease.CHANGED)


def together(eases: Iterable[Ease]) -> Ease:
    """Of several changes at once: one direction remains if all have it."""
    return reduce(_both, eases, Ease.SAME)


def _both(one: Ease, other: Ease) -> Ease:
    if Ease.SAME in (one, other):
        return other if one is Ease.SAME else one
    return one if one is other else Ease.CHANGED


def _by_bounds(is_within_before: bool, is_within_after: bool) -> Ease:
    """`is_within_before`: all that is met now was met before; `is_within_after`: the other way round."""
    if is_within_before and is_within_after:
        return Ease.SAME
    if is_within_before:
        return Ease.STRICTER
    return Ease.EASIER if is_within_after else Ease.CHANGED


@dataclass(frozen=True, slots=True)
class Easing:
    """Two versions compared."""

    trial: Ease
    """Of the verdict of the trial: its primary endpoints together."""
    endpoints: Mapping[str, Ease]
    """Of each endpoint of the later version; CHANGED for one that was not there before."""

    @property
    def others_may_be_easier(self) -> bool:
        return any(ease.may_help for ease in self.endpoints.values())


def compare(before: Protocol, after: Protocol) -> Easing:
    """How much easier the verdicts of `after` are to meet than those of `before`."""
    shared, own = _of_whole_plan(before, after), _of_each(before, after)
    sharing = _sharing(before, after, own)
    endpoints = {name: together([shared, ease, sharing.get(name, Ease.SAME)]) for name, ease in own.items()}
    return Easing(_of_trial(before, after, endpoints, shared), endpoints)


def _of_each(before: Protocol, after: Protocol) -> dict[str, Ease]:
    """Each endpoint of `after`, by its own plan and its own data."""
    old = {endpoint.name: endpoint for endpoint in before.endpoints}
    return {
        new.name: together([*_of_endpoint(old[new.name], new), *_of_data(before, after, old[new.name], new)])
        if new.name in old
        else Ease.CHANGED
        for new in after.endpoints
    }


def _of_trial(before: Protocol, after: Protocol, endpoints: Mapping[str, Ease], shared: Ease) -> Ease:
    """One endpoint more must be met: stricter. One less: easier."""
    old, new = (
        {endpoint.name for endpoint in plan.endpoints if endpoint.rank == "primary"}
        for plan in (before, after)
    )
    return together(
        [
            shared,
            *(endpoints[name] for name in sorted(old & new)),
            *(Ease.EASIER for _ in old - new),
            *(Ease.STRICTER for _ in new - old),
        ]
    )


# -- for every endpoint


def _of_whole_plan(before: Protocol, after: Protocol) -> Ease:
    old, new = document_of(before), document_of(after)
    fields = {path.split(".")[0] for path in changed_paths(old, new)} - WORDS - OWN_COMPARISON
    return together(
        [*(Ease.CHANGED for _ in fields), _of_confidence(before, after), _of_capture(before, after)]
    )


def _of_confidence(before: Protocol, after: Protocol) -> Ease:
    """A higher level gives a longer interval around the same one, except where two methods compete."""
    ease = _by_bounds(after.confidence >= before.confidence, after.confidence <= before.confidence)
    nested = all(DESIGNS[e.design].is_nested for e in after.endpoints if e.design in DESIGNS)
    return ease if nested or ease is Ease.SAME else Ease.CHANGED


def _of_capture(before: Protocol, after: Protocol) -> Ease:
    """The gate lets more pass if it asks for less. `capture.day` decides which days count, so it changes the
    values themselves.
    """
    old, new = before.capture, after.capture
    gates = [
        _by_bounds(new.share >= old.share, new.share <= old.share),
        _by_bounds(new.days >= old.days, new.days <= old.days),
    ]
    selects = any(DESIGNS[e.design].selects_by_capture for e in after.endpoints if e.design in DESIGNS)
    values_change = old.day != new.day or (selects and old.days != new.days)
    return Ease.CHANGED if values_change else together(gates)


# -- for one endpoint


def _of_endpoint(before: Endpoint, after: Endpoint) -> Iterator[Ease]:
    old, new = (endpoint.model_dump(mode="json", exclude_none=True) for endpoint in (before, after))
    for field in sorted(old.keys() | new.keys()):
        if field in WORDS_OF_ENDPOINT or old.get(field) == new.get(field):
            continue
        if field == "criteria":
            yield of_criteria(before, after)
        elif field == "rank":
            yield _of_rank(before, after)
        else:
            yield Ease.CHANGED


def _of_rank(before: Endpoint, after: Endpoint) -> Ease:
    """Secondary endpoints share α, so each is judged at a level at least as high as the others'."""
    old, new = before.rank == "secondary", after.rank == "secondary"
    return _by_bounds(new or not old, old or not new)


def of_criteria(before: Endpoint, after: Endpoint) -> Ease:
    """Met means: of every group of alternatives, some statistic lies in the targets of all its criteria.

    A group of before is sure to be met if every way to meet some group of after meets it.
    """
    old, new = _groups(before.criteria), _groups(after.criteria)
    ease = _by_bounds(_implies(new, old), _implies(old, new))
    if ease is Ease.SAME or not (design := DESIGNS.get(after.design)) or not design.is_gated_by_margin:
        return ease
    return together([ease, _of_margins(_margins(before), _margins(after))])


def _margins(endpoint: Endpoint) -> list[float]:
    found = [margin(criterion.target) for criterion in endpoint.criteria]
    return sorted(size for size in found if size is not None)


def _of_margins(before: Sequence[float], after: Sequence[float]) -> Ease:
    """A gate allows as much as the narrowest margin. A margin of 0 gives it no scale to compare."""
    if before == after:
        return Ease.SAME
    if not (all(before) and all(after)):
        return Ease.CHANGED
    return _by_bounds(after[0] <= before[0], after[0] >= before[0])


Bounds = tuple[float, float]


def _groups(criteria: Sequence[Criterion]) -> list[dict[str, Bounds]]:
    """Statistic → the values that all its criteria accept, for each group of alternatives."""
    return [
        {name: _accepted([c.target for c in criteria if c.statistic == name]) for name in names}
        for names in alternatives(criteria)
    ]


def _accepted(targets: Sequence[Target]) -> Bounds:
    lows = [target.low for target in targets if target.low is not None]
    highs = [target.high for target in targets if target.high is not None]
    return max(lows, default=float("-inf")), min(highs, default=float("inf"))


def _implies(first: Sequence[dict[str, Bounds]], then: Sequence[dict[str, Bounds]]) -> bool:
    return all(any(_covers(wide, narrow) for narrow in first) for wide in then)


def _covers(wide: dict[str, Bounds], narrow: dict[str, Bounds]) -> bool:
    """Whether each way to meet `narrow` meets `wide`."""
    return all(
        name in wide and wide[name][0] <= low and high <= wide[name][1]
        for name, (low, high) in narrow.items()
    )


# -- what is measured for it, and what it shares


def _of_data(before: Protocol, after: Protocol, old: Endpoint, new: Endpoint) -> Iterator[Ease]:
    """Measurements and checks of its property and its covariates."""
    properties = {*_properties(old), *_properties(new)}
    for field in ("measurements", "checks"):
        plans = [_about(getattr(plan, field), properties) for plan in (before, after)]
        if plans[0] != plans[1]:
            yield Ease.CHANGED


def _about(parts: Sequence[Any], properties: set[str]) -> list[Any]:
    return [part for part in parts if part.property in properties]


def _properties(endpoint: Endpoint) -> Iterator[str]:
    yield endpoint.property
    covariates = endpoint.parameters.get("covariates")
    yield from covariates if isinstance(covariates, list) else []


def _sharing(before: Protocol, after: Protocol, own: Mapping[str, Ease]) -> dict[str, Ease]:
    """The influence of the other secondary endpoints on one that was and is secondary. They share α: one more
    takes from it, and one that is decided leaves more of it.
    """
    old, new = (
        {endpoint.name for endpoint in plan.endpoints if endpoint.rank == "secondary"}
        for plan in (before, after)
    )
    same = {name for name in old & new if own[name] is Ease.SAME}
    return {
        name: _by_bounds(old - {name} <= same - {name}, new - {name} <= same - {name}) for name in old & new
    }
