"""300 files with oddities of spreadsheets and exports: each stored time and result is the one that was
written, or it is not stored, and a reason is printed.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from insitu.errors import CorrectInput
from tests.examples import examples
from tests.ingest.odd_files import ODDITIES, TIMES, OddFile, draw
from tests.ingest.reading_files import read

COLUMNS = {"temperature (°C)": "temperature", "pressure [hPa]": "pressure"}


def outcome(path: Path, file: OddFile) -> tuple[str, str]:
    """(`stopped`, `whole` or `in part`, why). Raises AssertionError for a wrong time or result, and for one
    that is lost without a word.
    """
    path.write_bytes(file.content)
    try:
        _, results, refusals = read(path, **file.said)
    except CorrectInput as error:
        return "stopped", str(error)
    stored = {(name, at): number for name, rows in results.items() for at, number in rows}
    assert set(stored) <= set(file.truth), sorted(set(stored) - set(file.truth))[:3]
    for key, number in stored.items():
        assert number == pytest.approx(file.truth[key], rel=1e-9), key
    lost = sorted(set(file.truth) - set(stored))
    assert len(lost) <= len(COLUMNS) * len(refusals), lost[:3]
    return ("in part", refusals[0]) if refusals else ("whole", "")


def test_an_odd_file_is_read_as_it_was_written_or_not_at_all(tmp_path: Path) -> None:
    counts, seen, whole = Counter[str](), Counter[str](), Counter[str]()
    wrong, reasons = [], list[str]()
    for seed in range(examples(quick=300, nightly=3000)):
        file = draw(seed)
        try:
            kind, why = outcome(tmp_path / "in.csv", file)
        except AssertionError as error:
            wrong.append(
                f"{seed}: {file.times}, {sorted(file.odd)}, {file.said}: "
                f"{str(error)[:300]}\n{file.text[:400]}"
            )
            continue
        counts[kind] += 1
        if kind != "whole":
            reasons.append(why)
        seen.update([*file.odd, file.times])
        if kind == "whole":
            whole.update([*file.odd, file.times])
    assert wrong == [], "\n\n".join(wrong[:5])
    assert min(seen[name] for name in (*ODDITIES, *TIMES)) >= 5
    assert all(reasons), "a file that stops, or a part of it, says why"
    assert counts["whole"] >= 0.5 * counts.total(), counts
    never = {name for name in (*ODDITIES, *TIMES) if not whole[name]}
    assert never <= {"below detection", "plus minus"}, never
