"""The list of trials, and one trial: its life, protocol, data capture and evaluations with their reports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Signed, require_form_token
from api.completeness import Counted, completeness_of_trial
from api.context import Conn, Context, Ctx
from api.pages.board import Seen, Shown, ShownGroup, list_seen, show, show_group
from api.pages.expected import Expected, bounds, expected
from api.pages.listing import Asking, arrange
from api.pages.result import load_result
from api.pages.words import (
    ANSWERS,
    BASES,
    OPEN_POINTS,
    OUTCOMES,
    PERIODS,
    PROGRESS,
    PROVISION_WORDS,
    ROLES,
    TRIAL_STATES,
    VERDICTS,
)
from api.rendering import Page, page_of, respond
from api.withdrawing import withdraw_for
from insitu.errors import NotFound
from insitu.model import DeviceState, TrialState
from store.access import Viewer, visible_trial, visible_trials
from store.catalogue.trials import Trial, TrialStep, list_trial_steps
from store.database import Connection
from store.decisions import find_decision
from store.drafts import find_draft
from store.erasures import count_erased, list_erasures
from store.imports import count_withdrawn, list_imports
from store.mappings import mappings_of_trial
from store.read.ledger_lines import count_stored
from store.read.progress import TrialFacts, list_evaluations, load_trial_facts
from store.requests import list_requests
from store.retention import retention_of
from store.rights import Act
from store.trials import StoredProtocol, evaluation, protocols, unblindings
from trials.condition.completeness import share_stored
from trials.plan.agreement import PROVISIONS
from trials.plan.parts import Capture
from trials.workflow.agreeing import load_agreed
from trials.workflow.asking import ask_for_evaluation
from trials.workflow.blinding import unblind

router = APIRouter()
_WAY: Final = (
    TrialState.NEED,
    TrialState.SHORTLISTED,
    TrialState.AGREEMENT,
    TrialState.DEPLOYMENT,
    TrialState.RUNNING,
    TrialState.EVALUATED,
)
_ORDER: Final = list(TrialState)
_TROUBLED: Final = (DeviceState.SILENT, DeviceState.DEGRADED, DeviceState.NEVER_SEEN)


@dataclass(frozen=True, slots=True)
class Stage:
    """A state of the life cycle: past, present or future; `at` is when the trial reached it, if known."""

    state: str
    kind: Literal["past", "present", "future"]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ShownTrial:
    """`attention`: how many of its devices are in trouble."""

    trial: Trial
    facts: TrialFacts
    devices: int
    attention: int


MOST_LISTED: Final = 100
"""Devices on a trial's page, worst first; the list of devices has them all."""


class Captured(NamedTuple):
    """A device and its share of the results planned so far."""

    seen: Seen
    share: float | None


class ShownCapture(NamedTuple):
    """The same for a template."""

    shown: Shown
    share: float | None


@dataclass(frozen=True, slots=True)
class Reached:
    """Data capture of an arm so far: mean share of its devices, and the number of recent days with enough
    data.
    """

    name: str
    share: float | None
    enough: int
    days: int


@dataclass(frozen=True, slots=True)
class ShownProtocol:
    """`text` is the document, `others` the other versions."""

    stored: StoredProtocol
    text: dict[str, Any]
    periods: list[dict[str, Any]]
    others: list[StoredProtocol]
    capture: dict[str, float]
    reached: list[Reached]
    page: Page

    def target(self, target: dict[str, float | None]) -> str:
        """'≤ −5', '≥ 0.7', '0.65 … 1.35'."""
        return bounds(self.page, target.get("low"), target.get("high"))


@router.get("/trials", response_class=HTMLResponse)
def trials_page(request: Request, conn: Conn, context: Ctx, viewer: Signed, asked: Asking) -> HTMLResponse:
    """The trials that the reader may see."""
    page = page_of(request, viewer)
    found = visible_trials(conn, viewer)
    facts = load_trial_facts(conn, [one.code for one in found])
    devices = list_seen(conn, context, viewer, page, with_days=False)
    shown = [
        ShownTrial(
            one,
            facts[one.code],
            sum(d.row.trial_id == one.trial_id for d in devices),
            sum(d.row.trial_id == one.trial_id and d.state in _TROUBLED for d in devices),
        )
        for one in found
    ]
    listed = arrange(
        shown,
        asked,
        path="/trials",
        text=lambda one: " ".join(
            (one.trial.code, *one.trial.title.values(), one.trial.company, one.trial.host)
        ),
        columns={
            "title": lambda one: page.pick(one.trial.title),
            "state": lambda one: _ORDER.index(one.trial.state),
            "attention": lambda one: -one.attention,
            "created": lambda one: -one.trial.created_at.timestamp(),
        },
    )
    return respond(
        request, "trials.j2", page, list=listed, all=len(shown), states=TRIAL_STATES, verdicts=VERDICTS
    )


