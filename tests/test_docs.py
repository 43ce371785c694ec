"""The documentation agrees with the code: links, reason codes, settings, metrics, verbs, fields,
dependencies.
"""

from __future__ import annotations

import ast
import doctest
import io
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from api.routes.ingest import SUFFIXES
from cli.group import command_of
from cli.verbs import VERBS
from ingest.files import mapping
from insitu.model import IgnoreReason, RejectReason
from insitu.settings import Settings
from insitu.wire import INBOUND_SUFFIXES
from proving.coverage.tables import NUMBERS
from simulators import scenario
from trials.designs import DESIGNS
from trials.plan import protocol
from trials.plan.reading import read_protocol
from trials.quality import CHECKS
from trials.report.sentence import sentences
from trials.statement import Kind

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_VERB = re.compile(
    r"(?:`|^\s*|\.venv/bin/|/opt/insitu/bin/)insitu ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", re.MULTILINE
)
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `([^`]+)`", re.MULTILINE)
_PATH = re.compile(r"`((?:[a-z_]+/)+(?:[a-z_]+\.(?:py|j2|po|sql|md))?)`")
_NAMED = re.compile(r"`(\w+)` (?:in|of) `([\w/]+\.py)`")


def pages() -> list[Path]:
    """Every Markdown file of the repository itself."""
    folders = ("docs", "deploy", *sorted(_packages()))
    return [
        *sorted(ROOT.glob("*.md")),
        *(page for folder in folders for page in sorted((ROOT / folder).rglob("*.md"))),
    ]


def _packages() -> Iterator[str]:
    return (path.parent.name for path in ROOT.glob("*/__init__.py"))


def rows(name: str) -> list[str]:
    """The text in ticks at the beginning of each table row of a page."""
    return _ROW.findall((DOCS / name).read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        found = (page.parent / target).resolve() if target else page
        if not found.exists() or ROOT not in found.parents or (anchor and anchor not in anchors(found)):
            broken.append(link)
        if DOCS in page.parents and (found.is_dir() or DOCS not in found.parents):
            broken.append(f"{link}: the site has no such page")
    assert not broken


def navigation() -> Iterator[str]:
    """The pages that `docs/conf.py` names, by their path below `docs`."""
    for statement in ast.parse((DOCS / "conf.py").read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "NAVIGATION":
            for above, parts in ast.literal_eval(statement.value).items():
                folder = Path(above).parent
                yield from ((folder / page).as_posix() for pages in parts.values() for page in pages)


def test_the_navigation_of_the_site_names_every_page_once() -> None:
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    assert sorted(navigation()) == sorted(pages - {"index"})


def named_paths(page: Path) -> set[str]:
    """Files and folders of the repository that a page names, without those named after `mine`."""
    paths = {path for path in _PATH.findall(page.read_text("utf-8")) if "mine" not in path}
    return {path for path in paths if path.partition("/")[0] in {*_packages(), "docs", "deploy"}}


@pytest.mark.parametrize(
    "page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix()
)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    assert {path for path in named_paths(page) if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("recipe", sorted((DOCS / "recipes").glob("*.md")), ids=lambda recipe: recipe.stem)
def test_the_table_that_a_recipe_adds_to_is_in_the_file_it_names(recipe: Path) -> None:
    named = {pair for pair in _NAMED.findall(recipe.read_text("utf-8")) if "mine" not in pair[1]}
    assert {pair for pair in named if pair[0] not in (ROOT / pair[1]).read_text("utf-8")} == set()


def test_every_reason_code_has_a_row_and_every_row_a_reason_code() -> None:
    assert sorted(rows("rejects.md")) == sorted([*map(str, RejectReason), *map(str, IgnoreReason)])


def test_every_format_has_a_row_with_its_topic_and_one_with_its_path() -> None:
    named = set(rows("formats.md"))
    assert {f"insitu/v1/TRIAL/DEVICE/{suffix}" for suffix in INBOUND_SUFFIXES} - named == set()
    assert {f"…/{path}" for path in SUFFIXES} - named == set()


def test_every_setting_has_a_row_with_its_default() -> None:
    text = (DOCS / "operations.md").read_text("utf-8")
    table = dict(re.findall(r"^\| `(INSITU_\w+)` \| ([^|]+) \|", text, re.MULTILINE))
    assert set(table) == {f"INSITU_{name.upper()}" for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        if field.default is PydanticUndefined:
            continue  # made at the start, and described in words
        shown = "–" if field.default is None else f"`{field.default}`"
        assert table[f"INSITU_{name.upper()}"] == shown, name


def public_functions(path: Path) -> list[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return [
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


def test_every_public_metric_has_a_row_and_every_row_a_metric() -> None:
    statistics = ROOT / "trials" / "statistics"
    files = [
        *sorted((statistics / "metrics").glob("*.py")),
        statistics / "intervals.py",
        statistics / "newey_west.py",
        statistics / "power.py",
    ]
    assert sorted(rows("metrics.md")) == sorted(name for path in files for name in public_functions(path))


def verbs() -> dict[str, set[str]]:
    """Verb → its sub-verbs."""
    groups = {
        name: [one.strip("_").replace("_", "-") for one in verb.functions]  # as they are called
        for name, verb in VERBS.items()
    }
    return {name: set(functions) if len(functions) > 1 else set() for name, functions in groups.items()}


def test_every_verb_is_there_with_its_options() -> None:
    for name, verb in VERBS.items():
        command = command_of(name, verb)
        assert command.get_short_help_str(), name


def test_every_verb_that_a_page_names_exists() -> None:
    known = verbs()
    wrong = []
    for page in pages():
        for verb, more in _VERB.findall(page.read_text("utf-8")):
            if verb not in known or (known[verb] and more and more not in known[verb]):
                wrong.append(f"{page.relative_to(ROOT)}: insitu {verb} {more}".strip())
    assert not wrong


def test_every_verb_is_named_on_some_page() -> None:
    named = {verb for page in pages() for verb, _ in _VERB.findall(page.read_text("utf-8"))}
    assert set(verbs()) - named == set()


def fields(module: object) -> set[str]:
    """Every field of the models of a module, as it is spelt in a file."""
    models = [m for m in vars(module).values() if isinstance(m, type) and issubclass(m, BaseModel)]
    return {
        field.alias or name
        for m in models
        if m.__module__ == module.__name__
        for name, field in m.model_fields.items()
    }  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "module"), [("protocol.md", protocol), ("simulators.md", scenario), ("formats.md", mapping)]
)
def test_every_field_of_a_file_that_people_write_is_explained(name: str, module: object) -> None:
    text = (DOCS / name).read_text("utf-8")
    assert {field for field in fields(module) if f"`{field}`" not in text} == set()


def test_every_check_and_every_parameter_of_one_is_explained() -> None:
    text = (DOCS / "protocol.md").read_text("utf-8")
    names = {name for check in CHECKS.values() for name in (check.name, *check.parameters.model_fields)}
    assert {name for name in names if f"`{name}`" not in text} == set()


def page_of(design: str) -> Path:
    (page,) = [
        page for page in (DOCS / "designs").glob("*.md") if f"**Name** `{design}`" in page.read_text("utf-8")
    ]
    return page


def test_every_design_has_a_page_with_its_statistics() -> None:
    for design in DESIGNS.values():
        text = page_of(design.name).read_text("utf-8")
        assert {name for name in design.statistics if f"`{name}`" not in text} == set(), design.name


def test_every_design_is_in_the_lists_of_designs_and_of_forecasts() -> None:
    lists = (DOCS / "designs" / "README.md").read_text("utf-8")
    fields = (DOCS / "protocol.md").read_text("utf-8")
    forecasts = fields.partition("\n## Power")[2].partition("\n## ")[0]
    for name in DESIGNS:
        page = page_of(name).name
        assert f"]({page})" in lists, name
        assert f"[`{name}`](designs/{page})" in fields, name
        assert f"`{name}`" in forecasts, name


def test_the_tables_of_validation_number_designs_as_their_pages() -> None:
    assert {name: int(page_of(name).name.partition("-")[0]) for name in DESIGNS} == NUMBERS


def test_every_finding_and_deviation_is_explained() -> None:
    text = (DOCS / "protocol.md").read_text("utf-8")
    codes = [sentence.code for kind in (Kind.FINDING, Kind.DEVIATION) for sentence in sentences(kind)]
    assert [code for code in codes if f"`{code}`" not in text] == []


def test_every_example_protocol_and_endpoint_is_valid() -> None:
    whole = re.findall(r"```json\n(.*?)```", (DOCS / "protocol.md").read_text("utf-8"), re.DOTALL)
    assert [read_protocol(text, source="docs/protocol.md").trial for text in whole] == ["platform-air"]
    for page in [DOCS / "protocol.md", *sorted((DOCS / "designs").glob("*.md"))]:
        block = "json-endpoint" if page.name == "protocol.md" else "json"
        for text in re.findall(rf"```{block}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            endpoint = protocol.Endpoint.model_validate_json(text)
            design = DESIGNS[endpoint.design]
            assert set(design.arms) <= set(endpoint.arms)
            assert {criterion.statistic for criterion in endpoint.criteria} <= set(design.statistics)


