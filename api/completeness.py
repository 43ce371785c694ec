"""Completeness of a trial and of a site, for pages, routes and files: by day, device, site, trial and arm."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from api.conditions import conditions_of
from api.context import Context
from api.pages.comparing import read_plan
from store.access import Viewer
from store.catalogue.trials import Trial
from store.database import Connection
from store.read.fleet import FleetRow, list_devices
from trials.condition.completeness import DayShare
from trials.condition.facts import DeviceFacts
from trials.condition.groups import (
    DeviceDays,
    GroupShare,
    group_all,
    group_arms,
    group_days,
    group_sites,
    judge_days,
)
from trials.package.rows import safe_cell

COLUMNS: Final = ("of", "code", "devices", "day", "share")


@dataclass(frozen=True, slots=True)
class Counted:
    """A device with the facts about it, and its shares of the last days."""

    row: FleetRow
    facts: DeviceFacts
    days: tuple[DayShare, ...]


Devices = Sequence[Counted]


@dataclass(frozen=True, slots=True)
class Lines:
    """Groups of one kind, by code: `of` is all, site, trial, arm or device."""

    of: str
    groups: Sequence[GroupShare]


@dataclass(frozen=True, slots=True)
class Completeness:
    """The last 14 local days. `whole`: of the trial or the site; None if nothing was planned."""

    whole: GroupShare | None
    lines: list[Lines]

    def of(self, kind: str) -> Sequence[GroupShare]:
        return next((one.groups for one in self.lines if one.of == kind), ())


def completeness_of_trial(
    conn: Connection, viewer: Viewer, trial: Trial, devices: Devices, now: datetime, *, each: bool = True
) -> Completeness:
    """`devices`: those of the trial that this person may see. Arms are those of the newest locked protocol,
    for its readers; for others there are none. `each`: also of each device.
    """
    days = [judge_days(one.facts, now, one.days) for one in devices]
    places = {
        one.facts.device_id: {(stay.site, stay.position) for stay in one.facts.stays} for one in devices
    }
    arms: dict[str, list[int]] = {}
    plan = read_plan(conn, viewer, trial)
    for one in devices:
        if one.row.device in plan.arms:
            arms.setdefault(plan.arms[one.row.device], []).append(one.row.device_id)
    return Completeness(
        group_all(days),
        [
            Lines("site", group_sites(days)),
            Lines("arm", group_arms(days, arms, places)),
            *_devices(days, {one.row.device_id: one.row.device for one in devices if each}),
        ],
    )


def completeness_of_site(site: str, devices: Devices, now: datetime, *, each: bool = True) -> Completeness:
    """`devices`: all that this person may see. Counts the days on which each stood at the site. `each`: also
    of each device.
    """
    stood = [one for one in devices if any(stay.site == site for stay in one.facts.stays)]
    here = [_at(judge_days(one.facts, now, one.days), site) for one in stood]
    trials = {one.row.device_id: one.row.trial for one in stood}
    return Completeness(
        group_all(here),
        [
            Lines("trial", group_days(here, lambda device, place: (trials[device.device_id],))),
            *_devices(
                here, {one.row.device_id: f"{one.row.trial}/{one.row.device}" for one in stood if each}
            ),
        ],
    )


def load_devices(
    conn: Connection, context: Context, viewer: Viewer, now: datetime, trial: str | None = None
) -> Devices:
    """The devices that this person may see: of one trial, or all."""
    rows = list_devices(conn, viewer, now=now, trial=trial)
    judged = conditions_of(conn, context, viewer, rows, now)
    known = ((row, judged[row.device_id]) for row in rows)
    return [Counted(row, one.facts, one.condition.days) for row, one in known]


def _at(device: DeviceDays, site: str) -> DeviceDays:
    """The same, with a plan on the days alone on which the device belongs to the site."""
    if device.only is not None:
        if device.only[0] == site:
            return device
        return replace(device, days=tuple(one._replace(share=None) for one in device.days))
    days = tuple(
        one if device.places.get(one.day, ("", ""))[0] == site else one._replace(share=None)
        for one in device.days
    )
    return replace(device, days=days)


def _devices(days: Sequence[DeviceDays], codes: dict[int, str]) -> Iterator[Lines]:
    """Nothing without `codes`."""
    if codes:
        yield Lines("device", group_days(days, lambda device, place: (codes[device.device_id],)))


def write_completeness(found: Completeness) -> str:
    """CSV: a row for each group and day with a plan, and one without a day for all of its days."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    whole = [] if found.whole is None else [Lines("all", [found.whole])]
    for lines in [*whole, *found.lines]:
        for group in lines.groups:
            writer.writerows(_rows(lines.of, group))
    return text.getvalue()


def _rows(of: str, group: GroupShare) -> Iterator[tuple[str, str, int, str, str]]:
    name = str(safe_cell(group.name))
    yield of, name, group.devices, "", _share(group.share)
    for day in group.days:
        if day.share is not None:
            yield of, name, group.devices, day.day.isoformat(), _share(day.share)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.6g}"
