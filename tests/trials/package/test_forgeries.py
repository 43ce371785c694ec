"""Forgeries that agreed with themselves, by name. Those that break the form are refused even if the lab's own
key seals them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.trials.package import forger
from tests.trials.package.conftest import Lab, is_settled
from trials.package.contents import OnDisk, load
from trials.package.trust import TrustedKey
from trials.package.verify import verify
from trials.report.render import write_reports

Copied = Callable[[], Path]
Forge = Callable[[Path], None]


def halve(folder: Path) -> None:
    table = forger.rows(folder)
    for row in table[1:]:
        row[2] = repr(float(row[2]) / 2)
    forger.put_rows(folder, table)
    empty_flags(folder)
    forger.evaluate_again(folder)


def empty_flags(folder: Path) -> None:
    table = forger.rows(folder)
    for row in table[1:]:
        row[3] = "1"
    forger.put_rows(folder, table)
    forger.put_rows(folder, forger.rows(folder, "flags.csv")[:1], "flags.csv")


def move_lock(folder: Path) -> None:
    version = forger.read(folder / "catalogue.json")["versions"][0]
    when = "2020-01-01T00:00:00Z"
    forger.edit(folder / "catalogue.json", locked_at=when, versions=[{**version, "locked_at": when}])
    forger.evaluate_again(folder)


def rewrite_html(folder: Path) -> None:
    path = folder / "report.html"
    text = path.read_text("utf-8")
    assert "met" in text
    path.write_text(text.replace("met", "not met", 1), "utf-8")


def rewrite_pdf(folder: Path) -> None:
    path = folder / "report.pdf"
    path.write_bytes(path.read_bytes() + b"\n% not met\n")


def rewrite_readme(folder: Path) -> None:
    path = folder / "README.md"
    path.write_text(path.read_text("utf-8").replace("**met**", "**not met**"), "utf-8")


def flag_at_will(folder: Path) -> None:
    table, flags = forger.rows(folder), forger.rows(folder, "flags.csv")
    table[30][3] = "4"
    flags.insert(1, [table[30][0], table[30][1], "gross_range", "4"])
    forger.put_rows(folder, table)
    forger.put_rows(folder, flags, "flags.csv")
    forger.evaluate_again(folder)


def flag_without_a_check(folder: Path) -> None:
    table = forger.rows(folder)
    table[30][3] = "4"
    forger.put_rows(folder, table)
    forger.evaluate_again(folder)


def forget_the_parameters(folder: Path) -> None:
    catalogue = forger.read(folder / "catalogue.json")
    for stream in catalogue["datastreams"]:
        stream["checked_with"] = None
    (folder / "catalogue.json").write_bytes(forger.indented(catalogue))
    flag_at_will(folder)


def repeat_a_row(folder: Path) -> None:
    table = forger.rows(folder)
    forger.put_rows(folder, [*table[:5], table[4], *table[5:]])


def swap_columns(folder: Path) -> None:
    table = forger.rows(folder)
    forger.put_rows(folder, [[row[0], row[1], row[3], row[2]] for row in table])


def change_the_header(folder: Path) -> None:
    table = forger.rows(folder)
    forger.put_rows(folder, [["datastream", "phenomenon_time", "flag", "result"], *table[1:]])


def write_wide_digits(folder: Path) -> None:
    table = forger.rows(folder)
    table[4][2] = "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in table[4][2])
    forger.put_rows(folder, table)


def separate_rows_otherwise(folder: Path) -> None:
    path = folder / "observations.csv"
    lines = path.read_text("utf-8").split("\n")
    path.write_text("\n".join([*lines[:4], lines[4] + "\u2028" + lines[5], *lines[6:]]), "utf-8")


def end_lines_otherwise(folder: Path) -> None:
    path = folder / "observations.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def write_a_key_twice(folder: Path) -> None:
    path = folder / "evaluation.json"
    path.write_text('{"verdict":"not_met",' + path.read_text("utf-8")[1:], "utf-8")


def nest_deeply(folder: Path) -> None:
    path = folder / "evaluation.json"
    path.write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "," + path.read_text("utf-8")[1:], "utf-8")


def write_no_number(folder: Path) -> None:
    path = folder / "catalogue.json"
    path.write_text(path.read_text("utf-8").replace('"late": 0', '"late": NaN', 1), "utf-8")


def list_a_second_evaluation(folder: Path) -> None:
    descriptor = forger.read(folder / "datapackage.json")
    entry = next(one for one in descriptor["resources"] if one["path"] == "evaluation.json")
    descriptor["resources"].append(dict(entry))
    (folder / "datapackage.json").write_bytes(forger.indented(descriptor))


def add_a_second_evaluation(folder: Path) -> None:
    document = forger.read(folder / "evaluation.json") | {"verdict": "not_met"}
    (folder / "evaluation-2.json").write_bytes(rfc8785.dumps(document))
    forger.list_file(folder, "evaluation-2.json")


def list_a_file_outside(folder: Path) -> None:
    (folder.parent / "outside.json").write_text("{}\n", "utf-8")
    forger.list_file(folder, "../outside.json")


def link_out(folder: Path) -> None:
    outside = folder.parent / "flags.csv"
    outside.write_bytes((folder / "flags.csv").read_bytes())
    (folder / "flags.csv").unlink()
    (folder / "flags.csv").symlink_to(outside)


def link_hard(folder: Path) -> None:
    outside = folder.parent / "hard.csv"
    outside.unlink(missing_ok=True)
    os.link(folder / "flags.csv", outside)


def put_a_pipe(folder: Path) -> None:
    (folder / "flags.csv").unlink()
    os.mkfifo(folder / "flags.csv")


def add_a_version(folder: Path) -> None:
    (folder / "protocols").mkdir()
    (folder / "protocols" / "1.json").write_bytes((folder / "protocol.json").read_bytes())
    forger.list_file(folder, "protocols/1.json")


def add_a_folder(folder: Path) -> None:
    (folder / "protocols").mkdir()


def use_other_case(folder: Path) -> None:
    (folder / "Evaluation.json").write_bytes((folder / "evaluation.json").read_bytes())
    forger.list_file(folder, "Evaluation.json")


def use_odd_letters(folder: Path) -> None:
    name = "evaluation\u200b.json"
    (folder / name).write_bytes((folder / "evaluation.json").read_bytes())
    forger.list_file(folder, name)


def add_a_value(folder: Path) -> None:
    path = folder / "evaluation.json"
    path.write_bytes(rfc8785.dumps(forger.read(path) | {"remark": None}))


def describe_otherwise(folder: Path) -> None:
    forger.edit(folder / "datapackage.json", title="Verdict: not met")


def state_an_evening_later(folder: Path) -> None:
    path = folder / "evaluation.json"
    path.write_bytes(rfc8785.dumps(forger.read(path) | {"evaluated_at": "2026-04-30T00:00:00Z"}))


def leave_out_a_report(folder: Path) -> None:
    (folder / "report.fr.pdf").unlink()
    descriptor = forger.read(folder / "datapackage.json")
    descriptor["resources"] = [one for one in descriptor["resources"] if one["path"] != "report.fr.pdf"]
    (folder / "datapackage.json").write_bytes(forger.indented(descriptor))


def go_back_to_format_1(folder: Path) -> None:
    rewrite_html(folder)
    descriptor = forger.read(folder / "datapackage.json")
    del descriptor["format"], descriptor["made_by"]
    gone = ("surroundings.csv", "receipts.csv")
    for name in gone:
        (folder / name).unlink()
    descriptor["resources"] = [one for one in descriptor["resources"] if one["path"] not in gone]
    (folder / "datapackage.json").write_bytes(forger.indented(descriptor))


def claim_other_makers(folder: Path) -> None:
    rewrite_pdf(folder)
    made_by = forger.read(folder / "datapackage.json")["made_by"]
    forger.edit(folder / "datapackage.json", made_by=made_by | {"typst": "0.1"})


def state_parameters_twice(folder: Path) -> None:
    path = folder / "catalogue.json"
    text = path.read_text("utf-8")
    inner = '{\\"gross_range\\":'
    assert inner in text
    path.write_text(text.replace(inner, inner + '{},\\"gross_range\\":'), "utf-8")


def name_an_unknown_maker(folder: Path) -> None:
    made_by = forger.read(folder / "datapackage.json")["made_by"]
    forger.edit(folder / "datapackage.json", made_by=made_by | {"notary": "1"})


AGAINST_THE_FORM: list[Forge] = [
    state_parameters_twice,
    name_an_unknown_maker,
    rewrite_html,
    rewrite_pdf,
    rewrite_readme,
    flag_at_will,
    flag_without_a_check,
    forget_the_parameters,
    repeat_a_row,
    swap_columns,
    change_the_header,
    write_wide_digits,
    separate_rows_otherwise,
    end_lines_otherwise,
    write_a_key_twice,
    nest_deeply,
    write_no_number,
    list_a_second_evaluation,
    add_a_second_evaluation,
    list_a_file_outside,
    link_out,
    link_hard,
    put_a_pipe,
    add_a_version,
    add_a_folder,
    use_other_case,
    use_odd_letters,
    add_a_value,
    describe_otherwise,
    state_an_evening_later,
    leave_out_a_report,
    go_back_to_format_1,
    claim_other_makers,
]
ONLY_BY_KEY: list[Forge] = [halve, move_lock]
"""Each makes another whole package: the signature alone tells them apart."""


def name_of(forge: Forge) -> str:
    return forge.__name__


def test_the_untouched_package_is_settled(lab: Lab) -> None:
    assert [(c.name, c.lines, c.open) for c in lab.verify(lab.folder) if not c.ok or c.open] == []


@pytest.mark.parametrize("forge", AGAINST_THE_FORM, ids=name_of)
def test_a_forgery_is_refused_even_under_the_labs_own_key(forge: Forge, lab: Lab, copied: Copied) -> None:
    folder = copied()
    forge(folder)
    forger.seal(folder, lab.key)
    assert not is_settled(lab.verify(folder))


@pytest.mark.parametrize("forge", ONLY_BY_KEY, ids=name_of)
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "fresh key"])
def test_another_whole_package_is_not_vouched_for(
    forge: Forge, signed: bool, lab: Lab, copied: Copied
) -> None:
    folder = copied()
    forge(folder)
    key = Ed25519PrivateKey.generate() if signed else None
    for path in folder.glob("report*"):
        path.unlink()
    descriptor = forger.read(folder / "datapackage.json")
    descriptor["resources"] = [one for one in descriptor["resources"] if "report" not in one["path"]]
    (folder / "README.md").unlink()
    descriptor["resources"] = [one for one in descriptor["resources"] if one["path"] != "README.md"]
    (folder / "datapackage.json").write_bytes(forger.indented(descriptor))
    forger.seal(folder, key)
    checks = lab.verify(folder)
    assert [(check.name, check.lines) for check in checks if not check.ok] == []
    assert checks[-1].open == (f"UNKNOWN KEY {forger.public(key)}" if key else "UNSIGNED")


def test_a_report_of_another_evaluation_is_named(lab: Lab, copied: Copied) -> None:
    """With the real renderer: the reports of the lab's evaluation beside another one."""
    folder = copied()
    document = forger.read(folder / "evaluation.json")
    made: list[str] = []

    def render(one: dict[str, object], target: Path, language: str) -> None:
        made.append(language)
        write_reports(one, folder=target, language=language)

    rewrite_html(folder)
    rewrite_pdf(folder)
    forger.seal(folder, lab.key)
    checks = verify(folder, [TrustedKey(forger.public(lab.key), "lab")], render=render)
    failed = {check.name: check.lines for check in checks if not check.ok}
    assert failed == {
        "reports made again": [
            "report.html is not what evaluation.json gives",
            "report.pdf is not what evaluation.json gives",
        ]
    }
    assert made == ["en"]
    assert document == forger.read(folder / "evaluation.json")


@pytest.mark.parametrize("forge", [None, halve, empty_flags])
def test_a_table_that_stays_on_disk_is_verified_as_one_in_memory(
    lab: Lab, copied: Copied, forge: Forge | None
) -> None:
    folder = copied()
    if forge is not None:
        forge(folder)
    contents = load(folder, most_held=100)
    assert isinstance(contents.files["observations.csv"], OnDisk)
    trusted = [TrustedKey(forger.public(lab.key), "lab")]
    found = verify(contents, trusted, render=lab.render)
    assert found == verify(folder, trusted, render=lab.render)
    assert is_settled(found) == (forge is None)
