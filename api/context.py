"""Everything that routes need: settings, database, clock, addresses; one object, passed on by
`create_app`.
"""

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
from insitu.model import Role
from insitu.readiness import FRESH_S, Readiness, Stage
from insitu.settings import Settings
from store.database import Connection, Pool
from store.limits import limit_to
from store.viewers import Viewer

if TYPE_CHECKING:
    from api.accessibility import Accessibility
    from api.door import Door
    from api.live import Live
    from api.maps.ground import Grounds
    from api.measure import Meters
    from api.oidc.provider import Provider
    from api.outlooks import Outlooks
    from api.posts import Posts
    from api.repeats import Repeat
    from api.strips import Strips
    from api.uploads import Uploads
    from api.uses import Uses
    from api.vega import Bundle


@dataclass(frozen=True, slots=True)
class Context:
    settings: Settings
    pool: Pool
    has_net: bool
    """False: this account may not act as the role of the pages, and only the queries limit what is read."""
    lanes: Lanes
    door: Door
    uses: Uses
    posts: Posts
    readiness: Callable[[], Readiness]
    """Result of the last probe; returns at once, without asking a server."""
    clock: Clock
    mqtt_public: PublicAddress
    live: Live
    meters: Meters
    bundle: Bundle
    strips: Strips
    outlooks: Outlooks
    uploads: Uploads
    provider: Provider | None
    """Of the other sign-in; None without one."""
    accessibility: Accessibility
    """For the statement that every page leads to."""
    grounds: Grounds
    """The ground of maps."""
    cache: Path
    """Folder for files that can be made again: the chart bundle, rendered reports."""
    factor_roles: frozenset[Role] = frozenset()
    """Roles whose people need a second factor."""


def context_of(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


async def given_context(request: Request) -> Context:
    """`context_of` as a dependency. Asynchronous like all dependencies that grant something, because a
    synchronous one would take a thread.
    """
    return context_of(request)


def readiness_of(context: Context) -> Readiness:
    """Result of the last probe if it is fresh, otherwise not ready: no news is bad news."""
    found = context.readiness()
    age = time.monotonic() - found.at
    if age <= FRESH_S:
        return found
    detail = f"The probe has said nothing for {age:.0f} s. Before that: {found.detail or 'ready'}"
    return Readiness(found.stage or Stage.CONNECT, detail, found.at)


def never_probed() -> Readiness:
    """For a server without a probe, which must not report ready."""
    return Readiness(
        Stage.CONNECT,
        "Nothing probes whether devices can deliver: start the pages with `insitu up` or `insitu serve`.",
        time.monotonic(),
    )


def client_of(request: Request) -> Hashable:
    """The unit that takes turns: a person, in any number of browsers; else an address."""
    viewer = getattr(request.state, "viewer", None)
    return viewer.person_id if viewer else request.client.host if request.client else ""


@contextmanager
def reading(context: Context, viewer: Viewer | None) -> Iterator[Connection]:
    """One connection and one transaction that sees only rows of the viewer's trials; without a viewer of
    none.
    """
    with context.pool.connection() as conn:
        if context.has_net:
            limit_to(conn, viewer)
        yield conn


@contextmanager
def _acting(context: Context, request: Request) -> Iterator[Connection]:
    """One connection and one transaction with the rights of the service, for an act that was allowed. Claims
    the key of an act that came with one.
    """
    repeat: Repeat | None = getattr(request.state, "repeat", None)
    with context.pool.connection() as conn:
        if repeat is not None:
            repeat.claim_in(conn, context.clock.now())
        yield conn


@asynccontextmanager
async def connecting(
    request: Request, lane: Lane | None = None, *, is_limited: bool | None = None
) -> AsyncIterator[Connection]:
    """One connection and one transaction, committed at the end of the block, rolled back after an error. Uses
    the pages' lane by default. A request that only reads sees only rows of its viewer's trials.

    Asynchronous, so a request waits here without a thread until a connection is reserved for it.
    """
    context = context_of(request)
    chosen = lane or context.lanes.pages
    reads = request.method in ("GET", "HEAD") if is_limited is None else is_limited
    opened = reading(context, request.state.viewer) if reads else _acting(context, request)
    async with chosen.place(client_of(request)), contextmanager_in_threadpool(opened) as conn:
        yield conn


async def connection(request: Request) -> AsyncIterator[Connection]:
    """One connection and one transaction for each request; committed before the answer is sent.

    The body was read before, and the answer is sent afterwards, so a slow line holds no connection.
    """
    async with connecting(request) as conn:
        yield conn


async def connection_of_person(request: Request) -> AsyncIterator[Connection | None]:
    """The same for a signed-in person; None for anybody else, and then nothing is taken."""
    if request.state.viewer is None:
        yield None
        return
    async with connecting(request) as conn:
        yield conn


async def export_connection(request: Request) -> AsyncIterator[Connection]:
    """The same, from the connections reserved for exports."""
    async with connecting(request, context_of(request).lanes.exports) as conn:
        yield conn


async def unlimited_connection(request: Request) -> AsyncIterator[Connection]:
    """The same with the rights of the service, for figures of the whole installation."""
    async with connecting(request, is_limited=False) as conn:
        yield conn


ServiceConn = Annotated[Connection, Depends(unlimited_connection, scope="function")]
ExportConn = Annotated[Connection, Depends(export_connection, scope="function")]
Conn = Annotated[Connection, Depends(connection, scope="function")]
PersonConn = Annotated[Connection | None, Depends(connection_of_person, scope="function")]
Ctx = Annotated[Context, Depends(given_context)]