@router.get("/trials/{trial}", response_class=HTMLResponse)
def trial_page(request: Request, trial: str, conn: Conn, context: Ctx, viewer: Signed) -> HTMLResponse:
    """One trial."""
    found = visible_trial(conn, viewer, trial)
    page = page_of(request, viewer, found.time_zone)
    captured = capture(conn, list_seen(conn, context, viewer, page, trial=found.code))
    steps = list_trial_steps(conn, found.trial_id)
    stored = protocols(conn, found.code) if viewer.may(Act.READ_PROTOCOL, found) else []
    reads = viewer.may(Act.READ_EVALUATIONS, found)
    evaluations = list_evaluations(conn, found.code, most=20) if reads else []
    newest = next(iter(evaluations), None)
    return respond(
        request,
        "trial.j2",
        page,
        trial=found,
        results=load_result(conn, newest, page.reader.language),
        is_decided=found.state.is_decision
        or (newest is not None and not newest.interim and not newest.blinded),
        outcomes=OUTCOMES,
        decision=find_decision(conn, found.code) if reads else None,
        life=life(found, steps),
        steps=list(reversed(steps)),
        states=TRIAL_STATES,
        verdicts=VERDICTS,
        periods=PERIODS,
        roles=ROLES,
        capture=[
            ShownCapture(show(page, one.seen.row, one.seen.judged), one.share)
            for one in captured[:MOST_LISTED]
        ],
        more_devices=len(captured) > MOST_LISTED,
        groups=_groups(conn, viewer, found, page, captured),
        evaluations=evaluations,
        locked=any(one.locked_at for one in stored),
        asked=next(iter(list_requests(conn, found.code, 1)), None) if reads else None,
        progress=PROGRESS,
        unblinded={one.endpoint: one for one in unblindings(conn, found.code)},
        may_unblind=viewer.may(Act.UNBLIND, found),
        may_lock=viewer.may(Act.LOCK, found),
        imports=list_imports(conn, found.code, most=50) if viewer.may(Act.READ_IMPORTS, found) else [],
        may_withdraw=viewer.may(Act.WITHDRAW, found),
        protocol=_shown(stored, captured, page),
        draft=find_draft(conn, found.code) if viewer.may(Act.READ_PROTOCOL, found) else None,
        expected=_expected(conn, context, viewer, stored, page),
        retention=retention_of(conn, found.code) if viewer.may(Act.READ_RETENTION, found) else None,
        erasures=list_erasures(conn, found.code, most=20) if viewer.may(Act.READ_RETENTION, found) else [],
        may_set_retention=viewer.may(Act.SET_RETENTION, found),
        bases=BASES,
        mappings=mappings_of_trial(conn, found.code) if viewer.may(Act.READ_PROTOCOL, found) else [],
        agreed=load_agreed(conn, found.code) if viewer.may(Act.READ_PROTOCOL, found) else None,
        open_words=OPEN_POINTS,
        answers=ANSWERS,
        provisions=PROVISIONS,
        provision_words=PROVISION_WORDS,
    )


def capture(conn: Connection, devices: list[Seen]) -> list[Captured]:
    """Results of each device stored so far, compared with the plan."""
    names = [(one.row.trial, one.row.device) for one in devices]
    stored = count_stored(conn, names) if names else {}
    for trial in {one.row.trial for one in devices}:
        for gone in (count_withdrawn(conn, trial), count_erased(conn, trial)):
            for device, number in gone.items():
                if (trial, device) in stored:
                    stored[trial, device] -= number
    return [
        Captured(
            one,
            share_stored(stored.get((one.row.trial, one.row.device), 0), one.judged.condition.planned),
        )
        for one in devices
    ]


def _groups(
    conn: Connection, viewer: Viewer, trial: Trial, page: Page, captured: list[Captured]
) -> list[ShownGroup]:
    """The whole trial, its sites and its arms over the last 14 days; nothing before something was planned."""
    seen = [(one.seen.row, one.seen.judged) for one in captured]
    devices = [Counted(row, judged.facts, judged.condition.days) for row, judged in seen]
    found = completeness_of_trial(conn, viewer, trial, devices, page.now, each=False)
    if found.whole is None:
        return []
    sites = {row.site: row.site_name for row, _ in seen}
    return [
        show_group(found.whole, page.t("The whole trial")),
        *(
            show_group(one, page.t("Site {name}", name=sites.get(one.name) or one.name))
            for one in found.of("site")
        ),
        *(show_group(one, page.t("Arm {name}", name=one.name)) for one in found.of("arm")),
    ]


@router.post("/trials/{trial}/endpoints/{endpoint}/unblind", dependencies=[Depends(require_form_token)])
def unblind_endpoint(
    trial: str,
    endpoint: str,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    reason: Annotated[str, Form(max_length=2000)] = "",
) -> RedirectResponse:
    """The form of the trial's page; only for the trial's evaluator."""
    found = visible_trial(conn, viewer, trial)
    if not viewer.may(Act.UNBLIND, found):
        raise NotFound("There is no endpoint that you may unblind.")
    clock = context.clock
    unblind(
        conn,
        found.code,
        endpoint,
        reason=reason,
        now=clock.now(),
        login=viewer.login,
        simulated=clock.is_simulated,
    )
    return RedirectResponse(f"/trials/{found.code}#evaluations", status_code=303)


