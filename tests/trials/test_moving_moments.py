"""Two imports of a catalogue at once, a kill at any statement of one, and numbers that would leave none for
those that come after.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress

import pytest

from insitu.errors import CorrectInput, RetryLater
from store.catalogue.moving import LEAST_LEFT, MOVED
from store.database import Connection, connect
from tests.api.conftest import filled, own_world_url
from tests.store.packed.test_moments import count_down
from tests.trials.test_moving import (
    NOW,
    changed,
    enter,
    everything,
    exported,
    source,
    target,
)
from trials.workflow.moving import import_catalogue

__all__ = ["filled", "own_world_url", "source", "target"]
TABLES = (*MOVED, "installation", "audit")


def url_of(conn: Connection) -> str:
    return conn.info.dsn + f" password={conn.info.password}"


def test_a_second_import_at_the_same_time_is_refused_in_a_sentence(
    source: Connection, target: Connection
) -> None:
    content = exported(source)
    with connect(url_of(target), application="second") as second:
        import_catalogue(target, content, by="local:root", now=NOW, simulated=False)
        with pytest.raises(RetryLater, match=r"Somebody else imports .* Nothing was entered\."):
            enter(second, content)
        target.commit()
        after = everything(target)
        target.rollback()
        with pytest.raises(CorrectInput, match="has a catalogue already"):
            enter(second, content)
        assert everything(second) == after


def test_an_import_that_was_given_up_leaves_room_for_the_next(source: Connection, target: Connection) -> None:
    content = exported(source)
    with connect(url_of(target), application="second") as second:
        import_catalogue(target, content, by="local:root", now=NOW, simulated=False)
        target.rollback()
        enter(second, content)
    assert exported(target) == content


def kill_at(url: str, statement: int, content: bytes) -> int:
    """Imports in another process, which is killed before that statement; returns its exit status."""
    process = os.fork()
    if process == 0:
        with suppress(BaseException):
            count_down(statement)
            with connect(url, application="killed") as conn:
                import_catalogue(conn, content, by="local:root", now=NOW, simulated=False)
                conn.commit()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_a_kill_at_any_statement_and_the_same_command_again_make_one_catalogue(
    source: Connection, target: Connection
) -> None:
    """The oracle is an import into another installation that nobody disturbs: its rows are these."""
    content, url = exported(source), url_of(target)
    wanted = {name: rows for name, rows in everything(source).items() if name in MOVED}
    before, statement = everything(target), 0
    target.rollback()
    while (status := kill_at(url, statement, content)) != 0:
        assert status == -signal.SIGKILL
        now = everything(target)
        target.rollback()
        if now != before:  # it was killed after the database had made the commit
            break
        statement += 1
    assert statement > 40
    after = everything(target)
    target.rollback()
    assert {name: rows for name, rows in after.items() if name in MOVED} == wanted
    assert sum("import catalogue" in line for line in after["audit"]) == 1
    with pytest.raises(CorrectInput, match="has a catalogue already"):
        enter(target, content)
    assert everything(target) == after
    assert exported(target) == content


def number_of(table: str, column: str, number: int) -> Callable[[dict[str, bytes]], None]:
    """The last row of a table gets that number."""

    def change(files: dict[str, bytes]) -> None:
        name = f"{table}.json"
        *lines, last = files[name].splitlines()[1:-1]
        pattern = rb'"%s": \d+' % column.encode()
        assert re.search(pattern, last), last
        again = re.sub(pattern, b'"%s": %d' % (column.encode(), number), last, count=1)
        files[name] = b"[\n" + b"\n".join([*lines, again]) + b"\n]\n"

    return change


def counted_columns(conn: Connection) -> list[tuple[str, str, str]]:
    """(table, column, type) of what moves and is counted, as the information schema tells it."""
    found = conn.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE is_identity = 'YES' AND table_schema = 'public' ORDER BY 1"
    ).fetchall()
    return [one for one in found if one[0] in MOVED] + [("protocol", "version", "integer")]


def test_a_number_that_leaves_too_few_is_refused_for_everything_that_is_counted(
    source: Connection, target: Connection
) -> None:
    content = exported(source)
    columns = counted_columns(source)
    assert len(columns) > 15
    before = everything(target)
    for table, column, kind in columns:
        most = 2**63 - 1 if kind == "bigint" else 2**31 - 1
        for number in (most, most - LEAST_LEFT + 1):
            spoilt = changed(content, number_of(table, column, number))
            with pytest.raises(
                CorrectInput, match=rf"{table}.json: {column} {number} leaves fewer than 1,000"
            ):
                enter(target, spoilt)
    assert everything(target) == before
    most = 2**31 - 1 - LEAST_LEFT
    enter(target, changed(content, number_of("agreement", "agreement_id", most)))
    ((number,),) = target.execute(
        "INSERT INTO agreement (trial_id, document, sha256, entered_at, entered_by)"
        " SELECT min(trial_id), '{}', encode(sha256('{}'), 'hex'), now(), 'lab' FROM trial"
        " RETURNING agreement_id"
    ).fetchall()
    assert number == most + 1
