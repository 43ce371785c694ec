"""Damaged tables and indexes, found by the database's own extension `amcheck`.

A statement of this module is about the catalogue of PostgreSQL and about functions that only the extension
has, so it is no named block. The caller owns the transaction, and rolls it back: the extension stays only
where it was before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg
import psycopg.sql

from insitu.errors import InsituError
from store.database import Connection

_TABLES: Final = """\
SELECT c.oid::int8, c.relname FROM pg_class c
WHERE c.relkind IN ('r', 'm') AND c.relnamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 2"""
_INDEXES: Final = """\
SELECT c.oid::int8, c.relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_am m ON m.oid =
c.relam
WHERE m.amname = 'btree' AND i.indisvalid AND i.indisready AND c.relnamespace = 'public'::regnamespace
    AND c.relpersistence = 'p'
ORDER BY 2"""


def may_check(conn: Connection) -> str | None:
    """None if `amcheck` can be used, after it was created if need be; else why not."""
    found = conn.execute(
        "SELECT installed_version IS NOT NULL FROM pg_available_extensions WHERE name = 'amcheck'"
    ).fetchall()
    if not found:
        return "the server does not have it"
    if not found[0][0]:
        try:
            with conn.transaction():
                conn.execute("CREATE EXTENSION amcheck")
        except InsituError as error:
            return f"this account may not create it ({_first_line(error)})"
    return None


def find_corruption(conn: Connection) -> Iterator[str]:
    """A sentence for each table and each B-tree that is damaged. Reads all of them, and every row that an
    index should have.
    """
    for number, name in conn.execute(_TABLES.encode()).fetchall():
        try:
            with conn.transaction():
                rows = conn.execute(
                    "SELECT blkno, msg FROM verify_heapam(%s::oid::regclass, on_error_stop => true) LIMIT 1",
                    (number,),
                ).fetchall()
        except InsituError as error:
            yield f"table {name} cannot be read ({_first_line(error)})"
            continue
        for block, message in rows:
            yield f"table {name}, page {block}: {message}"
    for number, name in conn.execute(_INDEXES.encode()).fetchall():
        try:
            with conn.transaction():
                conn.execute("SELECT bt_index_check(%s::oid::regclass, true)", (number,))
        except InsituError as error:
            yield f"index {name}: {_first_line(error)}; `REINDEX INDEX {name}` makes it again"


def has_checksums(conn: Connection) -> bool:
    """True if each page of the cluster has a checksum."""
    return bool(conn.execute("SELECT current_setting('data_checksums') = 'on'").fetchall()[0][0])


def name_files(conn: Connection, paths: list[str]) -> list[str]:
    """The contents of files of this database, such as `table reject`; a file that is no relation of it stays
    as it is.
    """
    found = conn.execute(
        "SELECT pg_relation_filepath(oid), CASE relkind WHEN 'i' THEN 'index ' ELSE 'table ' END || relname"
        " FROM pg_class WHERE pg_relation_filepath(oid) = ANY (%s)",
        (paths,),
    ).fetchall()
    names = dict(found)
    return [names.get(path, path) for path in paths]


def _first_line(error: InsituError) -> str:
    """The server's words."""
    cause = error.__cause__
    text = str(cause) if isinstance(cause, psycopg.Error) else str(error)
    return text.strip().splitlines()[0]
