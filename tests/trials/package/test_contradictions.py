"""A lab signs again, with its own key, facts that cannot be true together: each is named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.trials.package import forger
from tests.trials.package.conftest import is_settled
from tests.trials.test_package import SIGNED_AT, build
from trials.package.contents import load
from trials.package.trust import TrustedKey
from trials.package.verify import Check, verify
from trials.witness.package import verify_tokens

Facts = dict[str, Any]
LATER = "2026-04-20T00:00:00Z"
"""After the evaluation, and before the signature."""
EARLIER = {"sha256": "a" * 64, "interim": False, "blinded": False}
UNBLINDED = {"endpoint": "main", "at": "2026-04-01T00:00:00Z", "login": "judge", "reason": "over"}
WITHDRAWN = {
    "import_id": 1,
    "file": "logger.csv",
    "file_sha256": "a" * 64,
    "imported_by": "lab",
    "imported_at": "2026-03-20T00:00:00Z",
    "withdrawn_by": "lab",
    "withdrawn_at": "2026-03-21T00:00:00Z",
    "reason": "wrong",
    "datastream": "candidate-1/no2",
    "first": "2026-03-05T00:00:00Z",
    "last": "2026-03-06T00:00:00Z",
    "results": 5,
}
CORRECTED = {
    "datastream": "candidate-1/no2",
    "file": "again.csv",
    "reason": "wrong",
    "corrected_by": "lab",
    "corrected_at": "2026-03-20T00:00:00Z",
    "first": "2026-03-05T00:00:00Z",
    "last": "2026-03-06T00:00:00Z",
    "results": 5,
    "moved": -0.5,
}
GAP = {
    "backfilled": False,
    "cause": "unknown",
    "device": "candidate-1",
    "property": "no2",
    "start": "2026-03-05T00:00:00Z",
    "end": "2026-03-06T00:00:00Z",
}
CHANGES: dict[str, tuple[Callable[[Facts], object], str]] = {
    "a correction made later": (
        lambda c: c.update(corrections=[{**CORRECTED, "corrected_at": LATER}]),
        "candidate-1/no2 was corrected by again.csv at 2026-04-20T00:00:00Z, after the evaluation",
    ),
    "a correction backwards": (
        lambda c: c.update(corrections=[{**CORRECTED, "last": "2026-03-04T00:00:00Z"}]),
        "a correction of candidate-1/no2 ends at 2026-03-04T00:00:00Z, before it begins",
    ),
    "a window declared later": (
        lambda c: c["windows"][0].update(declared_at=LATER),
        "was declared at 2026-04-20T00:00:00Z, after the evaluation",
    ),
    "a window backwards": (
        lambda c: c["windows"][0].update(end="2026-03-01T00:00:00Z"),
        "a window of candidate-1 ends at 2026-03-01T00:00:00Z, before it begins",
    ),
    "a window of no kind": (
        lambda c: c["windows"][0].update(kind="holiday"),
        "there are no windows of the kind holiday",
    ),
    "a window ended later": (
        lambda c: c["windows"][0].update(end=LATER, ended_at=LATER),
        "was ended at 2026-04-20T00:00:00Z, after the evaluation",
    ),
    "a window ended at another time than its end": (
        lambda c: c["windows"][0].update(ended_at="2026-03-05T00:00:00Z"),
        "a window of candidate-1 was ended at 2026-03-05T00:00:00Z, and states 2026-03",
    ),
    "a lock after the evaluation": (
        lambda c: (c.update(locked_at=LATER), c["versions"][0].update(locked_at=LATER)),
        "protocol.json was locked at 2026-04-20T00:00:00Z, after the evaluation",
    ),
    "no version": (lambda c: c.update(versions=[]), "was locked, and no version of it is listed"),
    "an earlier evaluation that came later": (
        lambda c: c.update(earlier_evaluations=[{**EARLIER, "at": LATER}]),
        "an earlier evaluation was made at 2026-04-20T00:00:00Z, after",
    ),
    "earlier evaluations out of order": (
        lambda c: c.update(
            earlier_evaluations=[
                {**EARLIER, "at": at} for at in ("2026-04-02T00:00:00Z", "2026-04-01T00:00:00Z")
            ]
        ),
        "of 2026-04-01T00:00:00Z is not in order of time",
    ),
    "an unblinding of nothing": (
        lambda c: c.update(unblinded=[{**UNBLINDED, "endpoint": "other"}]),
        "other was unblinded, and no version has such an endpoint",
    ),
    "an unblinding twice": (
        lambda c: c.update(unblinded=[UNBLINDED, UNBLINDED]),
        "main was unblinded twice",
    ),
    "an unblinding later": (
        lambda c: c.update(unblinded=[{**UNBLINDED, "at": LATER}]),
        "main was unblinded at 2026-04-20T00:00:00Z, after",
    ),
    "a withdrawal later": (
        lambda c: c.update(withdrawals=[{**WITHDRAWN, "withdrawn_at": LATER}]),
        "import 1 was withdrawn at 2026-04-20T00:00:00Z, after",
    ),
    "a withdrawal before its import": (
        lambda c: c.update(withdrawals=[{**WITHDRAWN, "withdrawn_at": "2026-03-19T00:00:00Z"}]),
        "the use of import 1 ends at 2026-03-19T00:00:00Z, before it begins",
    ),
    "a gap of the future": (
        lambda c: c.update(gaps=[{**GAP, "end": LATER}]),
        "a gap of candidate-1 ended at 2026-04-20T00:00:00Z, after",
    ),
    "a gap of nobody": (lambda c: c.update(gaps=[{**GAP, "device": "ghost"}]), "a gap is of ghost"),
    "a deployment backwards": (
        lambda c: c["datastreams"][0]["deployments"][0].update(end="2025-01-01T00:00:00Z"),
        "a deployment of candidate-1/no2 ends at 2025-01-01T00:00:00Z, before",
    ),
    "a device at an unknown site": (
        lambda c: c["datastreams"][0]["deployments"][0].update(site="nowhere"),
        "candidate-1 stands at nowhere, which is not among the sites",
    ),
    "a device at two places": (
        lambda c: c["datastreams"][0]["deployments"].append(
            {**c["datastreams"][0]["deployments"][0], "start": "2026-03-10T00:00:00Z", "position": "roof"}
        ),
        "candidate-1 stands at two places from 2026-03-10T00:00:00Z on",
    ),
    "more late results than results": (
        lambda c: c["datastreams"][0].update(late=766),
        "766 results came late and 0 from a file, and observations.csv has 765",
    ),
    "one property in two units": (
        lambda c: c["datastreams"][0].update(unit="mg/m3"),
        "control-1/no2 has no2 in ug/m3 (arithmetic), others in mg/m3 (arithmetic)",
    ),
    "no parties": (
        lambda c: c.update(organisations={}),
        "the organisations are not company, evaluator, host",
    ),
    "results of the future": (
        lambda c: c.update(evaluated_at="2026-03-25T00:00:00Z"),
        "observations.csv: candidate-1/no2 at 2026-03-25T01:00:00Z came after the evaluation",
    ),
}


@pytest.fixture(scope="module")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def package(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    return build(tmp_path / "package", key)


def verified(folder: Path, key: Ed25519PrivateKey, now: datetime | None = None) -> list[Check]:
    return verify(folder, [TrustedKey(forger.public(key), "lab")], now=now)


def change(folder: Path, how: Callable[[Facts], object]) -> None:
    catalogue = forger.read(folder / "catalogue.json")
    how(catalogue)
    (folder / "catalogue.json").write_bytes(forger.indented(catalogue))


def test_an_honest_package_is_settled(package: Path, key: Ed25519PrivateKey) -> None:
    assert is_settled(verified(package, key, SIGNED_AT))


@pytest.mark.parametrize("name", CHANGES)
def test_facts_that_cannot_be_true_together_are_named(
    name: str, package: Path, key: Ed25519PrivateKey
) -> None:
    how, sentence = CHANGES[name]
    change(package, how)
    forger.evaluate_again(package)
    forger.seal(package, key)
    (check,) = [one for one in verified(package, key) if one.name == "facts agree with each other"]
    assert not check.ok
    assert any(sentence in line for line in check.lines), check.lines


def amend(folder: Path, numbers: list[int], **other: object) -> None:
    """Versions with these numbers; `other`: values of the documents before the last one."""
    document, versions = forger.read(folder / "protocol.json"), []
    for number in numbers:
        is_last = number == numbers[-1]
        text = rfc8785.dumps(
            document
            | {"version": number}
            | ({"reason": {"en": "Why", "fr": "Pourquoi"}} if number > 1 else {})
            | ({} if is_last else other)
        )
        name = "protocol.json" if is_last else f"protocols/{number}.json"
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text)
        if not is_last:
            forger.list_file(folder, name)
        sha256 = hashlib.sha256(text).hexdigest()
        versions.append({"version": number, "locked_at": "2026-02-27T23:00:00Z", "sha256": sha256})
    change(folder, lambda catalogue: catalogue.update(versions=versions))
    forger.evaluate_again(folder)


def lines_of(checks: list[Check], name: str) -> list[str]:
    return next(check.lines for check in checks if check.name == name)


def test_a_version_of_another_trial_is_named(package: Path, key: Ed25519PrivateKey) -> None:
    amend(package, [1, 2], trial="other")
    forger.seal(package, key)
    lines = lines_of(verified(package, key), "facts agree with each other")
    assert lines == ["catalogue.json: version 1 is of another trial, other"]


def test_a_version_under_another_number_is_named(package: Path, key: Ed25519PrivateKey) -> None:
    amend(package, [1, 2])
    change(package, lambda catalogue: catalogue["versions"][1].update(version=3))
    forger.evaluate_again(package)
    forger.seal(package, key)
    lines = lines_of(verified(package, key), "facts agree with each other")
    assert lines == ["catalogue.json: version 3 says that it is version 2"]


@pytest.mark.parametrize(
    ("numbers", "missing"), [([1, 4], "versions 2 to 3"), ([2], "version 1"), ([1, 2], "")]
)
def test_a_number_that_is_left_out_is_told(
    numbers: list[int], missing: str, package: Path, key: Ed25519PrivateKey
) -> None:
    """No difference: a lab may skip a number."""
    amend(package, numbers)
    forger.seal(package, key)
    checks = verified(package, key)
    (found,) = [one for one in checks if one.name == "hash of the locked protocol"]
    assert found.ok
    assert [line.partition(" of the protocol")[0] for line in found.lines] == ([missing] if missing else [])


def test_a_time_has_one_form(package: Path, key: Ed25519PrivateKey) -> None:
    change(package, lambda catalogue: catalogue["windows"][0].update(start="2026-03-05T04:00:00+01:00"))
    forger.seal(package, key)
    (form,) = [one for one in verified(package, key) if one.name == "form of every file"]
    assert not form.ok
    assert "it is not in canonical form" in form.lines[0]


def test_a_signature_of_the_future_is_left_to_the_reader(package: Path, key: Ed25519PrivateKey) -> None:
    """Its key cannot have been revoked yet; or a clock is wrong."""
    assert is_settled(verified(package, key, SIGNED_AT - timedelta(hours=23)))
    found = verified(package, key, SIGNED_AT - timedelta(days=2))[-1]
    assert (found.ok, found.open) == (
        True,
        "SIGNED IN THE FUTURE: at 2026-05-01T12:00:00Z, and here it is 2026-04-29T12:00:00Z",
    )


@pytest.mark.parametrize(
    "at", ["2026-05-01T12:00:00+00:00", "20260501T120000Z", "2026-05-01T12:00:00Z\n", "2026-W18-5T12:00:00Z"]
)
def test_the_time_of_a_signature_has_one_form(at: str, package: Path, key: Ed25519PrivateKey) -> None:
    forger.sign(package, key, at)
    found = verified(package, key)[-1]
    assert (found.ok, found.lines) == (False, ["nobody knows when it was signed"])


def test_a_folder_in_the_place_of_a_file_is_named(package: Path, key: Ed25519PrivateKey) -> None:
    (package / "flags.csv").unlink()
    (package / "flags.csv").mkdir()
    assert "flags.csv is no plain file" in verified(package, key)[0].lines


def test_all_checks_see_the_same_bytes(package: Path, key: Ed25519PrivateKey) -> None:
    """Files that change while they are read, as on a share of somebody else."""
    contents = load(package)
    (package / "witness").mkdir()
    (package / "witness" / "log.json").write_text("{}", "utf-8")
    assert verify_tokens(contents, None)[0].ok
    assert not verify_tokens(package, None)[0].ok
