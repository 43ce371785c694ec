"""Posts and imports on a disk with too little room: the sender hears of it, nothing is written, and both go
on by themselves when there is room. The ingestor's part is in tests/embedded/test_room.py, on a disk that is
full.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ingest.files.layout import understand
from ingest.files.load import Loader
from ingest.files.mapping import make_map
from ingest.http import Answer, Taker
from insitu.clock import SYSTEM
from insitu.errors import FreeSpace
from insitu.room import Room
from store.catalogue.snapshot import load_snapshot
from store.database import Connection, connect
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_posts import post, stored, taker

__all__ = ["taker"]
MB = 1_000_000


class Disk:
    """A disk of 10 GB whose free space a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 5000 * MB
        monkeypatch.setattr("insitu.room.shutil.disk_usage", lambda _folder: self._usage())
        monkeypatch.setattr("insitu.room._EVERY_S", 0.0)

    def _usage(self) -> SimpleNamespace:
        return SimpleNamespace(free=self.free, total=10_000 * MB)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_a_post_is_told_that_there_is_no_room_and_is_taken_once_there_is(
    taker: Taker, disk: Disk, database_url: str, conn: Connection, tmp_path: Path
) -> None:
    room = Room(tmp_path, 500 * MB)
    careful = Taker(lambda: connect(database_url, application="tests"), SYSTEM, None, room)
    disk.free = 400 * MB
    (refused,) = careful.take([post("a", 1)])
    assert isinstance(refused, FreeSpace)
    assert "400 MB free of 10,000 MB" in str(refused)
    assert stored(conn) == []
    disk.free = 700 * MB
    (answer,) = careful.take([post("a", 1)])
    assert isinstance(answer, Answer)
    assert stored(conn) == [1]


def test_an_import_stops_between_two_batches_and_is_completed_by_the_next(
    conn: Connection, catalogue: SmallTrial, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.files.load.BATCH", 10)
    path = tmp_path / "x.csv"
    rows = [f"2026-03-02T{n // 60:02}:{n % 60:02}:00Z,{n}" for n in range(35)]
    path.write_text("time,pm25\n" + "\n".join(rows) + "\n", "utf-8")
    said = make_map({"trial": "t", "device": "a"}, source="test")
    layout = understand(path, said, load_snapshot(conn))
    loader = Loader(conn, layout, clock=SYSTEM, room=Room(tmp_path, 500 * MB))

    def fill(_share: float, _summary: object) -> None:
        disk.free = 100 * MB

    with pytest.raises(FreeSpace, match="Then run the import again"):
        loader.run(fill)
    conn.rollback()
    assert stored(conn) == [float(n) for n in range(10)]
    disk.free = 5000 * MB
    again = Loader(
        conn, understand(path, said, load_snapshot(conn)), clock=SYSTEM, room=Room(tmp_path, 500 * MB)
    )
    summary = again.run(lambda _share, _summary: None)
    assert (summary.stored, summary.duplicate) == (25, 10)
    assert stored(conn) == [float(n) for n in range(35)]
