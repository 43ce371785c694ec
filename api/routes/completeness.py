"""Completeness of a trial and of a site."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api.access import Signed
from api.completeness import (
    COLUMNS,
    Completeness,
    completeness_of_site,
    completeness_of_trial,
    load_devices,
    write_completeness,
)
from api.context import Conn, Context, Ctx
from api.routes.shapes import example
from insitu.errors import NotFound
from store.access import Viewer, visible_trial
from store.catalogue.sites import list_host_sites
from store.database import Connection
from trials.condition.groups import GroupShare
from trials.workflow.programme import may_manage_sites_of

router = APIRouter()
_CSV: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/csv": {"example": ",".join(COLUMNS) + "\r\n"}}}
}


class DayOut(BaseModel):
    day: date
    share: float | None
    """Of the planned intervals of that local day: those with a result that no check has failed; null where
    nothing was planned.
    """


class GroupOut(BaseModel):
    model_config = example(
        code="station-a", devices=4, share=0.96, days=[{"day": "2026-03-02", "share": 0.96}]
    )

    code: str
    devices: int
    """With a plan on any of the days."""
    share: float | None
    """The mean over the days with a plan."""
    days: list[DayOut]
    """The last 14 local days, today included; each the mean over the devices with a plan on it."""


class TrialCompletenessOut(BaseModel):
    """Of the devices that the reader may see."""

    whole: GroupOut | None
    """null where nothing was planned."""
    sites: list[GroupOut]
    """A day counts for the site where the device was planned for longest on it."""
    arms: list[GroupOut]
    """Of the newest locked protocol, for its readers; replacements at the places of its devices included."""
    devices: list[GroupOut]


class SiteCompletenessOut(BaseModel):
    """Of the devices that the reader may see, on the days on which they stood at the site."""

    whole: GroupOut | None
    trials: list[GroupOut]
    devices: list[GroupOut]
    """By `TRIAL/DEVICE`."""


@router.get("/trials/{trial}/completeness")
def get_trial_completeness(trial: str, conn: Conn, context: Ctx, viewer: Signed) -> TrialCompletenessOut:
    """Completeness of the last 14 local days, by day: of the trial, its sites, its arms and its devices."""
    found = _of_trial(conn, context, viewer, trial)
    return TrialCompletenessOut(
        whole=_whole(found, trial),
        sites=_groups(found.of("site")),
        arms=_groups(found.of("arm")),
        devices=_groups(found.of("device")),
    )


@router.get("/trials/{trial}/completeness.csv", responses=_CSV)
def get_trial_completeness_csv(trial: str, conn: Conn, context: Ctx, viewer: Signed) -> Response:
    """The same as a table: a row for each group and day, and one without a day for all of its days."""
    return _file(_of_trial(conn, context, viewer, trial), trial)


@router.get("/sites/{site}/completeness")
def get_site_completeness(site: str, conn: Conn, context: Ctx, viewer: Signed) -> SiteCompletenessOut:
    """Completeness of the last 14 local days, by day: of the site, and of its trials and devices there. For
    those who manage the site.
    """
    found = _of_site(conn, context, viewer, site)
    return SiteCompletenessOut(
        whole=_whole(found, site), trials=_groups(found.of("trial")), devices=_groups(found.of("device"))
    )


@router.get("/sites/{site}/completeness.csv", responses=_CSV)
def get_site_completeness_csv(site: str, conn: Conn, context: Ctx, viewer: Signed) -> Response:
    """The same as a table."""
    return _file(_of_site(conn, context, viewer, site), site)


def _of_trial(conn: Connection, context: Context, viewer: Viewer, code: str) -> Completeness:
    trial, now = visible_trial(conn, viewer, code), context.clock.now()
    devices = load_devices(conn, context, viewer, now, trial.code)
    return completeness_of_trial(conn, viewer, trial, devices, now)


def _of_site(conn: Connection, context: Context, viewer: Viewer, code: str) -> Completeness:
    now = context.clock.now()
    site = next(iter(list_host_sites(conn, None, now=now, code=code)), None)
    if site is None or not may_manage_sites_of(viewer, site.host_id):
        raise NotFound(f"There is no site {code!r}, or you do not manage it.")
    return completeness_of_site(code, load_devices(conn, context, viewer, now), now)


def _groups(groups: Sequence[GroupShare]) -> list[GroupOut]:
    return [
        GroupOut(
            code=one.name,
            devices=one.devices,
            share=one.share,
            days=[DayOut(day=day.day, share=day.share) for day in one.days],
        )
        for one in groups
    ]


def _whole(found: Completeness, code: str) -> GroupOut | None:
    if found.whole is None:
        return None
    (one,) = _groups([found.whole])
    return one.model_copy(update={"code": code})


def _file(found: Completeness, code: str) -> Response:
    name = f'attachment; filename="{code}-completeness.csv"'
    text = write_completeness(found)
    return Response(text, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})
