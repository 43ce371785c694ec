"""The trial package: a Frictionless data package with which anyone can recompute an evaluation."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from insitu.errors import CorrectInput, NotFound
from insitu.model import Flag
from insitu.whole import write_once
from store import trials as store_trials
from store.catalogue import datastreams_of_trial
from store.database import Connection
from store.quality import flags_of
from trials.compute import compute
from trials.evaluation import Evaluation, GapSummary, RejectSummary, document_of
from trials.inputs import EarlierEvaluation, Placement, ProtocolVersion, StreamInput, TrialInputs, Unblinding, WindowInput
from trials.protocol import read_protocol
from trials.readme import README
from trials.workflow import load_inputs

PROFILE = "data-package"
"""Not "tabular-data-package": that would promise that every file is a table."""
SIGNATURE = "signature.json"
VERSIONS = "protocols"
"""Folder of the versions of the protocol before the one that was applied."""
_FIELDS = {
    "observations": [("datastream", "string"), ("phenomenon_time", "datetime"), ("result", "number"), ("flag", "integer")],
    "flags": [("datastream", "string"), ("phenomenon_time", "datetime"), ("check", "string"), ("flag", "integer")],
    "rejects": [("device", "string"), ("reason", "string"), ("messages", "integer"), ("results", "integer")],
}
_KEYS = {
    "observations": ["datastream", "phenomenon_time"], "flags": ["datastream", "phenomenon_time", "check"], "rejects": ["device", "reason"],
}  # fmt: skip
_MAY_CHANGE = {"inputs_sha256": "Observations", "windows": "Windows", "deviations": "Deviations"}
"""What a package of an older evaluation may no longer agree about with the database, and its name."""
_MEANINGS = {
    "datastream": "device/name, as in catalogue.json", "phenomenon_time": "when it was measured, UTC",
    "result": "in the unit that catalogue.json states for the datastream", "flag": "1 PASS, 2 NOT_EVALUATED, 3 SUSPECT, 4 FAIL",
    "check": "the quality check that did not pass", "device": "code of the device, or unknown", "reason": "why it was refused",
    "messages": "refused messages", "results": "results in them",
}  # fmt: skip


def signing_key(data_dir: Path) -> Ed25519PrivateKey:
    """The installation's own key, made at first use, readable by its account only."""
    path = data_dir / "signing.key"
    if not path.exists() or path.stat().st_size == 0:  # an interrupted start of an older version has left it empty
        fresh = Ed25519PrivateKey.generate()
        content = fresh.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        write_once(path, content)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise CorrectInput(f"{path} is not an Ed25519 key: move it away, a new one is made.")
    return key


# -- writing -----------------------------------------------------------------------------------------------------------


def write(conn: Connection, evaluation_id: int, folder: Path, *, key: Ed25519PrivateKey | None) -> None:
    """Fill `folder` (which may already hold the reports) from the database as it was for that evaluation.

    CorrectInput where late observations have changed the inputs since: evaluate again, then export.
    """
    stored = store_trials.evaluation(conn, evaluation_id)
    if stored is None:
        raise NotFound(f"There is no evaluation {evaluation_id}.")
    evaluation = Evaluation.model_validate_json(stored.document)
    closed = [endpoint.name for endpoint in evaluation.endpoints if endpoint.blinded]
    if closed:
        raise CorrectInput(
            f"A package lets anyone compute the result of {', '.join(closed)}, which is blinded: unblind it first."
        )
    protocol = next(p for p in store_trials.protocols(conn, stored.trial) if p.protocol_id == stored.protocol_id)
    inputs = load_inputs(conn, stored.trial, protocol, now=evaluation.evaluated_at, simulated=evaluation.simulated_time)
    now, then = document_of(compute(inputs)), json.loads(stored.document)
    other = [what for key, what in _MAY_CHANGE.items() if now[key] != then[key]]
    if other:
        raise CorrectInput(f"{' and '.join(other)} came or changed since that evaluation: evaluate again, then export.")
    write_tables(
        folder, inputs, protocol=protocol.document, evaluation=stored.document, flags=_flag_rows(conn, stored.trial, inputs)
    )
    (folder / "README.md").write_text(
        README.format(trial=stored.trial, sha256=stored.sha256, version=evaluation.code["insitu"]), encoding="utf-8"
    )
    seal(folder, evaluation, key)


