"""`insitu power`, and the warning of `insitu lock`: the command line's forecast for a protocol before it is
locked.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np

from store.database import Connection
from tests.fix_catalogue import START, SmallTrial
from tests.test_cli import complaint, run
from tests.trials.world import criterion, endpoint, inputs, period, protocol, protocol_text, series
from trials.evaluation import document_of
from trials.judge.compute import compute
from trials.package.writing import seal, write_tables
from trials.plan.reading import canonical

TEXT = {"en": "Text", "fr": "Texte"}
INSERT = (
    "INSERT INTO observation (datastream_id, phenomenon_time, result, received_at, clock_quality) "
    "VALUES (%s, %s, %s, now(), 0)"
)


def of_small_trial(margin: float) -> str:
    """The protocol of the small trial: a before/after of two devices over thirty days each."""
    made = {
        "name": "main",
        "title": TEXT,
        "property": "pm25",
        "unit": "1",
        "design": "before_after",
        "arms": {"candidate": "treated"},
        "criteria": [{"statistic": "effect", "target": {"high": margin}, "justification": TEXT}],
    }
    return json.dumps(
        {
            "trial": "t",
            "title": TEXT,
            "question": TEXT,
            "hypothesis": TEXT,
            "missing_data": TEXT,
            "time_zone": "UTC",
            "periods": [
                {"name": "baseline", "start": "2026-03-01T00:00:00Z", "end": "2026-03-31T00:00:00Z"},
                {"name": "reporting", "start": "2026-03-31T00:00:00Z", "end": "2026-04-30T00:00:00Z"},
            ],
            "arms": [{"name": "treated", "role": "candidate", "site": "station", "devices": ["a", "b"]}],
            "measurements": [{"property": "pm25", "arms": ["treated"], "interval": "PT1H"}],
            "checks": [
                {"property": "pm25", "check": "gross_range", "parameters": {"fail_low": 0, "fail_high": 100}}
            ],
            "endpoints": [made],
            "decisions": dict.fromkeys(("met", "not_met", "inconclusive", "not_evaluable"), TEXT),
        },
        indent=1,
    )


def with_baseline(conn: Connection, catalogue: SmallTrial) -> None:
    """Stores thirty days of hourly results; those above 100 are impossible."""
    rng = np.random.default_rng(8)
    for device in ("a", "b"):
        number = catalogue.datastreams[device, "pm25"]
        rows = [
            (
                number,
                START + timedelta(hours=hour),
                500.0 if hour % 50 == 7 else float(20 + rng.standard_normal()),
            )
            for hour in range(30 * 24)
        ]
        with conn.cursor() as cursor:
            cursor.executemany(INSERT, rows)
    conn.commit()


def test_power_tells_from_the_baseline_what_lock_warns_of(
    tmp_path: Path, database_url: str, conn: Connection, catalogue: SmallTrial
) -> None:
    with_baseline(conn, catalogue)
    fine, coarse = tmp_path / "fine.json", tmp_path / "coarse.json"
    fine.write_text(of_small_trial(-0.05), "utf-8")
    coarse.write_text(of_small_trial(-5.0), "utf-8")
    done = run("power", str(coarse), "--days", "30,60", INSITU_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    assert "main (primary, before_after): 30 days count, intervals at 95 %" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if line.endswith(("100 %", "planned"))] == [
        "30",
        "60",
    ], done.stdout
    assert "inconclusive" not in done.stdout
    told = json.loads(
        run("power", str(fine), "--json", "--power", "0.9", INSITU_DATABASE_URL=database_url).stdout
    )
    assert told["power"] == 0.9
    assert told["endpoints"][0]["criteria"][0]["planned"]["half_width"] < 1, (
        "what the planned check refuses does not count"
    )
    done = run("lock", str(fine), INSITU_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    assert "Locked t version 1" in done.stdout
    assert done.stderr.startswith(
        "warning: main, effect: With 30 days the verdict will probably be inconclusive"
    )
    second = json.loads(of_small_trial(-5.0)) | {"version": 2, "reason": TEXT}
    coarse.write_text(json.dumps(second), "utf-8")
    done = run("lock", str(coarse), INSITU_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    (warning,) = done.stderr.splitlines()
    assert "after the reporting period had ended" in warning, "nothing is foretold to be inconclusive"


def test_power_of_what_is_not_there_or_not_right_is_one_line(
    tmp_path: Path, database_url: str, catalogue: SmallTrial
) -> None:
    path = tmp_path / "protocol.json"
    path.write_text(of_small_trial(-5.0), "utf-8")
    done = run("power", str(path), INSITU_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    assert "Only 0 days before the reporting period count; at least 14 are needed" in done.stdout
    path.write_text(of_small_trial(-5.0).replace('"high": -5.0', '"high": "low"'), "utf-8")
    line = next(
        n for n, text in enumerate(path.read_text("utf-8").splitlines(), 1) if '"high": "low"' in text
    )
    said = complaint(run("power", str(path), INSITU_DATABASE_URL=database_url))
    assert f"protocol.json, line {line}: endpoints.0.criteria.0.target.high: " in said
    path.write_text(of_small_trial(-5.0).replace('"trial": "t"', '"trial": "nowhere"'), "utf-8")
    assert "nowhere" in complaint(run("power", str(path), INSITU_DATABASE_URL=database_url))
    assert "is not a list of days" in complaint(run("power", str(path), "--days", "soon"))
    assert "between 0.5 and 1" in complaint(run("power", str(path), "--power", "80"))
    assert "datapackage.json" in complaint(run("power", str(tmp_path)))
    assert "nothing.json" in complaint(run("power", str(tmp_path / "nothing.json")))


def test_power_of_a_package_needs_no_database(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).standard_normal(60 * 24)
    plan = protocol(
        endpoint("before_after", [criterion("effect", high=-2.0)], arms=["candidate"]),
        periods=[period("baseline", 0, 30), period("reporting", 30, 60)],
    )
    given = inputs(plan, [series("candidate-1", 40 + noise)])
    evaluation = compute(given)
    text = canonical(document_of(evaluation)).decode()
    package, draft = tmp_path / "package", tmp_path / "draft.json"
    write_tables(package, given, protocol=protocol_text(plan), evaluation=text, flags=[])
    seal(package, evaluation, None)
    nowhere = str(tmp_path / "none")
    own = run("power", str(package), "--json", INSITU_DATA_DIR=nowhere)
    assert own.returncode == 0, own.stderr
    told = json.loads(own.stdout)["endpoints"][0]["criteria"][0]
    assert (told["planned"]["days"], told["planned"]["reachable"]) == (30, True)
    draft.write_text(protocol_text(plan).replace('"high":-2', '"high":-3'), "utf-8")
    other = run("power", str(draft), "--package", str(package), "--json", INSITU_DATA_DIR=nowhere)
    changed = json.loads(other.stdout)["endpoints"][0]["criteria"][0]
    assert changed["planned"]["half_width"] == told["planned"]["half_width"]
    assert round(changed["planned"]["met_high"] - told["planned"]["met_high"], 6) == -1
    assert "the package is not whole" in complaint(
        run("power", str(draft), "--package", str(tmp_path), INSITU_DATA_DIR=nowhere)
    )
