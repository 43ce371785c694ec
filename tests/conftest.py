"""Fixtures, split by subject."""

from pathlib import Path

import pytest

from tests.fix_broker import broker
from tests.fix_catalogue import catalogue
from tests.fix_database import conn, database_server, database_url, migrated_template
from tests.fix_files import load
from tests.fix_stack import stack

__all__ = [
    "broker",
    "catalogue",
    "conn",
    "database_server",
    "database_url",
    "load",
    "migrated_template",
    "stack",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-schema", action="store_true", help="write docs/schema.sql instead of only comparing it"
    )
    parser.addoption(
        "--write-figures",
        action="store_true",
        help="write the worked examples of docs/designs instead of only comparing them",
    )
    parser.addoption(
        "--timescale", action="store_true", help="also test on TimescaleDB (make test-timescale)"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without the option these tests are left out, not skipped."""
    return True if collection_path.name == "timescale" and not config.getoption("--timescale") else None