def write_tables(
    folder: Path, inputs: TrialInputs, *, protocol: str, evaluation: str, flags: Iterable[tuple[object, ...]]
) -> None:
    """Everything that `read_inputs` reads, and the evaluation; `flags`: (datastream, time, check, flag). `seal` comes after."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "protocol.json").write_text(protocol, encoding="utf-8")
    (folder / "evaluation.json").write_text(evaluation, encoding="utf-8")
    _write_json(folder / "catalogue.json", catalogue_document(inputs))
    for version in inputs.versions[:-1]:
        (folder / VERSIONS).mkdir(exist_ok=True)
        (folder / VERSIONS / f"{version.version}.json").write_text(version.document, encoding="utf-8")
    _write_csv(folder / "observations.csv", "observations", _observation_rows(inputs.streams))
    _write_csv(folder / "flags.csv", "flags", flags)
    _write_csv(folder / "rejects.csv", "rejects", [(r.device, r.reason, r.messages, r.results) for r in inputs.rejects])


def seal(folder: Path, evaluation: Evaluation, key: Ed25519PrivateKey | None) -> None:
    """Write the descriptor with the checksum of every file, and sign it."""
    resources = [_resource(path, folder) for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in (
        "datapackage.json", SIGNATURE)]  # fmt: skip
    descriptor = {
        "name": evaluation.trial,
        "title": evaluation.title.en,
        "profile": PROFILE,
        "created": _moment(evaluation.evaluated_at),
        "resources": resources,
    }
    _write_json(folder / "datapackage.json", descriptor)
    (folder / SIGNATURE).unlink(missing_ok=True)
    if key is not None:
        public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        signature = key.sign((folder / "datapackage.json").read_bytes())
        _write_json(folder / SIGNATURE, {"algorithm": "Ed25519", "public_key": public.hex(), "signature": signature.hex()})


def _resource(path: Path, folder: Path) -> dict[str, Any]:
    content = path.read_bytes()
    kinds = {
        ".csv": "text/csv",
        ".json": "application/json",
        ".pdf": "application/pdf",
        ".html": "text/html",
        ".md": "text/markdown",
    }
    resource: dict[str, Any] = {
        "name": path.relative_to(folder).as_posix().lower().replace("/", "-").replace(".", "-"),
        "path": path.relative_to(folder).as_posix(),
        "mediatype": kinds.get(path.suffix, "application/octet-stream"),
        "bytes": len(content),
        "hash": "sha256:" + hashlib.sha256(content).hexdigest(),
    }
    if path.suffix == ".json":
        resource["type"] = "json"  # said, since a checker may take a protocol with `checks` for a file of its own
    if path.suffix == ".csv":
        schema = {"fields": [_field(name, kind) for name, kind in _FIELDS[path.stem]], "primaryKey": _KEYS[path.stem]}
        resource |= {"type": "table", "profile": "tabular-data-resource", "encoding": "utf-8", "schema": schema}
    return resource


def _field(name: str, kind: str) -> dict[str, Any]:
    """Of the table schema; a cell is never empty."""
    constraints: dict[str, Any] = {"required": True}
    if name == "flag":
        constraints["enum"] = [int(flag) for flag in Flag if flag is not Flag.MISSING]
    return {"name": name, "type": kind, "description": _MEANINGS[name], "constraints": constraints}


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _write_csv(path: Path, name: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field for field, _ in _FIELDS[name]])
        writer.writerows([safe_cell(cell) for cell in row] for row in rows)


def safe_cell(cell: object) -> object:
    """Text that a spreadsheet would run as a formula gets a quote before it; numbers stay what they are."""
    return "'" + cell if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _moment(when: datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")


def _observation_rows(streams: Sequence[StreamInput]) -> Iterable[tuple[object, ...]]:
    for stream in sorted(streams, key=lambda s: s.key()):
        key = stream.key()
        times = np.datetime_as_string(stream.time_us.astype("datetime64[us]"), unit="us")
        for time, result, flag in zip(times.tolist(), stream.result.tolist(), stream.flag.tolist(), strict=True):
            yield key, time.removesuffix(".000000") + "Z", result, flag


def _flag_rows(conn: Connection, trial: str, inputs: TrialInputs) -> Iterable[tuple[object, ...]]:
    names = {s.datastream_id: f"{s.device}/{s.name}" for s in datastreams_of_trial(conn, trial)}
    wanted = {stream.key() for stream in inputs.streams}
    start = min(p.start for p in inputs.protocol.periods)
    end = max(p.end for p in inputs.protocol.periods)
    found = flags_of(conn, [number for number, key in names.items() if key in wanted], start, end)
    rows = [(names[f.datastream_id], _moment(f.phenomenon_time), f.check_name, f.flag) for f in found]
    return sorted(rows)


def catalogue_document(inputs: TrialInputs) -> dict[str, Any]:
    """Everything but the observations that the computation needs."""
    return {
        "organisations": inputs.organisations,
        "sites": inputs.sites,
        "locked_at": _moment(inputs.locked_at) if inputs.locked_at else None,
        "evaluated_at": _moment(inputs.now),
        "simulated_time": inputs.simulated,
        "datastreams": [
            {
                "datastream": s.key(), "device": s.device, "name": s.name, "property": s.property, "unit": s.unit, "role": s.role,
                "averaging_scale": s.averaging_scale, "sensor": s.sensor, "checks": s.checks, "ran": s.ran, "late": s.late,
                "checked_with": s.checked_with,
                "deployments": [
                    {"site": p.site, "position": p.position, "start": _moment(p.start), "end": _moment(p.end) if p.end else None}
                    for p in s.placements
                ],
            }
            for s in sorted(inputs.streams, key=lambda s: s.key())
        ],
        "windows": [{k: _moment(v) if isinstance(v, datetime) else v for k, v in asdict(w).items()} for w in inputs.windows],
        "unblinded": [{k: _moment(v) if isinstance(v, datetime) else v for k, v in asdict(u).items()} for u in inputs.unblinded],
        "gaps": [gap.model_dump(mode="json") for gap in inputs.gaps],
        "earlier_evaluations": [{**asdict(e), "at": _moment(e.at)} for e in inputs.earlier],
        "versions": [{"version": v.version, "locked_at": _moment(v.locked_at), "sha256": v.sha256} for v in inputs.versions],
    }  # fmt: skip


# -- reading -----------------------------------------------------------------------------------------------------------


def read_inputs(folder: Path) -> TrialInputs:
    """The inputs of a package; CorrectInput names the file and line that cannot be read."""
    protocol_text = text_of(folder / "protocol.json")
    protocol = read_protocol(protocol_text, source=str(folder / "protocol.json"))
    try:
        facts = json.loads(text_of(folder / "catalogue.json"))
        observations = _read_observations(folder / "observations.csv")
        by_check = _count_flags(folder / "flags.csv")
        streams = [_read_stream(entry, observations, by_check) for entry in facts["datastreams"]]
        unknown = sorted(set(observations) - {stream.key() for stream in streams})
        if unknown:
            raise CorrectInput(f"{folder / 'observations.csv'}: catalogue.json knows no datastream {unknown[0]!r}.")
        return TrialInputs(
            protocol=protocol,
            protocol_sha256=hashlib.sha256(protocol_text.encode()).hexdigest(),
            locked_at=_when(facts["locked_at"]),
            organisations=facts["organisations"],
            sites=facts["sites"],
            streams=streams,
            windows=[WindowInput(**{**w, **{k: _when(w[k]) for k in ("start", "end", "declared_at")}}) for w in facts["windows"]],
            rejects=_read_rejects(folder / "rejects.csv"),
            gaps=[GapSummary.model_validate(gap) for gap in facts["gaps"]],
            simulated=facts["simulated_time"],
            now=_required(facts["evaluated_at"]),
            unblinded=[
                Unblinding(u["endpoint"], _required(u["at"]), u["login"], u["reason"]) for u in facts.get("unblinded", [])
            ],
            earlier=[EarlierEvaluation(**{**e, "at": _required(e["at"])}) for e in facts.get("earlier_evaluations", [])],
            versions=_read_versions(folder, facts.get("versions", []), protocol_text),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorrectInput(
            f"{folder / 'catalogue.json'} is not what a package holds ({type(error).__name__}: {error})."
        ) from error


def _read_versions(folder: Path, stated: list[dict[str, Any]], applied: str) -> list[ProtocolVersion]:
    """With their documents, of which `protocol.json` is the last."""
    found = []
    for number, one in enumerate(stated, 1):
        path = folder / VERSIONS / f"{int(one['version'])}.json"
        document = applied if number == len(stated) else text_of(path)
        if number < len(stated):
            read_protocol(document, source=str(path))
        found.append(ProtocolVersion(one["version"], _required(one["locked_at"]), one["sha256"], document))
    return found


def _read_stream(
    entry: dict[str, Any], observations: dict[str, tuple[list[int], list[float], list[int]]], by_check: dict[str, dict[str, int]]
) -> StreamInput:
    times, results, flags = observations.get(entry["datastream"], ([], [], []))
    return StreamInput(
        device=entry["device"],
        name=entry["name"],
        property=entry["property"],
        unit=entry["unit"],
        role=entry["role"],
        averaging_scale=entry["averaging_scale"],
        sensor=entry["sensor"],
        placements=[Placement(p["site"], p["position"], _required(p["start"]), _when(p["end"])) for p in entry["deployments"]],
        time_us=np.array(times, np.int64),
        result=np.array(results, np.float64),
        flag=np.array(flags, np.int8),
        by_check=by_check.get(entry["datastream"], {}),
        checks=entry["checks"],
        ran=entry["ran"],
        late=entry["late"],
        checked_with=entry.get("checked_with"),
    )


def _read_observations(path: Path) -> dict[str, tuple[list[int], list[float], list[int]]]:
    found: dict[str, tuple[list[int], list[float], list[int]]] = {}
    for number, row in _rows(path, 4):
        times, results, flags = found.setdefault(row[0].removeprefix("'"), ([], [], []))
        try:
            times.append(int(np.datetime64(_utc(row[1]), "us").astype(np.int64)))
            results.append(_finite(row[2]))
            flags.append(Flag(int(row[3])))
        except ValueError as error:
            raise CorrectInput(f"{path}, line {number}: {error}.") from error
    return found


def _utc(text: str) -> str:
    if not text.endswith("Z"):
        raise ValueError(f"{text!r} is not a time in UTC, as in 2026-03-01T00:00:00Z")
    return text.removesuffix("Z")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a number")
    return number


def _read_rejects(path: Path) -> list[RejectSummary]:
    found = []
    for number, row in _rows(path, 4):
        try:
            found.append(RejectSummary(device=row[0].removeprefix("'"), reason=row[1], messages=int(row[2]), results=int(row[3])))
        except ValueError as error:
            raise CorrectInput(f"{path}, line {number}: {error}.") from error
    return found


def _count_flags(path: Path) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for _, row in _rows(path, 4):
        of_stream = counts.setdefault(row[0].removeprefix("'"), {})
        of_stream[row[2]] = of_stream.get(row[2], 0) + 1
    return counts


def _rows(path: Path, width: int) -> Iterable[tuple[int, list[str]]]:
    try:
        for number, row in enumerate(csv.reader(text_of(path).splitlines()), 1):
            if number > 1 and len(row) != width:
                raise CorrectInput(f"{path}, line {number}: {len(row)} cells instead of {width}.")
            if number > 1:
                yield number, row
    except csv.Error as error:
        raise CorrectInput(f"{path} is not a table ({error}).") from error


def text_of(path: Path) -> str:
    """The text of a file in UTF-8; CorrectInput names one that cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CorrectInput(f"{path} is missing: the package is not whole.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CorrectInput(f"{path} cannot be read ({error}).") from error


def _when(text: str | None) -> datetime | None:
    return None if text is None else _required(text)


def _required(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return when


def evaluate_package(folder: Path) -> Evaluation:
    """The evaluation recomputed from a package; needs no database."""
    return compute(read_inputs(folder))
