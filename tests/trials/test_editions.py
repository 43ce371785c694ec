"""What an older edition of the rules computed is verified by its own rules: packages made then, kept as they were made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from insitu.model import Verdict
from trials.package import evaluate_package, read_inputs
from trials.verify import verify

PACKAGES = Path(__file__).parent / "testdata" / "edition-1"


@pytest.mark.parametrize("name", ["ended", "look"])
def test_a_package_of_the_first_edition_still_verifies(name: str) -> None:
    checks = verify(PACKAGES / name)
    assert [(check.name, check.lines) for check in checks if not check.ok] == []


@pytest.mark.parametrize("name", ["ended", "look"])
def test_the_first_edition_knows_no_looks_no_versions_and_fewer_deviations(name: str) -> None:
    evaluation = evaluate_package(PACKAGES / name)
    assert (evaluation.edition, evaluation.looks, evaluation.versions) == (None, None, None)
    assert evaluation.interim == (name == "look")
    assert evaluation.deviations == []
    assert {e.method for one in evaluation.endpoints for e in one.estimates} == {"two_period", "day_jackknife"}


def test_by_todays_rules_the_same_observations_say_more(tmp_path: Path) -> None:
    """A device that came three days late, a check whose parameters nobody kept, and a look that is no verdict."""
    folder = tmp_path / "look"
    shutil.copytree(PACKAGES / "look", folder)
    catalogue = json.loads((folder / "catalogue.json").read_text("utf-8"))
    (folder / "catalogue.json").write_text(json.dumps(catalogue | {"edition": 2}), "utf-8")
    evaluation = evaluate_package(folder)
    assert evaluation.edition == 2
    assert [d.code for d in evaluation.deviations] == ["deployed_late"]
    assert evaluation.looks is not None
    assert [(one.planned is None, one.made is None) for one in evaluation.looks] == [(False, False)]
    assert evaluation.verdict is Verdict.INCONCLUSIVE
    assert read_inputs(folder).versions == []
