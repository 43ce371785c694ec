"""Files as real loggers write them: their times and results are those that they state, or nothing is
stored and
the reason is printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from ingest.files.layout import understand
from ingest.files.load import Loader, Summary
from ingest.files.mapping import make_map
from insitu.clock import SYSTEM
from insitu.errors import CorrectInput
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.ledger import recount
from tests.examples import examples
from tests.fix_station import Station
from tests.ingest.logger_files import (
    CELL_OFFSETS,
    HEADER_OFFSETS,
    LINE_OFFSETS,
    OPTION_OFFSETS,
    UNITS,
    Forms,
    LoggerFile,
    draw_file,
    draw_forms,
    write_file,
)
from tests.ingest.reading_files import read

MANY = settings(
    max_examples=examples(quick=80, nightly=300),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Results = dict[str, list[tuple[str, float]]]


def said_of(file: LoggerFile) -> dict[str, Any]:
    return {"zone": file.options[1]} if file.options else {}


def require_truth(results: Results, file: LoggerFile) -> None:
    """The oracle's times exactly, its results to the last digits of a float."""
    for column, rows in file.truth.items():
        expected = sorted((at.isoformat()[:-6], float(result)) for at, result in rows)
        found = sorted(results.get(column, []))
        assert [at for at, _ in found] == [at for at, _ in expected]
        assert [result for _, result in found] == pytest.approx([result for _, result in expected], rel=1e-12)


