"""What every route needs: settings, database, clock, addresses; one object, handed down by `create_app`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from api.snippets import PublicAddress
from insitu.clock import Clock
from insitu.settings import Settings
from store.database import Connection, Pool, translated

if TYPE_CHECKING:
    from api.access import Attempts
    from api.live import Live
    from api.measure import Meters
    from api.outlooks import Outlooks
    from api.pages.completeness import Strips
    from api.vega import Bundle


@dataclass(frozen=True, slots=True)
class Context:
    settings: Settings
    pool: Pool
    clock: Clock
    mqtt_public: PublicAddress
    live: Live
    attempts: Attempts
    meters: Meters
    bundle: Bundle
    strips: Strips
    outlooks: Outlooks
    cache: Path
    """Folder for what can be made again: the chart bundle, rendered reports."""


def context_of(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


def connection(request: Request) -> Iterator[Connection]:
    """One connection and one transaction a request; committed before the answer leaves, rolled back by an error."""
    with translated(), context_of(request).pool.connection() as conn:
        yield conn


Conn = Annotated[Connection, Depends(connection, scope="function")]
Ctx = Annotated[Context, Depends(context_of)]
