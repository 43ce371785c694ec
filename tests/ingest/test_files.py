"""Files of loggers and spreadsheets: which layouts are understood, how each row ends, and what a second run
changes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.files.layout import understand
from ingest.files.mapping import make_map
from ingest.replay import replay
from insitu.clock import SYSTEM
from insitu.errors import CorrectInput
from insitu.model import DatastreamRole
from store.catalogue.datastreams import add_datastream
from store.catalogue.snapshot import load_snapshot
from store.corrections import corrections
from store.database import Connection
from store.ledger import recount
from store.read.refused import list_rejects
from tests.fix_catalogue import START, SmallTrial
from tests.fix_files import NOON, Load, deploy_since, quarter_hours, reasons, stored
from tests.ingest.kept_bytes import is_kept

# -- what is understood


def test_a_wide_file_is_understood_from_its_header(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    done = load(f"Time,PM25 (µg/m3),fan,battery\n{NOON},12.5,1,80\n2026-03-02T12:15:00+01:00,13,false,79\n")
    assert (done.rows, done.contained, done.stored, done.refused) == (2, 4, 4, {})
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == [
        ("2026-03-02T11:15:00", 13.0),
        ("2026-03-02T12:00:00", 12.5),
    ]
    assert stored(conn, catalogue.datastreams["a", "fan"]) == [
        ("2026-03-02T11:15:00", 0.0),
        ("2026-03-02T12:00:00", 1.0),
    ]


def test_what_was_understood_is_said_before_anything_is_written(
    conn: Connection, catalogue: SmallTrial, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("date;heure;pm25;lux\n02/03/2026;12:00;1,5;3\n25/03/2026;12:00;;\n", "utf-8")
    said = make_map({"trial": "t", "device": "a", "zone": "Europe/Paris"}, source="test")
    text = "\n".join(understand(path, said, load_snapshot(conn)).sentences)
    for part in (
        "semicolon",
        "line 1",
        "date and heure, %d/%m/%Y %H:%M",
        "Europe/Paris",
        "pm25 → a/pm25",
        "comma",
        "left out   lux",
    ):
        assert part in text


def test_a_long_file_has_a_row_for_each_result_and_may_name_its_devices(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    rows = [
        f"{NOON},a,pm25,1.5",
        f"{NOON},b,pm25,2.5",
        f"{NOON},b,fan,TRUE",
        f"{NOON},a,nox,1",
        f"{NOON},z,pm25,1",
    ]
    done = load("time,device,property,value\n" + "\n".join(rows) + "\n", device=None)
    assert (done.rows, done.stored) == (5, 3)
    assert reasons(done) == {"unknown_property": (1, 1, 5), "unknown_device": (1, 0, 6)}
    assert stored(conn, catalogue.datastreams["b", "fan"]) == [("2026-03-02T12:00:00", 1.0)]


def test_the_habits_of_a_spreadsheet_are_read(conn: Connection, catalogue: SmallTrial, load: Load) -> None:
    lines = [
        "Station logger;;",
        "Serial;4711;",
        "Date;Heure;Température;pm25;",
        ";;°C;µg/m3;",
        '13/03/2026;00:15;20,5;"1,25";',
        "13/03/2026;00:30;20,5;;",
        "13/03/2026;00:45;20,5;NA;",
        "13/03/2026;01:00;20,5;-;",
        "13/03/2026;01:15;20,5;+7;",
        ";;;;",
        "",
        "",
    ]
    text = "\r\n".join(lines)
    for encoding in ("utf-8-sig", "cp1252", "utf-16"):
        said = {"encoding": "cp1252"} if encoding == "cp1252" else {}
        done = load(text.encode(encoding), skip_lines=2, units_row=True, zone="Europe/Paris", **said)
        assert (done.rows, done.empty, done.contained, done.refused) == (5, 3, 2, {}), encoding
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == [
        ("2026-03-12T23:15:00", 1.25),
        ("2026-03-13T00:15:00", 7.0),
    ]


@pytest.mark.parametrize(
    ("content", "said", "says"),
    [
        ("time,pm25\n2026-03-02 12:00,1\n", {}, "--zone"),
        ("time,pm25\n2026-03-02 12:00,1\n", {"zone": "Europe/Pari"}, "Europe/Pari"),
        (
            "time,pm25\n03/04/2026 12:00,1\n",
            {"zone": "UTC"},
            "--time-format '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'",
        ),
        ("time,pm25\nyesterday,1\n", {}, "yesterday"),
        (f"time,lux\n{NOON},1\n", {}, "--map"),
        (f"when,pm25\n{NOON},1\n", {}, "--time-column"),
        (f"time,pm25\n{NOON},1\n", {"columns": {"lux": "pm25"}}, "'lux'"),
        (f"time,lux\n{NOON},1\n", {"columns": {"lux": "nox"}}, "fan, pm25"),
        (f"time,lux\n{NOON},1\n", {"columns": {"lux": "z/pm25"}}, "'z'"),
        (f"time,pm25\n{NOON},1\n", {"device": None}, "--device"),
        (f"time,pm25\n{NOON},1\n", {"trial": "nowhere"}, "nowhere"),
        (f'time;pm25\n{NOON};"1,5"\n{NOON};1.5\n', {}, "--decimal"),
        ("one column\n", {}, "--delimiter"),
        ("\n", {}, "--skip-lines"),
        ("time,température\n".encode("cp1252"), {}, "--encoding"),
        (f"time,pm25,pm25\n{NOON},1,2\n", {}, "more than one column"),
        (b"PAR1 nonsense", {}, "Parquet"),
        ("time,pm25\n".encode("utf-16") + b"\x00", {}, "--encoding"),
        (Path("/nowhere/x.csv"), {}, "/nowhere/x.csv"),
    ],
)
def test_what_cannot_be_understood_is_asked_for_and_nothing_is_written(
    conn: Connection, load: Load, content: str | bytes | Path, said: dict[str, Any], says: str
) -> None:
    with pytest.raises(CorrectInput, match=r"\S") as asked:
        load(content, **said)
    assert says in str(asked.value)
    assert conn.execute("SELECT count(*) FROM ledger").fetchone() == (0,)


def test_day_and_month_are_told_apart_by_any_date_of_the_file(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    days = [
        f"{day:02}/03/2026 {hour:02}:{minute:02}"
        for day in (*range(2, 12), 13)
        for hour in range(24)
        for minute in range(0, 60, 10)
    ]
    done = load(local(days), zone="UTC")
    assert (done.stored, done.refused) == (1584, {})
    assert stored(conn, catalogue.datastreams["a", "pm25"])[0] == ("2026-03-02T00:00:00", 0.0)


def test_a_column_is_for_another_device_where_the_map_says_so(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    done = load(f"time,one,two\n{NOON},1,2\n", device=None, columns={"one": "a/pm25", "two": "b/pm25"})
    assert (done.rows, done.stored) == (1, 2)
    assert [stored(conn, catalogue.datastreams[d, "pm25"])[0][1] for d in "ab"] == [1.0, 2.0]


# -- local time


def local(times: list[str]) -> str:
    return "time,pm25\n" + "".join(f"{time},{number}\n" for number, time in enumerate(times))


def test_a_local_time_that_the_clocks_skipped_is_refused_with_its_row(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    done = load(local(["2026-03-29 01:45", "2026-03-29 02:00", "2026-03-29 03:00"]), zone="Europe/Paris")
    assert reasons(done) == {"invalid_shape": (1, 0, 3)}
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == [
        ("2026-03-29T00:45:00", 0.0),
        ("2026-03-29T01:00:00", 2.0),
    ]
    (kept,) = list_rejects(conn, ["t"])
    assert "x.csv, row 3: 2026-03-29 02:00:00 does not exist in Europe/Paris" in kept.detail
    assert b'"2026-03-29T02:00:00"' in kept.payload


@pytest.mark.parametrize("within", ["2026-03-29 02:10", "2026-03-29 02:59:59"])
def test_a_clock_that_was_not_put_forward_stops_the_import(
    conn: Connection, catalogue: SmallTrial, load: Load, within: str
) -> None:
    """The rows below would be an hour off, as those of a logger on winter time are."""
    times = ["2026-03-29 01:45", within, "2026-03-29 03:10"]
    with pytest.raises(
        CorrectInput, match=r"row 3: .*Say --zone \+01:00 for a logger that stays on winter time"
    ):
        load(local(times), zone="Europe/Paris")
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == []
    assert load(local(times), zone="+01:00").stored == 3


HOUR = ["2025-10-26 02:00", "2025-10-26 02:30"]
SUMMER, WINTER = (
    ["2025-10-26T00:00:00", "2025-10-26T00:30:00"],
    ["2025-10-26T01:00:00", "2025-10-26T01:30:00"],
)
BEFORE, AFTER = "2025-10-26 01:30", "2025-10-26 03:00"


@pytest.mark.parametrize(
    ("times", "read"),
    [
        ([BEFORE, *HOUR, *HOUR, AFTER], [*SUMMER, *WINTER]),
        ([*HOUR, *HOUR], [*SUMMER, *WINTER]),
        ([BEFORE, HOUR[0], HOUR[0], AFTER], [SUMMER[0], WINTER[0]]),
        ([AFTER, *HOUR[::-1], *HOUR[::-1], BEFORE], [*WINTER[::-1], *SUMMER[::-1]]),
        ([BEFORE, *HOUR, AFTER], None),
        ([BEFORE, *HOUR, *HOUR, *HOUR, AFTER], None),
        ([BEFORE, *HOUR, *HOUR[::-1], AFTER], None),
        ([AFTER, *HOUR, *HOUR, "2025-10-26 03:30"], None),
        ([HOUR[0], HOUR[0]], None),
    ],
)
def test_the_hour_that_comes_twice_is_told_apart_by_the_order_or_refused(
    conn: Connection, catalogue: SmallTrial, load: Load, times: list[str], read: list[str] | None
) -> None:
    deploy_since(conn, catalogue.devices["a"], datetime(2025, 10, 1, tzinfo=UTC))
    done = load(local(times), zone="Europe/Paris")
    found = {result: at for at, result in stored(conn, catalogue.datastreams["a", "pm25"])}
    inside = [found.get(float(number)) for number, time in enumerate(times) if time in HOUR]
    assert inside == (read or [None] * len(inside))
    assert sum(rows for rows, _, _ in reasons(done).values()) == (0 if read else len(inside))
    if read is None:
        assert "shown twice in Europe/Paris" in list_rejects(conn, ["t"])[0].detail


def test_each_series_of_a_file_runs_through_the_doubled_hour_by_itself(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    for device in "ab":
        deploy_since(conn, catalogue.devices[device], datetime(2025, 10, 1, tzinfo=UTC))
    rows = [f"{at},{d},{n}" for n, at in enumerate([BEFORE, *HOUR, *HOUR, AFTER]) for d in "ab"]
    done = load("time,device,pm25\n" + "\n".join(rows) + "\n", device=None, zone="Europe/Paris")
    assert (done.stored, done.refused) == (12, {})
    assert [at for at, _ in stored(conn, catalogue.datastreams["b", "pm25"])][1:5] == [*SUMMER, *WINTER]


# -- the same path


def test_a_file_that_is_imported_again_changes_nothing(conn: Connection, load: Load) -> None:
    content = (
        "time,pm25\n" + "\n".join([*quarter_hours(9000), "nonsense,1", "2026-03-03T00:00:00Z,high"]) + "\n"
    )
    first, second = load(content), load(content)
    assert (first.stored, first.duplicate) == (9000, 0)
    assert (second.stored, second.duplicate) == (0, 9000)
    assert reasons(first) == reasons(second) == {"invalid_shape": (1, 0, 9002), "wrong_type": (1, 1, 9003)}
    assert len(list_rejects(conn, ["t"])) == 2
    assert conn.execute(
        "SELECT sum(received), sum(accepted), sum(repeated), sum(rejected) FROM ledger"
    ).fetchone() == (
        18_004,
        9000,
        9002,
        2,
    )


def test_a_differing_result_is_a_conflict_that_names_its_row(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    load(f"time,pm25\n{NOON},1.5\n")
    done = load(f"time,pm25\n{NOON},1.5\n{NOON},2.5\n", name="later.csv")
    assert (done.duplicate, reasons(done)) == (1, {"conflicting_result": (1, 1, 3)})
    (kept,) = list_rejects(conn, ["t"])
    assert kept.detail.startswith("later.csv, row 3: Another result")
    assert kept.topic == "insitu/v1/t/a/obs"
    assert kept.payload == b'{"time":"2026-03-02T12:00:00Z","results":{"pm25":2.5}}'
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == [("2026-03-02T12:00:00", 1.5)]


@pytest.mark.parametrize("bad", [[0], [499], list(range(0, 500, 7))])
@pytest.mark.parametrize(
    "poison",
    ["31/02/2026,1", "2026-03-02T00:00:00Z", '2026-03-02T00:00:00Z,"1', "2026-03-02T00:00:00Z,1,2,3"],
)
def test_a_bad_row_costs_itself_only(conn: Connection, load: Load, bad: list[int], poison: str) -> None:
    rows = quarter_hours(500)
    for number, at in enumerate(bad):
        rows[at] = poison.replace("1", str(number + 1), 1) if poison.startswith("31") else f"{poison}{number}"
    done = load("time,pm25\n" + "\n".join(rows) + "\n")
    assert done.stored == 500 - len(bad)
    assert sum(rows for rows, _, _ in reasons(done).values()) == len(bad)
    assert {first for _, _, first in reasons(done).values()} == {bad[0] + 2}
    assert len(list_rejects(conn, ["t"], most=200)) == len(bad)


def test_what_was_refused_is_replayed_after_the_registration(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    content = f"time,property,result\n{NOON},nox,4\n{NOON},pm25,1\n"
    assert reasons(load(content)) == {"unknown_property": (1, 1, 2)}
    add_datastream(
        conn,
        device_id=catalogue.devices["a"],
        name="nox",
        property="pm25",
        unit="1",
        role=DatastreamRole.CANDIDATE,
    )
    conn.commit()
    done = replay(conn, clock=SYSTEM)
    assert (done.tried, done.stored) == (1, 1)
    assert recount(conn) == []
    assert load(content).duplicate == 2


def test_the_unit_of_a_result_without_a_datastream_waits_with_it_for_the_replay(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    content = f"time,property,result,unit\n{NOON},nox,4,µg/m³\n{NOON},pm25,0.001,mg/m3\n"
    assert reasons(load(content)) == {"unknown_property": (1, 1, 2)}
    assert b'"unit":"ug/m3"' in list_rejects(conn, ["t"])[0].payload
    streams = {
        unit: add_datastream(
            conn,
            device_id=catalogue.devices["a"],
            name=name,
            property="pm25",
            unit=unit,
            role=DatastreamRole.CANDIDATE,
        )
        for name, unit in (("other", "[ppb]"), ("nox", "ug/m3"))
    }
    conn.commit()
    done = replay(conn, clock=SYSTEM)
    assert (done.tried, done.stored) == (1, 1)
    assert stored(conn, streams["ug/m3"]) == [("2026-03-02T12:00:00", 4.0)]
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == [("2026-03-02T12:00:00", 1.0)]
    assert recount(conn) == []


def test_a_comment_may_hold_line_ends_and_a_lost_quotation_mark_swallows_nothing(
    conn: Connection, load: Load
) -> None:
    rows = [
        f'{NOON},1,"two\nlines"',
        '2026-03-02T12:01:00Z,"2,x',
        "2026-03-02T12:02:00Z,3,",
        '2026-03-02T12:03:00Z,4,"',
    ]
    rows += [f"{at},z" for at in quarter_hours(60)]
    done = load("time,pm25,comment\n" + "\n".join(rows) + "\n")
    assert (done.rows, done.stored, reasons(done)) == (64, 62, {"invalid_shape": (2, 0, 4)})
    row = json.dumps({"row": '2026-03-02T12:01:00Z,"2,x'}).encode()
    assert is_kept(list_rejects(conn, ["t"])[-1].payload, row)


def test_bytes_that_are_no_text_and_odd_numbers_are_refused_by_row(conn: Connection, load: Load) -> None:
    cells = ["1e999", "0x1F", "1_000", "1 234", "1,5", "١٢", "NaNa", "=1+1"]
    rows = [f'{(START + timedelta(minutes=i)).isoformat()},"{cell}"' for i, cell in enumerate(cells)]
    done = load(
        ("time,pm25\n" + "\n".join(rows) + "\n").encode() + b"2026-03-02T00:00:00Z,1\xb5\n", decimal="."
    )
    assert done.stored == 0
    assert reasons(done) == {"not_finite": (1, 1, 2), "wrong_type": (7, 7, 3), "invalid_shape": (1, 0, 10)}


def test_a_row_that_the_database_refuses_is_found_among_its_neighbours(conn: Connection, load: Load) -> None:
    conn.execute("ALTER TABLE observation ADD CONSTRAINT odd CHECK (result <> 77.5)")
    conn.commit()
    done = load("time,pm25\n" + "\n".join(quarter_hours(300)))
    assert (done.stored, reasons(done)) == (299, {"database_refused": (1, 1, 79)})


def test_a_file_is_no_sign_of_life(conn: Connection, load: Load) -> None:
    load(f"time,pm25\n{NOON},1.5\n")
    assert conn.execute("SELECT count(*) FROM device_contact").fetchone() == (0,)
    assert conn.execute("SELECT unchecked_from IS NOT NULL FROM datastream_latest").fetchone() == (True,)


def test_a_dry_run_says_what_would_happen_and_writes_nothing(conn: Connection, load: Load) -> None:
    load(f"time,pm25\n{NOON},1.5\n")
    before = conn.execute("SELECT sum(received) FROM ledger").fetchone()
    content = f"time,pm25\n{NOON},2.5\n2026-03-03T12:00:00Z,3\nnonsense,4\n"
    done = load(content, dry=True)
    assert (done.stored, sorted(reasons(done))) == (1, ["conflicting_result", "invalid_shape"])
    done = load(content, dry=True, reason="swapped tubes")
    assert (done.stored, done.duplicate, done.corrected, sorted(reasons(done))) == (
        1,
        1,
        1,
        ["invalid_shape"],
    )
    assert conn.execute(
        "SELECT sum(received), (SELECT count(*) FROM observation) FROM ledger"
    ).fetchone() == (*before, 1)  # type: ignore[misc]
    assert corrections(conn, "t") == []