@MANY
@given(file=draw_file())
def test_a_file_is_read_as_it_states_or_not_at_all(file: LoggerFile, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(file.content)
    try:
        _, results, refusals = read(path, **said_of(file))
    except CorrectInput:
        return
    assert refusals == []
    require_truth(results, file)
    assert not file.said_nothing


@seed(1)
@settings(max_examples=150, database=None, deadline=None, phases=[Phase.generate])
@given(file=draw_file())
def count_outcomes(counts: Counter[str], path: Path, file: LoggerFile) -> None:
    path.write_bytes(file.content)
    try:
        read(path, **said_of(file))
    except CorrectInput:
        counts["asked"] += not file.said_nothing
        return
    counts["read"] += 1


def test_most_files_are_read_without_a_question(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    count_outcomes(counts, tmp_path / "x.csv")  # type: ignore[call-arg]
    assert counts["read"] > 3 * counts["asked"], counts


def offsets(forms: Forms) -> dict[str, dict[str, int]]:
    """Forms of an offset by place, for a file whose time has one column."""
    tables = {"header": HEADER_OFFSETS, "cell": CELL_OFFSETS, "line": LINE_OFFSETS, "option": OPTION_OFFSETS}
    return {place: table for place, table in tables.items() if place != forms.offset_place}


@MANY
@given(data=st.data())
def test_two_clocks_that_differ_stop_the_import(data: st.DataObject, tmp_path: Path) -> None:
    """A second statement about the clock is added to a file that has one already."""
    forms = replace(
        data.draw(draw_forms()), offset_place="line", offset="Offset from UTC: +01:00", date="iso"
    )
    place = data.draw(st.sampled_from(["header", "cell", "option"]))
    text, minutes = data.draw(st.sampled_from(sorted(offsets(forms)[place].items())))
    more = replace(
        forms,
        offset_place=place,
        offset=text,
        above=(*forms.above, "Offset from UTC: +01:00"),
        encoding="utf-8" if "\N{MINUS SIGN}" in text else forms.encoding,  # cp1252 has no such sign
    )
    file = write_file(more, ((1, 1), (2, 2), (3, 3)), 1)
    path = tmp_path / "x.csv"
    path.write_bytes(file.content)
    try:
        _, results, refusals = read(path, **said_of(file))
    except CorrectInput:
        return
    assert minutes == 60
    assert refusals == []
    require_truth(results, file)


@MANY
@given(data=st.data())
def test_two_units_that_differ_stop_the_import(data: st.DataObject, tmp_path: Path) -> None:
    """A line above the names states a unit of the first column; brackets behind its name state another."""
    forms = replace(
        data.draw(draw_forms()),
        offset_place="option",
        offset="UTC",
        date="iso",
        unit_place="(…)",
        encoding="utf-8",
    )
    first, _ = forms.units
    other = data.draw(st.sampled_from(["°F", "Pa", "mg/m3", "kW", "%", "K"]))
    file = write_file(replace(forms, above=(f"# {forms.columns[0]} unit: {other}",)), ((1, 1), (2, 2)), 1)
    path = tmp_path / "x.csv"
    path.write_bytes(file.content)
    try:
        _, results, _ = read(path, **said_of(file))
    except CorrectInput:
        return
    assert other in first.spellings or (other, first.spellings[0]) == ("%", "%")
    require_truth(results, file)


FAHRENHEIT, UNITS_OF_PM25, UNITS_OF_HUMIDITY = (
    UNITS["temperature"][1],
    UNITS["pm25"][0],
    UNITS["humidity"][0],
)
PLAIN = Forms(
    date="iso",
    offset_place="option",
    offset="UTC",
    unit_place="nowhere",
    units=(UNITS_OF_PM25, UNITS_OF_HUMIDITY),
    spelling=0,
    columns=("pm25", "humidity"),
    separator=";",
    comma=False,
    newline="\n",
    encoding="utf-8",
    missing="",
    above=(),
    footer="",
    quoted=False,
)


@pytest.mark.parametrize("unit", ["foo", "°X", "mg/kg", "bananas", "µg/Nm3", "ug/m3 STP", "US", "0-1", "mpa"])
@pytest.mark.parametrize("place", ["(…)", "[…]", ", …", "row", "line above"])
def test_a_unit_that_is_not_understood_stops_the_import(unit: str, place: str, tmp_path: Path) -> None:
    wrong = replace(UNITS_OF_PM25, spellings=(unit,))
    file = write_file(replace(PLAIN, unit_place=place, units=(wrong, UNITS_OF_HUMIDITY)), ((1, 1), (2, 2)), 1)
    path = tmp_path / "x.csv"
    path.write_bytes(file.content)
    with pytest.raises(CorrectInput, match="--map") as asked:
        read(path, **said_of(file))
    assert unit in str(asked.value)


# -- the same through the database


@pytest.fixture
def store(conn: Connection, station: Station, tmp_path: Path) -> Callable[[LoggerFile], Summary]:
    """Imports a file into an installation without observations."""

    def run(file: LoggerFile) -> Summary:
        conn.execute("TRUNCATE observation, reject, ledger, ledger_reason, datastream_latest")
        conn.commit()
        path = tmp_path / "x.csv"
        path.write_bytes(file.content)
        said = make_map({"trial": "t1", "device": "d1", **said_of(file)}, source="test")
        layout = understand(path, said, load_snapshot(conn))
        return Loader(conn, layout, clock=SYSTEM).run(lambda done, so_far: None)

    return run


@settings(
    max_examples=examples(quick=15, nightly=40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(file=draw_file())
def test_the_database_holds_what_the_file_states_or_nothing(
    conn: Connection, station: Station, store: Callable[[LoggerFile], Summary], file: LoggerFile
) -> None:
    try:
        summary = store(file)
    except CorrectInput:
        assert conn.execute("SELECT count(*) FROM observation").fetchone() == (0,)
        conn.rollback()
        return
    assert summary.refused == {}
    assert recount(conn) == []
    results = {name: station.stored(conn, "d1", name) for name in file.truth}
    require_truth(results, file)
    assert sum(len(rows) for rows in results.values()) == sum(len(rows) for rows in file.truth.values())


def test_the_oracle_is_right_for_numbers_that_a_pencil_can_check() -> None:
    forms = replace(
        PLAIN,
        offset_place="header",
        offset="Date Time, GMT-08:00",
        unit_place="(…)",
        units=(FAHRENHEIT, UNITS_OF_HUMIDITY),
        columns=("temperature", "humidity"),
        separator=",",
    )
    file = write_file(forms, ((0, 0), (360, 0)), 0)
    (at, result) = file.truth["temperature"][0]
    assert (at.isoformat(), result) == ("2026-03-13T07:45:00+00:00", Fraction(22))
    assert b'"Date Time, GMT-08:00",temperature (\xc2\xb0F),humidity (%)' in file.content
    assert b"2026-03-12 23:45:00,71.60," in file.content
