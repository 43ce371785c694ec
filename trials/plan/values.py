"""Values of a protocol that check themselves: codes, shares, spans, moments, texts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetPydanticSchema,
    SerializationInfo,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import core_schema

from insitu.model import CODE_PATTERN
from insitu.spacing import Spacing
from insitu.times import require_usual

PROSE, RULE = "~prose", "~rule"
"""Tags of the two kinds of an entry; errors leave them out of the path of the field."""
Code = Annotated[str, Field(pattern=CODE_PATTERN)]
Share = Annotated[float, Field(ge=0, le=1)]


def _aware(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError("give the offset from UTC, as in 2026-03-01T00:00:00+01:00")
    return require_usual(when)


def _spaced(given: object, as_fixed: ValidatorFunctionWrapHandler) -> Spacing:
    """From ISO 8601 or a number of seconds."""
    if isinstance(given, Spacing):
        return given
    if isinstance(given, str) and "P" in given:
        return Spacing.parse(given)
    return Spacing(as_fixed(given))


def _written(spacing: Spacing, info: SerializationInfo) -> Spacing | str:
    return str(spacing) if info.mode == "json" else spacing


def _each_once(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("name each only once")
    return names


Span = Annotated[
    Spacing,
    GetPydanticSchema(
        lambda _, handler: core_schema.no_info_wrap_validator_function(
            _spaced,
            handler(timedelta),
            serialization=core_schema.plain_serializer_function_ser_schema(_written, info_arg=True),
        )
    ),
]
"""A planned time between two results, or the step of a grid: PT15M, PT1H, P1D, P1M."""
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
