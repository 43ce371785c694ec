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
