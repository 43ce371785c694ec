"""The proof behind docs/validation.md: 2,000 replications of every cell of the list, or `--replications`. Run
by `make nightly`; takes about three hours of two processors. With `--write-validation` it stores what it
measured, and keeps a row of more replications whose first ones are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest

from proving.coverage import bounds
from proving.coverage.bounds import Beyond, Result
from proving.coverage.entries import OPENING, Entry, list_entries
from proving.coverage.intervals import pool_of
from proving.coverage.page import write_page
from proving.coverage.results import (
    Row,
    digest_code,
    is_same,
    load_rows,
    may_stay,
    measured_row,
    replicating,
    save_rows,
)

GROUPS = {group: list(of) for group, of in groupby(list_entries(), lambda entry: entry.group)}
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(4 * 3600)]


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor | None]:
    with pool_of(2) as made:
        yield made


def beyond(found: list[Result]) -> set[tuple[str, str]]:
    return {named(one) for one in bounds.of_results(found)}


def named(one: Beyond) -> tuple[str, str]:
    return one.where, one.what


@pytest.mark.parametrize("group", GROUPS)
def test_every_cell_holds_its_bounds_or_the_page_says_it_does_not(
    group: str, pool: ProcessPoolExecutor | None, request: pytest.FixtureRequest
) -> None:
    rows, entries = load_rows(), GROUPS[group]
    replications = request.config.getoption("--replications")
    finding = [(entry, replicating(entry, replications, pool)) for entry in entries]
    found = {entry.key: (entry, find()) for entry, find in finding}
    if request.config.getoption("--write-validation"):
        code = digest_code()
        rows |= {
            key: larger(rows.get(key), measured_row(entry, all_of, code), entry)
            for key, (entry, all_of) in found.items()
        }
        save_rows(rows[entry.key] for entry in list_entries() if entry.key in rows)
        write_page()
    stored: list[Result] = [read(entry, rows[entry.key]) for entry in entries]
    assert beyond([entry.count(all_of) for entry, all_of in found.values()]) <= beyond(stored)
    for key, (entry, all_of) in found.items():
        row = rows[key]
        if row.replications > replications:
            assert is_same(entry.opening(all_of[:OPENING]), row.opening), key
            continue
        numbers = flat(entry.numbers(all_of[: row.replications]))
        assert numbers == pytest.approx(flat(row.numbers), rel=1e-4), key


def larger(row: Row | None, measured: Row, entry: Entry) -> Row:
    """The stored row, if it counts more replications and its first ones are still the same."""
    if may_stay(row, entry, measured.replications) and is_same(row.opening, measured.opening):
        return replace(row, rules=measured.rules, code=measured.code)
    return measured


def read(entry: Entry, row: Row) -> Result:
    return entry.read(row.numbers, row.replications)


def flat(numbers: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Names joined by dots."""
    found = {}
    for name, value in numbers.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {before + name: value}
    return found
