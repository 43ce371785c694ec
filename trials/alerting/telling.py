"""Plans which alerts of one person open, remind and end. A site that goes dark is one alert, not one for each
of its devices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from trials.alerting.choices import Choices, Place
from trials.alerting.course import Trouble
from trials.alerting.findings import Detail, Situation
from trials.alerting.kinds import KINDS, SILENCES, AlertKind

LEAST_DARK: Final = 3
"""Devices of a site that fell silent together; and at least half of those that were there."""
TOGETHER: Final = timedelta(minutes=10)
"""Beside one expected interval: how far apart the last words of devices are that one cause silenced."""
STRAGGLERS_AFTER: Final = timedelta(hours=1)
"""After the last device of a dark site that came back: those that did not are single cases from then on."""
TOLD_WITHIN: Final = timedelta(days=1)
"""An outage that is over is news for this long."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An open alert of the person."""

    number: int
    kind: AlertKind
    site: str | None
    opened_at: datetime
    reminded_at: datetime | None
    is_acknowledged: bool
    detail: Detail


@dataclass(frozen=True, slots=True)
class Person:
    """`places`: every device that the person may see, by its number. `members`: trouble → alert."""

    choices: Choices
    places: Mapping[int, Place]
    sees_figures: bool
    alerts: Sequence[Alert] = ()
    members: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Open:
    """A new alert. `is_told`: with a notice. `over_at`: it is over already."""

    kind: AlertKind
    troubles: tuple[Trouble, ...]
    since: datetime
    detail: Detail
    place: Place | None = None
    site: str | None = None
    is_told: bool = True
    over_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """Further troubles of an alert that the person has."""

    number: int
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True)
class Remind:
    number: int


@dataclass(frozen=True, slots=True)
class Resolve:
    """Without `is_told` it ends silently: the person does not want it any more, or may not see it."""

    number: int
    detail: Detail
    is_told: bool


Step = Open | Join | Remind | Resolve


def plan_steps(
    person: Person, troubles: Sequence[Trouble], situations: Mapping[int, Situation], now: datetime
) -> list[Step]:
    """The steps for one person, in order. `troubles`: open ones, and those that ended lately."""
    return [
        *_end_and_remind(person, troubles, situations, now),
        *_begin(person, troubles, situations, now),
    ]


def _is_wanted(person: Person, trouble: Trouble) -> bool:
    """True if the person may see it and wants to hear of it."""
    if trouble.device_id is None:
        audience = KINDS[trouble.kind].audience
        may_see = person.sees_figures or (audience == "service" and bool(person.places))
        return may_see and person.choices.wants(trouble.kind, None)
    place = person.places.get(trouble.device_id)
    return place is not None and person.choices.wants(trouble.kind, place)


def _end_and_remind(
    person: Person, troubles: Sequence[Trouble], situations: Mapping[int, Situation], now: datetime
) -> Iterator[Step]:
    for alert in person.alerts:
        members = [one for one in troubles if person.members.get(one.number) == alert.number]
        still = [one for one in members if one.is_open]
        back = [one for one in members if not one.is_open]
        if members and not any(_is_wanted(person, one) for one in members):
            yield Resolve(alert.number, alert.detail, is_told=False)
        elif not still:
            yield Resolve(alert.number, alert.detail, is_told=True)
        elif alert.kind is AlertKind.DARK_SITE and _has_settled(still, back, now):
            yield from _end_dark(person, alert, still)
        elif _is_due(person, alert, still, situations, now):
            yield Remind(alert.number)


def _has_settled(still: Sequence[Trouble], back: Sequence[Trouble], now: datetime) -> bool:
    """Most devices are back, and no further one came for a while."""
    latest = max((one.resolved_at for one in back if one.resolved_at is not None), default=None)
    return latest is not None and len(back) >= len(still) and now - latest >= STRAGGLERS_AFTER


def _end_dark(person: Person, alert: Alert, still: Sequence[Trouble]) -> Iterator[Step]:
    """The notice names the devices that stay silent; each has an alert of its own from then on."""
    names = sorted({one.device_id for one in still if one.device_id is not None})
    yield Resolve(alert.number, alert.detail | {"still": names}, is_told=True)
    for one in still:
        place = person.places.get(one.device_id or 0)
        yield Open(one.kind, (one,), one.since, one.detail, place, is_told=False)


