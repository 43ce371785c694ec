"""Entries of the lab and the hosts: organisations, sites, properties, needs, trials; as a file, a form or a
program states them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, ValidationError, model_validator

from insitu.entered import Code, Entry, Line, Moment, Name, Texts, ZoneName
from insitu.errors import CorrectInput
from insitu.model import AveragingScale, OrganisationKind
from insitu.scales import require_scale
from insitu.units import require_unit


class Named(Entry):
    """An entry with a code of its own; `kind` is the word for what it is."""

    kind_of_entry: ClassVar[str]
    code: Code

    @classmethod
    def read(cls, stated: Mapping[str, Any]) -> Self:
        """The entry that a form states. Raises CorrectInput that names each wrong field."""
        try:
            return cls.model_validate(dict(stated))
        except ValidationError as error:
            lines = [
                f"{'.'.join(map(str, one['loc'])) or cls.kind_of_entry}: {one['msg']}"
                for one in error.errors()
            ]
            raise CorrectInput("; ".join(lines) + ".") from error


class OrganisationEntry(Named):
    kind_of_entry = "organisation"
    name: Name
    kind: OrganisationKind


class SiteEntry(Named):
    """Degrees are WGS84."""

    kind_of_entry = "site"
    host: Code
    name: Name
    kind: Line = ""
    latitude: float | None = Field(default=None, ge=-90, le=90, allow_inf_nan=False)
    longitude: float | None = Field(default=None, ge=-180, le=180, allow_inf_nan=False)

    @model_validator(mode="after")
    def _both(self) -> SiteEntry:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude belong together: give both, or none")
        return self


class PropertyEntry(Named):
    """`unit` is UCUM's."""

    kind_of_entry = "property"
    name: Texts
    unit: str
    averaging_scale: AveragingScale | None = None

    def problems(self) -> Iterator[str]:
        """Why the unit is none, or does not admit the averaging scale."""
        try:
            require_scale(self.code, require_unit(self.unit), self.averaging_scale)
        except CorrectInput as error:
            yield str(error)


class NeedEntry(Named):
    kind_of_entry = "need"
    host: Code
    title: Texts
    description: Texts | None = None


class TrialEntry(Named):
    kind_of_entry = "trial"
    title: Texts
    host: Code
    company: Code
    evaluator: Code | None = None
    need: Code | None = None
    time_zone: ZoneName = "Europe/Paris"
    ends_at: Moment | None = None
