"""`check --deep`: reads every page of the database, and every index beside its table."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cli.backup_source import embedded_source, with_password
from cli.policy import CannotAsk
from cli.target import Target
from insitu.embedded.backups.taking import Source
from insitu.embedded.child import Child, finish
from insitu.embedded.cluster import clean_environment, running
from insitu.errors import InsituError
from insitu.settings import load
from store.corruption import find_corruption, has_checksums, may_check, name_files
from store.database import connect

_WRONG_PAGE: Final = re.compile(r'checksum verification failed in file "\./([^"]+?)(?:\.\d+)?", block (\d+)')
_MOST: Final = 5
ADVICE: Final = (
    "A disk or its memory is damaged: stop writing to it, and restore a backup on another one "
    "(docs/operations.md)."
)


def check_pages(target: Target) -> str:
    """Every page is as its checksum says: the server itself reads them, as for a backup that goes nowhere."""
    source = _superuser(target)
    if source is None:
        raise CannotAsk(
            "this needs an account that may make backups: let the owner of the server run `pg_basebackup "
            "--target=blackhole -X none`, or `pg_checksums` while it is stopped."
        )
    with connect(_in_insitu(source), application="insitu check") as conn:
        if not has_checksums(conn):
            raise CannotAsk(
                "the database has no checksums of its pages: `pg_checksums --enable` adds them while it is "
                "stopped."
            )
        wrong = wrong_pages(source)
        if wrong:
            names = name_files(conn, [path for path, _ in wrong])
            pages = [f"{name}, page {page}" for name, (_, page) in zip(names, wrong, strict=True)]
            more = f", and {len(pages) - _MOST} more" if len(pages) > _MOST else ""
            raise InsituError(f"{'; '.join(pages[:_MOST])}{more}: not as it was written. {ADVICE}")
    return "each page is as its checksum says"


def check_structure(target: Target) -> str:
    """Every table can be read, and every index has each row of its table, once and in order."""
    source = _superuser(target)
    url = _in_insitu(source) if source is not None else target.owner_url
    with connect(url, application="insitu check") as conn:
        try:
            if (why := may_check(conn)) is not None:
                raise CannotAsk(
                    f"that needs PostgreSQL's extension amcheck: {why}. Set INSITU_POSTGRES_BIN to a server "
                    "with contrib modules, or let an administrator run CREATE EXTENSION amcheck."
                )
            wrong = list(find_corruption(conn))
        finally:
            conn.rollback()
    if wrong:
        more = f"; and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
        raise InsituError(f"{'; '.join(wrong[:_MOST])}{more}. {ADVICE}")
    return "each table can be read, and each index has its rows"


def _superuser(target: Target) -> Source | None:
    if target.running is None:
        return None
    return embedded_source(load(), target.data_dir, target.database_url)


def _in_insitu(source: Source) -> str:
    return with_password(source).replace("/postgres?", "/insitu?", 1)


def wrong_pages(source: Source) -> list[tuple[str, str]]:
    """(file, page) of each page that is not as its checksum says."""
    command = [str(source.binaries / "pg_basebackup"), "-d", source.url, "--target=blackhole", "-X", "none"]
    with TemporaryDirectory(prefix="insitu-check-") as folder:
        log = Path(folder) / "log"
        child = Child(
            [*command, "-c", "fast", "--no-password"],
            log=log,
            env={**clean_environment(), "PGPASSWORD": source.password},
            cwd=Path("/"),
        )
        code = finish(running(child))
        words = log.read_text("utf-8", "replace")
    found = [(match[1], match[2]) for match in _WRONG_PAGE.finditer(words)]
    if code != 0 and not found:
        raise InsituError(f"The pages could not be read: {' / '.join(words.strip().splitlines()[-3:])}")
    return found
