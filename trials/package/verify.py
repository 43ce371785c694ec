"""Is a package what it says, and who vouches for it? Each check names the differences."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from insitu.errors import CorrectInput, InsituError
from trials.evaluation import Evaluation, document_of
from trials.judge.compute import compute
from trials.package.comparing import NOT_RECOMPUTED, differences
from trials.package.contents import Contents, load, missing_and_surplus, sha256_of
from trials.package.contradictions import contradictions
from trials.package.descriptor import descriptor
from trials.package.makers import makers
from trials.package.reading import Package, form_of, read_package
from trials.package.rechecking import recheck
from trials.package.reports import Render, compare_reports
from trials.package.signature import check_signature
from trials.package.strict import NotCanonical, read_json, written
from trials.package.tables import DESCRIPTOR, FORMAT_1, SIGNATURE, VERSIONS
from trials.package.trust import TrustedKey
from trials.plan.rules import RULES_1
from trials.series.inputs import ProtocolVersion

__all__ = ["Check", "differences", "verify"]

_MOST_LINES: Final = 20
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_FACTS: Final = (
    "the facts of catalogue.json (lock times, deployments, windows, gaps, arrival, earlier evaluations), "
    "results and counts as they were received"
)


class Check(NamedTuple):
    name: str
    ok: bool
    lines: list[str]
    """The differences; remarks if there is none."""
    open: str = ""
    """Nothing differs, but this is left for the reader to settle: a line such as UNSIGNED."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A package whose files have the right form."""

    contents: Contents
    package: Package
    stated: dict[str, Any]
    """evaluation.json"""
    evaluation: Evaluation
    made_by: dict[str, str]


def verify(
    package: Path | Contents,
    trusted: Sequence[TrustedKey] = (),
    *,
    render: Render | None = None,
    accept_old: bool = False,
    now: datetime | None = None,
) -> list[Check]:
    """Runs the checks. `package`: a folder, or what was read from it. `render` makes the reports again;
    `accept_old`: the reader takes reports and flags of a format 1 package on its signature; `now`: None means
    that no signature is too late. CorrectInput if the folder is no package at all.
    """
    contents = package if isinstance(package, Contents) else load(package)
    if DESCRIPTOR not in contents.files:
        raise CorrectInput(f"{contents.folder} is no trial package: it has no datapackage.json.")
    read, problems = _read(contents)
    form = Check("form of every file", not problems, problems)
    checks = [_checksums(contents, read), form]
    if read is not None:
        checks += [_protocol(read), _facts(read), _numbers(read), _quality(read, accept_old)]
        compared = compare_reports(
            contents, read.stated, read.evaluation, read.made_by, render, read.package.form
        )
        unsure = "" if read.package.form == FORMAT_1 and accept_old else compared.open
        checks.append(Check(compared.name, compared.ok, compared.lines, unsure))
    found = check_signature(contents, trusted, read.evaluation if read else None, now)
    return [*checks, Check("signature", found.ok, found.lines, found.open)]


def _read(contents: Contents) -> tuple[_Read | None, list[str]]:
    """The package, and sentences about files that have not the form they must have. None if it cannot be
    read.
    """
    folder = f"{contents.folder}/"
    problems: list[str] = []
    try:
        form_of(contents)
        stated = _stated(contents, problems)
        evaluation = _evaluation(folder, stated)
        made_by = _made_by(contents)
        if SIGNATURE in contents.files:
            read_json(folder + SIGNATURE, contents.of(SIGNATURE))
        read = _Read(contents, read_package(contents), stated, evaluation, made_by)
    except InsituError as error:
        return None, [*problems, str(error).replace(folder, "")]
    except _NONSENSE as error:
        return None, [*problems, f"it cannot be read ({type(error).__name__}: {error})"]
    return read, problems


