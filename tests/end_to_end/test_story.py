"""A trial from an empty installation to its decision, by people in a browser, and once more over the API with
their tokens: nobody has a shell.
"""

from __future__ import annotations

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


def hourly_results(code: str) -> str:
    """A logger's file: CO2 every hour since DAYS ago, which falls in the treated room from day 12 on."""
    start, number = midnight() - timedelta(days=DAYS), ("treated", "control").index(code)
    lines = ["time,co2"]
    for hour in range(DAYS * 24):
        noise = random.Random(1000 * hour + number)
        busy = max(0.0, math.sin(2 * math.pi * (hour % 24 - 6) / 24))
        effect = -160.0 if code == "treated" and hour >= DAYS * 12 else 0.0
        level = 620 + 300 * busy + effect + noise.gauss(0, 25)
        lines.append(f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ},{level:.1f}")
    return "\n".join(lines) + "\n"


def company_brings_its_data(story: Story) -> None:
    """The company connects two devices, says what their field means, and brings what they have kept."""
    with story.signed_in("cora") as page:
        for code in ("treated", "control"):
            page.goto(f"{story.address}/trials/ward/connect")
            form = "/trials/ward/connect"
            page.check(f"form[action='{form}'] input[name=properties][value=co2]")
            since = f"{midnight() - timedelta(days=DAYS + 1):%Y-%m-%dT%H:%M}"
            fill(page, form, site="south", every="PT1H", device=code, since=since)
            assert page.locator(".secret pre").count(), "its token, this once"
        page.goto(f"{story.address}/trials/ward/mappings")
        page.fill("input[name=field]", "CO2_ppm")
        page.select_option("select[name=chosen]", "co2")
        press(page, "button[value=save]")
        assert "The mappings are saved." in page.inner_text("main")
        for code in ("treated", "control"):
            page.goto(f"{story.address}/trials/ward/imports")
            table = {"name": f"{code}.csv", "mimeType": "text/csv", "buffer": hourly_results(code).encode()}
            page.set_input_files("input[type=file]", [table])  # type: ignore[list-item]
            page.select_option("select[name=device]", code)
            press(page, "button[value=preview]")
            assert page.locator("#problem").count() == 0, page.inner_text("main")
            press(page, "button[value=import]")
            assert f"{DAYS * 24} results are stored" in page.inner_text("main").replace(",", ""), (
                page.inner_text("main")[:3000]
            )
        story.look(page, "/trials/ward/connect", "connect")
        story.look(page, "/trials/ward/imports", "imports")


def put(page: Page, **values: str) -> None:
    """Fills fields of the protocol by their paths, with __ for a dot."""
    for name, text in values.items():
        path = name.replace("__", ".")
        field = page.locator(f"[name='f.{path}']")
        kind = field.first.evaluate("one => one.type")
        if kind == "checkbox":
            for value in text.split():
                page.check(f"[name='f.{path}'][value='{value}']")
        elif kind.startswith("select"):
            field.select_option(text)
        else:
            field.fill(text)


def put_words(page: Page, *paths: str, words: str) -> None:
    for path in paths:
        for language in ("en", "fr"):
            page.fill(f"[name='f.{path}.{language}']", words)


def evaluator_writes(story: Story) -> None:
    """The protocol from an empty form, by keyboard where a button makes a row."""
    first, middle, last = (
        f"{midnight() - timedelta(days=days):%Y-%m-%dT%H:%M}" for days in (DAYS - 1, DAYS // 2, 0)
    )
    with story.signed_in("eve") as page:
        page.goto(f"{story.address}/trials/ward/protocol")
        put(page, time_zone="UTC")
        put_words(page, "question", words="Does it lower CO2 by 50 ppm?")
        put_words(page, "hypothesis", words="CO2 falls by at least 50 ppm.")
        put(page, periods__0__name="baseline", periods__0__start=first, periods__0__end=middle)
        press(page, "button[value='add:periods']")
        assert page.url.endswith("#f.periods.1")
        put(page, periods__1__name="reporting", periods__1__start=middle, periods__1__end=last)
        put(page, arms__0__name="treated", arms__0__role="candidate", arms__0__devices="treated")
        put(page, arms__0__site="south")
        press(page, "button[value='add:arms']")
        put(page, arms__1__name="control", arms__1__role="control", arms__1__devices="control")
        put(page, arms__1__site="south")
        press(page, "button[value=keep] >> nth=0")
        put(page, measurements__0__property="co2", measurements__0__interval="PT1H")
        put(page, measurements__0__arms="treated control")
        put(page, endpoints__0__name="co2", endpoints__0__property="co2", endpoints__0__unit="[ppm]")
        put(page, endpoints__0__design="control_sites")
        put(page, endpoints__0__arms__candidate="treated", endpoints__0__arms__control="control")
        put_words(page, "endpoints.0.title", words="CO2 in the ward")
        put(page, endpoints__0__criteria__0__statistic="effect")
        put(page, endpoints__0__criteria__0__target__high="-fifty")
        press(page, "button[value=check] >> nth=0")
        wrong = page.locator("#f\\.endpoints\\.0\\.criteria\\.0\\.target\\.high")
        assert "valid number" in wrong.inner_text(), "it stands beside its field"
        put(page, endpoints__0__criteria__0__target__high="-50")
        put_words(page, "endpoints.0.criteria.0.justification", words="What people notice.")
        put_words(page, "missing_data", words="Left out.")
        for verdict in ("met", "not_met", "inconclusive", "not_evaluable"):
            put_words(page, f"decisions.{verdict}", words=f"Then {verdict}")
        press(page, "button[value=check] >> nth=0")
        assert page.locator(".notice.good").count() == 1, page.inner_text("main")[:3000]
        assert "What to expect" in page.inner_text("main")
        story.look(page, "/trials/ward/protocol", "protocol-form")
        page.emulate_media(color_scheme="dark")
        story.look(page, "/trials/ward/protocol", "protocol-form-dark")
        page.emulate_media(color_scheme="light")
        story.look(page, "/trials/ward/protocol?view=text", "protocol-text")


def host_and_company_read_the_draft(story: Story) -> None:
    for login in ("basil", "cora"):
        with story.signed_in(login) as page:
            page.goto(f"{story.address}/trials/ward")
            press(page, "a[href='/trials/ward/protocol']")
            assert "Kept by eve" in page.inner_text("main")
            assert page.input_value("[name='f.endpoints.0.criteria.0.target.high']") == "-50"
            assert page.locator("button[value=keep]").count() == 0


def evaluator_locks(story: Story) -> None:
    with story.signed_in("eve") as page:
        page.goto(f"{story.address}/trials/ward/protocol")
        press(page, "button[value=lock] >> nth=0")
        page.wait_for_url("**/trials/ward#protocol")
        assert "version 1" in page.inner_text("main")


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
            ("cora", "boreal", "company"),
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
        assert "Ventilation" in page.inner_text("body")


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
    evaluator_writes(story)
    host_and_company_read_the_draft(story)
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
