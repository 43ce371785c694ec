"""Rules of computation: a document names its own, and one without the word has rules 1 and
verifies by them.
"""

from __future__ import annotations

import json
import math
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from insitu.errors import CorrectInput
from tests.trials.test_package import build, small_inputs
from trials.evaluation import Evaluation, document_of
from trials.judge.compute import compute
from trials.package.reading import read_inputs
from trials.package.strict import written
from trials.package.verify import verify
from trials.plan.rules import NEWEST, RULES_1, Rules


def shared(name: str) -> Path:
    for folder in (parent / "shared" / "data" for parent in Path(__file__).resolve().parents):
        if (folder / name).is_file():
            return folder / name
    pytest.skip(f"{name}, a package of an earlier version, is not beside the repository")


def test_a_new_evaluation_and_its_package_name_the_newest_rules(tmp_path: Path) -> None:
    folder = build(tmp_path)
    assert json.loads((folder / "evaluation.json").read_text("utf-8"))["rules"] == NEWEST
    assert json.loads((folder / "catalogue.json").read_text("utf-8"))["rules"] == NEWEST
    assert read_inputs(folder).rules == Rules(NEWEST)
    assert all(check.ok for check in verify(folder))


def test_a_document_without_the_word_was_computed_with_rules_1() -> None:
    document = compute(small_inputs()).model_dump(mode="json", by_alias=True)
    del document["rules"]
    assert Evaluation.model_validate(document).rules == RULES_1


def test_a_package_of_an_earlier_version_verifies_by_its_own_rules(tmp_path: Path) -> None:
    with tarfile.open(shared("package-2026-11.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "package-2026-11"
    assert "rules" not in json.loads((folder / "evaluation.json").read_text("utf-8"))
    assert read_inputs(folder).rules == Rules(RULES_1)
    assert [check for check in verify(folder) if not check.ok] == []


@pytest.fixture(scope="module")
def of_rules_3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that Insitu made before it knew rules 4: a drift before a long reporting period, a skewed
    quantity whose highest hours are lost, and periods from 23 h.
    """
    folder = tmp_path_factory.mktemp("rules-3")
    with tarfile.open(Path(__file__).parent / "packages" / "rules-3.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "package-rules-3"


def test_a_package_of_rules_3_verifies_by_rules_3(of_rules_3: Path) -> None:
    given = read_inputs(of_rules_3)
    assert given.rules == Rules(3)
    assert [(check.name, check.lines) for check in verify(of_rules_3) if not check.ok] == []
    stored = json.loads((of_rules_3 / "evaluation.json").read_text("utf-8"))
    assert json.loads(json.dumps(document_of(compute(given)))) == stored
    assert [one["verdict"] for one in stored["endpoints"]] == ["met", "met"]


def test_rules_4_judge_what_rules_3_called_met_wrongly(of_rules_3: Path) -> None:
    """Nothing was done; the true mean is 46.9, over the limit of 46.8."""
    found = compute(replace(read_inputs(of_rules_3), rules=Rules(4)))
    assert [str(one.verdict) for one in found.endpoints] == ["not_evaluable", "inconclusive"]
    assert "step_disagrees" in {one.code for one in found.endpoints[0].findings}
    assert [(one.days, one.days_valid) for one in found.gate] == [(14, 14), (42, 42), (42, 42)]


@pytest.fixture(scope="module")
def of_rules_4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that Insitu made before it knew rules 5: a step three days before the change, and a skewed
    quantity whose highest hours are lost, 22 % of them all.
    """
    folder = tmp_path_factory.mktemp("rules-4")
    with tarfile.open(Path(__file__).parent / "packages" / "rules-4.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "package-rules-4"


def test_a_package_of_rules_4_verifies_by_rules_4(of_rules_4: Path) -> None:
    given = read_inputs(of_rules_4)
    assert given.rules == Rules(4)
    assert [(check.name, check.lines) for check in verify(of_rules_4) if not check.ok] == []
    stored = json.loads((of_rules_4 / "evaluation.json").read_text("utf-8"))
    assert json.loads(json.dumps(document_of(compute(given)))) == stored
    assert [one["verdict"] for one in stored["endpoints"]] == ["met", "met"]


def test_rules_5_judge_what_rules_4_called_met_wrongly(of_rules_4: Path) -> None:
    """Nothing was done at the change; the true mean is 20, the limit."""
    found = compute(replace(read_inputs(of_rules_4), rules=Rules(5)))
    assert [str(one.verdict) for one in found.endpoints] == ["not_evaluable", "inconclusive"]
    assert "step_earlier" in {one.code for one in found.endpoints[0].findings}
    assert "tipping_within" in {one.code for one in found.endpoints[1].findings}


@pytest.fixture(scope="module")
def of_rules_5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that Insitu made before it knew rules 6: levels of a device that is cleaned in the same four
    hours of each night.
    """
    folder = tmp_path_factory.mktemp("rules-5")
    with tarfile.open(Path(__file__).parent / "packages" / "rules-5.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "package-rules-5"


def test_a_package_of_rules_5_verifies_by_rules_5(of_rules_5: Path) -> None:
    given = read_inputs(of_rules_5)
    assert given.rules == Rules(5)
    assert [(check.name, check.lines) for check in verify(of_rules_5) if not check.ok] == []
    stored = json.loads((of_rules_5 / "evaluation.json").read_text("utf-8"))
    assert json.loads(json.dumps(document_of(compute(given)))) == stored
    assert [one["verdict"] for one in stored["endpoints"]] == ["met"]


def test_rules_6_judge_what_rules_5_called_met_wrongly(of_rules_5: Path) -> None:
    """The truth is 64.2 dB, over the limit of 63.9: 60, 58 and 57 dB by day, evening and night, and .26 more
    by energy, since hours scatter by 1.5 dB.
    """
    found = compute(replace(read_inputs(of_rules_5), rules=Rules(6)))
    assert [str(one.verdict) for one in found.endpoints] == ["not_met"]
    energy = 12 * 10**6.0 + 4 * 10**6.3 + 8 * 10**6.7
    truth = 10 * math.log10(energy / 24) + 1.5**2 * math.log(10) / 20
    assert found.endpoints[0].estimates[0].value == pytest.approx(truth, abs=0.2)


def test_rules_that_this_version_does_not_know_are_refused_with_the_next_step(tmp_path: Path) -> None:
    folder = build(tmp_path)
    facts = json.loads((folder / "catalogue.json").read_text("utf-8"))
    (folder / "catalogue.json").write_bytes(written(facts | {"rules": NEWEST + 1}))
    with pytest.raises(CorrectInput, match="use a newer Insitu"):
        read_inputs(folder)
