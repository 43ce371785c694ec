"""Map and plans in headless chromium: by mouse, by keyboard, without JavaScript, narrow and dark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.api.conftest import new_session, server
from tests.api.test_plans import DEVICE, PAGE, SITE, devices, enter
from tests.examples import some_of
from tests.pictures import HEIGHT, WIDTH

pytestmark = [pytest.mark.browser, pytest.mark.long]


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


@pytest.fixture
def address(own_world_url: str, data_dir: Path) -> Iterator[str]:
    with server(own_world_url, data_dir) as found:
        yield found


@pytest.fixture
def metro(address: str, own_world_url: str) -> Iterator[httpx.Client]:
    """The API as the site's operator."""
    with httpx.Client(base_url=address, timeout=60) as client:
        client.cookies.set("insitu", new_session(own_world_url, "metro"), domain="127.0.0.1")
        yield client


def open_page(
    browser: Browser,
    address: str,
    url: str,
    path: str,
    troubles: list[str],
    login: str = "metro",
    **options: Any,
) -> Page:
    """A signed-in page; `troubles` collects its errors and its requests to other addresses."""
    context = browser.new_context(**options)
    context.add_cookies([{"name": "insitu", "value": new_session(url, login), "url": address}])
    page = context.new_page()
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((address, "data:")) else troubles.append(request.url),
    )
    page.goto(address + path)
    return page


def drag(page: Page, selector: str, x: float, y: float) -> None:
    """From the middle of an element to a place of the plan, in percent, once the script shows its hint."""
    page.locator("[data-hint]").wait_for()
    start, sheet = page.locator(selector).bounding_box(), page.locator(".overlay").bounding_box()
    assert start is not None
    assert sheet is not None
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(sheet["x"] + sheet["width"] * x / 100, sheet["y"] + sheet["height"] * y / 100, steps=5)
    page.mouse.up()


def test_a_device_is_dragged_onto_the_plan_moved_there_and_by_keyboard(
    browser: Browser, address: str, own_world_url: str, metro: httpx.Client
) -> None:
    troubles: list[str] = []
    plan = enter(metro)["plan"]
    size = {"width": 1280, "height": 1100}
    page = open_page(browser, address, own_world_url, f"{PAGE}/plans/{plan}", troubles, viewport=size)
    drag(page, "[data-tray]:has-text('p1-north')", 20, 30)
    page.wait_for_url("**placed=*")
    first = devices(metro, plan)[DEVICE]
    assert (first["x"], first["y"]) == (pytest.approx(20, abs=0.2), pytest.approx(30, abs=0.4))
    assert first["placed_by"] == "metro"
    drag(page, "[data-mark]:not([hidden]) > a > circle", 70, 60)
    page.locator(".notice", has_text="70").wait_for()
    second = devices(metro, plan)[DEVICE]
    assert (second["x"], second["y"]) == (pytest.approx(70, abs=0.2), pytest.approx(60, abs=0.4))

    mark = page.locator("[data-mark]:not([hidden]) a")
    page.locator("[data-hint]").wait_for()
    mark.focus()
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowUp"):
        page.keyboard.press(key)
    assert "Enter" in page.locator("[data-moving]").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("[data-moving]").inner_text() == ""
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowUp", "Enter"):
        page.keyboard.press(key)
    page.locator(".notice", has_text=f"{second['x'] - 1:g}").wait_for()
    third = devices(metro, plan)[DEVICE]
    assert third["x"] == pytest.approx(second["x"] - 1)
    assert third["y"] == pytest.approx(second["y"] - 5)

    other = page.locator("[data-tray]").first
    page.locator("[data-hint]").wait_for()
    other.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(".notice", has_text="50.5").wait_for()
    drag(page, "[data-tray] >> nth=0", 50, -30)
    page.wait_for_timeout(300)
    assert sum(one["plan"] == plan for one in devices(metro, plan).values()) == 2, (
        "beside the plan is no place"
    )
    page.context.close()
    assert not troubles, "\n".join(troubles)


def test_a_move_of_another_person_appears_on_an_open_plan(
    browser: Browser, address: str, own_world_url: str, metro: httpx.Client
) -> None:
    troubles: list[str] = []
    plan = enter(metro)["plan"]
    page = open_page(browser, address, own_world_url, f"{PAGE}/plans/{plan}", troubles, login="aurore")
    page.wait_for_selector("[data-live-mark]:not(.off)", state="visible", timeout=30_000)
    assert page.locator("[data-mark]:not([hidden])").count() == 0
    place = {"device": DEVICE, "x": 25, "y": 75}
    assert metro.post(f"{SITE}/plans/{plan}/places", json=place).status_code == 200
    page.wait_for_selector("[data-mark]:not([hidden])", timeout=40_000)
    sheet, mark = (
        page.locator(one).bounding_box() for one in (".overlay", "[data-mark]:not([hidden]) > a > circle")
    )
    assert sheet is not None
    assert mark is not None
    assert mark["x"] + mark["width"] / 2 == pytest.approx(sheet["x"] + sheet["width"] * 0.25, abs=2)
    assert sheet["width"] / sheet["height"] == pytest.approx(WIDTH / HEIGHT, rel=0.02)
    page.context.close()
    assert not troubles, "\n".join(troubles)


def test_plan_and_map_work_without_a_script(
    browser: Browser, address: str, own_world_url: str, metro: httpx.Client
) -> None:
    plan, troubles = enter(metro)["plan"], list[str]()
    path = f"{PAGE}/plans/{plan}"
    page = open_page(browser, address, own_world_url, path, troubles, java_script_enabled=False)
    assert page.locator("[data-hint]").is_hidden()
    form = page.locator("form.acts", has=page.locator(f"[value='{DEVICE}']"))
    form.locator("[name=x]").fill("40")
    form.locator("[name=y]").fill("10")
    form.locator("[value=put]").click()
    assert devices(metro, plan)[DEVICE]["x"] == 40
    page.goto(f"{address}/map")
    page.get_by_role("link", name="Closer").click()
    assert "zoom=" in page.url
    page.click("text=All sites")
    page.locator("a.mark").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/fleet?site=*")
    page.context.close()
    assert not troubles, "\n".join(troubles)


@pytest.mark.parametrize(("width", "scheme"), some_of([(390, "dark"), (1280, "light")], every=2))
def test_no_violation_no_error_and_nothing_wider_than_the_screen(
    browser: Browser, address: str, own_world_url: str, metro: httpx.Client, width: int, scheme: Any
) -> None:
    troubles: list[str] = []
    plan = enter(metro)["plan"]
    for name, x in ((DEVICE, 97), ("platform-air/p2-silent", 3)):
        place = {"device": name, "x": x, "y": 50}
        assert metro.post(f"{SITE}/plans/{plan}/places", json=place).status_code == 200
    paths = (
        "/map",
        "/map?at=48.86,2.35&zoom=14&sort=-state",
        PAGE,
        f"{PAGE}/plans/{plan}",
        "/sites?sort=site",
        "/fleet?site=station-centre&q=p1",
    )
    page = open_page(
        browser,
        address,
        own_world_url,
        "/",
        troubles,
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
        locale="fr-FR",
    )
    for path in paths:
        page.goto(address + path)
        page.wait_for_timeout(500)
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        troubles += [f"{path}: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            troubles.append(f"{path} is wider than {width} px")
    page.context.close()
    assert not troubles, "\n".join(troubles)
