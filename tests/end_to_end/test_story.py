"""A trial from an empty installation to its decision, by people in a browser: nobody but the company, whose
devices bring their data, has a shell.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from insitu.embedded.broker import free_port
from tests.end_to_end.running import Up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900), pytest.mark.long]
PASSWORD = "violet harbour seven lanterns"
HOSTILE = "Régie <script>alert(1)</script> & Cie"
DAYS = 40


@dataclass
class Story:
    """The installation, the browser, and whatever went wrong on its pages."""

    up: Up
    browser: Browser
    address: str
    shots: Path
    troubles: list[str] = field(default_factory=list)

    @contextmanager
    def page(self, **options: Any) -> Iterator[Page]:
        context = self.browser.new_context(locale="en-GB", **options)
        page = context.new_page()
        page.on("console", lambda m: self.troubles.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on(
            "request",
            lambda r: (
                None if r.url.startswith((self.address, "data:", "blob:")) else self.troubles.append(r.url)
            ),
        )
        yield page
        context.close()

    @contextmanager
    def signed_in(self, login: str, password: str = PASSWORD, **options: Any) -> Iterator[Page]:
        with self.page(**options) as page:
            page.goto(f"{self.address}/sign-in")
            page.fill("input[name=login]", login)
            page.fill("input[name=password]", password)
            page.press("input[name=password]", "Enter")
            page.wait_for_selector("nav")
            yield page

    def look(self, page: Page, path: str, name: str) -> None:
        """No violation of axe in either language, and nothing wider than a telephone."""
        for language in ("fr", "en"):
            press(page, f"button[name=language][value={language}]")
            page.goto(f"{self.address}{path}")
            for width in (390, 1280):
                page.set_viewport_size({"width": width, "height": 844})
                page.screenshot(path=str(self.shots / f"{name}-{language}-{width}.png"), full_page=True)
                if page.evaluate(
                    "document.documentElement.scrollWidth > document.documentElement.clientWidth"
                ):
                    self.troubles.append(f"{path} is wider than {width} px")
            rules = {"resultTypes": ["violations"]}
            for found in Axe().run(page, options=rules).response["violations"]:
                where = found["nodes"][0]["html"][:200]
                self.troubles.append(f"{path}, {language}: {found['id']}: {found['help']} ({where})")


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        assert not os.environ.get("CI"), "CI installs chromium"
        pytest.skip("chromium is not installed (Debian: apt install chromium)")
    folder = Path(tempfile.mkdtemp(prefix="insitu-story-"))
    folder.chmod(0o711)
    environment = {"INSITU_DATA_DIR": str(folder / "data")} | {
        f"INSITU_{name}_LISTEN": f"127.0.0.1:{free_port('127.0.0.1')}" for name in ("MQTT", "HTTP")
    }
    shots = Path(os.environ.get("INSITU_SCREENSHOTS", folder / "shots"))
    shots.mkdir(parents=True, exist_ok=True)
    up = Up(folder, environment)
    try:
        up.start()
        address = re.search(r"Insitu runs at (http://[^\s;]+);", up.said)
        assert address, up.said
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            yield Story(up, browser, address[1], shots)
            browser.close()
        assert up.stop() == 0
    finally:
        up.end()
        shutil.rmtree(folder)


def fill(page: Page, form: str, **fields: str) -> None:
    """Fills a form and sends it by keyboard, from its button."""
    for name, value in fields.items():
        field = page.locator(f"form[action='{form}'] [name={name}]")
        if field.evaluate("one => one.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    press(page, f"form[action='{form}'] button >> nth=-1")
    problem = page.locator(".notice.bad")
    assert problem.count() == 0, problem.first.inner_text()


def press(page: Page, button: str) -> None:
    """By keyboard; waits for the page that follows."""
    page.focus(button)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def company_brings_its_data(story: Story) -> None:
    """The company's own part: two devices and their results since DAYS ago. By the verbs, as long as its
    pages are another test's.
    """
    start = midnight() - timedelta(days=DAYS)
    devices = "".join(
        f'[[device]]\ntrial = "ward"\ncode = "{code}"\nsite = "south"\nstart = {start:%Y-%m-%dT%H:%M:%SZ}\n'
        f'[[mapping]]\ntrial = "ward"\ndevices = ["{code}"]\nfield = "co2"\nproperty = "co2"\n'
        f'unit = "[ppm]"\nrole = "{role}"\nevery = 3600\n'
        for code, role in (("treated", "candidate"), ("control", "control"))
    )
    file = story.up.folder / "devices.toml"
    file.write_text(devices, "utf-8")
    story.up.cli("register", str(file))
    for number, code in enumerate(("treated", "control")):
        lines = ["time,co2"]
        for hour in range(DAYS * 24):
            noise = random.Random(1000 * hour + number)
            busy = max(0.0, math.sin(2 * math.pi * (hour % 24 - 6) / 24))
            effect = -160.0 if code == "treated" and hour >= DAYS * 12 else 0.0
            level = 620 + 300 * busy + effect + noise.gauss(0, 25)
            lines.append(f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ},{level:.1f}")
        table = story.up.folder / f"{code}.csv"
        table.write_text("\n".join(lines) + "\n", "utf-8")
        story.up.cli("import", str(table), "--trial", "ward", "--device", code, "--map", "co2=co2")


def protocol() -> str:
    def text(words: str) -> dict[str, str]:
        return {"en": words, "fr": words}

    first, middle, last = (midnight() - timedelta(days=days) for days in (DAYS - 1, DAYS // 2, 0))
    document = {
        "trial": "ward",
        "title": text("Ventilation of a ward"),
        "question": text("Does it lower CO2 by 50 ppm?"),
        "hypothesis": text("CO2 falls by at least 50 ppm."),
        "periods": [
            {"name": "baseline", "start": first.isoformat(), "end": middle.isoformat()},
            {"name": "reporting", "start": middle.isoformat(), "end": last.isoformat()},
        ],
        "arms": [
            {"name": "treated", "role": "candidate", "site": "south", "devices": ["treated"]},
            {"name": "control", "role": "control", "site": "south", "devices": ["control"]},
        ],
        "measurements": [{"property": "co2", "arms": ["treated", "control"], "interval": 3600}],
        "endpoints": [
            {
                "name": "co2",
                "title": text("CO2 in the ward"),
                "property": "co2",
                "unit": "[ppm]",
                "design": "control_sites",
                "arms": {"candidate": "treated", "control": "control"},
                "criteria": [
                    {
                        "statistic": "effect",
                        "target": {"high": -50.0},
                        "justification": text("What people notice."),
                    }
                ],
            }
        ],
        "missing_data": text("Left out."),
        "decisions": {
            name: text(f"Then {name}") for name in ("met", "not_met", "inconclusive", "not_evaluable")
        },
    }
    return json.dumps(document, indent=2)


def lab_enters_everything(story: Story, password: str) -> dict[str, str]:
    """Login → the link of the invitation."""
    links = {}
    with story.signed_in("lab", password) as page:
        page.goto(f"{story.address}/trials/new")
        assert page.locator("form[action='/trials/new']").count() == 0, "there is no host yet"
        page.goto(story.address)
        press(page, "ul.waiting a[href='/register']")
        page.goto(f"{story.address}/register")
        for code, name, kind in (
            ("clinic", HOSTILE, "host"),
            ("boreal", "Boreal", "company"),
            ("institute", "Institute", "evaluator"),
        ):
            fill(page, "/register/organisations", code=code, name=name, kind=kind)
        fill(page, "/register/properties", code="co2", name_en="CO₂", name_fr="CO₂", unit="[ppm]")
        need = {"code": "fresh-air", "host": "clinic", "title_en": "Fresh air", "title_fr": "De l’air"}
        fill(page, "/register/needs", **need)
        page.goto(f"{story.address}/sites")
        fill(
            page, "/sites", code="south", host="clinic", name="South ward", latitude="48.73", longitude="2,29"
        )
        page.goto(f"{story.address}/trials/new")
        parties = {"host": "clinic", "company": "boreal", "evaluator": "institute", "need": "fresh-air"}
        fill(page, "/trials/new", code="ward", title_en="Ventilation", title_fr="Ventilation", **parties)
        for state in ("shortlisted", "agreement", "deployment"):
            page.fill(f"#to-{state} ~ form input[name=note]", "as agreed")
            press(page, f"#to-{state} ~ form button")
        page.goto(f"{story.address}/people")
        for login, organisation, role in (
            ("olga", "clinic", "operator"),
            ("basil", "clinic", "buyer"),
            ("eve", "institute", "evaluator"),
        ):
            fill(page, "/people/invite", login=login, organisation=organisation, role=role, language="en")
            links[login] = page.inner_text(".secret pre").strip()
        for path, name in (
            ("/register", "register"),
            ("/sites", "sites"),
            ("/sites/south", "site"),
            ("/trials/new", "new-trial"),
            ("/trials/ward/life", "life"),
        ):
            story.look(page, path, name)
    return links


def everybody_accepts(story: Story, links: dict[str, str]) -> None:
    for login, link in links.items():
        with story.page() as page:
            page.goto(link)
            page.fill("input[name=name]", login.title())
            page.fill("input[name=password]", PASSWORD)
            page.press("input[name=password]", "Enter")
            page.wait_for_selector("nav")


def evaluator_locks(story: Story) -> None:
    with story.signed_in("eve") as page:
        page.goto(f"{story.address}/trials/ward/protocol")
        page.fill("textarea[name=text]", protocol())
        page.click("button[value=check]")
        page.wait_for_selector(".notice.good")
        page.click("button[value=lock]")
        page.wait_for_url("**/trials/ward#protocol")
        assert "version 1" in page.inner_text("main")


def operator_declares(story: Story) -> None:
    day = midnight() - timedelta(days=3)
    with story.signed_in("olga") as page:
        page.goto(f"{story.address}/sites/south")
        times = {"start": f"{day:%Y-%m-%d}T10:00", "end": f"{day:%Y-%m-%d}T12:00"}
        fill(page, "/sites/south/windows", kind="access", reason="Painters <b>inside</b>", **times)
        assert "declared afterwards" in page.inner_text("main")
        press(page, "th a[href^='/windows/']")
        number = page.url.rpartition("/")[2]
        fill(page, f"/windows/{number}/correction", reason="Painters", end=f"{day:%Y-%m-%d}T11:00")
        page.goto(f"{story.address}/trials/ward/windows")
        assert page.locator("tbody tr").count() == 2
        story.look(page, "/trials/ward/windows", "windows")
        story.look(page, f"/windows/{number}", "window")
        assert page.goto(f"{story.address}/register").status == 404  # type: ignore[union-attr]
        story.troubles[:] = [one for one in story.troubles if "404" not in one]


def evaluator_evaluates(story: Story) -> None:
    with story.signed_in("eve") as page:
        page.goto(f"{story.address}/trials/ward")
        press(page, "form[action='/trials/ward/evaluate'] button")
        again = page.get_by_role("link", name="Look again")
        limit = time.monotonic() + 240  # on a busy machine
        while again.count() and time.monotonic() < limit:
            page.wait_for_timeout(1000)
            with page.expect_navigation():
                again.click()
        newest = page.locator("li.evaluation.newest")
        log = (story.up.folder / "data" / "logs" / "work.log").read_text("utf-8", "replace")
        assert newest.count() == 1, page.inner_text("main") + log[-3000:]
        assert "criteria set after the fact" in newest.inner_text(), "it was locked late"
        with page.expect_download() as download:
            newest.get_by_text("Package").click()
        assert download.value.path().stat().st_size > 10_000
        page.click("li.evaluation.newest a[href$='report.en.html']")
        page.wait_for_selector("h1")
        assert "Ventilation of a ward" in page.inner_text("body")


def buyer_decides(story: Story) -> None:
    with story.signed_in("basil") as page:
        page.click("ul.waiting a[href='/trials/ward/decision']")
        page.check("input[value=buy]")
        page.fill("textarea[name=reason]", "It does what we asked for.")
        page.click("button[value=review]")
        page.click("button[value=confirm]")
        page.wait_for_url("**/trials/ward#decision")
        assert "It does what we asked for." in page.inner_text("main")


def test_from_an_empty_installation_to_a_decision_without_a_shell(story: Story) -> None:
    password = re.search(r"with the password (\S+)", story.up.said)
    assert password, story.up.said
    links = lab_enters_everything(story, password[1])
    everybody_accepts(story, links)
    company_brings_its_data(story)
    evaluator_locks(story)
    with story.signed_in("lab", password[1]) as page:
        page.goto(story.address)
        press(page, "ul.waiting a[href='/trials/ward/life']")
        press(page, "#to-running ~ form button")
    operator_declares(story)
    evaluator_evaluates(story)
    buyer_decides(story)
    with story.signed_in("lab", password[1]) as page:
        page.goto(f"{story.address}/trials/ward/life")
        assert "decided" in page.inner_text("main")
    assert not story.troubles, "\n".join(story.troubles)