def test_the_examples_of_the_library_give_what_the_page_says() -> None:
    """Runs the examples in the order of the page, in one session."""
    text = (DOCS / "library.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 6
    test = doctest.DocTestParser().get_doctest("".join(blocks), {}, "docs/library.md", None, 0)
    said = io.StringIO()
    results = doctest.DocTestRunner(verbose=False).run(test, out=said.write)
    assert results.attempted > 30
    assert results.failed == 0, said.getvalue()


def test_the_library_needs_no_database() -> None:
    program = (
        "import sys; from trials import designs; from trials.statistics import criteria, intervals, metrics; "
        "print({'store', 'psycopg', 'api', 'ingest'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "set()\n"


def test_every_dependency_has_a_row_and_every_row_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(d for group in project["optional-dependencies"].values() for d in group),
    ]
    names = {re.split(r"[\[<>=! ]", dependency)[0] for dependency in declared}
    assert set(rows("decisions/0002-dependencies.md")) == names


def test_the_newest_release_of_the_changelog_is_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    newest, *_ = re.findall(r"^## (\S+), ", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest == project["version"]


def test_a_commit_is_checked_as_make_checks_it() -> None:
    (rule,) = re.findall(r"^check:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    hooks = {hook["entry"].removesuffix(" --force-exclude") for hook in local["hooks"]}
    assert hooks == {re.sub(r" --check| \.$", "", line.strip()).strip() for line in rule.splitlines()} - {""}


def test_the_forge_runs_the_script_of_ci_on_every_python_of_the_lock() -> None:
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"].values()
    assert "bash .ci/run" in [step.get("run") for step in job["steps"]]
    (first, last) = re.findall(r"CPython 3\.(\d+) to 3\.(\d+)", (ROOT / "Makefile").read_text("utf-8"))[0]
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(int(first), int(last) + 1)]
