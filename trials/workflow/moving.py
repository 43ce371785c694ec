"""The catalogue of an installation as one file, and the way into an empty installation.

The file is a zip: `manifest.json`, and for each table a JSON array with a row a line, by primary key. The
same catalogue makes the same bytes. docs/moving.md describes it.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from insitu.errors import (
    AlreadyExists,
    CorrectInput,
    FixPermissions,
    RetryLater,
    RowRefused,
    UpgradeInsitu,
)
from store.audit import record
from store.catalogue.moving import (
    LEAST_LEFT,
    MOVED,
    begin_import,
    enter_catalogue,
    find_used_up,
    list_catalogue,
    list_present,
    moved_columns,
)
from store.constraints import NOUNS
from store.database import Connection
from store.evidence import find_differences

FORMAT: Final = "insitu-catalogue"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
LARGEST: Final = 1 << 30
"""Bytes of an unpacked file of the zip. More is no catalogue."""
_SAME_DAY: Final = (1980, 1, 1, 0, 0, 0)
"""Of every file in the zip: a moment would make other bytes."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    rows: int
    sha256: str


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: str
    version: int
    simulated: bool
    files: dict[str, _File]


@dataclass(frozen=True, slots=True)
class Exported:
    content: bytes
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class Imported:
    """`rows` by table, without empty ones. `lab`: logins of the lab, who can let the others in."""

    sha256: str
    rows: dict[str, int]
    lab: list[str]


def export_catalogue(conn: Connection, *, by: str, now: datetime, simulated: bool) -> Exported:
    """The catalogue as it is now, with a line in the audit log. The caller owns the transaction."""
    files = {f"{name}.json": _written(lines) for name, lines in list_catalogue(conn).items()}
    counts = {name: content.count(b"\n") - 2 for name, content in files.items()}
    manifest = _Manifest(
        format=FORMAT,
        version=VERSION,
        simulated=simulated,
        files={n: _File(rows=counts[n], sha256=_sha256(content)) for n, content in files.items()},
    )
    if sum(map(len, files.values())) > LARGEST:
        raise CorrectInput(
            "The catalogue is too large to be imported again, most of it pictures of plans: remove plans "
            "that nobody needs, or move the whole installation by backup and restore."
        )
    head = json.dumps(manifest.model_dump(), indent=1, sort_keys=True).encode() + b"\n"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in ({MANIFEST: head} | files).items():
            info = zipfile.ZipInfo(name, _SAME_DAY)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o600 << 16
            archive.writestr(info, content)
    done = Exported(made.getvalue(), _sha256(made.getvalue()), sum(counts.values()))
    detail = {"sha256": done.sha256, "rows": done.rows}
    record(conn, at=now, login=by, action="export catalogue", subject="catalogue", detail=detail)
    return done


def import_catalogue(
    conn: Connection, content: bytes, *, by: str, now: datetime, simulated: bool
) -> Imported:
    """Enter the catalogue of a file into an installation that has none, with a line in the audit log.

    `conn` is of the owner of the tables; the caller owns the transaction. CorrectInput says what is wrong
    with the file or what is there already; roll back then, and nothing is entered.
    """
    if not begin_import(conn):
        raise RetryLater(
            "Somebody else imports a catalogue at this moment: wait until that has ended, then look what is "
            "there. Nothing was entered."
        )
    _require_nothing(conn)
    lines = _read(content, moved_columns(conn), simulated=simulated)
    _require_numbers_left(conn, lines)
    try:
        with conn.transaction():
            entered = enter_catalogue(conn, lines, now=now)
            counts = {name: number for name, number in entered.rows.items() if number}
            sha256 = _sha256(content)
            detail = {"sha256": sha256, "rows": sum(counts.values()), "numbers": entered.numbers}
            record(conn, at=now, login=by, action="import catalogue", subject="catalogue", detail=detail)
            problems = find_differences(conn)
    except FixPermissions as error:
        raise FixPermissions(
            "Only the account that owns the tables imports a catalogue: set INSITU_OWNER_DATABASE_URL."
        ) from error
    except (RowRefused, AlreadyExists) as error:
        raise CorrectInput(f"The catalogue does not fit together: {error} Nothing was entered.") from error
    if problems:
        raise CorrectInput(
            f"The catalogue does not agree with itself: {problems[0]}. Nothing was entered; export it again."
        )
    people = (json.loads(one) for one in lines["person"])
    lab = [one["login"] for one in people if one.get("role") == "lab" and one.get("disabled_at") is None]
    return Imported(sha256, counts, lab)


