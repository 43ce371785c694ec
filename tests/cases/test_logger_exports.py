"""Files as loggers and portals export them, imported by the command line: stored right, or a question whose
answer imports them.
"""

from __future__ import annotations

import pytest

from store.database import Connection
from tests.cases.test_files import Import, bring, stop
from tests.fix_station import Station

__all__ = ["bring", "stop"]

SOLINST = (
    "Serial_number:\n2012345\nLEVEL\nUNIT: kPa\nTEMPERATURE\nUNIT: °F\nDate,Time,LEVEL,TEMPERATURE\n"
    "2026/06/15,14:00:00,101.32,68\n"
)
ENTITIES = (
    "entity_id,state,last_changed\nsensor.t,22.5,2026-06-15T14:00:00Z\nsensor.h,50,2026-06-15T14:01:00Z\n"
)
MASSES = "date;heure;no2;pm10\n;;microg/m3;microg/m3\n15/06/2026;1;40;20\n"


def test_a_unit_below_the_name_of_its_column_is_used(
    bring: Import, station: Station, conn: Connection
) -> None:
    bring(SOLINST, "--zone", "UTC", "--map", "LEVEL=pressure")
    assert station.stored(conn, "d1", "pressure") == [("2026-06-15T14:00:00", 1013.2)]
    assert station.stored(conn, "d1", "temperature") == [("2026-06-15T14:00:00", 20.0)]


def test_a_unit_behind_every_result_is_used(bring: Import, station: Station, conn: Connection) -> None:
    bring("time;temperature\n2026-06-15T14:00Z;68 °F\n2026-06-15T15:00Z;77 °F\n")
    assert [result for _, result in station.stored(conn, "d1", "temperature")] == [20.0, 25.0]


def test_several_entities_are_no_series_and_both_answers_import_them(
    stop: Import, bring: Import, station: Station, conn: Connection
) -> None:
    asked = stop(ENTITIES, "--time-column", "last_changed", "--map", "state=temperature")
    assert "'entity_id' has several values: sensor.h, sensor.t" in asked
    bring(
        ENTITIES,
        *("--time-column", "last_changed", "--long", "entity_id=state"),
        *("--map", "sensor.t=temperature", "--map", "sensor.h=humidity"),
    )
    assert station.stored(conn, "d1", "temperature") == [("2026-06-15T14:00:00", 22.5)]
    assert station.stored(conn, "d1", "humidity") == [("2026-06-15T14:01:00", 50.0)]


def test_a_row_of_units_may_begin_with_empty_cells(
    stop: Import, bring: Import, station: Station, conn: Connection
) -> None:
    assert "unit_mismatch: 'no2' is in ug/m3" in stop(MASSES, "--zone", "UTC")
    bring(MASSES, "--zone", "UTC", "--map", "no2=")
    assert station.stored(conn, "d1", "pm10") == [("2026-06-15T01:00:00", 20.0)]


def test_blanks_between_cells_and_parts_of_a_time_in_columns_can_be_named(
    bring: Import, station: Station, conn: Connection
) -> None:
    bring(
        "year  doy hour  temperature\n2026  166   14   20.5\n",
        *("--delimiter", "space", "--zone", "UTC", "--time-format", "%Y %j %H"),
        *("--time-column", "year", "--time-column", "doy", "--time-column", "hour"),
    )
    assert station.stored(conn, "d1", "temperature") == [("2026-06-15T14:00:00", 20.5)]


def test_a_letter_that_may_be_a_unit_is_asked_about(stop: Import) -> None:
    text = "time,TA_F\n2026-06-15T14:00Z,22.5\n"
    assert "--map 'TA_F=temperature:'" in stop(text, "--map", "TA_F=temperature")


def test_a_time_since_the_start_of_a_logger_is_no_date(stop: Import) -> None:
    assert "counts from a start" in stop("time (s),temperature\n0,22\n10,23\n", "--zone", "UTC")


@pytest.mark.parametrize("last", ["Total;30", "Moyenne;15", "Mean:;15"])
def test_a_summary_at_the_end_is_left_out_and_shown(bring: Import, last: str) -> None:
    shown = bring(f"time;power\n2026-06-15T14:00Z;10\n2026-06-15T15:00Z;20\n{last}\n")
    assert f"left out   at the end: {last}" in shown
