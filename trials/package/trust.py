"""Public keys that a reader believes: named on the command line, published by a lab, or kept in a file.

The file has one key a line: the public key (hex), a name, and where known `replaced=TIME` and
`revoked-from=TIME`, and `made=TIME` if it took the place of another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from insitu.errors import CorrectInput
from insitu.times import to_rfc3339
from insitu.whole import write_whole
from trials.package.keys import SigningKey, read_published

_HEX: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PEM: Final = re.compile(rb"-----BEGIN [^-]+-----.*?-----END [^-]+-----", re.DOTALL)
_FACTS: Final = ("replaced", "revoked-from", "made")
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """`replaced_at`: it signs nothing afterwards. `revoked_from`: nothing it signed from then on counts.
    `made_at`: of a key that took the place of another, which signed this time too; it signed nothing before.
    """

    public_key: str
    name: str
    replaced_at: datetime | None = None
    revoked_from: datetime | None = None
    made_at: datetime | None = None

    def renamed(self, name: str) -> TrustedKey:
        return replace(self, name=name)

    def problem(self, at: datetime) -> str | None:
        """Why a signature of that time is not to be believed; None if it is."""
        if self.revoked_from is not None and at >= self.revoked_from:
            return f"its key was revoked from {to_rfc3339(self.revoked_from)} on"
        if self.replaced_at is not None and at > self.replaced_at:
            return f"its key was replaced at {to_rfc3339(self.replaced_at)} and signs nothing since"
        if self.made_at is not None and at < self.made_at:
            return f"its key was made only at {to_rfc3339(self.made_at)}"
        return None


def parse_keys(text: str, *, name: str) -> list[TrustedKey]:
    """Keys from hex, or from a file with hex, a public key in PEM, or a published list."""
    if is_key(text):
        return [TrustedKey(text.strip().lower(), name)]
    path = Path(text)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise CorrectInput(f"{text!r} is neither a public key in hex nor a file that can be read.") from error
    return keys_in(str(path), content, name=name)


def keys_in(source: str, content: bytes, *, name: str) -> list[TrustedKey]:
    """Keys from the content of a file or an answer."""
    if len(content) > _MOST_BYTES:
        raise CorrectInput(f"{source} is too large for a list of keys.")
    if content.lstrip().startswith(b"{"):
        return [trusted(one, name) for one in read_published(source, content).keys]
    lines = content.decode("utf-8", "replace").split()
    if lines and all(map(is_key, lines)):
        return [TrustedKey(line.lower(), name) for line in lines]
    found = [_public_key(one) for one in _PEM.findall(content)]
    if not found or None in found:
        raise CorrectInput(
            f"{source} holds no Ed25519 public keys, or others too: write them in hex, one a line, or in "
            "PEM, or use a published list."
        )
    return [TrustedKey(key, name) for key in found if key]


def _public_key(pem: bytes) -> str | None:
    """In hex; None for another kind of key."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, Ed25519PublicKey):
        return None
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()


def is_key(text: str) -> bool:
    """Whether it is a public key in hex."""
    return _HEX.fullmatch(text.strip().lower()) is not None


def trusted(key: SigningKey, name: str) -> TrustedKey:
    """A key of a published list, as the reader believes it."""
    made_at = (
        None if key.signed_by_previous is None else key.created
    )  # that of a first one is the file's time
    return TrustedKey(key.public_key, name, key.replaced_at, key.revoked_from, made_at)


def find_key(keys: Iterable[TrustedKey], public: str) -> TrustedKey | None:
    """The key, with the earliest end and the latest beginning that any source tells of it."""
    same = [one for one in keys if one.public_key == public]
    if not same:
        return None
    replaced = [one.replaced_at for one in same if one.replaced_at]
    revoked = [one.revoked_from for one in same if one.revoked_from]
    made = [one.made_at for one in same if one.made_at]
    ends = min(replaced, default=None), min(revoked, default=None)
    return TrustedKey(public, same[0].name, *ends, max(made, default=None))


def read_trusted(path: Path) -> list[TrustedKey]:
    """The keys in the reader's file; none if there is no file. CorrectInput names a wrong line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise CorrectInput(f"{path} cannot be read ({error}).") from error
    lines = enumerate(text.splitlines(), 1)
    return [_parse_line(path, number, line) for number, line in lines if line.strip() and line[0] != "#"]


def _parse_line(path: Path, number: int, line: str) -> TrustedKey:
    try:
        public, name, *more = line.split()
        facts = dict(part.split("=", 1) for part in more)
        times = {key: _time(value) for key, value in facts.items()}
        found = TrustedKey(public, name, *(times.pop(one, None) for one in _FACTS))
    except ValueError as error:
        raise CorrectInput(f"{path}, line {number}: write a public key and a name ({error}).") from error
    if times or not _HEX.fullmatch(public):
        raise CorrectInput(f"{path}, line {number}: write a public key in hex and a name.")
    return found


def _time(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return when


def keep_trusted(path: Path, name: str, keys: Sequence[TrustedKey]) -> None:
    """Writes the keys of `name` into the reader's file, in place of those that had that name."""
    if not _NAME.fullmatch(name):
        raise CorrectInput(f"{name!r} is no name for a key: use letters, digits, '.', '_' and '-'.")
    others = [one for one in read_trusted(path) if one.name != name]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "".join(f"{_line(one)}\n" for one in [*others, *keys]))


def _line(key: TrustedKey) -> str:
    facts = dict(zip(_FACTS, (key.replaced_at, key.revoked_from, key.made_at), strict=True))
    return " ".join([key.public_key, key.name, *(f"{k}={to_rfc3339(v)}" for k, v in facts.items() if v)])
