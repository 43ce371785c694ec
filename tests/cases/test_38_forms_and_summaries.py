"""Files that state one fact in two ways: dates in two forms, sums between the days, per cent that only the
screen shows, formulas without results, bytes that were never written.

Each file has its truth beside it, by hand: a result is stored as it was meant, or not at all and with a
reason.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from insitu.errors import CorrectInput
from tests.ingest.reading_files import read
from tests.ingest.workbooks import write_ods, write_xlsx

TESTDATA = Path(__file__).parents[1] / "ingest" / "testdata"
WHEN = datetime(2026, 4, 3, 5, tzinfo=UTC)
FORMS = {
    "iso": "2026-04-03 05:00",
    "day first": "03/04/2026 05:00",
    "month first": "04/03/2026 05:00",
    "points": "03.04.2026 05:00",
    "words": "3 Apr 2026 05:00",
    "unix": "1775192400",
    "serial": "46115.208333",
}


def written(form: str, when: datetime) -> str:
    """A time in one of the forms."""
    made = {
        "iso": f"{when:%Y-%m-%d %H:%M}",
        "day first": f"{when:%d/%m/%Y %H:%M}",
        "month first": f"{when:%m/%d/%Y %H:%M}",
        "points": f"{when:%d.%m.%Y %H:%M}",
        "words": f"{when:%d %b %Y %H:%M}",
        "unix": str(int((when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())),
        "serial": f"{(when - datetime(1899, 12, 30, tzinfo=UTC)).total_seconds() / 86_400:.6f}",
    }
    return made[form]


def file(tmp_path: Path, rows: list[str], name: str = "in.csv", header: str = "time;temperature") -> Path:
    path = tmp_path / name
    path.write_text("\n".join([header, *rows, ""]), "utf-8")
    return path


def outcome(path: Path, **said: Any) -> tuple[dict[str, list[tuple[str, float]]], list[str]]:
    """(what is stored, why the rest is not)."""
    try:
        _, results, refusals = read(path, zone="UTC", **said)
    except CorrectInput as error:
        return {}, [str(error)]
    return results, refusals


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(FORMS, 2)))
@pytest.mark.parametrize("day", [3, 14])
def test_two_forms_of_time_are_never_guessed(tmp_path: Path, one: str, other: str, day: int) -> None:
    truth = {f"{WHEN.replace(day=day) + timedelta(hours=n):%Y-%m-%dT%H:%M:%S}": 20.0 + n for n in range(8)}
    times = [WHEN.replace(day=day) + timedelta(hours=n) for n in range(8)]
    rows = [f"{written(one if n < 4 else other, when)};{20 + n}" for n, when in enumerate(times)]
    results, refusals = outcome(file(tmp_path, rows))
    stored = dict(results.get("temperature", []))
    assert stored.items() <= truth.items()
    assert stored == truth or refusals
    if {one, other} != {"iso", "unix"}:
        assert stored == {}


def test_dates_of_a_spreadsheet_beside_dates_as_text_stop(tmp_path: Path) -> None:
    """Excel, set to months first, read 3/4 as 4 March and left 13/4 as text."""
    serial = (datetime(2026, 3, 4, tzinfo=UTC) - datetime(1899, 12, 30, tzinfo=UTC)).days
    rows: list[list[Any]] = [["time", "temperature"], [("date", serial), 20], ["13/04/2026 00:00", 21]]
    path = tmp_path / "in.xlsx"
    path.write_bytes(write_xlsx({"a": rows}))
    for said in ({}, {"time_format": "%d/%m/%Y %H:%M"}):
        results, refusals = outcome(path, **said)
        assert results == {}
        assert "may have taken day and month for each other" in refusals[0]


SUMS = ["Moyenne", "Mean", "Total", "TOTAL:", "Moy.", "Average", "Mittelwert", "Daily mean", "Total du jour"]


@pytest.mark.parametrize("word", SUMS)
@pytest.mark.parametrize("two_columns", [False, True])
def test_sums_and_means_between_the_days_are_left_out(tmp_path: Path, word: str, two_columns: bool) -> None:
    rows, truth = [], []
    mark = ";" if two_columns else " "
    for day in (10, 11, 12):
        for hour in (0, 6):
            rows.append(f"2026-03-{day}{mark}{hour:02}:00;{day + hour}")
            truth.append((f"2026-03-{day}T{hour:02}:00:00", float(day + hour)))
        rows.append(f"2026-03-{day};{word};99" if two_columns else f"{word};99")
    header = "date;heure;temperature" if two_columns else "time;temperature"
    layout, results, refusals = read(file(tmp_path, rows, header=header), zone="UTC")
    assert results == {"temperature": truth}
    assert refusals == []
    assert any("left out   sums and means between the rows: row 4" in line for line in layout.sentences)


@pytest.mark.parametrize("word", ["Moyenne", "Total", "mean"])
def test_such_a_word_in_another_column_is_asked_about(tmp_path: Path, word: str) -> None:
    rows = ["2026-03-10 00:00;20;", "2026-03-10 06:00;22;", f"2026-03-10 12:00;21;{word}"]
    path = file(tmp_path, rows, header="time;temperature;remark")
    results, refusals = outcome(path)
    assert results == {}
    assert f"{word!r} in the column 'remark' says that the row sums up others" in refusals[0]
    assert [r for _, r in outcome(path, where={"remark": ""})[0]["temperature"]] == [20, 22]
    assert [r for _, r in outcome(path, columns={"remark": ""})[0]["temperature"]] == [20, 22, 21]


# -- workbooks


def test_per_cent_of_an_xls_is_what_the_screen_shows(tmp_path: Path) -> None:
    """The workbook is by another program; its sheet `Mesures` has 30 to 89 %, and 4 and a formula as per
    cent.
    """
    results, _ = outcome(TESTDATA / "percent.xls", sheet="Mesures", columns={"co2": ""})
    assert [r for _, r in results["humidity"]] == [30.0 + n for n in range(60)]
    assert [r for _, r in results["temperature"]] == [20.0 + n % 7 for n in range(60)]
    assert [r for _, r in results["pressure"]] == [1000.0 + n % 9 for n in range(60)]


def test_per_cent_of_an_ods_is_what_the_screen_shows(tmp_path: Path) -> None:
    path = tmp_path / "in.ods"
    rows = [
        ["a note"],
        ["time", "humidity"],
        *([f"date:2026-03-1{n}", f"percentage:0.{45 + n}"] for n in range(3)),
    ]
    path.write_bytes(write_ods("a", rows))
    assert [r for _, r in outcome(path)[0]["humidity"]] == [45, 46, 47]


def test_a_formula_without_its_result_is_no_empty_cell(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    path.write_bytes(
        write_xlsx(
            {"a": [["time", "temperature", "humidity"], *(["2026-03-10", "=20+1", 50] for _ in range(1))]}
        )
    )
    results, refusals = outcome(path)
    assert set(results) == {"humidity"}
    assert "a formula without a saved result" in refusals[0]


def test_a_column_without_any_result_is_named(tmp_path: Path) -> None:
    path = file(tmp_path, ["2026-03-10;;50"], header="time;temperature;humidity")
    layout, _, _ = read(path, zone="UTC")
    assert "  empty      temperature: no row has a result there" in layout.sentences


# -- zero bytes

ROWS = b"time,temperature\n2026-03-10T00:00Z,20\n2026-03-10T01:00Z,21\n"


@pytest.mark.parametrize("zeros", [1, 8, 600, 300_000])
def test_zero_bytes_at_the_end_are_no_rows(tmp_path: Path, zeros: int) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(ROWS + b"\0" * zeros)
    results, refusals = outcome(path)
    assert [r for _, r in results["temperature"]] == [20, 21]
    assert all("zero bytes" in one for one in refusals)


@pytest.mark.parametrize("zeros", [1, 8, 600])
def test_a_line_with_zero_bytes_is_not_stored(tmp_path: Path, zeros: int) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(ROWS + b"2026-03-10T02:00Z,2" + b"\0" * zeros)
    results, refusals = outcome(path)
    assert [r for _, r in results["temperature"]] == [20, 21]
    assert "it may be cut" in refusals[0]


def test_zero_bytes_further_up_are_not_called_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(ROWS + b"\0" * 8 + b"\n2026-03-10T02:00Z,22\n")
    assert "zero bytes in line 4" in outcome(path)[1][0]
    path.write_bytes(ROWS.decode().encode("utf-16-le"))
    assert "say --encoding utf-16" in outcome(path)[1][0]
