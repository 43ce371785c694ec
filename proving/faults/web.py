"""A small HTTP client over asyncio: one request, one connection, one status, as from a device with curl."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


class Gone(Exception):
    """No answer: the pages could not be reached, did not answer in time, or ended the connection."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


async def _exchange(host: str, port: int, request: bytes) -> Answer:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        await writer.drain()
        status = int((await reader.readline()).split()[1])
        while (await reader.readline()).strip():
            pass
        return Answer(status, await reader.read())
    finally:
        writer.close()


async def ask(
    host: str,
    port: int,
    path: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    token: str | None = None,
    timeout: float = 5.0,
) -> Answer:
    """The answer to one request. Raises `Gone`."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Connection: close",
        f"Content-Length: {len(body)}",
    ]
    if token is not None:
        lines += [f"Authorization: Bearer {token}", "Content-Type: application/json"]
    request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    try:
        return await asyncio.wait_for(_exchange(host, port, request), timeout)
    except (OSError, TimeoutError, IndexError, ValueError, asyncio.IncompleteReadError) as problem:
        raise Gone(f"no answer to {method} {path}: {type(problem).__name__} {problem}") from problem
