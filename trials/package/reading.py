"""Reading a trial package: the inputs from which anyone recomputes an evaluation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from insitu.errors import CorrectInput
from trials.designs.reading import read_for_designs
from trials.evaluation import Evaluation
from trials.judge.compute import compute
from trials.package import catalogue as facts_of
from trials.package.catalogue import Catalogue, catalogue_document, parse_catalogue, without_later_keys
from trials.package.columns import Columns
from trials.package.contents import Contents, load
from trials.package.rows import (
    FlagRow,
    read_flags,
    read_observations,
    read_receipts,
    read_rejects,
    read_surroundings,
)
from trials.package.strict import read_json, require_same, written
from trials.package.tables import DESCRIPTOR, FORMAT, FORMAT_1, OBSERVATIONS, VERSIONS
from trials.plan.reading import read_protocol
from trials.plan.rules import Rules
from trials.series.inputs import ProtocolVersion, StreamInput, TrialInputs


@dataclass(frozen=True, slots=True)
class Package:
    """Everything that a package says before anything is computed."""

    inputs: TrialInputs
    form: int
    flags: list[FlagRow]
    surroundings: Mapping[str, Columns]
    """Observations just outside the periods, by datastream."""
    receipts: Mapping[str, Mapping[int, int]]
    """By datastream: time → receipt (µs) of results that were received before their own time."""


def read_inputs(folder: Path) -> TrialInputs:
    """The inputs of a package. CorrectInput names the file and line that cannot be read."""
    return read_package(load(folder)).inputs


def evaluate_package(folder: Path) -> Evaluation:
    """The evaluation recomputed from a package; needs no database."""
    return compute(read_inputs(folder))


def form_of(contents: Contents) -> int:
    """Version of the format. A folder without a descriptor is taken for the newest."""
    if DESCRIPTOR not in contents.files:
        return FORMAT
    path = str(contents.folder / DESCRIPTOR)
    form = read_json(path, contents.of(DESCRIPTOR)).get("format", FORMAT_1)
    if type(form) is not int or form not in range(FORMAT_1, FORMAT + 1):
        raise CorrectInput(
            f"{path}: the package has format {form!r}, and this Insitu knows formats {FORMAT_1} to "
            f"{FORMAT}: use a newer Insitu."
        )
    return form


def read_package(contents: Contents) -> Package:
    """Reads all that a package says. CorrectInput names the file, and mostly the line, that has another form
    than it must have.
    """
    form, facts = form_of(contents), _read_catalogue(contents)
    protocol_text = _canonical_text(contents, "protocol.json")
    flags = read_flags(*_named(contents, "flags.csv"))
    streams = _streams(contents, facts, flags)
    inputs = TrialInputs(
        protocol=read_for_designs(protocol_text, source=str(contents.folder / "protocol.json")),
        protocol_sha256=hashlib.sha256(protocol_text.encode()).hexdigest(),
        locked_at=facts.locked_at,
        organisations=facts.organisations,
        sites=facts.sites,
        streams=streams,
        windows=facts_of.windows(facts),
        rejects=read_rejects(*_named(contents, "rejects.csv"), sorted_=form != FORMAT_1),
        gaps=facts.gaps,
        withdrawals=facts.withdrawals,
        sensors=facts.sensors,
        erasures=facts.erasures,
        corrections=facts.corrections,
        simulated=facts.simulated_time,
        now=facts.evaluated_at,
        rules=Rules(facts.rules),
        unblinded=facts_of.unblindings(facts),
        earlier=facts_of.earlier(facts),
        versions=_read_versions(contents, facts, protocol_text),
    )
    _require_same_catalogue(contents, inputs, form)
    if form == FORMAT_1:
        return Package(inputs, form, flags, {}, {})
    surroundings = read_surroundings(*_named(contents, "surroundings.csv"))
    return Package(inputs, form, flags, surroundings, read_receipts(*_named(contents, "receipts.csv")))


def _named(contents: Contents, name: str) -> tuple[str, bytes]:
    return str(contents.folder / name), contents.of(name)


def _canonical_text(contents: Contents, name: str) -> str:
    path, content = _named(contents, name)
    read_json(path, content, rfc8785=True)
    return content.decode()


def _streams(contents: Contents, facts: Catalogue, flags: Sequence[FlagRow]) -> list[StreamInput]:
    path = str(contents.folder / OBSERVATIONS)
    observations = read_observations(path, contents.table(OBSERVATIONS))
    unknown = sorted(set(observations) - {stream.datastream for stream in facts.datastreams})
    if unknown:
        raise CorrectInput(f"{path}: catalogue.json knows no datastream {unknown[0]!r}.")
    counts = Counter((row.datastream, row.check) for row in flags)
    return [_stream(one, observations.get(one.datastream), counts) for one in facts.datastreams]


def _read_catalogue(contents: Contents) -> Catalogue:
    path = contents.folder / "catalogue.json"
    content = contents.of("catalogue.json")
    read_json(str(path), content)
    try:
        return parse_catalogue(content)
    except (ValueError, OverflowError) as error:
        raise CorrectInput(f"{path} is not what a package holds ({_first_line(error)}).") from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    return f"{type(error).__name__}: {' '.join(lines[:3])[:300]}"


def _require_same_catalogue(contents: Contents, inputs: TrialInputs, form: int) -> None:
    """The inputs must say all that stands in the file: no key, time or number in another form."""
    path, content = _named(contents, "catalogue.json")
    again: Any = catalogue_document(inputs)
    if form == FORMAT_1:
        again = without_later_keys(read_json(path, content), again)
    require_same(path, content, written(again))


def _read_versions(contents: Contents, facts: Catalogue, applied: str) -> list[ProtocolVersion]:
    """The versions with their documents. The last one's is `protocol.json`."""
    found = []
    for number, one in enumerate(facts.versions, 1):
        document = applied
        if number < len(facts.versions):
            name = f"{VERSIONS}/{one.version}.json"
            document = _canonical_text(contents, name)
            read_protocol(document, source=str(contents.folder / name))
        found.append(ProtocolVersion(one.version, one.locked_at, one.sha256, document))
    return found


def _stream(
    entry: facts_of.Datastream, columns: Columns | None, counts: Mapping[tuple[str, str], int]
) -> StreamInput:
    columns = columns or Columns.none()
    return StreamInput(
        device=entry.device,
        name=entry.name,
        property=entry.property,
        unit=entry.unit,
        role=entry.role,
        averaging_scale=str(entry.averaging_scale),
        sensor=entry.sensor,
        placements=facts_of.placements(entry),
        time_us=columns.time_us,
        result=columns.result,
        flag=columns.flag,
        by_check={check: count for (key, check), count in sorted(counts.items()) if key == entry.datastream},
        checks=entry.checks,
        ran=entry.ran,
        late=entry.late,
        from_file=entry.from_file,
        checked_with=entry.checked_with,
        stamp=entry.stamp,
        every=facts_of.every(entry),
    )


def text_of(path: Path) -> str:
    """The text of a file in UTF-8. CorrectInput names a file that cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CorrectInput(f"{path} is missing: the package is not whole.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CorrectInput(f"{path} cannot be read ({error}).") from error
