"""A gravimetric filter a day beside an hourly sensor, through the command line: its truth is known, and the
same instants give the same numbers however they are written.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from insitu.model import Stamp
from insitu.spacing import Spacing
from tests.test_cli import run
from tests.trials.world import inputs, series
from trials.evaluation import document_of
from trials.judge.compute import compute
from trials.plan.protocol import Protocol
from trials.plan.rules import NEWEST

PARIS = ZoneInfo("Europe/Paris")
Rows = list[list[str]]


def case() -> Path:
    for folder in (parent / "shared" / "cases" / "trials" for parent in Path(__file__).resolve().parents):
        if (folder / "daily-filter" / "protocol.json").is_file():
            return folder / "daily-filter"
    pytest.skip("the trials whose truth is known are not beside the repository")


def rows_of(name: str) -> Rows:
    with (case() / name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def truth() -> dict[str, float]:
    """From the files alone: the sensor's hours of each local day, and the filter of its date."""
    hours: dict[date, list[float]] = defaultdict(list)
    for time, result in rows_of("sensor.csv")[1:]:
        hours[datetime.fromisoformat(time).astimezone(PARIS).date()].append(float(result))
    filters = {date.fromisoformat(day): float(result) for day, result in rows_of("gravi.csv")[1:]}
    days = sorted(filters.keys() & hours.keys())
    x = np.array([filters[day] for day in days])
    y = np.array([np.mean(hours[day]) for day in days])
    return {
        "slope": float(np.polyfit(x, y, 1)[0]),
        "r2": float(np.corrcoef(x, y)[0, 1] ** 2),
        "rmse": float(np.sqrt(np.mean((y - x) ** 2))),
    }


def as_they_are(rows: Rows) -> Rows:
    return rows


def written_in(zone: str, shift: timedelta = timedelta(0)) -> Callable[[Rows], Rows]:
    """The same times with the offset of another zone, `shift` later."""

    def change(rows: Rows) -> Rows:
        changed = [rows[0]]
        for time, result in rows[1:]:
            at = datetime.fromisoformat(time)
            at = at.replace(tzinfo=PARIS) if at.tzinfo is None else at
            local = at + shift if at.tzinfo is PARIS else (at.astimezone(UTC) + shift)
            changed.append([local.astimezone(ZoneInfo(zone)).isoformat(), result])
        return changed

    return change


WRITTEN = {
    "as given": (as_they_are, "every = 86400\n", "Europe/Paris", 86400.0),
    "in UTC": (written_in("UTC"), 'every = "P1D"\nstamp = "begin"\n', "UTC", "PT24H"),
    "in New York": (written_in("America/New_York"), 'every = "PT24H"\n', "America/New_York", "P1D"),
    "at the end": (
        written_in("Europe/Paris", timedelta(days=1)),
        'every = 86400\nstamp = "end"\n',
        "Asia/Kathmandu",
        "PT1440M",
    ),
}


def protocol_of(zone: str, interval: str | float) -> str:
    """The protocol with its periods in the offset of a zone, and the filter's interval as written here."""
    document = json.loads((case() / "protocol.json").read_text("utf-8"))
    for period in document["periods"]:
        for edge in ("start", "end"):
            period[edge] = datetime.fromisoformat(period[edge]).astimezone(ZoneInfo(zone)).isoformat()
    document["measurements"][1]["interval"] = interval
    return json.dumps(document)


def is_true(evaluation: dict[str, Any]) -> None:
    (endpoint,) = evaluation["endpoints"]
    found = {one["statistic"]: one["value"] for one in endpoint["estimates"]}
    for name, value in truth().items():
        assert found[name] == pytest.approx(value, rel=1e-8), name
    assert {one["n"] for one in endpoint["estimates"]} == {89}
    assert evaluation["verdict"] == "met"
    assert [one["planned"] for one in evaluation["gate"]] == [2135, 89]
    assert evaluation["rules"] == NEWEST


def test_the_truth_of_the_files_is_the_stated_one() -> None:
    found = truth()
    assert (round(found["r2"], 3), round(found["slope"], 2), round(found["rmse"], 2)) == (0.998, 1.0, 0.24)


@pytest.mark.parametrize("how", WRITTEN)
def test_a_daily_filter_gives_its_truth_however_its_times_are_written(how: str) -> None:
    change, declared, zone, interval = WRITTEN[how]
    streams = []
    for name, rows, role in (
        ("sensor", written_in(zone)(rows_of("sensor.csv")), "candidate"),
        ("gravi", change(rows_of("gravi.csv")), "reference"),
    ):
        times = [datetime.fromisoformat(time) for time, _ in rows[1:]]
        micros = [round((at if at.tzinfo else at.replace(tzinfo=PARIS)).timestamp() * 1e6) for at in times]
        facts = tomllib.loads(declared) if name == "gravi" else {"every": "PT1H"}
        every = facts["every"]
        made = series(name, np.array([float(result) for _, result in rows[1:]]), property="pm25", role=role)
        streams.append(
            replace(
                made,
                time_us=np.array(micros, np.int64),
                stamp=Stamp(facts.get("stamp", "instant")),
                every=Spacing.parse(every) if isinstance(every, str) else Spacing(timedelta(seconds=every)),
            )
        )
    plan = Protocol.model_validate_json(protocol_of(zone, interval))
    is_true(document_of(compute(inputs(plan, streams))))


@pytest.mark.parametrize("how", ["as given", "at the end"])
def test_the_whole_way_from_the_file_to_the_verdict(tmp_path: Path, database_url: str, how: str) -> None:
    change, declared, zone, interval = WRITTEN[how]

    def insitu(*arguments: str) -> str:
        done = run(*arguments, INSITU_DATABASE_URL=database_url)
        assert done.returncode == 0, done.stderr
        return done.stdout

    programme = (case() / "programme.toml").read_text("utf-8")
    assert programme.count("every = 86400\n") == 1
    (tmp_path / "programme.toml").write_text(programme.replace("every = 86400\n", declared), "utf-8")
    insitu("register", str(tmp_path / "programme.toml"))
    for state in ("shortlisted", "agreement", "deployment", "running"):
        insitu("move", "filters", state)
    for name, rows in (("sensor", rows_of("sensor.csv")), ("gravi", change(rows_of("gravi.csv")))):
        path = tmp_path / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
        dated = ["--zone", "Europe/Paris"] if "T" not in rows[1][0] else []
        insitu("import", str(path), "--trial", "filters", "--device", name, *dated)
    (tmp_path / "protocol.json").write_text(protocol_of(zone, interval), "utf-8")
    insitu("lock", str(tmp_path / "protocol.json"))
    is_true(json.loads(insitu("evaluate", "filters", "--json"))["document"])
