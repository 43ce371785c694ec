"""Withdrawal of an import by a reader: the rights, and the import."""

from __future__ import annotations

from api.context import Context
from insitu.errors import NotFound
from store.access import Viewer, visible_trial
from store.database import Connection
from store.imports import Withdrawn, trials_of_import, withdraw_import
from store.rights import Act, Reach


def withdraw_for(
    conn: Connection, context: Context, viewer: Viewer, trial: str, import_id: int, reason: str
) -> Withdrawn:
    """Withdraw an import of a trial. NotFound unless it is the trial's and the reader may: the lab, or the
    company for an import of this trial alone.
    """
    found = visible_trial(conn, viewer, trial)
    trials = trials_of_import(conn, import_id) if 0 < import_id < 2**31 else []
    alone = trials == [found.code]
    if (
        not viewer.may(Act.WITHDRAW, found)
        or found.code not in trials
        or not (alone or viewer.reach(Act.WITHDRAW) is Reach.ANY)
    ):
        raise NotFound(f"{trial!r} has no import {import_id} that you may withdraw.")
    return withdraw_import(conn, import_id, login=viewer.login, reason=reason, now=context.clock.now())
