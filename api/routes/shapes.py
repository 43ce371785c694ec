"""Shapes of the HTTP API's answers: models with examples, pages of a list, ETags."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict

from insitu.errors import CorrectInput
from insitu.times import FIRST, LAST

Item = TypeVar("Item")
Limit = Annotated[int, Query(ge=1, le=1000, description="Largest number of items.")]
Code = Annotated[str | None, Query(max_length=64)]
Moment = Annotated[
    datetime | None, Query(description="RFC 3339 with an offset.", examples=["2026-03-01T00:00:00+01:00"])
]


class Listed(BaseModel, Generic[Item]):
    """One page of a list; `next` is the `cursor` of the next page, null on the last one."""

    items: list[Item]
    next: str | None = None


def example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"example": fields})


class TrialOut(BaseModel):
    model_config = example(
        code="platform-air",
        title={"en": "Platform air", "fr": "Air des quais"},
        state="running",
        time_zone="Europe/Paris",
        host="Régie du métro (démo)",
        company="Filtration des quais (démo)",
        evaluator="Cabinet d’évaluation (démo)",
        ends_at="2026-05-01T00:00:00Z",
        protocol_sha256="9f2c…",
        protocol_locked_at="2026-03-28T08:00:00Z",
        verdict=None,
        after_the_fact=False,
        afterwards=[],
        etag='"7341"',
    )

    code: str
    title: dict[str, str]
    state: str
    time_zone: str
    host: str
    company: str
    evaluator: str | None
    ends_at: datetime | None
    protocol_sha256: str | None
    protocol_locked_at: datetime | None
    verdict: str | None
    """Of the latest evaluation; null for a viewer who sees no measurements, and while a primary endpoint is
    blinded.
    """
    after_the_fact: bool
    """That verdict is qualified: see the list of evaluations."""
    afterwards: list[dict[str, str]]
    """The sentences beside it, by language."""
    etag: str
    """Of its facts and its state: send it as If-Match to change the trial that you read."""


class RemarkOut(BaseModel):
    """Something to mend about a device's messages, although its results are stored."""

    code: str
    subject: str
    """The boot, or the gateway."""
    amount: float | None
    """gateway_clock: s that the gateway's clock is ahead (negative: behind)."""
    messages: int
    first_at: datetime
    last_at: datetime


class DeviceOut(BaseModel):
    model_config = example(
        trial="platform-air",
        code="p1-north",
        name="",
        model="PM-4",
        serial="",
        state="degraded",
        causes=["low_battery"],
        site="station-centre",
        position="platform-1/p1-north",
        last_seen_at="2026-03-01T12:00:03Z",
        battery=12.0,
        rssi=-84.0,
        firmware="1.4.2",
        clock_offset=0.4,
        completeness=0.98,
        retired_at=None,
        remarks=[],
    )

    trial: str
    code: str
    name: str
    model: str
    serial: str
    state: str
    causes: list[str]
    site: str | None
    position: str | None
    last_seen_at: datetime | None
    battery: float | None
    """Per cent."""
    rssi: float | None
    """dBm."""
    firmware: str | None
    clock_offset: float | None
    """s, device time − receipt."""
    completeness: float | None
    """Share of the planned intervals of the last 14 days."""
    retired_at: datetime | None
    remarks: list[RemarkOut] = []


class DatastreamOut(BaseModel):
    model_config = example(
        datastream_id=12,
        device="p1-north",
        name="pm25",
        property="pm25",
        unit="ug/m3",
        role="candidate",
        expected_interval_s=900.0,
        interval_source="declared",
        stamp="instant",
        averaging_scale="arithmetic",
        sensor="Demo PM-4",
        latest_at="2026-03-01T12:00:00Z",
        latest_result=12.3,
    )

    datastream_id: int
    device: str
    name: str
    property: str
    unit: str
    """UCUM."""
    role: str
    expected_interval_s: float | None
    interval_source: str | None
    """declared, reported (by the device), or learned (the median spacing of its last results)."""
    stamp: str
    """The time of a result marks the begin or the end of its interval, or an instant."""
    averaging_scale: str
    sensor: str
    latest_at: datetime | None
    latest_result: float | None
    """Null for a viewer who sees no measurements."""


class ObservationOut(BaseModel):
    model_config = example(
        phenomenon_time="2026-03-01T12:00:00Z",
        result=12.3,
        received_at="2026-03-01T12:00:01.200000Z",
        flag=1,
        clock_quality=0,
    )

    phenomenon_time: datetime
    result: float
    received_at: datetime
    flag: int
    """1 PASS, 2 NOT_EVALUATED, 3 SUSPECT, 4 FAIL."""
    clock_quality: int
    """0 the device's stamp, 1 repaired, 2 time of arrival, 3 the network's stamp."""


