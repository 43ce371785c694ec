"""The course of a trouble: it waits until it has held long enough, is open, and is over when it has been away
long enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from trials.alerting.findings import Detail, Found, Situation
from trials.alerting.kinds import KINDS, SILENCES, AlertKind

ONLINE_FOR: Final = 3.0
"""Expected intervals for which a device must send before its silence is over: a message now and then is no
return.
"""


@dataclass(frozen=True, slots=True)
class Trouble:
    """`opened_at` is None while it waits. A device's trouble, or with `device_id` None the installation's."""

    kind: AlertKind
    trial_id: int | None
    device_id: int | None
    since: datetime
    opened_at: datetime | None = None
    clear_since: datetime | None = None
    resolved_at: datetime | None = None
    is_quiet: bool = False
    detail: Detail = field(default_factory=dict)
    number: int = 0
    """In the database; 0 before it is there."""

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None and self.resolved_at is None


def follow(
    known: dict[AlertKind, Trouble],
    found: Found,
    now: datetime,
    *,
    of: Situation | None = None,
    is_first: bool = False,
) -> list[Trouble | int]:
    """Changes in the troubles of one device, or of the installation: troubles as they are now, and the
    numbers of those that went away before they opened.

    `known`: those that are not resolved. `is_first`: nobody has ever looked; what is wrong already opens at
    once, and quietly.
    """
    changes: list[Trouble | int] = []
    for kind, detail in found.present.items():
        before = known.get(kind) or Trouble(
            kind, of.trial_id if of else None, of.device_id if of else None, now, is_quiet=is_first
        )
        after = replace(before, detail=detail, clear_since=None)
        if after.opened_at is None and (is_first or now - after.since >= KINDS[kind].hold):
            after = replace(after, opened_at=now)
        if after != before or not before.number:
            changes.append(after)
    for kind, before in known.items():
        if kind in found.present:
            continue
        if before.opened_at is None:
            changes.append(before.number)
        elif kind in found.unknown:
            if before.clear_since is not None:
                changes.append(replace(before, clear_since=None))
        elif (after := _clear(before, now, of)) != before:
            changes.append(after)
    return changes


def _clear(before: Trouble, now: datetime, of: Situation | None) -> Trouble:
    since = before.clear_since or now
    wait = KINDS[before.kind].clear
    if before.kind in SILENCES and of is not None:
        wait = max(wait, ONLINE_FOR * of.expected)
    return replace(before, clear_since=since, resolved_at=now if now - since >= wait else None)


def is_stable(one: Trouble, other: Trouble) -> bool:
    """True if only the numbers of the detail differ, which need not be stored each minute."""
    return replace(one, detail={}) == replace(other, detail={})


def past_outage(started_at: datetime, ended_at: datetime, *, is_quiet: bool) -> Trouble:
    """An outage of ours that is over before anybody could look: as when the whole machine was off."""
    detail = {"ended_at": ended_at.isoformat()}
    return Trouble(
        AlertKind.OUTAGE,
        None,
        None,
        started_at,
        opened_at=started_at,
        resolved_at=ended_at,
        is_quiet=is_quiet,
        detail=detail,
    )


LEAST_OUTAGE: Final = timedelta(minutes=5)
"""A shorter one that is over by itself is not worth a message."""
