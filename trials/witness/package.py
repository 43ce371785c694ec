"""Statements and time stamps in a trial package: folder `witness` with `log.json` and a `.tsr` for each
token.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from insitu.errors import CorrectInput
from trials.package.reading import text_of
from trials.package.verify import Check
from trials.plan.reading import canonical
from trials.witness.authority import FARTHEST
from trials.witness.statements import HEAD, Signed, is_signed
from trials.witness.tokens import Untrusted, check_token, name_of_signer

FOLDER: Final = "witness"
LOG: Final = "log.json"
TITLE: Final = "times vouched for by others"
LATE: Final = timedelta(days=1)
"""A time stamp later than this after its act leaves a time for which only the lab vouches."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """A statement, and its tokens by the address of the authority."""

    statement: Signed
    tokens: Mapping[str, bytes]


def choose_for_package(stamped: Sequence[Stamped], trial: str, evaluation_sha256: str) -> list[Stamped]:
    """Those about the trial's locks, unblindings and decision, about this evaluation, and the first head that
    covers it.
    """
    contents = [(one, one.statement.content()) for one in stamped]
    chosen, line = [], None
    for one, content in contents:
        if content["what"] == HEAD or content.get("subject") != trial:
            continue
        if content["what"] == "evaluate":
            if content["detail"].get("sha256") != evaluation_sha256:
                continue
            line = content["line"]
        chosen.append(one)
    if line is not None:
        heads = [one for one, content in contents if content["what"] == HEAD and content["line"] >= line]
        chosen += heads[:1]
    return chosen


def tokens_for_package(folder: Path, stamped: Sequence[Stamped]) -> None:
    """Writes folder `witness`; nothing if there is no statement. Call it before the package is sealed."""
    if not stamped:
        return
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    entries = []
    for one in stamped:
        content = one.statement.content()
        tokens = []
        for number, (authority, token) in enumerate(sorted(one.tokens.items()), 1):
            name = f"{content['what']}-{content['line']}-{number}.tsr"
            (place / name).write_bytes(token)
            tokens.append({"authority": authority, "file": name})
        entries.append(
            {
                "document": one.statement.document,
                "public_key": one.statement.public_key,
                "signature": one.statement.signature,
                "tokens": tokens,
            }
        )
    (place / LOG).write_bytes(canonical({"schema": "insitu/witness/1", "statements": entries}))


def verify_tokens(folder: Path, roots: Sequence[x509.Certificate] | None) -> list[Check]:
    """Compares the statements with the package and checks their tokens against `roots`; None: the tokens are
    only listed. CorrectInput if `log.json` cannot be read.
    """
    path = folder / FOLDER / LOG
    if not path.is_file():
        return [Check(TITLE, True, ["none: for the times of locks and evaluations only the lab vouches"])]
    try:
        facts = _Facts.read(folder)
        problems: list[str] = []
        remarks: list[str] = []
        seen: set[str] = set()
        for entry in json.loads(text_of(path))["statements"]:
            signed = Signed(entry["document"], entry["public_key"], entry["signature"])
            content = signed.content()
            name = _name(content)
            seen.add(name)
            problems += [f"{name}: {text}" for text in _differing(signed, content, facts)]
            for ok, text in _tokens(folder, entry, content, roots):
                (remarks if ok else problems).append(f"{name}: {text}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorrectInput(f"{path} cannot be read ({type(error).__name__}: {error}).") from error
    remarks += [f"{name}: only the lab vouches for its time" for name in facts.acts if name not in seen]
    return [Check(TITLE, not problems, [*problems, *remarks])]


@dataclass(frozen=True, slots=True)
class _Facts:
    """The acts of the package: name → their fields, as a statement has them."""

    acts: dict[str, dict[str, Any]]
    key: str | None

    @classmethod
    def read(cls, folder: Path) -> _Facts:
        catalogue = json.loads(text_of(folder / "catalogue.json"))
        evaluation = text_of(folder / "evaluation.json")
        acts = {
            f"lock of version {one['version']}": {"at": one["locked_at"], "sha256": one["sha256"]}
            for one in catalogue.get("versions", [])
        }
        for one in catalogue.get("unblinded", []):
            acts[f"unblinding of {one['endpoint']}"] = {"at": one["at"], "reason": one["reason"]}
        acts["evaluation"] = {
            "at": json.loads(evaluation)["evaluated_at"],
            "sha256": hashlib.sha256(evaluation.encode()).hexdigest(),
        }
        signature = folder / "signature.json"
        key = json.loads(text_of(signature))["public_key"] if signature.is_file() else None
        return cls(acts, key)


def _name(content: Mapping[str, Any]) -> str:
    detail = content.get("detail", {})
    match content["what"]:
        case "lock":
            return f"lock of version {detail['version']}"
        case "unblind":
            return f"unblinding of {detail['endpoint']}"
        case "evaluate":
            return "evaluation"
        case "head":
            return f"head of the audit log at line {content['line']}"
        case what:
            return f"{what} at line {content['line']}"


def _differing(signed: Signed, content: Mapping[str, Any], facts: _Facts) -> Iterator[str]:
    if not is_signed(signed):
        yield "the signature does not fit the statement"
    elif facts.key is not None and signed.public_key != facts.key:
        yield f"signed with another key than the package ({signed.public_key})"
    act = facts.acts.get(_name(content))
    if act is None:
        if content["what"] in ("lock", "unblind", "evaluate"):
            yield "the package has no such act"
        return
    if _moment(act["at"]) != _moment(content["at"]):
        yield f"the package says {act['at']}, the statement {content['at']}"
    for field in ("sha256", "reason"):
        if field in act and act[field] != content["detail"].get(field):
            yield f"the statement is about another {field}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _tokens(
    folder: Path,
    entry: Mapping[str, Any],
    content: Mapping[str, Any],
    roots: Sequence[x509.Certificate] | None,
) -> Iterator[tuple[bool, str]]:
    """(whether it is good, what to say) for each token."""
    if not entry["tokens"]:
        yield True, "only the lab vouches for its time"
    for one in entry["tokens"]:
        name = str(one["file"])
        if "/" in name or "\\" in name or not name.endswith(".tsr"):
            raise ValueError(f"{name!r} is no name of a token")
        if roots is None:
            yield True, f"time stamp of {one['authority']}, not checked: give its root with --tsa-root"
            continue
        yield _judge(folder / FOLDER / name, entry["document"], _moment(content["at"]), roots)


def _judge(path: Path, document: str, at: datetime, roots: Sequence[x509.Certificate]) -> tuple[bool, str]:
    try:
        token = path.read_bytes()
        vouched = check_token(token, document.encode(), roots)
    except OSError as error:
        return False, f"{path.name} cannot be read ({error.strerror})"
    except Untrusted as error:
        return False, f"{path.name}: {error}"
    who = name_of_signer(token)
    if vouched < at - FARTHEST:
        return (
            False,
            f"it states {at:%Y-%m-%d %H:%M} UTC, but {who} saw it on {vouched:%Y-%m-%d %H:%M} UTC before",
        )
    late = ""
    if vouched > at + LATE:
        late = f"; for the time between {at:%Y-%m-%d %H:%M} UTC and then only the lab vouches"
    return True, f"{who} vouches that it existed on {vouched:%Y-%m-%d %H:%M:%S} UTC{late}"
