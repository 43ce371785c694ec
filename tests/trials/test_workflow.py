"""Load, compute and save on a real database: flags do not depend on when the checks ran; and the way from
lock to package.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from insitu.errors import CorrectInput, NotFound
from insitu.model import Observation, Verdict
from insitu.times import to_us
from store.corrections import Correction, correct
from store.database import Connection
from store.observations import merge, series
from store.quality import flags_of
from store.read.progress import list_evaluations
from tests.examples import some_of
from tests.fix_catalogue import START, SmallTrial
from tests.fix_running import receive, results
from tests.trials.world import criterion, endpoint, protocol_json
from trials.package.verify import verify
from trials.plan.protocol import Protocol
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.exporting import write
from trials.workflow.locking import lock_protocol

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
END = START + 40 * DAY


def plan(**stuck: Any) -> Protocol:
    """Before/after of device a's PM2.5, hourly, with three checks."""
    made = endpoint("before_after", [criterion("effect", high=-2)], arms=["candidate"], property="pm25")
    periods = [
        {"name": "baseline", "start": START.isoformat(), "end": (START + 20 * DAY).isoformat()},
        {"name": "reporting", "start": (START + 20 * DAY).isoformat(), "end": END.isoformat()},
    ]
    document = protocol_json(made, periods=periods, devices={"candidate": ["a"]}, time_zone="UTC") | {
        "trial": "t"
    }
    document["checks"] += [
        {
            "property": "pm25",
            "check": "flat_line",
            "parameters": {"suspect_s": 6 * 3600, "fail_s": 12 * 3600, **stuck},
        },
        {"property": "pm25", "check": "time_syntax", "parameters": {}},
    ]
    return Protocol.model_validate(document)


def flags(conn: Connection, datastream: int) -> tuple[list[int], list[tuple[str, str, int]]]:
    """(roll-up in order of time, observations that did not pass, by check)."""
    details = [
        (f.phenomenon_time.isoformat(), f.check_name, f.flag)
        for f in flags_of(conn, [datastream], START, END)
    ]
    return series(conn, [datastream], START, END)[datastream].flag.tolist(), details


@pytest.mark.parametrize(
    ("fail_h", "every", "late"),
    some_of(list(product([12, 60], [1, 7, 26], [[], [120, 121, 122], [50, 51, 120]])), every=5),
)
def test_checks_that_run_as_data_come_in_find_what_one_run_over_everything_finds(
    conn: Connection, catalogue: SmallTrial, late: list[int], every: int, fail_h: int
) -> None:
    lock_protocol(conn, plan(fail_s=fail_h * 3600), now=START - DAY, login="judge")
    datastream = catalogue.datastreams["a", "pm25"]
    values = results()
    for first in range(0, 240, every):
        receive(conn, datastream, [h for h in range(first, min(240, first + every)) if h not in late], values)
        check_quality(conn, "t", now=START + (first + every) * HOUR)
        conn.commit()
    receive(conn, datastream, late, values, delay=4 * DAY)
    check_quality(conn, "t", now=END)
    bit_by_bit = flags(conn, datastream)
    check_quality(conn, "t", now=END, everything=True)
    assert bit_by_bit == flags(conn, datastream)
    assert bit_by_bit[0][30:100] == [4] * 70
    assert bit_by_bit[0][200] == 4
    assert bit_by_bit[0][100:200] == [1] * 100


def test_nothing_new_is_nothing_to_judge(conn: Connection, catalogue: SmallTrial) -> None:
    lock_protocol(conn, plan(), now=START - DAY, login="judge")
    receive(conn, catalogue.datastreams["a", "pm25"], list(range(24)), results())
    assert check_quality(conn, "t", now=END) == 24
    assert check_quality(conn, "t", now=END) == 0


@pytest.fixture
def evaluated(conn: Connection, catalogue: SmallTrial) -> int:
    """The number of an evaluation of forty days."""
    lock_protocol(conn, plan(), now=START - DAY, login="judge")
    receive(conn, catalogue.datastreams["a", "pm25"], list(range(960)), results())
    check_quality(conn, "t", now=END)
    number, evaluation = evaluate_trial(conn, "t", now=END + DAY, login="judge", simulated=False)
    conn.commit()
    assert evaluation.verdict is Verdict.MET
    assert evaluation.datastreams[0].by_check == {"flat_line": 79, "gross_range": 2}
    return number


def test_a_package_from_the_database_agrees_with_itself(
    conn: Connection, evaluated: int, tmp_path: Path
) -> None:
    write(conn, evaluated, tmp_path / "package", key=None)
    checks = verify(tmp_path / "package")
    assert [(check.name, check.lines) for check in checks if not check.ok] == []


