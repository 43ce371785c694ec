"""datapackage.json: it follows from the other files and the evaluation, so anyone can write it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from insitu.model import Flag
from insitu.times import to_rfc3339
from trials.evaluation import Evaluation
from trials.package.contents import OnDisk, sha256_of
from trials.package.tables import (
    DESCRIPTOR,
    FIELDS,
    FORMAT,
    FORMAT_1,
    KEYS,
    KINDS,
    MEANINGS,
    PROFILE,
    SIGNATURE,
)


def descriptor(
    contents: Mapping[str, bytes | OnDisk],
    evaluation: Evaluation,
    made_by: Mapping[str, str],
    *,
    form: int = FORMAT,
) -> dict[str, Any]:
    """The document for these files (path → bytes). Format 1 has neither `format` nor `made_by`."""
    document = {
        "name": evaluation.trial,
        "title": evaluation.title.en,
        "profile": PROFILE,
        "created": to_rfc3339(evaluation.evaluated_at),
        "rules": evaluation.rules,
        "stamps": {stream.datastream: str(stream.stamp) for stream in evaluation.datastreams if stream.stamp},
        "resources": [
            _resource(name, contents[name])
            for name in sorted(contents, key=lambda name: PurePosixPath(name).parts)
            if name not in (DESCRIPTOR, SIGNATURE)
        ],
    }
    return document if form == FORMAT_1 else {**document, "format": form, "made_by": dict(made_by)}


def _resource(name: str, content: bytes | OnDisk) -> dict[str, Any]:
    path = PurePosixPath(name)
    resource: dict[str, Any] = {
        "name": name.lower().replace("/", "-").replace(".", "-"),
        "path": name,
        "mediatype": KINDS.get(path.suffix, "application/octet-stream"),
        "bytes": len(content),
        "hash": "sha256:" + sha256_of(content),
    }
    if path.suffix == ".json":
        # Stated, since a checker may take a protocol with `checks` for one of its own files.
        resource["type"] = "json"
    if path.suffix == ".csv":
        schema = {
            "fields": [_field(name, kind) for name, kind in FIELDS[path.stem]],
            "primaryKey": KEYS[path.stem],
        }
        resource |= {
            "type": "table",
            "profile": "tabular-data-resource",
            "encoding": "utf-8",
            "schema": schema,
        }
    return resource


def _field(name: str, kind: str) -> dict[str, Any]:
    """A field of the table schema; a cell is never empty."""
    constraints: dict[str, Any] = {"required": True}
    if name == "flag":
        constraints["enum"] = [int(flag) for flag in Flag if flag is not Flag.MISSING]
    return {"name": name, "type": kind, "description": MEANINGS[name], "constraints": constraints}