def _is_due(
    person: Person,
    alert: Alert,
    still: Sequence[Trouble],
    situations: Mapping[int, Situation],
    now: datetime,
) -> bool:
    """True for a reminder: not of what the person knows, and not about a device in a declared window."""
    first = still[0]
    place = person.places.get(first.device_id or 0)
    after = person.choices.remind_after(first.kind, place)
    watched = any(
        one.device_id is None or one.device_id not in situations or situations[one.device_id].is_watched
        for one in still
    )
    return (
        after is not None
        and not alert.is_acknowledged
        and watched
        and now - (alert.reminded_at or alert.opened_at) >= after
    )


def _begin(
    person: Person, troubles: Sequence[Trouble], situations: Mapping[int, Situation], now: datetime
) -> Iterator[Step]:
    new = [
        one
        for one in troubles
        if one.opened_at is not None
        and not one.is_quiet
        and one.number not in person.members
        and _is_wanted(person, one)
    ]
    dark = dict[str, list[Trouble]]()
    for one in new:
        if one.resolved_at is not None:
            if one.kind is AlertKind.OUTAGE and now - one.resolved_at < TOLD_WITHIN:
                yield Open(one.kind, (one,), one.since, one.detail, over_at=one.resolved_at)
            continue
        place = person.places.get(one.device_id or 0)
        if place is not None and place.site is not None and one.kind in SILENCES:
            dark.setdefault(place.site, []).append(one)
        else:
            yield Open(one.kind, (one,), one.since, one.detail, place)
    for site, silent in dark.items():
        yield from _begin_silent(person, site, silent, situations, now)


def _begin_silent(
    person: Person,
    site: str,
    silent: Sequence[Trouble],
    situations: Mapping[int, Situation],
    now: datetime,
) -> Iterator[Step]:
    """Silent devices of one site: with those that fell silent together one alert, the others one each."""
    places = [place for place in person.places.values() if place.site == site]
    present = [
        situations[place.device_id]
        for place in places
        if place.device_id in situations and any(person.choices.wants(one.kind, place) for one in silent)
    ]
    alert = next((a for a in person.alerts if a.kind is AlertKind.DARK_SITE and a.site == site), None)
    waiting = list(silent)
    if alert is not None:
        dark = set(alert.detail["devices"])
        joined = tuple(
            one for one in waiting if one.device_id in dark or _is_together(one, alert.detail, situations)
        )
        if joined:
            yield Join(alert.number, joined)
        waiting = [one for one in waiting if one not in joined]
    while waiting:
        anchor = situations[waiting[0].device_id or 0]
        down = find_together(anchor, present, now)
        numbers = {one.device_id for one in down}
        own = tuple(one for one in waiting if one.device_id in numbers)
        there = len(down) + sum(not one.is_down(now) and one.is_watched for one in present)
        if alert is None and len(down) >= LEAST_DARK and 2 * len(down) >= there:
            yield _open_dark(site, own, down, there)
        else:
            own = tuple(one for one in waiting if one.device_id == anchor.device_id)
            for one in own:
                yield Open(one.kind, (one,), one.since, one.detail, person.places.get(one.device_id or 0))
        waiting = [one for one in waiting if one not in own]


def _open_dark(site: str, own: tuple[Trouble, ...], down: Sequence[Situation], there: int) -> Open:
    seen = [one.last_seen_at for one in down if one.last_seen_at is not None]
    detail: Detail = {
        "devices": sorted(one.device_id for one in down),
        "down": len(down),
        "there": there,
        "first_at": min(seen).isoformat(),
        "last_at": max(seen).isoformat(),
    }
    return Open(AlertKind.DARK_SITE, own, min(seen), detail, site=site)


def find_together(anchor: Situation, present: Sequence[Situation], now: datetime) -> list[Situation]:
    """The devices that are down and fell silent about when `anchor` did, itself among them."""
    return [one for one in present if one is anchor or (one.is_down(now) and _are_together(anchor, one))]


def _are_together(one: Situation, other: Situation) -> bool:
    if one.last_seen_at is None or other.last_seen_at is None:
        return False
    return abs(one.last_seen_at - other.last_seen_at) <= TOGETHER + max(one.expected, other.expected)


def _is_together(trouble: Trouble, detail: Detail, situations: Mapping[int, Situation]) -> bool:
    """True if the device fell silent when the site did."""
    one = situations.get(trouble.device_id or 0)
    if one is None or one.last_seen_at is None:
        return False
    near = TOGETHER + one.expected
    first, last = (datetime.fromisoformat(detail[name]) for name in ("first_at", "last_at"))
    return first - near <= one.last_seen_at <= last + near
