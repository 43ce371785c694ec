from __future__ import annotations

from tests.api.conftest import SignIn


def test_smoke(client: SignIn) -> None:
    for path in (
        "/",
        "/fleet",
        "/trials",
        "/trials/platform-air",
        "/trials/ward-ventilation",
        "/rejects",
        "/trials/platform-air/devices/p1-north",
    ):
        answer = client("lab").get(path)
        assert answer.status_code == 200, (path, answer.text)
