"""The bound of the broker's stream of device messages, set over its local port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator

from insitu.errors import InsituError, RetryLater

_TIMEOUT_S = 5.0


def capping(port: int, password: str, max_bytes: int) -> Generator[None, None, bool]:
    """Refuse device messages beyond `max_bytes`; False while there is no stream yet. In short steps, so that a halted broker
    holds nobody up."""
    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(_cap_messages(port, password, max_bytes))
        while not task.done():
            loop.run_until_complete(asyncio.sleep(0.005))
            yield
        return task.result()
    finally:
        remaining = asyncio.all_tasks(loop)
        for rest in remaining:
            rest.cancel()
        if remaining:
            loop.run_until_complete(asyncio.wait(remaining, timeout=1.0))
        loop.close()


async def _cap_messages(port: int, password: str, max_bytes: int) -> bool:
    import nats
    from nats.errors import Error

    try:
        client = await nats.connect(
            f"nats://127.0.0.1:{port}", user="insitu-local", password=password, connect_timeout=_TIMEOUT_S, allow_reconnect=False
        )
    except (Error, OSError, TimeoutError) as error:
        raise RetryLater("The broker does not answer on its local port.") from error
    try:
        answer = await client.request("$JS.API.STREAM.INFO.$MQTT_msgs", b"", timeout=_TIMEOUT_S)
        found = json.loads(answer.data)
        if "config" not in found:
            return False
        wanted = {**found["config"], "max_bytes": max_bytes, "discard": "new"}
        answer = await client.request("$JS.API.STREAM.UPDATE.$MQTT_msgs", json.dumps(wanted).encode(), timeout=_TIMEOUT_S)
        refusal = json.loads(answer.data).get("error")
        if refusal:
            raise InsituError(f"The broker's store could not be capped: {refusal.get('description')}")
        return True
    except (Error, OSError, TimeoutError) as error:
        raise RetryLater("The broker does not answer on its local port.") from error
    finally:
        await client.close()
