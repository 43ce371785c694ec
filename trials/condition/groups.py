"""Completeness of several devices together: of a trial, a site, an arm.

A day of a device is its share of that local day (`completeness`), and belongs to the place where the device
was planned for longest on that day. A day of a group is the mean over its devices with a plan on that day; a
group's share is the mean over its days, as for a device. So a group of one device has the device's figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypeVar

from insitu.times import to_us
from trials.condition.completeness import (
    DAYS,
    DayShare,
    Span,
    list_days,
    mean_share,
    overlap_us,
    plan_spans,
    share_days,
)
from trials.condition.facts import DeviceFacts, Stay

Key = TypeVar("Key")
Place = tuple[str, str]
"""(site, position)"""
ALL: Final = ""


@dataclass(frozen=True, slots=True)
class DeviceDays:
    """The last DAYS local days of one device, today included, in order. `only`: its place, if it has but one;
    else `places` has that of each day with a plan.
    """

    device_id: int
    days: tuple[DayShare, ...]
    only: Place | None
    places: Mapping[date, Place]

    def place_of(self, day: date) -> Place | None:
        return self.only or self.places.get(day)


@dataclass(frozen=True, slots=True)
class GroupShare:
    """`name`: the code of a site or an arm. `devices`: with a plan on any of the days. `days`: in order, also
    those without a plan.
    """

    name: str
    devices: int
    share: float | None
    days: tuple[DayShare, ...]


def judge_days(facts: DeviceFacts, now: datetime, shares: tuple[DayShare, ...] | None = None) -> DeviceDays:
    """Shares and places of one device. `shares`: of the same days, where they are known."""
    stood = {(stay.site, stay.position) for stay in facts.stays}
    if shares is not None and len(stood) == 1:
        return DeviceDays(facts.device_id, shares, stood.pop(), {})
    spans, days = plan_spans(facts, now), list_days(now, facts.time_zone, DAYS)
    if shares is None:
        shares = share_days(facts, spans, days)
    places = {
        day.day: place
        for day, share in zip(days, shares, strict=True)
        if share.share is not None
        and (place := _longest(facts.stays, spans, (day.start_us, day.end_us), to_us(now))) is not None
    }
    return DeviceDays(facts.device_id, shares, None, places)


def _longest(stays: Sequence[Stay], spans: Sequence[Span], day: Span, now_us: int) -> Place | None:
    """The place with the most planned time of that day; of two that are equal the earlier one."""
    planned: dict[Place, int] = {}
    for stay in stays:
        start = max(to_us(stay.start), day[0])
        end = min(to_us(stay.end) if stay.end else now_us, day[1])
        place = (stay.site, stay.position)
        planned[place] = planned.get(place, 0) + (overlap_us(spans, start, end) if start < end else 0)
    best = max(planned, key=lambda place: planned[place], default=None)
    return best if best is not None and planned[best] else None


def group_days(
    devices: Iterable[DeviceDays], groups_of: Callable[[DeviceDays, Place | None], Iterable[str]]
) -> list[GroupShare]:
    """By name. `groups_of`: the groups to which a day of a device at this place belongs."""
    shares: dict[str, dict[date, list[float]]] = {}
    members: dict[str, set[int]] = {}
    days: set[date] = set()
    for device in devices:
        columns: list[dict[date, list[float]]] | None = None
        for day, share in device.days:
            if share is None:
                days.add(day)
                continue
            if columns is None or device.only is None:  # most devices have one place: asked once
                names = groups_of(device, device.place_of(day))
                columns = [shares.setdefault(name, {}) for name in names]
                for name in names:
                    members.setdefault(name, set()).add(device.device_id)
            for column in columns:
                if (known := column.get(day)) is None:
                    column[day] = [share]
                else:
                    known.append(share)
            if not columns:
                days.add(day)
    for column in shares.values():
        days.update(column)
    return [_group(name, shares[name], len(members[name]), sorted(days)) for name in sorted(shares)]


def _group(
    name: str, shares: Mapping[date, Sequence[float]], devices: int, days: Sequence[date]
) -> GroupShare:
    found = tuple(
        DayShare(day, sum(shares[day]) / len(shares[day]) if day in shares else None) for day in days
    )
    return GroupShare(name, devices, mean_share(found), found)


def group_all(devices: Iterable[DeviceDays]) -> GroupShare | None:
    """All of them together; None if nothing was planned."""
    return next(iter(group_days(devices, lambda device, place: (ALL,))), None)


def group_sites(devices: Iterable[DeviceDays]) -> list[GroupShare]:
    """By the code of the site."""
    return group_days(devices, lambda device, place: () if place is None else (place[0],))


def group_arms(
    devices: Sequence[DeviceDays], arms: Mapping[str, Iterable[int]], stays: Mapping[int, Iterable[Place]]
) -> list[GroupShare]:
    """By the name of the arm. `arms`: its planned devices; `stays`: the places of each of those. A device
    that stands at such a place, as a replacement does, counts there for the arm.
    """
    at: dict[Place, set[str]] = {}
    own: dict[int, set[str]] = {}
    for name, planned in arms.items():
        for device_id in planned:
            own.setdefault(device_id, set()).add(name)
            for place in stays.get(device_id, ()):
                at.setdefault(place, set()).add(name)

    def arms_of(device: DeviceDays, place: Place | None) -> set[str]:
        if device.device_id in own:
            return own[device.device_id]
        return set() if place is None else at.get(place, set())

    return group_days(devices, arms_of)
