"""Reading a trial package: the inputs from which anyone recomputes an evaluation."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from insitu.errors import CorrectInput
from insitu.model import AveragingScale, Flag, Stamp
from insitu.spacing import Spacing
from trials.designs.reading import read_for_designs
from trials.evaluation import Evaluation, GapSummary, RejectSummary, SensorSummary, WithdrawalSummary
from trials.judge.compute import compute
from trials.package.tables import VERSIONS
from trials.plan.reading import read_protocol
from trials.plan.rules import RULES_1, Rules
from trials.series.inputs import (
    EarlierEvaluation,
    Placement,
    ProtocolVersion,
    StreamInput,
    TrialInputs,
    Unblinding,
    WindowInput,
)


def read_inputs(folder: Path) -> TrialInputs:
    """The inputs of a package. CorrectInput names the file and line that cannot be read."""
    protocol_text = text_of(folder / "protocol.json")
    protocol = read_for_designs(protocol_text, source=str(folder / "protocol.json"))
    try:
        facts = json.loads(text_of(folder / "catalogue.json"))
        observations = _read_observations(folder / "observations.csv")
        by_check = _count_flags(folder / "flags.csv")
        streams = [_read_stream(entry, observations, by_check) for entry in facts["datastreams"]]
        unknown = sorted(set(observations) - {stream.key() for stream in streams})
        if unknown:
            raise CorrectInput(
                f"{folder / 'observations.csv'}: catalogue.json knows no datastream {unknown[0]!r}."
            )
        return TrialInputs(
            protocol=protocol,
            protocol_sha256=hashlib.sha256(protocol_text.encode()).hexdigest(),
            locked_at=_when(facts["locked_at"]),
            organisations=facts["organisations"],
            sites=facts["sites"],
            streams=streams,
            windows=[
                WindowInput(**{**w, **{k: _when(w[k]) for k in ("start", "end", "declared_at")}})
                for w in facts["windows"]
            ],
            rejects=_read_rejects(folder / "rejects.csv"),
            gaps=[GapSummary.model_validate(gap) for gap in facts["gaps"]],
            withdrawals=[WithdrawalSummary.model_validate(one) for one in facts.get("withdrawals", [])],
            sensors=[SensorSummary.model_validate(one) for one in facts.get("sensors", [])],
            simulated=facts["simulated_time"],
            now=_required(facts["evaluated_at"]),
            rules=Rules(int(facts.get("rules", RULES_1))),
            unblinded=[
                Unblinding(u["endpoint"], _required(u["at"]), u["login"], u["reason"])
                for u in facts.get("unblinded", [])
            ],
            earlier=[
                EarlierEvaluation(**{**e, "at": _required(e["at"])})
                for e in facts.get("earlier_evaluations", [])
            ],
            versions=_read_versions(folder, facts.get("versions", []), protocol_text),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorrectInput(
            f"{folder / 'catalogue.json'} is not what a package holds ({type(error).__name__}: {error})."
        ) from error


def _read_versions(folder: Path, stated: list[dict[str, Any]], applied: str) -> list[ProtocolVersion]:
    """The versions with their documents. The last one's is `protocol.json`."""
    found = []
    for number, one in enumerate(stated, 1):
        path = folder / VERSIONS / f"{int(one['version'])}.json"
        document = applied if number == len(stated) else text_of(path)
        if number < len(stated):
            read_protocol(document, source=str(path))
        found.append(ProtocolVersion(one["version"], _required(one["locked_at"]), one["sha256"], document))
    return found


def _read_stream(
    entry: dict[str, Any],
    observations: dict[str, tuple[list[int], list[float], list[int]]],
    by_check: dict[str, dict[str, int]],
) -> StreamInput:
    times, results, flags = observations.get(entry["datastream"], ([], [], []))
    return StreamInput(
        device=entry["device"],
        name=entry["name"],
        property=entry["property"],
        unit=entry["unit"],
        role=entry["role"],
        averaging_scale=str(AveragingScale(entry["averaging_scale"])),
        sensor=entry["sensor"],
        placements=[
            Placement(p["site"], p["position"], _required(p["start"]), _when(p["end"]))
            for p in entry["deployments"]
        ],
        time_us=np.array(times, np.int64),
        result=np.array(results, np.float64),
        flag=np.array(flags, np.int8),
        by_check=by_check.get(entry["datastream"], {}),
        checks=entry["checks"],
        ran=entry["ran"],
        late=entry["late"],
        from_file=entry.get("from_file", 0),
        checked_with=entry.get("checked_with"),
        stamp=Stamp(entry.get("stamp", Stamp.INSTANT)),
        every=None if entry.get("every") is None else Spacing.parse(entry["every"]),
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
            found.append(
                RejectSummary(
                    device=row[0].removeprefix("'"), reason=row[1], messages=int(row[2]), results=int(row[3])
                )
            )
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
    """The text of a file in UTF-8. CorrectInput names a file that cannot be read."""
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
