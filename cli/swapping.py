"""`swap`: a device takes the place of another and continues its series."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.actor import LoginOption, open_acting
from cli.devices import take_effect
from cli.fields import to_utc
from cli.output import say
from insitu.errors import CorrectInput, NotFound
from store.access import credentials_of_device, revoke_credentials
from store.audit import record
from store.catalogue.datastreams import list_datastreams
from store.catalogue.deployments import list_deployments
from store.catalogue.devices import find_device
from store.catalogue.swaps import count_later, take_over

if TYPE_CHECKING:
    from store.catalogue.devices import Device
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
        now = target.clock.now()
        since = now if at is None else to_utc(at)
        if since > now:
            raise CorrectInput(
                f"--at {since:%Y-%m-%d %H:%M} UTC is in the future: swap when it has happened."
            )
        before = find_device(conn, trial, old)
        after = _find_new(conn, before, new)
        later = count_later(conn, before, since)
        names, topics = take_over(conn, before, after, since)
        ended = revoke_credentials(conn, device_id=before.device_id, at=now)
        detail = {
            "new": new,
            "since": since.isoformat(),
            "reason": reason,
            "credentials": ended,
            "topics": topics,
            "later_results": later,
        }
        record(conn, at=now, login=actor, action="swap", subject=f"{trial}/{old}", detail=detail)
        conn.commit()
        trouble = take_effect(conn, target) if ended or topics else None
        is_silent = bool(ended) and not _is_active(conn, after.device_id, now)
    say(f"{new} has taken the place of {old} since {since:%Y-%m-%d %H:%M} UTC.")
    if names:
        say(f"It continues {', '.join(names)}, with the same units, intervals, stamps and roles.")
    for topic in topics:
        say(f"Its messages on {topic} are those of {new} now.")
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
    if is_silent:
        say(f"{new} has no credential that works: insitu enrol {trial} {new}")
    if trouble is not None:
        raise trouble


def _find_new(conn: Connection, old: Device, code: str) -> Device:
    """CorrectInput names the commands, in their order, where the new device is not there yet."""
    try:
        return find_device(conn, old.trial, code)
    except NotFound as error:
        streams = [one for one in list_datastreams(conn, old.trial) if one.device == old.code]
        measures = "".join(f" --measure {one.name}={one.property}" for one in streams)
        sites = [one.site for one in list_deployments(conn, old.trial) if one.device_id == old.device_id]
        place = f" --site {sites[-1]}" if sites else ""
        raise CorrectInput(
            f"{old.trial} has no device {code!r} yet: first run "
            f"`insitu enrol {old.trial} {code}{place}{measures}`, then "
            f"`insitu swap {old.trial} {old.code} {code}` again."
        ) from error


def _is_active(conn: Connection, device_id: int, now: datetime) -> bool:
    """True if the device has a credential that works."""
    return any(
        one.revoked_at is None and (one.expires_at is None or one.expires_at > now)
        for one in credentials_of_device(conn, device_id)
    )
