"""The part of an import that pages and routes share: checks of the file, preview, import."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from api.access import require_right
from api.uploads import MOST_BYTES, MOST_UNPACKED, Uploads, owner_of
from ingest.acts.importing import SayColumns, import_file, understand_file
from ingest.files.containers import open_container, require_small
from ingest.files.load import Summary
from ingest.files.mapping import FileMap, make_map
from ingest.files.messages import Made, messages
from ingest.files.shape import Layout
from insitu.clock import Clock
from insitu.errors import CorrectInput
from insitu.wire import PREFIX
from store.access import Viewer, visible_trial
from store.catalogue.trials import Trial
from store.database import Connection
from store.rights import Act

_FIRST_ROWS: Final = 5
_OPTION: Final = re.compile(r"--([a-z-]+)")
_FIELDS: Final = {"map": "columns", "time-column": "time_columns", "long": "property_column"}
"""Options of the command line whose field has another name."""


@dataclass(frozen=True, slots=True)
class FirstRow:
    """A row as it would be sent. `results`: field → result."""

    row: int
    device: str
    time: datetime | None
    results: dict[str, Any]
    problem: str


@dataclass(frozen=True, slots=True)
class Understood:
    """`summary`: of the import, or of what it would do."""

    file: str
    sentences: list[str]
    first_rows: list[FirstRow]
    summary: Summary


def require_importable(conn: Connection, viewer: Viewer, trial: str) -> Trial:
    """The trial, for those who import results into it; raises NotFound for everybody else."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.IMPORT, f"import into {trial!r}", found)
    return found


def keep_file(uploads: Uploads, viewer: Viewer, trial: Trial, name: str, content: bytes) -> str:
    """The token of a file that was sent. CorrectInput for one that is empty, too large, or no table."""
    if not content:
        raise CorrectInput("Choose a file that is not empty.")
    if len(content) > MOST_BYTES:
        raise CorrectInput(
            f"A file has at most {MOST_BYTES >> 20} MB here: cut it, or pack it as .zip or .gz."
        )
    owner = owner_of(viewer.person_id, trial.trial_id)
    token = uploads.put(owner, name, content)
    path = uploads.find(owner, token)
    try:
        require_small(path, MOST_UNPACKED)
    except CorrectInput as error:
        uploads.drop(owner, token)
        raise without_path(error, path) from None
    return token


def describe(trial: str, given: dict[str, Any]) -> FileMap:
    """The description of a file. CorrectInput names each field that is wrong."""
    return make_map({**given, "trial": trial}, source="description")


def run_import(
    conn: Connection, path: Path, said: FileMap, *, clock: Clock, by: str, dry: bool
) -> Understood:
    """Understand the file and import it, or with `dry` count what that would do. Commits after each batch."""
    try:
        if open_container(path, said.member).kind == "parquet":
            raise CorrectInput(f"{path} is Parquet: save it as CSV or XLSX to import it here.")
        layout = understand_file(conn, path, said)
        conn.rollback()
        first = _first_rows(layout)
        summary = import_file(conn, path, layout, clock=clock, by=by, dry=dry)
    except CorrectInput as error:
        raise without_path(error, path) from None
    return Understood(path.name, list(layout.sentences), first, summary)


def _first_rows(layout: Layout) -> list[FirstRow]:
    made = itertools.islice((one for one in messages(layout) if one.topic), _FIRST_ROWS)
    return [_first_row(one) for one in made]


def _first_row(one: Made) -> FirstRow:
    device = one.topic.removeprefix(f"{PREFIX}/").split("/")[1]
    if one.problem:
        return FirstRow(one.row, device, None, {}, one.problem)
    sent = json.loads(one.payload)
    items = sent.get("observations", [])
    results = sent.get("results", {item["property"]: item["result"] for item in items})
    return FirstRow(one.row, device, _time(sent.get("time") or items[0]["time"]), results, "")


def _time(text: str) -> datetime | None:
    """None for a time that no calendar has."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def rename_options(text: str, name_of: Callable[[str], str]) -> str:
    """A refusal that names options of the command line, with what `name_of` says of each field of a
    description.
    """
    return _OPTION.sub(lambda found: name_of(_FIELDS.get(found[1], found[1].replace("-", "_"))), text)


def without_path(error: CorrectInput, path: Path) -> CorrectInput:
    """The same refusal with the name of the file instead of where it lies on this machine."""
    text = str(error).replace(str(path), path.name)
    return SayColumns(text, error.tables) if isinstance(error, SayColumns) else CorrectInput(text)
