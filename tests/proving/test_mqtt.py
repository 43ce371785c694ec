"""The harness' own MQTT client against the embedded broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from insitu.embedded.broker import Broker
from insitu.embedded.users import BrokerUser, hash_token
from proving.faults import mqtt

TOKEN = "a token of the fault harness"
TOPIC = "insitu/v1/t1/d1/obs"


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with TemporaryDirectory(prefix="insitu broker ") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = Broker(data_dir=folder)
        server.start()
        server.apply([BrokerUser("t1.d1", hash_token(TOKEN), (TOPIC,), ())])
        yield server
        server.stop()


Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(converse: Conversation) -> AsyncIterator[int]:
    """A server for one connection, and its port; it ends the connection after the conversation."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await converse(reader, writer)
        writer.close()
        await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.wait_for(done.wait(), 10)


async def _swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(100):
            pass


async def open_session(
    broker: Broker, client_id: str = "c1", password: str = TOKEN, **more: object
) -> mqtt.Session:
    return await mqtt.connect(
        "127.0.0.1", broker.port, client_id=client_id, user="t1.d1", password=password, **more
    )  # type: ignore[arg-type]


def test_a_publish_is_acknowledged_on_its_own_connection(broker: Broker) -> None:
    async def publish() -> list[int]:
        acknowledged: list[int] = []
        session = await open_session(broker, acknowledged=acknowledged.append)
        sent = [session.send(TOPIC, b"x" * size) for size in (0, 100, 200, 20_000)]
        async with asyncio.timeout(10):
            while len(acknowledged) < len(sent):
                await asyncio.sleep(0.01)
        await session.publish(TOPIC, b"one more", 10)
        session.close()
        assert sent == [1, 2, 3, 4]
        return acknowledged

    assert asyncio.run(publish()) == [1, 2, 3, 4, 5]


def test_a_wrong_password_is_refused_with_the_code_of_the_broker(broker: Broker) -> None:
    with pytest.raises(mqtt.Refused) as caught:
        asyncio.run(open_session(broker, password="wrong"))
    assert caught.value.code == mqtt.NOT_AUTHORISED


def test_a_port_where_nobody_listens_is_gone() -> None:
    with pytest.raises(mqtt.Gone, match="cannot be reached"):
        asyncio.run(mqtt.connect("127.0.0.1", 1, client_id="c", user="u", password="p"))


def test_a_server_that_says_nothing_is_gone_after_its_time() -> None:
    async def ask() -> None:
        async with serving(_swallow) as port:
            with pytest.raises(mqtt.Gone, match="no answer to CONNECT"):
                await mqtt.connect("127.0.0.1", port, client_id="c", user="u", password="p", timeout=0.3)

    asyncio.run(ask())


def test_without_an_acknowledgement_nothing_is_acknowledged() -> None:
    """The server takes CONNECT and PUBLISH and ends the connection: the publish raises, the callback is never
    called.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\x20\x02\x00\x00")
        await reader.read(100)

    async def ask() -> list[int]:
        acknowledged: list[int] = []
        async with serving(serve) as port:
            session = await mqtt.connect(
                "127.0.0.1", port, client_id="c", user="u", password="p", acknowledged=acknowledged.append
            )
            with pytest.raises(mqtt.Gone):
                await session.publish(TOPIC, b"x", 5)
            assert session.lost.is_set()
            with pytest.raises(mqtt.Gone):
                session.send(TOPIC, b"x")
        return acknowledged

    assert asyncio.run(ask()) == []


def test_an_acknowledgement_that_comes_in_pieces_is_read(broker: Broker) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        for byte in b"\x20\x02\x00\x00\xd0\x00\x40\x02\x00\x01\x40\x02\x12\x34":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.002)

    async def ask() -> list[int]:
        acknowledged: list[int] = []
        async with serving(serve) as port:
            session = await mqtt.connect(
                "127.0.0.1", port, client_id="c", user="u", password="p", acknowledged=acknowledged.append
            )
            await session.lost.wait()
        return acknowledged

    assert asyncio.run(ask()) == [1, 0x1234]