def test_results_that_were_replaced_after_a_result_are_told_and_the_package_agrees(
    conn: Connection, catalogue: SmallTrial, evaluated: int, tmp_path: Path
) -> None:
    """Thirty hours of the reporting period become a code for an error, which stands beside the verdict, also
    in the list of evaluations.
    """
    stream, first = catalogue.datastreams["a", "pm25"], START + 25 * DAY
    replaced = [
        Observation(stream, to_us(first + hour * HOUR), -49.9, to_us(END), 4) for hour in range(0, 60, 2)
    ]
    found = Correction("t", "lab", "the logger was right", "again.csv", "a" * 64)
    assert correct(conn, replaced, correction=found, now=END + 2 * DAY) == 30
    check_quality(conn, "t", now=END + 2 * DAY)
    number, evaluation = evaluate_trial(conn, "t", now=END + 3 * DAY, login="judge", simulated=False)
    (told,) = [one.evidence for one in evaluation.deviations if one.code == "corrected_after_result"]
    assert (told["corrected"], told["datastream"], told["file"]) == (30, "a/pm25", "again.csv")
    assert isinstance(told["moved"], float)
    assert told["moved"] < -50
    assert evaluation.cautions is not None
    (head,) = [one for one in list_evaluations(conn, "t") if one.evaluation_id == number]
    assert [text["en"] for text in head.afterwards] == [one.text.en for one in evaluation.cautions]
    assert "30 of " in head.afterwards[0]["en"]
    write(conn, number, tmp_path / "package", key=None)
    checks = verify(tmp_path / "package")
    assert [(check.name, check.lines) for check in checks if not check.ok] == []


def test_other_machines_recompute_the_same_bytes(conn: Connection, evaluated: int, tmp_path: Path) -> None:
    """Another time zone and language give the same bytes; another type of processor gives the same within a
    millionth.
    """
    write(conn, evaluated, tmp_path / "package", key=None)
    program = (
        "import sys; from pathlib import Path; from trials.package.reading import evaluate_package; from "
        "trials.evaluation import document_of; "
        "from trials.plan.reading import canonical; "
        "sys.stdout.buffer.write(canonical(document_of(evaluate_package(Path(sys.argv[1])))))"
    )
    root = str(Path(__file__).resolve().parents[2])
    for more in (
        {"TZ": "Asia/Kathmandu", "LC_ALL": "C"},
        {"TZ": "America/Los_Angeles", "PYTHONHASHSEED": "7"},
    ):
        environment = {"PYTHONPATH": root, "PATH": "/usr/bin:/bin", **more}
        made = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "package")],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        assert made.stdout == (tmp_path / "package" / "evaluation.json").read_bytes()


def test_late_observations_ask_for_another_evaluation_before_an_export(
    conn: Connection, catalogue: SmallTrial, evaluated: int, tmp_path: Path
) -> None:
    at = START + 90 * HOUR + HOUR / 2
    merge(conn, [Observation(catalogue.datastreams["a", "pm25"], to_us(at), 20.0, to_us(END + 2 * DAY), 0)])
    with pytest.raises(CorrectInput, match="evaluate again, then export"):
        write(conn, evaluated, tmp_path / "package", key=None)


def test_a_second_evaluation_says_what_changed(
    conn: Connection, catalogue: SmallTrial, evaluated: int
) -> None:
    _, unchanged = evaluate_trial(conn, "t", now=END + 2 * DAY, login="judge", simulated=False)
    assert unchanged.changed == []
    at = START + 150 * HOUR + HOUR / 2
    merge(conn, [Observation(catalogue.datastreams["a", "pm25"], to_us(at), 60.0, to_us(END + 2 * DAY), 0)])
    check_quality(conn, "t", now=END + 2 * DAY)
    _, again = evaluate_trial(conn, "t", now=END + 3 * DAY, login="judge", simulated=False)
    (change,) = again.changed
    assert (change.statistic, change.verdict_before, change.verdict_after) == (
        "effect",
        Verdict.MET,
        Verdict.MET,
    )
    assert change.after is not None
    assert change.before is not None
    assert change.after == pytest.approx(
        change.before - 20 / 24 / 16, abs=0.01
    )  # one hour of one of the 16 baseline days that count rose by 20


def test_a_protocol_that_the_catalogue_cannot_serve_is_refused_with_every_reason(
    conn: Connection, catalogue: SmallTrial
) -> None:
    made = endpoint(
        "before_after",
        [criterion("happiness", high=-2)],
        arms=["candidate"],
        property="ozone",
        filter={"sites": ["moon"]},
    )
    periods = [{"name": "reporting", "start": START.isoformat(), "end": END.isoformat()}]
    document = protocol_json(made, periods=periods, devices={"candidate": ["a", "z"]}) | {"trial": "t"}
    with pytest.raises(CorrectInput) as caught:
        lock_protocol(conn, Protocol.model_validate(document), now=START, login="judge")
    for part in (
        "no device 'z'",
        "does not measure 'ozone'",
        "no statistic 'happiness'",
        "nothing at site 'moon'",
        "needs a baseline period",
    ):
        assert part in str(caught.value)


def test_a_trial_without_a_locked_protocol_cannot_be_evaluated(
    conn: Connection, catalogue: SmallTrial
) -> None:
    assert check_quality(conn, "t", now=END) == 0
    with pytest.raises(NotFound, match="has no locked protocol"):
        evaluate_trial(conn, "t", now=END, login="judge", simulated=False)
