"""Trials with a known truth: an A/A trial finds nothing, and a real collocation gives the numbers that others
computed.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from insitu.model import DatastreamRole, OrganisationKind, Verdict
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.organisations import add_organisation
from store.catalogue.properties import add_property
from store.catalogue.sites import add_site
from store.catalogue.trials import add_trial
from tests.end_to_end.running import INSITU, hourly
from tests.fix_charts import lay_charts
from tests.stack import Stack
from tests.trials.test_york import folder, stated
from trials.plan.protocol import Protocol
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.locking import lock_protocol

pytestmark = pytest.mark.long

TRIAL = "york"


@pytest.mark.timeout(1000)
@pytest.mark.parametrize(
    "days", [28, pytest.param(60, marks=pytest.mark.nightly)], ids=["hourly", "as shipped"]
)
def test_a_trial_in_which_nothing_changes_is_not_met_or_inconclusive_and_its_interval_holds_0(
    days: int, charts: Path
) -> None:
    """28 days with a message an hour, or 60 days as shipped. The last day is fixed, and so is every number of
    the simulation; the clocks go forward within the history.
    """
    with TemporaryDirectory(prefix="insitu-aa-") as place:
        Path(place).chmod(0o711)
        lay_charts(charts, Path(place) / "data" / "demo")
        arguments = [
            "demo",
            "--once",
            *(hourly(Path(place), "ward-aa") if days == 28 else ["--scenario", "ward-aa"]),
            "--days",
            str(days),
            "--ends",
            "2026-04-20",
            "--out",
            f"{place}/out",
        ]
        done = subprocess.run(
            [*INSITU, *arguments],
            capture_output=True,
            text=True,
            timeout=900,
            env={**os.environ, "INSITU_DATA_DIR": f"{place}/data"},
        )
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
        evaluation = json.loads(Path(f"{place}/out/ward-aa/report.json").read_text("utf-8"))
    assert evaluation["deviations"] == []
    for endpoint in evaluation["endpoints"]:
        assert endpoint["verdict"] in ("not_met", "inconclusive"), endpoint["name"]
        for criterion in endpoint["criteria"]:
            assert criterion["estimate"]["low"] <= 0 <= criterion["estimate"]["high"], endpoint["name"]


@pytest.fixture
def york(stack: Stack) -> Stack:
    """Two analysers at one site, each year a pair of its own."""
    conn, start = stack.conn, datetime(2020, 10, 1, tzinfo=UTC)
    add_organisation(conn, code="york-host", name="York", kind=OrganisationKind.HOST, now=start)
    add_site(conn, code="york-site", host="york-host", name="York", latitude=53.95, longitude=-1.05)
    add_property(conn, code="no2", name={"en": "NO2", "fr": "NO2"}, unit="[ppb]")
    add_trial(
        conn,
        code=TRIAL,
        title={"en": "NO2", "fr": "NO2"},
        host="york-host",
        company="company",
        evaluator="judge",
        now=start,
        time_zone="Europe/London",
    )
    for device, role in (("reference", DatastreamRole.REFERENCE), ("candidate", DatastreamRole.CANDIDATE)):
        device_id = add_device(conn, trial=TRIAL, code=device, now=start)
        deploy(conn, device_id=device_id, site="york-site", position=device, start=start)
        add_datastream(
            conn,
            device_id=device_id,
            name="no2",
            property="no2",
            unit="[ppb]",
            role=role,
            expected_interval=timedelta(hours=1),
        )
    conn.commit()
    for device in ("reference", "candidate"):
        stack.enrol(TRIAL, device)
    return stack


def protocol(start: datetime, end: datetime) -> Protocol:
    check = {
        "no2": [
            ("time_syntax", {}),
            ("gross_range", {"fail_low": -10, "fail_high": 500}),
            ("flat_line", {"suspect_s": 43_200, "fail_s": 86_400}),
        ]
    }
    return Protocol.model_validate(
        {
            "schema": "insitu/protocol/1",
            "trial": TRIAL,
            "title": {"en": "NO2 beside an analyser", "fr": "NO2 à côté d'un analyseur"},
            "question": {"en": "Does the candidate agree?", "fr": "Le candidat est-il d'accord ?"},
            "hypothesis": {"en": "It does.", "fr": "Oui."},
            "time_zone": "Europe/London",
            "periods": [{"name": "reporting", "start": start.isoformat(), "end": end.isoformat()}],
            "arms": [
                {"name": name, "role": name, "site": "york-site", "devices": [name]}
                for name in ("candidate", "reference")
            ],
            "measurements": [{"property": "no2", "arms": ["candidate", "reference"], "interval": "PT1H"}],
            "checks": [
                {"property": p, "check": c, "parameters": d} for p, checks in check.items() for c, d in checks
            ],
            "endpoints": [
                {
                    "name": "agreement",
                    "title": {"en": "Agreement", "fr": "Accord"},
                    "design": "reference_collocation",
                    "property": "no2",
                    "unit": "[ppb]",
                    "rank": "primary",
                    "arms": {"candidate": "candidate", "reference": "reference"},
                    "criteria": [
                        {
                            "statistic": statistic,
                            "target": target,
                            "justification": {"en": "EPA, NO2", "fr": "EPA, NO2"},
                        }
                        for statistic, target in (
                            ("slope", {"low": 0.65, "high": 1.35}),
                            ("intercept", {"low": -5, "high": 5}),
                            ("r2", {"low": 0.7}),
                            ("rmse", {"high": 15}),
                        )
                    ],
                }
            ],
            "decisions": {v: {"en": v, "fr": v} for v in ("met", "not_met", "inconclusive", "not_evaluable")},
            "missing_data": {"en": "Left out.", "fr": "Laissé de côté."},
            "seed": 1,
        }
    )


@pytest.mark.york
@pytest.mark.parametrize(
    "name", ["york_no2_2020.csv", pytest.param("york_no2_2021.csv", marks=pytest.mark.nightly)]
)
def test_a_real_collocation_sent_over_mqtt_gives_the_independent_results_to_the_printed_digits(
    york: Stack, name: str
) -> None:
    expected = stated(name)
    with (folder() / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    sent = 0
    for column, device in ((1, "reference"), (2, "candidate")):
        client = york.device(f"{TRIAL}/{device}")
        values = [(row[0], row[column]) for row in rows if row[column] not in ("", "NA", "NaN")]
        sent += client.send_all({"time": time, "results": {"no2": float(value)}} for time, value in values)
        client.close()
    york.wait_for(sent, 60)
    times = [datetime.fromisoformat(row[0]) for row in rows]
    plan, now = protocol(times[0], times[-1] + timedelta(hours=1)), datetime.now(UTC)
    lock_protocol(york.conn, plan, now=now, login="judge")
    assert check_quality(york.conn, TRIAL, now=now) == sent
    _, evaluation = evaluate_trial(york.conn, TRIAL, now=now, login="judge", simulated=False)
    york.conn.commit()
    (endpoint,) = evaluation.endpoints
    found = {c.statistic: c.estimate for c in endpoint.criteria}
    assert {e.n for e in found.values() if e} == {int(expected["n"])}
    printed = {name: round(estimate.value, 4) for name, estimate in found.items() if estimate}
    assert printed == {name: expected[name] for name in ("slope", "intercept", "r2", "rmse")}
    assert endpoint.verdict != Verdict.NOT_EVALUABLE
    assert [d.code for d in evaluation.deviations] == ["locked_late"]
