"""The same payloads as over MQTT, by HTTP: same formats, same decoders, same transaction, an answer for each
message.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel

from api.context import context_of
from api.routes.shapes import example
from ingest.http import Post, posted
from insitu.wire import INFLUX, OBS, PREFIX, SENML, STATUS, TELEMETRY

router = APIRouter()


class Refused(BaseModel):
    results: int
    detail: str


class RefusedItem(BaseModel):
    """A part of a message that was refused."""

    item: int | None
    """Position in the list that was sent, from 0; null if the message is no list."""
    field: str
    """Empty if the item as a whole cannot be read."""
    reason: str
    detail: str


class Taken(BaseModel):
    """Outcome of a message. Every result in it is stored, a duplicate, ignored by rule, or refused with a
    reason.
    """

    model_config = example(
        contained=2,
        stored=1,
        duplicate=0,
        ignored=0,
        repeated=False,
        refused={"unknown_property": {"results": 1, "detail": "There is no datastream 'pm2.5'."}},
        items=[
            {
                "item": None,
                "field": "pm2.5",
                "reason": "unknown_property",
                "detail": "There is no datastream 'pm2.5'.",
            }
        ],
    )

    contained: int
    stored: int
    duplicate: int
    ignored: int
    """Statuses of devices (…/status) count here, because they are no observations."""
    repeated: bool
    """True if the same message (same boot and seq) was accepted before; nothing was stored again."""
    refused: dict[str, Refused]
    """Reason code → affected results; docs/rejects.md says how to fix each."""
    items: list[RefusedItem] = []
    """The refused parts of the message, at most 100; left out if there are none."""


_JSON: Final = "application/json"
_NATIVE: Final = {
    "boot": "k3",
    "seq": 7,
    "time": "2026-03-01T12:00:00Z",
    "results": {"pm25": 12.3, "temperature": 18.4},
}
_PACK: Final = [{"bn": "urn:dev:p1:", "bt": 1772366400, "n": "pm25", "u": "ug/m3", "v": 12.3}]
_FORMATS: Final[tuple[tuple[str, str, str, dict[str, Any]], ...]] = (
    ("observations", OBS, "One payload in Insitu's own JSON.", {_JSON: {"example": _NATIVE}}),
    (
        "senml",
        SENML,
        "One SenML pack (RFC 8428).",
        {
            "application/senml+json": {"example": _PACK},
            "application/senml+cbor": {"schema": {"type": "string", "format": "binary"}},
        },
    ),
    (
        "influx",
        INFLUX,
        "Points in InfluxDB line protocol.",
        {"text/plain": {"example": "air pm25=12.3 1772366400000000000"}},
    ),
    (
        "telemetry",
        TELEMETRY,
        "ThingsBoard's JSON.",
        {_JSON: {"example": {"ts": 1772366400000, "values": {"pm25": 12.3}}}},
    ),
    (
        "status",
        STATUS,
        "Status of a device.",
        {_JSON: {"example": {"state": "online", "battery": 81.5, "rssi": -71}}},
    ),
)
"""Last part of the path, suffix of the corresponding topic, description, examples by content type."""


async def raw_body(request: Request) -> bytes:
    """The bytes as sent, whatever their content type; only an async function can read them."""
    return await request.body()


SUFFIXES: Final = {path: suffix for path, suffix, *_ in _FORMATS}
"""Last part of the path → suffix of the corresponding topic."""
DEVICE_PATH: Final = re.compile(
    r"/api/v1/trials/([^/]+)/devices/([^/]+)/(" + "|".join(path for path, *_ in _FORMATS) + ")"
)
"""Path to which devices post: trial, device, format."""


def device_token(request: Request) -> str | None:
    """The token that a device sends, if any."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def take(request: Request, topic: str, trial: str, device: str, payload: bytes) -> tuple[Taken, int]:
    """Store one payload in the next group; returns its outcome after the commit, and the HTTP status."""
    context = context_of(request)
    token_sha256 = hashlib.sha256((device_token(request) or "").encode()).digest()
    answer = await context.posts.store(
        Post(trial, device, token_sha256, posted(topic, payload, context.clock))
    )
    taken = Taken(
        contained=answer.contained,
        stored=answer.stored,
        duplicate=answer.duplicate,
        ignored=answer.ignored,
        repeated=answer.repeated,
        refused={reason: Refused(results=n, detail=text) for reason, (n, text) in answer.refused.items()},
        items=[
            RefusedItem(item=one.item, field=one.field, reason=one.reason, detail=one.detail)
            for one in answer.items
        ],
    )
    return taken, answer.status


async def answer_device(request: Request, trial: str, device: str, path: str, payload: bytes) -> Response:
    """Does the same as the route below, but without FastAPI's overhead, which is half of the cost of a
    post.
    """
    taken, status = await take(request, f"{PREFIX}/{trial}/{device}/{SUFFIXES[path]}", trial, device, payload)
    content = taken.model_dump_json(exclude=None if taken.items else {"items"})
    return Response(content, status, media_type=_JSON)


def _add_format(path: str, suffix: str, words: str, content: dict[str, Any]) -> None:
    """Add the route of a format. The path selects the format, not the content type, which devices often get
    wrong.
    """

    async def post(
        request: Request,
        trial: str,
        device: str,
        payload: Annotated[bytes, Depends(raw_body)],
        response: Response,
        authorization: Annotated[str, Header(max_length=300)] = "",
    ) -> Taken:
        # for the documentation only; `api.asgi` answers through `answer_device`
        taken, response.status_code = await take(
            request, f"{PREFIX}/{trial}/{device}/{suffix}", trial, device, payload
        )
        return taken

    router.post(
        f"/trials/{{trial}}/devices/{{device}}/{path}",
        name=f"post_{path}",
        summary=words,
        response_model_exclude_defaults=True,
        responses={
            207: {"model": Taken, "description": "A part of the message was refused."},
            422: {"model": Taken, "description": "The whole message was refused; its bytes are kept."},
        },
        description="The device shows its token as `Authorization: Bearer TOKEN`.",
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )(post)


for _format in _FORMATS:
    _add_format(*_format)
