"""A company from its invitation to its first green device, in a real browser and without a shell of its own;
keyboard, narrow, both languages, no request to another host.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from insitu.embedded.broker import free_port
from tests.end_to_end.running import Up
from tests.test_cli import documented_registration

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400), pytest.mark.long]
PASSWORD = "meadow trumpet lantern ocean"
SHOTS = os.environ.get("INSITU_TEST_SHOTS")
"""Folder for pictures of the pages, for those who want to look at them."""


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """An installation with one trial, and without a device."""
    folder = Path(tempfile.mkdtemp(prefix="insitu-company-"))
    folder.chmod(0o711)
    environment = {"INSITU_DATA_DIR": str(folder / "data")} | {
        f"INSITU_{name}_LISTEN": f"127.0.0.1:{free_port('127.0.0.1')}" for name in ("MQTT", "HTTP")
    }
    running = Up(folder, environment)
    try:
        running.start()
        (folder / "programme.toml").write_text(documented_registration(), "utf-8")
        running.cli("register", str(folder / "programme.toml"))
        for state in ("shortlisted", "agreement", "deployment", "running"):
            running.cli("move", "station-air", state)
        yield running
        assert running.stop() == 0
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        assert not os.environ.get("CI"), "CI installs chromium"
        pytest.skip("chromium is not installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class Reader:
    """A page, with what went wrong on it."""

    page: Page
    address: str
    troubles: list[str] = field(default_factory=list)

    def look(self, name: str) -> None:
        """Collects what axe finds, and content that is wider than the screen."""
        for violation in Axe().run(self.page, options={"resultTypes": ["violations"]}).response["violations"]:
            where = violation["nodes"][0]["html"][:200]
            self.troubles.append(f"{name}: {violation['id']}: {violation['help']} ({where})")
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        if (wider := self.page.evaluate(width)) > 0:
            self.troubles.append(f"{name} is {wider} px too wide")
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)

    def main(self) -> str:
        return self.page.inner_text("main")


def open_reader(browser: Browser, address: str, **options: object) -> Reader:
    page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
    reader = Reader(page, address)
    page.on(
        "console",
        lambda message: reader.troubles.append(message.text) if message.type == "error" else None,
    )
    page.on("pageerror", lambda error: reader.troubles.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((address, "data:", "blob:"))
            else reader.troubles.append(request.url)
        ),
    )
    return reader


def address_of(up: Up) -> str:
    found = re.search(r"Insitu runs at (http://\S+);", up.said)
    assert found, up.said
    return found[1]


def invite(up: Up, login: str) -> str:
    """The path of a link for a new person of the company."""
    said = up.cli("people", "invite", login, "--organisation", "air-company", "--name", "Ada")
    found = re.search(r"(/invitations/\S+)", said)
    assert found, said
    return found[1]


def accept(reader: Reader, path: str, language: str = "en") -> None:
    page = reader.page
    page.goto(reader.address + path)
    page.select_option("select[name=language]", language)
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_selector("nav")


def run_snippet(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "snippet.py").write_text(text, "utf-8")
    return subprocess.run(
        [sys.executable, "snippet.py"], cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_from_the_invitation_to_the_first_green_device(up: Up, browser: Browser, tmp_path: Path) -> None:
    began = time.monotonic()
    reader = open_reader(
        browser, address_of(up), viewport={"width": 390, "height": 844}, locale="en-GB", color_scheme="dark"
    )
    page = reader.page
    accept(reader, invite(up, "ada"))
    reader.look("1-start")
    page.click("text=Connect the first device")
    page.wait_for_selector("h1:has-text('Connect a device')")
    assert "insitu enrol" not in page.content()
    reader.look("2-questions")
    page.check("input[value=pm25]")
    page.select_option("select[name=every]", "PT1M")
    page.fill("input[name=device]", "porch")
    page.press("input[name=device]", "Enter")
    page.wait_for_selector(".secret pre")
    assert "The broker knows it already." in reader.main()
    reader.look("3-credential")
    token = page.inner_text(".secret pre")
    assert len(token) > 30
    assert "Nothing has arrived yet" in page.inner_text("#arrived")

    page.wait_for_selector("[data-live-mark]:not(.off)", state="visible")
    page.click("summary:has-text('Python')")
    snippet = page.inner_text("pre[aria-label=Python]")
    assert token in snippet
    done = run_snippet(tmp_path, snippet.replace("12.3", '"twelve"'))
    assert done.returncode != 0 or "rejected" in done.stdout + done.stderr
    page.wait_for_selector("#arrived:has-text('was refused')", timeout=20_000)
    reader.look("4-refused")
    done = run_snippet(tmp_path, snippet.replace("12.3", "17.5"))
    assert done.returncode == 0, done.stderr
    page.wait_for_selector("#arrived:has-text('It works')", timeout=20_000)
    page.wait_for_selector("#device-head:has-text('online'), .device-head:has-text('online')", timeout=20_000)
    reader.look("5-works")
    took = time.monotonic() - began
    page.click("#arrived a:has-text('See the device')")
    page.wait_for_selector("#connect")
    assert "17.5" in reader.main()
    reader.look("6-device")
    page.context.close()
    assert not reader.troubles, "\n".join(reader.troubles)
    assert took < 300


def test_a_test_message_goes_the_devices_way_and_is_no_result(up: Up, browser: Browser) -> None:
    """In French, by keyboard alone."""
    reader = open_reader(browser, address_of(up), viewport={"width": 1280, "height": 900}, locale="fr-FR")
    page = reader.page
    accept(reader, invite(up, "bea"), "fr")
    page.goto(f"{reader.address}/trials/station-air/connect")
    page.focus("input[value=pm25]")
    if not page.is_checked("input[value=pm25]"):
        page.keyboard.press("Space")
    page.focus("input[name=device]")
    page.keyboard.press("Control+A")
    page.keyboard.type("essai")
    page.keyboard.press("Enter")
    page.wait_for_selector(".secret pre")
    assert "Il n’est montré que cette fois" in reader.main()
    page.focus("button:has-text('Envoyer un message de test')")
    page.keyboard.press("Enter")
    page.wait_for_selector(".notice.good:has-text('Le message de test est conservé')")
    assert page.inner_text(".secret pre") in page.inner_text("pre[aria-label=mosquitto_pub]")
    reader.look("7-essai")
    api = httpx.Client(
        base_url=reader.address,
        cookies={one["name"]: one["value"] for one in page.context.cookies()},
        timeout=30,
    )
    with api:
        device = api.get("/api/v1/trials/station-air/devices/essai").json()
        assert device["last_seen_at"] is not None
        streams = api.get("/api/v1/trials/station-air/datastreams").json()["items"]
        assert [one["latest_result"] for one in streams if one["device"] == "essai"] == [None]
    page.context.close()
    assert not reader.troubles, "\n".join(reader.troubles)


def test_a_device_is_rotated_swapped_and_revoked_on_its_page(
    up: Up, browser: Browser, tmp_path: Path
) -> None:
    reader = open_reader(browser, address_of(up), viewport={"width": 390, "height": 844}, locale="en-GB")
    page, address = reader.page, reader.address
    accept(reader, invite(up, "cleo"))
    snippets = {}
    for name in ("old", "new"):
        page.goto(f"{address}/trials/station-air/connect")
        page.check("input[value=pm25]")
        page.fill("input[name=device]", name)
        page.press("input[name=device]", "Enter")
        page.wait_for_selector(".secret pre")
        page.click("summary:has-text('Python')")
        snippets[name] = page.inner_text("pre[aria-label=Python]")
    assert run_snippet(tmp_path, snippets["old"]).returncode == 0

    page.goto(f"{address}/trials/station-air/devices/old")
    page.click("button:has-text('Replace the credential')")
    page.wait_for_selector(".secret pre")
    page.click("summary:has-text('Python')")
    rotated = page.inner_text("pre[aria-label=Python]")
    assert run_snippet(tmp_path, snippets["old"]).returncode != 0
    assert run_snippet(tmp_path, rotated).returncode == 0

    page.goto(f"{address}/trials/station-air/devices/old/sensors")
    page.fill("input[name=make]", "Maker <script>alert(1)</script>")
    page.fill("input[name=model]", "S-100")
    page.press("input[name=model]", "Enter")
    page.wait_for_selector("#change")
    reader.look("8-sensors")
    page.fill("section:has(#change) input[name=serial]", "B-2")
    page.fill("section:has(#change) input[name=reason]", "dead laser")
    page.press("section:has(#change) input[name=reason]", "Enter")
    page.wait_for_selector("td:has-text('B-2')")

    page.goto(f"{address}/trials/station-air/devices/old/swap")
    reader.look("9-swap")
    page.select_option("select[name=new]", "new")
    page.fill("input[name=reason]", "dropped")
    page.press("input[name=reason]", "Enter")
    page.wait_for_selector(".notice.good:has-text('new has taken the place')")
    reader.look("10-swapped")
    assert run_snippet(tmp_path, rotated).returncode != 0
    assert run_snippet(tmp_path, snippets["new"]).returncode == 0

    page.goto(f"{address}/trials/station-air/devices/new")
    page.click("summary:has-text('End all credentials')")
    page.click("button:has-text('End them and disconnect new')")
    page.wait_for_url("**/devices/new#connect")
    assert "ended" in page.inner_text("#connect ~ ul")
    assert run_snippet(tmp_path, snippets["new"]).returncode != 0
    page.context.close()
    assert not reader.troubles, "\n".join(reader.troubles)


def test_what_was_refused_is_mapped_tried_and_replayed_and_a_file_is_imported(
    up: Up, browser: Browser, tmp_path: Path
) -> None:
    reader = open_reader(
        browser, address_of(up), viewport={"width": 390, "height": 844}, locale="fr-FR", color_scheme="dark"
    )
    page, address = reader.page, reader.address
    accept(reader, invite(up, "dora"), "fr")
    page.goto(f"{address}/trials/station-air/connect")
    page.check("input[value=pm25]")
    page.fill("input[name=device]", "logger")
    page.press("input[name=device]", "Enter")
    page.wait_for_selector(".secret pre")
    token = page.inner_text(".secret pre")
    path = f"{address}/api/v1/trials/station-air/devices/logger/observations"
    for n in range(3):
        body = {
            "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.{n}Z",
            "results": {"PM_fine": 0.02 + n / 1000},
        }
        httpx.post(path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    page.wait_for_selector("#arrived >> text=3 messages")
    page.click("#arrived a:has-text('Dire ce que sont ses champs')")
    page.wait_for_selector("text=PM_fine")
    reader.look("11-mappings")
    row = "li:has(input[value=PM_fine])"
    page.select_option(f"{row} select", "pm25")
    page.fill(f"{row} input[name=unit]", "mg/m3")
    page.press(f"{row} input[name=unit]", "Enter")  # the first button tries
    page.wait_for_selector("#outcome")
    assert "20" in page.inner_text("section:has(#outcome)")
    reader.look("12-tried")
    page.click("button:has-text('Enregistrer')")
    page.wait_for_selector("text=Les correspondances sont enregistrées.")
    page.click("button:has-text('Relire')")
    page.wait_for_url("**/rejects?*")
    assert "3" in page.inner_text(".notice.good")

    _import_a_file(reader, tmp_path)
    page.context.close()
    assert not reader.troubles, "\n".join(reader.troubles)


def _import_a_file(reader: Reader, tmp_path: Path) -> None:
    page, address = reader.page, reader.address
    begin = datetime.now(UTC).replace(tzinfo=None)
    lines = [f"{begin + timedelta(seconds=10 * n):%d/%m/%Y %H:%M:%S};{n},5" for n in range(6)]
    (tmp_path / "carte <b>.csv").write_text("Date;pm25\n" + "\n".join(lines), "utf-8")
    page.goto(f"{address}/trials/station-air")
    page.click("a:has-text('Importer un fichier')")
    page.wait_for_selector("input[type=file]")
    reader.look("13-import")
    page.set_input_files("input[type=file]", str(tmp_path / "carte <b>.csv"))
    page.select_option("select[name=device]", "logger")
    page.click("button[value=preview]")
    page.wait_for_selector("#problem")
    reader.look("14-asked")
    asked = "Failed to load resource: the server responded with a status of 400 (Bad Request)"
    assert reader.troubles.pop() == asked  # chromium's word for a page that asks back
    page.fill("input[name=zone]", "UTC")
    page.click("button[value=preview]")
    page.wait_for_selector("#understood")
    reader.look("15-understood")
    page.click("button[value=import]")
    page.wait_for_selector(".notice.good:has-text('6 résultats sont conservés')")
    reader.look("16-imported")
