"""`retention`, `erase`, `erasures`, `record`: what the data of a trial are for, how long they stay, and their
erasure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer

from cli.actor import LoginOption, open_acting
from cli.options import JsonOption
from cli.output import say
from cli.reports import in_utc, show, show_table
from cli.target import open_target
from insitu.errors import CorrectInput
from insitu.whole import write_whole
from jobs.evaluations import Night
from jobs.witness import sign_new
from store import erasures as store
from store import witness
from store.catalogue.trials import get_trial
from store.retention import BASES, Retention, record_lines, retention_of, set_retention
from store.rights import Act
from trials.witness.certificate import Certificate, certificate_document
from trials.workflow.processing import Processing, describe_processing

if TYPE_CHECKING:
    from cli.target import Target
    from store.database import Connection

_FORMATS: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M%z"]
_ANY_NIGHT: Final = Night(0, ZoneInfo("UTC"))


def retention(
    trial: str,
    purpose: Annotated[str | None, typer.Option(help="Purpose of the data, in a sentence.")] = None,
    basis: Annotated[
        str | None, typer.Option(help=f"Legal basis (article 6 of the GDPR): {', '.join(BASES)}.")
    ] = None,
    recipients: Annotated[
        str | None, typer.Option(help="Who receives data besides the parties of the trial.")
    ] = None,
    results_days: Annotated[
        int | None, typer.Option(help="Days that results stay after the end of the trial.")
    ] = None,
    rejects_days: Annotated[
        int | None, typer.Option(help="Days that the content of refused messages stays.")
    ] = None,
    raw: Annotated[
        list[str] | None,
        typer.Option(help="Field (or pattern) whose texts stay in refused messages; '' for none."),
    ] = None,
    raw_days: Annotated[int | None, typer.Option(help="Days that those texts stay.")] = None,
    login: LoginOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what the data of a trial are for and how long they stay; with an option, set it."""
    given: dict[str, Any] = {
        "purpose": purpose,
        "legal_basis": basis,
        "recipients": recipients,
        "results_days": results_days,
        "rejects_days": rejects_days,
        "raw_fields": raw or None,
        "raw_days": raw_days,
    }
    wanted = {name: value for name, value in given.items() if value is not None}
    if not wanted:
        _, conn = open_target("insitu retention")
        with conn:
            get_trial(conn, trial)
            found = retention_of(conn, trial)
    else:
        target, conn, actor = open_acting("insitu retention", login, act=Act.SET_RETENTION, trial=trial)
        with conn:
            found = set_retention(conn, trial, wanted, login=actor, now=target.clock.now())
    show(found, _retention_lines(found), as_json=as_json)


def _retention_lines(found: Retention) -> Iterator[str]:
    yield f"purpose      {found.purpose or 'not stated'}"
    yield f"legal basis  {found.legal_basis or 'not stated'}"
    yield f"recipients   {found.recipients or 'the parties of the trial'}"
    yield f"results      {found.results_days} days after the end of the trial"
    yield f"rejects      {found.rejects_days} days"
    if found.raw_fields:
        yield f"texts of     {', '.join(found.raw_fields)}: {found.raw_days} days, in refused messages"
    if found.set_at is None:
        yield "Nothing is set for this trial: these are the defaults."
    else:
        yield f"set          {in_utc(found.set_at)} UTC by {found.set_by}"


