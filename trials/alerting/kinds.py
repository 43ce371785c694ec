"""The kinds of troubles and alerts: how long each must hold, who may see it, and who wants it by default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

from insitu.model import Role

Audience = Literal["health", "service", "figures"]
"""Those who may see the health of the device; those who see any device; those who may read the metrics of the
installation.
"""


class AlertKind(StrEnum):
    SILENT = "silent"
    LATE = "late"
    DEGRADED = "degraded"
    """Any trouble of a device that still sends."""
    COMPLETENESS = "completeness"
    BATTERY = "battery"
    RADIO = "radio"
    CLOCK = "clock"
    CHECKS = "checks"
    DATASTREAM = "datastream"
    REJECTS = "rejects"
    DENIED = "denied"
    TAKE_OVER = "take_over"
    OUTAGE = "outage"
    DISK = "disk"
    BACKUP = "backup"
    """Scheduled backups that are overdue, fail, or whose later changes are not received."""
    DARK_SITE = "dark_site"
    """Made of several silent devices for one person; no rule of its own."""
    DIGEST = "digest"
    """A summary once a week; no trouble."""


@dataclass(frozen=True, slots=True)
class KindFacts:
    """`hold`: a trouble must hold for this long before it opens, and `clear` before it is over."""

    hold: timedelta
    clear: timedelta
    audience: Audience = "health"
    roles: frozenset[Role] = frozenset()
    """Roles that hear of it by default."""


def _minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


_FIELD: Final = frozenset({Role.OPERATOR, Role.COMPANY})
_MAKER: Final = frozenset({Role.COMPANY})
_LAB: Final = frozenset({Role.LAB})
KINDS: Final[dict[AlertKind, KindFacts]] = {
    AlertKind.SILENT: KindFacts(_minutes(2), _minutes(15), roles=_FIELD | _LAB),
    AlertKind.LATE: KindFacts(_minutes(2), _minutes(15)),
    AlertKind.DEGRADED: KindFacts(_minutes(30), _minutes(60)),
    AlertKind.COMPLETENESS: KindFacts(_minutes(30), _minutes(0), roles=_FIELD | {Role.EVALUATOR}),
    AlertKind.BATTERY: KindFacts(_minutes(30), _minutes(60), roles=_FIELD),
    AlertKind.RADIO: KindFacts(_minutes(60), _minutes(60)),
    AlertKind.CLOCK: KindFacts(_minutes(30), _minutes(30), roles=_MAKER),
    AlertKind.CHECKS: KindFacts(_minutes(30), _minutes(60), roles=_MAKER | {Role.EVALUATOR}),
    AlertKind.DATASTREAM: KindFacts(_minutes(15), _minutes(30), roles=_MAKER),
    AlertKind.REJECTS: KindFacts(_minutes(5), _minutes(60), roles=_MAKER),
    AlertKind.DENIED: KindFacts(_minutes(2), _minutes(30), roles=_MAKER),
    AlertKind.TAKE_OVER: KindFacts(_minutes(0), _minutes(30), roles=_MAKER | _LAB),
    AlertKind.OUTAGE: KindFacts(_minutes(2), _minutes(2), "service", _FIELD | _LAB),
    AlertKind.DISK: KindFacts(_minutes(5), _minutes(30), "figures", _LAB),
    AlertKind.BACKUP: KindFacts(_minutes(10), _minutes(10), "figures", _LAB),
    AlertKind.DARK_SITE: KindFacts(_minutes(0), _minutes(0)),
    AlertKind.DIGEST: KindFacts(_minutes(0), _minutes(0), "service", _FIELD | _LAB),
}
RULED: Final[tuple[AlertKind, ...]] = tuple(kind for kind in AlertKind if kind is not AlertKind.DARK_SITE)
"""Kinds with a rule."""
OF_DEVICES: Final = tuple(kind for kind in RULED if KINDS[kind].audience == "health")
SILENCES: Final = (AlertKind.SILENT, AlertKind.LATE)
REMIND_HOURS: Final = 24
"""Between two reminders, where a person chose nothing else."""
