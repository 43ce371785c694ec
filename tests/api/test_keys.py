"""The keys that sign packages: a page for anybody, and the list that `insitu verify --key-url` reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from cli.trusting import fetch_keys
from insitu.errors import CorrectInput, RetryLater
from tests.api.conftest import server
from trials.package.keys import list_keys, revoke_key, rotate_key

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def lab(world_url: str, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """(address, data directory) of a server with a key, a replaced one and a revoked one."""
    stolen = list_keys(tmp_path)[0]
    rotate_key(tmp_path, reason="The first one was <b>stolen</b>", now=NOW)
    rotate_key(tmp_path, reason="yearly", now=NOW.replace(year=2027))
    revoke_key(tmp_path, stolen.public_key, since=NOW, reason="stolen", now=NOW)
    with server(world_url, tmp_path) as address:
        yield address, tmp_path


def test_the_page_shows_every_key_in_both_languages(lab: tuple[str, Path]) -> None:
    address, folder = lab
    for language, present, revoked in (
        ("en", "Present key", "Revoked: packages that it signed from"),
        ("fr", "Clé actuelle", "Révoquée\u00a0: les dossiers qu’elle a signés à partir du"),
    ):
        text = httpx.get(f"{address}/keys", headers={"accept-language": language}).text
        for key in list_keys(folder):
            assert key.public_key in text
            assert key.fingerprint in text
        assert text.count(present) == text.count(revoked) == 1
        assert "<b>stolen" not in text


def test_the_list_is_what_a_reader_believes(lab: tuple[str, Path]) -> None:
    address, folder = lab
    found = fetch_keys(f"{address}/.well-known/insitu-keys.json")
    assert [(one.public_key, one.replaced_at, one.revoked_from) for one in found] == [
        (one.public_key, one.replaced_at, one.revoked_from) for one in list_keys(folder)
    ]
    assert {one.name for one in found} == {"127.0.0.1"}


@pytest.mark.parametrize(
    "address",
    [
        "http://lab.example/keys",
        "ftp://127.0.0.1/keys",
        "file:///etc/passwd",
        "lab.example/keys",
        "http://127.0.0.1.example/",
    ],
)
def test_keys_come_over_https_only(address: str) -> None:
    with pytest.raises(CorrectInput, match="over https only"):
        fetch_keys(address)


def test_another_page_or_none_is_a_sentence(lab: tuple[str, Path]) -> None:
    address, _ = lab
    with pytest.raises(CorrectInput, match="holds no Ed25519 public key"):
        fetch_keys(f"{address}/keys")
    with pytest.raises(RetryLater, match="gives no keys"):
        fetch_keys(f"{address}/")  # leads to the form
