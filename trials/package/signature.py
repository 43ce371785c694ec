"""Who vouches for a package: its signature, against the keys that the reader believes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from insitu.errors import CorrectInput
from insitu.times import to_rfc3339
from trials.evaluation import Evaluation
from trials.package.contents import Contents
from trials.package.reading import form_of
from trials.package.signing import fingerprint, is_signed, package_message
from trials.package.strict import read_json
from trials.package.tables import DESCRIPTOR, FORMAT_1, SIGNATURE
from trials.package.trust import TrustedKey, find_key

_KEYS: Final = {
    FORMAT_1: {"algorithm", "public_key", "signature"},
    2: {"algorithm", "key_id", "public_key", "signature", "signed_at"},
}
_PUBLIC: Final = re.compile(r"[0-9a-f]{64}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")
_AHEAD: Final = timedelta(days=1)
"""The reader's clock, or the lab's, may be wrong by this much."""
_UNFIT: Final = "the signature does not fit datapackage.json"


class Vouched(NamedTuple):
    ok: bool
    lines: list[str]
    open: str = ""


def check_signature(
    contents: Contents,
    trusted: Sequence[TrustedKey],
    evaluation: Evaluation | None,
    now: datetime | None = None,
) -> Vouched:
    """`evaluation`: None if it could not be read. `now`: of the reader; None: no signature is too late."""
    if SIGNATURE not in contents.files:
        return Vouched(True, ["the package is not signed: nobody vouches for who made it"], "UNSIGNED")
    path = str(contents.folder / SIGNATURE)
    try:
        form, stated = form_of(contents), read_json(path, contents.of(SIGNATURE))
    except CorrectInput as error:
        return Vouched(False, [str(error)])
    if set(stated) != _KEYS[form] or not all(isinstance(value, str) for value in stated.values()):
        return Vouched(False, [f"{SIGNATURE} holds other values than {', '.join(sorted(_KEYS[form]))}"])
    public, at = stated["public_key"], _signed_at(stated, evaluation)
    if at is None:
        return Vouched(False, ["nobody knows when it was signed"])
    if not _fits(contents, stated, form):
        return Vouched(False, [_UNFIT])
    if form != FORMAT_1 and evaluation and not evaluation.simulated_time and at < evaluation.evaluated_at:
        return Vouched(False, ["it was signed before the evaluation was made"])
    found = _judge(public, at, trusted, stated.get("signed_at", ""))
    if form != FORMAT_1 and now and at > now + _AHEAD and found.ok and not found.open:
        return found._replace(
            open=f"SIGNED IN THE FUTURE: at {to_rfc3339(at)}, and here it is {to_rfc3339(now)}"
        )
    return found


def _fits(contents: Contents, stated: dict[str, Any], form: int) -> bool:
    public, signature = stated["public_key"], stated["signature"]
    if (
        stated["algorithm"] != "Ed25519"
        or not _PUBLIC.fullmatch(public)
        or not _SIGNATURE.fullmatch(signature)
    ):
        return False
    content = contents.of(DESCRIPTOR)
    if form == FORMAT_1:
        return is_signed(public, signature, content)
    if stated["key_id"] != fingerprint(public):
        return False
    return is_signed(public, signature, package_message(content, public, stated["signed_at"]))


def _signed_at(stated: dict[str, Any], evaluation: Evaluation | None) -> datetime | None:
    """As the signature says, in the one form of a time; format 1 says only when the evaluation was made."""
    if "signed_at" not in stated:
        return evaluation.evaluated_at if evaluation else None
    try:
        when = datetime.fromisoformat(stated["signed_at"])
    except ValueError:
        return None
    return when if when.tzinfo is not None and to_rfc3339(when) == stated["signed_at"] else None


def _judge(public: str, at: datetime, trusted: Sequence[TrustedKey], signed_at: str) -> Vouched:
    when = f" at {signed_at}, as the signer says" if signed_at else ""
    known = find_key(trusted, public)
    told = f"signed with the Ed25519 key {public} ({fingerprint(public)}){when}"
    if known is None:
        return Vouched(
            True, [f"{told}: compare it with the lab's, then name it with --key"], f"UNKNOWN KEY {public}"
        )
    problem = known.problem(at)
    if problem is not None:
        return Vouched(False, [f"{told}: {problem}"])
    return Vouched(True, [f"{told}, which is {known.name}'s"])
