"""`trials`, `people`, `windows`, `evaluations`: lists as tables or JSON, with the rights of the lab."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.options import JsonOption
from cli.output import warn
from cli.reports import show_table
from cli.target import open_target
from insitu.language import Reader
from store.catalogue.trials import get_trial, list_trials
from store.catalogue.windows import list_windows
from store.read.people import list_people
from store.read.progress import list_all_evaluations, list_evaluations, load_trial_facts

if TYPE_CHECKING:
    from store.catalogue.trials import Trial
    from store.catalogue.windows import DeclaredWindow
    from store.read.people import Person
    from store.read.progress import EvaluationHead, TrialFacts

_READER: Final = Reader("en")


@dataclass(frozen=True, slots=True)
class TrialLine:
    """`protocol_version` and `locked_at`: of the latest locked version; from `evaluation_id` on: of the
    latest evaluation. `verdict` is also None if it is withheld.
    """

    trial: str
    title: dict[str, str]
    state: str
    host: str
    company: str
    evaluator: str | None
    need: str | None
    time_zone: str
    created_at: datetime
    ends_at: datetime | None
    devices: int
    protocol_version: int | None
    locked_at: datetime | None
    has_draft: bool
    evaluation_id: int | None
    evaluated_at: datetime | None
    verdict: str | None
    interim: bool | None
    blinded: bool | None
    after_the_fact: bool | None
    afterwards: list[dict[str, str]] | None
    """Sentences that belong beside the verdict, by language."""
    withdrawn_imports: list[int]
    """Imports that the evaluation may have used and that were withdrawn since."""


@dataclass(frozen=True, slots=True)
class PersonLine:
    login: str
    name: str
    organisation: str
    role: str
    language: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class WindowLine:
    """`[start, end)`; `end` None: open. `target` is the code of a trial, site or device."""

    trial: str
    kind: str
    target_kind: str
    target: str
    start: datetime
    end: datetime | None
    reason: str
    declared_by: str
    declared_at: datetime
    is_afterwards: bool
    """Declared after its start."""


def trials(as_json: JsonOption = False) -> None:
    """List the trials: state, devices, protocol, latest result, participants."""
    _, conn = open_target("insitu trials")
    with conn:
        found = list_trials(conn)
        facts = load_trial_facts(conn, [trial.code for trial in found])
    show_table(
        [_trial_line(trial, facts[trial.code]) for trial in found],
        {
            "trial": lambda line: line.trial,
            "state": lambda line: line.state,
            "devices": lambda line: line.devices,
            "protocol": _protocol,
            "result": lambda line: result_word(
                line.verdict,
                interim=line.interim,
                blinded=line.blinded,
                after_the_fact=line.after_the_fact,
            ),
            "host": lambda line: line.host,
            "company": lambda line: line.company,
            "title": lambda line: _READER.pick(line.title),
        },
        empty="There is no trial yet: `insitu register FILE` enters what a TOML file lists.",
        notes=[
            f"{trial.code}: {text}"
            for trial in found
            for own in (facts[trial.code],)
            for text in (*map(_READER.pick, own.afterwards or []), *_stale(own.withdrawn_imports))
        ],
        as_json=as_json,
    )


def _stale(withdrawn: list[int]) -> list[str]:
    """A sentence about imports that were withdrawn since an evaluation; none if there are none."""
    if not withdrawn:
        return []
    numbers = ", ".join(map(str, withdrawn))
    return [f"Data were withdrawn since (import {numbers}): evaluate again."]


def _trial_line(trial: Trial, facts: TrialFacts) -> TrialLine:
    return TrialLine(
        trial=trial.code,
        title=trial.title,
        state=trial.state,
        host=trial.host,
        company=trial.company,
        evaluator=trial.evaluator,
        need=trial.need,
        time_zone=trial.time_zone,
        created_at=trial.created_at,
        ends_at=trial.ends_at,
        devices=facts.devices,
        protocol_version=facts.version,
        locked_at=facts.locked_at,
        has_draft=facts.draft,
        evaluation_id=facts.evaluation_id,
        evaluated_at=facts.evaluated_at,
        verdict=facts.verdict,
        interim=facts.interim,
        blinded=facts.blinded,
        after_the_fact=facts.after_the_fact,
        afterwards=facts.afterwards,
        withdrawn_imports=facts.withdrawn_imports,
    )


def _protocol(line: TrialLine) -> str | None:
    parts = [] if line.protocol_version is None else [f"version {line.protocol_version}"]
    return ", ".join([*parts, *(["draft"] if line.has_draft else [])]) or None


def result_word(
    verdict: str | None,
    *,
    interim: bool | None,
    blinded: bool | None,
    after_the_fact: bool | None,
) -> str | None:
    """The verdict, or the reason why there is none."""
    if blinded:
        return "blinded"
    if interim:
        return "look, no verdict" + (": stop for harm" if verdict == "not_met" else "")
    return verdict and verdict.replace("_", " ") + (", criteria set after the fact" if after_the_fact else "")


def people(as_json: JsonOption = False) -> None:
    """List who can sign in: organisation, role, since when."""
    _, conn = open_target("insitu people")
    with conn:
        found = list_people(conn)
    show_table(
        [_person_line(person) for person in found],
        {
            "login": lambda line: line.login,
            "name": lambda line: line.name,
            "organisation": lambda line: line.organisation,
            "role": lambda line: line.role,
            "since (UTC)": lambda line: line.created_at,
            "disabled (UTC)": lambda line: line.disabled_at,
        },
        empty="Nobody can sign in yet: `insitu register FILE` enters the [[person]] tables of a TOML file.",
        as_json=as_json,
    )


def _person_line(person: Person) -> PersonLine:
    return PersonLine(
        login=person.login,
        name=person.name,
        organisation=person.organisation,
        role=str(person.role),
        language=person.language,
        created_at=person.created_at,
        disabled_at=person.disabled_at,
    )


def windows(
    trial: Annotated[str, typer.Argument(help="A trial.")],
    as_json: JsonOption = False,
) -> None:
    """List the windows of a trial: its own, those of its sites and those of its devices."""
    _, conn = open_target("insitu windows")
    with conn:
        get_trial(conn, trial)
        found = list_windows(conn, trial)
    show_table(
        [_window_line(trial, window) for window in found],
        {
            "kind": lambda line: line.kind,
            "of": lambda line: f"{line.target_kind} {line.target}",
            "start (UTC)": lambda line: line.start,
            "end (UTC)": lambda line: line.end or "open",
            "declared (UTC)": lambda line: line.declared_at,
            "by": lambda line: line.declared_by,
            "reason": lambda line: (
                f"{line.reason} (declared afterwards)" if line.is_afterwards else line.reason
            ),
        },
        empty=f"No window of {trial} is declared: "
        "`insitu window maintenance START END --site SITE --reason WHY` declares one.",
        as_json=as_json,
    )


def _window_line(trial: str, window: DeclaredWindow) -> WindowLine:
    return WindowLine(
        trial=trial,
        kind=window.kind,
        target_kind=window.target_kind,
        target=window.target,
        start=window.start,
        end=window.end,
        reason=window.reason,
        declared_by=window.declared_by,
        declared_at=window.declared_at,
        is_afterwards=window.declared_at > window.start,
    )


def evaluations(
    trial: Annotated[str | None, typer.Argument(help="Only this trial's.")] = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="How many, newest first.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List evaluations, newest first, with their verdicts; blinded ones stay withheld."""
    _, conn = open_target("insitu evaluations")
    with conn:
        if trial is None:
            found = list_all_evaluations(conn, most=most + 1)
        else:
            found = list_evaluations(conn, get_trial(conn, trial).code, most=most + 1)
    _show_evaluations(found[:most], trial, as_json=as_json)
    if len(found) > most:
        warn(f"There are older ones: --most {10 * most} shows more.")


def _show_evaluations(heads: list[EvaluationHead], trial: str | None, *, as_json: bool) -> None:
    show_table(
        heads,
        {
            "evaluation": lambda head: head.evaluation_id,
            "trial": lambda head: head.trial,
            "evaluated (UTC)": lambda head: head.evaluated_at,
            "by": lambda head: head.evaluated_by,
            "protocol": lambda head: f"version {head.version}",
            "result": lambda head: result_word(
                head.verdict,
                interim=head.interim,
                blinded=head.blinded,
                after_the_fact=head.after_the_fact,
            ),
        },
        empty=f"There is no evaluation {f'of {trial} ' if trial else ''}yet: lock a protocol, then "
        f"`insitu evaluate {trial or 'TRIAL'}` makes one.",
        notes=[
            f"Evaluation {head.evaluation_id}: {text}"
            for head in heads
            for text in (*map(_READER.pick, head.afterwards), *_stale(head.withdrawn_imports))
        ],
        as_json=as_json,
    )
