"""`insitu observations`: the observations of a trial as one file, in a form that other programs read."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from api.arrow_tables import write_arrow, write_parquet
from api.csv_table import EARLIEST, Write, write_csv
from cli.actor import open_acting
from cli.fields import to_utc
from cli.output import say
from insitu.errors import CorrectInput, NotFound
from insitu.whole import sync_folder
from store.audit import record
from store.catalogue.datastreams import list_datastreams
from store.catalogue.trials import get_trial
from store.rights import Act

if TYPE_CHECKING:
    from store.database import Connection

FORMATS: Final[dict[str, Write]] = {".csv": write_csv, ".parquet": write_parquet, ".arrow": write_arrow}


def observations(
    trial: str,
    to: Annotated[Path, typer.Argument(help="The file; its name ends in .csv, .parquet or .arrow.")],
    device: Annotated[str, typer.Option(help="Only this device's.")] = "",
    start: Annotated[
        datetime | None, typer.Option(help="From this time on (UTC, or with an offset).")
    ] = None,
    end: Annotated[datetime | None, typer.Option(help="Before this time; default: now.")] = None,
) -> None:
    """Write the observations of a trial, by datastream and time, with flags and times of receipt."""
    write = FORMATS.get(to.suffix)
    if write is None:
        raise CorrectInput(f"{to} does not say its form: let its name end in {', '.join(FORMATS)}.")
    target, conn, actor = open_acting("insitu observations", act=Act.READ_MEASUREMENTS, trial=trial)
    with conn:
        now = target.clock.now()
        streams = _streams(conn, trial, device)
        since, until = to_utc(start) if start else EARLIEST, to_utc(end) if end else now
        write_file(to, lambda file: write(conn, streams, since, until, file))
        conn.rollback()
        detail = {"file": to.name} | ({"device": device} if device else {})
        record(conn, at=now, login=actor, action="download", subject=trial, detail=detail)
    say(f"{to}: {to.stat().st_size:,} bytes")


def _streams(conn: Connection, trial: str, device: str) -> list[int]:
    get_trial(conn, trial)
    found = list_datastreams(conn, trial)
    if device and device not in {one.device for one in found}:
        raise NotFound(
            f"There is no device {device!r} with datastreams in {trial}: `insitu devices {trial}`."
        )
    return [one.datastream_id for one in found if device in ("", one.device)]


def write_file(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write under another name beside it, then rename: the file is whole or not there. An earlier file of
    that name is replaced.
    """
    if not path.parent.is_dir():
        raise CorrectInput(f"There is no folder {path.parent}.")
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    sync_folder(path.parent)
