"""A wall and the page of views as readers see them: both schemes, narrow and wide; a screen that stays open
while the server restarts, the link ends, and hours go by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.sites import add_site
from store.database import connect
from tests.api.conftest import new_session, server
from tests.api.test_people_pages import browser, keep, open_page, violations
from tests.api.world import World
from tests.examples import examples, some_of

__all__ = ["browser"]
pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(600)]
WIDE = {"width": 1920, "height": 1080}
CUT = "No connection since"


def link_of(url: str, address: str, **more: object) -> str:
    """The link of a new wall of the lab."""
    made = httpx.post(
        f"{address}/api/v1/walls",
        json={"name": "Hall d’entrée", **more},
        cookies={"insitu": new_session(url, "lab")},
        headers={"Origin": address},
    )
    assert made.status_code == 201, made.text
    return str(made.json()["link"])


@contextmanager
def screen(browser: Browser, link: str, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A browser that nobody has signed in at, on that link; and everything that goes wrong in it."""
    context = browser.new_context(**{"viewport": WIDE, **options})
    page, troubles = context.new_page(), list[str]()
    own = str(httpx.URL(link).copy_with(raw_path=b"/"))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((own, "data:")) else troubles.append(request.url),
    )
    page.clock.install()
    page.goto(link)
    page.wait_for_selector("#board")
    yield page, troubles
    context.close()


def poll(page: Page) -> None:
    """Ten seconds go by, and the answer to the next question has come."""
    with page.expect_response(re.compile("/board")):
        page.clock.run_for(10_100)
    page.wait_for_function("document.readyState === 'complete'")


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    some_of(
        [(*size, scheme) for size in ((390, 844), (1280, 720), (1920, 1080)) for scheme in ("light", "dark")],
        every=3,
    ),
)
def test_no_wall_has_a_violation_and_a_wide_one_needs_no_scrolling(
    browser: Browser, own_world_url: str, data_dir: Path, width: int, height: int, scheme: Any
) -> None:
    with server(own_world_url, data_dir) as address:
        link = link_of(own_world_url, address)
        size = {"width": width, "height": height}
        with screen(browser, link, viewport=size, color_scheme=scheme) as (page, troubles):
            assert violations(page) == []
            keep(page, f"wall-{width}-{scheme}")
            if width > 700:
                assert page.evaluate("document.documentElement.scrollHeight") <= height
            shown = page.locator("#tiles li:visible").count()
            hidden = page.locator("#tiles li").count() - shown
            assert shown > 0
            assert page.locator("#tiles-more").is_visible() == (hidden > 0)
            if hidden:
                assert str(hidden) in page.inner_text("#tiles-more")
            least = page.evaluate(
                "Math.min(...[...document.querySelectorAll('#board b')].map("
                "(one) => parseFloat(getComputedStyle(one).fontSize)))"
            )
            assert least >= min(width, height) / 50, "it is read from four metres"
            assert troubles == []


@pytest.mark.parametrize(("width", "scheme"), some_of([(390, "light"), (1280, "dark")], every=2))
def test_the_page_of_views_has_no_violation(
    browser: Browser, own_world_url: str, data_dir: Path, width: int, scheme: Any
) -> None:
    with server(own_world_url, data_dir) as address:
        size = {"width": width, "height": 844}
        page = open_page(browser, address, own_world_url, viewport=size, color_scheme=scheme)
        page.goto(f"{address}/fleet?state=silent")
        page.click("details.views summary")
        page.get_by_text("Keep this view").click()
        page.fill("#keep input[name=name]", "Muets")
        page.press("#keep input[name=name]", "Enter")
        page.fill("form[action='/walls'] input[name=name]", "Hall")
        page.click("form[action='/walls'] button")
        found = violations(page)
        keep(page, f"views-{width}-{scheme}")
        link = page.inner_text("div.secret pre")
        assert link.startswith(f"{address}/walls/")
        for path in ("/", "/fleet?state=silent"):
            page.goto(address + path)
            page.click("details.views summary")
            assert page.locator("details.views nav a").first.inner_text() == "Muets"
            found += violations(page)
            keep(page, f"menu-{width}-{scheme}{path[1:6]}")
        assert found == []
        page.context.close()


@pytest.mark.parametrize(("width", "height"), some_of([(1280, 720), (1920, 1080), (3840, 2160)], every=2))
def test_a_wall_of_many_sites_counts_what_finds_no_room(
    browser: Browser, own_world_url: str, data_dir: Path, world: World, width: int, height: int
) -> None:
    with connect(own_world_url, application="tests") as conn:
        for number in range(40):
            code, start = f"many-{number}", world.now - timedelta(days=3)
            name = f"A site with quite a long name, number {number}"
            add_site(conn, code=code, host="metro-demo", name=name, latitude=48.8, longitude=2.3)
            for device in (f"{code}-a", f"{code}-b"):
                made = add_device(conn, trial="platform-air", code=device, now=start)
                deploy(conn, device_id=made, site=code, position=device, start=start)
        conn.commit()
    size = {"width": width, "height": height}
    with (
        server(own_world_url, data_dir) as address,
        screen(browser, link_of(own_world_url, address), viewport=size) as (page, _),
    ):
        keep(page, f"wall-many-{width}")
        assert page.evaluate("document.documentElement.scrollHeight") <= height
        shown = page.locator("#tiles li:visible").count()
        rest = int(re.sub(r"\D", "", page.inner_text("#tiles-more")))
        troubled = sum(map(int, page.locator(".sums li:not(.state-online) b").all_inner_texts()))
        assert shown > 0
        assert shown + rest == troubled


