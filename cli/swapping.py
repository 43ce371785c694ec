"""`swap`: a device takes the place of another and continues its series."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.devices import take_effect
from cli.output import say
from cli.target import open_target
from insitu.errors import CorrectInput
from store.access import record, revoke_credentials
from store.catalogue.devices import find_device
from store.catalogue.swaps import count_later, take_over


def swap(
    trial: str,
    old: str,
    new: Annotated[str, typer.Argument(help="Already enrolled; takes the place and continues the series.")],
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M%z"], help="When, UTC or with an offset [default: now]."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "",
    login: Annotated[str, typer.Option(help="Who swaps.")] = "cli",
) -> None:
    """Replace a device by another at its place: it gets the datastreams and mappings of the old one, whose
    credential ends.
    """
    target, conn = open_target("insitu swap")
    with conn:
        now = target.clock.now()
        since = now if at is None else at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        if since > now:
            raise CorrectInput(
                f"--at {since:%Y-%m-%d %H:%M} UTC is in the future: swap when it has happened."
            )
        before, after = (find_device(conn, trial, code) for code in (old, new))
        later = count_later(conn, before, since)
        names = take_over(conn, before, after, since)
        ended = revoke_credentials(conn, device_id=before.device_id, at=now)
        detail = {
            "new": new,
            "since": since.isoformat(),
            "reason": reason,
            "credentials": ended,
            "later_results": later,
        }
        record(conn, at=now, login=login, action="swap", subject=f"{trial}/{old}", detail=detail)
        conn.commit()
        trouble = take_effect(conn, target) if ended else None
    say(f"{new} has taken the place of {old} since {since:%Y-%m-%d %H:%M} UTC.")
    if names:
        say(f"It continues {', '.join(names)}, with the same units, intervals, stamps and roles.")
    if later:
        are = "are" if later != 1 else "is"
        say(
            f"{later} result{'s' if later != 1 else ''} of {old} {are} from then or later: stored with "
            f"{old}, and an evaluation that names {old} uses them beside those of {new}. If that time is "
            f"wrong: `insitu deployment {trial} {new} --start TIME --reason WHY`, then the same for {old} "
            "with --end."
        )
    credentials = f"{ended} credential{'s' if ended != 1 else ''} of {trial}/{old} ended."
    say(credentials if ended else f"{trial}/{old} had no credential.")
    if trouble is not None:
        raise trouble