class RejectOut(BaseModel):
    model_config = example(
        reject_id=7,
        reason="unknown_property",
        detail="There is no datastream 'pm2.5'.",
        topic="insitu/v1/platform-air/p1/obs",
        trial="platform-air",
        device="p1",
        results=1,
        size=42,
        received_at="2026-03-01T12:00:01Z",
        replayed_at=None,
        excerpt='{"results":{"pm2.5":12.3}}',
        excerpt_is_hex=False,
    )

    reject_id: int
    reason: str
    detail: str
    topic: str
    trial: str
    device: str
    results: int
    size: int
    received_at: datetime
    replayed_at: datetime | None
    excerpt: str
    excerpt_is_hex: bool


class OverflowOut(BaseModel):
    """Refusals of a device within an hour that were counted without their bytes; `bytes` as received."""

    model_config = example(
        trial="platform-air",
        device="p1",
        hour="2026-03-01T12:00:00Z",
        reason="too_fast",
        messages=4000,
        results=0,
        bytes=800000000,
        first_at="2026-03-01T12:00:01Z",
        last_at="2026-03-01T12:00:09Z",
    )

    trial: str
    device: str
    hour: datetime
    reason: str
    messages: int
    results: int
    bytes: int
    first_at: datetime
    last_at: datetime


class LedgerOut(BaseModel):
    """received = accepted + partly + rejected + repeated; contained = stored + duplicate + conflicting +
    refused + ignored.
    """

    model_config = example(
        trial="platform-air",
        device="p1",
        received=100,
        accepted=97,
        partly=1,
        rejected=1,
        repeated=1,
        contained=300,
        stored=292,
        duplicate=3,
        conflicting=0,
        refused=4,
        ignored=1,
    )

    trial: str
    device: str
    hour: datetime | None = None
    """Start of the hour of first receipt; null in the list by device."""
    received: int
    accepted: int
    partly: int
    rejected: int
    repeated: int
    contained: int
    stored: int
    duplicate: int
    conflicting: int
    refused: int
    ignored: int


class EvaluationOut(BaseModel):
    model_config = example(
        evaluation_id=3,
        trial="platform-air",
        evaluated_at="2026-05-01T08:00:00Z",
        evaluated_by="evaluator",
        verdict="met",
        interim=False,
        blinded=False,
        after_the_fact=False,
        afterwards=[],
        withdrawn_imports=[],
        erasures=[],
        sha256="5c0e…",
        inputs_sha256="a1b2…",
        version=1,
    )

    evaluation_id: int
    trial: str
    evaluated_at: datetime
    evaluated_by: str
    verdict: str | None
    """Null if it is withheld."""
    interim: bool
    blinded: bool
    """A primary endpoint is blinded: its estimates and the verdict appear when the evaluator unblinds it."""
    after_the_fact: bool
    """The verdict is qualified: the protocol was locked when results could be known, or was changed then in a
    way that may have led to this verdict.
    """
    afterwards: list[dict[str, str]]
    """Sentences by language that belong beside the verdict: the protocol was locked or changed after the
    reporting period had begun.
    """
    withdrawn_imports: list[int]
    """Imports that it may have used and that were withdrawn since: evaluate again."""
    erasures: list[int]
    """Erasures of results of the trial since: its package can no longer be made if it used them."""
    sha256: str
    inputs_sha256: str
    version: int
    """Of the protocol."""


def texts_in(stored: list[Any] | None) -> list[dict[str, str]]:
    """The texts by language; without anything else that is stored among them."""
    return [one for one in stored or [] if isinstance(one, dict)]


def span(
    start: datetime | None, end: datetime | None, *, now: datetime, default_days: int = 7
) -> tuple[datetime, datetime]:
    """`[start, end)`, by default the last `default_days` days; raises CorrectInput for naive times or a
    reversed span.
    """
    if any(when is not None and when.tzinfo is None for when in (start, end)):
        raise CorrectInput("start and end need an offset from UTC, as in 2026-03-01T00:00:00+01:00.")
    until = now if end is None else _usual(end)
    since = until - timedelta(days=default_days) if start is None else _usual(start)
    if since >= until:
        raise CorrectInput("start must lie before end.")
    return since, until


def _usual(when: datetime) -> datetime:
    """`when`, moved to the years in which results can be: the ends of the calendar mean all there is."""
    return min(max(when, FIRST), LAST).astimezone(UTC)


def number_cursor(cursor: str | None) -> int | None:
    """The cursor of a list ordered by number."""
    if cursor is None:
        return None
    if not cursor.isdecimal() or len(cursor) > 18:
        raise CorrectInput(f"{cursor[:40]!r} is not a cursor: use `next` of the page before.")
    return int(cursor)


def time_cursor(cursor: str | None) -> datetime | None:
    """The cursor of a list ordered by time."""
    if cursor is None:
        return None
    try:
        return _usual(datetime.fromisoformat(cursor))
    except (ValueError, TypeError):  # TypeError: without an offset
        raise CorrectInput(f"{cursor[:40]!r} is not a cursor: use `next` of the page before.") from None


def tagged(request: Request, body: bytes, *, media_type: str = "application/json") -> Response:
    """`body` with its ETag, or 304 if the client already has it."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in [part.strip() for part in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
