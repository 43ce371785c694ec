"""`decide`: the decision about a trial, on an evaluation and for a reason."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli.output import say
from cli.target import open_target
from insitu.model import TrialState
from store.access import viewer_of
from trials.workflow.deciding import decide as decide_trial


class Outcome(StrEnum):
    BUY = "buy"
    ITERATE = "iterate"
    STOP = "stop"


def decide(
    trial: str,
    outcome: Annotated[Outcome, typer.Argument(help="The decision.")],
    evaluation: Annotated[int, typer.Option(help="Number of the newest evaluation, on which it rests.")],
    reason: Annotated[str, typer.Option(help="Why; it stays with the decision.")],
    login: Annotated[
        str, typer.Option(help="Who decides: a buyer of the host, or the lab on its behalf.")
    ] = "lab",
) -> None:
    """Decide about a trial: buy, iterate or stop. This ends the trial and cannot be undone."""
    target, conn = open_target("insitu decide")
    with conn:
        made = decide_trial(
            conn,
            trial,
            TrialState(outcome),
            evaluation_id=evaluation,
            reason=reason,
            viewer=viewer_of(conn, login),
            now=target.clock.now(),
        )
    whom = f" on behalf of {made.host}" if made.on_behalf else ""
    say(f"{trial}: {outcome}, decided by {made.decided_by}{whom} on evaluation {made.evaluation_id}.")
