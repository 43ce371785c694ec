"""docs/validation.md is what the stored results give, and the results are those of today's code; `pytest
--write-validation` writes the page and the comparisons, `insitu bench evaluate --write` measures the cells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from insitu.errors import CorrectInput
from proving.coverage import bounds
from proving.coverage.bounds import Beyond
from proving.coverage.entries import OPENING, Entry, OfSilence, OfWorld, list_entries
from proving.coverage.forecasts import Forecast
from proving.coverage.intervals import SEED, Counts, Measured
from proving.coverage.measuring import write_validation
from proving.coverage.missing import Judged, Silent
from proving.coverage.page import ORACLES as STORED
from proving.coverage.page import (
    PAGE,
    Compared,
    blocks_of,
    load_oracles,
    marks_of,
    render,
    waiting_cells,
    write_page,
)
from proving.coverage.results import (
    Row,
    bare,
    digest_code,
    is_of_now,
    is_same,
    load_rows,
    may_stay,
    measure_rows,
    save_rows,
)
from simulators.worlds.cell import USUAL, Cell
from simulators.worlds.register import WORLDS
from tests.examples import some_of
from tests.trials.oracles import ORACLES, Oracle
from trials.plan.rules import NEWEST, RULES_1

AGAIN = "run: insitu bench evaluate --write"
WRITE = "run: pytest tests/trials/test_validation_page.py --write-validation"
NOISE = 1e-12
"""Differences below it are rounding, which another processor may do otherwise."""


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    return load_rows()


def sample() -> list[Entry]:
    """The usual cell of every world, whose coverage tests/trials/test_coverage.py judges, or the middle one;
    and the middle one of every design or target of the other groups.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in list_entries():
        groups.setdefault(entry.key.partition("φ")[0], []).append(entry)
    usual = {OfWorld(world, USUAL).key for world in WORLDS.values()}
    return [next((entry for entry in of if entry.key in usual), of[len(of) // 2]) for of in groups.values()]


# -- the page and its results


def test_the_page_has_the_comparisons_that_the_tests_make(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--write-validation"):
        made = [
            Compared(one.statistic, one.other, one.cases, float(f"{one.difference():.0e}"), one.most)
            for one in ORACLES
        ]
        STORED.write_text(
            json.dumps([asdict(one) for one in made], ensure_ascii=False, indent=1) + "\n", "utf-8"
        )
    assert [(one.statistic, one.other) for one in load_oracles()] == [
        (one.statistic, one.other) for one in ORACLES
    ], WRITE


def test_the_page_is_what_the_results_give(rows: Mapping[str, Row], request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--write-validation"):
        write_page()
    text = PAGE.read_text("utf-8")
    assert render(text, blocks_of(rows, load_oracles())) == text, WRITE


def test_every_block_has_its_place_on_the_page_once(rows: Mapping[str, Row]) -> None:
    assert sorted(marks_of(PAGE.read_text("utf-8"))) == sorted(blocks_of(rows, load_oracles()))


def test_every_cell_is_of_todays_rules_or_the_page_says_that_it_waits(rows: Mapping[str, Row]) -> None:
    waiting = waiting_cells(rows)
    text = PAGE.read_text("utf-8")
    keys = [entry.key for entry in list_entries()]
    assert list(rows) == [key for key in keys if key in rows], AGAIN
    assert ("cells wait to be measured" in text) is bool(waiting)
    for group in dict.fromkeys(entry.group for entry in waiting):
        assert f"{group} ({sum(entry.group == group for entry in waiting)})" in text, AGAIN


@pytest.mark.nightly
def test_no_cell_waits_to_be_measured(rows: Mapping[str, Row]) -> None:
    assert [entry.key for entry in waiting_cells(rows)] == [], AGAIN


@pytest.mark.long
@pytest.mark.parametrize("entry", some_of(sample(), every=2), ids=lambda entry: entry.key)
def test_a_cell_drawn_again_gives_the_stored_results(entry: Entry, rows: Mapping[str, Row]) -> None:
    """Its first fifty replications, to the accuracy at which processors agree. A cell that waits has nothing
    to give again, and the page says so.
    """
    row = rows.get(entry.key)
    if row is None or not is_of_now(row, entry):
        assert f"{entry.group} (" in PAGE.read_text("utf-8").partition("cells wait")[2]
        return
    found = entry.replicate(range(OPENING))
    assert is_same(entry.opening(found), row.opening), AGAIN


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.statistic)
def test_a_statistic_agrees_with_another_implementation(oracle: Oracle) -> None:
    difference = oracle.difference()
    assert difference <= oracle.most
    (stored,) = [
        one for one in load_oracles() if (one.statistic, one.other) == (oracle.statistic, oracle.other)
    ]
    assert (stored.cases, stored.most) == (oracle.cases, oracle.most), WRITE
    assert difference <= max(10 * stored.difference, NOISE), WRITE


# -- how cells are measured and kept

SHORT: Entry = OfWorld(WORLDS["limit"], Cell(0.7, 14))


CODE = "now"


def measured(rows: Sequence[Row] = (), replications: int = 60) -> Row:
    known = {row.key: row for row in rows}
    (row,) = measure_rows([SHORT], known, replications=replications, pool=None, code=CODE)
    return row


def test_a_row_goes_to_its_file_and_back(tmp_path: Path) -> None:
    row = measured()
    save_rows([row], tmp_path / "results" / "cells.jsonl")
    assert load_rows(tmp_path / "results" / "cells.jsonl") == {SHORT.key: row}
    again = SHORT.read(row.numbers, row.replications)
    assert isinstance(again, Measured)
    assert again.counts["mean"].coverage == pytest.approx(row.numbers["counts"]["mean"]["coverage"])
    assert (row.rules, row.replications, row.code) == (NEWEST, 60, CODE)


def test_a_row_is_kept_while_its_code_or_its_first_replications_are_the_same() -> None:
    plain = measured()
    kept = replace(plain, numbers={"answered": 60, "met": 0.25, "counts": {}})
    assert measured([kept]) == kept
    assert measured([replace(kept, code="other")]) == kept
    assert measured([replace(kept, rules=RULES_1)]) == kept
    other = {name: [n, low + 1e-3, high] for name, (n, low, high) in kept.opening.items()}
    for stale in (
        replace(kept, code="other", opening=other),
        replace(kept, rules=RULES_1, opening=other),
        replace(kept, seed=1),
        replace(kept, replications=59),
    ):
        assert measured([stale]) == plain


def test_verdicts_of_other_rules_are_counted_again_though_the_first_are_the_same() -> None:
    entry = next(one for one in list_entries() if isinstance(one, OfSilence))
    row = Row(entry.key, NEWEST, NEWEST, SEED, 50, CODE, {}, {})
    assert may_stay(row, entry, 50)
    assert not may_stay(replace(row, rules=RULES_1), entry, 50)
    assert may_stay(replace(row, rules=RULES_1), SHORT, 50)
    assert not may_stay(replace(row, rules=RULES_1), SHORT, 51)


def test_comments_and_docstrings_are_no_part_of_the_code() -> None:
    plain = "def f():\n    return 1\n"
    assert bare(plain) == bare('"""Why."""\n\ndef f():\n    """What."""\n    return 1  # one\n')
    assert bare(plain) != bare("def f():\n    return 2\n")


def test_a_stopped_measurement_goes_on_with_the_cells_that_are_missing_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries: list[Entry] = [OfWorld(WORLDS["limit"], Cell(phi, 14)) for phi in (0.0, 0.7)]
    cells, page = tmp_path / "cells.jsonl", tmp_path / "validation.md"
    save_rows([replace(measured(), code=digest_code())], cells)
    page.write_text(PAGE.read_text("utf-8"), "utf-8")
    write_validation(entries, replications=60, again=60, processes=1, cells=cells, page=page)
    said = capsys.readouterr().out
    assert "1 of 2: limit: φ 0, 14 days" in said
    assert "φ 0.7" not in said
    assert list(load_rows(cells)) == [entry.key for entry in entries]
    text = page.read_text("utf-8")
    assert "2 cells: 2 of 60 replications" in text
    assert "Not measured yet." in text


def test_one_group_is_measured_and_the_others_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = OfWorld(WORLDS["counts"], Cell(0.7, 14))
    cells, page = tmp_path / "cells.jsonl", tmp_path / "validation.md"
    page.write_text(PAGE.read_text("utf-8"), "utf-8")
    given = {"replications": 50, "again": 50, "processes": 1, "cells": cells, "page": page}
    write_validation([other, SHORT], only=["limit"], **given)
    assert list(load_rows(cells)) == [SHORT.key]
    with pytest.raises(CorrectInput, match="There is no group 'limits': counts, limit"):
        write_validation([other, SHORT], only=["limits"], **given)
    assert "counts" not in capsys.readouterr().out


def test_a_row_is_of_today_if_nothing_has_changed_for_it_since() -> None:
    """Rules 6 ask every design something new: clocks, who was there, weeks."""
    silence = next(one for one in list_entries() if isinstance(one, OfSilence))
    row = replace(measured(), rules=6, drawn=2)
    for entry in (SHORT, silence):
        assert is_of_now(row, entry)
        assert not is_of_now(replace(row, rules=5), entry)
        assert not is_of_now(replace(row, seed=1), entry)


def test_a_row_says_by_which_rules_it_was_drawn_though_it_is_kept(tmp_path: Path) -> None:
    kept = measured([replace(measured(), rules=RULES_1, drawn=RULES_1)])
    assert (kept.rules, kept.drawn) == (NEWEST, RULES_1)
    save_rows([kept], tmp_path / "cells.jsonl")
    assert load_rows(tmp_path / "cells.jsonl")[SHORT.key].drawn == RULES_1


def test_outside_a_clone_nothing_is_measured_for_the_page(tmp_path: Path) -> None:
    with pytest.raises(CorrectInput, match="in a clone"):
        write_validation([SHORT], replications=60, processes=1, page=tmp_path / "validation.md")


# -- bounds


def narrow(**more: object) -> Measured:
    counts = Counts(0.9, 0.06, 0.02, 1.0, 0.85, 0.8, half=3.0)
    made = Measured("limit_daily", "limit_compliance", Cell(0.5, 29), 400, 400, {"mean": counts}, (), 0.0)
    return replace(made, spaced=True, ideal={"mean": 1.0}, **more)


def told(found: Sequence[Beyond]) -> list[str]:
    return [str(one) for one in found]


def test_what_lies_beyond_a_bound_is_told_with_its_error() -> None:
    """√(.9·.1/400) = .015; .025 + 3·√(.025·.975/400) = .0484."""
    assert told(bounds.of_results([narrow()])) == [
        "limit_daily, φ 0.5, 29 values: `mean` covers 0.900 ± 0.015, under 0.93",
        "limit_daily, φ 0.5, 29 values: `mean` decides wrongly on one side in 0.0600, over 0.0484",
        "limit_daily, φ 0.5, 29 values: `mean` has a width of 3.00, over 1.6",
        "limit_daily: `mean` covers on average 0.900 ± 0.015, under 0.945",
    ]
    assert [one.is_certain for one in bounds.of_results([narrow()])] == [False, True, True, False]


def test_a_refusal_holds_the_truth_and_gives_no_verdict_where_values_are_a_day_apart() -> None:
    """Of 400, 200 answered: .1·½ missed, .06·½ wrong."""
    half = narrow(answered=200)
    assert half.holding("mean") == pytest.approx(0.95)
    assert half.wrong("mean") == pytest.approx(0.03)
    assert replace(half, spaced=False).holding("mean") == 0.9
    assert replace(half, spaced=False).wrong("mean") == 0.06


def test_a_width_that_most_trials_do_not_have_is_beyond_its_bound() -> None:
    counts = replace_half(narrow(), None)
    assert "`mean` has a width of inf, over 1.6" in "\n".join(told(bounds.of_results([counts])))
    assert not [one for one in bounds.of_results([replace_half(narrow(), 1.59)]) if "width" in str(one)]


def replace_half(one: Measured, half: float | None) -> Measured:
    return replace(one, counts={"mean": one.counts["mean"]._replace(half=half)})


def test_wrong_verdicts_of_silence_are_a_share_of_what_the_gate_lets_through() -> None:
    """9 of 200 are within .025 + 3·√(.025·.975/200) = .058; 9 of 120 are not within .0678."""
    cell = Silent("limit_compliance", 0.0, "high", 0.2)
    assert told(bounds.of_results([Judged(cell, 200, 1.0, 0.045, 0.0, 0.9)])) == []
    assert told(bounds.of_results([Judged(cell, 200, 0.6, 0.045, 0.0, 0.5)])) == [
        "limit_compliance, φ 0, 20 % lost (high): `met` in 0.0750, over 0.0678"
    ]
    with_effect = replace(cell, effect=-3.0)
    assert told(bounds.of_results([Judged(with_effect, 200, 1.0, 0.9, 0.0, 0.9)])) == []


def test_every_cell_has_a_name_of_its_own() -> None:
    keys = [entry.key for entry in list_entries()]
    assert len(keys) == len(set(keys)) > 600
    assert OfSilence(Silent("limit_compliance", 0.7, "high", 0.225)).key in keys
    assert Forecast("limit", 0.5, 30, 90) in [getattr(entry, "cell", None) for entry in list_entries()]
