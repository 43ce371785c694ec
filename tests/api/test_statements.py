"""Counts the database statements of each page, at the cursor, by a hook of these tests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import pytest

from store.gate import Cursor
from store.queries import queries
from tests.api.conftest import SignIn
from tests.named_queries import ALL

DEVICE = "/trials/platform-air/devices/p1-north"
DATASTREAMS = 3
"""Of that device."""
LOGINS = ("lab", "metro")
"""One reader who sees everything, and a host that sees only its own sites."""
_TABLE = re.compile(r"\b(?:FROM|JOIN)\s+(?!LATERAL|generate_series|[a-z_]+\.)([a-z_]+)\b", re.IGNORECASE)
_COMMENT = re.compile(r"--.*$", re.MULTILINE)
Asked = Callable[[], AbstractContextManager[list[str]]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Returns a context manager that collects the statements that pages send within it, by their names in
    `store/sql`.
    """
    sent: list[str] = []

    def listen(method: str) -> None:
        plain = getattr(Cursor, method)

        def heard(self: Cursor, query: Any, *args: Any, **kwargs: Any) -> Any:
            sent.append(query.decode() if isinstance(query, bytes) else str(query))
            return plain(self, query, *args, **kwargs)

        monkeypatch.setattr(Cursor, method, heard)

    for method in ("execute", "copy", "stream"):
        listen(method)

    @contextmanager
    def block() -> Iterator[list[str]]:
        sent.clear()
        names: list[str] = []
        yield names
        reading = [_name(text) for text in sent if _TABLE.search(_COMMENT.sub("", text))]
        names += [name for name in reading if name not in ("access.signed_in", "limits.limit_to")]

    return block


def _name(statement: str) -> str:
    """`file.name` of a statement, or of the one inside a COPY; otherwise its text."""
    return next((f"{file}.{name}" for file, name in ALL if queries(file)[name] in statement), statement)


def _tables(name: str) -> list[str]:
    """The tables that a statement reads. Its rows are about the first; the others add names and rights."""
    file, _, block = name.rpartition(".")
    return list(dict.fromkeys(_TABLE.findall(_COMMENT.sub("", queries(file)[block]))))


def _show(title: str, names: list[str]) -> None:
    print(f"\n{title}: {len(names)} statements")
    for name in names:
        print(f"  {name}: {', '.join(_tables(name))}")


CHART: Final = "packed/reading.series"
"""A chart reads one datastream after the other, over any span; gaps need every result of their own span."""


LOG: Final = "read/fleet.status_log"
"""The newest statuses, however old; the health reads those of some weeks."""


def _require_once(names: list[str]) -> None:
    names = [name for name in names if name not in (CHART, LOG)]
    about = Counter(_tables(name)[0] for name in names)
    assert not [name for name, times in Counter(names).items() if times > 1], "the same question twice"
    assert not [table for table, times in about.items() if times > 1], about


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("span", ["24h", "90d"])
def test_the_page_of_a_device_reads_each_table_once(
    client: SignIn, asked: Asked, login: str, span: str
) -> None:
    reader = client(login)
    with asked() as names:
        assert reader.get(f"{DEVICE}?span={span}").status_code == 200
    _show(f"{login}, device", names)
    _require_once(names)
    assert len([name for name in names if name != CHART]) <= 17
    assert "packed/reading.by_day" in names, "gaps"
    assert names.count(CHART) == (DATASTREAMS if login == "lab" else 0), (
        "each datastream that the reader may see"
    )


@pytest.mark.parametrize("login", LOGINS)
def test_the_fleet_reads_each_table_once_whatever_the_number_of_devices(
    own_client: SignIn, asked: Asked, login: str
) -> None:
    reader = own_client(login)
    with asked() as names:
        assert reader.get("/fleet").status_code == 200
    _show(f"{login}, fleet", names)
    _require_once(names)
    assert len(names) <= 6


def test_a_device_of_the_api_asks_what_the_fleet_asks(own_client: SignIn, asked: Asked) -> None:
    reader = own_client("lab")
    with asked() as of_fleet:
        assert reader.get("/fleet").status_code == 200
    with asked() as of_device:
        assert reader.get(f"/api/v1{DEVICE}").status_code == 200
    assert set(of_device) - {"remarks.list_remarks"} <= set(of_fleet), "the fleet shows no remarks"
