"""One demo for all tests of this folder, ended after them since its fleet goes on: TLS on a second loopback
address, killed three times during its history.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from insitu.embedded.broker import free_port
from tests.end_to_end.running import INSITU, RunningDemo, hourly

KILLS = [
    (8.0, "cli ingest"),
    (20.0, "postgres"),
    (34.0, "nats-server"),
    (46.0, "cli ingest"),
    (54.0, "postgres"),
]
TRIALS = ("platform-air", "ward-ventilation", "street-noise")
LEAST_MESSAGES = {"hourly": 50_000, "as shipped": 200_000}


PATIENT = pytest.mark.timeout(1200)
"""The first test of a demo waits for its whole history: alone four minutes, and longer on a busy machine."""


@pytest.fixture(
    scope="package",
    params=[
        pytest.param("hourly", marks=PATIENT),
        pytest.param("as shipped", marks=[PATIENT, pytest.mark.nightly]),
    ],
)
def demo(request: pytest.FixtureRequest) -> Iterator[RunningDemo]:
    """The demo, once it is live, its history complete and its reports written."""
    folder = Path(tempfile.mkdtemp(prefix="insitu end to end "))
    folder.chmod(0o711)  # as root the servers run as another account, which must pass through here
    environment = {"INSITU_DATA_DIR": str(folder / "data")}
    made = subprocess.run(
        [*INSITU, "cert", "127.0.0.2", "--to", str(folder / "tls")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    environment |= dict(line.split("=", 1) for line in made.stdout.splitlines() if line.startswith("INSITU_"))
    environment |= {
        "INSITU_MQTT_LISTEN": f"127.0.0.2:{free_port('127.0.0.2')}",
        "INSITU_HTTP_LISTEN": f"127.0.0.1:{free_port('127.0.0.1')}",
    }
    arguments = ["--days", "60", *(hourly(folder, *TRIALS) if request.param == "hourly" else [])]
    running = RunningDemo(
        folder, environment=environment, arguments=arguments, least_messages=LEAST_MESSAGES[request.param]
    )
    try:
        thread = running.kill_during_history(KILLS)
        running.wait_for("The fleet is live", 900)
        thread.join(5)
        yield running
    finally:
        code = running.stop()
        assert code in (0, 130), running.said[-2000:]
        shutil.rmtree(folder)
