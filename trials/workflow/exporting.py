"""Writes the trial package of a stored evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from insitu.errors import CorrectInput, NotFound
from store import trials as store_trials
from store.catalogue.datastreams import list_datastreams
from store.database import Connection
from store.quality import flags_of
from trials.evaluation import Evaluation, document_of
from trials.judge.compute import compute
from trials.package.readme import readme
from trials.package.writing import moment, seal, write_tables
from trials.plan.rules import RULES_1, Rules
from trials.series.inputs import TrialInputs
from trials.workflow.loading import load_inputs

_MAY_CHANGE = {"inputs_sha256": "Observations", "windows": "Windows", "deviations": "Deviations"}
"""Parts in which the database may have changed since an older evaluation, and their names in the message."""


def write(conn: Connection, evaluation_id: int, folder: Path, *, key: Ed25519PrivateKey | None) -> None:
    """Fills `folder` (which may already hold the reports) from the database as it was for that evaluation.

    CorrectInput if the inputs have changed since, as by late observations: evaluate again, then export.
    """
    stored = store_trials.evaluation(conn, evaluation_id)
    if stored is None:
        raise NotFound(f"There is no evaluation {evaluation_id}.")
    evaluation = Evaluation.model_validate_json(stored.document)
    closed = [endpoint.name for endpoint in evaluation.endpoints if endpoint.blinded]
    if closed:
        raise CorrectInput(
            f"A package lets anyone compute the result of {', '.join(closed)}, which is blinded: unblind it "
            "first."
        )
    protocol = next(
        p for p in store_trials.protocols(conn, stored.trial) if p.protocol_id == stored.protocol_id
    )
    inputs = _found_then(
        evaluation,
        load_inputs(
            conn, stored.trial, protocol, now=evaluation.evaluated_at, simulated=evaluation.simulated_time
        ),
    )
    now, then = document_of(compute(inputs)), json.loads(stored.document)
    other = [what for key, what in _MAY_CHANGE.items() if now[key] != then[key]]
    if other:
        raise CorrectInput(
            f"{' and '.join(other)} came or changed since that evaluation: evaluate again, then export."
        )
    write_tables(
        folder,
        inputs,
        protocol=protocol.document,
        evaluation=stored.document,
        flags=_flag_rows(conn, stored.trial, inputs),
    )
    (folder / "README.md").write_text(readme(evaluation, stored.sha256), encoding="utf-8")
    seal(folder, evaluation, key)


def _found_then(evaluation: Evaluation, inputs: TrialInputs) -> TrialInputs:
    """The inputs by the rules of the evaluation, with its own account of how data arrived: a later version
    may tell gaps and late results in another way.
    """
    stated = {one.datastream: one for one in evaluation.datastreams}
    streams = [
        replace(stream, late=stated[stream.key()].late, from_file=stated[stream.key()].from_file or 0)
        if stream.key() in stated
        else stream
        for stream in inputs.streams
    ]
    rules = Rules(evaluation.rules or RULES_1)
    return replace(inputs, streams=streams, gaps=evaluation.gaps, rules=rules)


def _flag_rows(conn: Connection, trial: str, inputs: TrialInputs) -> Iterable[tuple[object, ...]]:
    names = {s.datastream_id: f"{s.device}/{s.name}" for s in list_datastreams(conn, trial)}
    wanted = {stream.key() for stream in inputs.streams}
    start = min(p.start for p in inputs.protocol.periods)
    end = max(p.end for p in inputs.protocol.periods)
    found = flags_of(conn, [number for number, key in names.items() if key in wanted], start, end)
    rows = [(names[f.datastream_id], moment(f.phenomenon_time), f.check_name, f.flag) for f in found]
    return sorted(rows)
