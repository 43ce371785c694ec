"""Writing a trial package: its tables, and the descriptor that seals them."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from insitu.model import Flag
from trials.evaluation import Evaluation
from trials.package.tables import FIELDS, KEYS, MEANINGS, PROFILE, SIGNATURE, VERSIONS
from trials.series.inputs import StreamInput, TrialInputs


def write_tables(
    folder: Path, inputs: TrialInputs, *, protocol: str, evaluation: str, flags: Iterable[tuple[object, ...]]
) -> None:
    """Writes everything that `read_inputs` reads, and the evaluation. `flags`: (datastream, time, check,
    flag). Call `seal` afterwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "protocol.json").write_text(protocol, encoding="utf-8")
    (folder / "evaluation.json").write_text(evaluation, encoding="utf-8")
    _write_json(folder / "catalogue.json", catalogue_document(inputs))
    for version in inputs.versions[:-1]:
        (folder / VERSIONS).mkdir(exist_ok=True)
        (folder / VERSIONS / f"{version.version}.json").write_text(version.document, encoding="utf-8")
    _write_csv(folder / "observations.csv", "observations", _observation_rows(inputs.streams))
    _write_csv(folder / "flags.csv", "flags", flags)
    _write_csv(
        folder / "rejects.csv",
        "rejects",
        [(r.device, r.reason, r.messages, r.results) for r in inputs.rejects],
    )


def seal(folder: Path, evaluation: Evaluation, key: Ed25519PrivateKey | None) -> None:
    """Writes the descriptor with the checksum of every file, and signs it."""
    resources = [
        _resource(path, folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("datapackage.json", SIGNATURE)
    ]
    descriptor = {
        "name": evaluation.trial,
        "title": evaluation.title.en,
        "profile": PROFILE,
        "created": moment(evaluation.evaluated_at),
        "rules": evaluation.rules,
        "stamps": {stream.datastream: str(stream.stamp) for stream in evaluation.datastreams if stream.stamp},
        "resources": resources,
    }
    _write_json(folder / "datapackage.json", descriptor)
    (folder / SIGNATURE).unlink(missing_ok=True)
    if key is not None:
        public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        signature = key.sign((folder / "datapackage.json").read_bytes())
        _write_json(
            folder / SIGNATURE,
            {"algorithm": "Ed25519", "public_key": public.hex(), "signature": signature.hex()},
        )


def _resource(path: Path, folder: Path) -> dict[str, Any]:
    content = path.read_bytes()
    kinds = {
        ".csv": "text/csv",
        ".json": "application/json",
        ".pdf": "application/pdf",
        ".html": "text/html",
        ".md": "text/markdown",
        ".tsr": "application/timestamp-reply",
    }
    resource: dict[str, Any] = {
        "name": path.relative_to(folder).as_posix().lower().replace("/", "-").replace(".", "-"),
        "path": path.relative_to(folder).as_posix(),
        "mediatype": kinds.get(path.suffix, "application/octet-stream"),
        "bytes": len(content),
        "hash": "sha256:" + hashlib.sha256(content).hexdigest(),
    }
    if path.suffix == ".json":
        resource["type"] = (
            "json"  # stated, since a checker may take a protocol with `checks` for one of its own files
        )
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


def _write_json(path: Path, document: Any) -> None:
    path.write_text(
        json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )


def _write_csv(path: Path, name: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field for field, _ in FIELDS[name]])
        writer.writerows([safe_cell(cell) for cell in row] for row in rows)


def safe_cell(cell: object) -> object:
    """Puts a quote before text that a spreadsheet would run as a formula; numbers stay as they are."""
    return "'" + cell if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def moment(when: datetime) -> str:
    """ISO 8601, UTC with Z."""
    return when.isoformat().replace("+00:00", "Z")


def _observation_rows(streams: Sequence[StreamInput]) -> Iterable[tuple[object, ...]]:
    for stream in sorted(streams, key=lambda s: s.key()):
        key = stream.key()
        times = np.datetime_as_string(stream.time_us.astype("datetime64[us]"), unit="us")
        for time, result, flag in zip(
            times.tolist(), stream.result.tolist(), stream.flag.tolist(), strict=True
        ):
            yield key, time.removesuffix(".000000") + "Z", result, flag


def catalogue_document(inputs: TrialInputs) -> dict[str, Any]:
    """Everything the computation needs except the observations."""
    return {
        "organisations": inputs.organisations,
        "sites": inputs.sites,
        "locked_at": moment(inputs.locked_at) if inputs.locked_at else None,
        "evaluated_at": moment(inputs.now),
        "simulated_time": inputs.simulated,
        "rules": inputs.rules.version,
        "datastreams": [
            {
                "datastream": s.key(),
                "device": s.device,
                "name": s.name,
                "property": s.property,
                "unit": s.unit,
                "role": s.role,
                "averaging_scale": s.averaging_scale,
                "sensor": s.sensor,
                "checks": s.checks,
                "ran": s.ran,
                "late": s.late,
                "from_file": s.from_file,
                "checked_with": s.checked_with,
                "stamp": str(s.stamp),
                "every": None if s.every is None else str(s.every),
                "deployments": [
                    {
                        "site": p.site,
                        "position": p.position,
                        "start": moment(p.start),
                        "end": moment(p.end) if p.end else None,
                    }
                    for p in s.placements
                ],
            }
            for s in sorted(inputs.streams, key=lambda s: s.key())
        ],
        "windows": [
            {k: moment(v) if isinstance(v, datetime) else v for k, v in asdict(w).items()}
            for w in inputs.windows
        ],
        "unblinded": [
            {k: moment(v) if isinstance(v, datetime) else v for k, v in asdict(u).items()}
            for u in inputs.unblinded
        ],
        "gaps": [gap.model_dump(mode="json") for gap in inputs.gaps],
        "withdrawals": [one.model_dump(mode="json") for one in inputs.withdrawals],
        "sensors": [one.model_dump(mode="json") for one in inputs.sensors],
        "earlier_evaluations": [{**asdict(e), "at": moment(e.at)} for e in inputs.earlier],
        "versions": [
            {"version": v.version, "locked_at": moment(v.locked_at), "sha256": v.sha256}
            for v in inputs.versions
        ],
    }
