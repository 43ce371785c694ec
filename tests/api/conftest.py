"""Fixtures of the API: the filled database once a session, a clone for tests that write, and the application
around it.
"""

from __future__ import annotations

import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
import uvicorn
from psycopg.conninfo import make_conninfo

from api.access import LIFETIME, digest
from api.app import create_app
from api.connections import server_options
from api.snippets import PublicAddress
from insitu.clock import SYSTEM, Clock
from insitu.readiness import Readiness
from insitu.settings import Settings
from store import access
from store.database import connect
from tests.api.world import PASSWORD, World, build
from tests.fix_charts import lay_charts
from tests.fix_database import clone

PUBLIC = PublicAddress("127.0.0.1", 1883)
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Of clients that speak plain HTTP: to load the certificates of the world takes each of them a while."""
SignIn = Callable[[str], httpx.Client]


@pytest.fixture(scope="session")
def filled(database_server: str, migrated_template: str) -> Iterator[tuple[str, World]]:
    """Name of a database that holds the world, and the world. No connection stays open, so the database can
    be cloned.
    """
    name = f"world_{uuid4().hex[:12]}"
    with psycopg.connect(database_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template} STRATEGY FILE_COPY")
        with connect(make_conninfo(database_server, dbname=name), application="tests") as conn:
            world = build(conn, datetime.now(UTC).replace(microsecond=0))
        yield name, world
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def world(filled: tuple[str, World]) -> World:
    return filled[1]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory, charts: Path) -> Path:
    """A data directory that all tests share: the reports in it are made once."""
    folder = tmp_path_factory.mktemp("insitu")
    lay_charts(charts, folder)
    return folder


@pytest.fixture(scope="module")
def world_url(database_server: str, filled: tuple[str, World]) -> Iterator[str]:
    """A clone of the world for the tests of a module that only reads."""
    with clone(database_server, filled[0]) as url:
        yield url


@pytest.fixture
def own_world_url(database_server: str, filled: tuple[str, World]) -> Iterator[str]:
    """A clone of the world for one test that writes."""
    with clone(database_server, filled[0]) as url:
        yield url


def ready() -> Readiness:
    """A readiness whose probe always arrives."""
    return Readiness(None, "", time.monotonic())


@contextmanager
def server(
    url: str,
    data_dir: Path,
    *,
    clock: Clock = SYSTEM,
    readiness: Callable[[], Readiness] = ready,
    port: int = 0,
    **settings: object,
) -> Iterator[str]:
    """Yields the address of a real server around the application, on a thread of this process. `port`: 0 for
    a free one.
    """
    chosen = Settings(data_dir=data_dir, **settings)  # type: ignore[arg-type]
    app = create_app(chosen, database_url=url, clock=clock, mqtt_public=PUBLIC, readiness=readiness)
    running = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=3, **server_options())
    )
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        while not running.started:
            assert thread.is_alive(), "the server ended at its start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(20)


@contextmanager
def serving(url: str, data_dir: Path, *, by_form: bool = True, **settings: object) -> Iterator[SignIn]:
    """Clients of one server over `url`; '' signs nobody in. Each login signs in once, by the form, or with a
    session from the database: a password costs 64 MiB and a tenth of a second.
    """
    known: dict[str, httpx.Client] = {}
    with server(url, data_dir, **settings) as address, ExitStack() as stack:  # type: ignore[arg-type]

        def client(login: str) -> httpx.Client:
            if login not in known:
                known[login] = stack.enter_context(httpx.Client(base_url=address, timeout=30, verify=NO_TLS))
                if login and by_form:
                    sign_in(known[login], login)
                elif login:
                    known[login].cookies.set("insitu", new_session(url, login), domain="127.0.0.1")
            return known[login]

        yield client


def form_token(client: httpx.Client, path: str = "/sign-in") -> str:
    """Returns the form token of a page."""
    return client.get(path).text.split('name="form" value="')[1].split('"')[0]


def sign_in(client: httpx.Client, login: str, password: str = PASSWORD) -> None:
    answer = client.post(
        "/sign-in", data={"form": form_token(client), "login": login, "password": password, "next": "/"}
    )
    assert answer.status_code == 303, answer.text


def new_session(url: str, login: str) -> str:
    """The token of a session that begins now."""
    token = secrets.token_urlsafe(32)
    with connect(url, application="tests") as conn:
        person = access.password_of(conn, login)
        assert person is not None
        access.sign_in(conn, person_id=person.person_id, token_sha256=digest(token), lifetime=LIFETIME)
        conn.commit()
    return token


@pytest.fixture(scope="module")
def client(world_url: str, data_dir: Path) -> Iterator[SignIn]:
    with serving(world_url, data_dir) as found:
        yield found


@pytest.fixture
def own_client(own_world_url: str, data_dir: Path) -> Iterator[SignIn]:
    with serving(own_world_url, data_dir, by_form=False) as found:
        yield found
