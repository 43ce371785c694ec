"""A company uses a second terminal while Insitu runs: enrols, publishes with the printed snippets, looks at
the page, revokes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.running import RunningDemo

pytestmark = [pytest.mark.timeout(1000), pytest.mark.long]
DEVICE = "bench-1"


SignIn = Callable[[str], httpx.Client]


@pytest.fixture
def signed_in(demo: RunningDemo) -> Iterator[SignIn]:
    """A client for each role; closed afterwards."""
    with ExitStack() as stack:
        yield lambda role: sign_in(demo, role, stack)


def sign_in(demo: RunningDemo, role: str, stack: ExitStack) -> httpx.Client:
    client = stack.enter_context(httpx.Client(base_url=demo.address, follow_redirects=True, timeout=20))
    form = re.search(r'name="form" value="([^"]+)"', client.get("/sign-in").text)
    assert form
    answer = client.post(
        "/sign-in", data={"form": form[1], "login": role, "password": demo.passwords[role], "next": "/"}
    )
    assert answer.status_code == 200, answer.text
    assert str(answer.url) == demo.address + "/"
    return client


@pytest.fixture(scope="module")
def enrolled(demo: RunningDemo) -> dict[str, str]:
    """Title → snippet, as printed by `insitu enrol`."""
    done = demo.cli("enrol", "platform-air", DEVICE, "--measure", "pm25", "--measure", "temperature")
    assert done.returncode == 0, done.stderr
    assert "127.0.0.2" in done.stdout
    parts = re.split(r"^--- (\S+)\n", done.stdout.partition("Its page:")[0], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def shown_within(client: httpx.Client, text: str, seconds: float) -> float:
    """Seconds until the device's page shows `text`."""
    begin = time.monotonic()
    while True:
        page = client.get(f"/trials/platform-air/devices/{DEVICE}").text
        latest = page.partition('id="now"')[2].partition('id="series"')[0]
        if text in latest:
            return time.monotonic() - begin
        assert time.monotonic() - begin < seconds, (
            f"{text} is not on the page after {seconds} s: {latest[:600]}"
        )
        time.sleep(0.2)


def run_snippet(text: str, command: list[str], folder: Path) -> None:
    path = folder / "snippet"
    path.write_text(text, "utf-8")
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, cwd=folder, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


def test_the_printed_mosquitto_pub_line_works_over_tls_and_its_result_is_on_the_page_within_5_s(
    enrolled: dict[str, str], signed_in: SignIn, tmp_path: Path
) -> None:
    if shutil.which("mosquitto_pub") is None:
        assert not os.environ.get("CI"), "CI installs mosquitto-clients"
        pytest.skip("mosquitto_pub is not installed (Debian: apt install mosquitto-clients)")
    assert "--cafile" in enrolled["mosquitto_pub"]
    run_snippet(enrolled["mosquitto_pub"].replace("12.3", "41.7"), ["sh"], tmp_path)
    shown_within(signed_in("company"), "41,7", 5)


def test_the_printed_python_works_over_tls_and_its_result_is_on_the_page_within_5_s(
    enrolled: dict[str, str], signed_in: SignIn, tmp_path: Path
) -> None:
    run_snippet(enrolled["Python"].replace("12.3", "52.9"), [sys.executable], tmp_path)
    shown_within(signed_in("company"), "52,9", 5)


def test_the_printed_curl_line_works(enrolled: dict[str, str], signed_in: SignIn, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        assert not os.environ.get("CI"), "CI installs curl"
        pytest.skip("curl is not installed (Debian: apt install curl)")
    path = tmp_path / "snippet"
    path.write_text(enrolled["curl"].replace("12.3", "63.1"), "utf-8")
    done = subprocess.run(["sh", str(path)], capture_output=True, text=True, cwd=tmp_path, timeout=30)
    assert '"stored":2' in done.stdout.replace(" ", ""), done.stdout
    shown_within(signed_in("company"), "63,1", 5)


def test_a_host_sees_the_device_but_not_its_results(enrolled: dict[str, str], signed_in: SignIn) -> None:
    page = signed_in("operator").get(f"/trials/platform-air/devices/{DEVICE}").text
    assert DEVICE in page
    assert "63,1" not in page


def test_another_company_is_told_that_there_is_nothing(enrolled: dict[str, str], signed_in: SignIn) -> None:
    client = signed_in("company")
    assert client.get("/trials/ward-ventilation").status_code == 404
    assert client.get("/trials/ward-ventilation/devices/w4-1").status_code == 404
    assert "ward-ventilation" not in client.get("/trials").text


def test_revoking_cuts_the_device_off_at_once(
    demo: RunningDemo, enrolled: dict[str, str], signed_in: SignIn, tmp_path: Path
) -> None:
    done = demo.cli("revoke", "platform-air", DEVICE)
    assert done.returncode == 0, done.stderr
    assert "1 credential" in done.stdout
    path = tmp_path / "snippet"
    path.write_text(enrolled["Python"].replace("12.3", "99.9"), "utf-8")
    refused = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, cwd=tmp_path, timeout=40
    )
    assert (
        refused.returncode != 0
        or "99,9" not in signed_in("company").get(f"/trials/platform-air/devices/{DEVICE}").text
    )
