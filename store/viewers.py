"""People who have signed in, and what each may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from insitu.model import Role
from store.catalogue.trials import Trial
from store.rights import PARTY, RIGHTS, Act, Reach


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person a page is made for. `has_factor`: this person has a second factor, or is a machine, which
    needs none.
    """

    person_id: int
    login: str
    name: str
    language: str
    role: Role
    organisation_id: int
    organisation: str
    has_factor: bool

    def reach(self, act: Act) -> Reach:
        return RIGHTS[act].reach[self.role]

    def may(self, act: Act, trial: Trial | None = None) -> bool:
        """`trial`: one that this person sees. Without it: whether the role may do this in any trial."""
        reach = self.reach(act)
        if trial is None:
            return reach > Reach.NONE
        part = PARTY.get(self.role)
        is_own = part is not None and getattr(trial, f"{part}_id") == self.organisation_id
        return reach >= (Reach.OWN if is_own else self.reach(Act.SEE_TRIAL))

    @property
    def sees_measurements(self) -> bool:
        return self.may(Act.READ_MEASUREMENTS)

    @property
    def host_id(self) -> int | None:
        """The host whose sites this person is limited to; None: all sites of the devices that this person may
        see.
        """
        return self.organisation_id if self.reach(Act.SEE_HEALTH) is Reach.SITES else None

    def scope(self) -> dict[str, Any]:
        """Parameters of the queries that decide which trials and devices this person sees."""
        return {
            "reach": self.reach(Act.SEE_TRIAL).name.lower(),
            "party": PARTY.get(self.role, ""),
            "organisation_id": self.organisation_id,
        }
