"""A sentence says why the schema refuses a row; no name of the schema reaches a person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from insitu.errors import AlreadyExists, CorrectInput, NotFound, RowRefused
from insitu.model import WindowKind
from store.catalogue.windows import add_window
from store.constraints import NOUNS, SENTENCES
from store.database import Connection
from tests.fix_catalogue import START, SmallTrial


def test_each_condition_of_the_schema_has_a_sentence_and_each_table_a_noun(conn: Connection) -> None:
    """A new constraint needs its sentence in store/constraints.py, a new table its noun."""
    checks = conn.execute(
        "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'x') AND connamespace = "
        "'public'::regnamespace"
    ).fetchall()
    assert {name for (name,) in checks} == set(SENTENCES)
    tables = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert {name for (name,) in tables} == set(NOUNS)


def test_no_sentence_has_a_name_of_the_schema() -> None:
    names = {*SENTENCES, *(table for table in NOUNS if "_" in table)}
    for text in (*SENTENCES.values(), *NOUNS.values()):
        assert not [name for name in names if name in text]


@pytest.mark.parametrize(
    ("statement", "kind", "sentence"),
    [
        (
            "INSERT INTO site (code, host_id, name) SELECT 'station', host_id, 'x' FROM trial",
            AlreadyExists,
            "There is such a site already (station).",
        ),
        ("UPDATE site SET latitude = 91", RowRefused, "A latitude is between -90 and 90 degrees."),
        ("UPDATE device SET trial_id = 999", RowRefused, "The device needs a trial that is not there."),
        ("DELETE FROM trial", RowRefused, "It is in use by a device."),
        ("UPDATE device SET name = NULL", RowRefused, "The device needs a name."),
        (
            "INSERT INTO deployment (device_id, site_id, position, period) SELECT device_id, site_id, "
            "'x', period "
            "FROM deployment",
            CorrectInput,
            "The device is deployed elsewhere during a part of that time.",
        ),
    ],
)
def test_a_refused_row_is_told_in_a_sentence(
    conn: Connection, catalogue: SmallTrial, statement: str, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind) as refused:
        conn.execute(statement.encode())
    assert str(refused.value) == sentence


def test_a_window_of_a_site_that_is_none_says_so(conn: Connection, catalogue: SmallTrial) -> None:
    given = {
        "kind": WindowKind.MAINTENANCE,
        "start": START,
        "end": START + timedelta(hours=1),
        "reason": "r",
        "declared_by": "lab",
        "now": START,
    }
    with pytest.raises(NotFound, match="There is no site 'ecoles'"):
        add_window(conn, site="ecoles", **given)
    with pytest.raises(NotFound, match="There is no trial 'ecoles'"):
        add_window(conn, trial="ecoles", **given)
    with pytest.raises(CorrectInput, match="the end must come later"):
        add_window(conn, site="station", **{**given, "end": START})
