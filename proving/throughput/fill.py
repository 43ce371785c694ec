"""Fill a broker: PUBLISH packets at QoS 1 on a plain socket, since filling is not what is measured."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from typing import Final

from insitu.errors import InsituError

_IN_FLIGHT: Final = 1000
_PUBACK_BYTES: Final = 4


def fill(
    host: str,
    port: int,
    username: str,
    password: str,
    messages: Iterable[tuple[str, bytes]],
    *,
    block: int = 100,
) -> int:
    """Publish all of them, `block` at a time; return how many when the broker has acknowledged every one."""
    with socket.create_connection((host, port), timeout=60) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(_connect(username, password))
        if _exactly(link, 4)[3] != 0:
            raise InsituError("The broker refuses the publisher.")
        count = open_ = 0
        packets: list[bytes] = []
        for topic, payload in messages:
            count += 1
            packets.append(_publish(topic, payload, count % 65_535 + 1))
            if len(packets) == block:
                link.sendall(b"".join(packets))
                open_ += len(packets)
                packets.clear()
                while open_ > _IN_FLIGHT:
                    _exactly(link, 100 * _PUBACK_BYTES)
                    open_ -= 100
        link.sendall(b"".join(packets))
        _exactly(link, (open_ + len(packets)) * _PUBACK_BYTES)
        link.sendall(b"\xe0\x00")
    return count


def _exactly(link: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = link.recv(size - len(found))
        if not part:
            raise InsituError("The broker closed the publisher's connection.")
        found += part
    return bytes(found)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("!H", len(raw)) + raw


def _packet(head: int, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([head]) + bytes(length) + body


def _connect(username: str, password: str) -> bytes:
    return _packet(
        0x10, _text("MQTT") + b"\x04\xc2\x00\x00" + _text("insitu-fill") + _text(username) + _text(password)
    )


def _publish(topic: str, payload: bytes, mid: int) -> bytes:
    return _packet(0x32, _text(topic) + struct.pack("!H", mid) + payload)
