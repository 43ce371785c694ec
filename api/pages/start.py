"""The start page: tasks that wait for the reader, worst first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.access import Signed
from api.context import Conn, Ctx
from api.pages.board import Seen, count_states, list_seen, show
from api.pages.words import REASONS, TRIAL_STATES, VERDICTS
from api.rendering import Page, page_of, respond
from insitu.model import DeviceState, RejectReason, TrialState
from store import shards
from store.access import Viewer, visible_trials
from store.alerts import StoredAlert, list_open_alerts
from store.catalogue.trials import Trial
from store.read.fleet import load_scope
from store.read.ledger_lines import sum_ledger
from store.read.progress import TrialFacts, load_trial_facts
from store.read.refused import ReasonCount, count_reasons
from store.requests import Request as EvaluationRequest
from store.requests import list_failed
from store.rights import Act, Reach

router = APIRouter()
_TROUBLED: Final = (DeviceState.SILENT, DeviceState.DEGRADED, DeviceState.LATE, DeviceState.NEVER_SEEN)
_MOST_DEVICES: Final = 8


@dataclass(frozen=True, slots=True)
class Waiting:
    """One task: `state` selects its shape; `href` leads to the place for action."""

    state: str
    title: str
    detail: str
    href: str


@router.get("/", response_class=HTMLResponse)
def start_page(request: Request, conn: Conn, context: Ctx, viewer: Signed) -> HTMLResponse:
    """Waiting tasks, and figures about the reader's devices."""
    page = page_of(request, viewer)
    trials = visible_trials(conn, viewer)
    facts = load_trial_facts(conn, [one.code for one in trials])
    devices = list_seen(conn, context, viewer, page, with_days=False)
    within = load_scope(conn, viewer, now=page.now)
    reasons = count_reasons(conn, within, since=page.now - timedelta(days=1))
    sums = sum_ledger(conn, within)
    troubled = _devices(page, devices) if viewer.may(Act.LOOK_AFTER) else ()
    mine = [one.code for one in trials if viewer.may(Act.EVALUATE, one)]
    waiting = [
        *_programme(page, viewer, trials, facts),
        *_failed(page, list_failed(conn, mine)),
        *troubled,
        *_first_devices(page, viewer, trials, {one.row.trial for one in devices}),
        *_trials(page, viewer, trials, facts),
    ]
    if viewer.may(Act.REPLAY):
        waiting += _rejects(page, reasons)
    waiting[:0] = _alerts(page, list_open_alerts(conn, viewer.person_id))
    if viewer.reach(Act.SEE_HEALTH) is Reach.ANY:
        waiting[:0] = _ingest(page, shards.health(conn).trouble)
    number = count_states(devices)
    return respond(
        request,
        "start.j2",
        page,
        waiting=waiting,
        figures=[
            (page.t("devices"), len(devices) - number[DeviceState.RETIRED], "/fleet"),
            (page.t("online"), number[DeviceState.ONLINE], "/fleet?state=online"),
            (page.t("trials"), len(trials), "/trials"),
            (page.t("results stored"), sums.stored, "/rejects#ledger"),
            (page.t("messages refused"), sums.refused, "/rejects"),
        ],
        anything=bool(trials or devices),
        trials=[(one, facts[one.code]) for one in trials] if viewer.may(Act.DECIDE) else [],
        states=TRIAL_STATES,
        verdicts=VERDICTS,
    )


def _ingest(page: Page, trouble: str | None) -> Iterator[Waiting]:
    if trouble:
        title = page.t("Insitu is not taking in messages")
        yield Waiting(
            "silent", title, page.t("The broker keeps them meanwhile. {trouble}", trouble=trouble), "/readyz"
        )


def _alerts(page: Page, alerts: Sequence[StoredAlert]) -> Iterator[Waiting]:
    """Alerts that the reader has not acknowledged."""
    new = [one for one in alerts if one.acknowledged_at is None]
    if new:
        title = page.n("{n} alert is open", "{n} alerts are open", len(new))
        yield Waiting("silent", title, page.t("The page says about what, and where alerts go."), "/alerts")


