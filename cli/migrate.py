"""`insitu migrate`: the schema of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.output import say
from cli.target import find_target
from store.database import connect
from store.database import migrate as apply

if TYPE_CHECKING:
    pass


def migrate() -> None:
    """Bring the database schema up to date."""
    with connect(find_target().database_url, application="insitu migrate") as conn:
        applied = apply(conn)
    say("\n".join(f"applied {name}" for name in applied) or "The schema is current.")
