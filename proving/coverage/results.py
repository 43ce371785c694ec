"""The measured cells as data, `results/cells.jsonl`: a line for each, with what it was measured by."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np

from proving.coverage.entries import OPENING, Entry, OfWorld, Opening
from proving.coverage.intervals import CHUNK, SEED
from trials.plan.rules import NEWEST

ROOT: Final = Path(__file__).resolve().parents[2]
CELLS: Final = Path(__file__).parent / "results" / "cells.jsonl"
ALCOVES: Final = ("statistics", "designs", "judge", "series", "plan")
"""Of `trials`: their code decides the numbers."""
CLOSE: Final = 1e-6
"""Relative difference between processor types."""


@dataclass(frozen=True, slots=True)
class Row:
    """One cell as measured."""

    key: str
    rules: int
    """By which its first replications give the same."""
    drawn: int
    """Rules by which all of them were drawn."""
    seed: int
    replications: int
    code: str
    """Digest of the calculating modules, so that a measurement that was stopped continues."""
    opening: Opening
    """Of the first 50 replications: what they must still give."""
    numbers: Mapping[str, Any]


def load_rows(path: Path = CELLS) -> dict[str, Row]:
    """Key → row; empty if nothing has been measured."""
    if not path.is_file():
        return {}
    found = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    rows = (Row(**{"drawn": one["rules"], **one}) for one in found)
    return {row.key: row for row in rows}


def save_rows(rows: Iterable[Row], path: Path = CELLS) -> None:
    """All or nothing."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".new")
    lines = (json.dumps(asdict(row), ensure_ascii=False) for row in rows)
    new.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    os.replace(new, path)


def digest_code() -> str:
    """Of the calculating modules without comments and docstrings."""
    found = hashlib.sha256()
    for alcove in ALCOVES:
        for path in sorted((ROOT / "trials" / alcove).rglob("*.py")):
            found.update(f"{path.relative_to(ROOT)}\n{bare(path.read_text('utf-8'))}\n".encode())
    return found.hexdigest()[:16]


def bare(source: str) -> str:
    """A module's syntax tree as text, without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_same(one: Opening, other: Opening) -> bool:
    """To the accuracy at which processor types agree."""
    return one.keys() == other.keys() and all(
        np.allclose(one[name], other[name], rtol=CLOSE, atol=1e-9) for name in one
    )


def is_of_now(row: Row | None, entry: Entry) -> bool:
    """Measured by today's seed and rules, or by those since which nothing changed for it."""
    return row is not None and row.rules >= entry.since and row.seed == SEED


def may_stay(row: Row | None, entry: Entry, replications: int) -> TypeGuard[Row]:
    """Whether a row is as good as a new one if its first replications still give the same. Of other rules it
    is only where those are numbers: a few verdicts may be the same by chance.
    """
    if row is None or row.seed != SEED or row.replications < replications:
        return False
    return row.rules == NEWEST or isinstance(entry, OfWorld)


def measured_row(entry: Entry, found: Sequence[Any], code: str) -> Row:
    opening = entry.opening(found[:OPENING])
    return Row(entry.key, NEWEST, NEWEST, SEED, len(found), code, opening, entry.numbers(found))


def replicating(entry: Entry, replications: int, pool: ProcessPoolExecutor | None) -> Callable[[], list[Any]]:
    """Begins in the processes of `pool`; the function waits for all replications."""
    spans = [range(first, min(first + CHUNK, replications)) for first in range(0, replications, CHUNK)]
    if pool is None:
        return lambda: [one for span in spans for one in entry.replicate(span)]
    running = [pool.submit(entry.replicate, span) for span in spans]
    return lambda: [one for part in running for one in part.result()]


def measure_rows(
    entries: Sequence[Entry],
    rows: Mapping[str, Row],
    *,
    replications: int,
    pool: ProcessPoolExecutor | None,
    code: str,
) -> Iterator[Row]:
    """A row for each entry, in order. Keeps a row that has as many replications, if rules and code are the
    same or its first 50 still give the same (`may_stay`). `code`: digest of the calculating modules.
    """
    waiting: list[tuple[Entry, Row | None, Callable[[], list[Any]]]] = []
    for entry in entries:
        row = rows.get(entry.key)
        if not may_stay(row, entry, replications):
            waiting.append((entry, None, replicating(entry, replications, pool)))
        elif row.rules == NEWEST and row.code == code:
            waiting.append((entry, row, list))
        else:
            waiting.append((entry, row, replicating(entry, OPENING, pool)))
    for entry, row, find in waiting:
        found = find()
        if row is None:
            yield measured_row(entry, found, code)
        elif not found or is_same(entry.opening(found), row.opening):
            yield replace(row, rules=NEWEST, code=code)
        else:
            yield measured_row(entry, replicating(entry, replications, pool)(), code)
