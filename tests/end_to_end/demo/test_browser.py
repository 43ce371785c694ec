"""The pages as readers see them: headless chromium, both languages, narrow and dark, by keyboard."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.end_to_end.running import RunningDemo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1000), pytest.mark.long]
PATHS = (
    "/",
    "/fleet",
    "/map",
    "/map?sort=-site&q=station",
    "/trials",
    "/trials/platform-air",
    "/trials/platform-air/protocol",
    "/trials/platform-air/charts",
    "/trials/platform-air/charts?lines=arm&span=30d",
    "/trials/platform-air/devices/p1-north",
    "/rejects",
    "/alerts",
    "/views",
    "/wall",
)
EVERY_RULE = {"resultTypes": ["violations"]}
OF_COLOURS = {
    **EVERY_RULE,
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}


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


def open_page(
    browser: Browser, demo: RunningDemo, troubles: list[str], role: str = "lab", **options: Any
) -> Page:
    """A signed-in page; `troubles` collects its errors and its requests to other addresses."""
    page = browser.new_context(**options).new_page()
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((demo.address, "data:", "blob:")) else troubles.append(request.url)
        ),
    )
    page.goto(demo.address)
    page.fill("input[name=login]", role)
    page.fill("input[name=password]", demo.passwords[role])
    page.press("input[name=password]", "Enter")
    try:
        page.wait_for_selector("nav")  # only signed-in readers have one
    except PlaywrightTimeout:
        pytest.fail(f"{role} was not let in; {page.url} says: {page.inner_text('body')[:500]}")
    return page


@pytest.mark.parametrize(("width", "schemes"), [(390, ["light", "dark"]), (1280, ["dark", "light"])])
def test_no_page_has_a_violation_an_error_or_a_request_that_leaves_this_machine(
    browser: Browser, demo: RunningDemo, width: int, schemes: list[Any]
) -> None:
    """Each page is loaded in the first colour scheme, and changes to the second while it is open: then only
    the rules about colours can find anything else.
    """
    troubles: list[str] = []
    page = open_page(browser, demo, troubles, viewport={"width": width, "height": 844}, locale="fr-FR")
    for path in PATHS:
        page.emulate_media(color_scheme=schemes[0])
        page.goto(demo.address + path)
        page.wait_for_selector("main h1")
        page.wait_for_timeout(700)  # time for charts to draw and the live stream to open
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(100)
            rules = EVERY_RULE if scheme == schemes[0] else OF_COLOURS
            for violation in Axe().run(page, options=rules).response["violations"]:
                where = violation["nodes"][0]["html"][:200]
                troubles.append(f"{path}, {scheme}: {violation['id']}: {violation['help']} ({where})")
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            troubles.append(f"{path} is wider than {width} px")
    page.context.close()
    assert not troubles, "\n".join(troubles)


def open_live(browser: Browser, demo: RunningDemo, troubles: list[str], path: str) -> Page:
    """A page whose live stream has opened. Its times move on by themselves, so a change of the page alone
    proves nothing.
    """
    page = open_page(browser, demo, troubles, locale="en-GB")
    page.goto(demo.address + path)
    page.wait_for_selector("[data-live-mark]:not(.off)", state="visible", timeout=30_000)
    return page


def test_a_new_result_appears_on_an_open_page_without_reloading(browser: Browser, demo: RunningDemo) -> None:
    """The devices of the demo send every quarter of an hour, so a device of this test's own sends something
    new.
    """
    enrolled = demo.cli("enrol", "platform-air", "browser-1", "--measure", "pm25")
    assert enrolled.returncode == 0, enrolled.stderr
    token = re.search(r"Bearer ([\w-]{20,})", enrolled.stdout)
    assert token, enrolled.stdout

    def post(path: str, document: dict[str, Any]) -> None:
        address = f"{demo.address}/api/v1/trials/platform-air/devices/browser-1/{path}"
        answer = httpx.post(
            address, json=document, headers={"Authorization": f"Bearer {token[1]}"}, timeout=30
        )
        assert answer.status_code == 200, answer.text

    troubles: list[str] = []
    device = open_live(browser, demo, troubles, "/trials/platform-air/devices/browser-1")
    fleet = open_live(browser, demo, troubles, "/fleet")
    row = fleet.locator("#rows tr", has=fleet.locator("a[href$='/devices/browser-1']"))
    assert "417" not in device.inner_text("#latest")
    assert "63" not in row.inner_text()
    post("observations", {"results": {"pm25": 417}})
    post("status", {"state": "online", "battery": 63})
    device.locator("#latest", has_text="417").wait_for(timeout=30_000)
    row.filter(has_text="63").wait_for(timeout=30_000)
    device.context.close()
    fleet.context.close()
    assert not troubles, "\n".join(troubles)


def test_the_report_opens_from_the_trial_in_the_readers_language(browser: Browser, demo: RunningDemo) -> None:
    troubles: list[str] = []
    page = open_page(browser, demo, troubles, locale="fr-FR")
    page.goto(demo.address + "/trials/platform-air")
    page.click("text=Rapport")
    page.wait_for_selector("h1")
    assert page.locator("html").get_attribute("lang") == "fr"
    assert "rapport de validation" in page.inner_text("body").lower()
    for violation in Axe().run(page).response["violations"]:
        troubles.append(f"{violation['id']}: {violation['help']}")
    page.context.close()
    assert not troubles, "\n".join(troubles)


def test_pages_work_without_a_script(browser: Browser, demo: RunningDemo) -> None:
    troubles: list[str] = []
    page = open_page(browser, demo, troubles, java_script_enabled=False)
    page.goto(demo.address + "/trials/platform-air/devices/p1-north")
    assert page.locator(".chart svg").count() >= 4
    page.context.close()
    assert not troubles, "\n".join(troubles)


def test_dragging_over_a_chart_zooms_in_the_time_of_the_trial(browser: Browser, demo: RunningDemo) -> None:
    """A browser in New York drags over the second quarter of twenty days in Paris: five days."""
    troubles: list[str] = []
    page = open_page(
        browser, demo, troubles, viewport={"width": 1280, "height": 1400}, timezone_id="America/New_York"
    )
    today = datetime.now(ZoneInfo("Europe/Paris")).date()
    last = datetime(today.year, today.month, today.day)  # noqa: DTZ001 - as a field of a form holds it
    first = last - timedelta(days=20)
    span = f"from={first:%Y-%m-%dT%H:%M}&to={last:%Y-%m-%dT%H:%M}&lines=arm&width=day"
    page.goto(f"{demo.address}/trials/platform-air/charts?{span}")
    picture = page.locator("[data-zoom]")
    box = picture.bounding_box()
    assert box is not None
    left, right = (int(picture.get_attribute(f"data-{side}") or 0) for side in ("left", "right"))

    def place(part: float) -> float:
        return float(box["x"]) + (left + part * (right - left)) * float(box["width"]) / 960

    page.mouse.move(place(0.25), box["y"] + 80)
    page.mouse.down()
    page.mouse.move(place(0.5), box["y"] + 80)
    page.mouse.up()
    page.wait_for_url(lambda address: f"from={first:%Y-%m-%d}" not in address)
    page.wait_for_selector("[data-zoom]")
    shown = [datetime.fromisoformat(page.locator(f"[name={edge}]").input_value()) for edge in ("from", "to")]
    wanted = [first + timedelta(days=5), first + timedelta(days=10)]
    for one, other in zip(shown, wanted, strict=True):
        assert abs(one - other) <= timedelta(hours=2)
    page.context.close()
    assert not troubles, "\n".join(troubles)
