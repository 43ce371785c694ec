"""Statements and time stamps in a trial package: folder `witness` with `log.json` and a `.tsr` for each
token.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from insitu.errors import CorrectInput
from trials.package.contents import Contents, load
from trials.package.strict import read_json
from trials.package.tables import SIGNATURE
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


def verify_tokens(
    package: Path | Contents, roots: Sequence[x509.Certificate] | None, *, keys: Collection[str] = ()
) -> list[Check]:
    """Compares the statements with the package and checks their tokens against `roots`; None: the tokens are
    only listed. `package`: a folder, or what was read from it: if files change meanwhile, all checks must see
    the same. `keys`: public keys of the lab besides the one that signed the package.
    """
    contents = package if isinstance(package, Contents) else load(package)
    files = {name.removeprefix(f"{FOLDER}/") for name in contents.files if name.startswith(f"{FOLDER}/")}
    if not files:
        return [Check(TITLE, True, ["none: for the times of locks and evaluations only the lab vouches"])]
    path = f"{FOLDER}/{LOG}"
    try:
        log = read_json(path, contents.of(path), rfc8785=True)
        facts = _Facts.read(contents, keys)
        problems: list[str] = []
        remarks: list[str] = []
        seen: set[str] = set()
        for entry in log["statements"]:
            signed = Signed(entry["document"], entry["public_key"], entry["signature"])
            content = signed.content()
            name = _name(content)
            seen.add(name)
            problems += [f"{name}: {text}" for text in _differing(signed, content, facts)]
            for ok, text in _tokens(contents, entry, content, roots):
                (remarks if ok else problems).append(f"{name}: {text}")
        named = {one["file"] for entry in log["statements"] for one in entry["tokens"]}
        problems += [f"{name} belongs to no statement" for name in sorted(files - named - {LOG})]
    except CorrectInput as error:
        return [Check(TITLE, False, [str(error)])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return [Check(TITLE, False, [f"{path} cannot be read ({type(error).__name__}: {error})"])]
    remarks += [f"{name}: only the lab vouches for its time" for name in facts.acts if name not in seen]
    return [Check(TITLE, not problems, [*problems, *remarks])]


@dataclass(frozen=True, slots=True)
class _Facts:
    """The acts of the package: name → their fields, as a statement has them."""

    trial: str
    acts: dict[str, dict[str, Any]]
    keys: frozenset[str]
    """Of the lab: the package's own, and those that the reader believes. Empty for an unsigned package."""

    @classmethod
    def read(cls, contents: Contents, keys: Collection[str]) -> _Facts:
        catalogue = read_json("catalogue.json", contents.of("catalogue.json"))
        evaluation = contents.of("evaluation.json")
        stated = json.loads(evaluation)
        acts = {
            f"lock of version {one['version']}": {"at": one["locked_at"], "sha256": one["sha256"]}
            for one in catalogue.get("versions", [])
        }
        for one in catalogue.get("unblinded", []):
            acts[f"unblinding of {one['endpoint']}"] = {"at": one["at"], "reason": one["reason"]}
        acts["evaluation"] = {
            "at": stated["evaluated_at"],
            "sha256": hashlib.sha256(evaluation).hexdigest(),
        }
        if SIGNATURE not in contents.files:
            return cls(stated["trial"], acts, frozenset())
        own = read_json(SIGNATURE, contents.of(SIGNATURE))["public_key"]
        return cls(stated["trial"], acts, frozenset([own, *keys]))


def _name(content: Mapping[str, Any]) -> str:
    detail = content.get("detail", {})
    match content["what"]:
        case "lock":
            return f"lock of version {detail['version']}"
        case "unblind":
            return f"unblinding of {detail['endpoint']}"
        case "evaluate":
            return "evaluation"
        case "erase":
            return _erasure(content, detail)
        case "head":
            return f"head of the audit log at line {content['line']}"
        case what:
            return f"{what} at line {content['line']}"


def _erasure(content: Mapping[str, Any], detail: Mapping[str, Any]) -> str:
    """Which results the package cannot hold any more."""
    whose = f"device {detail['device']}" if detail["device"] else "the trial"
    gone = sum(detail["results_by_device"].values())
    return f"erasure {detail['erasure']} of {gone} results of {whose} ({detail['reason']})"


def _differing(signed: Signed, content: dict[str, Any], facts: _Facts) -> Iterator[str]:
    if not is_signed(signed):
        yield "the signature does not fit the statement"
    elif facts.keys and signed.public_key not in facts.keys:
        yield f"signed with another key than the package ({signed.public_key}): name it, if it is the lab's"
    if signed.document != canonical(content).decode():
        yield "the statement is not in its one form"
    if content["what"] != HEAD and content.get("subject") != facts.trial:
        yield f"the statement is about another trial, {content.get('subject')}"
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
    contents: Contents,
    entry: Mapping[str, Any],
    content: Mapping[str, Any],
    roots: Sequence[x509.Certificate] | None,
) -> Iterator[tuple[bool, str]]:
    """(whether it is good, what to say) for each token."""
    if not entry["tokens"]:
        yield True, "only the lab vouches for its time"
    for one in entry["tokens"]:
        token = contents.of(f"{FOLDER}/{one['file']}")
        if roots is None:
            yield True, f"time stamp of {one['authority']}, not checked: give its root with --tsa-root"
            continue
        yield _judge(token, entry["document"], _moment(content["at"]), roots)


def _judge(token: bytes, document: str, at: datetime, roots: Sequence[x509.Certificate]) -> tuple[bool, str]:
    try:
        vouched = check_token(token, document.encode(), roots)
    except Untrusted as error:
        return False, f"its time stamp is wrong: {error}"
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
