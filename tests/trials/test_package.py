"""A package built from inputs alone, verified, damaged in one place, verified again."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import frictionless
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from insitu.errors import CorrectInput
from insitu.model import Verdict
from insitu.times import to_datetime, to_rfc3339, to_us
from tests.trials.test_gate import DESIGNS, plan_of, streams_of
from tests.trials.world import (
    criterion,
    cycle,
    endpoint,
    inputs,
    listed,
    noise,
    period,
    protocol,
    protocol_text,
    series,
    window,
)
from trials import quality
from trials.evaluation import Afterwards, RejectSummary, document_of
from trials.judge.compute import compute
from trials.package.keys import signing_key
from trials.package.reading import evaluate_package, read_inputs
from trials.package.readme import README, readme
from trials.package.rechecking import span_of
from trials.package.rows import safe_cell
from trials.package.signing import Signer
from trials.package.strict import written
from trials.package.verify import Check, verify
from trials.package.writing import seal, write_tables
from trials.plan.reading import canonical
from trials.plan.values import Text
from trials.series.inputs import TrialInputs

RANGE: dict[str, Any] = {
    "property": "no2",
    "check": "gross_range",
    "parameters": {"fail_low": -50, "fail_high": 500, "suspect_high": 100},
}
CHECKED_WITH = quality.parameters_text(quality.plan([(RANGE["check"], RANGE["parameters"])]))
SIGNED_AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


def small_inputs() -> TrialInputs:
    """Inputs of a before/after with a control, 16 days each, with a window, gaps, some suspect observations
    and a refused message.
    """
    made = [
        endpoint("before_after", [criterion("effect", high=-1)], arms=["candidate"]),
        endpoint(
            "control_sites",
            [criterion("effect", high=-1)],
            arms=["candidate", "control"],
            name="against-control",
            rank="secondary",
        ),
    ]
    plan = protocol(*made, periods=[period("baseline", 0, 16), period("reporting", 16, 32)], checks=[RANGE])
    rng = np.random.default_rng(4)
    streams = []
    for device, role, effect in (("candidate-1", "candidate", -5.0), ("control-1", "control", 0.0)):
        values = 30 + cycle(32 * 24) + noise(rng, 0.6, 32 * 24, 1.5)
        values[16 * 24 :] += effect
        values[100:103] = np.nan
        values[200:206] = [-0.8, -1e-7, 0.0, -0.0, 1e-300, 0.1 + 0.2]  # an analyser around zero
        values[50:53] = 150  # more than usual
        stream = series(device, values, role=role, checked_with=CHECKED_WITH)
        stream.flag[50:53] = 3
        stream.by_check["gross_range"] = 3
        streams.append(stream)
    found = inputs(plan, streams, windows=[window("candidate-1", 100, 103)])
    found.rejects.append(RejectSummary(device="candidate-1", reason="unparsable", messages=2, results=0))
    return listed(found)


def build(folder: Path, key: Ed25519PrivateKey | None = None) -> Path:
    """A whole package, as `write` makes it from a database."""
    given = small_inputs()
    evaluation = compute(given)
    flags = [
        (s.key(), to_rfc3339(to_datetime(int(s.time_us[n]))), "gross_range", 3)
        for s in given.streams
        for n in (50, 51, 52)
    ]
    text = canonical(document_of(evaluation)).decode()
    write_tables(folder, given, protocol=protocol_text(given.protocol), evaluation=text, flags=flags)
    seal(folder, evaluation, None if key is None else Signer(key, SIGNED_AT))
    return folder


def within_periods(given: TrialInputs) -> TrialInputs:
    """The inputs with the observations that an installation would load."""
    streams = []
    for stream in given.streams:
        first, last = (to_us(one) for one in span_of(given.protocol, stream, given.rules))
        inside = (stream.time_us >= first) & (stream.time_us < last)
        kept = {name: getattr(stream, name)[inside] for name in ("time_us", "result", "flag")}
        streams.append(replace(stream, **kept))
    return replace(given, streams=streams)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return build(tmp_path / "package")


def checks(folder: Path) -> dict[str, Check]:
    """The checks by the first of these words that is in their name."""
    words = ("checksums", "form", "protocol", "facts", "numbers", "flags", "reports", "signature")
    found = verify(folder)
    return {next(word for word in words if word in check.name): check for check in found}


def change_a_result(folder: Path, row: int, by: float) -> str:
    """Changes row `row` of the table of observations; returns its datastream."""
    path = folder / "observations.csv"
    table = list(csv.reader(path.read_text("utf-8").splitlines()))
    table[row][2] = repr(float(table[row][2]) + by)
    path.write_text("".join(",".join(cells) + "\n" for cells in table), "utf-8")
    return table[row][0]


def repair_checksum(folder: Path, name: str) -> None:
    path = folder / "datapackage.json"
    descriptor = json.loads(path.read_text("utf-8"))
    content = (folder / name).read_bytes()
    for resource in descriptor["resources"]:
        if resource["path"] == name:
            resource |= {"bytes": len(content), "hash": "sha256:" + hashlib.sha256(content).hexdigest()}
    path.write_bytes(written(descriptor))


def test_an_untouched_package_agrees_with_itself_in_all_ways(package: Path) -> None:
    found = checks(package)
    assert [(check.ok, check.lines) for check in found.values() if not check.ok] == []
    assert [check.open for check in found.values()] == ["", "", "", "", "", "", "", "UNSIGNED"]
    assert found["checksums"].name == "checksums of 8 files"
    assert found["flags"].name == "flags of 1530 observations, by running the checks again"
    assert int(found["numbers"].name.split()[0]) > 100
    assert "not signed" in found["signature"].lines[0]


@pytest.mark.parametrize("design", DESIGNS)
def test_a_package_of_any_design_agrees_with_itself(design: str, tmp_path: Path) -> None:
    plan = plan_of(design)
    given = listed(within_periods(inputs(plan, streams_of(plan))))
    evaluation = compute(given)
    text = canonical(document_of(evaluation)).decode()
    write_tables(tmp_path, given, protocol=protocol_text(plan), evaluation=text, flags=[])
    seal(tmp_path, evaluation, None)
    assert [check.name for check in verify(tmp_path) if not check.ok] == []


def test_a_package_holds_the_inputs_to_the_last_bit(package: Path) -> None:
    given, read = small_inputs(), read_inputs(package)
    assert read.protocol == given.protocol
    assert (read.locked_at, read.now, read.windows, read.rejects) == (
        given.locked_at,
        given.now,
        given.windows,
        given.rejects,
    )
    for one, other in zip(given.streams, read.streams, strict=True):
        assert one.key() == other.key()
        assert np.array_equal(one.time_us, other.time_us)
        assert one.result.tobytes() == other.result.tobytes()
        assert np.array_equal(one.flag, other.flag)
        assert (one.by_check, one.checks, one.ran, one.placements) == (
            other.by_check,
            other.checks,
            other.ran,
            other.placements,
        )


def test_the_recomputed_evaluation_has_the_same_bytes(package: Path) -> None:
    assert canonical(document_of(evaluate_package(package))) == (package / "evaluation.json").read_bytes()


def test_one_changed_result_names_the_file_and_the_numbers_it_changes(package: Path) -> None:
    change_a_result(package, 20, by=40.0)
    found = checks(package)
    assert not found["checksums"].ok
    assert "observations.csv was changed" in found["checksums"].lines
    assert not found["numbers"].ok
    named = "\n".join(found["numbers"].lines)
    assert "endpoints[main].criteria[effect].estimate.value" in named
    assert "inputs_sha256" in named or "more" in found["numbers"].lines[-1]
    assert found["protocol"].ok


def test_one_changed_result_is_found_with_a_repaired_checksum_too(package: Path) -> None:
    before = json.loads((package / "evaluation.json").read_text("utf-8"))["endpoints"][0]["criteria"][0][
        "estimate"
    ]["value"]
    change_a_result(package, 20, by=40.0)
    repair_checksum(package, "observations.csv")
    found = checks(package)
    assert found["checksums"].ok
    assert not found["numbers"].ok
    line = next(
        line
        for line in found["numbers"].lines
        if line.startswith("endpoints[main].criteria[effect].estimate.value")
    )
    assert f"{before:.9g} stated" in line
    assert "recomputed" in line


def test_the_smallest_change_of_an_unused_result_still_changes_the_fingerprint(package: Path) -> None:
    """A suspect observation enters no primary number, but the hash of the inputs covers it."""
    change_a_result(package, 51, by=1e-12)
    repair_checksum(package, "observations.csv")
    assert any(line.startswith("inputs_sha256") for line in checks(package)["numbers"].lines)


def test_a_changed_verdict_is_named_with_both_verdicts(package: Path) -> None:
    path = package / "evaluation.json"
    document = json.loads(path.read_text("utf-8"))
    assert document["verdict"] == "met"
    document["verdict"] = "not_met"
    path.write_bytes(canonical(document))
    repair_checksum(package, "evaluation.json")
    assert checks(package)["numbers"].lines == ['verdict: "not_met" stated, "met" recomputed']


def test_a_difference_between_processors_is_no_difference_but_a_millionth_is(package: Path) -> None:
    path = package / "evaluation.json"
    original = path.read_text("utf-8")

    def with_factor(factor: float) -> bool:
        document = json.loads(original)
        document["endpoints"][0]["estimates"][0]["value"] *= factor
        path.write_bytes(canonical(document))
        return checks(package)["numbers"].ok

    assert with_factor(1 + 1e-8)
    assert not with_factor(1 + 1e-5)


def test_a_changed_protocol_is_told_from_the_locked_one_by_its_hash(package: Path) -> None:
    path = package / "protocol.json"
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    document["endpoints"][0]["criteria"][0]["target"]["high"] = -4.0
    path.write_bytes(canonical(document))
    repair_checksum(package, "protocol.json")
    found = checks(package)
    assert found["checksums"].ok
    assert found["protocol"].lines == [
        f"protocol.json has SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}, evaluation.json says "
        f"{read_sha256(package)}",
        f"protocol.json has SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}, catalogue.json says "
        f"{read_sha256(package)}",
    ]
    assert not found["numbers"].ok


def read_sha256(folder: Path) -> str:
    stated: str = json.loads((folder / "evaluation.json").read_text("utf-8"))["protocol_sha256"]
    return stated


def test_a_protocol_in_another_layout_is_not_canonical(package: Path) -> None:
    path = package / "protocol.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")), indent=2), "utf-8")
    assert checks(package)["form"].lines == ["protocol.json, line 1: it is not in canonical form."]


def test_missing_and_added_files_are_named(package: Path) -> None:
    (package / "flags.csv").rename(package / "other.csv")
    found = checks(package)
    assert found["form"].lines == ["flags.csv is missing: the package is not whole."]
    assert found["checksums"].lines == ["other.csv is not part of the package", "flags.csv is missing"]
    (package / "flags.csv").write_bytes((package / "other.csv").read_bytes())
    assert checks(package)["checksums"].lines == ["other.csv is not part of the package"]


OBSERVATIONS = "datastream,phenomenon_time,result,flag"
REJECTS = "device,reason,messages,results"
BROKEN = [
    (
        "protocol.json",
        '{"trial": "small",\n "title"',
        r"protocol\.json, line 2, column 9: Expecting ':' delimiter\.",
    ),
    ("protocol.json", '{"trial":"small"}', r"protocol\.json, line 1: title: Field required"),
    ("protocol.json", None, r"protocol\.json is missing: the package is not whole\."),
    ("catalogue.json", "{", r"catalogue\.json, line 1, column 2: "),
    ("catalogue.json", "[]", r"catalogue\.json cannot be read \(it holds no JSON object\)"),
    ("catalogue.json", "{}\n", r"catalogue\.json is not what a package holds"),
    ("evaluation.json", "[]", r"evaluation\.json cannot be read \(it holds no JSON object\)"),
    ("evaluation.json", None, r"evaluation\.json is missing: the package is not whole\."),
    ("datapackage.json", "[]", r"datapackage\.json cannot be read \(it holds no JSON object\)"),
    (
        "datapackage.json",
        written({"resources": [{"path": "x"}]}).decode(),
        r"datapackage\.json does not list files with their hash",
    ),
    ("rejects.csv", f"{REJECTS}\ncandidate-1,unparsable,two,0\n", r"rejects\.csv, line 2: "),
    ("observations.csv", f"{OBSERVATIONS}\na,b\n", r"observations\.csv, line 2: 2 cells instead of 4\."),
    ("observations.csv", "h\n", r"observations\.csv, line 1: the header is not datastream,"),
    (
        "observations.csv",
        f"{OBSERVATIONS}\nx/no2,2026-03-01T00:00:00Z,1.0,1\n",
        r"catalogue\.json knows no datastream 'x/no2'",
    ),
]


@pytest.mark.parametrize(
    ("name", "content", "message"), BROKEN, ids=[f"{name}-{n}" for n, (name, _, _) in enumerate(BROKEN)]
)
def test_a_file_that_cannot_be_read_is_named_and_the_other_checks_go_on(
    package: Path, name: str, content: str | None, message: str
) -> None:
    if content is None:
        (package / name).unlink()
    else:
        (package / name).write_text(content, "utf-8")
    told = [line for check in verify(package) if not check.ok for line in check.lines]
    assert any(re.search(message, line) for line in told), told


def test_a_folder_without_a_descriptor_is_no_package(package: Path) -> None:
    (package / "datapackage.json").unlink()
    with pytest.raises(CorrectInput, match=r"is no trial package: it has no datapackage\.json"):
        verify(package)


CELLS = [
    ("2026-03-01T00:00:00Z,12.0,300", "300 is not a valid Flag"),
    ("2026-03-01T00:00:00Z,12.0,", "invalid literal for int"),
    ("2026-03-01T00:00:00Z,nan,1", "'nan' is not a number"),
    ("2026-03-01T00:00:00Z,1e999,1", "'1e999' is not a number"),
    ("2026-03-01T00:00:00Z,twelve,1", "could not convert string to float"),
    ("2026-03-01T00:00:00+01:00,12.0,1", "is not a time in UTC"),
    ("2026-13-01T00:00:00Z,12.0,1", "Month out of range"),
]


@pytest.mark.parametrize(("cells", "message"), CELLS)
def test_a_row_that_is_no_observation_is_named_by_its_line(package: Path, cells: str, message: str) -> None:
    path = package / "observations.csv"
    lines = path.read_text("utf-8").splitlines()
    lines[6] = f"candidate-1/no2,{cells}"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    (line,) = checks(package)["form"].lines
    assert re.search(rf"observations\.csv, line 7: .*{message}", line)


def test_a_signed_package_says_by_which_key_and_notices_a_changed_descriptor(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    folder = build(tmp_path / "package", key)
    signature = checks(folder)["signature"]
    assert signature.ok
    assert signature.lines[0].startswith("signed with the Ed25519 key ")
    assert signing_key(tmp_path).public_key() == key.public_key()
    assert (tmp_path / "signing.key").stat().st_mode & 0o777 == 0o600
    change_a_result(folder, 20, by=40.0)
    repair_checksum(folder, "observations.csv")
    assert checks(folder)["signature"].lines == ["the signature does not fit datapackage.json"]


# -- as others read it


def stranger(folder: Path) -> list[list[str]]:
    """Problems that the checker of Frictionless finds: (file, type of error)."""
    (folder / "README.md").write_text(readme(evaluate_package(folder), "0"), "utf-8")
    (folder / "report.html").write_text("<!doctype html>", "utf-8")
    seal(folder, evaluate_package(folder), None)
    found = frictionless.validate(str(folder / "datapackage.json"))
    assert isinstance(found, frictionless.Report)
    assert (
        len(found.tasks)
        == len(json.loads((folder / "datapackage.json").read_text("utf-8"))["resources"])
        >= 8
    )
    return [[task.place, error.type] for task in found.tasks for error in task.errors] + [
        [found.name or "", e.type] for e in found.errors
    ]


def test_the_checker_of_frictionless_finds_nothing_wrong(package: Path) -> None:
    path = package / "observations.csv"
    head, *rows = path.read_text("utf-8").splitlines()
    name, at, *rest = rows[0].split(",")
    rows[0] = ",".join([name, at.replace("Z", ".250000Z"), *rest])  # a device with a precise clock
    path.write_text("\n".join([head, *rows]) + "\n", "utf-8")
    assert stranger(package) == []


WRONG_ROWS = [
    (lambda rows: [*rows, rows[-1]], "primary-key"),
    (lambda rows: [rows[0].rpartition(",")[0] + ",9", *rows[1:]], "constraint-error"),
    (lambda rows: [rows[0].replace("T", " at "), *rows[1:]], "type-error"),
    (lambda rows: ["," + rows[0].partition(",")[2], *rows[1:]], "constraint-error"),
]


@pytest.mark.parametrize(("change", "kind"), WRONG_ROWS, ids=["twice", "flag", "time", "no datastream"])
def test_the_schema_of_the_tables_tells_a_wrong_row(
    package: Path, change: Callable[[list[str]], list[str]], kind: str
) -> None:
    evaluation = evaluate_package(package)
    path = package / "observations.csv"
    head, *rows = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([head, *change(rows)]) + "\n", "utf-8")
    seal(package, evaluation, None)
    found = frictionless.validate(str(package / "datapackage.json"))
    assert isinstance(found, frictionless.Report)
    assert [[task.place, error.type] for task in found.tasks for error in task.errors] == [
        ["observations.csv", kind]
    ]


def test_every_file_of_a_package_is_explained_in_it_in_both_languages(package: Path) -> None:
    english, french = README.split("**Français.**")
    for path in package.iterdir():
        assert f"`{path.name}`" in english, path.name
        assert f"`{path.name}`" in french, path.name
    for word in ("`report.*`", "`signature.json`", "insitu verify ."):
        assert word in english
        assert word in french


def test_the_readme_has_the_verdict_and_the_sentences_beside_it_in_both_languages(package: Path) -> None:
    found = evaluate_package(package)
    sentence = Afterwards(
        code="locked_ended", evidence={}, text=Text(en="Locked late.", fr="Verrouillé tard.")
    )
    qualified = {"verdict": Verdict.MET, "after_the_fact": True, "afterwards": [sentence]}
    text = readme(found.model_copy(update=qualified), "0")
    assert "Its verdict: **met, criteria set after the fact**. Locked late.\n" in text
    assert "Son verdict\u00a0: **atteint, critères fixés après coup**. Verrouillé tard.\n" in text
    plain = readme(found.model_copy(update={"verdict": Verdict.NOT_MET}), "0")
    assert "Its verdict: **not met**.\n" in plain
    look = readme(found.model_copy(update={"interim": True}), "0")
    assert "Its verdict: **none yet: this is an interim look**.\n" in look


def test_text_that_a_spreadsheet_would_run_is_disarmed_and_numbers_are_not() -> None:
    assert [safe_cell(cell) for cell in ("=1+1", "-x", "@a", "plain", -3.5, -4)] == [
        "'=1+1",
        "'-x",
        "'@a",
        "plain",
        -3.5,
        -4,
    ]
