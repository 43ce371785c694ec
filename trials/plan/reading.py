"""A protocol as text: reading, errors with their location, canonical form and hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import rfc8785
from pydantic import (
    ValidationError,
)

from insitu.errors import CorrectInput
from trials.plan.positions import Lines
from trials.plan.protocol import Protocol
from trials.plan.values import PROSE, RULE


def canonical(document: dict[str, Any]) -> bytes:
    """RFC 8785 bytes of a JSON document."""
    return rfc8785.dumps(document)


def digest(document: dict[str, Any]) -> str:
    """SHA-256 (hex) of the canonical form."""
    return hashlib.sha256(canonical(document)).hexdigest()


def document_of(protocol: Protocol) -> dict[str, Any]:
    """The protocol as JSON values, as it is stored, hashed and packed."""
    document: dict[str, Any] = protocol.model_dump(mode="json", by_alias=True, exclude_none=True)
    return document


@dataclass(frozen=True, slots=True)
class Problem:
    """An error in a protocol with its location: the path of the field, and the line of the text if there is
    one.
    """

    field: str
    line: int | None
    message: str

    def told(self, source: str) -> str:
        return f"{source}{'' if self.line is None else f', line {self.line}'}: {self.field}: {self.message}"


class WrongProtocol(CorrectInput):
    """The text is not a protocol. Names every problem."""

    def __init__(self, problems: list[Problem], text: str) -> None:
        super().__init__(text)
        self.problems = problems


def read_protocol(text: str, *, source: str = "protocol") -> Protocol:
    """A protocol from JSON text. WrongProtocol names the line of broken JSON, or every wrong field with its
    line.
    """
    try:
        return Protocol.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        told = f"{source}, line {error.lineno}, column {error.colno}: {error.msg}."
        raise WrongProtocol(
            [Problem("protocol", error.lineno, f"column {error.colno}: {error.msg}.")], told
        ) from error
    except RecursionError as error:
        raise _too_deep(source) from error
    except ValidationError as error:
        try:
            problems = list(_problems(error, Lines(text)))
        except RecursionError:
            raise _too_deep(source) from error
        raise WrongProtocol(problems, "\n".join(one.told(source) for one in problems)) from error


def _too_deep(source: str) -> WrongProtocol:
    return WrongProtocol([Problem("protocol", None, "too deeply nested")], f"{source}: too deeply nested.")


def located(problems: list[str], lines: Lines) -> Iterator[Problem]:
    """Adds lines to problems that begin with a path and a colon, as "endpoints.main.unit: …"."""
    for problem in problems:
        path, _, message = problem.partition(": ")
        yield Problem(path, lines.of(path.split(".")), message)


def _problems(error: ValidationError, lines: Lines) -> Iterator[Problem]:
    for one in error.errors():
        if one["type"] == "inconsistent":
            yield from located(one["ctx"]["problems"], lines)
            continue
        where = tuple(part for part in one["loc"] if part not in (PROSE, RULE))
        path = ".".join(str(part) for part in where) or "protocol"
        yield Problem(path, lines.of(where), one["msg"].removeprefix("Value error, "))
