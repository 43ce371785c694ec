"""Uplinks kept by The Things Stack: reads its storage integration and sends them along the path of live
messages.

Its MQTT is QoS 0, so uplinks sent while nobody listened are only there. An uplink that already arrived has
the same network time and becomes a duplicate.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ingest.booking import book
from ingest.reading import prepare
from insitu.clock import Clock
from insitu.errors import CorrectInput, NotAcceptedHere, RetryLater
from insitu.model import Message
from insitu.times import to_rfc3339
from insitu.wire import MAX_PAYLOAD_BYTES
from store.audit import SERVICE
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.imports import Origin, begin_import

_AT_A_TIME: Final = 500
_TIMEOUT_S: Final = 60.0
_PAGE: Final = 10_000


@dataclass(slots=True)
class Pulled:
    uplinks: int = 0
    stored: int = 0
    """Number of observations."""
    duplicate: int = 0
    refused: int = 0
    import_id: int | None = None
    """Number of this pull among the imports; None if there was no uplink."""


def pull(
    conn: Connection,
    *,
    base: str,
    application: str,
    tenant: str,
    key: str,
    after: datetime,
    before: datetime,
    clock: Clock,
    login: str = SERVICE,
) -> Pulled:
    """Pull every uplink of an application in `[after, before)`. Commits after each batch and may be run again
    at any time.
    """
    done = Pulled()
    origin = Origin(f"{base.rstrip('/')} {application}@{tenant}", login)
    batch: list[Message] = []
    for payload in _uplinks(base, application, key, after, before):
        batch.append(
            Message(
                _topic(payload, application, tenant),
                payload[:MAX_PAYLOAD_BYTES],
                clock.now_us(),
                size=len(payload),
            )
        )
        if len(batch) == _AT_A_TIME:
            _keep(conn, batch, clock, done, origin)
            batch = []
    if batch:
        _keep(conn, batch, clock, done, origin)
    return done


def _keep(conn: Connection, batch: list[Message], clock: Clock, done: Pulled, origin: Origin) -> None:
    if done.import_id is None:
        done.import_id = begin_import(conn, origin, now=clock.now())
    outcome = book(
        conn,
        prepare(batch, load_snapshot(conn)),
        client_id="storage",
        now_us=clock.now_us(),
        import_id=done.import_id,
    )
    conn.commit()
    done.uplinks += len(batch)
    done.stored += outcome.stored
    done.refused += outcome.refused
    done.duplicate += sum(
        one.message.contained if one.repeated else one.duplicate for one in outcome.messages
    )


def _topic(payload: bytes, application: str, tenant: str) -> str:
    """The topic on which the uplink was, or would have been, published."""
    device = json.loads(payload)["end_device_ids"]["device_id"]
    return f"v3/{application}@{tenant}/devices/{device}/up"


def _uplinks(base: str, application: str, key: str, after: datetime, before: datetime) -> Iterator[bytes]:
    """Each uplink as JSON, oldest first; requests pages until one is not full."""
    while True:
        count, newest = 0, after
        for payload in _page(base, application, key, after, before):
            count += 1
            newest = max(newest, _received(payload))
            yield payload
        if count < _PAGE or newest <= after:
            return
        after = newest  # the last uplink comes twice; the copy is a duplicate


def _page(base: str, application: str, key: str, after: datetime, before: datetime) -> Iterator[bytes]:
    asked = {
        "after": to_rfc3339(after),
        "before": to_rfc3339(before),
        "limit": str(_PAGE),
        "order": "received_at",
    }
    place = f"/api/v3/as/applications/{urllib.parse.quote(application)}/packages/storage/uplink_message"
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked
        f"{_checked(base)}{place}?{urllib.parse.urlencode(asked)}",
        headers={"Authorization": f"Bearer {key}", "Accept": "text/event-stream"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            for line in answer:
                if line.strip():
                    yield _result(line)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise NotAcceptedHere(
                f"{base} refuses the key ({error.code}): give one with the right to read application "
                "traffic (RIGHT_APPLICATION_TRAFFIC_READ)."
            ) from error
        if error.code == 404:
            raise CorrectInput(
                f"{base} has no application {application!r} with a storage integration."
            ) from error
        raise RetryLater(f"{base} answers {error.code}: nothing is lost, run it again.") from error
    except (OSError, TimeoutError) as error:
        raise RetryLater(f"{base} does not answer ({error}): nothing is lost, run it again.") from error


def _checked(base: str) -> str:
    if urllib.parse.urlsplit(base).scheme not in ("https", "http"):
        raise CorrectInput(
            f"{base!r}: write the address of the cluster, such as https://eu1.cloud.thethings.network."
        )
    return base.rstrip("/")


def _result(line: bytes) -> bytes:
    try:
        found = json.loads(line)
        result = found["result"]
        str(result["end_device_ids"]["device_id"])
        datetime.fromisoformat(result["received_at"])
    except (ValueError, KeyError, TypeError) as error:
        said = line[:200].decode("utf-8", "replace")
        raise RetryLater(
            f"The storage integration answered with something that is no uplink: {said!r}. Run it again."
        ) from error
    return json.dumps(result).encode()


def _received(payload: bytes) -> datetime:
    when = datetime.fromisoformat(json.loads(payload)["received_at"])
    return when if when.tzinfo else when.replace(tzinfo=UTC)
