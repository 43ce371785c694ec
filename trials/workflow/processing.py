"""A trial as an entry of the record of processing activities (article 30 of the GDPR)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from store.retention import DEFAULT, RecordLine

_NOT_STATED: Final = "not stated: `insitu retention TRIAL --purpose … --basis …`"
_SAFEGUARDS: Final = (
    "one credential for each device; rights by role; texts that nobody asked for are masked before they are "
    "stored; an audit log chained by hashes; erasure with a signed certificate"
)


@dataclass(frozen=True, slots=True)
class Processing:
    trial: str
    title: str
    controller: str
    purpose: str
    legal_basis: str
    persons: str
    categories: Sequence[str]
    recipients: Sequence[str]
    ends_at: datetime | None
    results_days: int
    rejects_days: int
    raw_fields: Sequence[str]
    raw_days: int
    is_default: bool
    """Nobody has set how long its data stay."""
    erasures: int
    safeguards: str

    def entries(self) -> Iterator[tuple[str, str]]:
        """(name, text) of each line, in the order of the article."""
        yield "controller", self.controller
        yield "purpose", self.purpose
        yield "legal basis", self.legal_basis
        yield "persons", self.persons
        yield "data", ", ".join(self.categories)
        yield "recipients", ", ".join(self.recipients)
        default = " (default)" if self.is_default else ""
        yield "retention", f"results {self.results_days} days after the end{default}"
        yield "", f"content of refused messages {self.rejects_days} days{default}"
        if self.raw_fields:
            yield "", f"texts of {', '.join(self.raw_fields)} in them {self.raw_days} days"
        yield "erased", f"{self.erasures} times"
        yield "safeguards", self.safeguards


def describe_processing(line: RecordLine) -> Processing:
    """In English, as the verbs are."""
    parties = [line.company, line.host, *([line.evaluator] if line.evaluator else [])]
    return Processing(
        trial=line.trial,
        title=line.title.get("en") or next(iter(line.title.values()), ""),
        controller=line.host,
        purpose=line.purpose or _NOT_STATED,
        legal_basis=(line.legal_basis or "not stated").replace("_", " "),
        persons="people of the parties who sign in; people near the devices, as far as a device tells of "
        "them",
        categories=[
            f"measurements ({', '.join(line.properties)})" if line.properties else "no measurements yet",
            "statuses of devices",
            "refused messages without texts that nobody asked for",
            "names, logins and acts of people who sign in",
        ],
        recipients=[*parties, *([line.recipients] if line.recipients else [])],
        ends_at=line.ends_at,
        results_days=line.results_days or DEFAULT.results_days,
        rejects_days=line.rejects_days or DEFAULT.rejects_days,
        raw_fields=line.raw_fields or (),
        raw_days=line.raw_days or 0,
        is_default=line.results_days is None,
        erasures=line.erasures,
        safeguards=_SAFEGUARDS,
    )