def _devices(page: Page, devices: Sequence[Seen]) -> Iterator[Waiting]:
    troubled = [one for one in devices if one.state in _TROUBLED]
    for one in (show(page, seen.row, seen.judged) for seen in troubled[:_MOST_DEVICES]):
        detail = f"{page.t(one.word)}{page.colon}{one.cause}" if one.cause else page.t(one.word)
        where = (
            f"{one.row.site_name} · {one.row.position}"
            if one.row.site_name
            else page.pick(one.row.trial_title)
        )
        href = f"/trials/{one.row.trial}/devices/{one.row.device}"
        yield Waiting(one.state.value, f"{one.row.device} ({where})", detail, href)
    if len(troubled) > _MOST_DEVICES:
        text = page.n(
            "{n} more device needs attention",
            "{n} more devices need attention",
            len(troubled) - _MOST_DEVICES,
        )
        yield Waiting("degraded", text, "", f"/fleet?state={troubled[_MOST_DEVICES].state.value}")


def _rejects(page: Page, reasons: Sequence[ReasonCount]) -> Iterator[Waiting]:
    for one in reasons:
        if one.recent:
            known = one.reason in set(RejectReason)
            word = page.t(REASONS[RejectReason(one.reason)]) if known else one.reason
            title = page.n(
                "{n} message refused in the last 24 hours: {reason}",
                "{n} messages refused in the last 24 hours: {reason}",
                one.recent,
                reason=word,
            )
            yield Waiting(
                "degraded", title, page.t("The page says how to fix it."), f"/rejects?reason={one.reason}"
            )


def _programme(
    page: Page, viewer: Viewer, trials: Sequence[Trial], facts: dict[str, TrialFacts]
) -> Iterator[Waiting]:
    """Steps of the lab: the first trial, and trials that are ready to run."""
    if not viewer.may(Act.RUN_PROGRAMME):
        return
    if not trials:
        title = page.t("Enter the first trial")
        detail = page.t("First its host and its company, on the page Programme.")
        yield Waiting("late", title, detail, "/register")
    for trial in trials:
        own = facts[trial.code]
        if trial.state is TrialState.DEPLOYMENT and own.locked_at is not None and own.devices:
            title = page.t("Let it run: {trial}", trial=page.pick(trial.title))
            detail = page.t("Its protocol is locked and its devices are registered.")
            yield Waiting("late", title, detail, f"/trials/{trial.code}/life")


def _failed(page: Page, failed: Sequence[EvaluationRequest]) -> Iterator[Waiting]:
    for one in failed:
        title = page.t("The evaluation failed: {trial}", trial=one.trial)
        yield Waiting("silent", title, one.problem or "", f"/trials/{one.trial}#evaluations")


def _first_devices(
    page: Page, viewer: Viewer, trials: Sequence[Trial], with_devices: Collection[str]
) -> Iterator[Waiting]:
    """Trials of the reader's own company without a device."""
    for trial in trials:
        is_own = trial.company_id == viewer.organisation_id and viewer.may(Act.CONNECT, trial)
        if is_own and trial.code not in with_devices and not trial.state.is_decision:
            title = page.t("Connect the first device: {trial}", trial=page.pick(trial.title))
            detail = page.t("It takes five minutes: credential, program, first message.")
            yield Waiting("late", title, detail, f"/trials/{trial.code}/connect")


def _trials(
    page: Page, viewer: Viewer, trials: Sequence[Trial], facts: dict[str, TrialFacts]
) -> Iterator[Waiting]:
    """Steps that the reader may take: lock, evaluate, decide."""
    for trial in trials:
        own, title, href = facts[trial.code], page.pick(trial.title), f"/trials/{trial.code}"
        if trial.state in (TrialState.DEPLOYMENT, TrialState.RUNNING) and own.locked_at is None:
            if not viewer.may(Act.LOCK, trial):
                continue
            yield Waiting(
                "late",
                page.t("Lock the protocol: {trial}", trial=title),
                page.t("It counts only when it is locked before the reporting period."),
                href,
            )
        elif trial.state == TrialState.EVALUATED and viewer.may(Act.DECIDE, trial):
            yield Waiting(
                "late",
                page.t("Decide: {trial}", trial=title),
                page.t("It is evaluated; the report is ready."),
                f"{href}/decision",
            )
        elif (
            trial.ends_at is not None
            and trial.ends_at < page.now
            and own.evaluation_id is None
            and viewer.may(Act.LOCK, trial)
        ):
            yield Waiting(
                "late",
                page.t("Evaluate: {trial}", trial=title),
                page.t("The trial has ended."),
                f"{href}#evaluations",
            )
