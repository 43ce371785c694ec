"""`check`, `settings`, `replay`, `broker-config`: find out whether everything is in order, and fix it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from cli.actor import open_acting
from cli.addresses import broker_address, devices_address, parse_broker_url
from cli.backup_check import describe_backups, describe_disk
from cli.brokers import PROFILES
from cli.catalogue_check import find_wrong_rows
from cli.deep_check import check_pages, check_structure
from cli.denials import describe_denials
from cli.evidence_check import (
    check_chain,
    check_days,
    check_facts,
    check_guards,
    check_heads,
    check_records,
    check_vouched,
)
from cli.leavers import describe_people
from cli.options import JsonOption
from cli.output import say
from cli.overdue import describe_overdue
from cli.owners import account_if_there, ids, make_folder, parse_owner
from cli.policy import WRITE_FILES_ANEW, CannotAsk, LookAt, devices_of_broker_config, throw_away_devices
from cli.reports import show, show_each
from cli.target import Target, find_target
from ingest.policy import prove
from ingest.probe import probe_once
from ingest.replay import Replayed
from ingest.replay import replay as run
from ingest.takeover import prove_ids
from insitu.errors import CorrectInput, InsituError, RetryLater
from insitu.settings import load, misspelt, shown
from insitu.whole import write_whole
from store import shards
from store.access import active_credentials
from store.audit import record
from store.database import connect, migrations, require_current, require_postgres
from store.ledger import recount
from store.limits import has_net
from store.packed.checking import find_wrong_days
from store.powers import find_powers
from store.rejects import count_failed

if TYPE_CHECKING:
    from store.database import Connection

_WORDS: Final = {"ok": "ok  ", "bad": "BAD ", "not_asked": "--  ", "look": "LOOK"}


def settings(as_json: JsonOption = False) -> None:
    """Effective settings, secrets hidden."""
    texts = shown(load())
    show(texts, (f"{name}={text}" for name, text in texts.items()), as_json=as_json)


@dataclass(frozen=True, slots=True)
class Question:
    """One question of `check`: its name, and a function that returns good news or raises bad news."""

    title: str
    answer: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Answer:
    question: str
    state: Literal["ok", "look", "bad", "not_asked"]
    detail: str
    """The good news, or what is wrong and what to do."""


def check(
    strict: Annotated[
        bool, typer.Option(help="Exit code 1 also for LOOK, and where a question could not be asked.")
    ] = False,
    deep: Annotated[
        bool,
        typer.Option(
            help="Read every page and every index of the database, and recompute every sealed day of "
            "results, "
            "not a part of about 2 million rows."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Is everything in order? One line for each question: ok, LOOK if something needs a look, BAD, or -- if
    it could not be asked. Exit code 1 if anything is BAD.
    """
    answers = show_each(map(_ask, questions(find_target(), deep=deep)), _line, as_json=as_json)
    bad = sum(answer.state == "bad" or (strict and answer.state != "ok") for answer in answers)
    if bad:
        needs = "needs" if bad == 1 else "need"
        raise InsituError(f"{bad} of these {needs} attention; each line says what to do.")


def _ask(question: Question) -> Answer:
    try:
        return Answer(question.title, "ok", question.answer())
    except CannotAsk as error:
        return Answer(question.title, "not_asked", str(error))
    except LookAt as error:
        return Answer(question.title, "look", str(error))
    except InsituError as error:
        return Answer(question.title, "bad", str(error))


def _line(answer: Answer) -> str:
    return f"{_WORDS[answer.state]} {answer.question}: {answer.detail}"


def questions(target: Target, *, deep: bool = False) -> list[Question]:
    """The questions of `check`, ordered so that a failure explains the later ones."""
    return [
        Question("settings", _settings),
        Question("database", lambda: _database(target)),
        Question("schema", lambda: _schema(target)),
        Question("ingestor", lambda: _ingestor(target)),
        Question("a device can deliver", lambda: _delivery(target)),
        Question("ledger", lambda: _ledger(target)),
        Question("packed days", lambda: _packed_days(target)),
        Question("catalogue", lambda: _catalogue(target)),
        Question("denied by the broker", lambda: _denials(target)),
        Question("audit log", lambda: _audit(target, check_chain)),
        Question("records and audit log", lambda: _audit(target, check_records)),
        Question("registered facts", lambda: _audit(target, check_facts)),
        Question("sealed results", lambda: _audit(target, lambda c: check_days(c, deep=deep))),
        Question("guards of the database", lambda: _audit(target, check_guards)),
        Question("signed heads", lambda: _audit(target, lambda c: check_heads(c, target.data_dir))),
        Question("vouched for outside", lambda: _audit(target, lambda c: check_vouched(c, target))),
        Question("rows that pages may read", lambda: _net(target)),
        Question("rights of the service", lambda: _powers(target)),
        Question("people and tokens", lambda: _people(target)),
        Question("backups", lambda: _backups(target)),
        Question("disk", lambda: _disk(target)),
        Question("retention", lambda: _audit(target, lambda c: describe_overdue(c, target.clock))),
        *_deep_questions(target, deep=deep),
        Question("broker keeps devices apart", lambda: _policy(target)),
        Question("broker keeps client ids apart", lambda: _client_ids(target)),
    ]


