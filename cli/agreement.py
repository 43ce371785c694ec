"""`agreement`: enter the agreement of a trial, or show it and what it leaves open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.actor import LoginOption, open_acting
from cli.options import JsonOption
from cli.output import say
from cli.reports import show
from cli.target import open_target
from insitu.errors import CorrectInput
from trials.plan.agreement import PROVISIONS, SENTENCES, OpenPoint, read_agreement
from trials.workflow.agreeing import Agreed, agree, load_agreed


def sentence(point: OpenPoint) -> str:
    """The open point in English."""
    return SENTENCES[point.code].format(
        about=point.about or "the devices without a model",
        heading=PROVISIONS.get(point.provision, ""),
        provision=point.provision,
        note=point.note,
    )


def agreement(
    trial: str,
    file: Annotated[
        Path | None, typer.Argument(help="TOML; docs/agreement.md shows one. Without it: show.")
    ] = None,
    login: LoginOption = "",
    as_json: JsonOption = False,
) -> None:
    """Enter the agreement of a trial before its devices are deployed, or show it: who may use which data and
    how long, trade secrets, and the security sheets of the device models. Each version stays.
    """
    if file is None:
        _, conn = open_target("insitu agreement")
        with conn:
            agreed = load_agreed(conn, trial)
    else:
        agreed = _enter(trial, file, login)
        if not as_json:
            say(f"Entered: agreement {agreed.stored.agreement_id if agreed.stored else ''} of {trial}.")
    show(_document(trial, agreed), _lines(agreed), as_json=as_json)


def _enter(trial: str, file: Path, login: str) -> Agreed:
    try:
        wanted = read_agreement(file.read_bytes(), str(file))
    except OSError as error:
        raise CorrectInput(f"Cannot read {file}: {error.strerror or error}.") from error
    target, conn, actor = open_acting("insitu agreement", login)
    with conn:
        agree(conn, trial, wanted, now=target.clock.now(), login=actor)
        return load_agreed(conn, trial)


def _document(trial: str, agreed: Agreed) -> dict[str, object]:
    stored = agreed.stored
    return {
        "trial": trial,
        "agreement": stored.agreement_id if stored else None,
        "entered_at": stored.entered_at if stored else None,
        "entered_by": stored.entered_by if stored else None,
        "sha256": stored.sha256 if stored else None,
        "document": json.loads(stored.document) if stored else None,
        "open_points": [{"code": point.code, "sentence": sentence(point)} for point in agreed.open_points],
    }


def _lines(agreed: Agreed) -> Iterator[str]:
    if agreed.agreement is not None:
        yield f"Signed on {agreed.agreement.signed_on}."
        for use in agreed.agreement.use:
            until = f" until {use.until}" if use.until else ""
            yield f"{use.party}: {use.data}, {use.purpose}{until}"
        if agreed.agreement.trade_secrets:
            yield f"Trade secrets: {agreed.agreement.trade_secrets}"
        for sheet in agreed.agreement.security:
            yield f"Security sheet of {sheet.model}: {len(sheet.answers)} of {len(PROVISIONS)} answered"
    for point in agreed.open_points:
        yield f"open: {sentence(point)}"