def _stated(contents: Contents, problems: list[str]) -> dict[str, Any]:
    """evaluation.json. If it has another form, the numbers in it are still compared."""
    content = contents.of("evaluation.json")
    try:
        return read_json("evaluation.json", content, rfc8785=True)
    except NotCanonical as error:
        problems.append(str(error))
        return read_json("evaluation.json", content, rfc8785=None)


def _evaluation(folder: str, stated: dict[str, Any]) -> Evaluation:
    try:
        return Evaluation.model_validate(stated)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorrectInput(f"{folder}evaluation.json: {where}: {first['msg']}.") from error


_NONSENSE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""Raised by the computation on facts that contradict each other, such as a deployment that ends before it
begins.
"""


def _made_by(contents: Contents) -> dict[str, str]:
    path = str(contents.folder / DESCRIPTOR)
    found = read_json(path, contents.of(DESCRIPTOR)).get("made_by", {})
    names = {*makers()} if form_of(contents) != FORMAT_1 else set()
    if not isinstance(found, dict) or {*found} != names or not all(map(_is_version, found.values())):
        raise CorrectInput(f"{path}: made_by does not hold the versions of {', '.join(sorted(names))}.")
    return found


def _is_version(value: object) -> bool:
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


def _checksums(contents: Contents, read: _Read | None) -> Check:
    """Exactly the files that belong to a package, each as the descriptor says; and the descriptor is the one
    that follows from them.
    """
    path = str(contents.folder / DESCRIPTOR)
    lines = list(contents.problems)
    try:
        document = read_json(path, contents.of(DESCRIPTOR))
        resources = [(str(one["path"]), str(one["hash"])) for one in document["resources"]]
        form = form_of(contents)
    except (CorrectInput, KeyError, TypeError) as error:
        told = str(error).replace(f"{contents.folder}/", "")
        if not isinstance(error, CorrectInput):
            told = f"{DESCRIPTOR} does not list files with their hash."
        return Check("checksums of every file", False, [*lines, told])
    lines += missing_and_surplus(contents, form)
    for name, stated in resources:
        if name not in contents.files:
            lines.append(f"{ascii(name)[1:-1]} is missing")
        elif "sha256:" + sha256_of(contents.files[name]) != stated:
            lines.append(f"{name} was changed")
    listed = {name for name, _ in resources} | {DESCRIPTOR, SIGNATURE}
    lines += [f"{name} is not part of the package" for name in sorted(set(contents.files) - listed)]
    if read is not None:
        lines += _versions_there(read)
        if not lines:
            lines += _other_descriptor(read, document)
    return Check(f"checksums of {len(resources)} files", not lines, list(dict.fromkeys(lines)))


def _versions_there(read: _Read) -> Iterator[str]:
    """Files of protocol versions that catalogue.json does not name."""
    known = {f"{VERSIONS}/{one.version}.json" for one in read.package.inputs.versions[:-1]}
    for name in read.contents.files:
        if name.startswith(f"{VERSIONS}/") and name not in known:
            yield f"{name} is not part of the package: catalogue.json names no such version"


def _other_descriptor(read: _Read, stated: dict[str, Any]) -> Iterator[str]:
    again = descriptor(read.contents.files, read.evaluation, read.made_by, form=read.package.form)
    if read.package.form == FORMAT_1:
        again = {
            key: value for key, value in again.items() if key in stated or key not in ("rules", "stamps")
        }
    if written(again) != read.contents.of(DESCRIPTOR):
        other = [key for key in sorted(set(again) | set(stated)) if again.get(key) != stated.get(key)]
        yield f"{DESCRIPTOR} is not the one that these files have: {', '.join(other) or 'another form'}"


def _protocol(read: _Read) -> Check:
    lines = list(_hashes(read))
    versions = read.package.inputs.versions
    if versions:
        last = versions[-1].locked_at
        if last != read.package.inputs.locked_at:
            lines.append("catalogue.json states two times at which protocol.json was locked")
        for before, after in itertools.pairwise(versions):
            if after.version <= before.version or after.locked_at < before.locked_at:
                lines.append(f"catalogue.json: version {after.version} does not follow {before.version}")
    return Check("hash of the locked protocol", not lines, lines or list(_left_out(versions)))


def _left_out(versions: Sequence[ProtocolVersion]) -> Iterator[str]:
    """Remarks: a lab may skip a number, or hide a version."""
    for before, after in itertools.pairwise([0, *(one.version for one in versions)]):
        if after > before + 1:
            missing = (
                f"version {before + 1}" if after == before + 2 else f"versions {before + 1} to {after - 1}"
            )
            yield f"{missing} of the protocol: none is listed; ask the lab whether there was one"


def _hashes(read: _Read) -> Iterator[str]:
    sha256 = hashlib.sha256(read.contents.of("protocol.json")).hexdigest()
    if sha256 != read.evaluation.protocol_sha256:
        yield f"protocol.json has SHA-256 {sha256}, evaluation.json says {read.evaluation.protocol_sha256}"
    versions = read.package.inputs.versions
    for number, one in enumerate(versions, 1):
        name = "protocol.json" if number == len(versions) else f"{VERSIONS}/{one.version}.json"
        found = hashlib.sha256(one.document.encode()).hexdigest()
        if found != one.sha256:
            yield f"{name} has SHA-256 {found}, catalogue.json says {one.sha256}"


def _facts(read: _Read) -> Check:
    lines = contradictions(read.package)
    return Check("facts agree with each other", not lines, lines)


def _numbers(read: _Read) -> Check:
    """Every number of evaluation.json, recomputed from the observations."""
    stated = {"rules": RULES_1, **read.stated}
    name = "numbers and verdicts of evaluation.json recomputed"
    try:
        recomputed = document_of(compute(read.package.inputs))
    except (InsituError, *_NONSENSE) as error:
        return Check(
            name, False, [f"nothing can be computed from these files ({type(error).__name__}: {error})"]
        )
    stated, recomputed = _rejects_sorted(stated), _rejects_sorted(recomputed)
    compared = [0]
    lines = list(differences("", stated, recomputed, compared))
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"… and {len(lines) - _MOST_LINES} more"]
    made, here = (document.get("code", {}).get("insitu") for document in (stated, recomputed))
    if lines and made != here:
        lines.append(
            f"it was computed by insitu {made} and this is insitu {here}: before you conclude, verify it "
            f"with {made}"
        )
    return Check(f"{compared[0]} {name}", not lines, lines or [_by_signature_only(read)])


def _by_signature_only(read: _Read) -> str:
    fields = [name for name in NOT_RECOMPUTED if read.stated.get(name)]
    named = f"{', '.join(fields)} of evaluation.json; " if fields else ""
    return f"covered by the signature only: {named}{_FACTS}"


def _rejects_sorted(document: dict[str, Any]) -> dict[str, Any]:
    """Older databases listed refused messages in the order of their language."""
    rejects = sorted(document.get("rejects") or [], key=lambda one: (one["device"], one["reason"]))
    return {**document, "rejects": rejects}


def _quality(read: _Read, accept_old: bool) -> Check:
    try:
        found = recheck(read.package)
    except (InsituError, *_NONSENSE) as error:
        return Check("flags", False, [f"the checks cannot run ({error})"])
    if read.package.form == FORMAT_1:
        lines = found.lines or ["the checks did not run again: format 1 lacks what they need"]
        unsure = "" if accept_old or found.lines else "OLD FORMAT: flags and reports rest on the signature"
        return Check(f"flags of {found.observations} observations agree", not found.lines, lines, unsure)
    name = f"flags of {found.observations} observations, by running the checks again"
    unsure = f"NOT CHECKED AGAIN: flags of {len(found.not_run)} datastreams" if found.not_run else ""
    return Check(name, not found.lines, found.lines or found.not_run[:_MOST_LINES], unsure)
