"""`swap`: a device takes the place of another and continues its series."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.actor import LoginOption, open_acting
from cli.devices import take_effect
from cli.fields import to_utc
from cli.output import say
from ingest.acts.swapping import EnrolFirst, Swapped
from ingest.acts.swapping import swap as swap_devices
from insitu.errors import CorrectInput
from store.catalogue.datastreams import list_datastreams
from store.catalogue.deployments import list_deployments
from store.catalogue.devices import find_device

if TYPE_CHECKING:
    from store.database import Connection


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
    login: LoginOption = "",
) -> None:
    """Replace a device by another at its place: it gets the datastreams, mappings and fixed topics of the
    old one, whose credential ends.
    """
    target, conn, actor = open_acting("insitu swap", login)
    with conn:
        done = _swapped(conn, trial, old, new, at and to_utc(at), reason, target.clock.now(), actor)
        conn.commit()
        trouble = take_effect(conn, target) if done.ended or done.topics else None
    _tell(trial, old, new, done)
    if trouble is not None:
        raise trouble


def _tell(trial: str, old: str, new: str, done: Swapped) -> None:
    say(f"{new} has taken the place of {old} since {done.since:%Y-%m-%d %H:%M} UTC.")
    if done.names:
        say(f"It continues {', '.join(done.names)}, with the same units, intervals, stamps and roles.")
    for topic in done.topics:
        say(f"Its messages on {topic} are those of {new} now.")
    later, ended = done.later, done.ended
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
    if ended and done.is_silent:
        say(f"{new} has no credential that works: insitu enrol {trial} {new}")


def _swapped(
    conn: Connection,
    trial: str,
    old: str,
    new: str,
    at: datetime | None,
    reason: str,
    now: datetime,
    actor: str,
) -> Swapped:
    """CorrectInput names the commands, in their order, where the new device is not there yet."""
    try:
        return swap_devices(conn, trial, old, new, at=at, reason=reason, now=now, by=actor)
    except EnrolFirst as error:
        before = find_device(conn, trial, old)
        streams = [one for one in list_datastreams(conn, trial) if one.device == old]
        measures = "".join(f" --measure {one.name}={one.property}" for one in streams)
        sites = [one.site for one in list_deployments(conn, trial) if one.device_id == before.device_id]
        place = f" --site {sites[-1]}" if sites else ""
        raise CorrectInput(
            f"{trial} has no device {new!r} yet: first run `insitu enrol {trial} {new}{place}{measures}`, "
            f"then `insitu swap {trial} {old} {new}` again."
        ) from error
