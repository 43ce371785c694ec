"""The life of a signing key, the published list, and what a reader believes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from insitu.errors import CorrectInput, NotFound
from insitu.times import to_rfc3339
from tests.trials.package import forger
from tests.trials.package.conftest import Lab
from trials.package.keys import (
    list_keys,
    published,
    read_published,
    revoke_key,
    rotate_key,
    signing_key,
)
from trials.package.signing import fingerprint, public_hex
from trials.package.strict import written
from trials.package.trust import TrustedKey, find_key, keep_trusted, keys_in, parse_keys, read_trusted
from trials.package.verify import verify

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_the_first_key_is_listed_with_a_fingerprint_to_read_aloud(tmp_path: Path) -> None:
    (key,) = list_keys(tmp_path)
    assert key.public_key == public_hex(signing_key(tmp_path))
    assert [len(group) for group in key.fingerprint.split()] == [4] * 8
    assert (tmp_path / "signing.key").stat().st_mode & 0o777 == 0o600


def test_a_rotated_key_is_vouched_for_by_the_one_before_which_stays_in_the_list(tmp_path: Path) -> None:
    old = list_keys(tmp_path)[0]
    fresh = rotate_key(tmp_path, reason="yearly", now=NOW)
    before, after = list_keys(tmp_path)
    assert (before.public_key, before.replaced_at) == (old.public_key, NOW)
    assert (after.public_key, after.reason, after.created) == (fresh.public_key, "yearly", NOW)
    assert public_hex(signing_key(tmp_path)) == fresh.public_key
    assert read_published("list", written(published(tmp_path))).keys == [before, after]


@pytest.mark.parametrize(
    "where", ["reason", "created", "signed_by_previous", "signature", "order", "dropped"]
)
def test_a_list_that_was_changed_is_refused(where: str, tmp_path: Path) -> None:
    rotate_key(tmp_path, reason="yearly", now=NOW)
    document = json.loads(json.dumps(published(tmp_path)))
    if where == "signature":
        document["signature"] = "00" * 64
    elif where == "order":
        document["keys"].reverse()
    elif where == "dropped":
        del document["keys"][0]
    else:
        value = {"reason": "x", "created": "2020-01-01T00:00:00Z", "signed_by_previous": "00" * 64}[where]
        document["keys"][1][where] = value
    with pytest.raises(CorrectInput):
        read_published("list", written(document))


def test_a_thief_of_the_list_cannot_append_a_key_of_his_own(tmp_path: Path) -> None:
    lab, thief = tmp_path / "lab", tmp_path / "thief"
    lab.mkdir()
    thief.mkdir()
    document = published(lab)
    own = json.loads(json.dumps(published(thief)))
    own["keys"] = [*document["keys"], *own["keys"]]
    with pytest.raises(CorrectInput, match="not signed by the last key"):
        read_published("list", written(own))


def test_only_a_replaced_key_is_revoked_and_the_earliest_time_counts(tmp_path: Path) -> None:
    old = list_keys(tmp_path)[0]
    since = NOW - timedelta(days=3)
    with pytest.raises(CorrectInput, match="run `insitu key rotate` first"):
        revoke_key(tmp_path, old.public_key, since=since, reason="stolen", now=NOW)
    rotate_key(tmp_path, reason="stolen", now=NOW)
    revoke_key(tmp_path, old.fingerprint, since=since, reason="stolen", now=NOW)
    revoked = list_keys(tmp_path)[0]
    assert (revoked.revoked_from, revoked.revoked_at, revoked.revoked_reason) == (since, NOW, "stolen")
    with pytest.raises(CorrectInput, match="revoked before"):
        revoke_key(tmp_path, old.public_key, since=NOW, reason="later", now=NOW)
    with pytest.raises(NotFound):
        revoke_key(tmp_path, "00" * 32, since=NOW, reason="x", now=NOW)


def test_a_rotation_that_was_interrupted_is_finished_or_forgotten(tmp_path: Path) -> None:
    rotate_key(tmp_path, reason="first", now=NOW)
    listed, before = (tmp_path / "signing-keys.json").read_bytes(), (tmp_path / "signing.key").read_bytes()
    fresh = rotate_key(tmp_path, reason="second", now=NOW + timedelta(days=1))
    (tmp_path / "signing.key.next").write_bytes((tmp_path / "signing.key").read_bytes())
    (tmp_path / "signing.key").write_bytes(before)
    assert public_hex(signing_key(tmp_path)) == fresh.public_key
    assert not (tmp_path / "signing.key.next").exists()
    (tmp_path / "signing.key.next").write_bytes((tmp_path / "signing.key").read_bytes())
    (tmp_path / "signing.key").write_bytes(before)
    (tmp_path / "signing-keys.json").write_bytes(listed)
    assert public_hex(signing_key(tmp_path)) == list_keys(tmp_path)[-1].public_key != fresh.public_key


def test_a_lost_key_is_followed_by_one_that_nobody_vouches_for(tmp_path: Path) -> None:
    lost = list_keys(tmp_path)[0]
    (tmp_path / "signing.key").unlink()
    before, after = list_keys(tmp_path)
    assert before.public_key == lost.public_key
    assert before.replaced_at == after.created
    assert after.signed_by_previous is None


def test_a_key_is_read_from_hex_pem_and_a_list(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    pem = tmp_path / "lab.pem"
    pem.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    listed = tmp_path / "keys.json"
    listed.write_bytes(written(published(tmp_path)))
    text = tmp_path / "key.txt"
    text.write_text(public_hex(key) + "\n", "utf-8")
    for given in (public_hex(key).upper(), str(pem), str(listed), str(text)):
        assert [one.public_key for one in parse_keys(given, name="lab")] == [public_hex(key)]
    for wrong in (str(tmp_path / "signing.key"), str(tmp_path), "xyz"):
        with pytest.raises(CorrectInput):
            parse_keys(wrong, name="lab")
    other = public_hex(Ed25519PrivateKey.generate())
    text.write_text(f"{other}\n{public_hex(key)}\n", "utf-8")
    assert [one.public_key for one in parse_keys(str(text), name="lab")] == [other, public_hex(key)]
    pem.write_bytes(b"The keys of the lab:\n" + 2 * pem.read_bytes())
    assert [one.public_key for one in parse_keys(str(pem), name="lab")] == 2 * [public_hex(key)]
    pem.write_bytes(pem.read_bytes() + (tmp_path / "signing.key").read_bytes())
    with pytest.raises(CorrectInput, match="or others too"):
        parse_keys(str(pem), name="lab")
    with pytest.raises(CorrectInput, match="too large"):
        keys_in("list", b"0" * (2 << 20), name="lab")


def test_the_readers_file_keeps_names_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "insitu" / "trusted-keys"
    assert read_trusted(path) == []
    one = TrustedKey("ab" * 32, "lab", NOW, NOW - timedelta(days=1), NOW - timedelta(days=2))
    keep_trusted(path, "lab", [one])
    keep_trusted(path, "other", [TrustedKey("cd" * 32, "other")])
    keep_trusted(path, "lab", [one])
    assert sorted(read_trusted(path), key=lambda key: key.name) == [one, TrustedKey("cd" * 32, "other")]
    for line in (
        "xyz lab",
        "ab" * 32,
        f"{'ab' * 32} lab until=never",
        f"{'ab' * 32} lab more=2026-01-01T00:00Z",
    ):
        path.write_text(line + "\n", "utf-8")
        with pytest.raises(CorrectInput, match="line 1"):
            read_trusted(path)


def test_the_earliest_end_that_any_source_tells_counts() -> None:
    later = NOW + timedelta(days=9)
    found = find_key(
        [TrustedKey("ab", "a", later), TrustedKey("ab", "b", NOW, later), TrustedKey("ab", "c", None, NOW)],
        "ab",
    )
    assert found == TrustedKey("ab", "a", NOW, NOW)
    assert find_key([], "ab") is None


SIGNED = datetime.fromisoformat(forger.SIGNED_AT)
ENDS = [
    ({"revoked_from": SIGNED}, f"its key was revoked from {to_rfc3339(SIGNED)} on"),
    ({"revoked_from": SIGNED + timedelta(seconds=1)}, None),
    ({"replaced_at": SIGNED - timedelta(seconds=1)}, "signs nothing since"),
    ({"replaced_at": SIGNED}, None),
    ({"made_at": SIGNED + timedelta(seconds=1)}, "its key was made only at"),
    ({"made_at": SIGNED}, None),
]


@pytest.mark.parametrize(("ends", "problem"), ENDS)
def test_a_signature_counts_only_while_its_key_did(
    ends: dict[str, datetime], problem: str | None, lab: Lab
) -> None:
    check = verify(lab.folder, [TrustedKey(forger.public(lab.key), "lab", **ends)])[-1]
    assert check.ok == (problem is None)
    assert (problem or "which is lab's") in check.lines[0]


@pytest.mark.parametrize("part", ["algorithm", "key_id", "public_key", "signature", "signed_at"])
def test_every_part_of_a_signature_counts(part: str, lab: Lab, copied: Callable[[], Path]) -> None:
    folder = copied()
    other = {"algorithm": "none", "signed_at": "2026-05-01T12:00:01Z"}
    fresh = Ed25519PrivateKey.generate()
    values = {
        "key_id": fingerprint(forger.public(fresh)),
        "public_key": forger.public(fresh),
        "signature": "0" * 128,
    }
    forger.edit(folder / "signature.json", **{part: {**other, **values}[part]})
    assert not lab.verify(folder)[-1].ok


def test_a_signature_for_another_purpose_does_not_fit(lab: Lab, copied: Callable[[], Path]) -> None:
    """Format 1 signed the bare bytes of the descriptor."""
    folder = copied()
    bare = lab.key.sign((folder / "datapackage.json").read_bytes()).hex()
    forger.edit(folder / "signature.json", signature=bare)
    assert lab.verify(folder)[-1].lines == ["the signature does not fit datapackage.json"]


def test_a_package_that_was_signed_before_its_evaluation_is_refused(
    lab: Lab, copied: Callable[[], Path]
) -> None:
    folder = copied()
    forger.sign(folder, lab.key, "2026-01-01T00:00:00Z")
    assert lab.verify(folder)[-1].lines == ["it was signed before the evaluation was made"]


def test_a_key_that_took_the_place_of_another_vouches_for_nothing_before(tmp_path: Path) -> None:
    """The old key signed the time of the new one. The first key's time is only that of its file."""
    signing_key(tmp_path)
    rotate_key(tmp_path, reason="yearly", now=NOW)
    path = tmp_path / "keys.json"
    path.write_bytes(written(published(tmp_path)))
    assert [one.made_at for one in parse_keys(str(path), name="lab")] == [None, NOW]
