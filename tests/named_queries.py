"""Every named query of store/sql, and whether a migrated database accepts it."""

from __future__ import annotations

import re
from pathlib import Path

from store.database import Connection
from store.queries import queries

_FOLDER = Path(__file__).parents[1] / "store" / "sql"
FILES = [path.relative_to(_FOLDER).with_suffix("").as_posix() for path in sorted(_FOLDER.rglob("*.sql"))]
ALL = [(file, name) for file in FILES for name in queries(file)]
_UTILITY = re.compile(r"^\s*(--.*\n)*\s*(CREATE TEMP|TRUNCATE)", re.IGNORECASE)
_ALONE = re.compile(r"^\s*(--.*\n)*\s*VACUUM", re.IGNORECASE)
"""Queries that run outside of a transaction only."""


def understand(conn: Connection, file: str, name: str) -> None:
    """Runs EXPLAIN with NULL for every parameter; runs the query itself if it cannot be explained. Raises if
    the database rejects it.
    """
    statement = queries(file)[name]
    parameters = dict.fromkeys(re.findall(r"%\((\w+)\)s", statement))
    for staging in ("quality", "observations"):
        conn.execute(queries(staging)["make_staging"].encode())
    if _ALONE.match(statement):
        conn.rollback()
        conn.autocommit = True
        try:
            conn.execute(statement.encode())
        finally:
            conn.autocommit = False
    elif _UTILITY.match(statement):
        conn.execute(statement.encode(), parameters)
    else:
        conn.execute(b"EXPLAIN " + statement.encode(), parameters)
