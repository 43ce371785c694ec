"""The house: which room may import which, and how large rooms may become. Computed from the imports, not from
a list of contracts.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
FLOORS = (
    ("cli",),
    ("proving",),
    ("api", "jobs"),
    ("ingest", "trials", "simulators"),
    ("store",),
    ("insitu",),
)
"""Floors from the roof to the ground; rooms of one floor do not import each other."""
ROOMS = tuple(room for floor in FLOORS for room in floor)
MOST_LINES = 400
MOST_COLUMNS = 110
MOST_LATE_IMPORTS = 15
"""Libraries that may be imported inside a function: large ones that most runs do not need."""

YARD = {
    *(".ci", ".devcontainer", ".editorconfig", ".github", ".gitignore", ".pre-commit-config.yaml"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "NOTICE", "README.md", "SECURITY.md"),
    *("pyproject.toml", "requirements.lock", "requirements-dev.lock", "deploy", "docs", "tests"),
}
"""Beside the rooms. Anything else was committed by mistake."""

Graph = dict[str, set[str]]


def sources() -> dict[str, Path]:
    """Module → its file."""
    found = {}
    for room in ROOMS:
        for path in (TOP / room).rglob("*.py"):
            parts = path.relative_to(TOP).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def imports() -> Graph:
    """Module → the modules of ours that it imports, including imports for type checking only."""
    files = sources()

    def module_of(name: str) -> str:
        while name and name not in files:
            name = name.rpartition(".")[0]
        return name

    graph: Graph = {}
    for module, path in files.items():
        names = {module_of(name) for name in imported(ast.parse(path.read_text("utf-8")))}
        graph[module] = names - {module, ""}
    return graph


def circles(graph: Graph) -> list[list[str]]:
    """Groups of modules in which each reaches each (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles(imports()) == []


def test_every_arrow_between_rooms_falls() -> None:
    height = {room: len(FLOORS) - number for number, floor in enumerate(FLOORS) for room in floor}
    wrong = [
        f"{module} → {other}"
        for module, others in imports().items()
        for other in others
        if (here := module.partition(".")[0]) != (there := other.partition(".")[0])
        and height[here] <= height[there]
    ]
    assert wrong == []


@pytest.mark.parametrize("room", ROOMS)
def test_folders_side_by_side_do_not_import_each_other_in_a_circle(room: str) -> None:
    """Folders of one room; files in the room itself belong to none of them."""
    files = sources()

    def folder(module: str) -> str:
        parts = files[module].relative_to(TOP).parts
        return parts[1] if parts[0] == room and len(parts) > 2 else ""

    graph: Graph = {}
    for module, others in imports().items():
        if here := folder(module):
            graph.setdefault(here, set()).update({folder(other) for other in others} - {here, ""})
    assert circles(graph) == []


def test_nothing_lies_about_in_the_yard() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no clone")
    assert {name.partition("/")[0] for name in listed.stdout.split("\0") if name} == YARD | set(ROOMS)


def test_no_file_is_longer_than_a_wall() -> None:
    long = {str(path): text.count("\n") for path in sources().values() if (text := path.read_text("utf-8"))}
    assert {path: lines for path, lines in long.items() if lines > MOST_LINES} == {}


def python_files() -> Iterator[Path]:
    yield from sources().values()
    yield from (TOP / "tests").rglob("*.py")


def test_no_line_is_longer_than_the_formatter_makes_it_and_nobody_overrules_it() -> None:
    wrong = [
        f"{path}:{number}"
        for path in python_files()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if len(line) > MOST_COLUMNS or "# fmt: skip" in line.replace('"# fmt: skip"', "")
    ]
    assert wrong == []


def test_imports_stand_at_the_top() -> None:
    late = [
        f"{module}.{function.name}: {ast.unparse(node)}"
        for module, path in sources().items()
        for function in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    print(f"\n{len(late)} late imports")
    assert len(late) <= MOST_LATE_IMPORTS, "\n".join(late)
