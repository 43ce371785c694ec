"""Windows of a trial and of a site: declared, ended, withdrawn and corrected by those who may."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from api.access import Signed, require_right
from api.context import Conn, Ctx
from api.preconditions import IfMatch, quoted, stated_tag
from api.problems import OF_BODIES
from api.routes.shapes import Listed, example
from insitu.entered import require_written
from insitu.model import WindowKind
from insitu.times import require_usual
from store.access import visible_trial
from store.catalogue.entries import list_versions
from store.catalogue.windows import StoredWindow, get_window, list_stored_windows
from store.rights import Act
from trials.workflow.windows import (
    MOST_REASON,
    Target,
    Wanted,
    correct,
    declare,
    end_now,
    require_may_declare,
    visible_windows,
    withdraw,
)

router = APIRouter()
Number = Annotated[int, Path(ge=1, lt=2**31)]
Instant = Annotated[AwareDatetime, BeforeValidator(require_written), AfterValidator(require_usual)]
Reason = Annotated[str, Field(min_length=1, max_length=MOST_REASON)]


class WindowIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "kind": "maintenance",
                "start": "2026-04-02T22:00:00+02:00",
                "end": "2026-04-03T04:00:00+02:00",
                "reason": "The platform is cleaned.",
            }
        },
    )

    kind: WindowKind
    start: Instant
    end: Instant | None = None
    """Null: until somebody ends it."""
    reason: Reason

    def wanted(self) -> Wanted:
        return Wanted(self.kind, self.start, self.end, self.reason)


class TrialWindowIn(WindowIn):
    """`device` and `site`: one of them, or none for the whole trial."""

    device: str | None = Field(default=None, max_length=64)
    site: str | None = Field(default=None, max_length=64)

    def target(self, trial: str) -> Target:
        if self.device is not None:
            return Target("device", f"{trial}/{self.device}")
        return Target("trial", trial) if self.site is None else Target("site", self.site)


class WithdrawalIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"reason": "The wrong week."}})

    reason: Reason


class WindowOut(BaseModel):
    """`target` is the code of a trial or site, or TRIAL/DEVICE."""

    model_config = example(
        window_id=7,
        kind="maintenance",
        target_kind="site",
        target="station-centre",
        start="2026-04-02T20:00:00Z",
        end="2026-04-03T02:00:00Z",
        reason="The platform is cleaned.",
        declared_by="marie",
        declared_at="2026-03-30T08:00:00Z",
        is_afterwards=False,
        ended_at=None,
        ended_by=None,
        withdrawn_at=None,
        withdrawn_by=None,
        withdrawn_for=None,
        etag='"7341"',
    )

    window_id: int
    kind: WindowKind
    target_kind: str
    target: str
    start: datetime
    end: datetime | None
    """As declared; null: until somebody ends it."""
    reason: str
    declared_by: str
    declared_at: datetime
    is_afterwards: bool
    """Declared after its start: every report says so."""
    ended_at: datetime | None
    """Ended then, earlier than declared."""
    ended_by: str | None
    withdrawn_at: datetime | None
    """It counts no longer."""
    withdrawn_by: str | None
    withdrawn_for: str | None
    etag: str
    """Send it as If-Match to change the window that you read, and nothing newer."""


def shown(conn: Conn, windows: Sequence[StoredWindow]) -> list[WindowOut]:
    versions = list_versions(conn, "window")
    names = WindowOut.model_fields.keys() - {"etag"}
    return [
        WindowOut(**{name: getattr(one, name) for name in names}, etag=quoted(versions[str(one.window_id)]))
        for one in windows
    ]


def _one(conn: Conn, number: int, response: Response) -> WindowOut:
    (window,) = shown(conn, [get_window(conn, number)])
    response.headers["ETag"] = window.etag
    return window


@router.get("/trials/{trial}/windows")
def list_trial_windows(trial: str, conn: Conn, context: Ctx, viewer: Signed) -> Listed[WindowOut]:
    """Windows that touch a trial: its own, those of its sites and of its devices, newest first; withdrawn
    ones too.
    """
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.SEE_HEALTH, f"window of {trial!r}", found)
    windows = visible_windows(conn, viewer, found, context.clock.now())
    return Listed(items=shown(conn, windows), next=None)


@router.post("/trials/{trial}/windows", status_code=201, responses=OF_BODIES)
def post_trial_window(
    trial: str, body: TrialWindowIn, conn: Conn, context: Ctx, viewer: Signed, response: Response
) -> WindowOut:
    """Declare a window for the trial, a device or a site. The same window again is not declared twice: the
    answer is the one that is there.
    """
    found = visible_trial(conn, viewer, trial)
    now = context.clock.now()
    target = body.target(found.code)
    number = declare(conn, target, body.wanted(), viewer=viewer, by=viewer.login, now=now)
    return _one(conn, number, response)


@router.get("/sites/{site}/windows")
def list_site_windows(site: str, conn: Conn, context: Ctx, viewer: Signed) -> Listed[WindowOut]:
    """Windows of a site, newest first; withdrawn ones too."""
    require_may_declare(conn, viewer, Target("site", site), context.clock.now())
    return Listed(items=shown(conn, list_stored_windows(conn, site=site)), next=None)


@router.post("/sites/{site}/windows", status_code=201, responses=OF_BODIES)
def post_site_window(
    site: str, body: WindowIn, conn: Conn, context: Ctx, viewer: Signed, response: Response
) -> WindowOut:
    """Declare a window for everything at a site. The same window again is not declared twice."""
    now = context.clock.now()
    target = Target("site", site)
    number = declare(conn, target, body.wanted(), viewer=viewer, by=viewer.login, now=now)
    return _one(conn, number, response)


@router.post("/windows/{number}/end", responses=OF_BODIES)
def end_window(
    number: Number, conn: Conn, context: Ctx, viewer: Signed, response: Response, if_match: IfMatch = None
) -> WindowOut:
    """End a running window now."""
    now, tag = context.clock.now(), stated_tag(if_match)
    end_now(conn, number, viewer=viewer, by=viewer.login, now=now, expected=tag)
    return _one(conn, number, response)


@router.post("/windows/{number}/withdrawal", status_code=201, responses=OF_BODIES)
def withdraw_window(
    number: Number,
    body: WithdrawalIn,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    response: Response,
    if_match: IfMatch = None,
) -> WindowOut:
    """Withdraw a window that has not begun, or that was declared afterwards: it counts no longer and stays in
    the record.
    """
    now, tag = context.clock.now(), stated_tag(if_match)
    withdraw(conn, number, body.reason, viewer=viewer, by=viewer.login, now=now, expected=tag)
    return _one(conn, number, response)


@router.post("/windows/{number}/correction", status_code=201, responses=OF_BODIES)
def correct_window(
    number: Number,
    body: WindowIn,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    response: Response,
    if_match: IfMatch = None,
) -> WindowOut:
    """Withdraw a window and declare another one for the same target; the answer is the new one."""
    now, tag = context.clock.now(), stated_tag(if_match)
    new = correct(conn, number, body.wanted(), viewer=viewer, by=viewer.login, now=now, expected=tag)
    return _one(conn, new, response)
