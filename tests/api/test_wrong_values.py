"""One wrong row breaks no list: a wrong word in any column of text, and every page, list and route
answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from cli.catalogue_check import find_wrong_rows
from store.database import connect
from tests.api.conftest import SignIn, serving
from tests.cli.calling import Told, told, told_here
from tests.stack import wait_until

__all__ = ["told", "told_here"]

TRIAL = "ward-ventilation"
PAGES = [
    "/",
    "/fleet",
    "/trials",
    f"/trials/{TRIAL}",
    "/trials/platform-air",
    f"/trials/{TRIAL}/protocol",
    "/rejects",
    "/docs",
    "/api/v1/trials",
    f"/api/v1/trials/{TRIAL}",
    f"/api/v1/trials/{TRIAL}/devices",
    f"/api/v1/trials/{TRIAL}/datastreams",
    f"/api/v1/trials/{TRIAL}/rejects",
    f"/api/v1/trials/{TRIAL}/ledger",
    f"/api/v1/trials/{TRIAL}/evaluations",
    f"/api/v1/trials/{TRIAL}/imports",
]
VERBS = [("trials",), ("devices",), ("people",), ("windows", TRIAL), ("evaluations",), ("imports",)]
OTHERS = {
    "protocol",
    "schema_migration",
    "installation",
    "broker_state",
    "catalogue_version",
    "signed_in",
    "shard",
}
"""Tables of the installation itself: a wrong word there is no row of a list.
A protocol is sealed by its hash.
"""
WRONG = {"text": "Europe/Pariss \u2013 ?", "jsonb": '["?"]'}


def columns(url: str) -> Iterator[tuple[str, str, str]]:
    with psycopg.connect(url) as conn:
        yield from conn.execute(
            "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c "
            "JOIN information_schema.tables t USING (table_schema, table_name) WHERE table_schema = 'public' "
            "AND table_type = 'BASE TABLE' AND data_type IN ('text', 'jsonb') AND is_identity = 'NO' "
            "ORDER BY 1, 2"
        ).fetchall()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_wrong_value_in_any_column_of_text_breaks_no_list(
    own_world_url: str,
    data_dir: Path,
    told_here: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only what reads a table can break by what is in it."""
    monkeypatch.setenv("INSITU_DATABASE_URL", own_world_url)
    roads = roads_over(own_world_url, data_dir, told_here)
    broken: list[str] = []
    by_table: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in columns(own_world_url):
        if table not in OTHERS:
            by_table.setdefault(table, []).append((column, kind))
    with serving(own_world_url, data_dir, by_form=False) as client:
        for table, found in by_table.items():
            with psycopg.connect(own_world_url, autocommit=True) as conn:
                conn.execute("SET session_replication_role = replica")
                conn.execute(f"CREATE TABLE kept AS TABLE {table}")
                wrong = [column for column, kind in found if spoil(conn, table, column, kind)]
                if not wrong:
                    conn.execute("DROP TABLE kept")
                    continue
                for path in roads.pages_of[table]:
                    status = client("lab").get(path).status_code
                    if status >= 500:
                        broken.append(f"{table} {wrong}: {path} {status}")
                for verb in roads.verbs_of[table]:
                    try:
                        told_here(*verb, "--json")
                    except Exception as error:  # noqa: BLE001 - each is named below
                        broken.append(f"{table} {wrong}: insitu {verb[0]} {type(error).__name__}")
                names = ", ".join(
                    name
                    for (name,) in conn.execute(
                        "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
                        "AND table_schema = 'public' AND is_generated = 'NEVER' ORDER BY ordinal_position",
                        (table,),
                    )
                )
                conn.execute(f"DELETE FROM {table}")
                conn.execute(
                    f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM kept"
                )
                conn.execute("DROP TABLE kept")
    assert broken == []


class Roads(NamedTuple):
    """The pages and verbs that read each table."""

    pages_of: dict[str, list[str]]
    verbs_of: dict[str, list[tuple[str, ...]]]


def roads_over(url: str, data_dir: Path, told_here: Told) -> Roads:
    """Each page is asked of a server that has just begun, so it has nothing in memory."""
    roads = Roads(defaultdict(list), defaultdict(list))
    for path in [*PAGES, f"/trials/{TRIAL}/devices/{device_of(url)}"]:
        with reading(url) as tables, serving(url, data_dir, by_form=False) as client:
            assert client("lab").get(path).status_code < 400
        for table in tables:
            roads.pages_of[table].append(path)
    for verb in VERBS:
        with reading(url) as tables:
            told_here(*verb, "--json")
        for table in tables:
            roads.verbs_of[table].append(verb)
    assert f"/trials/{TRIAL}/protocol" in roads.pages_of["protocol"]
    assert ("people",) in roads.verbs_of["person"]
    return roads


@contextmanager
def reading(url: str) -> Iterator[set[str]]:
    """Fills the set with the tables that are read within, by sessions that have ended."""
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    tables: set[str] = set()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SELECT pg_stat_reset()")
        yield tables
        wait_until(lambda: conn.execute(others).fetchone() == (0,), "the end of all sessions")
        tables.update(
            name
            for (name,) in conn.execute(
                "SELECT relname FROM pg_stat_user_tables "
                "WHERE coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0"
            )
        )


def spoil(conn: psycopg.Connection[tuple[object, ...]], table: str, column: str, kind: str) -> bool:
    """Puts a wrong word into a column of every row; False if the schema refuses it."""
    try:
        conn.execute(f"UPDATE {table} SET {column} = %s::{kind}", (WRONG[kind],))
    except (psycopg.IntegrityError, psycopg.DataError):
        return False
    return True


def device_of(url: str) -> str:
    with psycopg.connect(url) as conn:
        found = conn.execute(
            "SELECT d.code FROM device d JOIN trial t USING (trial_id) WHERE t.code = %s ORDER BY 1", (TRIAL,)
        ).fetchone()
    assert found is not None
    return str(found[0])


def test_a_wrong_zone_is_shown_with_its_trial_and_named_by_the_check(
    own_client: SignIn, own_world_url: str, tmp_path: Path
) -> None:
    with connect(own_world_url, application="tests") as conn:
        assert find_wrong_rows(conn) == []
        conn.execute("UPDATE trial SET time_zone = 'Europe/Pariss' WHERE code = %s", (TRIAL,))
        conn.execute("UPDATE observed_property SET unit = 'grams' WHERE code = 'co2'")
        conn.commit()
        zone, unit = find_wrong_rows(conn)
    assert "trial ward-ventilation" in zone
    assert "'Europe/Pariss' is not a time zone" in zone
    assert "property co2" in unit
    for path in ("/trials", f"/trials/{TRIAL}"):
        page = own_client("lab").get(path)
        assert page.status_code == 200
        assert "Europe/Pariss" in page.text