def test_a_screen_follows_the_devices_and_its_clock_moves(
    browser: Browser, own_world_url: str, data_dir: Path
) -> None:
    with (
        server(own_world_url, data_dir) as address,
        screen(browser, link_of(own_world_url, address)) as (page, troubles),
    ):
        before = page.inner_text("#clock")
        page.clock.run_for(3000)
        assert page.inner_text("#clock") != before
        assert sum(map(int, page.locator(".sums li b").all_inner_texts())) > 1
        with connect(own_world_url, application="tests") as conn:
            conn.execute(
                "UPDATE device SET retired_at = now() WHERE code IN "
                "(SELECT code FROM device WHERE retired_at IS NULL AND code <> 'ward-a')"
            )
            conn.commit()
        poll(page)
        expect(page.locator(".sums li b")).to_have_text(["0", "1"])  # silent, online
        assert troubles == []


def test_a_screen_says_since_when_its_network_is_gone_and_goes_on_afterwards(
    browser: Browser, own_world_url: str, data_dir: Path
) -> None:
    with server(own_world_url, data_dir) as address:
        link = link_of(own_world_url, address)
        with screen(browser, link) as (page, _):
            poll(page)
            assert page.inner_text("#link") == ""
            page.context.set_offline(True)
            for _ in range(5):
                page.clock.run_for(10_100)
                page.wait_for_timeout(50)
            expect(page.locator("#link")).to_contain_text(CUT)
            before = page.inner_text("#clock")
            page.clock.run_for(2000)
            assert page.inner_text("#clock") != before, "the clock moves without a connection"
            assert page.evaluate("document.body.classList.contains('cut')")
            keep(page, "wall-cut")
            page.context.set_offline(False)
            poll(page)
            expect(page.locator("#link")).to_be_empty()


def test_a_screen_outlives_a_restart_of_the_server(
    browser: Browser, own_world_url: str, data_dir: Path
) -> None:
    with server(own_world_url, data_dir) as address:
        link = link_of(own_world_url, address)
        port = httpx.URL(address).port or 0
        context = browser.new_context(viewport=WIDE)
        page = context.new_page()
        page.clock.install()
        page.goto(link)
        page.wait_for_selector("#board")
    for _ in range(5):  # nothing listens any more
        page.clock.run_for(10_100)
        page.wait_for_timeout(100)
    expect(page.locator("#link")).to_contain_text(CUT)
    with server(own_world_url, data_dir, port=port):
        poll(page)
        expect(page.locator("#link")).to_be_empty()
        assert page.locator("#tiles li").count() > 0
    context.close()


def test_a_screen_whose_link_ends_shows_nothing_any_more(
    browser: Browser, own_world_url: str, data_dir: Path
) -> None:
    with (
        server(own_world_url, data_dir) as address,
        screen(browser, link_of(own_world_url, address)) as (page, _),
    ):
        with connect(own_world_url, application="tests") as conn:
            conn.execute("UPDATE wall_link SET ended_at = now()")
            conn.commit()
        poll(page)
        expect(page.locator("#link")).to_contain_text("its link was ended")
        assert not page.locator("#board").is_visible()
        keep(page, "wall-ended")


def test_a_wall_without_a_link_says_when_its_reader_signed_out(
    browser: Browser, own_world_url: str, data_dir: Path
) -> None:
    with server(own_world_url, data_dir) as address:
        page = open_page(browser, address, own_world_url, viewport=WIDE)
        page.clock.install()
        page.goto(f"{address}/wall?trial=platform-air")
        page.wait_for_selector("#board")
        poll(page)
        assert page.inner_text("#link") == ""
        with connect(own_world_url, application="tests") as conn:
            conn.execute("DELETE FROM signed_in")
            conn.commit()
        page.clock.run_for(10_100)
        expect(page.locator("#link")).to_contain_text("signed out")
        assert not page.locator("#board").is_visible()
        page.context.close()


def test_hours_on_a_wall_take_no_memory(browser: Browser, own_world_url: str, data_dir: Path) -> None:
    """Twenty minutes of questions, every night two hours, a device changing before each; the heap and the
    elements after the first quarter are compared with those at the end.
    """
    questions = examples(quick=80, nightly=720)
    with (
        server(own_world_url, data_dir) as address,
        connect(own_world_url, application="tests") as conn,
        screen(browser, link_of(own_world_url, address)) as (page, troubles),
    ):
        session = page.context.new_cdp_session(page)

        def measure() -> dict[str, float]:
            session.send("HeapProfiler.collectGarbage")
            session.send("Performance.enable")
            found = session.send("Performance.getMetrics")["metrics"]
            names = ("JSHeapUsedSize", "Nodes", "JSEventListeners")
            return {one["name"]: one["value"] for one in found if one["name"] in names}

        begun: dict[str, float] = {}
        for number in range(questions):
            conn.execute(
                "UPDATE device_contact SET last_seen_at = now() WHERE device_id = "
                "(SELECT device_id FROM device_contact ORDER BY last_seen_at LIMIT 1)"
            )
            conn.commit()
            poll(page)
            if number == questions // 4:
                begun = measure()
        ended = measure()
        print(f"\nafter a quarter: {begun}\nat the end:      {ended}")
        assert ended["Nodes"] <= begun["Nodes"] * 1.1 + 50
        assert ended["JSEventListeners"] <= begun["JSEventListeners"]
        assert ended["JSHeapUsedSize"] <= begun["JSHeapUsedSize"] * 1.1 + 200_000
        assert page.inner_text("#link") == ""
        assert troubles == []
