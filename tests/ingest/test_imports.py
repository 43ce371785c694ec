"""Parquet, corrections, the command line, and interrupted imports."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.http import Answer, Post, Taker, posted
from insitu.clock import SYSTEM
from insitu.times import to_us
from store.audit import audit, audit_problem
from store.corrections import corrections, corrections_by_file
from store.database import Connection, connect
from store.ledger import recount
from tests.fix_catalogue import START, SmallTrial
from tests.fix_files import NOON, Load, deploy_since, quarter_hours, reasons, stored
from tests.stack import Stack, stamp
from tests.test_cli import INSITU, complaint, run

# -- Parquet


def test_parquet_keeps_its_types_and_its_zones(
    conn: Connection, catalogue: SmallTrial, load: Load, tmp_path: Path
) -> None:
    at = [START + timedelta(hours=h) for h in range(6)]
    results = pa.array([1.5, None, float("nan"), float("inf"), 2.5, 3.5])
    devices = pa.array(["a", "a", "b", "b", "b", None]).dictionary_encode()
    for kind, zone in ((pa.timestamp("ns", "America/New_York"), None), (pa.timestamp("ms"), "UTC")):
        conn.execute("TRUNCATE observation, reject, ledger, ledger_reason, datastream_latest")
        conn.commit()
        given = at if zone is None else [one.replace(tzinfo=None) for one in at]
        path = tmp_path / "x.parquet"
        pq.write_table(
            pa.table({"time": pa.array(given, kind), "device": devices, "pm25": results}),
            path,
            row_group_size=2,
        )
        done = load(path, device=None, zone=zone)
        assert (done.rows, done.empty, done.stored) == (6, 2, 2)
        assert reasons(done) == {"not_finite": (1, 1, 4), "unknown_device": (1, 0, 6)}
        assert stored(conn, catalogue.datastreams["b", "pm25"]) == [("2026-03-01T04:00:00", 2.5)]


def test_parquet_has_integers_decimals_booleans_and_separate_dates(
    conn: Connection, catalogue: SmallTrial, load: Load, tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    day = datetime(2026, 3, 29)  # noqa: DTZ001 - a date
    table = pa.table(
        {
            "date": pa.array([day.date()] * 3, pa.date32()),
            "time": pa.array(
                [timedelta(hours=h) // timedelta(microseconds=1) for h in (1, 2, 4)], pa.time64("us")
            ),
            "pm25": pa.array([Decimal("1.10"), Decimal("-2.25"), Decimal(3)], pa.decimal128(10, 2)),
            "fan": pa.array([True, False, None]),
            "n": pa.array([1, 2, 3], pa.uint8()),
        }
    )
    pq.write_table(table, path)
    done = load(path, zone="Europe/Paris")
    assert (done.stored, reasons(done)) == (3, {"invalid_shape": (1, 0, 2)})
    assert stored(conn, catalogue.datastreams["a", "pm25"]) == [
        ("2026-03-29T00:00:00", 1.1),
        ("2026-03-29T02:00:00", 3.0),
    ]
    done = load(path, zone="UTC", columns={"n": "b/pm25", "pm25": "", "fan": ""})
    assert [result for _, result in stored(conn, catalogue.datastreams["b", "pm25"])] == [1.0, 2.0, 3.0]


# -- corrections


def test_a_correction_replaces_what_differs_keeps_what_was_and_asks_for_new_checks(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    stream = catalogue.datastreams["a", "pm25"]
    rows = quarter_hours(10)
    load("time,pm25\n" + "\n".join(rows))
    conn.execute("UPDATE observation SET flag = 1")
    conn.execute("UPDATE datastream_latest SET unchecked_from = NULL")
    conn.commit()
    changed = [row.replace(".5", ".75") if n in (3, 9) else row for n, row in enumerate(rows)]
    done = load("time,pm25\n" + "\n".join(changed), name="corrected.csv", reason="the span was wrong")
    assert (done.stored, done.duplicate, done.corrected, done.refused) == (0, 10, 2, {})
    assert [result for _, result in stored(conn, stream)] == [
        0.5,
        1.5,
        2.5,
        3.75,
        4.5,
        5.5,
        6.5,
        7.5,
        8.5,
        9.75,
    ]
    assert conn.execute("SELECT flag, count(*) FROM observation GROUP BY 1 ORDER BY 1").fetchall() == [
        (1, 8),
        (2, 2),
    ]
    unchecked, latest = conn.execute("SELECT unchecked_from, result FROM datastream_latest").fetchone()
    assert (unchecked, latest) == (START + timedelta(minutes=45), 9.75)
    (whole,) = corrections_by_file(conn, "t", SYSTEM.now())
    assert (whole.datastream, whole.file, whole.results, whole.moved) == ("a/pm25", "corrected.csv", 2, 0.25)
    assert (whole.first, whole.last) == (START + timedelta(minutes=45), START + timedelta(minutes=135))
    assert corrections_by_file(conn, "t", whole.corrected_at - timedelta(seconds=1)) == []
    kept = corrections(conn, "t")
    assert [(c.old_result, c.new_result, c.reason, c.login, c.file) for c in kept] == [
        (9.5, 9.75, "the span was wrong", "lab", "corrected.csv"),
        (3.5, 3.75, "the span was wrong", "lab", "corrected.csv"),
    ]
    lines = [(line.action, line.subject, line.detail.get("results")) for line in audit(conn)]
    assert lines == [("import", "t", None), ("import", "t", None), ("correct", "t", 2)]
    assert audit_problem(conn) is None


def test_a_correction_that_is_run_again_changes_nothing_even_where_the_file_contradicts_itself(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    load(f"time,pm25\n{NOON},1\n")
    filling = "\n".join(quarter_hours(4100))
    filling = filling.replace("2026-03-02T12:00:00+00:00,", "2026-06-02T12:07:00Z,")
    content = f"time,pm25\n{NOON},2\n{filling}\n{NOON},3\n"
    first = load(content, reason="r")
    second = load(content, reason="r")
    assert (first.corrected, second.corrected, second.stored) == (1, 0, 0)
    assert reasons(first) == reasons(second) == {"conflicting_result": (1, 1, 4103)}
    assert [c.new_result for c in corrections(conn, "t")] == [2.0]
    again = load(f"time,pm25\n{NOON},1\n", reason="it was right before")
    assert again.corrected == 1
    assert ("2026-03-02T12:00:00", 1.0) in stored(conn, catalogue.datastreams["a", "pm25"])


def test_checks_run_again_over_what_was_corrected_and_are_then_done(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    """The corrected row is not the datastream's newest receipt: a row with an earlier time came later."""
    import numpy as np

    from store.observations import series
    from store.quality import save_flags, unchecked

    stream = catalogue.datastreams["a", "pm25"]
    load("time,pm25\n2026-03-05T00:00:00Z,1\n")
    load("time,pm25\n2026-03-01T00:00:00Z,1\n")
    conn.execute("UPDATE datastream_latest SET unchecked_from = NULL")
    conn.commit()
    load("time,pm25\n2026-03-05T00:00:00Z,2\n", reason="r")
    (due,) = unchecked(conn, "t")
    found = series(conn, [stream], due.unchecked_from, datetime(2200, 1, 1, tzinfo=UTC))[stream]
    newest = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(found.received_us.max()))
    save_flags(
        conn,
        datastream_id=stream,
        times_us=found.time_us,
        flags=np.ones(1, np.int8),
        by_check={},
        checks=[],
        ran=[],
        parameters="{}",
        sha256="",
        now=START,
        received_before=newest,
    )
    assert to_us(due.unchecked_from) == int(found.time_us[0])
    assert unchecked(conn, "t") == []


