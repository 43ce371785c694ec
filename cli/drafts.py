"""`draft`: the draft of a trial's next protocol, which its people write together: list, show, change from a
file, check, throw away. Each has a version, so that nobody replaces what somebody else kept meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.actor import LoginOption, open_acting
from cli.options import JsonOption
from cli.output import say, warn
from cli.reports import in_utc, show_table
from cli.reports import show as report
from cli.target import open_target
from insitu.errors import ChangedMeanwhile, CorrectInput, NotFound
from store.catalogue.trials import get_trial
from store.drafts import find_draft, list_drafts
from store.rights import Act
from trials.workflow.drafts import check_draft
from trials.workflow.keeping import drop_draft, keep_draft

if TYPE_CHECKING:
    from store.drafts import StoredDraft
    from trials.workflow.drafts import Checked

VersionOption = Annotated[
    str | None,
    typer.Option(
        "--version", help="The version that you began with, as `show` tells it; `*`: whatever is there."
    ),
]


@dataclass(frozen=True, slots=True)
class DraftLine:
    trial: str
    version: str
    characters: int
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class DraftDocument:
    """`text`: JSON as far as it is written; it may be broken."""

    trial: str
    version: str
    changed_at: datetime
    changed_by: str
    text: str


def drafts(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the drafts of all trials: version, when and by whom they were kept."""
    if context.invoked_subcommand is not None:
        return
    _, conn = open_target("insitu draft")
    with conn:
        lines = [
            DraftLine(trial, one.tag, len(one.text), one.changed_at, one.changed_by)
            for trial, one in list_drafts(conn)
        ]
    show_table(
        lines,
        {
            "trial": lambda one: one.trial,
            "version": lambda one: one.version,
            "characters": lambda one: one.characters,
            "kept (UTC)": lambda one: one.changed_at,
            "by": lambda one: one.changed_by,
        },
        empty="No trial has a draft. `insitu protocol` writes one from a template, and `insitu draft edit` "
        "keeps it.",
        as_json=as_json,
    )


def show(trial: str, as_json: JsonOption = False) -> None:
    """Print the text of a draft; its version is on stderr."""
    _, conn = open_target("insitu draft")
    with conn:
        get_trial(conn, trial)
        kept = _require(trial, find_draft(conn, trial))
    if not as_json:
        warn(f"Version {kept.tag}, kept {in_utc(kept.changed_at)} UTC by {kept.changed_by}.")
    report(_document(trial, kept), [kept.text], as_json=as_json)


def edit(
    trial: str,
    file: Annotated[Path, typer.Argument(help="The whole text, UTF-8.")],
    version: VersionOption = None,
    login: LoginOption = "",
    as_json: JsonOption = False,
) -> None:
    """Keep a file as the draft of a trial. To replace a draft, say the version that you began with."""
    text = _read(file)
    target, conn, actor = open_acting("insitu draft", login, act=Act.LOCK, trial=trial)
    with conn:
        found, now = get_trial(conn, trial), target.clock.now()
        try:
            kept = keep_draft(conn, found, text, expected=version, by=actor, now=now)
        except ChangedMeanwhile as error:
            raise _changed(trial, find_draft(conn, trial), file) from error
    report(
        _document(trial, kept),
        [f"Kept as the draft of {trial}: version {kept.tag}. `insitu draft check {trial}` checks it."],
        as_json=as_json,
    )


def drop(trial: str, version: VersionOption = None, login: LoginOption = "") -> None:
    """Throw the draft of a trial away. Say the version that you mean."""
    target, conn, actor = open_acting("insitu draft", login, act=Act.LOCK, trial=trial)
    with conn:
        try:
            drop_draft(conn, get_trial(conn, trial), expected=version, by=actor, now=target.clock.now())
        except ChangedMeanwhile as error:
            raise _changed(trial, find_draft(conn, trial), None) from error
    say(f"The draft of {trial} is gone.")


def check(
    trial: str,
    file: Annotated[
        Path | None, typer.Argument(help="A text to check in place of the draft; nothing is stored.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what keeps a draft from being locked; ends with 1 if anything does."""
    target, conn = open_target("insitu draft")
    with conn:
        get_trial(conn, trial)
        kept = None if file is not None else _require(trial, find_draft(conn, trial))
        text = kept.text if kept is not None else _read(file)
        checked = check_draft(conn, trial, text, now=target.clock.now(), simulated=target.clock.is_simulated)
    document = {"trial": trial, "version": kept.tag if kept else None, "problems": checked.problems}
    report(document, _told(trial, file, checked), as_json=as_json)
    if checked.problems:
        raise typer.Exit(1)


def _told(trial: str, file: Path | None, checked: Checked) -> Iterator[str]:
    source = "the draft" if file is None else str(file)
    for problem in checked.problems:
        yield problem.told(source)
    if not checked.problems:
        way = f"insitu lock {file}" if file else f"insitu draft show {trial} > protocol.json"
        yield f"Nothing keeps {source} from being locked: `{way}`" + (
            "." if file else ", then `insitu lock`."
        )


def _require(trial: str, kept: StoredDraft | None) -> StoredDraft:
    if kept is None:
        raise NotFound(f"{trial} has no draft: `insitu draft edit {trial} FILE` begins one.")
    return kept


def _read(file: Path | None) -> str:
    if file is None:
        raise CorrectInput("Name a file.")
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise CorrectInput(f"Cannot read {file}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise CorrectInput(f"{file} is no text in UTF-8: byte {error.start + 1} is none.") from error


def _document(trial: str, kept: StoredDraft) -> DraftDocument:
    return DraftDocument(trial, kept.tag, kept.changed_at, kept.changed_by, kept.text)


def _changed(trial: str, kept: StoredDraft | None, file: Path | None) -> ChangedMeanwhile:
    """Says which version is there; nothing was replaced, and the file stays as it is."""
    if kept is None:
        return ChangedMeanwhile(
            f"The draft of {trial} was locked or thrown away meanwhile: look at `insitu trials`, and leave "
            "out --version to begin another one."
        )
    mine = f" {file} was not stored, and stays as it is." if file else ""
    return ChangedMeanwhile(
        f"{trial} has version {kept.tag} of its draft, which {kept.changed_by} kept "
        f"{in_utc(kept.changed_at)} UTC.{mine} `insitu draft show {trial}` prints it: bring the changes "
        f"together, and say --version {kept.tag}."
    )
