"""Heavy plans of one organisation do not make another one wait: organisations take turns, and who sends too
many hears so at once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import form_token, new_session, server
from tests.api.test_plans import PAGE, SITE
from tests.pictures import SVG, in_svg

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
HEAVY = in_svg(
    '<filter id="f"><feTurbulence baseFrequency="0.9" numOctaves="500"/></filter>'
    + '<rect width="120" height="60" filter="url(#f)"/>' * 60
)


def test_a_plan_is_drawn_while_another_organisation_sends_heavy_ones(
    own_world_url: str, data_dir: Path
) -> None:
    with server(own_world_url, data_dir) as address:

        def send(login: str, name: str, content: bytes) -> tuple[httpx.Response, float]:
            begun = time.monotonic()
            with httpx.Client(base_url=address, timeout=200) as client:
                client.cookies.set("insitu", new_session(own_world_url, login), domain="127.0.0.1")
                files = {"file": ("plan.svg", content)}
                answer = client.post(f"{SITE}/plans", data={"name": name}, files=files)
            return answer, time.monotonic() - begun

        heavy: list[tuple[httpx.Response, float]] = []
        threads = [
            threading.Thread(target=lambda n=number: heavy.append(send("metro", f"Heavy {n}", HEAVY)))
            for number in range(7)
        ]
        for thread in threads:
            thread.start()
        time.sleep(1.5)
        with httpx.Client(base_url=address, timeout=200) as client:
            client.cookies.set("insitu", new_session(own_world_url, "metro"), domain="127.0.0.1")
            data = {"form": form_token(client, PAGE), "name": "Ninth floor", "rank": "9"}
            shown = client.post(f"{PAGE}/plans", data=data, files={"file": ("plan.svg", HEAVY)})
        assert shown.status_code == 503
        assert "Other plans are being drawn" in shown.text
        assert 'value="Ninth floor"' in shown.text, "the form keeps what was typed"
        answer, waited = send("lab", "Plain", SVG)
        assert answer.status_code == 201, answer.text
        for thread in threads:
            thread.join()
        longest = max(seconds for _, seconds in heavy)
        print(f"\nwaited {waited:.1f} s beside {len(heavy)} heavy ones, the longest {longest:.1f} s")
        assert waited < 8
        statuses = Counter(one.status_code for one, _ in heavy)
        assert set(statuses) == {400, 503}
        assert statuses[503] >= 3, "one is drawn, three wait"
        refused = next(one for one, _ in heavy if one.status_code == 503)
        assert refused.json()["detail"].startswith("Other plans are being drawn at this moment")
        assert refused.headers["Retry-After"] == "30"
