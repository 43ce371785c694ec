"""store/guards.json equals the result of the migrations; `pytest --write-schema` writes it again."""

from __future__ import annotations

import json

import pytest

from store.database import Connection
from store.evidence import GUARDS, find_missing_guards, list_guards


def test_the_expected_guards_are_those_that_the_migrations_make(
    conn: Connection, request: pytest.FixtureRequest
) -> None:
    kinds: dict[str, dict[str, str]] = {}
    for one in list_guards(conn):
        assert not one.problem, one
        kinds.setdefault(one.kind, {})[one.name] = one.definition
    made = {"postgres": conn.server_version() // 10_000, "guards": kinds}
    if request.config.getoption("--write-schema"):
        GUARDS.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", "utf-8")
    known = json.loads(GUARDS.read_text("utf-8"))
    if known["postgres"] != made["postgres"]:
        pytest.skip(f"written on PostgreSQL {known['postgres']}, this is {made['postgres']}")
    assert known == made, "run: pytest tests/store/test_guards.py --write-schema"


def test_a_new_database_lacks_no_guard(conn: Connection) -> None:
    assert find_missing_guards(conn) == []
