"""Clients for load tests: plain sockets that share no code with the server. Many ask at once, and one more
measures its waiting time.
"""

from __future__ import annotations

import asyncio
import http.client
import math
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context

CROWD = "127.0.0.2"
"""Source address of the crowd; it differs from that of the client beside it."""
PATIENCE_S = 15.0


@dataclass(frozen=True)
class Ask:
    """The bytes of a request."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def head(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"{name}: {text}" for name, text in self.headers.items()]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode()


async def status_of(port: int, ask: Ask, *, byte_every_s: float = 0.0) -> int:
    """Status of the answer; 0 if none came in time or the connection broke. `byte_every_s` sends the body
    byte by byte.
    """
    try:
        async with asyncio.timeout(PATIENCE_S + (10 if byte_every_s else 0)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(CROWD, 0))
            try:
                writer.write(ask.head() if byte_every_s else ask.head() + ask.body)
                drip = asyncio.create_task(_drip(writer, ask.body, byte_every_s)) if byte_every_s else None
                # read the first line only: a server that closes while the client still sends may
                # discard the rest
                answer = await reader.readline()
                if drip is not None:
                    drip.cancel()
                return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return 0


async def _drip(writer: asyncio.StreamWriter, body: bytes, every_s: float) -> None:
    for byte in body:
        await asyncio.sleep(every_s)
        try:
            writer.write(bytes([byte]))
            await writer.drain()
        except OSError:
            return


Salvo = Callable[..., Counter[int]]
"""`salvo` in a process of its own: a crowd must not slow down the clock of the client beside it."""


@contextmanager
def crowd() -> Iterator[Salvo]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        process.submit(allow_many_sockets).result()

        def run(*parameters: object, **options: object) -> Counter[int]:
            return process.submit(salvo, *parameters, **options).result()  # type: ignore[arg-type]

        yield run


def salvo(port: int, asks: Sequence[Ask], *, byte_every_s: float = 0.0) -> Counter[int]:
    """Sends all requests at the same moment; counts the answers by status."""

    async def together() -> list[int]:
        return await asyncio.gather(*[status_of(port, ask, byte_every_s=byte_every_s) for ask in asks])

    return Counter(asyncio.run(together()))


@dataclass
class Beside:
    """Measurements of one more client while the crowd was there."""

    seconds: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    @property
    def p99(self) -> float:
        ordered = sorted(self.seconds)
        return ordered[math.ceil(0.99 * len(ordered)) - 1]


@contextmanager
def beside(port: int, asks: Sequence[tuple[Ask, Sequence[int]]]) -> Iterator[Beside]:
    """A client that sends one request after the other for as long as the block lasts; each request has its
    accepted statuses.
    """
    found, stop = Beside(), threading.Event()

    def run() -> None:
        turn = 0
        while not stop.is_set():
            ask, right = asks[turn % len(asks)]
            turn += 1
            started = time.monotonic()
            status = asked(port, ask)
            found.seconds.append(time.monotonic() - started)
            found.slowest = max(found.slowest, (found.seconds[-1], f"{ask.method} {ask.path}"))
            if status not in right:
                found.problems.append(f"{ask.method} {ask.path}: {status}")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def asked(port: int, ask: Ask) -> int | str:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        link.request(ask.method, ask.path, ask.body or None, ask.headers)
        answer = link.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        link.close()


def crowd_beside(
    shoot: Salvo,
    port: int,
    asks: Callable[[int], Sequence[Ask]],
    other: Sequence[tuple[Ask, Sequence[int]]],
    *,
    samples: int,
    most_salvos: int,
) -> tuple[Counter[int], Beside]:
    """Sends salvo after salvo (`asks` of its number) until the client beside has sent `samples` requests, but
    at most `most_salvos`.
    """
    answers: Counter[int] = Counter()
    with beside(port, other) as found:
        for number in range(most_salvos):
            answers += shoot(port, asks(number))
            if len(found.seconds) >= samples:
                break
    return answers, found


def allow_many_sockets() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (min(4096, hard) if hard != resource.RLIM_INFINITY else 4096, hard)
        )
