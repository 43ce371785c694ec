"""The same payloads as over MQTT, by HTTP: same decoders, same transaction, an answer for each message."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel

from api.context import Conn, Ctx
from api.routes.shapes import example
from ingest.http import ingest_payload
from insitu.errors import NotAcceptedHere
from insitu.wire import OBS, PREFIX
from store.access import credential_by_token

router = APIRouter()


class Refused(BaseModel):
    results: int
    detail: str


class Taken(BaseModel):
    """What became of the message. Every result it contained is stored, a duplicate, or refused with a reason."""

    model_config = example(
        contained=2, stored=1, duplicate=0, repeated=False,
        refused={"unknown_property": {"results": 1, "detail": "There is no datastream 'pm2.5'."}},
    )  # fmt: skip

    contained: int
    stored: int
    duplicate: int
    repeated: bool
    """True where this very message (same boot and seq) was taken before: nothing was stored again."""
    refused: dict[str, Refused]
    """Reason code → what it concerns; docs/rejects.md says how to mend each."""


_EXAMPLE: dict[str, Any] = {
    "boot": "k3", "seq": 7, "time": "2026-03-01T12:00:00Z", "results": {"pm25": 12.3, "temperature": 18.4},
}  # fmt: skip


async def raw_body(request: Request) -> bytes:
    """The bytes as they came, whatever their type says they are; only an async function can read them."""
    return await request.body()


@router.post(
    "/trials/{trial}/devices/{device}/observations",
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"example": _EXAMPLE}}}},
)
def post_observations(
    trial: str,
    device: str,
    conn: Conn,
    context: Ctx,
    payload: Annotated[bytes, Depends(raw_body)],
    authorization: Annotated[str, Header(max_length=300)] = "",
) -> Taken:
    """Take one payload of a device, which shows its token as `Authorization: Bearer TOKEN`."""
    scheme, _, token = authorization.partition(" ")
    holder = credential_by_token(conn, token, context.clock.now()) if scheme.lower() == "bearer" and token else None
    if holder is None or (holder.trial, holder.device) != (trial, device):
        raise NotAcceptedHere("This token is not one of this device: it is wrong, expired or revoked, or of another one.")
    answer = ingest_payload(conn, topic=f"{PREFIX}/{trial}/{device}/{OBS}", payload=payload, clock=context.clock)
    return Taken(
        contained=answer.contained,
        stored=answer.stored,
        duplicate=answer.duplicate,
        repeated=answer.repeated,
        refused={reason: Refused(results=n, detail=text) for reason, (n, text) in answer.refused.items()},
    )
