"""`lock`, `evaluate`, `report`, `export`, `verify`: the evaluator's work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from insitu.cli.output import say
from insitu.errors import CorrectInput, Disagrees, NotFound
from insitu.settings import load

if TYPE_CHECKING:
    from store.database import Connection


def register(app: typer.Typer) -> None:
    for verb in (lock, evaluate, report, export, verify):
        app.command()(verb)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CorrectInput(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error


def lock(protocol: Annotated[Path, typer.Argument(help="A protocol, JSON.")], login: str = "lab") -> None:
    """Lock a protocol: from now on its hash and time stand, and changes are amendments."""
    from insitu.cli.target import open_target
    from trials.protocol import read_protocol
    from trials.workflow import lock_protocol

    parsed = read_protocol(_read(protocol), source=str(protocol))
    target, conn = open_target("insitu lock")
    with conn:
        locked = lock_protocol(conn, parsed, now=target.clock.now(), login=login)
    say(f"Locked {parsed.trial} version {locked.version} at {locked.locked_at:%Y-%m-%d %H:%M} UTC, SHA-256 {locked.sha256}.")


def evaluate(trial: Annotated[str, typer.Argument(help="A trial, or the directory of a package.")], login: str = "lab") -> None:
    """Apply the locked protocol to the observations and keep the result for good."""
    folder = Path(trial)
    if (folder / "datapackage.json").is_file():
        from trials.package import evaluate_package
        from trials.texts import summary

        say(summary(evaluate_package(folder)))
        return
    from insitu.cli.target import open_target
    from trials.texts import summary
    from trials.workflow import check_quality, evaluate_trial

    target, conn = open_target("insitu evaluate")
    with conn:
        check_quality(conn, trial, now=target.clock.now())
        number, result = evaluate_trial(conn, trial, now=target.clock.now(), login=login, simulated=target.clock.is_simulated)
    say(f"Evaluation {number}\n{summary(result)}")


def report(
    evaluation: Annotated[int, typer.Argument(help="Number of an evaluation.")],
    to: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(),
) -> None:
    """Write the report of an evaluation in both languages as HTML, PDF and JSON."""
    from insitu.cli.target import open_target
    from store.trials import evaluation as find
    from trials.report import write_reports

    _, conn = open_target("insitu report")
    with conn:
        row = find(conn, evaluation)
    if row is None:
        raise NotFound(f"There is no evaluation {evaluation}.")
    for path in write_reports(json.loads(row.document), folder=to, language=load().language):
        say(str(path))


def export(trial: str, to: Annotated[Path, typer.Option(help="Folder of the package; must not exist or be empty.")]) -> None:
    """Write the package of a trial's latest evaluation: everything needed to recompute it."""
    from insitu.cli.target import open_target

    target, conn = open_target("insitu export")
    with conn:
        write_package(conn, trial, to, data_dir=Path(target.running.data_dir) if target.running else load().data_dir)
    say(f"{to}: check it anywhere with `insitu verify {to}`.")


def write_package(conn: Connection, trial: str, to: Path, *, data_dir: Path, reports: Path | None = None) -> None:
    """The package of the latest evaluation, signed by this installation, with its reports inside (those in `reports`, if given)."""
    from store.trials import latest_evaluation
    from trials.package import signing_key, write
    from trials.report import write_reports

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


def verify(package: Annotated[Path, typer.Argument(help="The directory of a package.")]) -> None:
    """Recompute every number of a package, check its files, protocol and signature; needs no database."""
    from trials.verify import verify as run

    checks = run(package)
    for check in checks:
        say(f"{'ok  ' if check.ok else 'FAIL'} {check.name}")
        for line in check.lines:
            say(f"     {line}")
    if not all(check.ok for check in checks):
        raise Disagrees(f"{package} does not agree with itself; what differs is named above.")
    say("Every number agrees.")
