"""Fields of what people enter, tried before anything is stored: codes, texts, zones, times."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from insitu.errors import CorrectInput
from insitu.letters import find_unseen
from insitu.logins import require_login
from insitu.model import CODE_PATTERN
from insitu.times import require_usual
from insitu.zones import find_zone

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


def printable(text: str) -> str:
    """`text`. ValueError if it is not one line, or has letters that cannot be stored."""
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise ValueError("a text of one line, without control characters")
    return text


def seen(text: str) -> str:
    """`text`. ValueError if it is not one line, or has letters that nobody sees."""
    printable(text)
    unseen = find_unseen(text)
    if unseen is not None:
        raise ValueError(f"a character that nobody sees, {unseen}: write it again instead of copying it")
    return text


def require_written(given: object) -> object:
    """`given`. ValueError for a number, also as text: nobody can tell seconds from milliseconds."""
    if isinstance(given, (int, float)) or (isinstance(given, str) and _NUMBER.fullmatch(given.strip())):
        raise ValueError("write a date and time, such as 2026-03-01T08:00:00Z, and no number")
    return given


def _zone(name: str) -> str:
    if find_zone(name) is None:
        raise ValueError(f"{name!r} is not a time zone: write a name such as Europe/Paris or UTC")
    return name


def _login(text: str) -> str:
    try:
        return require_login(text)
    except CorrectInput as error:
        raise ValueError(str(error)) from error


Code = Annotated[str, Field(pattern=CODE_PATTERN)]
Login = Annotated[str, AfterValidator(_login)]
"""An e-mail address or a short name, in its stored form."""
Line = Annotated[str, Field(max_length=500), AfterValidator(seen)]
Name = Annotated[Line, Field(min_length=1)]
Texts = Annotated[dict[Literal["en", "fr"], Name], Field(min_length=1)]
"""A text in English, in French, or in both."""
ZoneName = Annotated[str, AfterValidator(_zone)]
Moment = Annotated[datetime, BeforeValidator(require_written), AfterValidator(require_usual)]
"""Without an offset: UTC."""


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    def stated(self) -> dict[str, object]:
        """The fields that are named; the others stay as they are."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }
