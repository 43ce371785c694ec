"""`protocol`, `lock`, `evaluate`, `report`, `export`, `verify`: the evaluator's work."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.actor import LoginOption, open_acting
from cli.options import JsonOption
from cli.output import say, warn
from cli.reports import show
from cli.target import open_target
from insitu.clock import SYSTEM, Clock
from insitu.errors import CorrectInput, NotFound
from insitu.model import PeriodName
from insitu.settings import load
from store.audit import record
from store.rights import Act
from store.trials import evaluation as find
from store.trials import latest_evaluation
from trials.designs.reading import read_for_designs
from trials.evaluation import document_of
from trials.judge.after_words import locked_late
from trials.package.keys import signing_key
from trials.package.reading import evaluate_package
from trials.plan import profiles as known
from trials.report.render import write_reports
from trials.report.sentence import sentence_of
from trials.report.texts import summary
from trials.workflow.blinding import unblind as unblind_endpoint
from trials.workflow.checking import check_quality
from trials.workflow.drafting import draft, facts_of, left_out
from trials.workflow.drafts import outlook_of
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.exporting import write
from trials.workflow.locking import lock_protocol
from trials.workflow.templates import Facts, marks

if TYPE_CHECKING:
    from store.database import Connection
    from trials.plan.profiles import Profile


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CorrectInput(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error


def protocol(
    template: Annotated[str, typer.Argument(help="air-sensor, retrofit, limit, equivalence or street.")],
    trial: Annotated[str | None, typer.Option(help="A trial, whose devices and datastreams fill it.")] = None,
    property: Annotated[
        str | None, typer.Option(help="Property to evaluate, if not the template's own.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="First day, as 2026-03-01; default: the first of next month.")
    ] = None,
    days: Annotated[int, typer.Option(min=14, help="Length of each period.")] = 30,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Published targets for it, as us-epa-air-sensors/pm25; `insitu profiles` lists them."
        ),
    ] = None,
) -> None:
    """Draft a protocol (JSON on stdout) from a template; `lock` refuses it while anything is left to be
    written.
    """
    clock, facts = SYSTEM, Facts()
    if trial is not None:
        target, conn = open_target("insitu protocol --trial")
        clock = target.clock
        with conn:
            facts = facts_of(conn, trial)
    document = draft(
        template, facts, start=_first_day(start, clock), days=days, property=property, profile=profile
    )
    text = json.dumps(document, ensure_ascii=False, indent=2)
    read_for_designs(text, source=f"template {template}")
    sys.stdout.write(text + "\n")
    if elsewhere := left_out(document, facts):
        warn(f"At another site, and therefore in no arm: {', '.join(elsewhere)}.")
    warn(
        f"Still to be written: {', '.join(marks(document))}. Check periods, intervals and targets too; then "
        "`insitu lock`."
    )


def profiles(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A profile, or one of its entries as us-epa-air-sensors/pm25; default: all of them."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Published targets that a protocol can name: their requirements, source and period of validity."""
    if name is None:
        show(list(known.profiles().values()), _names_of_profiles(), as_json=as_json)
        return
    whole, _, part = name.partition("/")
    profile = known.profile(whole)
    entries = [profile.of(part)] if part else [profile.of(entry.name) for entry in profile.entries]
    chosen = profile.model_copy(update={"entries": entries})
    show(chosen, _profile_in_full(chosen), as_json=as_json)


def _names_of_profiles() -> Iterator[str]:
    for profile in known.profiles().values():
        yield f"{profile.name}: {profile.title.en}"
        yield from (f"  {profile.name}/{entry.name}: {entry.title.en}" for entry in profile.entries)


def _profile_in_full(profile: Profile) -> Iterator[str]:
    yield profile.title.en
    yield profile.notes.en
    for entry in profile.entries:
        yield from known.described(profile.name, entry)


def _first_day(text: str | None, clock: Clock) -> date:
    if text is None:
        return (clock.now().date().replace(day=1) + timedelta(days=31)).replace(day=1)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CorrectInput(f"--start {text!r} is not a day: write it as 2026-03-01.") from None


