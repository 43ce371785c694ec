"""Plain English wherever a person reads: docstrings, comments, messages, pages, documents.

Turns that nobody says aloud are listed here; CONTRIBUTING.md says how to write instead.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
ROOMS = (
    "insitu",
    "store",
    "ingest",
    "trials",
    "api",
    "jobs",
    "simulators",
    "proving",
    "cli",
    "tests",
    "docs",
    "deploy",
)
TURNS = re.compile(
    r"\b(of which|whoever|anew|(?:is|are) said|(?:is|are) told|so many|what is of|hereby)\b", re.IGNORECASE
)
STATEMENT = re.compile(r"(?:^|(?<=[.!?:] ))What\b[^?]*?[.;](?= |$)")
"""A sentence that begins with "What" and is no question."""


def read(path: Path) -> list[tuple[int, str]]:
    """(line, text) of each piece of prose in a file."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        return [
            *docstrings_and_strings(text, messages=path.relative_to(TOP).parts[0] != "tests"),
            *comments(text),
        ]
    if path.suffix == ".sql":
        return [(n, line.partition("--")[2]) for n, line in enumerate(text.splitlines(), 1) if "--" in line]
    if path.suffix == ".j2":
        return [(n, line) for n, line in enumerate(text.splitlines(), 1)]
    return list(paragraphs(text))


def docstrings_and_strings(text: str, *, messages: bool) -> Iterator[tuple[int, str]]:
    """Strings that stand alone are docstrings; others with a space in them may be messages."""
    tree = ast.parse(text)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as prose) if " " in prose and (messages or id(node) in alone):
                yield node.lineno, prose


def comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Paragraphs and items of a Markdown document; headings, rows of tables and code are left out."""
    fenced, begun, lines = False, 0, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        bare = line.strip()
        ends = (
            not bare
            or bare.startswith(("#", "|", "```", "- ", "* "))
            or re.match(r"\d+\. ", bare) is not None
        )
        if ends and lines:
            yield begun, " ".join(lines)
            lines = []
        if bare.startswith("```"):
            fenced = not fenced
        elif bare and not fenced and not bare.startswith(("#", "|")):
            begun = begun if lines else number
            lines.append(re.sub(r"^([-*]|\d+\.) +", "", bare))


def files() -> list[Path]:
    kinds = (".py", ".sql", ".j2", ".md")
    inside = [p for room in ROOMS for p in (TOP / room).rglob("*") if p.suffix in kinds]
    own = (Path(__file__), TOP / "docs" / "schema.sql")
    return sorted(p for p in [*inside, *TOP.glob("*.md")] if p not in own)


IN_REPORTS = {
    "cli/demo/protocols.py": "the company is told by how much it fell short",
    "trials/designs/crossover.py": "What was before a switch lasts",
    "trials/report/history.py": "What changed since the last evaluation.",
    "trials/report/sections/verdict.py": "is told when the evaluator unblinds",
    "trials/report/words.py": "whoever is responsible decides",
}
"""File → the sentence of evaluations and reports in it that packages hold already: it stays as it is."""


def turns(text: str) -> list[str]:
    flat = " ".join(text.split())
    return [m[0] for m in TURNS.finditer(flat)] + [m[0] for m in STATEMENT.finditer(flat)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Runs until `stop`. Raises fatal errors; retries transient ones.", []),
        ("What is it for? It stores rows.", []),
        ("What is fatal is raised.", ["What is fatal is raised."]),
        ("Ends. What is fatal is\n raised; others wait.", ["What is fatal is raised;"]),
        ("Waits so many seconds, whoever asks.", ["so many", "whoever"]),
        ("Devices are told their limits.", ["are told"]),
    ],
)
def test_a_turn_is_found(text: str, found: list[str]) -> None:
    assert turns(text) == found


def test_prose_of_a_document_is_read_without_its_headings_tables_and_code() -> None:
    document = "## What it does.\n\nIt *stores*\nrows.\n\n| What | x. |\n\n```\nWhat x.\n```\n- one\n- two\n"
    assert [text for _, text in paragraphs(document)] == ["It *stores* rows.", "one", "two"]


def found_in(path: Path) -> list[str]:
    """The turns in a file, each with its place."""
    name = str(path.relative_to(TOP))
    kept = IN_REPORTS.get(name)
    prose = [(line, text) for line, text in read(path) if kept is None or kept not in " ".join(text.split())]
    return [f"{name}, line {line}: {turn}" for line, text in prose for turn in turns(text)]


def test_every_file_is_written_in_plain_words() -> None:
    paths = files()
    assert len(paths) > 500
    assert [turn for path in paths for turn in found_in(path)] == []
