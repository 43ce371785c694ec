"""Codes of an authenticator, against the vectors of RFC 4226 and RFC 6238."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from api import totp
from api.sealing import OtherKey, factor_key, seal, unseal
from insitu.settings import Settings

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B, SHA-1, 8 digits."""
    moment = datetime.fromtimestamp(seconds, UTC)
    assert totp.code_of(SECRET, totp.step_at(moment), digits=8) == code
    assert totp.code_of(SECRET, totp.step_at(moment)) == code[2:]


def test_the_vectors_of_rfc_4226() -> None:
    """Appendix D."""
    assert [totp.code_of(SECRET, count) for count in range(10)] == [
        *("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489")
    ]


def test_a_code_counts_a_step_before_and_after_and_never_again() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    step = totp.step_at(now)
    code = totp.code_of(SECRET, step)
    for shift, found in ((-60, None), (-30, step), (0, step), (30, step), (60, None)):
        assert totp.find_step(SECRET, code, now + timedelta(seconds=shift), after=0) == found
    assert totp.find_step(SECRET, code, now, after=step) is None
    assert totp.find_step(SECRET, "000000", now, after=0) is None


def test_the_address_holds_what_an_authenticator_needs() -> None:
    address = totp.write_address(SECRET, login="marie@ville.fr", place="insitu.example.org")
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parse_qs(parts.query)["secret"] == ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]
    assert totp.write_secret(SECRET).replace(" ", "") == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def test_recovery_codes_have_128_bits_and_are_read_as_people_type_them() -> None:
    codes = totp.new_recovery_codes()
    assert len(set(codes)) == 10
    assert {len(code.replace("-", "")) for code in codes} == {26}
    assert totp.recovery_digest(codes[0]) == totp.recovery_digest(f" {codes[0].upper().replace('-', ' ')} ")
    assert totp.plain_code(" 123 456") == "123456"
    for other in ("12345", "1234567", "12345x", "١٢٣٤٥٦", codes[0]):
        assert totp.plain_code(other) is None


def test_a_sealed_secret_opens_for_its_person_and_with_its_key_only(tmp_path: Path) -> None:
    key = factor_key(Settings(data_dir=tmp_path))
    assert (tmp_path / "factor.key").stat().st_mode & 0o777 == 0o600
    assert factor_key(Settings(data_dir=tmp_path)) == key
    sealed = seal(SECRET, 7, key)
    assert SECRET not in sealed
    assert sealed != seal(SECRET, 7, key)
    assert unseal(sealed, 7, key) == SECRET
    for person, other in ((8, key), (7, factor_key(Settings(factor_key="another")))):
        with pytest.raises(OtherKey):
            unseal(sealed, person, other)
