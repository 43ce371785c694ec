"""Which kinds a person wants to hear about: the most special of its rules, else the default of its role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from insitu.model import Role
from trials.alerting.kinds import KINDS, REMIND_HOURS, AlertKind


@dataclass(frozen=True, slots=True)
class Place:
    """A device that a person may see, and the site where the person sees it."""

    device_id: int
    trial_id: int
    site: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """Of a device, a site, a trial, or without any of them of everything. `remind_hours`: 0 is never."""

    kind: AlertKind
    is_on: bool
    remind_hours: int = REMIND_HOURS
    trial_id: int | None = None
    site: str | None = None
    device_id: int | None = None

    def covers(self, place: Place | None) -> bool:
        """`place` None: of the installation."""
        if self.device_id is not None:
            return place is not None and place.device_id == self.device_id
        if self.site is not None:
            return place is not None and place.site == self.site
        if self.trial_id is not None:
            return place is not None and place.trial_id == self.trial_id
        return True

    @property
    def special(self) -> int:
        """A rule of a device goes before one of its site, and that before one of its trial."""
        return (
            3
            if self.device_id is not None
            else 2
            if self.site is not None
            else int(self.trial_id is not None)
        )


@dataclass(frozen=True, slots=True)
class Choices:
    """The rules of one person."""

    role: Role
    rules: Sequence[Rule] = ()

    def find(self, kind: AlertKind, place: Place | None) -> Rule:
        """The rule that decides. Without one of its own: the default of the role."""
        fitting = [rule for rule in self.rules if rule.kind is kind and rule.covers(place)]
        default = Rule(kind, self.role in KINDS[kind].roles)
        return max(fitting, key=lambda rule: rule.special, default=default)

    def wants(self, kind: AlertKind, place: Place | None) -> bool:
        return self.find(kind, place).is_on

    def may_want(self, kind: AlertKind) -> bool:
        """False if no rule of the person and no default asks for this kind anywhere."""
        return self.role in KINDS[kind].roles or any(r.is_on for r in self.rules if r.kind is kind)

    def remind_after(self, kind: AlertKind, place: Place | None) -> timedelta | None:
        """None: never."""
        hours = self.find(kind, place).remind_hours
        return timedelta(hours=hours) if hours else None

    @property
    def is_silent(self) -> bool:
        """True if the person wants nothing anywhere."""
        return not any(rule.is_on for rule in self.rules) and not any(
            self.role in facts.roles for facts in KINDS.values()
        )


NOTHING: Final = Choices(Role.AUDITOR)
