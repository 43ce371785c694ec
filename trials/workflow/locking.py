"""Locks a protocol: checks it against the catalogue and the designs, then stores it for good. The caller owns
the transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from insitu.errors import AlreadyExists, CorrectInput
from insitu.letters import find_unseen, texts_of
from insitu.model import AveragingScale
from store import audit
from store import trials as store_trials
from store.catalogue.datastreams import TrialDatastream, list_datastreams
from store.catalogue.sites import list_sites
from store.catalogue.trials import get_trial, list_trial_steps
from store.database import Connection
from trials import quality
from trials.designs import DESIGNS
from trials.designs.planned_intervals import unusable_intervals
from trials.designs.registry import misfits
from trials.judge.scales import Registered, misfits_of_scale
from trials.plan import profiles
from trials.plan.protocol import Protocol
from trials.plan.reading import canonical, digest
from trials.plan.reading import document_of as protocol_document
from trials.plan.size import oversized
from trials.report.sentence import sentence_of
from trials.workflow.keeping import end_draft
from trials.workflow.templates import marks


@dataclass(frozen=True, slots=True)
class Locked:
    version: int
    sha256: str
    locked_at: datetime


def lock_protocol(conn: Connection, protocol: Protocol, *, now: datetime, login: str) -> Locked:
    """Stores and locks a version. CorrectInput lists every problem of `not_lockable`; AlreadyExists unless
    it is newer than all others. After the decision nothing can be locked (CorrectInput). Ends the draft that
    says the same.
    """
    if (decided := after_decision(conn, protocol.trial)) is not None:
        raise CorrectInput(decided)
    problems = not_lockable(conn, protocol)
    if problems:
        raise CorrectInput(
            "The protocol cannot be locked:\n" + "\n".join(f"  {problem}" for problem in problems)
        )
    earlier = store_trials.protocols(conn, protocol.trial)
    if earlier and protocol.version <= earlier[0].version:
        raise AlreadyExists(
            f"{protocol.trial} has version {earlier[0].version} already: an amendment is version "
            f"{earlier[0].version + 1}, with a reason."
        )
    document = protocol_document(protocol)
    reason = protocol.reason.en if protocol.reason else ""
    number = store_trials.save_protocol(
        conn,
        trial=protocol.trial,
        version=protocol.version,
        document=canonical(document).decode(),
        sha256=digest(document),
        now=now,
        reason=reason,
    )
    store_trials.lock_protocol(conn, protocol_id=number, at=now, login=login)
    detail = {"version": protocol.version, "sha256": digest(document)}
    audit.record(conn, at=now, login=login, action="lock", subject=protocol.trial, detail=detail)
    end_draft(conn, protocol.trial, digest(document))
    return Locked(protocol.version, digest(document), now)


def after_decision(conn: Connection, trial: str) -> str | None:
    """Why nothing can be locked, if the trial is decided; else None. NotFound if there is no such trial."""
    found = get_trial(conn, trial)
    if not found.state.is_decision:
        return None
    steps = [step for step in list_trial_steps(conn, found.trial_id) if step.to_state == found.state]
    when = f" on {steps[-1].at:%Y-%m-%d %H:%M} UTC" if steps else ""
    return (
        f"{trial} was decided{when} ({found.state.value}): nothing can be locked after the decision. To ask "
        "another question, register a new trial and lock its protocol before its reporting period begins."
    )


def not_lockable(conn: Connection, protocol: Protocol) -> list[str]:
    """Problems that prevent a lock, each with its path: marks that are left, names missing from the
    catalogue, things that no design knows.
    """
    document = protocol_document(protocol)
    left = [f"{where}: this is still to be written" for where in marks(document)]
    hidden = [
        f"{where}: a character that nobody sees, {unseen}: write it again instead of copying it"
        for where, text in texts_of(document)
        if (unseen := find_unseen(text, lines=True)) is not None
    ]
    return [
        *left,
        *hidden,
        *oversized(protocol),
        *_not_in_catalogue(conn, protocol),
        *_not_computable(protocol),
    ]


def _not_in_catalogue(conn: Connection, protocol: Protocol) -> list[str]:
    streams = list_datastreams(conn, protocol.trial)
    known = {(s.device, s.property) for s in streams}
    devices = {s.device for s in streams}
    sites = {site.code for site in list_sites(conn, protocol.trial)}
    problems = [
        f"arms.{a.name}: the trial has nothing at site {a.site!r}"
        for a in protocol.arms
        if a.site not in sites
    ]
    for endpoint in protocol.endpoints:
        wanted = (endpoint.filter.sites if endpoint.filter else None) or []
        problems += [
            f"endpoints.{endpoint.name}: the trial has nothing at site {site!r}"
            for site in wanted
            if site not in sites
        ]
    for arm in protocol.arms:
        problems += [
            f"arms.{arm.name}: the trial has no device {device!r}"
            for device in arm.devices
            if device not in devices
        ]
    for endpoint in (e for e in protocol.endpoints if e.profile is not None):
        named = {device for arm in endpoint.arms.values() for device in protocol.arm(arm).devices}
        problems += [
            f"endpoints.{endpoint.name}.unit: {endpoint.profile} is in {endpoint.unit}, {s.device} measures "
            f"{s.property} in {s.unit}"
            for s in streams
            if s.device in named and s.property == endpoint.property and s.unit != endpoint.unit
        ]
    problems += _off_scale(protocol, streams)
    for measurement in protocol.measurements:
        for name in measurement.arms:
            problems += [
                f"measurements: {device} of arm {name} does not measure {measurement.property!r}"
                for device in protocol.arm(name).devices
                if device in devices and (device, measurement.property) not in known
            ]
    return problems


def _off_scale(protocol: Protocol, streams: Sequence[TrialDatastream]) -> Iterator[str]:
    """Problems with the averaging scale of a property. A plain mean of angles is none: an evaluation warns of
    it.
    """
    known = [Registered(s.property, s.unit, s.averaging_scale) for s in streams]
    for endpoint in protocol.endpoints:
        for field, statement in misfits_of_scale(protocol, endpoint, known):
            if statement.severity == "blocking":
                yield f"endpoints.{endpoint.name}.{field}: {sentence_of(statement)}"
    scales = {s.property: s.averaging_scale for s in streams}
    for number, measurement in enumerate(protocol.measurements):
        scale = scales.get(measurement.property)
        if measurement.holds is not None and scale not in (None, AveragingScale.TIME_WEIGHTED):
            yield (
                f"measurements.{number}.holds: results of {measurement.property} do not hold: its averaging "
                f"scale is {scale}, not time_weighted"
            )


def _not_computable(protocol: Protocol) -> list[str]:
    problems = list(unusable_intervals(protocol))
    for check in protocol.checks:
        try:
            quality.plan([(check.check, check.parameters)])
        except CorrectInput as error:
            problems.append(f"checks: {check.property}: {error}")
    for endpoint in protocol.endpoints:
        problems += [f"endpoints.{endpoint.name}.{problem}" for problem in misfits(endpoint)]
        design = DESIGNS.get(endpoint.design)
        if design is None:
            problems.append(
                f"endpoints.{endpoint.name}: there is no design {endpoint.design!r}; known are "
                f"{', '.join(DESIGNS)}"
            )
            continue
        problems += [
            f"endpoints.{endpoint.name}.{problem}" for problem in profiles.differences(protocol, endpoint)
        ]
        missing = [arm for arm in design.arms if arm not in endpoint.arms]
        problems += [f"endpoints.{endpoint.name}: {design.name} needs a {arm} arm" for arm in missing]
        problems += [
            f"endpoints.{endpoint.name}: {design.name} knows no statistic {c.statistic!r}; it has "
            f"{', '.join(design.statistics)}"
            for c in endpoint.criteria
            if c.statistic not in design.statistics
        ]
        problems += [
            f"endpoints.{endpoint.name}: {design.name} needs a {period} period"
            for period in design.periods
            if protocol.period(period) is None
        ]
    return problems
