"""A whole signed package with its reports, made once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.trials.package.forger import public
from tests.trials.test_package import SIGNED_AT, build
from trials.evaluation import Evaluation
from trials.package.readme import readme
from trials.package.signing import Signer
from trials.package.trust import TrustedKey
from trials.package.verify import Check, verify
from trials.package.writing import seal
from trials.plan.reading import digest
from trials.report.render import write_reports


@dataclass(frozen=True)
class Lab:
    """The lab's package, its key, and a verification as a reader makes it who has that key."""

    folder: Path
    key: Ed25519PrivateKey

    def verify(self, folder: Path) -> list[Check]:
        return verify(folder, [TrustedKey(public(self.key), "lab")], render=self.render)

    def render(self, document: dict[str, Any], folder: Path, language: str) -> None:
        """The reports; those of the lab's own evaluation were made before."""
        if document == json.loads((self.folder / "evaluation.json").read_bytes()):
            for path in self.folder.glob("report*"):
                shutil.copyfile(path, folder / path.name)
        else:
            (folder / "report.html").write_bytes(b"other numbers")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    key = Ed25519PrivateKey.generate()
    folder = build(tmp_path_factory.mktemp("lab") / "package")
    document = json.loads((folder / "evaluation.json").read_bytes())
    evaluation = Evaluation.model_validate(document)
    write_reports(document, folder=folder, language="en")
    (folder / "README.md").write_text(readme(evaluation, digest(document)), "utf-8")
    seal(folder, evaluation, Signer(key, SIGNED_AT))
    return Lab(folder, key)


@pytest.fixture
def copied(lab: Lab, tmp_path: Path) -> Callable[[], Path]:
    """A function that makes a copy of the package to be changed."""

    def copy() -> Path:
        target = tmp_path / "copy"
        shutil.rmtree(target, ignore_errors=True)
        return Path(shutil.copytree(lab.folder, target))

    return copy


def is_settled(checks: list[Check]) -> bool:
    """Whether `insitu verify` would end with 0."""
    return all(check.ok and not check.open for check in checks)
