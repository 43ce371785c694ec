"""Values of a protocol that check themselves: codes, shares, spans, moments, texts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
)

from insitu.model import CODE_PATTERN

Code = Annotated[str, Field(pattern=CODE_PATTERN)]
Share = Annotated[float, Field(ge=0, le=1)]


def _aware(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError("give the offset from UTC, as in 2026-03-01T00:00:00+01:00")
    return when


def _positive(span: timedelta) -> timedelta:
    if span <= timedelta(0):
        raise ValueError("a time between two results must be longer than nothing")
    return span


def _each_once(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("name each only once")
    return names


Span = Annotated[timedelta, AfterValidator(_positive)]
Names = Annotated[list[Code], Field(min_length=1), AfterValidator(_each_once)]
ClockTime = Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Moment = Annotated[datetime, AfterValidator(_aware)]
ProfileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}/[a-z0-9][a-z0-9_-]{0,63}$")]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Text(Part):
    """The same sentence in both languages."""

    en: str = Field(min_length=1)
    fr: str = Field(min_length=1)
