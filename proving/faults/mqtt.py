"""A small MQTT 3.1.1 publisher: CONNECT, PUBLISH at QoS 1, PUBACK, PINGREQ, DISCONNECT.

It has no memory: its caller keeps what was not acknowledged, as firmware does.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Callable
from typing import Any

PUBACK, CONNACK, PINGRESP = 0x40, 0x20, 0xD0
NOT_AUTHORISED = 5


class Refused(Exception):
    """The broker answered CONNECT with a code that is not 0; 5 is "not authorised"."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the broker refused the connection with code {code}")
        self.code = code


class Gone(Exception):
    """The broker could not be reached, did not answer in time, or ended the connection."""


def _length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, digit = divmod(size, 128)
        encoded.append(digit | 0x80 if size else digit)
        if not size:
            return bytes(encoded)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">H", len(encoded)) + encoded


def connect_packet(client_id: str, user: str, password: str, keepalive: int, clean: bool) -> bytes:
    flags = 0xC0 | (0x02 if clean else 0)
    body = (
        _text("MQTT")
        + bytes([4, flags])
        + struct.pack(">H", keepalive)
        + _text(client_id)
        + _text(user)
        + _text(password)
    )
    return b"\x10" + _length(len(body)) + body


def publish_packet(topic: str, payload: bytes, packet_id: int, again: bool) -> bytes:
    body = _text(topic) + struct.pack(">H", packet_id) + payload
    return bytes([0x32 | (0x08 if again else 0)]) + _length(len(body)) + body


class Session(asyncio.Protocol):
    """One connection. `acknowledged(packet id)` is called for each PUBACK; `lost` is set when the connection
    has ended.
    """

    def __init__(self, acknowledged: Callable[[int], None] | None = None) -> None:
        self.lost = asyncio.Event()
        self._acknowledged = acknowledged
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._packet_id = 0
        self._answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting: dict[int, asyncio.Future[None]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, problem: Exception | None) -> None:
        self.lost.set()
        futures: list[asyncio.Future[Any]] = [self._answer, *self._waiting.values()]
        for future in futures:
            if not future.done():
                future.set_exception(Gone("the broker ended the connection"))
                future.exception()  # nobody may be waiting for this one

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (packet := self._take()) is not None:
            kind, body = packet
            if kind & 0xF0 == PUBACK:
                self._take_ack(int.from_bytes(body[:2], "big"))
            elif kind & 0xF0 == CONNACK and not self._answer.done():
                self._answer.set_result(body[1])

    def _take(self) -> tuple[int, bytes] | None:
        size, shift, at = 0, 0, 1
        while True:
            if at >= len(self._buffer):
                return None
            digit = self._buffer[at]
            size |= (digit & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not digit & 0x80:
                break
        if len(self._buffer) < at + size:
            return None
        packet = self._buffer[0], bytes(self._buffer[at : at + size])
        del self._buffer[: at + size]
        return packet

    def _take_ack(self, packet_id: int) -> None:
        if self._acknowledged is not None:
            self._acknowledged(packet_id)
        if (future := self._waiting.pop(packet_id, None)) is not None and not future.done():
            future.set_result(None)

    def send(self, topic: str, payload: bytes, again: bool = False) -> int:
        """Writes a PUBLISH at QoS 1 and returns its packet id. Raises `Gone` where the connection has
        ended.
        """
        transport = self._open()
        if transport is None:
            raise Gone("the connection has ended")
        self._packet_id = self._packet_id % 65535 + 1
        transport.write(publish_packet(topic, payload, self._packet_id, again))
        return self._packet_id

    async def publish(self, topic: str, payload: bytes, timeout: float) -> None:
        """Returns when the PUBACK is there; raises `Gone` without one."""
        packet_id = self.send(topic, payload)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[packet_id] = future
        try:
            await asyncio.wait_for(future, timeout)
        except TimeoutError:
            raise Gone(f"no acknowledgement within {timeout:g} s") from None

    def _open(self) -> asyncio.Transport | None:
        """None once the connection has ended, even if asyncio has not reported it yet."""
        if self._transport is None or self.lost.is_set() or self._transport.is_closing():
            return None
        return self._transport

    def backlog(self) -> int:
        """Bytes that wait in this process because the broker does not read."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def ping(self) -> None:
        if (transport := self._open()) is not None:
            transport.write(b"\xc0\x00")

    def close(self) -> None:
        if (transport := self._open()) is not None:
            transport.write(b"\xe0\x00")
            transport.close()

    def cut(self) -> None:
        """Ends the connection without DISCONNECT."""
        if self._transport is not None:
            self._transport.abort()

    async def _sign_in(self, packet: bytes) -> None:
        assert self._transport is not None
        self._transport.write(packet)
        code = await self._answer
        if code:
            raise Refused(code)


async def connect(
    host: str,
    port: int,
    *,
    client_id: str,
    user: str,
    password: str,
    keepalive: int = 0,
    clean: bool = True,
    acknowledged: Callable[[int], None] | None = None,
    tls: ssl.SSLContext | None = None,
    timeout: float = 5.0,
) -> Session:
    """An open session. Raises `Refused` with the broker's code, or `Gone`."""
    session = Session(acknowledged)
    try:
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().create_connection(lambda: session, host, port, ssl=tls)
            await session._sign_in(connect_packet(client_id, user, password, keepalive, clean))
    except TimeoutError:
        session.cut()
        raise Gone(f"no answer to CONNECT within {timeout:g} s") from None
    except OSError as problem:
        raise Gone(f"the broker cannot be reached: {problem}") from problem
    except BaseException:
        session.cut()
        raise
    return session
