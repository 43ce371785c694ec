"""Requests to the provider stay within bounds of time, size and place."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from api.oidc.fetching import MOST_BYTES, ProviderAway, fetch
from insitu.settings import Settings, is_safe_address
from tests.fix_provider import Gate, open_gate


@pytest.fixture
def gate() -> Iterator[Gate]:
    with open_gate("http://127.0.0.1:9") as found:
        yield found


def test_an_answer_that_trickles_is_cut(gate: Gate) -> None:
    gate.trickles = True
    began = time.monotonic()
    with pytest.raises(ProviderAway):
        fetch(f"{gate.address}/x", within_s=0.5)
    assert time.monotonic() - began < 3


def test_a_large_answer_a_redirect_and_a_failure_are_refused(gate: Gate) -> None:
    gate.answers = {
        "/large": (200, {}, b"x" * (MOST_BYTES + 1)),
        "/fits": (200, {}, b"x" * MOST_BYTES),
        "/moved": (302, {"Location": "https://elsewhere.example.org/"}, b""),
        "/broken": (500, {}, b""),
    }
    for path, says in (("large", "more than"), ("moved", "302"), ("broken", "500")):
        with pytest.raises(ProviderAway, match=says):
            fetch(f"{gate.address}/{path}")
    assert len(fetch(f"{gate.address}/fits").content) == MOST_BYTES
    assert gate.asked == ["/large", "/moved", "/broken", "/fits"], "no redirect is followed"


def test_nothing_listens(gate: Gate) -> None:
    with pytest.raises(ProviderAway, match="does not answer"):
        fetch("http://127.0.0.1:9/")


@pytest.mark.parametrize(
    ("address", "is_safe"),
    [
        ("https://accounts.example.org", True),
        ("https://accounts.example.org:8443/realms/city", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080/x", True),
        ("http://localhost/x", True),
        ("http://accounts.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("https://user@accounts.example.org", False),
        ("https://", False),
        ("file:///etc/passwd", False),
        ("https://accounts.example.org/ x", False),
        ("https://[::1", False),
    ],
)
def test_only_https_and_this_machine_are_asked(address: str, is_safe: bool) -> None:
    assert is_safe_address(address) is is_safe
    if not is_safe:
        with pytest.raises(ProviderAway, match="nothing is sent"):
            fetch(address)
        with pytest.raises(ValueError, match="is not an https address"):
            Settings(oidc_issuer=address, oidc_client_id="x")
