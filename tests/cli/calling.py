"""Calls verbs in this process: quick, and errors are raised."""

from __future__ import annotations

import os
import re
from typing import Protocol

import pytest
from typer.main import get_command

from cli.group import app


class Told(Protocol):
    def __call__(self, *arguments: str, err: str | re.Pattern[str] = "") -> str:
        """Returns the stdout of a verb that must succeed and write `err`, or what matches it, to stderr."""


def call(*arguments: str) -> None:
    """Calls the verb on this process's own stdout and stderr."""
    get_command(app).main(list(arguments), prog_name="insitu", standalone_mode=False)


@pytest.fixture
def told(capsysbinary: pytest.CaptureFixture[bytes]) -> Told:
    """Call of a verb without an installation."""

    def ask(*arguments: str, err: str | re.Pattern[str] = "") -> str:
        call(*arguments)
        captured = capsysbinary.readouterr()
        written = captured.err.decode()
        if isinstance(err, str):
            assert written == err
        else:
            assert err.fullmatch(written), written
        return captured.out.decode()

    return ask


@pytest.fixture
def told_here(
    told: Told, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Told:
    """Call of a verb on this test's database, with a data directory of its own: an installation on this
    machine keeps its key to itself.
    """
    monkeypatch.setenv("INSITU_DATABASE_URL", database_url)
    if "INSITU_DATA_DIR" not in os.environ:  # another fixture may have named one
        monkeypatch.setenv("INSITU_DATA_DIR", str(tmp_path_factory.mktemp("data")))
    return told