def erase(
    reason: Annotated[str, typer.Option(help="Why; it stays in the certificate and in the audit log.")],
    trial: Annotated[str, typer.Option(help="Everything of this trial.")] = "",
    device: Annotated[str, typer.Option(help="Everything of one device: TRIAL/DEVICE.")] = "",
    person: Annotated[str, typer.Option(help="Name, login, sessions and tokens of this login.")] = "",
    since: Annotated[
        datetime | None, typer.Option("--from", formats=_FORMATS, help="Only from this time on, UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=_FORMATS, help="Only before this time, UTC.")
    ] = None,
    part: Annotated[
        list[str] | None, typer.Option(help=f"Only this part: {', '.join(store.PARTS)} [default: all].")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only, and change nothing.")] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="Write the signed certificate into this new file.")
    ] = None,
    login: LoginOption = "",
    as_json: JsonOption = False,
) -> None:
    """Erase data for good, and say what went in a signed certificate. --dry-run counts first."""
    if sum(map(bool, (trial, device, person))) != 1:
        raise CorrectInput("Name one of --trial TRIAL, --device TRIAL/DEVICE and --person LOGIN.")
    if person and (since or until or part):
        raise CorrectInput("--from, --to and --part are for data of devices, not for a person.")
    if certificate is not None and certificate.exists():
        raise CorrectInput(f"{certificate} is there already: name a new file.")
    scope = None if person else _scope(trial, device, since, until, part)
    target, conn, actor = open_acting("insitu erase", login)
    with conn:
        now = target.clock.now()
        if scope is None:
            done = store.erase_person(conn, person, login=actor, reason=reason, now=now)
        else:
            done = store.erase(conn, scope, login=actor, reason=reason, now=now)
        if dry_run:
            conn.rollback()
            show(done, _dry_lines(done), as_json=as_json)
            return
        conn.commit()
        written = _certificate(conn, target, done)
    if certificate is not None:
        write_whole(certificate, certificate_document(written))
    shown = asdict(done) | {"certificate": written}
    show(shown, _erased_lines(done, written, certificate), as_json=as_json)


def _scope(
    trial: str, device: str, since: datetime | None, until: datetime | None, part: list[str] | None
) -> store.Scope:
    parts = tuple(part or store.PARTS)
    if wrong := set(parts) - set(store.PARTS):
        raise CorrectInput(f"{min(wrong)!r} is no part of the data: write {', '.join(store.PARTS)}.")
    whose, _, code = device.partition("/")
    if device and not (whose and code):
        raise CorrectInput(f"{device!r}: write the device as TRIAL/DEVICE.")
    return store.Scope(trial or whose, code or None, _utc(since), _utc(until), parts)


def _utc(when: datetime | None) -> datetime | None:
    return when if when is None or when.tzinfo else when.replace(tzinfo=UTC)


def _certificate(conn: Connection, target: Target, done: store.Erasure) -> Certificate:
    """The line of the erasure as a statement of this installation; signs it if nobody has yet."""
    line = store.line_of_erasure(conn, done.erasure_id)
    sign_new(conn, target.clock.now(), target.data_dir, night=_ANY_NIGHT, today=None)
    conn.commit()
    stated = next(one for one in witness.list_statements(conn, store.ACTION) if one.audit_id == line.audit_id)
    copies = [] if done.trial is None else store.list_copies(conn, done.trial)
    conn.rollback()
    return Certificate(stated.document, stated.public_key, stated.signature, [asdict(one) for one in copies])


def _dry_lines(done: store.Erasure) -> Iterator[str]:
    yield from _rows(done)
    yield "Nothing was changed: leave out --dry-run to erase these rows."


def _rows(done: store.Erasure) -> Iterator[str]:
    for table, number in sorted(done.erased.items()):
        yield f"{number:>10}  {table}"
    if not done.erased:
        yield "There is nothing of it."


def _erased_lines(done: store.Erasure, written: Certificate, path: Path | None) -> Iterator[str]:
    yield f"Erasure {done.erasure_id} is done and signed with the key {written.public_key}:"
    yield from _rows(done)
    if path is not None:
        yield f"The certificate is in {path}."
    for one in written.copies:
        when = in_utc(one["at"])
        yield f"A copy left before, by {one['login']} on {when} UTC ({one['action']}): tell them."
    yield "Backups that are older still hold it: docs/operations.md says how long they may stay."


def erasures(
    trial: Annotated[str | None, typer.Argument(help="Only this trial's.")] = None,
    certificate: Annotated[
        int | None, typer.Option(min=1, help="Print the signed certificate of the erasure with this number.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List erasures, newest first, or print the certificate of one."""
    target, conn = open_target("insitu erasures")
    with conn:
        if certificate is not None:
            found = _certificate(conn, target, store.get_erasure(conn, certificate))
            say(certificate_document(found).rstrip())
            return
        if trial is not None:
            get_trial(conn, trial)
        listed = store.list_erasures(conn, trial)
    show_table(
        listed,
        {
            "erasure": lambda one: one.erasure_id,
            "of": _whose,
            "when (UTC)": lambda one: one.at,
            "by": lambda one: one.by_login,
            "from (UTC)": lambda one: one.from_time,
            "to (UTC)": lambda one: one.to_time,
            "rows": lambda one: one.rows,
            "reason": lambda one: one.reason,
        },
        empty="Nothing was erased yet.",
        as_json=as_json,
    )


def _whose(one: store.Erasure) -> str:
    if one.trial is None:
        return f"person {one.person_id}"
    return one.trial if one.device is None else f"{one.trial}/{one.device}"


def record(as_json: JsonOption = False) -> None:
    """Print the record of processing activities (article 30 of the GDPR), from what is set for each trial."""
    _, conn = open_target("insitu record")
    with conn:
        found = [describe_processing(one) for one in record_lines(conn)]
    show(found, _record_lines(found), as_json=as_json)


def _record_lines(found: list[Processing]) -> Iterator[str]:
    if not found:
        yield "There is no trial yet."
    for one in found:
        yield f"{one.trial}: {one.title}"
        for name, text in one.entries():
            yield f"  {name:<12} {text}"
        yield ""