def _deep_questions(target: Target, *, deep: bool) -> list[Question]:
    if not deep:
        return []
    return [
        Question("pages of the database", lambda: check_pages(target)),
        Question("tables and indexes", lambda: check_structure(target)),
    ]


def _with(target: Target) -> Connection:
    return connect(target.database_url, application="insitu check")


def _settings() -> str:
    number = len(shown(load()))
    if wrong := misspelt(os.environ):
        raise LookAt(" ".join(wrong))
    return f"{number} read"


def _database(target: Target) -> str:
    with _with(target) as conn:
        version = conn.server_version()
    require_postgres(version)
    return f"answers, version {version // 10_000}"


def _schema(target: Target) -> str:
    with _with(target) as conn:
        require_current(conn)
    return f"current ({migrations()[-1].stem})"


def _ingestor(target: Target) -> str:
    with _with(target) as conn:
        health = shards.health(conn)
    if not health.alive:
        raise InsituError(f"{health.trouble} Start `insitu up`, `insitu demo` or `insitu ingest`.")
    return f"last sign of life {health.heartbeat_age_s:.0f} s ago"


def _delivery(target: Target) -> str:
    """A probe with a device's rights: a new connection, a message at QoS 1, its row."""
    if target.running is not None:
        ca = Path(target.running.mqtt_ca) if target.running.mqtt_ca else None
        broker = parse_broker_url(target.running.mqtt_url, ca)
    elif load().mqtt_url is not None:
        broker = broker_address(load())
    else:
        raise CannotAsk("set INSITU_MQTT_URL, so that it can be tried.")
    began = time.monotonic()
    found = probe_once(broker, target.database_url)
    if not found.ready:
        raise InsituError(found.detail)
    return f"a message became a row in {time.monotonic() - began:.1f} s"


def _ledger(target: Target) -> str:
    with _with(target) as conn:
        differences, failed = recount(conn), count_failed(conn)
    if differences:
        raise InsituError("counts and rows differ: " + "; ".join(str(d) for d in differences[:5]))
    if failed:
        raise LookAt(
            f"counts and rows agree; on {failed} messages Insitu itself failed. They are kept as "
            "internal_error, and their refusals say why: report it, then "
            "`insitu replay --reason internal_error`."
        )
    return "every received message is a row, a repeat or a reject"


def _packed_days(target: Target) -> str:
    with _with(target) as conn:
        wrong = find_wrong_days(conn)
    if wrong:
        raise InsituError("; ".join(wrong[:5]) + ". Restore what they hold from a backup.")
    return "each is as its summary says, and holds no result that is elsewhere too"


def _catalogue(target: Target) -> str:
    with _with(target) as conn:
        wrong = find_wrong_rows(conn)
    if wrong:
        raise InsituError("; ".join(wrong[:5]) + ". Correct the entry and run `insitu register` again.")
    return "every zone, unit and title can be used"


def _denials(target: Target) -> str:
    with _with(target) as conn:
        return describe_denials(conn)


def _net(target: Target) -> str:
    with _with(target) as conn:
        if has_net(conn):
            return "limited by the database to the trials of the reader"
    raise LookAt(
        "limited by the queries alone, because this account may not act as insitu_pages. As an administrator "
        "of the database: CREATE ROLE insitu_pages NOLOGIN; GRANT insitu_pages TO this account; then "
        "`insitu migrate`."
    )


def _powers(target: Target) -> str:
    with _with(target) as conn:
        powers = find_powers(conn)
    if powers.owned:
        raise LookAt(
            "this account owns the tables, so its password is enough to switch off their guards. "
            "Sign the parts in as insitu_service (docs/operations.md)."
        )
    if powers.more:
        raise InsituError(
            f"this account may do what Insitu never does: {', '.join(powers.more[:5])}. "
            "`insitu migrate` takes these rights away."
        )
    return "it owns no table, and changes only what Insitu changes"


