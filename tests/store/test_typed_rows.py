from __future__ import annotations

from dataclasses import dataclass

import pytest

from insitu.model import TrialState
from store.database import Connection, row, rows


@dataclass(frozen=True, slots=True)
class Step:
    state: TrialState
    before: TrialState | None
    note: str
    at: int = 7
    by: str = "lab"


def test_words_become_members_of_the_enum_that_a_field_is_annotated_with(conn: Connection) -> None:
    statement = (
        "SELECT s AS state, b AS before, 'need' AS note"
        " FROM (VALUES ('running', NULL), ('need', 'agreement')) t (s, b)"
    )
    first, second = rows(conn, Step, statement)
    assert first == Step(TrialState.RUNNING, None, "need")
    assert isinstance(first.state, TrialState)
    assert isinstance(second.before, TrialState)
    assert type(second.note) is str
    assert row(conn, Step, statement) == first


def test_a_word_that_the_enum_does_not_have_is_a_defect(conn: Connection) -> None:
    with pytest.raises(ValueError, match="bought"):
        row(conn, Step, "SELECT 'bought' AS state, NULL AS before, '' AS note")


@pytest.mark.parametrize(
    ("columns", "step"),
    [
        ("'running' AS state, 'need' AS before, 'x' AS note", Step(TrialState.RUNNING, TrialState.NEED, "x")),
        ("'x' AS note, 'need' AS before, 'running' AS state", Step(TrialState.RUNNING, TrialState.NEED, "x")),
        (
            "'me' AS by, 'x' AS note, NULL AS before, 'running' AS state",
            Step(TrialState.RUNNING, None, "x", by="me"),
        ),
        (
            "4 AS at, 'me' AS by, NULL AS before, 'need' AS state, 'x' AS note",
            Step(TrialState.NEED, None, "x", 4, "me"),
        ),
    ],
    ids=["in order", "backwards", "one left out between", "all, in another order"],
)
def test_columns_find_their_fields_by_name(conn: Connection, columns: str, step: Step) -> None:
    assert rows(conn, Step, f"SELECT {columns} UNION ALL SELECT {columns}") == [step, step]


@pytest.mark.parametrize(
    "columns", ["'need' AS state, '' AS note", "'need' AS state, '' AS note, NULL AS b4"]
)
def test_a_column_that_is_missing_or_unknown_is_a_defect(conn: Connection, columns: str) -> None:
    with pytest.raises(TypeError, match=r"b4|before"):
        rows(conn, Step, f"SELECT {columns}")
