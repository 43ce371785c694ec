"""The same document gives the same bytes: in any process, time zone, machine language and folder."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trials.test_package import small_inputs
from trials.evaluation import document_of
from trials.judge.compute import compute

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
from pathlib import Path
from trials.report.render import write_reports

if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    write_reports(document, folder=Path(sys.argv[2]), language="fr")
"""
MACHINES = [
    {"TZ": "America/Los_Angeles", "LANG": "C", "LC_ALL": "C", "PYTHONHASHSEED": "1", "USER": "root"},
    {
        "TZ": "Asia/Kathmandu",
        "LANG": "fr_FR.UTF-8",
        "LC_ALL": "fr_FR.UTF-8",
        "PYTHONHASHSEED": "2",
        "USER": "élodie",
    },
]
FILES = ["report.en.html", "report.en.pdf", "report.html", "report.json", "report.pdf"]


def render(document: Path, folder: Path, machine: dict[str, str]) -> dict[str, str]:
    """Name → SHA-256 of each report, made by a process of its own in a folder of its own."""
    folder.mkdir(parents=True)
    program = folder / "make_reports.py"
    program.write_text(PROGRAM, "utf-8")
    environment = {**os.environ, **machine, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    subprocess.run(
        [sys.executable, str(program), str(document), str(folder / "made")],
        env=environment,
        cwd=folder,
        check=True,
    )
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "made").iterdir())
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, str]]]:
    """(folder, hashes) for reports of one evaluation by two machines."""
    folder = tmp_path_factory.mktemp("reports")
    document = folder / "evaluation.json"
    document.write_text(json.dumps(document_of(compute(small_inputs()))), "utf-8")
    places = [folder / "a", folder / "élodie's other place" / "b"]
    return folder, [render(document, place, machine) for place, machine in zip(places, MACHINES, strict=True)]


def test_two_machines_make_the_same_bytes(made: tuple[Path, list[dict[str, str]]]) -> None:
    _, (one, other) = made
    assert sorted(one) == FILES
    assert {name for name in FILES if one[name] != other[name]} == set()


def test_the_two_languages_differ_and_the_json_holds_every_number(
    made: tuple[Path, list[dict[str, str]]],
) -> None:
    folder, (one, _) = made
    assert one["report.html"] != one["report.en.html"]
    assert json.loads((folder / "a" / "made" / "report.json").read_text("utf-8")) == document_of(
        compute(small_inputs())
    )


def test_no_report_holds_the_path_or_the_user_of_the_machine_that_made_it(
    made: tuple[Path, list[dict[str, str]]],
) -> None:
    folder, _ = made
    for path in (folder / "a" / "made").iterdir():
        assert str(folder).encode() not in path.read_bytes()


def test_another_document_makes_other_bytes(made: tuple[Path, list[dict[str, str]]], tmp_path: Path) -> None:
    """Without this the comparison above would prove nothing."""
    document = document_of(compute(small_inputs()))
    document["endpoints"][0]["criteria"][0]["estimate"]["value"] *= 1.1
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(document), "utf-8")
    other = render(path, tmp_path / "c", MACHINES[0])
    assert {name for name in FILES if made[1][0][name] == other[name]} == set()
