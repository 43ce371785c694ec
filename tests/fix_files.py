"""Writes files and imports them into the small trial."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.files.layout import understand
from ingest.files.load import Loader, Summary, fingerprint
from ingest.files.mapping import make_map
from insitu.clock import SYSTEM
from store.catalogue.snapshot import load_snapshot
from store.corrections import Correction
from store.database import Connection
from store.imports import Origin
from store.ledger import recount
from tests.fix_catalogue import START, SmallTrial

Load = Callable[..., Summary]
NOON = "2026-03-02T12:00:00Z"


@pytest.fixture
def load(conn: Connection, catalogue: SmallTrial, tmp_path: Path) -> Load:
    """load(content, said…) writes a file and imports it for device `a`."""

    def run(
        content: str | bytes | Path, *, name: str = "x.csv", reason: str = "", dry: bool = False, **said: Any
    ) -> Summary:
        path = content if isinstance(content, Path) else tmp_path / name
        if not isinstance(content, Path):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        given = {
            "trial": "t",
            **({} if "device_column" in said or "device" in said else {"device": "a"}),
            **said,
        }
        layout = understand(
            path,
            make_map({k: v for k, v in given.items() if v is not None}, source="test"),
            load_snapshot(conn),
        )
        correction = Correction("t", "lab", reason, path.name, fingerprint(path)) if reason else None
        origin = Origin(path.name, "lab", "t", fingerprint(path), layout.sentences)
        loader = Loader(conn, layout, clock=SYSTEM, dry=dry, correction=correction, origin=origin)
        summary = loader.run(lambda done, so_far: None)
        assert recount(conn) == []
        return summary

    return run


def stored(conn: Connection, stream: int) -> list[tuple[str, float]]:
    found = conn.execute(
        "SELECT phenomenon_time, result FROM observation WHERE datastream_id = %s ORDER BY 1", (stream,)
    ).fetchall()
    conn.rollback()
    return [(at.astimezone(UTC).isoformat()[:-6], result) for at, result in found]


def reasons(summary: Summary) -> dict[str, tuple[int, int, int]]:
    """Reason → (rows, results, first row)."""
    return {
        str(reason): (found.rows, found.results, found.first_row) for reason, found in summary.refused.items()
    }


def deploy_since(conn: Connection, device_id: int, start: datetime) -> None:
    conn.execute(
        "UPDATE deployment SET period = tstzrange(%s, NULL) WHERE device_id = %s", (start, device_id)
    )
    conn.execute("UPDATE device SET name = name")  # the catalogue changes
    conn.commit()


def quarter_hours(n: int) -> list[str]:
    return [f"{(START + timedelta(minutes=15 * i)).isoformat()},{i}.5" for i in range(n)]
