"""Windows that people declare, end, withdraw and correct. Each act leaves a line in the audit log; the caller
owns the transaction.

`viewer` None: the local administrator, who may do everything. `by`: who acts, as rows and the log name it.

A window that was declared in time and has begun stays, and can only be ended from now on: otherwise somebody
could see the results first, and then choose whether they count.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from insitu.errors import CorrectInput, NotFound
from insitu.letters import find_unseen
from insitu.model import WindowKind
from store.access import Viewer, visible_trial
from store.catalogue.devices import find_device
from store.catalogue.entries import require_version
from store.catalogue.sites import list_host_sites
from store.catalogue.trials import Trial
from store.catalogue.windows import (
    StoredWindow,
    add_window,
    end_window,
    find_same_window,
    get_window,
    hold_window,
    list_stored_windows,
    withdraw_window,
)
from store.database import Connection
from store.read.fleet import list_devices
from store.rights import Act, Reach

MOST_REASON: Final = 500
TargetKind = Literal["trial", "site", "device"]


class Target(NamedTuple):
    """`code`: of a trial or a site, or TRIAL/DEVICE."""

    kind: TargetKind
    code: str


class Wanted(NamedTuple):
    """A window as somebody states it: `[start, end)`; `end` None: until somebody ends it."""

    kind: WindowKind
    start: datetime
    end: datetime | None
    reason: str


def declare(
    conn: Connection, target: Target, wanted: Wanted, *, viewer: Viewer | None, by: str, now: datetime
) -> int:
    """The number of the window. The same one again, in the same words by the same person, is not declared
    twice: its number is returned.

    Raises NotFound for a target that is not there or not this person's, CorrectInput for a wrong period or a
    missing reason.
    """
    require_may_declare(conn, viewer, target, now)
    wanted = _sound(wanted)
    trial, site, device_id = _parts(conn, target)
    given = {**wanted._asdict(), "trial": trial, "site": site, "device_id": device_id, "declared_by": by}
    same = find_same_window(conn, **given)
    return same if same is not None else add_window(conn, now=now, **given)


def end_now(
    conn: Connection,
    window_id: int,
    *,
    viewer: Viewer | None,
    by: str,
    now: datetime,
    expected: str | None = None,
) -> None:
    """A running window ends at `now`. Raises NotFound if it is not this person's, CorrectInput if it does not
    run.
    """
    window = _held(conn, window_id, viewer, now, expected)
    if not window.has_begun(now) or window.is_over(now):
        raise CorrectInput(f"Window {window_id} does not run now, so nobody can end it.")
    if window.start == now:
        raise CorrectInput(f"Window {window_id} begins at this moment: end it a little later.")
    end_window(conn, window, at=now, login=by)


def withdraw(
    conn: Connection,
    window_id: int,
    reason: str,
    *,
    viewer: Viewer | None,
    by: str,
    now: datetime,
    expected: str | None = None,
) -> None:
    """The window counts no longer, and stays in the record. Raises NotFound if it is not this person's,
    CorrectInput for one that has to stay.
    """
    window = _held(conn, window_id, viewer, now, expected)
    if not may_be_withdrawn(window, now):
        raise CorrectInput(
            f"Window {window_id} was declared in time and has begun, so it stays: otherwise its results "
            "could be looked at first. It can be ended from now on."
            if window.withdrawn_at is None
            else f"Window {window_id} is withdrawn already."
        )
    withdraw_window(conn, window, at=now, login=by, reason=_reason(reason))


def correct(
    conn: Connection,
    window_id: int,
    wanted: Wanted,
    *,
    viewer: Viewer | None,
    by: str,
    now: datetime,
    expected: str | None = None,
) -> int:
    """Withdraws the window and declares another one for the same target; returns its number. It is declared
    now, and marked if it has begun. Raises as `withdraw` and `declare`.
    """
    window = _held(conn, window_id, viewer, now, expected)
    if wanted == Wanted(window.kind, window.start, window.end, window.reason):
        raise CorrectInput("Nothing differs from the window as it is declared.")
    withdraw(conn, window_id, "corrected", viewer=viewer, by=by, now=now)
    return declare(conn, target_of(window), wanted, viewer=viewer, by=by, now=now)


def visible_windows(conn: Connection, viewer: Viewer, trial: Trial, now: datetime) -> list[StoredWindow]:
    """The windows that touch a trial, newest first; for people of a host with devices in the trial of another
    one, only those of the trial, of their own sites and of what stands there.
    """
    windows = list_stored_windows(conn, trial=trial.code)
    if viewer.host_id in (None, trial.host_id):
        return windows
    sites = {site.code for site in list_host_sites(conn, viewer.host_id, now=now)}
    devices = {f"{one.trial}/{one.device}" for one in list_devices(conn, viewer, now=now, trial=trial.code)}
    seen = {"trial": {trial.code}, "site": sites, "device": devices}
    return [window for window in windows if window.target in seen[window.target_kind]]


def may_be_withdrawn(window: StoredWindow, now: datetime) -> bool:
    """False for one that was declared in time and has begun."""
    return window.withdrawn_at is None and (window.is_afterwards or not window.has_begun(now))


def target_of(window: StoredWindow) -> Target:
    """The target for which the window was declared."""
    kind: Any = window.target_kind  # one of three words of the query
    return Target(kind, window.target)


def require_may_declare(conn: Connection, viewer: Viewer | None, target: Target, now: datetime) -> None:
    """Raises NotFound unless the person may declare windows for the target: a host's operator for its sites,
    what stands there and trials of its own; a company for its trials and their devices; the lab for all.
    """
    if viewer is not None and not _may_declare(conn, viewer, target, now):
        raise NotFound(f"There is no {target.kind} {target.code!r} for which you may declare a window.")


def _may_declare(conn: Connection, viewer: Viewer, target: Target, now: datetime) -> bool:
    reach = viewer.reach(Act.DECLARE)
    if reach in (Reach.ANY, Reach.NONE):
        return reach is Reach.ANY
    if target.kind == "site":
        sites = list_host_sites(conn, viewer.organisation_id, now=now, code=target.code)
        return reach is Reach.SITES and bool(sites)
    trial = visible_trial(conn, viewer, target.code.partition("/")[0])
    if target.kind == "trial":
        return viewer.organisation_id in (trial.host_id, trial.company_id)
    device = target.code.partition("/")[2]
    seen = list_devices(conn, viewer, now=now, trial=trial.code, device=device)
    return viewer.may(Act.DECLARE, trial) and bool(seen)


def _held(
    conn: Connection, window_id: int, viewer: Viewer | None, now: datetime, expected: str | None = None
) -> StoredWindow:
    """The window, if it is this person's; nobody else changes it until the transaction ends. ChangedMeanwhile
    if it is not the version that somebody read.
    """
    try:
        require_may_declare(conn, viewer, target_of(get_window(conn, window_id)), now)
    except NotFound:
        raise NotFound(f"There is no window {window_id} that you may change.") from None
    window = hold_window(conn, window_id)
    require_version(conn, "window", str(window_id), expected)
    return window


def _parts(conn: Connection, target: Target) -> tuple[str | None, str | None, int | None]:
    """(trial, site, number of the device), exactly one of them."""
    match target:
        case ("trial", code):
            return code, None, None
        case ("site", code):
            return None, code, None
    trial, _, device = target.code.partition("/")
    if not trial or not device:
        raise CorrectInput(f"{target.code!r}: write TRIAL/DEVICE.")
    return None, None, find_device(conn, trial, device).device_id


def _sound(wanted: Wanted) -> Wanted:
    if wanted.end is not None and wanted.end <= wanted.start:
        raise CorrectInput(
            f"The window ends at {wanted.end} but begins at {wanted.start}: the end must come later."
        )
    return wanted._replace(reason=_reason(wanted.reason))


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason or len(reason) > MOST_REASON or find_unseen(reason) is not None:
        raise CorrectInput(f"Say why, in one line of at most {MOST_REASON} characters.")
    return reason