def lock(
    protocol: Annotated[Path, typer.Argument(help="A protocol, JSON.")], login: LoginOption = ""
) -> None:
    """Lock a protocol: this fixes its hash and time, and later changes are amendments."""
    parsed = read_for_designs(_read(protocol), source=str(protocol))
    target, conn, actor = open_acting("insitu lock", login, act=Act.LOCK, trial=parsed.trial)
    clock = target.clock
    with conn:
        locked = lock_protocol(conn, parsed, now=clock.now(), login=actor)
        expected = outlook_of(conn, parsed, now=clock.now(), simulated=clock.is_simulated)
    for endpoint, statistic, note in expected.warnings():
        warn(f"warning: {endpoint}, {statistic}: {sentence_of(note)} `insitu power {protocol}` tells more.")
    reporting = parsed.period(PeriodName.REPORTING)
    if reporting is not None and locked.locked_at >= reporting.start:
        late = locked_late(locked.locked_at, reporting, parsed.time_zone)
        warn(f"warning: {late.text.en} Every evaluation says so beside its verdict.")
    say(
        f"Locked {parsed.trial} version {locked.version} at {locked.locked_at:%Y-%m-%d %H:%M} UTC, SHA-256 "
        f"{locked.sha256}."
    )


def evaluate(
    trial: Annotated[str, typer.Argument(help="A trial, or the directory of a package.")],
    login: LoginOption = "",
    as_json: JsonOption = False,
) -> None:
    """Apply the locked protocol to the observations and store the result permanently."""
    folder = Path(trial)
    if (folder / "datapackage.json").is_file():
        result = evaluate_package(folder)
        show({"evaluation": None, "document": document_of(result)}, [summary(result)], as_json=as_json)
        return

    target, conn, actor = open_acting("insitu evaluate", login, act=Act.EVALUATE, trial=trial)
    with conn:
        check_quality(conn, trial, now=target.clock.now())
        number, result = evaluate_trial(
            conn, trial, now=target.clock.now(), login=actor, simulated=target.clock.is_simulated
        )
    lines = [f"Evaluation {number}", summary(result)]
    show({"evaluation": number, "document": document_of(result)}, lines, as_json=as_json)


def unblind(
    trial: str,
    endpoint: Annotated[str, typer.Argument(help="Name of a blinded endpoint of the locked protocol.")],
    reason: Annotated[str, typer.Option(help="Why now; recorded in the audit log and in every report.")],
    login: LoginOption = "",
) -> None:
    """Reveal the result of a blinded endpoint from now on; this cannot be undone."""
    target, conn, actor = open_acting("insitu unblind", login, act=Act.UNBLIND, trial=trial)
    clock = target.clock
    with conn:
        number = unblind_endpoint(
            conn, trial, endpoint, reason=reason, now=clock.now(), login=actor, simulated=clock.is_simulated
        )
    say(
        f"{endpoint} of {trial} is unblinded; "
        + (f"evaluation {number} tells it." if number else f"`insitu evaluate {trial}` tells it.")
    )


def report(
    evaluation: Annotated[int, typer.Argument(help="Number of an evaluation.")],
    to: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(),
) -> None:
    """Write the report of an evaluation in both languages as HTML, PDF and JSON."""
    _, conn = open_target("insitu report")
    with conn:
        row = find(conn, evaluation)
    if row is None:
        raise NotFound(f"There is no evaluation {evaluation}.")
    for path in write_reports(json.loads(row.document), folder=to, language=load().language):
        say(str(path))


def export(
    trial: str, to: Annotated[Path, typer.Option(help="Folder of the package; must not exist or be empty.")]
) -> None:
    """Write the package of a trial's latest evaluation: everything needed to recompute it."""
    target, conn, actor = open_acting("insitu export")
    with conn:
        number = write_package(conn, trial, to, data_dir=target.data_dir)
        record(
            conn,
            at=target.clock.now(),
            login=actor,
            action="export",
            subject=trial,
            detail={"evaluation": number},
        )
    say(f"{to}: check it anywhere with `insitu verify {to} --key KEY`; `insitu key` shows yours.")


def write_package(
    conn: Connection, trial: str, to: Path, *, data_dir: Path, reports: Path | None = None
) -> int:
    """Write the package of the latest evaluation, signed by this installation, with its reports (those in
    `reports`, if given). Returns the number of the evaluation.
    """
    row = latest_evaluation(conn, trial)
    if row is None:
        raise NotFound(f"{trial} has no evaluation yet: run `insitu evaluate {trial}` first.")
    if to.exists() and any(to.iterdir()):
        raise CorrectInput(f"{to} is not empty: name a new folder.")
    to.mkdir(parents=True, exist_ok=True)
    if reports is None:
        write_reports(json.loads(row.document), folder=to, language=load().language)
    else:
        for path in reports.glob("report*"):
            shutil.copyfile(path, to / path.name)
    write(conn, row.evaluation_id, to, key=signing_key(data_dir))
    return row.evaluation_id
