"""A package carries the time stamps of its lock, unblinding, evaluation and log; `insitu verify` checks them
without a network.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from insitu.errors import Disagrees
from tests.cli.calling import Told
from tests.cli.test_tampering import DAY, Lab, lab, vouched
from tests.fix_authority import Authority, authority
from tests.fix_catalogue import START
from trials.evaluation import Evaluation
from trials.package.keys import signing_key
from trials.package.signing import Signer
from trials.package.verify import verify
from trials.package.writing import seal
from trials.plan.reading import canonical
from trials.witness.package import FOLDER, LOG, verify_tokens
from trials.witness.statements import sign
from trials.witness.tokens import load_roots
from trials.workflow.evaluating import evaluate_trial

__all__ = ["authority", "lab", "vouched"]


@pytest.fixture
def package(vouched: Lab, tmp_path: Path, authority: Authority) -> Path:
    evaluate_trial(vouched.conn, "t", now=START + 50 * DAY, login="judge", simulated=False)
    vouched.work()
    vouched.told("export", "t", "--to", str(tmp_path / "package"))
    authority.is_away = True
    return tmp_path / "package"


def seal_again(package: Path, lab: Lab) -> None:
    """With the lab's own key: the lab is who might want to change the times."""
    evaluation = Evaluation.model_validate_json((package / "evaluation.json").read_text("utf-8"))
    seal(package, evaluation, Signer(signing_key(lab.data), datetime.now(UTC)))


def lines_of(package: Path, authority: Authority) -> list[str]:
    (check,) = verify_tokens(package, load_roots(authority.root))
    return [f"{'ok' if check.ok else 'FAIL'} {line}" for line in check.lines]


def test_a_package_says_which_times_others_vouch_for(package: Path, authority: Authority, told: Told) -> None:
    assert sorted(path.suffix for path in (package / FOLDER).iterdir()) == [".json", *[".tsr"] * 4]
    assert all(check.ok for check in verify(package))
    said = told("verify", str(package), "--tsa-root", str(authority.root))
    for name in ("lock of version 1", "unblinding of main", "evaluation", "head of the audit log"):
        assert f"     {name}" in said
    assert "CN=Own authority vouches that it existed on" in said
    assert "only the lab vouches" in said, "the acts of this test are months older than their stamps"
    said = told("verify", str(package))
    assert "not checked: give its root with --tsa-root" in said


def test_a_root_that_is_not_the_authoritys_vouches_for_nothing(
    package: Path, authority: Authority, tmp_path: Path, told: Told
) -> None:
    with pytest.raises(Disagrees):
        told("verify", str(package), "--tsa-root", "/etc/ssl/certs/ca-certificates.crt")


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_lock_moved_back_by_the_lab_itself_is_named(
    package: Path, authority: Authority, vouched: Lab
) -> None:
    at = json.loads((package / "catalogue.json").read_text("utf-8"))["versions"][0]["locked_at"]
    change(package / "catalogue.json", at, at.replace("2026-02-28", "2026-02-20"))
    seal_again(package, vouched)
    assert any(
        line.startswith("FAIL lock of version 1: the package says 2026-02-20")
        for line in lines_of(package, authority)
    )


def test_a_statement_written_again_has_no_token_that_fits(
    package: Path, authority: Authority, vouched: Lab
) -> None:
    log = package / FOLDER / LOG
    content = json.loads(log.read_text("utf-8"))
    for entry in content["statements"]:
        entry["document"] = entry["document"].replace("2026-02-28", "2026-02-20")
    log.write_bytes(canonical(content))
    seal_again(package, vouched)
    lines = lines_of(package, authority)
    assert any("Mismatch between messages" in line for line in lines)
    assert any("the signature does not fit the statement" in line for line in lines)


def state_otherwise(package: Path, vouched: Lab, what: str, change: Callable[[dict[str, Any]], str]) -> None:
    """The lab signs another statement instead of this one, without a time stamp, and seals the package."""
    log, key = package / FOLDER / LOG, signing_key(vouched.data)
    content = json.loads(log.read_text("utf-8"))
    for entry in content["statements"]:
        stated = json.loads(entry["document"])
        if stated["what"] == what:
            signed = sign(change(stated), key)
            entry["document"], entry["signature"] = signed.document, signed.signature
            for token in entry["tokens"]:
                (package / FOLDER / token["file"]).unlink()
            entry["tokens"] = []
    log.write_bytes(canonical(content))
    seal_again(package, vouched)


def test_a_statement_about_another_trial_is_named(package: Path, authority: Authority, vouched: Lab) -> None:
    """Of a trial with the same protocol, such as a copy under another name."""
    state_otherwise(package, vouched, "lock", lambda stated: canonical(stated | {"subject": "u"}).decode())
    assert "FAIL lock of version 1: the statement is about another trial, u" in lines_of(package, authority)


def test_a_statement_that_says_two_things_is_named(package: Path, authority: Authority, vouched: Lab) -> None:
    """A second value of a key: some readers take the first one."""
    state_otherwise(
        package,
        vouched,
        "lock",
        lambda stated: '{"at":"2020-01-01T00:00:00+00:00",' + canonical(stated).decode()[1:],
    )
    assert "FAIL lock of version 1: the statement is not in its one form" in lines_of(package, authority)


def test_without_its_tokens_a_package_says_that_only_the_lab_vouches(
    package: Path, authority: Authority, vouched: Lab
) -> None:
    for path in (package / FOLDER).iterdir():
        path.unlink()
    (package / FOLDER).rmdir()
    seal_again(package, vouched)
    assert lines_of(package, authority) == [
        "ok none: for the times of locks and evaluations only the lab vouches"
    ]


def test_a_token_of_another_statement_is_named(package: Path, authority: Authority, vouched: Lab) -> None:
    first, second = sorted((package / FOLDER).glob("*.tsr"))[:2]
    first.write_bytes(second.read_bytes())
    seal_again(package, vouched)
    assert any("Mismatch between messages" in line for line in lines_of(package, authority))
