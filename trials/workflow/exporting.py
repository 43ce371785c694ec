"""Writes the trial package of a stored evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from insitu.errors import CorrectInput, NotFound
from store import trials as store_trials
from store import witness as store_witness
from store.catalogue.datastreams import list_datastreams
from store.database import Connection
from store.quality import flags_of
from trials.evaluation import Evaluation, document_of
from trials.judge.compute import compute
from trials.package.readme import readme
from trials.package.verify import differences
from trials.package.writing import moment, seal, write_tables
from trials.plan.rules import Rules
from trials.series.inputs import TrialInputs
from trials.witness.package import Stamped, choose_for_package, tokens_for_package
from trials.witness.statements import Signed
from trials.workflow.loading import as_it_arrived, load_inputs, spans

_MAY_CHANGE = {
    "inputs_sha256": "Observations",
    "windows": "Windows",
    "deviations": "Deviations",
    "gate": "Planned intervals",
}
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
    inputs = as_it_arrived(
        evaluation,
        load_inputs(
            conn,
            stored.trial,
            protocol,
            now=evaluation.evaluated_at,
            simulated=evaluation.simulated_time,
            rules=Rules(evaluation.rules),
        ),
    )
    now, then = document_of(compute(inputs)), json.loads(stored.document)
    other = [what for key, what in _MAY_CHANGE.items() if now[key] != then[key]]
    if _stamps(now) != _stamps(then):
        other.append("Stamps")
    if other:
        raise CorrectInput(
            f"{' and '.join(other)} came or changed since that evaluation: evaluate again, then export."
        )
    if any(differences("endpoints", then["endpoints"], now["endpoints"], [0])):
        raise CorrectInput(
            "The numbers of that evaluation do not follow from the facts as they are now: a deployment was "
            "corrected, or a property was given its averaging scale since. Evaluate again, then export."
        )
    write_tables(
        folder,
        inputs,
        protocol=protocol.document,
        evaluation=stored.document,
        flags=_flag_rows(conn, stored.trial, inputs),
    )
    (folder / "README.md").write_text(readme(evaluation, stored.sha256), encoding="utf-8")
    tokens_for_package(folder, choose_for_package(load_stamped(conn), stored.trial, stored.sha256))
    seal(folder, evaluation, key)


def load_stamped(conn: Connection) -> list[Stamped]:
    """Every statement with its tokens."""
    tokens: dict[int, dict[str, bytes]] = {}
    for one in store_witness.list_tokens(conn):
        tokens.setdefault(one.statement_id, {})[one.authority] = bytes(one.token)
    return [
        Stamped(Signed(one.document, one.public_key, one.signature), tokens.get(one.statement_id, {}))
        for one in store_witness.list_statements(conn)
    ]


def _stamps(evaluation: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(one["datastream"], one.get("stamp")) for one in evaluation["datastreams"]]


def _flag_rows(conn: Connection, trial: str, inputs: TrialInputs) -> Iterable[tuple[object, ...]]:
    streams = list_datastreams(conn, trial)
    names = {s.datastream_id: f"{s.device}/{s.name}" for s in streams}
    wanted = {stream.key() for stream in inputs.streams}
    streams = [s for s in streams if names[s.datastream_id] in wanted]
    start = min(p.start for p in inputs.protocol.periods)
    end = max(p.end for p in inputs.protocol.periods)
    return sorted(
        (names[f.datastream_id], moment(f.phenomenon_time), f.check_name, f.flag)
        for numbers, first, last in spans(inputs.protocol, streams, start, end, inputs.rules)
        for f in flags_of(conn, numbers, first, last)
    )
