"""An import of the wrong file, zone or column can be withdrawn: its results go out of use, and only they."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insitu.clock import SYSTEM
from insitu.errors import CorrectInput, NotFound
from insitu.model import Observation
from insitu.times import to_us
from store.audit import audit, audit_problem
from store.corrections import corrections
from store.database import Connection
from store.imports import (
    Origin,
    add_parts,
    begin_import,
    list_imports,
    withdraw_import,
)
from store.ledger import recount
from store.observations import latest_of, merge
from tests.cli.calling import Told, told, told_here
from tests.examples import examples
from tests.fix_catalogue import START, SmallTrial
from tests.fix_files import NOON, Load, quarter_hours, stored
from tests.test_cli import complaint, run

__all__ = ["told", "told_here"]

LATER = datetime(2200, 1, 1, tzinfo=UTC)
WRONG = "2026-03-02 12:00,1\n2026-03-02 13:00,2\n"


def withdraw(conn: Connection, number: int, reason: str = "wrong zone") -> tuple[int, int, bool]:
    done = withdraw_import(conn, number, login="lab", reason=reason, now=SYSTEM.now())
    conn.commit()
    assert recount(conn) == []
    return done.taken_out, done.put_back, done.is_new


def test_a_file_read_in_the_wrong_zone_is_withdrawn_and_comes_in_again(
    conn: Connection, catalogue: SmallTrial, told_here: Told, tmp_path: Path
) -> None:
    stream = catalogue.datastreams["a", "pm25"]
    path = tmp_path / "in.csv"
    path.write_text(f"time,pm25\n{WRONG}", "utf-8")
    command = ("import", str(path), "--trial", "t", "--device", "a")
    said = told_here(*command, "--zone", "UTC", err=re_any())
    assert "This is import 1." in said
    said = told_here("withdraw", "1", "--reason", "the logger ran on local time")
    assert said.startswith("Import 1 (in.csv) is withdrawn: 2 results are out of use.\n")
    assert stored(conn, stream) == []
    told_here(*command, "--zone", "Europe/Paris", err=re_any())
    assert stored(conn, stream) == [("2026-03-02T11:00:00", 1.0), ("2026-03-02T12:00:00", 2.0)]
    newer, older = json.loads(told_here("imports", "t", "--json"))
    assert (newer["import_id"], newer["results"], newer["withdrawn_at"]) == (2, 2, None)
    assert (older["import_id"], older["withdrawn_for"], older["devices"]) == (
        1,
        "the logger ran on local time",
        ["a"],
    )
    assert any("UTC" in sentence for sentence in older["understood"])
    again = told_here("withdraw", "1", "--reason", "once more")
    assert "was withdrawn already" in again
    assert "the logger ran on local time" in again
    lines = [(line.action, line.subject, line.detail["import"]) for line in audit(conn)]
    assert lines == [("import", "t", 1), ("withdraw import", "t", 1), ("import", "t", 2)]
    assert audit_problem(conn) is None
    assert recount(conn) == []


def re_any() -> object:
    import re

    return re.compile(r"[\s\S]*")


def test_a_number_that_is_none_and_a_reason_that_is_none_are_refused(
    conn: Connection, catalogue: SmallTrial, load: Load, database_url: str
) -> None:
    load(f"time,pm25\n{NOON},1\n")
    with pytest.raises(NotFound, match="There is no import 7"):
        withdraw(conn, 7)
    with pytest.raises(CorrectInput, match="Say why"):
        withdraw(conn, 1, "  ")
    conn.rollback()
    assert "There is no import 7" in complaint(
        run("withdraw", "7", "--reason", "x", INSITU_DATABASE_URL=database_url)
    )


def test_an_import_that_partly_repeats_another_withdraws_its_own_results_only(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    stream = catalogue.datastreams["a", "pm25"]
    rows = quarter_hours(6)
    load("time,pm25\n" + "\n".join(rows[:4]))
    load("time,pm25\n" + "\n".join(rows[2:]), name="y.csv")
    assert [(one.import_id, one.results) for one in list_imports(conn, "t")] == [(2, 2), (1, 4)]
    assert withdraw(conn, 2) == (2, 0, True)
    assert [value for _, value in stored(conn, stream)] == [0.5, 1.5, 2.5, 3.5]
    assert withdraw(conn, 2) == (2, 0, False)
    load("time,pm25\n" + "\n".join(rows[2:]), name="y.csv")
    assert [value for _, value in stored(conn, stream)] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    (latest,) = latest_of(conn, [stream])
    assert latest.result == 5.5


def test_results_of_devices_stay_and_the_latest_result_and_the_checks_follow(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    stream = catalogue.datastreams["a", "pm25"]
    first = START + timedelta(hours=1)
    merge(conn, [Observation(stream, to_us(first), 7.0, to_us(first), 0)])
    conn.execute(
        "INSERT INTO ledger (trial, device, hour, received, accepted, contained, stored) "
        "VALUES ('t', 'a', '2026-03-01', 1, 1, 1, 1)"
    )
    conn.commit()
    load(f"time,pm25\n{first.isoformat()},7\n2026-03-05T00:00:00Z,9\n")
    conn.execute("UPDATE datastream_latest SET unchecked_from = NULL")
    conn.execute(
        "INSERT INTO quality_flag (datastream_id, phenomenon_time, check_name, flag, sha256) "
        "VALUES (%s, '2026-03-05', 'gross_range', 4, '')",
        (stream,),
    )
    conn.commit()
    assert withdraw(conn, 1) == (1, 0, True)
    (latest,) = latest_of(conn, [stream])
    assert (latest.phenomenon_time, latest.result) == (first, 7.0)
    assert conn.execute("SELECT unchecked_from FROM datastream_latest").fetchone() == (
        datetime(2026, 3, 5, tzinfo=UTC),
    )
    assert conn.execute("SELECT count(*) FROM quality_flag").fetchone() == (0,)
    assert conn.execute("SELECT count(*) FROM observation").fetchone() == (1,)


def test_a_correction_that_is_withdrawn_brings_the_earlier_result_back(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    stream = catalogue.datastreams["a", "pm25"]
    load(f"time,pm25\n{NOON},1\n")
    load(f"time,pm25\n{NOON},2\n", reason="span")
    load(f"time,pm25\n{NOON},3\n", reason="span again")
    assert withdraw(conn, 2) == (0, 0, True)  # replaced by import 3 before
    assert stored(conn, stream) == [("2026-03-02T12:00:00", 3.0)]
    assert withdraw(conn, 3) == (0, 1, True)  # import 2 is withdrawn: back to import 1
    assert stored(conn, stream) == [("2026-03-02T12:00:00", 1.0)]
    assert conn.execute("SELECT import_id, clock_quality, flag FROM observation").fetchone() == (1, 4, 2)
    assert [one.is_withdrawn for one in corrections(conn, "t")] == [True, True]
    load(f"time,pm25\n{NOON},3\n", reason="span again")
    assert stored(conn, stream) == [("2026-03-02T12:00:00", 3.0)]
    assert withdraw(conn, 1) == (0, 0, True)
    assert withdraw(conn, 4) == (1, 0, True)
    assert stored(conn, stream) == []


def test_rejects_of_an_import_follow_it(conn: Connection, catalogue: SmallTrial, load: Load) -> None:
    """Replayed, their results belong to the import; once it is withdrawn, they are not replayed."""
    from ingest.replay import replay

    def deployed(since: str) -> None:
        conn.execute("UPDATE deployment SET period = tstzrange(%s, NULL)", (since,))
        conn.commit()

    stream = catalogue.datastreams["a", "pm25"]
    content = "time,pm25\n2026-02-01T00:00:00Z,1\n2026-03-02T00:00:00Z,2\n"
    assert load(content).stored == 1
    deployed("2026-01-01")
    assert replay(conn, clock=SYSTEM).stored == 1
    assert conn.execute("SELECT DISTINCT import_id, clock_quality FROM observation").fetchall() == [(1, 4)]
    assert conn.execute("SELECT count(*) FROM device_contact").fetchone() == (0,)
    conn.commit()
    assert withdraw(conn, 1) == (2, 0, True)
    deployed("2026-03-01")
    load("time,pm25\n2026-02-02T00:00:00Z,1\n", name="y.csv")
    assert withdraw(conn, 2) == (0, 0, True)
    deployed("2026-01-01")
    assert replay(conn, clock=SYSTEM).tried == 0
    deployed("2026-03-01")
    load("time,pm25\n2026-02-02T00:00:00Z,1\n", name="y.csv")
    deployed("2026-01-01")
    assert replay(conn, clock=SYSTEM).stored == 1
    assert stored(conn, stream) == [("2026-02-02T00:00:00", 1.0)]
    assert conn.execute("SELECT import_id FROM observation").fetchone() == (3,)


def test_a_running_import_that_is_withdrawn_stops(conn: Connection, catalogue: SmallTrial) -> None:
    number = begin_import(conn, Origin("x.csv", "lab", "t"), now=START)
    withdraw_import(conn, number, login="lab", reason="r", now=START)
    with pytest.raises(CorrectInput, match="was withdrawn while it ran"):
        add_parts(conn, number, [catalogue.datastreams["a", "pm25"]], [START])


def test_results_from_before_imports_had_numbers_are_told(
    conn: Connection, catalogue: SmallTrial, told_here: Told, load: Load
) -> None:
    load(f"time,pm25\n{NOON},1\n")
    conn.execute("UPDATE observation SET import_id = NULL")
    conn.commit()
    told_here(
        "imports",
        "t",
        err="1 results of t came from files before imports had numbers: their import is "
        "not known, and they cannot be withdrawn.\n",
    )


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("load"),
            st.dictionaries(st.integers(0, 5), st.integers(0, 3), min_size=1, max_size=4),
            st.booleans(),
        ),
        st.tuples(st.just("withdraw"), st.integers(1, 6), st.none()),
    ),
    max_size=8,
)


@settings(
    max_examples=examples(quick=15, nightly=40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=steps)
def test_whatever_is_imported_and_withdrawn_what_stays_is_what_the_other_imports_say(
    conn: Connection, catalogue: SmallTrial, load: Load, steps: list[tuple[str, object, object]]
) -> None:
    """The oracle keeps for each time the layers of results, and looks for the topmost that is in use."""
    conn.execute(
        "TRUNCATE observation, withdrawn_observation, import_part, import, correction, reject, "
        "ledger, ledger_reason, datastream_latest RESTART IDENTITY CASCADE"
    )
    conn.commit()
    layers: dict[int, list[tuple[int, float]]] = {}
    gone: set[int] = set()
    numbers = 0
    for what, given_, correct in steps:
        if what == "withdraw":
            if 1 <= given_ <= numbers:
                withdraw(conn, given_)
                gone.add(given_)
            continue
        numbers += 1
        content = "time,pm25\n" + "".join(
            f"2026-03-02T0{hour}:00:00Z,{value}\n" for hour, value in given_.items()
        )
        load(content, name=f"{numbers}.csv", reason=f"r{numbers}" if correct else "")
        for hour, value in given_.items():
            pile = layers.setdefault(hour, [])
            top = next((value for number, value in reversed(pile) if number not in gone), None)
            if top is None:
                pile.clear()
            if top is None or (correct and top != value):
                pile.append((numbers, float(value)))
    expected = [
        (f"2026-03-02T0{hour}:00:00", top)
        for hour, pile in sorted(layers.items())
        if (top := next((value for number, value in reversed(pile) if number not in gone), None)) is not None
    ]
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == expected
    found = latest_of(conn, [catalogue.datastreams["a", "pm25"]])
    assert [one.result for one in found] == [value for _, value in expected[-1:]]
    assert recount(conn) == []