def _require_nothing(conn: Connection) -> None:
    present = list_present(conn)
    if present:
        words = ", ".join(f"{NOUNS[one.name]} ({one.number})" for one in present)
        raise CorrectInput(
            f"This installation has a catalogue already: {words}. A catalogue is imported into an "
            "installation that was only started: begin with another data directory or an empty database. "
            "Nothing was entered."
        )


def _require_numbers_left(conn: Connection, lines: Mapping[str, Sequence[str]]) -> None:
    for name, column, number in find_used_up(conn, lines):
        raise CorrectInput(
            f"{name}.json: {column} {number} leaves fewer than {LEAST_LEFT:,} numbers for what comes after. "
            "Insitu counts up from 1, so somebody wrote this number by hand. Nothing was entered."
        )


def _read(content: bytes, columns: Mapping[str, Sequence[str]], *, simulated: bool) -> dict[str, list[str]]:
    """Table → the lines of its rows."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = _unpacked(archive)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise CorrectInput(
            f"This is no catalogue ({error}): `insitu catalogue export FILE` writes one."
        ) from error
    manifest = _manifest(files.pop(MANIFEST, b""))
    if manifest.simulated != simulated:
        one, other = ("simulated", "real") if manifest.simulated else ("real", "simulated")
        raise CorrectInput(
            f"The catalogue comes from a {one} time, and this installation runs in a {other} one."
        )
    wanted = {f"{name}.json" for name in MOVED}
    for name in sorted(wanted ^ set(files)) or sorted(wanted ^ set(manifest.files)):
        raise CorrectInput(f"{name} is {'missing' if name in wanted else 'no part of a catalogue'}.")
    for name, stated in manifest.files.items():
        if _sha256(files[name]) != stated.sha256:
            raise CorrectInput(f"{name} was changed since the export: its SHA-256 is another one.")
    lines = {name: _lines(name, files[f"{name}.json"], columns[name]) for name in MOVED}
    for name, found in lines.items():
        if len(found) != manifest.files[f"{name}.json"].rows:
            raise CorrectInput(f"{name}.json has {len(found)} rows, unlike the manifest.")
    return lines


def _unpacked(archive: zipfile.ZipFile) -> dict[str, bytes]:
    names = archive.namelist()
    if len(set(names)) < len(names):
        raise CorrectInput("A name is twice in the catalogue.")
    wanted = {MANIFEST, *(f"{name}.json" for name in MOVED)}
    for one in archive.infolist():  # before anything is unpacked
        if one.filename not in wanted:
            raise CorrectInput(f"{one.filename} is no part of a catalogue.")
        if one.file_size > LARGEST:
            raise CorrectInput(f"{one.filename} is too large for a part of a catalogue.")
    if sum(one.file_size for one in archive.infolist()) > LARGEST:
        raise CorrectInput("The catalogue is larger than any that Insitu writes.")
    return {name: archive.read(name) for name in names}


def _manifest(content: bytes) -> _Manifest:
    try:
        stated = json.loads(content)
        if not isinstance(stated, dict) or stated.get("format") != FORMAT:
            raise CorrectInput(f"This is no catalogue: {MANIFEST} does not say {FORMAT!r}.")
        if stated.get("version") != VERSION:
            raise UpgradeInsitu(
                f"The catalogue has version {stated.get('version')!r} of its format; this Insitu reads "
                f"version {VERSION}: use the version of Insitu that wrote it, or a newer one."
            )
        return _Manifest.model_validate(stated)
    except (ValidationError, ValueError, RecursionError) as error:
        raise CorrectInput(f"This is no catalogue: {MANIFEST} cannot be read.") from error


def _lines(name: str, content: bytes, columns: Sequence[str]) -> list[str]:
    """The rows as they are written. CorrectInput for a row that is not on a line of its own, and for other
    columns than the table has here.
    """
    lines = [line.removesuffix(b",") for line in content.split(b"\n")[1:-2]]
    try:
        rows: Any = json.loads(content)
        each = [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        rows, each = None, []
    if not isinstance(rows, list) or each != rows:
        raise CorrectInput(f"{name}.json is no JSON array with a row on each line: export it again.")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or set(row) != set(rows[0]):
            raise CorrectInput(f"{name}.json: row {number} has other keys than the first one.")
        for key in sorted(set(row) - set(columns)):
            raise CorrectInput(
                f"{name}.json: row {number} has {key!r}, which this version of Insitu does not know: import "
                "it with the version that wrote it, or a newer one."
            )
    return [line.decode() for line in lines]


def _written(lines: Sequence[str]) -> bytes:
    return ("[\n" + ",\n".join(lines) + ("\n" if lines else "") + "]\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
