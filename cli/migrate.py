"""`insitu migrate`: the schema of the database."""

from __future__ import annotations

from cli.actor import local_administrator
from cli.options import JsonOption
from cli.reports import show
from cli.target import find_target
from store.audit import record
from store.database import connect
from store.database import migrate as apply


def migrate(as_json: JsonOption = False) -> None:
    """Bring the database schema up to date."""
    target = find_target()
    with connect(target.owner_url, application="insitu migrate") as conn:
        applied = apply(conn)
        if applied:
            detail = {"applied": applied}
            actor, now = local_administrator(), target.clock.now()
            record(conn, at=now, login=actor, action="migrate", subject="schema", detail=detail)
    lines = [f"applied {name}" for name in applied] or ["The schema is current."]
    show(applied, lines, as_json=as_json)
