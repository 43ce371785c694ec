"""The application: every router on one screen."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from anyio import to_thread
from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.routing import BaseRoute

from api import problems
from api.accessibility import load_accessibility
from api.acts import require_act_below
from api.asgi import Guard
from api.compression import PackedFiles
from api.context import Context, never_probed
from api.door import Door
from api.lanes import POOL_SIZE, THREADS, Lanes
from api.live import Live, close_on_signals
from api.maps.ground import open_ground
from api.measure import Meters
from api.oidc.provider import Provider
from api.outlooks import Outlooks
from api.pages import (
    accessible,
    account,
    alerts,
    arrivals,
    audit,
    compare,
    connecting,
    credentials,
    decisions,
    elsewhere,
    factor,
    files,
    fleet,
    keys,
    life,
    people,
    plan_stream,
    plans,
    programme,
    protocols,
    rejects,
    sensors,
    session,
    sites,
    start,
    streams,
    views,
    wall,
    windows,
)
from api.pages import devices as device_pages
from api.pages import imports as import_pages
from api.pages import map as map_pages
from api.pages import mappings as mapping_pages
from api.pages import trials as trial_pages
from api.posts import Posts
from api.rendering import STATIC
from api.routes import (
    agreements,
    catalogue,
    completeness,
    datastreams,
    devices,
    drafts,
    enrolling,
    equipment,
    evaluations,
    health,
    imports,
    ingest,
    ledger,
    mappings,
    observations,
    operations,
    steps,
    trials,
)
from api.routes import alerts as alert_routes
from api.routes import audit as audit_routes
from api.routes import decisions as decision_routes
from api.routes import life as life_routes
from api.routes import plans as plan_routes
from api.routes import programme as programme_routes
from api.routes import protocols as protocol_routes
from api.routes import rejects as reject_routes
from api.routes import views as view_routes
from api.routes import windows as window_routes
from api.seen import require_seen
from api.snippets import PublicAddress
from api.strips import Strips
from api.uploads import Uploads
from api.uses import Uses
from api.vega import Bundle
from insitu.clock import Clock
from insitu.readiness import Readiness
from insitu.room import Room
from insitu.settings import Settings, parse_roles
from store.database import Pool, connect, open_pool, require_current
from store.limits import has_net
from store.read.fleet import Contact, list_contacts
from store.rejects import Quota

_LOG: Final = logging.getLogger("insitu.api")
_STATEMENT_TIMEOUT_S: Final = 20.0


def create_app(
    settings: Settings,
    *,
    database_url: str,
    clock: Clock,
    mqtt_public: PublicAddress,
    readiness: Callable[[], Readiness] = never_probed,
) -> FastAPI:
    """The pages and the HTTP API. Raises RunMigrate or UpgradeInsitu if the schema has another version.

    Every `/readyz` and every page calls `readiness`, also on the event loop, so it must return at once.
    """
    with connect(database_url, application="insitu serve") as conn:
        require_current(conn)
        is_limited = has_net(conn)
    if not is_limited:
        _LOG.warning(
            "No role insitu_pages: row-level security does not limit the pages (docs/operations.md)."
        )
    meters = Meters()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with open_pool(
            database_url, application="insitu serve", size=POOL_SIZE, statement_timeout_s=_STATEMENT_TIMEOUT_S
        ) as pool:
            to_thread.current_default_thread_limiter().total_tokens = THREADS
            context = _context(settings, pool, is_limited, clock, mqtt_public, meters, readiness)
            app.state.context = context
            context.bundle.start()
            if context.provider is not None:
                context.provider.start()
            close_on_signals(context.live)
            yield
            context.live.close()
            context.posts.close()
            context.door.close()

    app = FastAPIOffline(
        title="Insitu",
        version=_version(),
        description="Trials of devices at public places: what they measure, how they do, what it proves.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lifespan,
    )
    app.router.routes[:] = [
        route for route in app.router.routes if getattr(route, "path", "") != "/openapi.json"
    ]
    app.add_middleware(Guard, meters=meters, settings=settings)
    problems.install(app)
    app.router.routes += _routes()
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """Every route, for each application of this process: FastAPI prepares included routes at the first
    request, which takes 0.2 s of processor time.
    """
    whole = FastAPI(openapi_url=None)
    _include(whole)
    return tuple(whole.router.routes)


def _include(app: FastAPI) -> None:
    """Lists everything open to the public; all other routes require a signed-in viewer whose role may do
    their act, before their own code runs.
    """
    for router in (
        session.open_router,
        elsewhere.open_router,
        factor.open_router,
        account.open_router,
        operations.open_router,
        files.open_router,
        keys.open_router,
        accessible.open_router,
        wall.open_router,
    ):
        app.include_router(router, dependencies=[Depends(require_seen)], include_in_schema=False)
    answers = {**problems.RESPONSES, **problems.OF_BODIES}
    app.include_router(ingest.router, prefix="/api/v1", tags=["observations"], responses=answers)

    pages = [Depends(require_act_below("")), Depends(require_seen)]
    for router in (
        session.router,
        account.router,
        factor.router,
        people.router,
        alerts.router,
        start.router,
        fleet.router,
        map_pages.router,
        programme.router,  # before the trials: /trials/new is none
        sites.router,
        plans.router,
        plan_stream.router,
        windows.router,
        trial_pages.router,
        protocols.router,
        compare.router,
        device_pages.router,
        connecting.router,
        arrivals.router,
        credentials.router,
        sensors.router,
        mapping_pages.router,
        import_pages.router,
        rejects.router,
        files.router,
        streams.router,
        operations.router,
        decisions.router,
        life.router,
        audit.router,
        views.router,
        wall.router,
    ):
        app.include_router(router, dependencies=pages, include_in_schema=False)
    _include_api(app)
    app.mount("/static", PackedFiles(directory=STATIC), name="static")


def _include_api(app: FastAPI) -> None:
    """The part of the HTTP API for signed-in people and their programs."""
    signed = [Depends(require_act_below("/api/v1")), Depends(require_seen)]
    for tag, router in (
        ("programme", programme_routes.router),
        ("programme", steps.router),
        ("programme", catalogue.router),
        ("plans", plan_routes.router),
        ("windows", window_routes.router),
        ("trials", trials.router),
        ("devices", devices.router),
        ("devices", health.router),
        ("devices", completeness.router),
        ("devices", enrolling.router),
        ("devices", equipment.router),
        ("datastreams", datastreams.router),
        ("observations", observations.router),
        ("rejects", reject_routes.router),
        ("mappings", mappings.router),
        ("ledger", ledger.router),
        ("evaluations", evaluations.router),
        ("imports", imports.router),
        ("agreements", agreements.router),
        ("protocols", protocol_routes.router),
        ("protocols", drafts.router),
        ("decisions", decision_routes.router),
        ("retention", life_routes.router),
        ("alerts", alert_routes.router),
        ("audit", audit_routes.router),
        ("views", view_routes.router),
    ):
        app.include_router(
            router, prefix="/api/v1", tags=[tag], dependencies=signed, responses=problems.RESPONSES
        )


def _context(
    settings: Settings,
    pool: Pool,
    has_net: bool,
    clock: Clock,
    mqtt_public: PublicAddress,
    meters: Meters,
    readiness: Callable[[], Readiness],
) -> Context:
    def look() -> dict[int, Contact]:
        with pool.connection() as conn:
            return list_contacts(conn)

    cache = settings.data_dir / "cache"
    return Context(
        settings=settings,
        pool=pool,
        has_net=has_net,
        lanes=Lanes(),
        door=Door(pool, clock),
        uses=Uses(),
        posts=Posts(
            pool,
            clock,
            Quota(settings.reject_bytes_per_hour, settings.reject_bytes),
            Room(settings.database_disk, settings.least_free_bytes),
        ),
        readiness=readiness,
        clock=clock,
        mqtt_public=mqtt_public,
        live=Live(look),
        meters=meters,
        bundle=Bundle(cache),
        strips=Strips(),
        outlooks=Outlooks(),
        uploads=Uploads(cache / "uploads"),
        provider=Provider(settings) if settings.oidc_issuer else None,
        accessibility=load_accessibility(settings),
        grounds=open_ground(settings),
        cache=cache,
        factor_roles=parse_roles(settings.totp_required),
    )


def _version() -> str:
    try:
        return version("insitu")
    except PackageNotFoundError:  # run from a clone that is not installed
        return "0"
