"""Files that went wrong once: imported by the command line into a database, as their owner does it."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from store.database import Connection
from tests.fix_station import Station
from tests.ingest.workbooks import write_ods, write_xlsx
from tests.test_cli import complaint, run

Import = Callable[..., str]


@pytest.fixture
def bring(database_url: str, station: Station, tmp_path: Path) -> Import:
    """bring(content, *options) imports a file for d1 and returns what was printed; it must succeed."""

    def call(content: str | bytes, *options: str, name: str = "in.csv", device: str = "d1") -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        done = run(
            "import",
            str(path),
            "--trial",
            "t1",
            "--device",
            device,
            *options,
            INSITU_DATABASE_URL=database_url,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


@pytest.fixture
def stop(database_url: str, station: Station, conn: Connection, tmp_path: Path) -> Import:
    """stop(content, *options) requires that the import asks and stores nothing; returns the question."""

    def call(content: str | bytes, *options: str, name: str = "in.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        done = run(
            "import", str(path), "--trial", "t1", "--device", "d1", *options, INSITU_DATABASE_URL=database_url
        )
        assert station.count(conn) == 0
        assert conn.execute("SELECT count(*) FROM reject").fetchone() == (0,)
        conn.rollback()
        return complaint(done)

    return call


# -- what the file states about its clock


@pytest.mark.parametrize(
    ("header", "stored"),
    [
        ("Horodatage (UTC+1)", "2026-03-12T23:15:00"),
        ("time (UTC+01:00)", "2026-03-12T23:15:00"),
        ("Date Time, GMT-08:00", "2026-03-13T08:15:00"),
        ("Time (UTC -8)", "2026-03-13T08:15:00"),
        ("timestamp GMT+05:30", "2026-03-12T18:45:00"),
        ("time_utc", "2026-03-13T00:15:00"),
        ("Zeit (MEZ)", "2026-03-12T23:15:00"),
        ("time [Europe/Paris]", "2026-03-12T23:15:00"),
    ],
)
def test_an_offset_in_the_name_of_the_time_is_used_and_printed(
    conn: Connection, station: Station, bring: Import, header: str, stored: str
) -> None:
    printed = bring(f"{header};pm25 (µg/m3)\n13/03/2026 00:15;12,5\n")
    assert f"by the column '{header}'" in printed
    assert station.stored(conn, "d1", "pm25") == [(stored, 12.5)]


def test_a_logger_with_a_title_and_its_clock_in_the_column(
    conn: Connection, station: Station, bring: Import
) -> None:
    content = (
        '"Plot Title: roof"\n"#","Date Time, GMT-08:00","RH, % (LGR S/N: 1)"\n'
        "1,03/13/26 01:00:00 AM,41.0\n2,03/13/26 02:00:00 PM,42.0\n"
    )
    bring(content, "--map", "RH, % (LGR S/N: 1)=humidity")
    expected = [("2026-03-13T09:00:00", 41.0), ("2026-03-13T22:00:00", 42.0)]
    assert station.stored(conn, "d1", "humidity") == expected
    options = (
        "--skip-lines",
        "1",
        "--time-column",
        "Date Time, GMT-08:00",
        "--map",
        "RH, % (LGR S/N: 1)=humidity",
    )
    bring(content, *options, device="d2")
    assert station.stored(conn, "d2", "humidity") == expected


@pytest.mark.parametrize(
    ("stamp", "stored"),
    [
        ("2026-03-13 00:15:00 UTC", "2026-03-13T00:15:00"),
        ("2026-03-13 00:15:00 GMT", "2026-03-13T00:15:00"),
        ("2026-03-13T00:15:00z", "2026-03-13T00:15:00"),
        ("2026-03-13 00:15:00 CET", "2026-03-12T23:15:00"),
        ("2026-07-13 00:15:00 CEST", "2026-07-12T22:15:00"),
        ("2026-07-13T00:15:00+02:00[Europe/Paris]", "2026-07-12T22:15:00"),
        ("2026-07-13T00:15:00[Europe/Paris]", "2026-07-12T22:15:00"),
        ("13/03/2026 00:15 UTC+2", "2026-03-12T22:15:00"),
    ],
)
def test_a_zone_behind_the_time_is_used(
    conn: Connection, station: Station, bring: Import, stamp: str, stored: str
) -> None:
    bring(f"created_at,field1\n{stamp},12.5\n", "--time-column", "created_at", "--map", "field1=pm25")
    assert station.stored(conn, "d1", "pm25") == [(stored, 12.5)]


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("time (UTC+1),pm25\n2026-03-13T00:15:00Z,1\n", [], "by its own offset"),
        ("time (UTC+1),pm25\n2026-07-13 00:15,1\n", ["--zone", "Europe/Paris"], "UTC+01:00"),
        ("Timezone: UTC+1\ntime,pm25\n2026-03-13 00:15,1\n", ["--zone", "UTC"], "Timezone: UTC+1"),
        ("Timezone: Mars\ntime,pm25\n2026-03-13 00:15,1\n", [], "Mars"),
        ("time,pm25\n2026-03-13 00:15 EST,1\n", [], "several meanings"),
        ("time (CST),pm25\n2026-03-13 00:15,1\n", [], "several meanings"),
        ("time (UTC+25),pm25\n2026-03-13 00:15,1\n", [], "UTC+25"),
        ("time_utc_1,pm25\n2026-03-13 00:15,1\n", [], "time"),
        ("time (CET),pm25\n2026-01-13 00:15,1\n2026-07-13 00:15,2\n", [], "--zone +01:00"),
        ("time,pm25\n1773360000,1\n", ["--zone", "+01:00"], "Unix"),
        ("time,pm25\n2026-03-13T00:15:00+05:00[Europe/Paris],1\n", [], "no time"),
        ("time,timezone,pm25\n2026-03-13 00:15,Mars,1\n", [], "'Mars'"),
        ("Logger; UTC+1\ntime;pm25\n2026-03-13 00:15;1\n", ["--zone", "UTC"], "UTC+1"),
    ],
)
def test_a_clock_that_is_contradicted_or_unclear_stops_the_import(
    stop: Import, content: str, options: list[str], says: str
) -> None:
    assert says in stop(content, *options)


@pytest.mark.parametrize(
    ("zone", "stored"),
    [
        ("+01:00", "2026-07-13T11:00:00"),
        ("UTC+1", "2026-07-13T11:00:00"),
        ("GMT+1", "2026-07-13T11:00:00"),
        ("Etc/GMT-1", "2026-07-13T11:00:00"),
        ("CET", "2026-07-13T10:00:00"),
    ],
)
def test_a_clock_that_never_changes_can_be_named(
    conn: Connection, station: Station, bring: Import, zone: str, stored: str
) -> None:
    printed = bring("time;pm25\n13/07/2026 12:00;10\n", "--zone", zone)
    assert station.stored(conn, "d1", "pm25") == [(stored, 10.0)]
    assert ("follows summer time" in printed) == (zone == "CET")


def test_a_column_with_the_offset_of_each_row_is_used(
    conn: Connection, station: Station, bring: Import
) -> None:
    bring("time,utc_offset,pm25\n2026-03-13 00:15,1,1\n2026-03-13 00:15,-2,2\n")
    assert [at for at, _ in station.stored(conn, "d1", "pm25")] == [
        "2026-03-12T23:15:00",
        "2026-03-13T02:15:00",
    ]


def test_a_time_that_does_not_exist_names_the_fixed_offset(
    database_url: str, station: Station, tmp_path: Path
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("time,pm25\n2026-03-29 02:30,1\n", "utf-8")
    done = run(
        "import",
        str(path),
        "--trial",
        "t1",
        "--device",
        "d1",
        "--zone",
        "Europe/Paris",
        INSITU_DATABASE_URL=database_url,
    )
    assert done.returncode == 2
    assert "Say --zone +01:00" in done.stderr


# -- what the file states about its units


def test_units_in_the_names_are_converted(conn: Connection, station: Station, bring: Import) -> None:
    printed = bring(
        "time,temperature (°F),pressure (Pa),pm25 (mg/m3)\n2026-03-13T00:15:00Z,71.6,101325,0.0125\n"
    )
    at = "2026-03-13T00:15:00"
    assert station.stored(conn, "d1", "temperature") == [(at, 22.0)]
    assert station.stored(conn, "d1", "pressure") == [(at, 1013.25)]
    assert station.stored(conn, "d1", "pm25") == [(at, 12.5)]
    assert "[degF] converted to Cel" in printed


@pytest.mark.parametrize(
    ("head", "cells", "options"),
    [
        ("time,temp_F", "71.6", ["--map", "temp_F=temperature"]),
        ("time,tempF", "71.6", ["--map", "tempF=temperature"]),
        ("time,Temperature °F", "71.6", []),
        ("time,temperature/°F", "71.6", []),
        ('time,"temperature, deg F"', "71.6", []),
        ("time,temperature [°F]", "71.6", []),
        ("time,temperature\n,°F", "71.6", []),
        ("# temperature unit: °F\ntime,temperature", "71.6", []),
        ("# unit: Fahrenheit\ntime,temperature", "71.6", []),
        ("time,temperature", "71.6", ["--map", "temperature=temperature:°F"]),
        ("time,x (foo)", "71.6", ["--map", "x (foo)=temperature:[degF]"]),
        ("time,value,unit", "71.6,°F", ["--map", "value=temperature"]),
        ("time,property,value,unit", "temperature,71.6,°F", []),
        ("time,property,value (°F)", "temperature,71.6", ["--long", "property=value (°F)"]),
    ],
)
def test_a_unit_is_used_wherever_the_file_states_it(
    conn: Connection, station: Station, bring: Import, head: str, cells: str, options: list[str]
) -> None:
    printed = bring(f"{head}\n2026-03-13T00:15:00Z,{cells}\n", *options)
    assert station.stored(conn, "d1", "temperature") == [("2026-03-13T00:15:00", 22.0)]
    assert "convert" in printed


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("time,temperature (foo)\nT,1\n", [], "--map 'temperature (foo)=temperature:UNIT'"),
        ("time,no2 (µg/m3)\nT,1\n", [], "unit_mismatch"),
        ("time,power (kWh)\nT,1\n", [], "unit_mismatch"),
        ("time,laeq (Pa)\nT,1\n", [], "unit_mismatch"),
        ("time,temperature (°F)\n,°C\nT,1\n", [], "several units"),
        ("time,temperature (°F)\nT,1\n", ["--map", "temperature (°F)=temperature:Cel"], "several units"),
        ("time,property,value,unit\nT,pm25,1,foo\n", [], "'foo'"),
        ("time,temperature,humidity,unit\nT,1,2,°F\n", [], "2 columns"),
        ("Unit system: US\ntime,temperature,pressure\nT,1,2\n", [], "'US'"),
    ],
)
def test_a_unit_that_is_unclear_or_has_no_factor_stops_the_import(
    stop: Import, content: str, options: list[str], says: str
) -> None:
    assert says in stop(content.replace("\nT,", "\n2026-03-13T00:15:00Z,"), *options)


def test_a_text_that_is_no_unit_can_be_named_as_such(
    conn: Connection, station: Station, bring: Import
) -> None:
    printed = bring("time,pm25 (foo)\n2026-03-13T00:15:00Z,12.5\n", "--map", "pm25 (foo)=pm25:")
    assert "taken as ug/m3" in printed
    assert station.stored(conn, "d1", "pm25") == [("2026-03-13T00:15:00", 12.5)]


# -- forms of files


def test_hour_24_is_midnight_of_the_next_day(conn: Connection, station: Station, bring: Import) -> None:
    rows = "Date;Heure;pm25\n12/03/2026;23:00;11,5\n12/03/2026;24:00;12,5\n13/03/2026;01:00;13,5\n"
    bring(rows, "--zone", "Europe/Paris")
    assert [at for at, _ in station.stored(conn, "d1", "pm25")] == [
        f"2026-03-{day}:00:00" for day in ("12T22", "12T23", "13T00")
    ]
    bring("time,pm25\n2026-03-12T23:00:00Z,11.5\n2026-03-12T24:00:00Z,12.5\n", device="d2")
    assert station.stored(conn, "d2", "pm25")[1] == ("2026-03-13T00:00:00", 12.5)


TOA5 = (
    '"TOA5","roof","CR1000","1","OS","CPU:a.CR1","1","H"\n"TIMESTAMP","RECORD","AirTC_Avg","RH"\n'
    '"TS","RN","Deg C","%"\n"","","Avg","Smp"\n'
    '"2026-03-13 00:00:00",1,23.4,56.2\n"2026-03-13 01:00:00",2,"NAN",-7999\n'
)


def test_toa5_is_recognised_with_its_mark_for_no_value(
    conn: Connection, station: Station, stop: Import, bring: Import
) -> None:
    options = ("--zone", "UTC", "--map", "AirTC_Avg=temperature", "--map", "RH=humidity")
    bring(TOA5, *options, "--skip-lines", "1", "--units-row")
    assert station.stored(conn, "d1", "temperature") == [("2026-03-13T00:00:00", 23.4)]
    assert station.stored(conn, "d1", "humidity") == [("2026-03-13T00:00:00", 56.2)]


def test_other_formats_of_such_loggers_are_named(stop: Import) -> None:
    for name in ("TOB1", "TOACI1", "TOB3"):
        assert "TOA5" in stop(f'"{name}","roof","t"\n"TMSTAMP","RECNBR"\n')


def test_workbooks_and_archives_are_read(
    conn: Connection, station: Station, bring: Import, stop: Import, tmp_path: Path
) -> None:
    table = [["Consommation"], [], ["time", "power (kW)"], [("date", 46094.0104166667), 0.44]]
    book = write_xlsx({"Notes": [["hello"]], "Consommation": table})
    zone = ("--zone", "Europe/Paris")
    plain = b"time,power\n2026-03-12T23:15:00Z,440\n"
    archive = tmp_path / "two.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.csv", plain)
        file.writestr("b.csv", plain)
    assert "a.csv, b.csv" in stop(archive.read_bytes(), name="x.zip")
    bring(book, *zone, name="in.xlsx")
    assert station.stored(conn, "d1", "power") == [("2026-03-12T23:15:00", 440.0)]
    old = write_xlsx({"A": [["time", "power"], [44632.0104166667, 440]]}, is_1904=True)
    ods = write_ods("A", [["time", "power"], ["date:2026-03-13T00:15:00", 440.0]])
    others = [
        (old, zone, "old.xlsx"),
        (ods, zone, "in.ods"),
        (gzip.compress(plain), (), "in.csv.gz"),
        (gzip.compress(book), zone, "in.xlsx.gz"),
        (archive.read_bytes(), ("--member", "b.csv"), "two.zip"),
    ]
    for content, options, name in others:
        assert " 0 stored, 1 there already" in bring(content, *options, name=name)


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (gzip.compress(b"time,pm25\n" + b"0" * 100_000_000), "bomb.gz", "that is no table"),
        (b"PK\x03\x04 nonsense", "x.zip", "damaged"),
        (b"\x1f\x8b nonsense", "x.gz", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "x.xls", "workbook"),
        (b"<html><table></table></html>", "x.xls", "HTML"),
        (b"7z\xbc\xaf\x27\x1c", "x.7z", "7-Zip"),
        (b'{"time": 1}', "x.json", "JSON"),
        (b"%PDF-1.7", "x.pdf", "PDF"),
    ],
)
def test_a_file_that_is_no_table_is_named(stop: Import, content: bytes, name: str, says: str) -> None:
    assert says in stop(content, name=name)


def test_a_file_without_a_header_keeps_its_first_row(
    conn: Connection, station: Station, bring: Import, stop: Import
) -> None:
    content = "1773360000,14.45,7\n1773360060,12.35,8\n1773360120,12.23,9\n"
    assert "--names" in stop(content, "--time-column", "1773360000", "--map", "14.45=temperature")
    bring(content, "--names", "time,temperature,pm10")
    assert [result for _, result in station.stored(conn, "d1", "temperature")] == [14.45, 12.35, 12.23]
    assert [result for _, result in station.stored(conn, "d1", "pm10")] == [7.0, 8.0, 9.0]


def test_twelve_hours_are_read_in_every_spelling(conn: Connection, station: Station, bring: Import) -> None:
    rows = "Date\tTime\tTemp\n\t\tOut\n13/03/26\t12:00a\t8.5\n13/03/26\t12:30a\t---\n13/03/26\t1:00p\t9.5\n"
    bring(rows, "--zone", "Europe/Paris", "--units-row", "--map", "Temp=temperature")
    assert station.stored(conn, "d1", "temperature") == [
        ("2026-03-12T23:00:00", 8.5),
        ("2026-03-13T12:00:00", 9.5),
    ]
    bring("time,pm25\n13/03/2026 12:30 p.m.,1\n13/03/2026 12:30 AM,2\n", "--zone", "UTC")
    assert [at for at, _ in station.stored(conn, "d1", "pm25")] == [
        "2026-03-13T00:30:00",
        "2026-03-13T12:30:00",
    ]


def test_days_of_a_spreadsheet_are_read_by_the_name_of_their_format(
    conn: Connection, station: Station, bring: Import, stop: Import
) -> None:
    content = "time;pm25\n46094,0104166667;12,5\n"
    assert "--time-format excel" in stop(content, "--zone", "UTC")
    bring(content, "--zone", "UTC", "--time-format", "excel")
    assert station.stored(conn, "d1", "pm25") == [("2026-03-13T00:15:00", 12.5)]


SENTINELS = (
    "time,pm25\n2026-03-13T00:00:00Z,7.5\n2026-03-13T00:15:00Z,-9999\n2026-03-13T00:30:00Z,-999.0\n"
    "2026-03-13T00:45:00Z,#N/A\n2026-03-13T01:00:00Z,---\n2026-03-13T01:15:00Z,n.d.\n"
)


def test_numbers_that_mean_none_are_counted_and_asked_about(
    conn: Connection, station: Station, bring: Import, stop: Import
) -> None:
    question = stop(SENTINELS)
    assert "1 result of 'pm25' is -9999; 1 result of 'pm25' is -999.0" in question
    assert "--missing -9999 --missing -999.0" in question
    bring(SENTINELS, "--missing", "-9999", "--missing", "-999")
    assert station.stored(conn, "d1", "pm25") == [("2026-03-13T00:00:00", 7.5)]
    bring(SENTINELS, "--keep", "-9999", "--keep", "-999", device="d2")
    assert [result for _, result in station.stored(conn, "d2", "pm25")] == [7.5, -9999.0, -999.0]


def test_a_usual_number_is_no_mark_for_none(conn: Connection, station: Station, bring: Import) -> None:
    bring("time,pressure\n2026-03-13T00:00:00Z,999.9\n2026-03-13T00:15:00Z,1000.4\n")
    assert len(station.stored(conn, "d1", "pressure")) == 2


def test_a_file_of_many_stations_is_read_one_by_one(
    conn: Connection, station: Station, bring: Import, stop: Import
) -> None:
    content = "time,station,pm25\n2026-03-13T00:00:00Z,A,1\n2026-03-13T00:00:00Z,B,2\n"
    assert "--where 'station=A'" in stop(content)
    bring(content, "--where", "station=A")
    bring(content, "--where", "station=B", device="d2")
    assert [station.stored(conn, device, "pm25")[0][1] for device in ("d1", "d2")] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("time,pm25\n03/04/2026 00:15,1\n04/05/2026 00:15,1\n", ["--zone", "UTC"], "--time-format"),
        ("time,pm25\n13/04/2026 00:15,1\n04/13/2026 00:15,1\n", ["--zone", "UTC"], "month first"),
        ("time;pm25\n2026-03-13T00:15Z;1,234\n", [], "--decimal"),
        ("time,pm25,pm25\n2026-03-13T00:15Z,1,2\n", [], "COLUMN#2"),
    ],
)
def test_what_can_mean_two_things_is_asked(stop: Import, content: str, options: list[str], says: str) -> None:
    assert says in stop(content, *options)


def test_thousands_are_read_where_the_file_shows_their_mark(
    conn: Connection, station: Station, bring: Import
) -> None:
    bring("time;pressure;power\n2026-03-13T00:15Z;1.013,25;1.234\n2026-03-13T00:30Z;998,5;2\n")
    assert [result for _, result in station.stored(conn, "d1", "pressure")] == [1013.25, 998.5]
    assert [result for _, result in station.stored(conn, "d1", "power")] == [1234.0, 2.0]


def test_a_footer_and_comments_are_left_out(conn: Connection, station: Station, bring: Import) -> None:
    printed = bring("\n\nLogger 5\ntime,pm25\n# begins\n2026-03-13T00:15:00Z,1\nEnd of file\n")
    assert "at the end: End of file" in printed
    assert station.count(conn) == 1


def test_a_program_hears_the_same(station: Station, database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("time (UTC+1),temperature (°F)\n2026-03-13 00:15,71.6\n", "utf-8")
    done = run(
        "import", str(path), "--trial", "t1", "--device", "d1", "--json", INSITU_DATABASE_URL=database_url
    )
    assert done.returncode == 0, done.stderr
    understood = "\n".join(json.loads(done.stdout)["understood"])
    assert "UTC+01:00 (by the column 'time (UTC+1)')" in understood
    assert "[degF] converted to Cel" in understood


# -- what was right, and stays so


def test_a_row_with_a_cell_too_few_is_refused_and_nothing_is_shifted(
    conn: Connection, station: Station, database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "in.csv"
    path.write_text(
        "comment,humidity,temperature,time,pm25\n,45,21.0,2026-03-13T00:15:00Z,12.5\n"
        "45,21.0,2026-03-13T00:30:00Z,12.5\n",
        "utf-8",
    )
    done = run("import", str(path), "--trial", "t1", "--device", "d1", INSITU_DATABASE_URL=database_url)
    assert done.returncode == 1
    assert "the first in row 3: It has 4 cells where the header has 5." in done.stdout
    assert station.count(conn) == 3


def test_the_unicode_text_of_a_spreadsheet_is_found_by_itself(
    conn: Connection, station: Station, bring: Import
) -> None:
    content = "time\tpm25\ttemperature\n2026-03-13 00:15\t12,5\t8,1\n2026-03-13 00:30\t12,9\t8,0\n"
    printed = bring(content.encode("utf-16"), "--zone", "Europe/Paris")
    assert "tab between cells, utf-16" in printed
    assert station.stored(conn, "d1", "temperature") == [
        ("2026-03-12T23:15:00", 8.1),
        ("2026-03-12T23:30:00", 8.0),
    ]
