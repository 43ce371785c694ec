"""Moving the map in headless chromium: by mouse, wheel, fingers, keys and buttons, without another page. The
oracle is a site's mark: where it is on the screen after the server has drawn the part again.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.api.test_places_in_browser import address, browser, open_page

__all__ = ["address", "browser"]
pytestmark = [pytest.mark.browser, pytest.mark.long]
START = "/map?at=48.9,2.33&zoom=11.00"
SHEET = "#map [data-view]"
NEAR = 1.5
"""Pixels: an address has five decimals of a degree, and places are in hundredths of a per cent."""


def open_map(browser: Browser, address: str, url: str, troubles: list[str], **options: Any) -> Page:
    """The map, whose page remembers whether it was loaded again."""
    options = {"viewport": {"width": 1280, "height": 1000}, "locale": "en-GB", **options}
    page = open_page(browser, address, url, START, troubles, login="lab", **options)
    page.locator(f"{SHEET}.movable").wait_for()
    page.evaluate("window.isSame = true")
    return page


def mark(page: Page) -> tuple[float, float]:
    """The middle of the first site's mark, in pixels from the corner of the map."""
    place = page.locator(f"{SHEET} a.mark circle").first.bounding_box()
    sheet = page.locator(SHEET).bounding_box()
    assert place is not None
    assert sheet is not None
    return (
        place["x"] + place["width"] / 2 - sheet["x"],
        place["y"] + place["height"] / 2 - sheet["y"],
    )


def after(page: Page, act: Any) -> tuple[float, float]:
    """Where the mark is, once what `act` asks for is drawn and nothing is stretched any more."""
    with page.expect_response(lambda answer: "/map?" in answer.url):
        act()
    page.wait_for_function(
        "selector => [...document.querySelectorAll(selector + ' > svg')].every(one => !one.style.transform)",
        arg=SHEET,
    )
    assert page.evaluate("window.isSame"), "the page was loaded again"
    return mark(page)


def near(found: tuple[float, float], x: float, y: float) -> None:
    assert math.dist(found, (x, y)) < NEAR, (found, (x, y))


def size(page: Page) -> tuple[float, float]:
    box = page.locator(SHEET).bounding_box()
    assert box is not None
    return box["width"], box["height"]


def at_sheet(page: Page, x: float, y: float) -> None:
    box = page.locator(SHEET).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x, box["y"] + y)


def test_a_drag_moves_the_map_and_its_address_and_opens_no_link(
    browser: Browser, address: str, own_world_url: str
) -> None:
    troubles: list[str] = []
    page = open_map(browser, address, own_world_url, troubles)
    x, y = mark(page)

    def drag() -> None:
        at_sheet(page, x, y)  # it begins on the mark, which is a link
        page.mouse.down()
        box = page.locator(SHEET).bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + x + 83, box["y"] + y - 47, steps=6)
        near(mark(page), x + 83, y - 47)
        page.mouse.up()

    near(after(page, drag), x + 83, y - 47)
    there = mark(page)
    assert page.url != address + START
    page.reload()
    page.locator(f"{SHEET}.movable").wait_for()
    near(mark(page), *there)
    page.locator("th a.order").first.click()
    page.wait_for_url("**sort=**")
    near(mark(page), *there)
    page.context.close()
    assert not troubles, "\n".join(troubles)


