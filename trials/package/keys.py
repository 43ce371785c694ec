"""The installation's signing keys: the present one, those before it, and the list that is published.

`signing.key` holds the present private key. `signing-keys.json` holds what the public may know of every key,
oldest first. A private key that was replaced is not kept: nothing needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from insitu.errors import CorrectInput, NotFound
from insitu.times import to_rfc3339
from insitu.whole import write_once, write_whole
from trials.package.signing import LIST, SUCCESSION, fingerprint, is_signed, message, public_hex
from trials.package.strict import read_json, written
from trials.plan.reading import canonical

_PRESENT: Final = "signing.key"
_NEXT: Final = "signing.key.next"
_LIST: Final = "signing-keys.json"
PublicHex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SigningKey(BaseModel):
    """Public facts about a key. `signed_by_previous`: hex; None for the first one, or where the
    private key before it was lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    public_key: PublicHex
    fingerprint: str
    created: AwareDatetime
    reason: str = ""
    """Why it replaced the one before."""
    signed_by_previous: str | None = None
    replaced_at: AwareDatetime | None = None
    revoked_from: AwareDatetime | None = None
    """From then on nothing that it signed is to be believed."""
    revoked_at: AwareDatetime | None = None
    revoked_reason: str = ""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    keys: list[SigningKey]


class PublishedKeys(BaseModel):
    """The list as published: oldest first, signed by the last one."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_: Literal["insitu/keys/1"] = Field("insitu/keys/1", alias="schema")
    keys: Annotated[list[SigningKey], Field(min_length=1, max_length=1000)]
    signature: str


def signing_key(data_dir: Path) -> Ed25519PrivateKey:
    """The installation's own key. Made at first use; only its account can read it."""
    path = data_dir / _PRESENT
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (
        not path.exists() or path.stat().st_size == 0
    ):  # an interrupted start of an older version leaves it empty
        write_once(path, _pem(Ed25519PrivateKey.generate()))
    _finish_rotation(data_dir)
    return _load(path)


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise CorrectInput(
            f"{path} is not an Ed25519 key: put it back from a backup; if it is lost, move it "
            "away, and a new one is made."
        )
    return key


def _finish_rotation(data_dir: Path) -> None:
    """Puts the next key in place if a rotation was interrupted after it was listed; else drops it."""
    waiting = data_dir / _NEXT
    if not waiting.exists():
        return
    listed = _recorded(data_dir)
    if listed and listed[-1].public_key == public_hex(_load(waiting)):
        waiting.replace(data_dir / _PRESENT)
    else:
        waiting.unlink(missing_ok=True)


def _recorded(data_dir: Path) -> list[SigningKey]:
    path = data_dir / _LIST
    if not path.exists():
        return []
    try:
        return _Record.model_validate_json(path.read_bytes()).keys
    except ValidationError as error:
        raise CorrectInput(f"{path} is not a list of signing keys: restore it from a backup.") from error


def _record(data_dir: Path, keys: Sequence[SigningKey]) -> None:
    write_whole(data_dir / _LIST, written(_Record(keys=list(keys)).model_dump(mode="json")))


def list_keys(data_dir: Path) -> list[SigningKey]:
    """Every key of the installation, oldest first; the last one is present."""
    key, keys = signing_key(data_dir), _recorded(data_dir)
    public = public_hex(key)
    if not keys or keys[-1].public_key != public:
        created = datetime.fromtimestamp(int((data_dir / _PRESENT).stat().st_mtime), UTC)
        before = [_replaced(one, created) for one in keys if one.public_key != public]
        keys = [*before, SigningKey(public_key=public, fingerprint=fingerprint(public), created=created)]
        _record(data_dir, keys)
    return keys


def _replaced(key: SigningKey, at: datetime) -> SigningKey:
    return key if key.replaced_at else key.model_copy(update={"replaced_at": at})


def rotate_key(data_dir: Path, *, reason: str, now: datetime) -> SigningKey:
    """Replaces the present key by a new one that it vouches for; returns the new one."""
    keys, old, fresh = list_keys(data_dir), signing_key(data_dir), Ed25519PrivateKey.generate()
    public = public_hex(fresh)
    entry = SigningKey(
        public_key=public,
        fingerprint=fingerprint(public),
        created=now,
        reason=reason,
        signed_by_previous=old.sign(_succession(keys[-1].public_key, public, now)).hex(),
    )
    write_whole(data_dir / _NEXT, _pem(fresh))
    _record(data_dir, [*keys[:-1], _replaced(keys[-1], now), entry])
    _finish_rotation(data_dir)
    return entry


def revoke_key(data_dir: Path, which: str, *, since: datetime, reason: str, now: datetime) -> SigningKey:
    """Marks a replaced key as not to be believed from `since` on. `which`: public key or fingerprint."""
    keys = list_keys(data_dir)
    wanted = "".join(which.split()).lower()
    index = next(
        (n for n, k in enumerate(keys) if wanted in (k.public_key, k.fingerprint.replace(" ", ""))), None
    )
    if index is None:
        raise NotFound(f"There is no signing key {which!r}: `insitu key` lists them.")
    if index == len(keys) - 1:
        raise CorrectInput("That is the present key: run `insitu key rotate` first, then revoke it.")
    before = keys[index]
    if before.revoked_from is not None and before.revoked_from <= since:
        raise CorrectInput(f"It was revoked before, from {to_rfc3339(before.revoked_from)} on.")
    revoked = before.model_copy(update={"revoked_from": since, "revoked_at": now, "revoked_reason": reason})
    _record(data_dir, [*keys[:index], revoked, *keys[index + 1 :]])
    return revoked


def published(data_dir: Path) -> dict[str, Any]:
    """The list as the public gets it, signed by the present key."""
    keys = [one.model_dump(mode="json") for one in list_keys(data_dir)]
    signature = signing_key(data_dir).sign(_list_message(keys)).hex()
    return {"schema": "insitu/keys/1", "keys": keys, "signature": signature}


def read_published(source: str, content: bytes) -> PublishedKeys:
    """A published list. CorrectInput if it is none, or its signatures do not fit."""
    document = read_json(source, content)
    try:
        found = PublishedKeys.model_validate_json(content)
    except ValidationError as error:
        raise CorrectInput(f"{source} is no list of signing keys ({error.errors()[0]['msg']}).") from error
    keys = found.keys
    if not is_signed(keys[-1].public_key, found.signature, _list_message(document["keys"])):
        raise CorrectInput(f"{source}: the list is not signed by the last key in it.")
    if len({one.public_key for one in keys}) != len(keys):
        raise CorrectInput(f"{source}: a key is there twice.")
    for before, one in zip([None, *keys[:-1]], keys, strict=True):
        if one.fingerprint != fingerprint(one.public_key):
            raise CorrectInput(f"{source}: the fingerprint of {one.public_key} is another one.")
        if before is not None and one.signed_by_previous is not None:
            content = _succession(before.public_key, one.public_key, one.created)
            if not is_signed(before.public_key, one.signed_by_previous, content):
                raise CorrectInput(f"{source}: {one.fingerprint} is not signed by the key before it.")
    return found


def _succession(old: str, new: str, created: datetime) -> bytes:
    return message(SUCCESSION, old, new, to_rfc3339(created))


def _list_message(keys: list[dict[str, Any]]) -> bytes:
    return message(LIST, canonical({"keys": keys}).decode())
