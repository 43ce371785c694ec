"""A protocol while it is written: its errors with their lines, and what it may expect. The caller owns the
transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from store import trials as store_trials
from store.catalogue.trials import get_trial
from store.database import Connection
from store.kept import SeriesKept
from store.observations import Series, series
from trials import quality
from trials.designs.reading import read_for_designs
from trials.judge.expectations import Outlook
from trials.judge.outlook import LENGTHS, POWER, outlook, seen_period
from trials.package.reading import read_inputs
from trials.plan.positions import Lines
from trials.plan.protocol import Protocol
from trials.plan.reading import Problem, WrongProtocol, digest, document_of, located
from trials.plan.rules import Rules
from trials.series.inputs import StreamInput, TrialInputs, Unblinding
from trials.workflow.checking import planned_checks
from trials.workflow.loading import needed_datastreams, spans, stream_input, windows_of
from trials.workflow.locking import after_decision, not_lockable

MOST_SLOTS = 10_000_000
MOST_SLOTS_OF_DEVICE = 300_000
MOST_CRITERIA = 200
"""Limits of the computation for a text that any user may send. A larger protocol is checked, but not
forecast.
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """A text after the check. `protocol`: None if it is not one; `outlook`: None if nothing can be
    forecast.
    """

    problems: list[Problem]
    protocol: Protocol | None
    outlook: Outlook | None


def check_draft(
    conn: Connection,
    trial: str,
    text: str,
    *,
    now: datetime,
    simulated: bool,
    lengths: Sequence[int] = LENGTHS,
    power: float = POWER,
) -> Checked:
    """Everything that keeps the text from being locked as the protocol of `trial`, and its outlook."""
    try:
        protocol = read_for_designs(text)
    except WrongProtocol as error:
        return Checked(error.problems, None, None)
    lines = Lines(text)
    if protocol.trial != trial:
        other = Problem(
            "trial", lines.of(["trial"]), f"this is the protocol of {protocol.trial!r}, and here is {trial!r}"
        )
        return Checked([other], protocol, None)
    problems = list(located(not_lockable(conn, protocol), lines))
    if (decided := after_decision(conn, trial)) is not None:
        problems.insert(0, Problem("trial", lines.of(["trial"]), decided))
    newest = max((one.version for one in store_trials.protocols(conn, trial)), default=0)
    if protocol.version <= newest:
        told = f"{trial} has version {newest} already: an amendment is version {newest + 1}, with a reason"
        problems.append(Problem("version", lines.of(["version"]), told))
    unchecked = any(
        problem.field == "checks" for problem in problems
    )  # without checks no observation is known to be good
    if unchecked or not _small(protocol, now):
        return Checked(problems, protocol, None)
    return Checked(
        problems,
        protocol,
        outlook_of(conn, protocol, now=now, simulated=simulated, lengths=lengths, power=power),
    )


def _small(protocol: Protocol, now: datetime) -> bool:
    """Whether the planned intervals of all devices over all endpoints are few enough to compute while
    somebody waits.
    """
    start, end = seen_period(protocol, now)
    slots = 0.0
    for endpoint in protocol.endpoints:
        covariates = endpoint.parameters.get("covariates")
        hourly = (end - start) / timedelta(hours=1) * (len(covariates) if isinstance(covariates, list) else 0)
        for name in endpoint.arms.values():
            own = (end - start) / protocol.interval_of(endpoint.property, name).about
            if own > MOST_SLOTS_OF_DEVICE:
                return False
            slots += len(protocol.arm(name).devices) * (own + hourly)
    criteria = sum(len(endpoint.criteria) for endpoint in protocol.endpoints)
    return slots <= MOST_SLOTS and criteria <= MOST_CRITERIA


def outlook_of(
    conn: Connection,
    protocol: Protocol,
    *,
    now: datetime,
    simulated: bool,
    lengths: Sequence[int] = LENGTHS,
    power: float = POWER,
) -> Outlook:
    """The outlook of a protocol, draft or locked, from the observations in the database; nothing is stored.

    CorrectInput if it plans a check that does not exist.
    """
    return outlook(_load(conn, protocol, now=now, simulated=simulated), lengths=lengths, power=power)


def outlook_of_package(
    folder: Path, protocol: Protocol | None = None, *, lengths: Sequence[int] = LENGTHS, power: float = POWER
) -> Outlook:
    """The same from a package, for its own protocol or another one about the same devices. Takes the
    package's flags as they are.
    """
    inputs = replace(read_inputs(folder), rules=Rules())  # a forecast is a new computation
    if protocol is not None:
        inputs = replace(inputs, protocol=protocol, unblinded=[])
    return outlook(inputs, lengths=lengths, power=power)


def _load(conn: Connection, protocol: Protocol, *, now: datetime, simulated: bool) -> TrialInputs:
    """Observations of the span that an outlook uses, judged in memory by the protocol's checks."""
    get_trial(conn, protocol.trial)  # NotFound, rather than a trial without devices
    start, end = seen_period(protocol, now)
    streams = needed_datastreams(conn, protocol)
    found: dict[int, Series] = {}
    for numbers, first, last in spans(protocol, streams, start, end, Rules()):
        found |= series(conn, numbers, first, last)
    judged: list[StreamInput] = []
    for stream in streams:
        raw = found[stream.datastream_id]
        result = quality.run(
            quality.plan(planned_checks(protocol, stream)), raw.time_us, raw.result, raw.received_us
        )
        arrival = np.zeros(len(raw.time_us), np.int8)  # an outlook does not ask how they came
        kept = SeriesKept(raw.time_us, raw.result, result.flags, arrival, 0)
        judged.append(stream_input(stream, kept, {}, None))
    return TrialInputs(
        protocol=protocol,
        protocol_sha256=digest(document_of(protocol)),
        locked_at=None,
        organisations={},
        sites={},
        streams=judged,
        windows=windows_of(conn, protocol.trial),
        rejects=[],
        gaps=[],
        simulated=simulated,
        now=now,
        unblinded=[
            Unblinding(u.endpoint, u.at, u.login, u.reason)
            for u in store_trials.unblindings(conn, protocol.trial)
        ],
    )


def read_document(text: str) -> dict[str, Any] | None:
    """The fields of a draft; None if the text is no JSON object yet."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write_document(document: Mapping[str, Any]) -> str:
    """A protocol as people edit it: one field per line. Letters that no text can hold stay escaped."""
    plain = json.dumps(document, ensure_ascii=False, indent=2)
    try:
        plain.encode()
    except UnicodeEncodeError:
        return json.dumps(document, indent=2)
    return plain


def amendment(document: str) -> str:
    """The text with which an amendment of a stored protocol begins: the next version, without a reason."""
    newest = json.loads(document)
    kept = {name: value for name, value in newest.items() if name != "reason"}
    return write_document({**kept, "version": newest["version"] + 1})
