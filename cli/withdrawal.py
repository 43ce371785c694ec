"""`imports` and `withdraw`: which files and pulls brought results, and how to take those of one out of
use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.actor import LoginOption, open_acting
from cli.options import JsonOption
from cli.output import warn
from cli.reports import in_utc, show, show_table
from cli.target import open_target
from store.catalogue.trials import get_trial
from store.imports import count_unknown, get_import, list_imports, withdraw_import

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.imports import Import, Withdrawn

_MOST = 1000
_MOST_DEVICES = 3


def imports(
    trial: Annotated[str | None, typer.Argument(help="Only this trial's.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List imports, newest first: file, who and when, devices, results, and whether they are withdrawn."""
    _, conn = open_target("insitu imports")
    unknown = 0
    with conn:
        if trial is not None:
            get_trial(conn, trial)
            unknown = count_unknown(conn, trial)
        found = list_imports(conn, trial, most=_MOST)
    show_table(
        found,
        {
            "import": lambda one: one.import_id,
            "trial": lambda one: one.trial if one.trials < 2 else f"{one.trial} and {one.trials - 1} more",
            "file": lambda one: one.file,
            "imported (UTC)": lambda one: one.imported_at,
            "by": lambda one: one.login,
            "devices": _devices,
            "results": lambda one: one.results,
            "first (UTC)": lambda one: one.first_time,
            "last (UTC)": lambda one: one.last_time,
            "withdrawn": _withdrawn,
        },
        empty=f"Nothing was imported {f'into {trial} ' if trial else ''}yet: "
        "`insitu import FILE --trial TRIAL` takes results from a file.",
        as_json=as_json,
    )
    if unknown:
        warn(
            f"{unknown} results of {trial} came from files before imports had numbers: their import is not "
            "known, and they cannot be withdrawn."
        )


def _devices(one: Import) -> str:
    more = len(one.devices) - _MOST_DEVICES
    return ", ".join(one.devices[:_MOST_DEVICES]) + (f" and {more} more" if more > 0 else "")


def _withdrawn(one: Import) -> str | None:
    if one.withdrawn_at is None:
        return None
    return f"{in_utc(one.withdrawn_at)} by {one.withdrawn_by}: {one.withdrawn_for}"


def withdraw(
    number: Annotated[int, typer.Argument(min=1, max=2**31 - 1, help="As `insitu imports` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; shown in the report.")],
    login: LoginOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take the results of an import out of use: no chart, rollup or evaluation counts them. They are kept,
    and
    listed in reports and packages.
    """
    target, conn, actor = open_acting("insitu withdraw", login)
    with conn:
        done = withdraw_import(conn, number, login=actor, reason=reason, now=target.clock.now())
        found = get_import(conn, number)
    show(
        {
            "import_id": number,
            "is_new": done.is_new,
            "taken_out": done.taken_out,
            "put_back": done.put_back,
            "same_file": done.same_file,
            "withdrawn_at": found.withdrawn_at,
            "withdrawn_by": found.withdrawn_by,
            "reason": found.withdrawn_for,
        },
        _lines(done, found),
        as_json=as_json,
    )


def _lines(done: Withdrawn, found: Import) -> Iterator[str]:
    if not done.is_new:
        yield f"Import {done.import_id} ({found.file}) was withdrawn already: {_withdrawn(found)}."
    else:
        yield f"Import {done.import_id} ({found.file}) is withdrawn: {done.taken_out} results are out of use."
        if done.put_back:
            yield f"{done.put_back} results that it had corrected have their earlier value again."
        if not done.taken_out + done.put_back:
            yield "It had stored nothing of its own: another import or a device had sent its results before."
        for trial in done.trials if done.taken_out + done.put_back else ():
            yield f"Evaluations of {trial} that used them say so. A new one: insitu evaluate {trial}"
    if done.same_file:
        numbers = ", ".join(map(str, done.same_file))
        yield f"The same file was also taken by import {numbers}, which stays in use."
