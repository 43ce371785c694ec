"""Coded statements: findings of an evaluation, deviations from the plan, causes of changed numbers, and notes
on what a protocol may expect. A code with its numbers; `trials.report.sentence` puts it into words.

Documents write a statement without its kind, since the field says it, and only a finding with its severity:
`AsFinding`, `AsDeviation`, `AsCause` and `AsNote` read and write them so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

Severity = Literal["note", "warning", "blocking"]
Value = float | int | str | bool | list[str] | None
Evidence = dict[str, Value]
"""The numbers and names in a sentence."""


class Kind(StrEnum):
    FINDING = "finding"
    """About an endpoint or the whole evaluation."""
    DEVIATION = "deviation"
    """Something happened that was not planned."""
    CAUSE = "cause"
    """Why numbers may differ from those of the previous evaluation."""
    NOTE = "note"
    """About an outlook."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Statement(_Part):
    kind: Kind
    code: str
    severity: Severity
    """A blocking finding makes an endpoint not evaluable."""
    evidence: Evidence = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A code with its severity and its English sentence. The `{names}` in it are those of the evidence."""

    code: str
    severity: Severity
    text: str
    kind: Kind = Kind.FINDING

    def state(self, **evidence: Value) -> Statement:
        """The statement with its numbers."""
        return Statement(kind=self.kind, code=self.code, severity=self.severity, evidence=evidence)


# -- in documents


class CodedPart(_Part):
    """A code with its numbers, as documents write a statement."""

    code: str
    evidence: Evidence


class WeighedPart(_Part):
    """The same with its severity."""

    code: str
    severity: Severity
    evidence: Evidence


def _write_coded(statement: Statement) -> CodedPart:
    return CodedPart(code=statement.code, evidence=statement.evidence)


def _write_weighed(statement: Statement) -> WeighedPart:
    return WeighedPart(code=statement.code, severity=statement.severity, evidence=statement.evidence)


def _reader_of(kind: Kind, severity: Severity | None = None) -> Callable[[Any], Any]:
    """A reader that adds what the document leaves out, and refuses a statement of another kind."""
    own: dict[str, Any] = {"kind": kind} if severity is None else {"kind": kind, "severity": severity}

    def read(part: Any) -> Any:
        if isinstance(part, Statement) and part.kind is not kind:
            raise ValueError(f"{part.code} is a {part.kind}, not a {kind}")
        if not isinstance(part, dict):
            return part
        if unexpected := own.keys() & part.keys():
            raise ValueError(f"a {kind} has no {', '.join(sorted(unexpected))} in a document")
        return own | part

    return read


AsFinding = Annotated[Statement, BeforeValidator(_reader_of(Kind.FINDING)), PlainSerializer(_write_weighed)]
AsDeviation = Annotated[
    Statement, BeforeValidator(_reader_of(Kind.DEVIATION, "warning")), PlainSerializer(_write_coded)
]
AsCause = Annotated[Statement, BeforeValidator(_reader_of(Kind.CAUSE, "note")), PlainSerializer(_write_coded)]
AsNote = Annotated[Statement, BeforeValidator(_reader_of(Kind.NOTE, "note")), PlainSerializer(_write_coded)]
