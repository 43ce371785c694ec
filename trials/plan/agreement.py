"""The agreement before devices are deployed: who may use which data and how long, trade secrets, and the
security sheet of each device model. An open point is a question without an answer, named by a code.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from insitu.errors import CorrectInput

MOST_BYTES: Final = 256 * 1024
PROVISIONS: Final = {
    "no_default_passwords": "5.1",
    "vulnerability_reports": "5.2",
    "software_updates": "5.3",
    "secure_storage": "5.4",
    "secure_communication": "5.5",
    "attack_surfaces": "5.6",
    "software_integrity": "5.7",
    "personal_data": "5.8",
    "resilience": "5.9",
    "telemetry_examined": "5.10",
    "deletion": "5.11",
    "installation": "5.12",
    "input_validation": "5.13",
}
"""The thirteen headings of ETSI EN 303 645 (cyber security of consumer IoT), by our names."""
_ANSWER: Final = re.compile(r"(met|partly|not_met|not_applicable)(?:: *(\S.*))?", re.DOTALL)


class Answered(StrEnum):
    MET = "met"
    PARTLY = "partly"
    NOT_MET = "not_met"
    NOT_APPLICABLE = "not_applicable"


class OpenPointCode(StrEnum):
    NO_AGREEMENT = "no_agreement"
    NO_USE = "no_use"
    USE_WITHOUT_END = "use_without_end"
    SECRETS_NOT_STATED = "secrets_not_stated"
    NO_SHEET = "no_sheet"
    NOT_ANSWERED = "not_answered"
    NOT_MET = "not_met"


SENTENCES: Final = {
    OpenPointCode.NO_AGREEMENT: "There is no agreement yet.",
    OpenPointCode.NO_USE: "It does not say which data {about} may use, for what and until when.",
    OpenPointCode.USE_WITHOUT_END: "The use by {about} has no end.",
    OpenPointCode.SECRETS_NOT_STATED: "It does not say which data are trade secrets, or that there are none.",
    OpenPointCode.NO_SHEET: "There is no security sheet of {about}.",
    OpenPointCode.NOT_ANSWERED: "The security sheet of {about} says nothing about {heading} {provision}.",
    OpenPointCode.NOT_MET: "Not met, or partly, by {about}: {heading} {provision} ({note}).",
}
"""In English, also the keys of translations."""


@dataclass(frozen=True, slots=True)
class OpenPoint:
    """`about`: the party or the device model; `provision`: a name of `PROVISIONS`, for an answer."""

    code: OpenPointCode
    about: str = ""
    provision: str = ""
    note: str = ""


def _answer(text: str) -> str:
    found = _ANSWER.fullmatch(text.strip())
    if found is None:
        raise ValueError("write met, partly, not_met or not_applicable, then a colon and why")
    if found[1] != Answered.MET and not found[2]:
        raise ValueError(f"{found[1]} needs a colon and why")
    return text.strip()


Words = Annotated[str, Field(min_length=1, max_length=2000)]
Answer = Annotated[str, Field(max_length=2000), AfterValidator(_answer)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Use(_Part):
    """`party`: code of an organisation of the trial or of the lab, or the name of another recipient."""

    party: Words
    data: Words
    purpose: Words
    until: date | None = None
    """The last day on which the data may be used."""


class Sheet(_Part):
    """Answers about a device model, under the headings of EN 303 645."""

    model: Words
    answers: dict[str, Answer] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> Sheet:
        unknown = sorted(set(self.answers) - set(PROVISIONS))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: the headings are {', '.join(PROVISIONS)}")
        return self

    def answered(self, provision: str) -> tuple[Answered, str] | None:
        """The state and the reason; None without an answer."""
        text = self.answers.get(provision)
        state, _, why = (text or "").partition(":")
        return (Answered(state), why.strip()) if text else None


class Agreement(_Part):
    signed_on: date
    use: tuple[Use, ...] = ()
    trade_secrets: Words | None = None
    """Which data are secret and who may see them, or that there are none."""
    security: tuple[Sheet, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Agreement:
        models = [sheet.model for sheet in self.security]
        if len(set(models)) < len(models):
            raise ValueError("security: each model has one sheet")
        return self


def read_agreement(content: bytes, name: str) -> Agreement:
    """An agreement written as TOML. Raises a CorrectInput that names the file and each wrong place in it."""
    if len(content) > MOST_BYTES:
        raise CorrectInput(f"{name}: more than {MOST_BYTES // 1024} KiB.")
    try:
        return Agreement.model_validate(tomllib.loads(content.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise CorrectInput(f"{name}: not UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise CorrectInput(f"{name}: {error}.") from error
    except ValidationError as error:
        raise CorrectInput("\n".join([f"{name}:", *(f"  {line}" for line in _lines(error))])) from error


def _lines(error: ValidationError) -> Iterator[str]:
    for one in error.errors()[:10]:
        place = ".".join(str(part) for part in one["loc"])
        yield f"{place}: {one['msg']}" if place else one["msg"]


def agreement_of(document: dict[str, Any]) -> Agreement:
    """A stored agreement."""
    return Agreement.model_validate(document)


def list_open_points(
    agreement: Agreement | None, *, parties: Sequence[str], models: Sequence[str]
) -> list[OpenPoint]:
    """The open points before devices are deployed. `parties`: codes of host, company and evaluator;
    `models`: of the trial's devices; '' for devices whose model nobody entered.
    """
    if agreement is None:
        return [OpenPoint(OpenPointCode.NO_AGREEMENT)]
    using = {use.party for use in agreement.use}
    open_points = [OpenPoint(OpenPointCode.NO_USE, party) for party in parties if party not in using]
    open_points += [
        OpenPoint(OpenPointCode.USE_WITHOUT_END, use.party) for use in agreement.use if use.until is None
    ]
    open_points += [OpenPoint(OpenPointCode.SECRETS_NOT_STATED)] if agreement.trade_secrets is None else []
    sheets = {sheet.model: sheet for sheet in agreement.security}
    for model in sorted(set(models)):
        open_points += (
            _open_in(sheets[model]) if model in sheets else [OpenPoint(OpenPointCode.NO_SHEET, model)]
        )
    return open_points


def _open_in(sheet: Sheet) -> Iterator[OpenPoint]:
    for provision in PROVISIONS:
        found = sheet.answered(provision)
        if found is None:
            yield OpenPoint(OpenPointCode.NOT_ANSWERED, sheet.model, provision)
        elif found[0] in (Answered.NOT_MET, Answered.PARTLY):
            yield OpenPoint(OpenPointCode.NOT_MET, sheet.model, provision, found[1])
