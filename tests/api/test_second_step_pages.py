"""The pages of the other sign-in and of the second factor in a browser: both languages, narrow and dark."""

from __future__ import annotations

import re
from base64 import b32decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from api import totp
from insitu.clock import SYSTEM
from store import access
from store.database import connect
from tests.api.conftest import server
from tests.api.test_oidc import CLIENT
from tests.api.test_people_pages import browser, keep, violations
from tests.examples import some_of
from tests.fix_provider import Gate, open_gate, running_mock, set_claims

__all__ = ["browser"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
MARIE = "marie.dupont@ville.fr"


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    with running_mock() as mock, open_gate(mock) as found:
        set_claims(found, "m1", email=MARIE, email_verified=True)
        set_claims(found, "m2", email="stranger@ville.fr", email_verified=True)
        yield found


def by_provider(page: Page, address: str, subject: str) -> None:
    page.goto(f"{address}/sign-in?next=/fleet")
    page.click("a[href^='/sign-in/oidc']")
    page.fill("input[name=sub]", subject)
    page.press("input[name=sub]", "Enter")
    page.wait_for_url(f"{address}/**")


def invite(url: str, language: str) -> None:
    """Marie of the lab, who has no password."""
    with connect(url, application="tests") as conn:
        access.add_person(
            conn,
            login=MARIE,
            name="Marie",
            organisation="lab",
            password_hash=None,
            now=SYSTEM.now(),
            language=language,
        )
        conn.commit()


@pytest.mark.long
@pytest.mark.parametrize(
    ("width", "scheme", "language", "words"),
    some_of([(390, "dark", "fr", "Saisissez votre code"), (1280, "light", "en", "Enter your code")], every=2),
)
def test_a_person_comes_by_the_provider_adds_a_factor_and_comes_again_with_a_code(
    browser: Browser,
    own_world_url: str,
    data_dir: Path,
    gate: Gate,
    width: int,
    scheme: Any,
    language: str,
    words: str,
) -> None:
    invite(own_world_url, language)
    options = {"oidc_issuer": gate.address, **CLIENT}
    with server(own_world_url, data_dir, totp_required="lab", **options) as address:
        page = browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme=scheme, locale=language
        ).new_page()
        page.goto(f"{address}/sign-in")
        found = violations(page)
        keep(page, f"sign-in-elsewhere-{language}")
        by_provider(page, address, "m2")
        found += violations(page)
        keep(page, f"elsewhere-{language}")
        by_provider(page, address, "m1")
        assert page.url == f"{address}/account/factor", page.inner_text("main")
        found += violations(page)
        page.click("main form button")
        page.wait_for_selector("svg.qr")
        found += violations(page)
        keep(page, f"factor-{language}")
        secret = b32decode(re.sub(r"\s", "", page.inner_text("main pre")))
        step = totp.step_at(SYSTEM.now())
        page.fill("main input[name=code]", totp.code_of(secret, step))
        page.press("main input[name=code]", "Enter")
        codes = page.inner_text("div.secret pre").split()
        found += violations(page)
        keep(page, f"recovery-codes-{language}")
        page.goto(f"{address}/account")
        found += violations(page)
        page.click("form[action='/sign-out'] button")
        page.wait_for_url(f"{gate.address}/**")  # the page about it leads there
        by_provider(page, address, "m1")
        assert page.url.startswith(f"{address}/sign-in/code")
        assert page.inner_text("h1") == words
        found += violations(page)
        keep(page, f"code-{language}")
        page.fill("input[name=code]", totp.code_of(secret, step))
        page.press("input[name=code]", "Enter")
        page.wait_for_selector("[role=alert]")
        found += violations(page)
        page.fill("input[name=code]", codes[0])
        page.press("input[name=code]", "Enter")
        page.wait_for_url(f"{address}/fleet")
        page.goto(f"{address}/people")
        found += violations(page)
        assert found == []
        page.context.close()
