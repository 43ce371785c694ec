"""Does a package agree with itself? Checksums, protocol, every number, signature; each check names the
differences.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from insitu.errors import CorrectInput
from trials.evaluation import document_of
from trials.package.reading import evaluate_package, text_of
from trials.package.tables import SIGNATURE, VERSIONS
from trials.plan.reading import canonical
from trials.plan.rules import RULES_1

RELATIVE = 1e-6
"""Across types of processors; on the same type the bytes are the same."""
_NOT_COMPARED = {"evaluated_at", "code", "changed", "causes"}
_MOST_LINES = 20


class Check(NamedTuple):
    name: str
    ok: bool
    lines: list[str]
    """The differences; a remark if there is none."""


def verify(folder: Path) -> list[Check]:
    """Runs the four checks. A package that cannot be read at all raises CorrectInput."""
    if not (folder / "datapackage.json").is_file():
        raise CorrectInput(f"{folder} is no trial package: it has no datapackage.json.")
    numbers = _numbers(folder)  # first, since it reads every file and names one that cannot be read
    return [_checksums(folder), _protocol(folder), numbers, _signature(folder)]


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(text_of(path))
    except ValueError as error:
        raise CorrectInput(f"{path} cannot be read ({error}).") from error
    if not isinstance(document, dict):
        raise CorrectInput(f"{path} cannot be read (it holds no JSON object).")
    return document


def _resources(folder: Path) -> list[tuple[str, str]]:
    """(path, hash) of every file that the descriptor lists."""
    path = folder / "datapackage.json"
    try:
        return [(str(resource["path"]), str(resource["hash"])) for resource in _json(path)["resources"]]
    except (KeyError, TypeError) as error:
        raise CorrectInput(
            f"{path} does not list files with their hash ({type(error).__name__}: {error})."
        ) from error


def _checksums(folder: Path) -> Check:
    lines = []
    resources = _resources(folder)
    for name, stated in resources:
        path = folder / name
        if not path.is_file():
            lines.append(f"{name} is missing")
        elif "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest() != stated:
            lines.append(f"{name} was changed")
    listed = {name for name, _ in resources} | {"datapackage.json", SIGNATURE}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    lines += [f"{name} is not part of the package" for name in sorted(found - listed)]
    return Check(f"checksums of {len(resources)} files", not lines, lines)


def _protocol(folder: Path) -> Check:
    text = text_of(folder / "protocol.json")
    lines = []
    try:
        if canonical(json.loads(text)).decode() != text:
            lines.append("protocol.json is not in canonical form")
    except ValueError as error:
        lines.append(f"protocol.json cannot be read ({error})")
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    stated = _json(folder / "evaluation.json").get("protocol_sha256")
    if sha256 != stated:
        lines.append(f"protocol.json has SHA-256 {sha256}, evaluation.json says {stated}")
    lines += list(_versions(folder))
    return Check("hash of the locked protocol", not lines, lines)


def _versions(folder: Path) -> Iterator[str]:
    """Versions whose document does not have the hash in catalogue.json; the last is protocol.json."""
    path = folder / "catalogue.json"
    stated = _json(path).get("versions", [])
    try:
        named = [(int(one["version"]), str(one["sha256"])) for one in stated]
    except (KeyError, TypeError, ValueError) as error:
        raise CorrectInput(
            f"{path} does not list versions with their hash ({type(error).__name__}: {error})."
        ) from error
    for number, (version, expected) in enumerate(named, 1):
        name = "protocol.json" if number == len(named) else f"{VERSIONS}/{version}.json"
        sha256 = hashlib.sha256(text_of(folder / name).encode()).hexdigest()
        if sha256 != expected:
            yield f"{name} has SHA-256 {sha256}, catalogue.json says {expected}"


def _numbers(folder: Path) -> Check:
    """Every number of evaluation.json, recomputed from the observations."""
    stated = {"rules": RULES_1, **_json(folder / "evaluation.json")}
    recomputed = document_of(evaluate_package(folder))
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
    return Check(f"{compared[0]} numbers and verdicts of evaluation.json recomputed", not lines, lines)


def differences(where: str, stated: Any, found: Any, compared: list[int]) -> Iterator[str]:
    """Paths below `where` at which two documents differ, numbers by more than `RELATIVE`; counts what it has
    compared in `compared[0]`.
    """
    if isinstance(stated, dict) and isinstance(found, dict):
        for key in sorted(set(stated) | set(found)):
            if where or key not in _NOT_COMPARED:
                yield from differences(
                    f"{where}.{key}" if where else key, stated.get(key), found.get(key), compared
                )
        return
    if isinstance(stated, list) and isinstance(found, list):
        if len(stated) != len(found):
            yield f"{where}: {len(stated)} items stated, {len(found)} recomputed"
        for number, (one, other) in enumerate(zip(stated, found, strict=False)):
            yield from differences(f"{where}[{_label(one, number)}]", one, other, compared)
        return
    compared[0] += 1
    if not _same(stated, found):
        yield f"{where}: {_short(stated)} stated, {_short(found)} recomputed"


def _label(item: Any, number: int) -> str:
    if isinstance(item, dict):
        for key in ("name", "statistic", "datastream", "code", "day"):
            if key in item:
                return str(item[key])
    return str(number)


def _same(stated: Any, found: Any) -> bool:
    numbers = (int, float)
    if (
        isinstance(stated, numbers)
        and isinstance(found, numbers)
        and not isinstance(stated, bool)
        and not isinstance(found, bool)
    ):
        return math.isclose(stated, found, rel_tol=RELATIVE, abs_tol=1e-9)
    return bool(stated == found)


def _short(item: Any) -> str:
    text = json.dumps(item, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "…"


def _signature(folder: Path) -> Check:
    path = folder / SIGNATURE
    if not path.is_file():
        return Check("signature", True, ["the package is not signed: nobody vouches for who made it"])
    stated = _json(path)
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(stated["public_key"]))
        key.verify(bytes.fromhex(stated["signature"]), (folder / "datapackage.json").read_bytes())
    except (InvalidSignature, KeyError, ValueError, TypeError):
        return Check("signature", False, ["the signature does not fit datapackage.json"])
    return Check(
        "signature", True, [f"signed with the Ed25519 key {stated['public_key']}: compare it with the lab's"]
    )