# -- the command line, and what may end it


def york(name: str) -> Path:
    given = os.environ.get("INSITU_YORK_DIR")
    for folder in (
        [Path(given)]
        if given
        else [parent / "shared" / "data" for parent in Path(__file__).resolve().parents]
    ):
        if (folder / name).is_file():
            return folder / name
    pytest.skip("the York series are not here: set INSITU_YORK_DIR to the folder of york_no2_2020.csv")


@pytest.mark.york
@pytest.mark.parametrize(
    ("name", "column"), [("york_no2_2020.csv", "T200U(a)"), ("york_no2_2021.csv", "T200U(b)")]
)
def test_a_published_collocation_comes_in_with_one_command(
    conn: Connection, catalogue: SmallTrial, database_url: str, name: str, column: str
) -> None:
    for device in "ab":
        deploy_since(conn, catalogue.devices[device], datetime(2020, 1, 1, tzinfo=UTC))
    path = york(name)
    command = ["import", str(path), "--trial", "t", "--map", "NO2_T500=a/pm25", "--map", f"{column}=b/pm25"]
    done = run(*command, INSITU_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    with path.open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    for device, header in (("a", "NO2_T500"), ("b", column)):
        expected = [
            (row["Timestamp"][:-1], float(row[header])) for row in table if row[header] not in ("", "NA")
        ]
        assert stored(conn, catalogue.datastreams[device, "pm25"]) == expected
    again = run(*command, INSITU_DATABASE_URL=database_url)
    assert again.returncode == 0
    assert " 0 stored" in again.stdout
    assert recount(conn) == []


def big(tmp_path: Path, n: int = 20_000) -> Path:
    path = tmp_path / "big.csv"
    rows = [f"{(START + timedelta(minutes=i)).isoformat()},{i}.5" for i in range(n)]
    rows[7] = rows[7] + ",x"
    path.write_text("time,pm25\n" + "\n".join(rows) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("more", [[], ["--correct", "--reason", "r"]])
def test_an_import_that_was_killed_is_completed_by_the_same_command(
    conn: Connection, catalogue: SmallTrial, database_url: str, tmp_path: Path, load: Load, more: list[str]
) -> None:
    """With a correction, the third commit holds the corrections of the second batch: its merge has not
    happened yet.
    """
    deploy_since(conn, catalogue.devices["a"], START)
    load(f"time,pm25\n{START.isoformat()},0\n2026-03-04T18:40:00Z,0\n") if more else None
    command = ["import", str(big(tmp_path)), "--trial", "t", "--device", "a", *more]
    killed = run(*command, INSITU_DATABASE_URL=database_url, INSITU_FAILPOINT="before_commit:4")
    assert killed.returncode == -9
    part = conn.execute("SELECT count(*) FROM observation").fetchone()
    conn.rollback()
    assert part is not None
    assert 0 < part[0] < 19_999
    assert recount(conn) == []
    done = run(*command, INSITU_DATABASE_URL=database_url)
    assert done.returncode == 1
    assert "the first in row 9" in done.stdout
    assert conn.execute("SELECT count(*) FROM observation").fetchone() == (19_999,)
    assert conn.execute("SELECT count(*) FROM correction").fetchone() == (2 if more else 0,)
    assert conn.execute("SELECT count(*), min(topic) FROM reject").fetchone() == (1, "insitu/v1/t/a/obs")
    assert recount(conn) == []


def started(conn: Connection, database_url: str, path: Path) -> subprocess.Popen[str]:
    """A running import that has stored some rows but not all."""
    process = subprocess.Popen(
        [*INSITU, "import", str(path), "--trial", "t", "--device", "a"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "INSITU_DATABASE_URL": database_url},
    )
    limit = time.monotonic() + 30
    while conn.execute("SELECT count(*) FROM observation").fetchone() == (0,):
        conn.rollback()
        assert time.monotonic() < limit
        time.sleep(0.02)
    return process


def test_a_database_that_goes_away_is_said_and_what_is_stored_stays(
    conn: Connection, catalogue: SmallTrial, database_url: str, tmp_path: Path
) -> None:
    process = started(conn, database_url, big(tmp_path, 200_000))
    conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'insitu import'"
    )
    conn.commit()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the same command again completes it" in said
    assert "Traceback" not in said
    assert recount(conn) == []


def test_an_interrupted_import_says_so_and_fails(
    conn: Connection, catalogue: SmallTrial, database_url: str, tmp_path: Path
) -> None:
    process = started(conn, database_url, big(tmp_path, 200_000))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command again completes it" in said
    assert "insitu: Interrupted." in said
    assert recount(conn) == []


def test_a_map_that_is_kept_in_a_file_says_the_same_as_the_options(
    conn: Connection, catalogue: SmallTrial, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text("Tag;Zeit;Staub\n02.03.2026;12:00;1,5\n", "utf-8")
    (tmp_path / "map.toml").write_text(
        'trial = "t"\ntime_columns = ["Tag", "Zeit"]\nzone = "Europe/Paris"\n[columns]\nStaub = "b/pm25"\n',
        "utf-8",
    )
    command = ["import", str(tmp_path / "x.csv"), "--columns", str(tmp_path / "map.toml")]
    tried = run(*command, "--dry-run", INSITU_DATABASE_URL=database_url)
    assert "Nothing was written" in tried.stdout
    assert "Tag and Zeit, %d.%m.%Y %H:%M" in tried.stdout
    assert conn.execute("SELECT count(*) FROM ledger").fetchone() == (0,)
    conn.rollback()
    done = run(*command, "--zone", "UTC", INSITU_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    assert stored(conn, catalogue.datastreams["b", "pm25"]) == [("2026-03-02T12:00:00", 1.5)]
    (tmp_path / "map.toml").write_text('trail = "t"\n', "utf-8")
    assert "trail" in complaint(run(*command, INSITU_DATABASE_URL=database_url))
    assert "--reason" in complaint(
        run(*command[:2], "--trial", "t", "--correct", INSITU_DATABASE_URL=database_url)
    )
    assert "nowhere.csv" in complaint(
        run("import", "nowhere.csv", "--trial", "t", INSITU_DATABASE_URL=database_url)
    )


def test_the_same_result_by_mqtt_http_and_file_is_one_row(stack: Stack, tmp_path: Path) -> None:
    device = stack.device("t/a")
    device.send({"boot": "k", "seq": 1, "time": stamp(5), "results": {"pm25": 7.5}})
    stack.wait_for(1)
    device.close()
    message = posted(
        "insitu/v1/t/a/obs", f'{{"time": "{stamp(5)}", "results": {{"pm25": 7.5}}}}'.encode(), SYSTEM
    )
    token_sha256 = hashlib.sha256(stack.tokens["t/a"][1].encode()).digest()
    taker = Taker(lambda: connect(stack.database_url, application="tests"), SYSTEM)
    (answer,) = taker.take([Post("t", "a", token_sha256, message)])
    assert isinstance(answer, Answer)
    assert (answer.stored, answer.duplicate) == (0, 1)
    path = tmp_path / "x.csv"
    path.write_text(f"time,pm25\n{stamp(5)},7.50\n{stamp(4)},8\n{stamp(5)},9\n", "utf-8")
    done = run("import", str(path), "--trial", "t", "--device", "a", INSITU_DATABASE_URL=stack.database_url)
    assert done.returncode == 1
    assert "1 stored, 1 there already" in done.stdout
    assert "conflicting_result: 1 results of 1 rows, the first in row 4" in done.stdout
    assert "insitu replay --trial t" in done.stderr
    assert stack.rows("SELECT result FROM observation ORDER BY 1") == [(7.5,), (8.0,)]
    assert stack.rows("SELECT sum(stored), sum(duplicate), sum(conflicting) FROM ledger") == [(2, 2, 1)]
    assert recount(stack.conn) == []
