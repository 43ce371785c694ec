"""The accessibility of this installation, as it states it: by the form of the RGAA, from its settings and an
audit, if one was entered. Without an audit in force a service is not conformant, whatever its tests say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from insitu.errors import CorrectInput
from insitu.settings import Settings

State = Literal["total", "partial", "none"]
VERSION: Final = "4.1.2"
"""Of the RGAA."""
IN_FORCE: Final = timedelta(days=3 * 365)
"""An audit that is older counts no longer."""
_MOST_BYTES: Final = 1 << 18


class Said(BaseModel):
    """A sentence in both languages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fr: str = Field(min_length=1, max_length=2000)
    en: str = Field(min_length=1, max_length=2000)


class Audit(BaseModel):
    """The result of an audit, as INSITU_ACCESSIBILITY_AUDIT holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_on: date
    auditor: str = Field(min_length=1, max_length=200)
    version: str = Field(default=VERSION, pattern=r"^\d+(\.\d+){1,2}$")
    met: float = Field(ge=0, le=100)
    """Per cent of the criteria that apply."""
    pages: list[str] = Field(min_length=1, max_length=200)
    tools: list[str] = Field(default_factory=list, max_length=50)
    not_conformant: list[Said] = Field(default_factory=list, max_length=200)
    disproportionate: list[Said] = Field(default_factory=list, max_length=200)
    exempt: list[Said] = Field(default_factory=list, max_length=200)

    def is_in_force(self, now: datetime) -> bool:
        return timedelta() <= now.date() - self.made_on <= IN_FORCE


@dataclass(frozen=True, slots=True)
class Accessibility:
    """`name`: who publishes the service; `contact`: how to reach them; both None until they are entered."""

    name: str | None
    contact: str | None
    audit: Audit | None

    def state(self, now: datetime) -> State:
        """By the rules of the RGAA: total with every criterion met, partial from half of them on."""
        audit = self.audit
        if audit is None or not audit.is_in_force(now) or audit.met < 50:
            return "none"
        return "total" if audit.met == 100 and not audit.not_conformant else "partial"


def load_accessibility(settings: Settings) -> Accessibility:
    """Reads the audit; CorrectInput names what is wrong in its file."""
    path = settings.accessibility_audit
    audit = None if path is None else _read(path)
    return Accessibility(settings.accessibility_name, settings.accessibility_contact, audit)


def _read(path: Path) -> Audit:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise CorrectInput(f"INSITU_ACCESSIBILITY_AUDIT: {path} is no audit: it is too large.")
        return Audit.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CorrectInput(f"INSITU_ACCESSIBILITY_AUDIT: cannot read {path}: {error.strerror}.") from None
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors())
        raise CorrectInput(f"INSITU_ACCESSIBILITY_AUDIT: {path}: {lines}.") from None
