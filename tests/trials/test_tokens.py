"""A token counts only if an authority below a trusted root gave it for this statement, with our nonce."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from insitu.errors import CorrectInput, RetryLater
from tests.fix_authority import Authority, authority, serve_authority
from trials.witness.authority import ask, split_authorities
from trials.witness.tokens import Untrusted, check_token, load_roots

__all__ = ["authority"]
MESSAGE = b'{"what":"head"}'


@pytest.fixture
def roots(authority: Authority) -> list[x509.Certificate]:
    return load_roots(authority.root)


def now() -> datetime:
    return datetime.now(UTC)


def test_an_authority_vouches_for_the_time(authority: Authority, roots: list[x509.Certificate]) -> None:
    token = ask(authority.url, MESSAGE, roots, now=now())
    assert abs(token.vouched_at - now()) < timedelta(minutes=1)
    assert check_token(token.content, MESSAGE, roots) == token.vouched_at


def test_openssl_agrees(authority: Authority, roots: list[x509.Certificate], tmp_path: Path) -> None:
    """An oracle that shares no code with ours."""
    token = ask(authority.url, MESSAGE, roots, now=now())
    (tmp_path / "m").write_bytes(MESSAGE)
    (tmp_path / "t.tsr").write_bytes(token.content)
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-data", "m", "-in", "t.tsr", "-CAfile", str(authority.root)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "Verification: OK" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        ("nonce", "Nonce mismatch"),
        ("hash", "Nonce mismatch|Mismatch between"),
        ("noise", "no time-stamp token"),
    ],
)
def test_a_lying_authority_is_not_believed(
    authority: Authority, roots: list[x509.Certificate], lie: str, sentence: str
) -> None:
    authority.lie = lie
    with pytest.raises(Untrusted, match=sentence):
        ask(authority.url, MESSAGE, roots, now=now())


def test_a_token_over_something_else_proves_nothing(
    authority: Authority, roots: list[x509.Certificate]
) -> None:
    token = ask(authority.url, MESSAGE, roots, now=now())
    with pytest.raises(Untrusted, match="Mismatch between messages"):
        check_token(token.content, MESSAGE + b" ", roots)


def test_an_old_answer_is_refused(authority: Authority, roots: list[x509.Certificate]) -> None:
    ask(authority.url, MESSAGE, roots, now=now())
    authority.lie = "replay"
    with pytest.raises(Untrusted, match="Nonce"):
        ask(authority.url, MESSAGE, roots, now=now())


@pytest.mark.parametrize("days", [-3, 3])
def test_a_time_far_from_ours_is_refused(
    authority: Authority, roots: list[x509.Certificate], days: int
) -> None:
    with pytest.raises(Untrusted, match="set the clock of this machine"):
        ask(authority.url, MESSAGE, roots, now=now() + timedelta(days=days))


@pytest.fixture
def expired(tmp_path: Path) -> Iterator[Authority]:
    folder = tmp_path / "expired"
    folder.mkdir()
    with serve_authority(
        folder, valid_from=now() - timedelta(days=30), valid_until=now() - timedelta(days=1)
    ) as running:
        yield running


def test_an_expired_certificate_is_refused(expired: Authority) -> None:
    with pytest.raises(Untrusted, match="certificate"):
        ask(expired.url, MESSAGE, load_roots(expired.root), now=now())


def test_another_root_is_not_trusted(authority: Authority, expired: Authority) -> None:
    with pytest.raises(Untrusted, match="cannot be trusted"):
        ask(authority.url, MESSAGE, load_roots(expired.root), now=now())


def test_every_changed_byte_makes_a_token_worthless(
    authority: Authority, roots: list[x509.Certificate]
) -> None:
    token = ask(authority.url, MESSAGE, roots, now=now())
    vouched = 0
    for place in range(0, len(token.content), 7):
        changed = bytearray(token.content)
        changed[place] ^= 0x01
        try:
            when = check_token(bytes(changed), MESSAGE, roots)
        except Untrusted:
            continue
        assert when == token.vouched_at, "what is outside the signature may change, the time may not"
        vouched += 1  # the chain beside the signature
    assert vouched < len(token.content) / 7 / 3


def test_an_authority_that_is_away_is_asked_later(
    authority: Authority, roots: list[x509.Certificate]
) -> None:
    authority.is_away = True
    with pytest.raises(RetryLater, match="503"):
        ask(authority.url, MESSAGE, roots, now=now())
    with pytest.raises(RetryLater, match="does not answer"):
        ask("http://127.0.0.1:9/tsr", MESSAGE, roots, now=now())


def test_addresses_and_roots_that_make_no_sense_are_named(tmp_path: Path) -> None:
    assert split_authorities(" https://a/tsr, http://b ,https://a/tsr,") == ["https://a/tsr", "http://b"]
    with pytest.raises(CorrectInput, match="INSITU_TIMESTAMP_URLS"):
        split_authorities("ftp://a")
    with pytest.raises(CorrectInput, match="Cannot read"):
        load_roots(tmp_path / "none.pem")
    (tmp_path / "x.pem").write_text("x")
    with pytest.raises(CorrectInput, match="PEM"):
        load_roots(tmp_path / "x.pem")
    assert load_roots(None), "this system trusts somebody"
