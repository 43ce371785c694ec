"""`verify` and `key` as a reader calls them: exit codes, the last line, and where keys come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.main import get_command

from cli.group import app
from insitu.errors import CorrectInput, Disagrees
from store.audit import audit
from store.database import Connection
from tests.cli.calling import Told
from tests.trials.package import forger
from tests.trials.test_package import build
from trials.package.keys import list_keys, signing_key

Code = Callable[..., tuple[int, list[str]]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's own folder, and an empty data directory."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("INSITU_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def package(home: Path, key: Ed25519PrivateKey) -> Path:
    return build(home / "package", key)


@pytest.fixture
def code(capsysbinary: pytest.CaptureFixture[bytes]) -> Code:
    """The exit code of a call that raises nothing, and its lines."""

    def call(*arguments: str) -> tuple[int, list[str]]:
        found = get_command(app).main(list(arguments), prog_name="insitu", standalone_mode=False)
        return found or 0, capsysbinary.readouterr().out.decode().splitlines()

    return call


def test_the_exit_code_is_0_only_with_a_key_that_the_reader_named(
    package: Path, key: Ed25519PrivateKey, code: Code
) -> None:
    ended, lines = code("verify", str(package))
    assert (ended, lines[-1]) == (3, f"UNKNOWN KEY {forger.public(key)}")
    ended, lines = code("verify", str(package), "--key", "ab" * 32, "--key", forger.public(key))
    assert (ended, lines[-1]) == (0, "Every number agrees.")
    document = json.loads("\n".join(code("verify", str(package), "--json")[1]))
    assert (document["agrees"], document["vouched"]) == (True, False)
    assert document["unsettled"] == [f"UNKNOWN KEY {forger.public(key)}"]


def test_an_unsigned_package_says_so_in_the_last_line(home: Path, code: Code) -> None:
    ended, lines = code("verify", str(build(home / "unsigned")))
    assert (ended, lines[-1]) == (3, "UNSIGNED")


def test_a_difference_is_1_whatever_key_is_named(package: Path, key: Ed25519PrivateKey, code: Code) -> None:
    (package / "flags.csv").write_bytes(b"")
    with pytest.raises(Disagrees) as error:
        code("verify", str(package), "--key", forger.public(key))
    assert error.value.exit_code == 1


def test_a_key_that_the_reader_trusts_needs_no_option(
    package: Path, key: Ed25519PrivateKey, code: Code, home: Path
) -> None:
    _, lines = code("key", "trust", "city-lab", forger.public(key))
    assert lines[-1] == f"Kept in {home / 'config' / 'insitu' / 'trusted-keys'}."
    ended, lines = code("verify", str(package))
    assert ended == 0
    assert any("which is city-lab's" in line for line in lines)
    assert "city-lab" in "\n".join(code("key", "trusted")[1])


def test_the_installations_own_key_counts_only_when_asked(home: Path, code: Code) -> None:
    folder = str(build(home / "package", signing_key(home / "data")))
    assert code("verify", folder)[0] == 3
    assert code("verify", folder, "--own")[0] == 0


def test_there_is_no_own_key_where_nothing_was_signed(package: Path, code: Code) -> None:
    with pytest.raises(CorrectInput, match="holds no signing key"):
        code("verify", str(package), "--own")


def test_keys_are_shown_replaced_and_revoked_with_lines_in_the_audit_log(
    told_here: Told, conn: Connection, home: Path
) -> None:
    first = list_keys(home / "data")[0]
    assert first.fingerprint in told_here("key")
    told_here("key", "rotate", "--reason", "stolen")
    told_here("key", "revoke", first.fingerprint, "--from", "2026-03-01T08:00Z", "--reason", "stolen")
    text = told_here("key")
    assert f"before       {first.public_key}" in text
    assert "revoked      from 2026-03-01T08:00:00Z on: stolen" in text
    listed = json.loads(told_here("key", "--json"))
    assert [one["public_key"] for one in listed] == [one.public_key for one in list_keys(home / "data")]
    lines = [(line.action, line.subject, line.detail["reason"]) for line in audit(conn)]
    assert lines == [
        ("rotate key", list_keys(home / "data")[1].fingerprint, "stolen"),
        ("revoke key", first.fingerprint, "stolen"),
    ]
    for wrong in ("yesterday", "2026-03-01T08:00"):
        with pytest.raises(CorrectInput, match="--from"):
            told_here("key", "revoke", first.fingerprint, "--from", wrong, "--reason", "x")
