"""Facts that a file states where nobody looks: below its first row, beside results, in a name or title."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from store.database import Connection
from tests.cases.test_files import Import, bring, stop
from tests.fix_station import Station
from tests.ingest.workbooks import write_xlsx
from tests.test_cli import run

__all__ = ["bring", "stop"]

ONE, TWO, THREE = (f"2026-03-13T00:{minute}:00Z" for minute in ("15", "30", "45"))
TOA5 = '"TOA5","roof","CR1000"\n"TIMESTAMP","RECORD","temperature"\n"TS","RN","Deg C"\n"","","Avg"\n'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f"time,temperature (°C)\n{ONE},21.5\ntime,temperature (°F)\n{TWO},70.7\n", "row 3: other names"),
        (f"time,temperature,humidity\n{ONE},21,45\ntime,humidity,temperature\n{TWO},45,21\n", "other names"),
        (f"time,temperature\n{ONE},21\n\ntime,temperature,humidity\n{TWO},21,45\n", "row 4: other names"),
        (f"time,temperature\n,°C\n{ONE},21.5\ntime,temperature\n,°F\n{TWO},70.7\n", "other units"),
        (f"time,temperature\n{ONE},21.5\n# unit changed to °F\n{TWO},70.7\n", "'unit changed to °F'"),
        ("time,temperature\n2026-03-13 00:15,21\n# clock set to UTC+2\n2026-03-13 03:15,21\n", "UTC+2"),
        (f"time,temperature\n{ONE},21.5\nFrom here in Fahrenheit\n{TWO},70.7\n", "Fahrenheit"),
        (f"time,temperature\n{ONE},70.7\nUnits: temperature in °F\n", "--ignore"),
        ("time,temperature\n2026-03-13 00:15,21\nAll times in UTC+2\n", "line 3"),
    ],
)
def test_other_names_units_or_clocks_further_down_stop_the_import(
    stop: Import, content: str, says: str
) -> None:
    zone = () if "Z," in content else ("--zone", "UTC")
    assert says in stop(content, *zone)


def test_a_head_that_comes_again_is_left_out(conn: Connection, station: Station, bring: Import) -> None:
    printed = bring(f"\ufefftime,temperature\n{ONE},21\n\ufefftime,temperature\n{TWO},22\n")
    assert "the head of the file again, in row 3" in printed
    rows = ("2026-03-13 01:00:00,1,23\n", "2026-03-13 02:00:00,2,24\n")
    bring("".join(TOA5 + row for row in rows), "--zone", "UTC")
    assert [result for _, result in station.stored(conn, "d1", "temperature")] == [21, 22, 23, 24]


def test_a_comment_that_changes_nothing_can_be_named(
    conn: Connection, station: Station, bring: Import
) -> None:
    bring(
        f"time,pm25\n{ONE},1\n# unit swapped, same model\n{TWO},2\n", "--ignore", "unit swapped, same model"
    )
    bring(f"time,pm10\n{ONE},1\n# battery replaced\n{TWO},2\n")
    assert station.count(conn) == 4


@pytest.mark.parametrize(
    ("name", "cells", "best"),
    [
        ("status", ("V", "N", "V"), "V"),
        ("validité", ("1", "-1", "1"), "1"),
        ("pm25_flag", ("0", "0", "1"), "0"),
        ("Quality", ("good", "bad", "good"), "good"),
        ("QC", ("", "E", ""), ""),
        ("averaging period", ("1h", "24h", "1h"), "1h"),
    ],
)
def test_a_column_that_says_which_results_are_valid_is_asked_about(
    conn: Connection,
    station: Station,
    bring: Import,
    stop: Import,
    name: str,
    cells: tuple[str, str, str],
    best: str,
) -> None:
    rows = zip((ONE, TWO, THREE), (1, 2, 3), cells, strict=True)
    content = f"time,pm25,{name}\n" + "".join(f"{at},{result},{cell}\n" for at, result, cell in rows)
    assert f"--where '{name}={best}'" in stop(content)
    bring(content, "--where", f"{name}={best}")
    assert station.count(conn) == cells.count(best)
    bring(content, "--map", f"{name}=", device="d2")
    assert len(station.stored(conn, "d2", "pm25")) == 3


def test_other_names_stop_the_import_also_among_rows_that_are_not_chosen(stop: Import) -> None:
    content = f"time,pm25,pm10,status\n{ONE},1,2,V\ntime,pm10,pm25,status\n{TWO},2,1,V\n{THREE},9,9,N\n"
    assert "row 3: other names" in stop(content, "--where", "status=V")


def test_a_mark_that_is_everywhere_the_same_is_no_question(station: Station, bring: Import) -> None:
    bring(f"time,pm25,status\n{ONE},1,V\n{TWO},2,V\n")


def test_a_column_of_summer_time_needs_an_answer(stop: Import) -> None:
    content = "time,DST,pm25\n2026-10-25 02:30,1,21\n2026-10-25 02:30,0,22\n"
    assert "follows summer time" in stop(content, "--zone", "Europe/Paris")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("time,temperature (x10)\nT,215\n", "--ignore 'x10'"),
        ("time,temperature_x100\nT,2150\n", "'x100'"),
        ("time,temperature*10\nT,215\n", "'*10'"),
        ("time,temperature in tenths\nT,215\n", "'tenths'"),
        ("Scale factor: 0.1\ntime,temperature\nT,215\n", "'Scale factor: 0.1'"),
        ("Temperature offset;2,5\ntime;temperature\nT;21\n", "Temperature offset"),
        ("Clock deviation: +312 s\ntime,temperature\nT,21\n", "Clock deviation"),
        ("Report in Imperial units\ntime,temperature\nT,70\n", "COLUMN=DATASTREAM:UNIT"),
    ],
)
def test_a_factor_or_a_correction_that_the_file_states_is_asked_about(
    conn: Connection, station: Station, bring: Import, stop: Import, content: str, says: str
) -> None:
    content = content.replace("\nT", f"\n{ONE}")
    question = stop(
        content, "--map", f"{content.splitlines()[-2].replace(';', ',').split(',')[1]}=temperature"
    )
    assert says in question


@pytest.mark.parametrize(
    "line",
    ["Scale factor: 1", "Calibration factor: 1.00", "Offset: 0.0", "Power factor: 0.9", "Full scale: 50"],
)
def test_a_correction_of_nothing_is_no_question(station: Station, bring: Import, line: str) -> None:
    bring(f"{line}\ntime,temperature\n{ONE},21\n")


def test_units_in_a_list_of_channels_or_before_a_name_are_used(
    conn: Connection, station: Station, bring: Import
) -> None:
    listed = f"Channel;Name;Unit\n1;temperature;°F\n2;humidity;%\n\ntime;temperature;humidity\n{ONE};68;45\n"
    bring(listed)
    bring(f"time,Fahrenheit temperature\n{TWO},68\n", "--map", "Fahrenheit temperature=temperature")
    assert [result for _, result in station.stored(conn, "d1", "temperature")] == [20.0, 20.0]


def test_a_row_without_the_unit_that_others_have_stops_the_import(stop: Import) -> None:
    content = f"time,property,value,unit\n{ONE},temperature,68,°F\n{TWO},temperature,68,\n"
    assert "row 3: temperature has no unit here" in stop(content)


@pytest.mark.parametrize("name", ["time (LST)", "Date heure (heure d'hiver)", "time (standard time)"])
def test_a_clock_that_stays_on_winter_time_needs_a_fixed_offset(
    conn: Connection, station: Station, bring: Import, stop: Import, name: str
) -> None:
    content = f"{name},pm25\n2026-07-13 12:00,1\n"
    assert "--zone +01:00" in stop(content, "--time-column", name, "--zone", "Europe/Paris")
    bring(content, "--time-column", name, "--zone", "+01:00")
    assert station.stored(conn, "d1", "pm25") == [("2026-07-13T11:00:00", 1.0)]


def test_offsets_and_beginnings_of_other_kinds_stop_the_import(stop: Import) -> None:
    offsets = "time,utc_offset_seconds,pm25\n2026-03-13 02:15,7200,1\n"
    assert "'utc_offset_seconds'" in stop(offsets, "--zone", "UTC")
    name = "seconds since 2010-01-01"
    assert "counts from 2010" in stop(f"{name},pm25\n511200900,1\n", "--time-column", name)


def test_a_short_year_that_may_come_first_is_asked_about(
    conn: Connection, station: Station, bring: Import, stop: Import
) -> None:
    content = "time,pm25\n26/03/13 00:15,1\n26/03/14 00:15,2\n"
    assert "'%y/%m/%d %H:%M'" in stop(content, "--zone", "UTC")
    bring(content, "--zone", "UTC", "--time-format", "%y/%m/%d %H:%M")
    assert [at for at, _ in station.stored(conn, "d1", "pm25")] == [
        "2026-03-13T00:15:00",
        "2026-03-14T00:15:00",
    ]


def test_names_with_line_ends_are_read(conn: Connection, station: Station, bring: Import) -> None:
    bring(f'time,"temperature\r\n(°F)","pm25\r\nmean"\r\n{ONE},68,1\r\n', "--map", "pm25 mean=pm25")
    assert station.stored(conn, "d1", "temperature") == [("2026-03-13T00:15:00", 20.0)]


def test_a_last_line_that_may_be_cut_is_refused(
    conn: Connection, station: Station, bring: Import, database_url: str, tmp_path: Path
) -> None:
    path, cut = tmp_path / "cut.csv", f"time,temperature\n{ONE},21.50\n{TWO},21.60\n{THREE},2"
    path.write_text(cut, "utf-8")
    done = run("import", str(path), "--trial", "t1", "--device", "d1", INSITU_DATABASE_URL=database_url)
    assert done.returncode == 1
    assert "row 4: The file ends in this line" in done.stdout
    assert station.count(conn) == 2
    assert " 1 stored, 2 there already" in bring(f"{cut}1.70")
    mixed = f"time,temperature\n{ONE},21.5\n{TWO},21\n{THREE},2"
    assert " 3 stored" in bring(mixed, device="d2")


def test_a_number_shown_as_per_cent_is_one(conn: Connection, station: Station, bring: Import) -> None:
    book = write_xlsx({"A": [["time", "humidity"], [ONE, ("date", 0.452)], [TWO, ("date", 1)]]})
    shown = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as given, zipfile.ZipFile(shown, "w") as made:
        for name in given.namelist():
            made.writestr(name, given.read(name).replace(b'numFmtId="22"', b'numFmtId="10"'))
    bring(shown.getvalue(), name="in.xlsx")
    assert [result for _, result in station.stored(conn, "d1", "humidity")] == [45.2, 100.0]
