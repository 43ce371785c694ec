"""`decide`: the decision about a trial, on an evaluation and for a reason."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli.actor import LoginOption, open_acting
from cli.output import say
from insitu.errors import CorrectInput
from insitu.model import TrialState
from store.access import viewer_of
from store.rights import Act
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
    login: LoginOption = "",
) -> None:
    """Decide about a trial: buy, iterate or stop, as a buyer of the host, or as the lab on its behalf. This
    ends the trial and cannot be undone.
    """
    target, conn, actor = open_acting("insitu decide", login, act=Act.DECIDE, trial=trial)
    with conn:
        person = login or actor
        if person.startswith("local:"):
            raise CorrectInput(
                "A decision is a person's: sign in with `insitu login`, or name with --login the buyer or "
                "the person of the lab who decided."
            )
        made = decide_trial(
            conn,
            trial,
            TrialState(outcome),
            evaluation_id=evaluation,
            reason=reason,
            viewer=viewer_of(conn, person),
            now=target.clock.now(),
            by=actor,
        )
    whom = f", for {made.host}" if made.on_behalf else ""
    say(f"{trial}: {outcome} on evaluation {made.evaluation_id}, decided by {made.decided_by}{whom}.")
