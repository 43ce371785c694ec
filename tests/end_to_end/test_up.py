"""`insitu up`, real use on one machine: from an empty folder to a value on a page over HTTPS, and through a
restart.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from insitu.embedded.broker import free_port
from tests.end_to_end.running import INSITU, Up
from tests.stack import wait_until
from tests.test_cli import documented_registration

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    folder = Path(tempfile.mkdtemp(prefix="insitu-up-"))
    folder.chmod(0o711)
    environment = {"INSITU_DATA_DIR": str(folder / "data")}
    made = subprocess.run(
        [*INSITU, "cert", "127.0.0.3", "--to", str(folder / "tls")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    environment |= dict(line.split("=", 1) for line in made.stdout.splitlines() if line.startswith("INSITU_"))
    environment |= {
        f"INSITU_{name}_LISTEN": f"127.0.0.3:{free_port('127.0.0.3')}" for name in ("MQTT", "HTTP")
    }
    running = Up(folder, environment)
    try:
        running.start()
        yield running
        assert running.stop() == 0
    finally:
        shutil.rmtree(folder)


@contextmanager
def sign_in(up: Up, login: str, password: str) -> Iterator[httpx.Client]:
    found = re.search(r"Insitu runs at (https://\S+);", up.said)
    assert found, up.said
    trusted = ssl.create_default_context(cafile=up.environment["INSITU_MQTT_CA"])
    with httpx.Client(base_url=found[1], verify=trusted, follow_redirects=True, timeout=20) as client:
        form = re.search(r'name="form" value="([^"]+)"', client.get("/sign-in").text)
        assert form
        answer = client.post(
            "/sign-in", data={"form": form[1], "login": login, "password": password, "next": "/"}
        )
        assert answer.url.path == "/", answer.text[:500]
        yield client


def test_from_an_empty_folder_to_a_value_on_a_page_and_through_a_restart(up: Up, tmp_path: Path) -> None:
    lab = re.search(
        r"Sign in as 'lab' with the password (\S+) \(shown until somebody has signed in\)", up.said
    )
    assert lab, up.said
    (tmp_path / "programme.toml").write_text(documented_registration(), "utf-8")
    entered = up.cli("register", str(tmp_path / "programme.toml"))
    operator = re.search(r"person operator-1, password (\S+)", entered)
    assert operator, entered
    for state in ("shortlisted", "agreement", "deployment", "running"):
        up.cli("move", "station-air", state)
    printed = up.cli(
        "enrol", "station-air", "d1", "--measure", "pm25", "--every", "60", "--site", "station-a"
    )
    snippet = printed.partition("--- Python\n")[2].partition("--- Arduino")[0].replace("12.3", "37.25")
    (tmp_path / "snippet.py").write_text(snippet, "utf-8")
    done = subprocess.run(
        [sys.executable, "snippet.py"], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr

    with sign_in(up, "lab", lab[1]) as client:
        page = "/trials/station-air/devices/d1"
        wait_until(lambda: "37.25" in client.get(page).text.replace(",", "."), "the value on the page", 5)
        assert len(client.cookies.jar) > 0
        assert all(cookie.secure for cookie in client.cookies.jar)
    assert "BAD" not in up.cli("check")

    assert up.stop() == 0
    up.start()
    assert "shown until" not in up.said  # somebody has signed in
    with sign_in(up, "lab", lab[1]) as client:
        assert "37.25" in client.get(page).text.replace(",", ".")
    with sign_in(up, "operator-1", operator[1]) as client:  # a host sees the device, but not its results
        assert "d1" in client.get(page).text
        assert "37.25" not in client.get(page).text.replace(",", ".")


def test_a_simulated_fleet_joins_a_running_installation_with_its_truth(up: Up) -> None:
    truth = up.folder / "truth.json"
    said = up.cli(
        "simulate", "street-noise", "--days", "2", "--takes", "4", "--no-live", "--truth", str(truth)
    )
    assert "10 devices of street-noise" in said
    assert json.loads(truth.read_text("utf-8"))["scenario"] == "street-noise"
    again = up.cli("simulate", "street-noise", "--no-live", "--truth", str(truth))  # continues where it is
    assert "10 devices" in again
    time.sleep(2)
    assert "BAD" not in up.cli("check")