def _audit(target: Target, ask: Callable[[Connection], str]) -> str:
    with _with(target) as conn:
        return ask(conn)


def _people(target: Target) -> str:
    with _with(target) as conn:
        return describe_people(conn)


def _backups(target: Target) -> str:
    with _with(target) as conn:
        return describe_backups(conn, is_simulated=target.clock.is_simulated, now=datetime.now(UTC))


def _disk(target: Target) -> str:
    settings = load()
    folder = target.data_dir if target.running is not None else settings.database_disk
    return describe_disk(folder, settings.least_free_bytes)


def _policy(target: Target) -> str:
    """Test the broker's rules with two devices: throw-away ones at the embedded broker, those of
    `broker-config` at an external one.
    """
    if target.running is None:
        return prove(*devices_of_broker_config(load()), if_refused=WRITE_FILES_ANEW)
    with _with(target) as conn, throw_away_devices(conn, target) as (address, first, second):
        return prove(address, first, second)


def _client_ids(target: Target) -> str:
    """Try to take sessions by their client ids; at a broker of somebody else a hole is for its owner."""
    if target.running is not None:
        with _with(target) as conn, throw_away_devices(conn, target) as (address, first, second):
            return prove_ids(address, address, first, second)
    settings = load()
    address, first, second = devices_of_broker_config(settings)
    try:
        return prove_ids(address, devices_address(settings, address), first, second)
    except (RetryLater, CorrectInput):
        raise
    except InsituError as error:
        raise LookAt(str(error)) from error


def replay(
    trial: Annotated[str, typer.Option(help="Only this trial's rejects.")] = "",
    reason: Annotated[str, typer.Option(help="Only rejects with this reason code.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Send rejects through the path again, after a registration, mapping or unit was fixed; each exactly
    once.
    """
    target, conn, actor = open_acting("insitu replay")
    with conn:
        outcome = run(conn, trial=trial or None, reason=reason or None, clock=target.clock)
        detail = {"reason": reason, "tried": outcome.tried, "stored": outcome.stored}
        now = target.clock.now()
        record(conn, at=now, login=actor, action="replay", subject=trial or "all", detail=detail)
    show(outcome, _replay_lines(outcome), as_json=as_json)


def _replay_lines(outcome: Replayed) -> Iterator[str]:
    yield (
        f"{outcome.tried} rejects tried again: {outcome.stored} observations stored, "
        f"{outcome.still_refused} still refused."
    )
    if outcome.stored_before:
        yield (
            f"{outcome.stored_before} results of these messages were stored when they came; they stay at "
            "that time and are not stored again."
        )
    for reason, one in outcome.reasons.items():
        yield f"  {one.rejects} {reason}{f': {one.detail}' if one.detail else ''}"


def broker_config(
    broker: Annotated[str, typer.Argument(help="nats, mosquitto or emqx.")],
    to: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(),
    owner: Annotated[
        str,
        typer.Option(
            help="ACCOUNT[:GROUP] that the broker runs as. For root; default: the account of its package."
        ),
    ] = "",
) -> None:
    """Write credentials and access rules of the service and of every active device, for a broker of your own.

    The service signs in with user and password of INSITU_MQTT_URL, as `ingest` does.
    """
    if broker not in PROFILES:
        raise CorrectInput(f"{broker!r} is no broker with a profile; known are {', '.join(PROFILES)}.")
    profile, service = PROFILES[broker], broker_address(load())
    account = parse_owner(owner) if owner else account_if_there(profile.account)
    target, conn, actor = open_acting("insitu broker-config")
    with conn:
        credentials = active_credentials(conn, target.clock.now(), suspended=True)
        detail = {"credentials": len(credentials)}
        now = target.clock.now()
        record(conn, at=now, login=actor, action="broker config", subject=broker, detail=detail)
    make_folder(to, account)
    for name, content in profile.write(credentials, service).items():
        write_whole(to / name, content, owner=ids(account))
        say(str(to / name))
    whose = (
        f"{account.name}, which"
        if account
        else "this account; the broker must run as it, or give --owner ACCOUNT as root. It"
    )
    say(f"They belong to {whose} takes them over by {profile.reload}.")
    if not all(credential.heard_below for credential in credentials):
        say(
            "The ingestor does not hear everything below the devices' names yet, so they keep the rights of "
            "an earlier version: run this again once the ingestor has run for a minute."
        )
