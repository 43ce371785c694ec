"""Reads every refusal out of the source: the texts of raised errors, and every other sentence of the modules
whose sentences reach a page.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).resolve().parents[2]
ERRORS = {
    "AddFactor",
    "AlreadyExists",
    "Busy",
    "CorrectInput",
    "FreeSpace",
    "HTTPException",
    "InsituError",
    "NotAcceptedHere",
    "NotFound",
    "ProtocolLocked",
    "PydanticCustomError",
    "RaiseLimit",
    "RetryLater",
    "RowRefused",
    "SayColumns",
    "TooManyAttempts",
    "TrySmaller",
    "ValueError",
    "require_right",
}
ELSEWHERE = {
    "t",
    "n",
    "_",
    "info",
    "warning",
    "error",
    "exception",
    "debug",
    "state",
    "Sentence",
    "Field",
    "Query",
    "Form",
    "Path",
    "getLogger",
    "Option",
    "Argument",
    "record",
    "TypeVar",
    "Header",
    "compile",
    "ConfigDict",
    "execute",
    "Shown",
    "Figure",
    "Act",
}
"""Calls whose texts are translated elsewhere, or never shown."""
ROOMS = ("api", "ingest", "insitu", "jobs", "store", "trials")
PLACES = [
    "api",
    "store/access.py",
    "store/people.py",
    "store/tokens.py",
    "store/views.py",
    "store/walls.py",
    "store/factors.py",
    "store/retention.py",
    "store/erasures.py",
    "store/imports.py",
    "store/mapping.py",
    "store/mappings.py",
    "store/catalogue",
    "store/fields.py",
    "store/gate.py",
    "store/trials.py",
    "store/decisions.py",
    "store/corrections.py",
    "store/requests.py",
    "store/read",
    "store/alerts",
    "store/observations.py",
    "trials/workflow",
    "trials/plan",
    "trials/alerting",
    "trials/judge/compute.py",
    "ingest/acts",
    "ingest/files",
    "ingest/decode",
    "ingest/place.py",
    "ingest/fields.py",
    "ingest/reading.py",
    "ingest/field_values.py",
    "ingest/field_times.py",
    "ingest/budget.py",
    "ingest/storage.py",
    "ingest/denials.py",
    "ingest/aside.py",
    "ingest/alerting.py",
    "ingest/outcome.py",
    "ingest/booking.py",
    "insitu/entered.py",
    "insitu/errors.py",
    "insitu/units.py",
    "insitu/scales.py",
    "insitu/spacing.py",
    "insitu/zones.py",
    "insitu/model.py",
    "insitu/logins.py",
    "insitu/times.py",
    "insitu/wire.py",
    "jobs/deliveries.py",
    "jobs/requests.py",
    "jobs/channels",
]
APART = re.compile(
    r"words|sentences|templates\.py|shapes\.py|profiles/|columns/|snippet|processing\.py|pages/files"
    r"|quality\.py|api/acts\.py|protocol_form/(spec|choices)\.py|access_page|measure\.py|hosts\.py|refusal"
)
"""Modules of words that have French elsewhere, of formats, and of examples."""


class Refusal(NamedTuple):
    path: str
    line: int
    text: str
    """With a place in braces for each value."""


@cache
def refusals() -> tuple[Refusal, ...]:
    """Every one, in order of the files."""
    return tuple(refusal for place in PLACES for path in _files(place) for refusal in read(path))


def _files(place: str) -> list[Path]:
    root = TOP / place
    files = [root] if place.endswith(".py") else sorted(root.rglob("*.py"))
    return [path for path in files if not APART.search(str(path.relative_to(TOP)))]


def read(path: Path) -> Iterator[Refusal]:
    tree = ast.parse(path.read_text("utf-8"))
    apart, raised = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            apart.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            apart |= {id(part) for part in node.values}
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            parts = {id(part) for part in ast.walk(node)}
            apart |= parts if name in ELSEWHERE else set()
            raised |= parts if name in ERRORS else set()
    for node in ast.walk(tree):
        if id(node) not in apart and (text := text_of(node)) is not None:
            words = re.findall(r"[a-zA-Z]{2,}", re.sub(r"\{[^}]*\}", "", text))
            if " " in text and (len(words) >= 3 or (id(node) in raised and words)):
                yield Refusal(str(path.relative_to(TOP)), node.lineno, text)  # type: ignore[attr-defined]


def text_of(node: ast.AST) -> str | None:
    """A text, or an f-string whose values have names; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if re.search(r"\{\w*\}", node.value):
            return node.value
        return _literal(node.value)
    if not isinstance(node, ast.JoinedStr):
        return None
    text, names = "", dict[str, str]()
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += _literal(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            source, name = ast.unparse(part.value), (_name(part.value) or "part").strip("_").lower()
            number = 2
            chosen = name
            while names.get(chosen, source) != source:
                chosen, number = f"{name}{number}", number + 1
            names[chosen] = source
            text += f"{{{chosen}}}"
    return text


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _name(node: ast.AST) -> str | None:
    """The nearest name in an expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    if isinstance(node, ast.Call):
        last = node.args[-1] if node.args else None
        text = isinstance(last, ast.Constant | ast.JoinedStr)
        return (_name(last) if last is not None and not text else None) or _name(node.func)
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return _name(node.generators[0].iter)
    if isinstance(node, ast.BinOp):
        return _name(node.left) or _name(node.right)
    if isinstance(node, ast.BoolOp):
        return _name(node.values[0])
    if isinstance(node, ast.IfExp):
        return _name(node.body) or _name(node.orelse)
    return None


@cache
def wordless() -> dict[str, str]:
    """Name → docstring of each error that is raised, anywhere, without a text: then its docstring is read."""
    bases, texts, raised = dict[str, set[str]](), dict[str, str](), set[str]()
    for room in ROOMS:
        for path in sorted((TOP / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    bases[node.name] = {base.id for base in node.bases if isinstance(base, ast.Name)}
                    texts[node.name] = ast.get_docstring(node) or ""
                elif isinstance(node, ast.Call) and not node.args and not node.keywords:
                    raised |= _last_name(node.func)
                elif isinstance(node, ast.Raise) and node.exc is not None:
                    raised |= _last_name(node.exc)
    ours = {"InsituError"}
    while grown := {name for name, above in bases.items() if above & ours} - ours:
        ours |= grown
    return {name: texts[name] for name in ours & raised if texts[name]}


def _last_name(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return {node.id} if isinstance(node, ast.Name) else set()
