"""Planted damage is found by name, and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cli.deep_check import wrong_pages
from insitu.embedded.postgres import Postgres
from insitu.settings import Settings
from store.corruption import find_corruption, has_checksums, may_check, name_files
from store.database import connect
from tests.embedded.test_backups import source
from tests.embedded.test_interrupted import folder

pytestmark = pytest.mark.long

__all__ = ["folder"]
PAGE = 8192


@pytest.fixture
def server(folder: Path) -> Iterator[Postgres]:
    """A server with two tables and their indexes; one with contrib modules if INSITU_POSTGRES_BIN names
    it.
    """
    one = Postgres(data_dir=folder / "data", binaries=Settings().postgres_bin)
    one.start()
    with psycopg.connect(one.url) as conn:
        for table in ("kept", "whole"):
            conn.execute(
                f"CREATE TABLE {table} AS SELECT n, repeat(md5(n::text), 3) AS words "
                "FROM generate_series(1, 5000) n".encode()
            )
            conn.execute(f"CREATE UNIQUE INDEX {table}_by_n ON {table} (n)".encode())
    yield one
    one.stop()


def in_insitu(server: Postgres) -> str:
    return server.admin_url.replace("/postgres?", "/insitu?")


def flip(server: Postgres, folder: Path, relation: str, page: int) -> None:
    """Change some bytes in the middle of a page, while the server is stopped."""
    with psycopg.connect(server.url) as conn:
        ((path,),) = conn.execute("SELECT pg_relation_filepath(%s::regclass)", (relation,)).fetchall()
    server.stop()
    with (folder / "data" / "pg" / path).open("r+b") as file:
        file.seek(page * PAGE + 5000)
        content = file.read(4)
        file.seek(page * PAGE + 5000)
        file.write(bytes(255 - byte for byte in content))
        os.fsync(file.fileno())
    server.start()


def found_pages(server: Postgres, folder: Path) -> list[tuple[str, str]]:
    wrong = wrong_pages(source(server, folder / "data"))
    with connect(in_insitu(server), application="tests") as conn:
        assert has_checksums(conn)
        names = name_files(conn, [path for path, _ in wrong])
    return [(name, page) for name, (_, page) in zip(names, wrong, strict=True)]


def test_every_page_of_a_sound_cluster_is_as_it_was_written(server: Postgres, folder: Path) -> None:
    assert found_pages(server, folder) == []


@pytest.mark.parametrize(
    ("relation", "page", "name"), [("kept", 3, "table kept"), ("kept_by_n", 2, "index kept_by_n")]
)
def test_a_flipped_byte_is_found_by_its_relation_and_page_and_none_other(
    server: Postgres, folder: Path, relation: str, page: int, name: str
) -> None:
    flip(server, folder, relation, page)
    assert found_pages(server, folder) == [(name, str(page))]


def structure(server: Postgres) -> list[str]:
    with connect(in_insitu(server), application="tests") as conn:
        if (why := may_check(conn)) is not None:
            pytest.skip(f"amcheck: {why}; INSITU_POSTGRES_BIN names a server with contrib modules")
        found = list(find_corruption(conn))
        conn.rollback()
    with psycopg.connect(in_insitu(server)) as conn:
        assert conn.execute("SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'").fetchall() == [
            (0,)
        ]
    return found


def test_amcheck_finds_an_index_that_lacks_a_row_and_none_other(server: Postgres) -> None:
    assert structure(server) == []
    with psycopg.connect(in_insitu(server)) as conn:
        change = (
            "UPDATE pg_index SET indisready = {0}, indisvalid = {0} WHERE indexrelid = 'kept_by_n'::regclass"
        )
        conn.execute(change.format("false").encode())
        conn.commit()
        conn.execute("INSERT INTO kept VALUES (6000, 'not in the index')")
        conn.commit()
        conn.execute(change.format("true").encode())
        conn.commit()
    (said,) = structure(server)
    assert said.startswith("index kept_by_n: heap tuple")
    assert said.endswith("`REINDEX INDEX kept_by_n` makes it again")
    with psycopg.connect(server.url) as conn:
        conn.execute("REINDEX INDEX kept_by_n")
    assert structure(server) == []


def test_amcheck_finds_a_page_that_cannot_be_read_and_none_other(server: Postgres, folder: Path) -> None:
    assert structure(server) == []
    flip(server, folder, "kept", 3)
    found = structure(server)
    assert any(one.startswith("table kept cannot be read (invalid page") for one in found)
    assert not [one for one in found if "whole" in one]


def test_a_server_without_amcheck_or_without_the_right_is_told_so(server: Postgres) -> None:
    with connect(server.service_url, application="tests") as conn:
        said = may_check(conn)
    assert said in (
        "the server does not have it",
        'this account may not create it (permission denied to create extension "amcheck")',
    )
