"""The gaps of an evaluation follow from how data arrived and from where the device stood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from insitu.model import GapCause, WindowKind
from store.catalogue.deployments import deploy, end_deployment
from store.catalogue.windows import add_window
from store.database import Connection
from tests.fix_catalogue import START, SmallTrial
from tests.fix_files import Load
from tests.fix_running import receive, results
from tests.trials.test_workflow import DAY, END, HOUR, plan
from trials.evaluation import DatastreamSummary, Evaluation
from trials.package.verify import verify
from trials.plan.protocol import Protocol
from trials.plan.reading import document_of
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.exporting import write
from trials.workflow.locking import lock_protocol

HOURS = range(960)


def evaluated(conn: Connection, made: Protocol | None = None) -> tuple[int, Evaluation]:
    conn.execute("UPDATE datastream SET expected_interval = '1 hour' WHERE name = 'pm25'")
    lock_protocol(conn, made or plan(), now=START - DAY, login="judge")
    check_quality(conn, "t", now=END)
    number, found = evaluate_trial(conn, "t", now=END + DAY, login="judge", simulated=False)
    conn.commit()
    return number, found


def gaps(found: Evaluation) -> list[tuple[float, float, GapCause, bool]]:
    """(first hour, last hour, cause, filled later) of the candidate."""
    return [
        ((gap.start - START) / HOUR, (gap.end - START) / HOUR, gap.cause, gap.backfilled)
        for gap in found.gaps
        if gap.device == "a"
    ]


def candidate(found: Evaluation) -> DatastreamSummary:
    return next(one for one in found.datastreams if one.datastream == "a/pm25")


def file_of(hours: Any, add: float = 0.0) -> str:
    values = results() + add
    lines = [f"{(START + hour * HOUR).isoformat()},{values[hour]:.6f}" for hour in hours]
    return "\n".join(["time,pm25", *lines]) + "\n"


def test_an_imported_series_has_no_gap_where_it_has_results_and_its_holes_have_no_known_cause(
    conn: Connection, catalogue: SmallTrial, load: Load, tmp_path: Path
) -> None:
    """It was one gap over its whole length: the network, filled later."""
    assert load(file_of([hour for hour in HOURS if not 100 < hour < 120])).stored == 941
    number, found = evaluated(conn)
    assert gaps(found) == [(100, 120, GapCause.UNKNOWN, False)]
    assert (candidate(found).from_file, candidate(found).late) == (941, 0)
    write(conn, number, tmp_path / "package", key=None)
    assert [check.name for check in verify(tmp_path / "package") if not check.ok] == []


def test_live_results_that_came_late_are_told_from_those_that_a_file_filled_in(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    datastream = catalogue.datastreams["a", "pm25"]
    live = [hour for hour in HOURS if not 200 <= hour < 210]
    assert load(file_of(range(200, 210))).stored == 10
    receive(conn, datastream, [hour for hour in live if not 300 <= hour < 320], results())
    receive(conn, datastream, list(range(300, 320)), results(), delay=9 * HOUR)
    _, found = evaluated(conn)
    assert gaps(found) == [(200, 210, GapCause.UNKNOWN, True), (300, 320, GapCause.NETWORK, True)]
    assert (candidate(found).from_file, candidate(found).late) == (10, 0), "late is more than a day"


def test_late_counts_what_came_more_than_a_day_late(conn: Connection, catalogue: SmallTrial) -> None:
    datastream = catalogue.datastreams["a", "pm25"]
    receive(conn, datastream, list(range(10, 960)), results())
    receive(conn, datastream, list(range(5)), results(), delay=DAY - HOUR)
    receive(conn, datastream, list(range(5, 10)), results(), delay=DAY + HOUR)
    _, found = evaluated(conn)
    assert candidate(found).late == 5


def test_a_corrected_result_is_no_result_that_the_network_held_back(
    conn: Connection, catalogue: SmallTrial, load: Load
) -> None:
    assert load(file_of(range(400, 440), add=1.0)).stored == 40
    assert load(file_of(range(400, 440)), reason="the probe was calibrated").corrected == 40
    live = [hour for hour in HOURS if not 400 <= hour < 440]
    receive(conn, catalogue.datastreams["a", "pm25"], live, results())
    _, found = evaluated(conn)
    assert gaps(found) == []
    assert (candidate(found).from_file, candidate(found).late) == (None, 0)


def test_no_gap_is_reported_where_the_device_did_not_stand_or_nothing_was_planned(
    conn: Connection, catalogue: SmallTrial
) -> None:
    """Away from hour 200 to 300; periods with a hole from hour 480 to 600; silent from hour 700 to 750."""
    device = catalogue.devices["a"]
    end_deployment(conn, device_id=device, at=START + 200 * HOUR)
    deploy(conn, device_id=device, site="station", position="other", start=START + 300 * HOUR)
    there = [*range(200), *range(300, 480), *range(600, 700), *range(750, 960)]
    receive(conn, catalogue.datastreams["a", "pm25"], there, results())
    document = document_of(plan())
    document["periods"][1]["start"] = (START + 25 * DAY).isoformat()
    _, found = evaluated(conn, Protocol.model_validate(document))
    assert gaps(found) == [(699, 750, GapCause.UNKNOWN, False)]


def test_a_window_of_a_site_explains_only_the_silence_of_a_device_that_stood_there(
    conn: Connection, catalogue: SmallTrial
) -> None:
    receive(
        conn, catalogue.datastreams["a", "pm25"], [hour for hour in HOURS if not 100 < hour < 120], results()
    )
    add_window(
        conn,
        kind=WindowKind.MAINTENANCE,
        start=START + 100 * HOUR,
        end=START + 120 * HOUR,
        reason="cleaning",
        declared_by="host",
        now=START,
        site="station",
    )
    _, found = evaluated(conn)
    assert gaps(found) == [(100, 120, GapCause.WINDOW, False)]
