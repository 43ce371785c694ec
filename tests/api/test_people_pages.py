"""The pages of people as readers see them: both languages, narrow and dark, by keyboard."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.api.conftest import new_session, server
from tests.api.test_tokens import give

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
PASSWORD = "une pomme verte trotte"


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


def open_page(browser: Browser, address: str, url: str, **options: Any) -> Page:
    context = browser.new_context(**options)
    context.add_cookies([{"name": "insitu", "value": new_session(url, "lab"), "url": address}])
    return context.new_page()


def violations(page: Page) -> list[str]:
    page.wait_for_selector("main h1")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= (page.viewport_size or {})["width"], f"{page.url} scrolls sideways"
    return [f"{page.url}: {one['id']} {one['help']}" for one in Axe().run(page).response["violations"]]


def keep(page: Page, name: str) -> None:
    """A picture, for those who name a folder."""
    folder = os.environ.get("INSITU_TEST_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize(
    ("width", "scheme", "language"), [(390, "light", "fr"), (1280, "dark", "en"), (1280, "light", "fr")]
)
def test_no_page_of_people_has_a_violation(
    browser: Browser, own_world_url: str, data_dir: Path, width: int, scheme: Any, language: str
) -> None:
    give(own_world_url, "lab")
    give(own_world_url, "aurore", machine=True)
    with server(own_world_url, data_dir) as address:
        page = open_page(
            browser,
            address,
            own_world_url,
            viewport={"width": width, "height": 844},
            color_scheme=scheme,
        )
        page.goto(f"{address}/account")
        page.click(f"button[name=language][value={language}]")
        found = violations(page)
        keep(page, f"account-{width}-{language}")
        page.goto(f"{address}/people")
        found += violations(page)
        page.fill("#invite ~ form input[name=login]", "marie.dupont@ville.fr")
        page.press("#invite ~ form input[name=login]", "Enter")
        link = page.inner_text("div.secret pre")
        assert link.startswith(f"{address}/invitations/")
        found += violations(page)
        keep(page, f"people-{width}-{language}")
        page.goto(re.split(r"\s", link)[0])
        found += violations(page)
        page.fill("input[name=password]", "password1234")
        page.press("input[name=password]", "Enter")
        page.wait_for_selector("[role=alert]")
        found += violations(page)
        keep(page, f"invitation-{width}-{language}")
        assert found == []
        page.context.close()


def test_a_person_is_invited_and_accepts_with_the_keyboard_alone(
    browser: Browser, own_world_url: str, data_dir: Path
) -> None:
    with server(own_world_url, data_dir) as address:
        page = open_page(browser, address, own_world_url)
        page.goto(f"{address}/people")
        page.focus("#invite ~ form input[name=login]")
        page.keyboard.type("paul")
        page.keyboard.press("Tab")
        page.keyboard.type("Paul")
        page.keyboard.press("Enter")
        link = re.split(r"\s", page.inner_text("div.secret pre"))[0]
        other = browser.new_context().new_page()
        other.goto(link)
        other.focus("input[name=name]")
        for _ in range(2):
            other.keyboard.press("Tab")
        other.keyboard.type(PASSWORD)
        other.keyboard.press("Enter")
        other.wait_for_selector("nav")
        assert "Paul" in other.inner_text("header")
        other.focus("header a.person")
        other.keyboard.press("Enter")
        other.wait_for_selector("#sessions")
        assert other.url == f"{address}/account"
        other.fill("input[name=old]", PASSWORD)
        other.fill("input[name=new]", "un autre mot plus long")
        other.press("input[name=new]", "Enter")
        other.wait_for_selector("[role=status]")
        for context in (page.context, other.context):
            context.close()