@router.post("/trials/{trial}/evaluate", dependencies=[Depends(require_form_token)])
def evaluate(trial: str, conn: Conn, context: Ctx, viewer: Signed) -> RedirectResponse:
    """Ask for an evaluation, which a job makes; for the trial's evaluator and the lab."""
    ask_for_evaluation(conn, trial, viewer=viewer, now=context.clock.now())
    return RedirectResponse(f"/trials/{trial}#evaluations", status_code=303)


@router.post("/trials/{trial}/imports/{number}/withdraw", dependencies=[Depends(require_form_token)])
def withdraw_import(
    trial: str,
    number: int,
    conn: Conn,
    context: Ctx,
    viewer: Signed,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> RedirectResponse:
    """The form of the trial's page; for the lab, and for the company of the trial."""
    withdraw_for(conn, context, viewer, trial, number, reason)
    return RedirectResponse(f"/trials/{trial}#imports", status_code=303)


def life(trial: Trial, steps: list[TrialStep]) -> list[Stage]:
    """The six states on the way and, once made, the decision."""
    reached = {step.to_state: step.at for step in steps} | {TrialState.NEED.value: trial.created_at}
    now = trial.state
    before = {step.from_state for step in steps}
    stages = []
    for state in _WAY:
        kind: Literal["past", "present", "future"] = (
            "present" if state is now else ("past" if state in before else "future")
        )
        stages.append(Stage(state.value, kind, reached.get(state.value) if kind != "future" else None))
    if now.is_decision:
        stages.append(Stage(now.value, "present", reached.get(now.value)))
    return stages


def _shown(stored: list[StoredProtocol], devices: list[Captured], page: Page) -> ShownProtocol | None:
    """The newest locked version, else the newest draft."""
    newest = next((one for one in stored if one.locked_at), stored[0] if stored else None)
    if newest is None:
        return None
    text = json.loads(newest.document)
    periods = [
        {
            "name": p["name"],
            "start": datetime.fromisoformat(p["start"]),
            "end": datetime.fromisoformat(p["end"]),
        }
        for p in text["periods"]
    ]
    planned = Capture.model_validate(text.get("capture", {})).model_dump()
    reached = [_reached(arm, devices, planned["share"]) for arm in text["arms"]]
    return ShownProtocol(
        newest, text, periods, [one for one in stored if one is not newest], planned, reached, page
    )


def _reached(arm: dict[str, Any], devices: list[Captured], share: float) -> Reached:
    """Data capture of those devices of the arm that the reader may see."""
    own = [one for one in devices if one.seen.row.device in arm["devices"]]
    shares = [one.share for one in own if one.share is not None]
    days: dict[date, list[float]] = {}
    for one in own:
        for day in one.seen.judged.condition.days:
            if day.share is not None:
                days.setdefault(day.day, []).append(day.share)
    enough = sum(sum(of_day) >= share * len(of_day) for of_day in days.values())
    return Reached(arm["name"], sum(shares) / len(shares) if shares else None, enough, len(days))


def _expected(
    conn: Connection, context: Context, viewer: Viewer, stored: list[StoredProtocol], page: Page
) -> Expected | None:
    """The outlook of the newest locked version, for readers who may see measurements, because it is made of
    them.
    """
    newest = next((one for one in stored if one.locked_at), None)
    if newest is None or not viewer.sees_measurements:
        return None
    return expected(context.outlooks.of(conn, newest, context.clock), page)


@router.get("/trials/{trial}/protocols/{version}.json")
def protocol_file(trial: str, version: int, conn: Conn, viewer: Signed) -> Response:
    """The bytes whose SHA-256 was locked."""
    found = visible_trial(conn, viewer, trial)
    stored = protocols(conn, found.code) if viewer.may(Act.READ_PROTOCOL, found) else []
    wanted = next((one for one in stored if one.version == version), None)
    if wanted is None:
        raise NotFound(f"{trial!r} has no protocol version {version}, or you may not see it.")
    return Response(
        wanted.document.encode(),
        media_type="application/json",
        headers={"ETag": f'"{wanted.sha256}"', "Cache-Control": "private, max-age=31536000, immutable"},
    )


def evaluation_of(conn: Connection, viewer: Viewer, trial: str, evaluation_id: int) -> Any:
    """A stored evaluation of a trial; raises NotFound if the viewer may not read its evaluations."""
    found = visible_trial(conn, viewer, trial)
    may_read = viewer.may(Act.READ_EVALUATIONS, found) and 0 < evaluation_id < 2**31
    stored = evaluation(conn, evaluation_id) if may_read else None
    if stored is None or stored.trial != found.code:
        raise NotFound(f"{trial!r} has no evaluation {evaluation_id}, or you may not see it.")
    return stored
