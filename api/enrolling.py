"""The part of the enrolment of devices that pages and routes share: the right, the act, the answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from fastapi import Request

from api.access import require_right
from api.acting import acting, taken_up
from api.context import context_of
from api.snippets import client_id_of, sent_of, snippets
from ingest.acts.effect import AtBroker, Effect
from ingest.acts.enrolling import Enrolment, enrol
from store.access import credentials_of_device, seed_of, visible_trial
from store.catalogue.trials import Trial
from store.database import Connection
from store.read.streams import list_streams
from store.rights import Act, Reach
from store.viewers import Viewer


@dataclass(frozen=True, slots=True)
class Given:
    """A credential as it is shown, this once."""

    trial: str
    device: str
    username: str
    token: str
    client_id: str
    snippets: dict[str, str]
    """Title → text that runs as it is; none for a device without datastreams."""
    added: list[str]
    effect: Effect


def require_connectable(conn: Connection, viewer: Viewer, trial: str) -> Trial:
    """The trial, for those who connect its devices; raises NotFound for everybody else."""
    found = visible_trial(conn, viewer, trial)
    require_right(viewer, Act.CONNECT, f"device of {trial!r} to connect", found)
    return found


async def give(request: Request, viewer: Viewer, wanted: Enrolment, *, ends_others: bool = False) -> Given:
    """Enrol, and wait until the broker knows it. `ends_others`: the older credentials end in the
    same moment.
    """
    context = context_of(request)
    http = str(request.base_url).rstrip("/")

    def work(conn: Connection) -> Given:
        now: datetime = context.clock.now()
        found = require_connectable(conn, viewer, wanted.trial)
        any_site = viewer.reach(Act.CONNECT) is Reach.ANY
        done = enrol(conn, wanted, now=now, by=viewer.login, any_site=any_site, ends_others=ends_others)
        client_id = client_id_of(
            found.code, wanted.device, seed_of(credentials_of_device(conn, done.device_id))
        )
        texts = snippets(
            context.mqtt_public,
            trial=found.code,
            device=wanted.device,
            username=done.login.username,
            token=done.login.token,
            client_id=client_id,
            fields=sent_of(list_streams(conn, [done.device_id])),
            http=http,
        )
        return Given(
            found.code,
            wanted.device,
            done.login.username,
            done.login.token,
            client_id,
            texts,
            done.added,
            Effect(AtBroker.WAITING),
        )

    made = await acting(request, work)
    return replace(made, effect=await taken_up(request))
