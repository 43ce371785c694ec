"""The units: systemd itself accepts them, nothing is killed too early, and nothing stays dead."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from ingest.ingestor import STOP_TIMEOUT_S
from tests.deploy.own_servers import DEPLOY, INSITU, bare_environment, running, says
from tests.stack import wait_until

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def read(path: Path) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=False)  # a key may come twice
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(path.read_text("utf-8"))
    return unit


def test_systemd_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        assert not os.environ.get("CI"), "CI installs systemd"
        pytest.skip("needs systemd-analyze (Debian: apt install systemd)")
    copies = []
    for path in UNITS:
        copies.append(tmp_path / path.name)
        copies[-1].write_text(path.read_text("utf-8").replace("/opt/insitu/bin/insitu", "/bin/true"), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, copies)],
        capture_output=True,
        text=True,
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "insitu" in line]
    assert not ours, ours
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_is_tried_again_for_ever_and_no_other_unit_takes_it_down(path: Path) -> None:
    unit = read(path)
    oneshot = unit["Service"].get("Type") == "oneshot"
    assert unit["Service"]["Restart"] == (
        "on-failure" if oneshot else "always"
    )  # systemd allows no other restart for a oneshot
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert int(unit["Service"]["RestartSec"]) >= 1
    assert not {"Requires", "Requisite", "BindsTo", "PartOf"} & set(unit["Unit"])


def test_every_part_may_take_the_time_it_takes_to_end() -> None:
    stop = {path.stem.removeprefix("insitu-"): read(path)["Service"].get("TimeoutStopSec") for path in UNITS}
    assert int(stop["ingest"] or 0) > 2 * STOP_TIMEOUT_S
    assert int(stop["serve"] or 0) > 3 + 20
    assert int(stop["work"] or 0) >= 120
    assert int(stop["up"] or 0) >= 90


def test_up_is_watched_and_may_hold_many_devices() -> None:
    service = read(DEPLOY / "systemd" / "insitu-up.service")["Service"]
    assert (service["Type"], service["NotifyAccess"], service["WatchdogSec"]) == ("notify", "main", "30")
    assert int(service["LimitNOFILE"]) >= 65_536


@pytest.mark.parametrize("verb", [["ingest"], ["serve"], ["work"]], ids=lambda verb: verb[0])
def test_a_part_that_starts_before_its_database_waits_and_says_so(tmp_path: Path, verb: list[str]) -> None:
    log = tmp_path / "log"
    environment = bare_environment(
        INSITU_DATABASE_URL=f"postgresql://u@/d?host={tmp_path}",
        INSITU_MQTT_URL="mqtt://a:b@127.0.0.1:1",
        INSITU_DATA_DIR=str(tmp_path / "data"),
        INSITU_HTTP_LISTEN="127.0.0.1:0",
    )
    with running([*INSITU, *verb], log, environment) as part:
        wait_until(
            lambda: says(log, "The database does not answer") or part.poll() is not None, "a word", 120
        )
        assert part.poll() is None, log.read_text("utf-8")
        asked = time.monotonic()
        part.terminate()
        assert part.wait(20) == 0
        assert time.monotonic() - asked < 15
    assert not re.search("Traceback|defect", log.read_text("utf-8"))
