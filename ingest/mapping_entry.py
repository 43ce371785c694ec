"""A mapping as somebody writes it: in a registration, in a file of a device family, or over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from insitu.entered import printable
from insitu.errors import CorrectInput
from insitu.model import CODE_PATTERN, DatastreamRole, Stamp
from insitu.spacing import Spacing
from store.fields import FieldRule
from store.mapping import Mapping, mapping_without_result, new_mapping

if TYPE_CHECKING:
    from store.database import Connection

Code = Annotated[str, Field(pattern=CODE_PATTERN)]
Printable = Annotated[str, AfterValidator(printable)]
Words = StrictBool | StrictInt | StrictFloat | StrictStr
"""A word or number of a payload, as TOML has it."""


def read_interval(given: object) -> Spacing:
    """From a number of seconds, or ISO 8601 as "P1D" or "P1M". ValueError says what to write."""
    if isinstance(given, str):
        return Spacing.parse(given)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 100 * 366 * 86_400:
        raise ValueError('an interval is a number of seconds, or a text as "PT15M", "P1D" or "P1M"')
    return Spacing(timedelta(seconds=given))


Every = Annotated[Spacing, PlainValidator(read_interval)]


class MappingEntry(BaseModel):
    """One field of some devices of a trial."""

    model_config = ConfigDict(extra="forbid")

    trial: Code
    devices: Printable | list[Printable] = "*"
    field: str = Field(min_length=1, max_length=128)
    property: Code | Literal[""] | None = None
    """An empty one is `ignore = true`, as `--map COLUMN=` of an import."""
    unit: str | None = None
    role: DatastreamRole = DatastreamRole.CANDIDATE
    result_type: Literal["number", "boolean"] | None = None
    every: Every | None = None
    stamp: Stamp = Stamp.INSTANT
    text: bool = False
    decimal: str = "."
    thousands: str = ""
    with_unit: bool = False
    true: tuple[Words, ...] = ()
    false: tuple[Words, ...] = ()
    missing: tuple[Words, ...] = ()
    ignore: bool = False
    health: str = ""
    time: bool | str = ""
    zone: str = ""
    time_field: str = Field(default="", max_length=128)
    expect: tuple[Words, ...] = ()
    scale: float = Field(default=1.0, allow_inf_nan=False)
    offset: float = Field(default=0.0, allow_inf_nan=False)
    remove: bool = False
    """The trial's mapping of this field, or of these devices only, is taken away."""

    def patterns(self) -> list[str]:
        """Codes of devices, or patterns."""
        return [self.devices] if isinstance(self.devices, str) else sorted(set(self.devices))

    def rule(self) -> FieldRule:
        time = ("auto" if self.time else "") if isinstance(self.time, bool) else self.time
        return FieldRule(
            text=self.text,
            decimal=self.decimal,
            thousands=self.thousands,
            with_unit=self.with_unit,
            true=self.true,
            false=self.false,
            missing=self.missing,
            ignore=self.ignore or self.property == "",
            health=self.health,
            time=time,
            zone=self.zone,
            time_field=self.time_field,
            expect=self.expect,
            scale=self.scale,
            offset=self.offset,
        )

    def nothing(self) -> Mapping:
        """The field and devices alone, as those of an ignored field."""
        return mapping_without_result(self.field, self.patterns(), FieldRule(ignore=True))

    def mapping(self, conn: Connection) -> Mapping:
        """Raises a CorrectInput that says what is wrong."""
        rule = self.rule()
        if self.property is None and rule.is_result:
            raise CorrectInput(
                f"{self.field!r}: say which `property` it is; or `ignore = true`, `health`, `time` or "
                "`expect` if it is no result."
            )
        return new_mapping(
            conn,
            field=self.field,
            property=self.property or "",
            unit=self.unit,
            devices=self.devices,
            role=self.role,
            result_type=self.result_type or ("boolean" if rule.true or rule.false else "number"),
            every=self.every,
            stamp=self.stamp,
            rule=rule,
        )
