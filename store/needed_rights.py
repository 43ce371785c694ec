"""The account of the running parts, `insitu_service`: the rights that the statements of Insitu need.

It owns nothing, so it can neither switch off a guard nor change a row that is only ever added. `migrate`,
which the owner runs, gives it these rights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from store.queries import queries

_FOLDER: Final = Path(__file__).parent / "sql"
_CHANGES: Final = (
    ("INSERT", re.compile(r"\bINSERT INTO (\w+)")),
    ("UPDATE", re.compile(r"(?<!\bFOR )(?<!\bKEY )(?<!\bDO )\bUPDATE (?!SET\b|OF\b|SKIP\b)(\w+)")),
    ("UPDATE", re.compile(r"\bINSERT INTO (\w+)(?:(?!\bINSERT INTO\b).)*?\bDO UPDATE\b")),
    ("DELETE", re.compile(r"\bDELETE FROM (\w+)")),
    ("MAINTAIN", re.compile(r"\bVACUUM (?:\([^)]*\) )?(?:\w+, )?(\w+)")),
)
_LOCK: Final = re.compile(r"\bFOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b(?: OF (\w+))?")
_OTHERS: Final = (
    ("observation", "INSERT"),  # COPY of store.observations
    ("packed_day", "INSERT"),  # COPY of store.packed.days
    ("quality_flag", "INSERT"),  # COPY of store.quality
    ("catalogue_version", "UPDATE"),  # trigger catalogue_changed
    ("broker_state", "UPDATE"),  # trigger credentials_changed
)


@cache
def needed_rights() -> str:
    """Rights to change tables, as the JSON of the database's function `grant_service`: by table, by right,
    `all` or `lock`.

    PostgreSQL locks rows only for those who may update a column of them. `lock` is that right on the
    primary key, which no statement changes.
    """
    rights: dict[str, dict[str, str]] = {}
    for table, right in _OTHERS:
        rights.setdefault(table, {})[right] = "all"
    for statement in _statements():
        for right, pattern in _CHANGES:
            for table in pattern.findall(statement):
                rights.setdefault(table, {})[right] = "all"
        for table in _locked(statement):
            rights.setdefault(table, {}).setdefault("UPDATE", "lock")
    return json.dumps(rights, sort_keys=True)


def _statements() -> Iterator[str]:
    """Every named statement on one line, without comments."""
    for path in sorted(_FOLDER.rglob("*.sql")):
        for text in queries(path.relative_to(_FOLDER).with_suffix("").as_posix()).values():
            yield " ".join(re.sub(r"--[^\n]*", "", text).split())


def _locked(statement: str) -> Iterator[str]:
    """Tables whose rows the statement locks."""
    for lock in _LOCK.finditer(statement):
        before = statement[: lock.start()]
        alias = lock.group(1)
        pattern = rf"\b(?:FROM|JOIN) (\w+) (?:AS )?{alias}\b" if alias else r"\bFROM (?!pg_)(\w+)"
        yield re.findall(pattern, before)[-1]
