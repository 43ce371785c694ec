"""A forger's tools: they change a package and seal it again, with none of the code that writes packages."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from trials.evaluation import document_of
from trials.package.reading import evaluate_package

SIGNED_AT = "2026-05-01T12:00:00Z"
_KINDS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".html": "text/html",
    ".md": "text/markdown",
}


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def indented(document: Any) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def edit(path: Path, **changes: Any) -> None:
    """Changes top-level values of an indented JSON file."""
    path.write_bytes(indented(read(path) | changes))


def rows(folder: Path, name: str = "observations.csv") -> list[list[str]]:
    return [line.split(",") for line in (folder / name).read_text("utf-8")[:-1].split("\n")]


def put_rows(folder: Path, table: list[list[str]], name: str = "observations.csv") -> None:
    (folder / name).write_bytes("".join(",".join(row) + "\n" for row in table).encode())


def evaluate_again(folder: Path) -> None:
    """The evaluation that follows from the changed facts."""
    (folder / "evaluation.json").write_bytes(rfc8785.dumps(document_of(evaluate_package(folder))))


def seal(folder: Path, key: Ed25519PrivateKey | None) -> None:
    """New checksums in the descriptor, and a signature; without a key there is none."""
    path = folder / "datapackage.json"
    descriptor = read(path)
    for resource in descriptor["resources"]:
        file = folder / resource["path"]
        if file.is_file():
            content = file.read_bytes()
            resource["bytes"] = len(content)
            resource["hash"] = "sha256:" + hashlib.sha256(content).hexdigest()
    path.write_bytes(indented(descriptor))
    sign(folder, key)


def sign(folder: Path, key: Ed25519PrivateKey | None, at: str = SIGNED_AT) -> None:
    (folder / "signature.json").unlink(missing_ok=True)
    if key is None:
        return
    owner = public(key)
    digest = hashlib.sha256(bytes.fromhex(owner)).hexdigest()[:32]
    over = hashlib.sha256((folder / "datapackage.json").read_bytes()).hexdigest()
    message = f"insitu/package/2\n{owner}\n{at}\n{over}\n".encode()
    document = {
        "algorithm": "Ed25519",
        "key_id": " ".join(digest[i : i + 4] for i in range(0, 32, 4)),
        "public_key": owner,
        "signature": key.sign(message).hex(),
        "signed_at": at,
    }
    (folder / "signature.json").write_bytes(indented(document))


def list_file(folder: Path, name: str) -> None:
    """Adds a resource for a file to the descriptor."""
    descriptor = read(folder / "datapackage.json")
    suffix = Path(name).suffix
    entry = {
        "name": name.replace("/", "-").replace(".", "-"),
        "path": name,
        "mediatype": _KINDS.get(suffix, ""),
    }
    descriptor["resources"].append({**entry, "bytes": 0, "hash": "", "type": "json"})
    (folder / "datapackage.json").write_bytes(indented(descriptor))