def test_keys_and_buttons_move_it_and_keep_the_focus(
    browser: Browser, address: str, own_world_url: str
) -> None:
    troubles: list[str] = []
    page = open_map(browser, address, own_world_url, troubles)
    width, height = size(page)
    x, y = mark(page)
    page.locator(SHEET).focus()
    near(after(page, lambda: page.keyboard.press("ArrowRight")), x - width / 4, y)
    near(after(page, lambda: page.keyboard.press("ArrowLeft")), x, y)
    near(after(page, lambda: page.keyboard.press("ArrowDown")), x, y - height / 4)
    near(after(page, lambda: page.keyboard.press("ArrowUp")), x, y)
    near(after(page, lambda: page.keyboard.press("+")), 2 * x - width / 2, 2 * y - height / 2)
    near(after(page, lambda: page.keyboard.press("-")), x, y)
    assert page.evaluate("selector => document.activeElement.matches(selector)", SHEET)
    assert "part of the map" in page.locator("#map [data-says]").inner_text()
    for name, right, down in (("e", 0.5, 0), ("w", 0, 0), ("s", 0, 0.5), ("n", 0, 0)):
        button = page.locator(f"[data-move={name}]")
        button.focus()
        near(after(page, lambda: page.keyboard.press("Enter")), x - width * right, y - height * down)
        assert page.evaluate("document.activeElement.dataset.move") == name
    page.context.close()
    assert not troubles, "\n".join(troubles)


def test_the_wheel_scrolls_the_page_and_zooms_about_the_pointer_with_ctrl(
    browser: Browser, address: str, own_world_url: str
) -> None:
    troubles: list[str] = []
    size = {"width": 1280, "height": 500}
    page = open_map(browser, address, own_world_url, troubles, viewport=size)
    at_sheet(page, *mark(page))
    page.mouse.wheel(0, 60)
    page.wait_for_function("() => scrollY > 0")
    assert page.url == address + START
    x, y = mark(page)
    at_sheet(page, x, y)
    page.keyboard.down("Control")
    near(after(page, lambda: page.mouse.wheel(0, -70)), x, y)
    page.keyboard.up("Control")
    zoom = float(page.url.partition("zoom=")[2])
    assert zoom > 11.3
    page.locator(SHEET).focus()
    at_sheet(page, x, y)
    near(after(page, lambda: page.mouse.wheel(0, 200)), x, y)
    assert float(page.url.partition("zoom=")[2]) < zoom
    page.context.close()
    assert not troubles, "\n".join(troubles)


def test_two_fingers_stretch_it_on_a_telephone(browser: Browser, address: str, own_world_url: str) -> None:
    troubles: list[str] = []
    page = open_map(
        browser,
        address,
        own_world_url,
        troubles,
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
    )
    box = page.locator(SHEET).bounding_box()
    assert box is not None
    x, y = mark(page)
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [
            {"x": box["x"] + left, "y": box["y"] + top, "id": number}
            for number, (left, top) in enumerate(places)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def pinch() -> None:
        touch("touchStart", (x - 20, y), (x + 20, y))
        for apart in (25, 30, 35, 40):
            touch("touchMove", (x - apart, y), (x + apart, y))
        touch("touchEnd")

    near(after(page, pinch), x, y)
    assert float(page.url.partition("zoom=")[2]) == pytest.approx(12, abs=0.02)

    def drag() -> None:
        touch("touchStart", (x, y))
        for step in (10, 20, 30):
            touch("touchMove", (x + step, y + step))
        touch("touchEnd")

    near(after(page, drag), x + 30, y + 30)
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    page.context.close()
    assert not troubles, "\n".join(troubles)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_who_wants_no_motion_sees_none(
    browser: Browser, address: str, own_world_url: str, motion: Any
) -> None:
    troubles: list[str] = []
    page = open_map(browser, address, own_world_url, troubles, reduced_motion=motion)
    before = mark(page)
    page.locator(SHEET).focus()
    page.keyboard.press("ArrowRight")
    shown = mark(page)
    assert (shown == before) == (motion == "reduce")
    page.context.close()
    assert not troubles, "\n".join(troubles)


def test_a_map_that_does_not_come_leads_to_what_the_server_says(
    browser: Browser, address: str, own_world_url: str
) -> None:
    page = open_map(browser, address, own_world_url, [])
    page.context.clear_cookies()
    page.locator(SHEET).focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/sign-in**")
    page.context.close()
