"""Versions of a protocol: what an amendment changed, and when it was locked. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from trials.evaluation import VersionSummary
from trials.plan.protocol import Protocol
from trials.plan.values import Text
from trials.series.inputs import ProtocolVersion

NOT_COMPARED = ("version", "reason")


def summaries(versions: list[ProtocolVersion]) -> list[VersionSummary]:
    """Summaries of the versions, oldest first, with the fields that differ from the one before."""
    documents = [json.loads(one.document) for one in versions]
    changed: list[list[str]] = [
        [],
        *(list(changed_paths(before, after)) for before, after in pairwise(documents)),
    ]
    return [
        VersionSummary(
            version=one.version,
            locked_at=one.locked_at,
            sha256=one.sha256,
            changed=paths,
            reason=Text.model_validate(document["reason"]) if "reason" in document else None,
        )
        for one, document, paths in zip(versions, documents, changed, strict=False)
    ]


def parsed(version: ProtocolVersion) -> Protocol:
    """The protocol of a version."""
    return Protocol.model_validate(json.loads(version.document))


def changed_paths(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Paths at which two protocol documents differ, except version and reason; sorted.

    Parts that have a name (arms, periods, endpoints) are matched by it, others by their number. A part that
    only one of the two has is one path.
    """
    left, right = (
        {key: value for key, value in document.items() if key not in NOT_COMPARED}
        for document in (before, after)
    )
    yield from _changed("", left, right)


def _changed(where: str, before: Any, after: Any) -> Iterator[str]:
    left, right = _parts(before), _parts(after)
    if left is None or right is None:
        if before != after:
            yield where
        return
    for key in sorted(left.keys() | right.keys()):
        path = f"{where}.{key}" if where else key
        if key in left and key in right:
            yield from _changed(path, left[key], right[key])
        else:
            yield path


def _parts(document: Any) -> dict[str, Any] | None:
    """Key → part; None if it has no parts."""
    if isinstance(document, dict):
        return document
    if not isinstance(document, list):
        return None
    names = [
        str(part["name"]) if isinstance(part, dict) and "name" in part else str(at)
        for at, part in enumerate(document)
    ]
    return dict(zip(names, document, strict=True)) if len(set(names)) == len(names) else None
