"""Writing a trial package: its tables, and the descriptor that seals them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path

from insitu.errors import CorrectInput
from trials.evaluation import Evaluation
from trials.package.catalogue import catalogue_document
from trials.package.columns import Columns, written_rows, written_times
from trials.package.contents import load
from trials.package.descriptor import descriptor
from trials.package.makers import makers
from trials.package.rows import safe_cell
from trials.package.signing import Signer, signature_document
from trials.package.strict import table_bytes, written
from trials.package.tables import DESCRIPTOR, FIELDS, OBSERVATIONS, SIGNATURE, VERSIONS
from trials.series.inputs import StreamInput, TrialInputs


def write_tables(
    folder: Path,
    inputs: TrialInputs,
    *,
    protocol: str,
    evaluation: str,
    flags: Iterable[tuple[object, ...]],
    surroundings: Mapping[str, Columns] | None = None,
    receipts: Mapping[str, Mapping[int, int]] | None = None,
) -> None:
    """Writes everything that `read_inputs` reads, and the evaluation. Call `seal` afterwards.

    `flags`: (datastream, time, check, flag). By datastream in order of time: `surroundings` just outside the
    periods; `receipts`: time → receipt (µs) of results that were received before their time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "protocol.json").write_text(protocol, encoding="utf-8")
    (folder / "evaluation.json").write_text(evaluation, encoding="utf-8")
    (folder / "catalogue.json").write_bytes(written(catalogue_document(inputs)))
    for version in inputs.versions[:-1]:
        (folder / VERSIONS).mkdir(exist_ok=True)
        (folder / VERSIONS / f"{version.version}.json").write_text(version.document, encoding="utf-8")
    _write_observations(folder, inputs.streams)
    _write_csv(folder, "flags", sorted(flags, key=lambda row: [str(cell) for cell in row]))
    rejects = [(r.device, r.reason, r.messages, r.results) for r in inputs.rejects]
    _write_csv(folder, "rejects", sorted(rejects, key=lambda row: (safe_cell(row[0]), safe_cell(row[1]))))
    _write_csv(
        folder,
        "surroundings",
        (
            (key, time, result)
            for key, one in sorted((surroundings or {}).items(), key=itemgetter(0))
            for time, result in zip(written_times(one.time_us), one.result.tolist(), strict=True)
        ),
    )
    _write_csv(
        folder,
        "receipts",
        (
            (key, time, receipt)
            for key, times in sorted((receipts or {}).items(), key=itemgetter(0))
            for time, receipt in zip(written_times([*times]), written_times([*times.values()]), strict=True)
        ),
    )


def seal(folder: Path, evaluation: Evaluation, signer: Signer | None) -> None:
    """Writes the descriptor with the checksum of every file, and signs it. CorrectInput names a file that no
    package holds.
    """
    contents = load(folder)
    if contents.problems:
        raise CorrectInput(f"{folder}: {contents.problems[0]}.")
    content = written(descriptor(contents.files, evaluation, makers()))
    (folder / DESCRIPTOR).write_bytes(content)
    (folder / SIGNATURE).unlink(missing_ok=True)
    if signer is not None:
        (folder / SIGNATURE).write_bytes(written(signature_document(content, signer)))


def _write_csv(folder: Path, name: str, rows: Iterable[Sequence[object]]) -> None:
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field for field, _ in FIELDS[name]])
        writer.writerows([safe_cell(cell) for cell in row] for row in rows)


def _write_observations(folder: Path, streams: Sequence[StreamInput]) -> None:
    """The same, many rows at once."""
    with (folder / OBSERVATIONS).open("wb") as file:
        file.write(table_bytes([field for field, _ in FIELDS["observations"]], []))
        for stream in sorted(streams, key=lambda s: s.key()):
            cell = table_bytes(None, [[safe_cell(stream.key()), ""]]).removesuffix(b"\n")
            file.writelines(written_rows(cell, Columns(stream.time_us, stream.result, stream.flag)))
