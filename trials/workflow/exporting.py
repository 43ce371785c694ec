"""Writes the trial package of a stored evaluation."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from insitu.clock import SYSTEM
from insitu.errors import CorrectInput, NotFound
from insitu.times import to_datetime, to_rfc3339, to_us
from store import trials as store_trials
from store import witness as store_witness
from store.catalogue.datastreams import list_datastreams
from store.catalogue.moving import was_moved
from store.database import Connection
from store.erasures import erased_since
from store.kept import received_early
from store.observations import series
from store.quality import flags_of
from trials.evaluation import Evaluation, document_of
from trials.judge.compute import compute
from trials.package.columns import Columns
from trials.package.comparing import differences
from trials.package.reading import Package
from trials.package.readme import readme
from trials.package.rechecking import margin_us, recheck, span_of
from trials.package.rows import FlagRow
from trials.package.signing import Signer
from trials.package.tables import FORMAT
from trials.package.writing import seal, write_tables
from trials.plan.rules import Rules
from trials.series.inputs import TrialInputs
from trials.witness.package import Stamped, choose_for_package, tokens_for_package
from trials.witness.statements import Signed
from trials.workflow.loading import as_it_arrived, load_inputs

_MAY_CHANGE = {
    "inputs_sha256": "Observations",
    "windows": "Windows",
    "deviations": "Deviations",
    "gate": "Planned intervals",
}
"""Parts in which the database may have changed since an older evaluation, and their names in the message."""


def write(
    conn: Connection,
    evaluation_id: int,
    folder: Path,
    *,
    key: Ed25519PrivateKey | None,
    signed_at: datetime | None = None,
) -> None:
    """Fills `folder` (which may already hold the reports) from the database as it was for that evaluation.

    CorrectInput if the inputs have changed since, as by late observations: evaluate again, then export.
    `signed_at`: None means now.
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
    inputs = _inputs_of(conn, stored, protocol, evaluation)
    evidence = _evidence(conn, stored.trial, inputs)
    problems = recheck(
        Package(inputs, FORMAT, evidence.flags, evidence.surroundings, evidence.receipts)
    ).lines
    if problems:
        raise CorrectInput(
            f"The flags do not follow from the observations as they are now ({problems[0]}): evaluate again, "
            "then export."
        )
    write_tables(
        folder,
        inputs,
        protocol=protocol.document,
        evaluation=stored.document,
        flags=[(f.datastream, to_rfc3339(to_datetime(f.time_us)), f.check, f.flag) for f in evidence.flags],
        surroundings=evidence.surroundings,
        receipts=evidence.receipts,
    )
    (folder / "README.md").write_text(readme(evaluation, stored.sha256), encoding="utf-8")
    tokens_for_package(folder, choose_for_package(load_stamped(conn), stored.trial, stored.sha256))
    seal(folder, evaluation, None if key is None else Signer(key, signed_at or SYSTEM.now()))


def _inputs_of(
    conn: Connection,
    stored: store_trials.StoredEvaluation,
    protocol: store_trials.StoredProtocol,
    evaluation: Evaluation,
) -> TrialInputs:
    """The inputs as they were for that evaluation. CorrectInput if its numbers do not follow from them."""
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
    if other and (gone := erased_since(conn, stored.trial, evaluation.evaluated_at)):
        raise CorrectInput(
            f"Results behind evaluation {stored.evaluation_id} were erased ({gone[-1]}), so its package "
            "cannot be made any more; one that was written before still verifies. `insitu evaluate "
            f"{stored.trial}` makes an evaluation of what is left."
        )
    if other and was_moved(conn, stored.evaluation_id):
        raise CorrectInput(
            f"Evaluation {stored.evaluation_id} was moved here without its results, so its package comes "
            "from the installation that made it."
        )
    if other:
        raise CorrectInput(
            f"{' and '.join(other)} came or changed since that evaluation: evaluate again, then export."
        )
    if any(differences("endpoints", then["endpoints"], now["endpoints"], [0])):
        raise CorrectInput(
            "The numbers of that evaluation do not follow from the facts as they are now: a deployment was "
            "corrected, or a property was given its averaging scale since. Evaluate again, then export."
        )
    return inputs


class _Evidence(NamedTuple):
    """A second run of the quality checks needs it, besides the observations of the periods."""

    flags: list[FlagRow]
    surroundings: dict[str, Columns]
    receipts: dict[str, dict[int, int]]


def _evidence(conn: Connection, trial: str, inputs: TrialInputs) -> _Evidence:
    streams = {stream.key(): stream for stream in inputs.streams}
    found = _Evidence([], {}, {})
    by_span: dict[tuple[datetime, datetime], dict[int, str]] = {}
    for one in list_datastreams(conn, trial):
        stream = streams.get(f"{one.device}/{one.name}")
        if stream is None:
            continue
        key, number = stream.key(), one.datastream_id
        first, last = span_of(inputs.protocol, stream, inputs.rules)
        found.flags.extend(
            FlagRow(key, to_us(f.phenomenon_time), f.check_name, f.flag)
            for f in flags_of(conn, [number], first, last)
        )
        by_span.setdefault((first, last), {})[number] = key
        margin = timedelta(microseconds=margin_us(stream))
        beside = [(first - margin, first), (last, last + margin)] if margin else []
        around = [series(conn, [number], low, high)[number] for low, high in beside]
        outside = [Columns(one.time_us, one.result, one.flag) for one in around if len(one.time_us)]
        if outside:
            found.surroundings[key] = Columns.joined(outside)
    for (first, last), keys in by_span.items():
        early = received_early(conn, list(keys), first, last)
        found.receipts.update({keys[number]: receipts for number, receipts in early.items()})
    return found


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
