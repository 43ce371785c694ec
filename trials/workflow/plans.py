"""Plans of sites: entering, changing and removing them, and moving devices on them. Each act leaves a line in
the audit log; the caller owns the transaction.

`viewer` None: the local administrator, who may do everything. `by`: who acts, as rows and the log name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import Field

from insitu.entered import Entry, Name
from insitu.errors import AlreadyExists, ChangedMeanwhile, CorrectInput, NotFound
from store.access import Viewer
from store.audit import record
from store.catalogue import plans as store
from store.catalogue.devices import find_device
from store.catalogue.plans import Picture, Place, Plan
from store.catalogue.sites import HostSite, list_host_sites
from store.database import Connection
from store.read.fleet import FleetRow, list_devices
from store.rights import Act, Reach
from trials.workflow.programme import may_manage_sites_of

MOST_PLANS: Final = 40
UNPLACED: Final = "unplaced"
"""The version of the place of a device that has none."""


class PlanEntry(Entry):
    """`rank`: plans are listed by it, as floors from below."""

    name: Name = Field(max_length=200)
    rank: int = Field(default=0, ge=-999, le=999)


class Spot(Entry):
    """Percent of the width from the left, and of the height from the top."""

    x: float = Field(ge=0, le=100, allow_inf_nan=False)
    y: float = Field(ge=0, le=100, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class SeenSite:
    """A site with its plans as a person sees them. `devices`: those that are there now and that the person
    may see; `places`: theirs.
    """

    site: HostSite
    plans: list[Plan]
    devices: list[FleetRow]
    places: list[Place]
    may_change: bool

    def plan(self, plan_id: int) -> Plan:
        """Raises NotFound if there is none of that number."""
        for one in self.plans:
            if one.plan_id == plan_id:
                return one
        raise NotFound(f"The site {self.site.code!r} has no plan {plan_id}, or you may not see it.")

    def place_of(self, device_id: int) -> Place | None:
        return next((one for one in self.places if one.device_id == device_id), None)


def see_site(conn: Connection, viewer: Viewer, code: str, *, now: datetime) -> SeenSite:
    """For those who manage the site or see the health of a device there; raises NotFound for others."""
    site = next(iter(list_host_sites(conn, None, now=now, code=code)), None)
    if site is None:
        raise NotFound(f"There is no site {code!r}, or you may not see it.")
    here = [one for one in list_devices(conn, viewer, now=now, site=code) if is_there(one, now)]
    may_change = may_manage_sites_of(viewer, site.host_id)
    if not (may_change or here or viewer.reach(Act.SEE_HEALTH) is Reach.ANY):
        raise NotFound(f"There is no site {code!r}, or you may not see it.")
    seen = {one.device_id for one in here}
    places = [one for one in store.list_places(conn, code, now=now) if one.device_id in seen]
    return SeenSite(site, store.list_plans(conn, code), here, places, may_change)


def is_there(device: FleetRow, now: datetime) -> bool:
    """Whether the device is at its site at `now`: not only before, or later."""
    begun = device.deployed_at is not None and device.deployed_at <= now
    return begun and (device.deployed_until is None or device.deployed_until > now)


def require_manages(conn: Connection, viewer: Viewer | None, code: str, now: datetime) -> HostSite:
    """The site, for those who manage it; raises NotFound for others."""
    site = next(iter(list_host_sites(conn, None, now=now, code=code)), None)
    if site is None or (viewer is not None and not may_manage_sites_of(viewer, site.host_id)):
        raise NotFound(f"There is no site {code!r} whose plans you may change.")
    return site


def add_plan(
    conn: Connection,
    code: str,
    entry: PlanEntry,
    picture: Picture,
    *,
    viewer: Viewer | None,
    by: str,
    now: datetime,
) -> int:
    """The number of the plan. AlreadyExists for a name that another plan of the site has."""
    require_manages(conn, viewer, code, now)
    plans = store.hold_plans(conn, code)
    _require_free_name(plans, entry.name, None)
    if len(plans) >= MOST_PLANS:
        raise CorrectInput(f"A site has at most {MOST_PLANS} plans: remove one first.")
    number = store.add_plan(conn, code, name=entry.name, rank=entry.rank, picture=picture, login=by, now=now)
    detail = {"plan": number, "name": entry.name, "rank": entry.rank, "sha256": picture.sha256}
    record(conn, at=now, login=by, action="enter site plan", subject=code, detail=detail)
    return number


def change_plan(
    conn: Connection,
    code: str,
    plan_id: int,
    entry: PlanEntry,
    picture: Picture | None = None,
    *,
    viewer: Viewer | None,
    by: str,
    now: datetime,
    expected: str | None = None,
) -> None:
    """Another name, another rank, another picture; places stay. ChangedMeanwhile if the plan has another
    version than `expected`; nothing is recorded where nothing differs.
    """
    plan = _held(conn, code, plan_id, viewer, now, expected)
    _require_free_name(store.list_plans(conn, code), entry.name, plan)
    changes: dict[str, Any] = {}
    if entry.name != plan.name:
        changes["name"] = [plan.name, entry.name]
    if entry.rank != plan.rank:
        changes["rank"] = [plan.rank, entry.rank]
    if changes:
        store.change_plan(conn, plan, name=entry.name, rank=entry.rank, login=by, now=now)
    if picture is not None and picture.sha256 != plan.sha256:
        store.change_image(conn, plan, picture, login=by, now=now)
        changes["sha256"] = [plan.sha256, picture.sha256]
    if changes:
        detail = {"plan": plan_id, "changes": changes}
        record(conn, at=now, login=by, action="change site plan", subject=code, detail=detail)


def remove_plan(
    conn: Connection,
    code: str,
    plan_id: int,
    *,
    is_sure: bool,
    viewer: Viewer | None,
    by: str,
    now: datetime,
    expected: str | None = None,
) -> None:
    """Removes a plan and all places on it; CorrectInput unless the person has said that this is meant."""
    plan = _held(conn, code, plan_id, viewer, now, expected)
    places = [one for one in store.list_places(conn, code, now=now) if one.plan_id == plan_id]
    if not is_sure:
        raise CorrectInput(
            "The plan would be gone for good, and with it the places of its devices "
            f"({len(places)}): confirm that you mean it."
        )
    store.remove_plan(conn, plan)
    detail = {"plan": plan_id, "name": plan.name, "sha256": plan.sha256, "places": len(places)}
    record(conn, at=now, login=by, action="remove site plan", subject=code, detail=detail)


def place_device(
    conn: Connection,
    code: str,
    plan_id: int,
    device: str,
    spot: Spot | None,
    *,
    viewer: Viewer | None,
    by: str,
    now: datetime,
    expected: str | None = None,
) -> bool:
    """Puts `TRIAL/DEVICE` there on the plan, or with None takes it off; False if it is there already.

    CorrectInput for a device that is not at the site now, ChangedMeanwhile if somebody moved it since the
    version `expected` (UNPLACED: it had no place).
    """
    require_manages(conn, viewer, code, now)
    plan = store.get_plan(conn, code, plan_id)
    trial, _, name = device.partition("/")
    try:
        device_id = find_device(conn, trial, name).device_id
    except NotFound:
        device_id = 0
    deployment = store.hold_deployment(conn, device_id, code, now=now)
    if deployment is None:
        raise CorrectInput(f"{device!r} does not stand at {code} now: write TRIAL/DEVICE of one that does.")
    before = next((one for one in store.list_places(conn, code, now=now) if one.device_id == device_id), None)
    _require_unmoved(device, before, expected)
    if spot is None:
        return _take_off(conn, plan, device, deployment, before, by=by, now=now)
    if before is not None and (before.plan_id, before.x, before.y) == (plan_id, spot.x, spot.y):
        return False
    store.put_place(conn, deployment, plan, x=spot.x, y=spot.y, login=by, now=now)
    detail = {"plan": plan_id, "device": device, "x": spot.x, "y": spot.y, **_was(before)}
    record(conn, at=now, login=by, action="place device", subject=code, detail=detail)
    return True


def _take_off(
    conn: Connection,
    plan: Plan,
    device: str,
    deployment: int,
    before: Place | None,
    *,
    by: str,
    now: datetime,
) -> bool:
    if before is None or before.plan_id != plan.plan_id:
        return False
    store.remove_place(conn, deployment)
    detail = {"plan": plan.plan_id, "device": device, **_was(before)}
    record(conn, at=now, login=by, action="take device off plan", subject=plan.site, detail=detail)
    return True


def _was(before: Place | None) -> dict[str, Any]:
    return {} if before is None else {"was": {"plan": before.plan_id, "x": before.x, "y": before.y}}


def _require_unmoved(device: str, before: Place | None, expected: str | None) -> None:
    version = UNPLACED if before is None else before.version
    if expected in (None, "*", version):
        return
    if before is None:
        raise ChangedMeanwhile(f"{device} was taken off meanwhile: look where it is now, then move it.")
    who = before.placed_by
    raise ChangedMeanwhile(f"{device} was moved by {who} meanwhile: look where it is now, then move it.")


def _require_free_name(plans: Sequence[Plan], name: str, own: Plan | None) -> None:
    if any(one.name == name and (own is None or one.plan_id != own.plan_id) for one in plans):
        raise AlreadyExists(f"The site has a plan with the name {name!r} already: choose another one.")


def _held(
    conn: Connection, code: str, plan_id: int, viewer: Viewer | None, now: datetime, expected: str | None
) -> Plan:
    """The plan, if this person may change it; nobody else does until the transaction ends."""
    require_manages(conn, viewer, code, now)
    plan = store.hold_plan(conn, code, plan_id)
    if expected not in (None, "*", plan.version):
        raise ChangedMeanwhile(
            f"The plan {plan.name!r} was changed by {plan.changed_by} meanwhile: read it again, then "
            "change that."
        )
    return plan
