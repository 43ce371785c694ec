"""Reports and README of a package, made again from evaluation.json and compared byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from insitu.errors import CorrectInput
from trials.evaluation import Evaluation
from trials.package.contents import Contents
from trials.package.makers import makers
from trials.package.readme import readme
from trials.package.strict import read_json, written
from trials.package.tables import FORMAT_1
from trials.plan.reading import canonical

Render = Callable[[dict[str, Any], Path, str], object]
"""render(evaluation document, folder, language): writes the five files of a report."""
_README: Final = "README.md"
_NAME: Final = "reports made again"


class Compared(NamedTuple):
    name: str
    ok: bool
    lines: list[str]
    open: str


def compare_reports(
    contents: Contents,
    stated: dict[str, Any],
    evaluation: Evaluation,
    made_by: Mapping[str, str],
    render: Render | None,
    form: int,
) -> Compared:
    """A report that differs is a difference if this Insitu makes the same bytes as the one that made it;
    otherwise its text is compared, and a remark says that the bytes were not.
    """
    there = {name: contents.of(name) for name in contents.files if _is_report(name)}
    if not there:
        return Compared(_NAME, True, ["the package holds no reports"], "")
    lines = [] if _same_json(contents, stated, form) else ["report.json is not evaluation.json"]
    if form == FORMAT_1:
        remark = "not made again: format 1 does not say what made them"
        return Compared(
            _NAME, not lines, lines or [remark], "" if lines else "NOT COMPARED: reports of format 1"
        )
    if render is None:
        return Compared(
            _NAME, not lines, lines or ["not made again"], "" if lines else "NOT COMPARED: reports"
        )
    made = _made(stated, evaluation, render, "fr" if "report.en.html" in there else "en")
    other = [name for name in sorted(there) if there[name] != made.get(name)]
    if not other:
        return Compared(_NAME, not lines, lines, "")
    if dict(made_by) == makers():
        lines += [f"{name} is not what evaluation.json gives" for name in other]
        return Compared(_NAME, False, lines, "")
    lines += [f"{name} has other text than evaluation.json gives" for name in _other_text(there, made, other)]
    by = ", ".join(f"{name} {value}" for name, value in made_by.items() if makers().get(name) != value)
    remarks = [f"{name} was not compared byte for byte: made by {by}" for name in other]
    unsure = f"NOT COMPARED BYTE FOR BYTE: {', '.join(other)}, made by {by}"
    return Compared(_NAME, not lines, lines or remarks, "" if lines else unsure)


def _is_report(name: str) -> bool:
    return name == _README or name.startswith("report")


def _same_json(contents: Contents, stated: dict[str, Any], form: int) -> bool:
    """Format 1 wrote whole numbers in report.json with a fraction of 0."""
    name = "report.json"
    if name not in contents.files:
        return True
    if form == FORMAT_1:
        try:
            return read_json(name, contents.of(name)) == stated
        except CorrectInput:
            return False
    return contents.of(name) == written(stated)


def _made(stated: dict[str, Any], evaluation: Evaluation, render: Render, language: str) -> dict[str, bytes]:
    sha256 = hashlib.sha256(canonical(stated)).hexdigest()
    with TemporaryDirectory() as name:
        render(stated, Path(name), language)
        made = {path.name: path.read_bytes() for path in Path(name).iterdir()}
    return made | {_README: readme(evaluation, sha256).encode()}


def _other_text(there: Mapping[str, bytes], made: Mapping[str, bytes], other: list[str]) -> Iterator[str]:
    """HTML files among `other` that say something else, whatever they look like."""
    for name in other:
        if name.endswith(".html") and text_of_html(there[name]) != text_of_html(made.get(name, b"")):
            yield name


class _Text(HTMLParser):
    """Collects the words outside styles and drawings."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._inside = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside += tag in ("style", "svg")

    def handle_endtag(self, tag: str) -> None:
        self._inside -= tag in ("style", "svg")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.words += data.split()


def text_of_html(content: bytes) -> list[str]:
    """The words of a page in their order."""
    parser = _Text()
    parser.feed(content.decode("utf-8", "replace"))
    parser.close()
    return parser.words
