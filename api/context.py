"""What every route needs: settings, database, clock, addresses; one object, handed down by `create_app`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.concurrency import contextmanager_in_threadpool

from api.lanes import Lane, Lanes
from api.snippets import PublicAddress
from insitu.clock import Clock
from insitu.readiness import FRESH_S, Readiness, Stage
from insitu.settings import Settings
from store.database import Connection, Pool

if TYPE_CHECKING:
    from api.door import Door
    from api.live import Live
    from api.measure import Meters
    from api.outlooks import Outlooks
    from api.posts import Posts
    from api.strips import Strips
    from api.vega import Bundle


@dataclass(frozen=True, slots=True)
class Context:
    settings: Settings
    pool: Pool
    lanes: Lanes
    door: Door
    posts: Posts
    readiness: Callable[[], Readiness]
    """What the probe found out last; a value, never a question to a server."""
    clock: Clock
    mqtt_public: PublicAddress
    live: Live
    meters: Meters
    bundle: Bundle
    strips: Strips
    outlooks: Outlooks
    cache: Path
    """Folder for what can be made again: the chart bundle, rendered reports."""


def context_of(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


async def given_context(request: Request) -> Context:
    """`context_of` for a signature; asynchronous, as all that admits is, since a synchronous one takes a
    thread for nothing.
    """
    return context_of(request)


def readiness_of(context: Context) -> Readiness:
    """What the probe found out, where that is fresh; else that it hangs: no news is bad news."""
    found = context.readiness()
    age = time.monotonic() - found.at
    if age <= FRESH_S:
        return found
    detail = f"The probe has said nothing for {age:.0f} s. Before that: {found.detail or 'ready'}"
    return Readiness(found.stage or Stage.CONNECT, detail, found.at)


def never_probed() -> Readiness:
    """For a server that nobody gave a probe: it must not say ready."""
    return Readiness(
        Stage.CONNECT,
        "Nothing probes whether devices can deliver: start the pages with `insitu up` or `insitu serve`.",
        time.monotonic(),
    )


def client_of(request: Request) -> Hashable:
    """Who takes turns: a person, whatever the number of browsers; without one, an address."""
    viewer = getattr(request.state, "viewer", None)
    return viewer.person_id if viewer else request.client.host if request.client else ""


@contextmanager
def _transaction(pool: Pool) -> Iterator[Connection]:
    with pool.connection() as conn:
        yield conn


@asynccontextmanager
async def connecting(request: Request, lane: Lane | None = None) -> AsyncIterator[Connection]:
    """One connection and one transaction, committed at the end of the block, rolled back by an error; by
    default of the pages' lane.

    Asynchronous, since it admits: a request waits here without a thread until a connection is kept for it.
    """
    context = context_of(request)
    chosen = lane or context.lanes.pages
    async with (
        chosen.place(client_of(request)),
        contextmanager_in_threadpool(_transaction(context.pool)) as conn,
    ):
        yield conn


async def connection(request: Request) -> AsyncIterator[Connection]:
    """One connection and one transaction a request; committed before the answer leaves.

    The body has been read by then, and the answer is sent afterwards, so neither end of a slow line holds a
    connection.
    """
    async with connecting(request) as conn:
        yield conn


async def connection_of_person(request: Request) -> AsyncIterator[Connection | None]:
    """The same where somebody is signed in; None, and nothing taken, for anybody else."""
    if request.state.viewer is None:
        yield None
        return
    async with connecting(request) as conn:
        yield conn


async def export_connection(request: Request) -> AsyncIterator[Connection]:
    """The same, of those that are kept for exports."""
    async with connecting(request, context_of(request).lanes.exports) as conn:
        yield conn


ExportConn = Annotated[Connection, Depends(export_connection, scope="function")]
Conn = Annotated[Connection, Depends(connection, scope="function")]
PersonConn = Annotated[Connection | None, Depends(connection_of_person, scope="function")]
Ctx = Annotated[Context, Depends(given_context)]
