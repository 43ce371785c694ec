"""The shell's completions, and that they import no verb."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
LOADED = """
import sys
from cli.group import app
from typer.main import get_command
group = get_command(app)
found = group.shell_complete(group.make_context("insitu", [], resilient_parsing=True), sys.argv[1])
print(*(one.value for one in found))
print(*({"numpy", "fastapi", "psycopg", "cli.lists", "cli.fleet"} & set(sys.modules)))
"""


def completed(*words: str, shell: str = "bash") -> list[str]:
    """Returns the answer of `insitu` to the function that `--show-completion` prints."""
    environment = {
        "_INSITU_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": " ".join(words),
    }
    done = subprocess.run(
        [sys.executable, "-m", "cli"],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_a_verb_is_completed() -> None:
    assert completed("insitu", "ev") == ["evaluations", "evaluate"]
    assert completed("insitu", "devi") == ["devices"]
    assert completed("insitu", "nothing") == [""]


def test_options_of_a_verb_and_the_parts_of_a_group_are_completed() -> None:
    assert completed("insitu", "devices", "--js") == ["--json"]
    assert completed("insitu", "bench", "") == ["ingest", "evaluate", "query", "pages"]
    assert "--version" in completed("insitu", "--")


def test_zsh_is_told_what_a_verb_does() -> None:
    assert '"devices":"List devices: where they stand, last seen, state and why."'.replace(
        "devices:", r"devices\\:"
    ) in "\n".join(completed("insitu", "devi", shell="zsh"))


@pytest.mark.parametrize("unfinished", ["", "d", "--"])
def test_completing_a_verb_imports_none(unfinished: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, unfinished], capture_output=True, text=True, cwd=TOP, timeout=60
    )
    offered, loaded = done.stdout.splitlines()
    assert ("devices" in offered) == (unfinished != "--"), done.stderr
    assert loaded == ""


def test_no_module_imports_what_typer_keeps_to_itself() -> None:
    private = re.compile(r"\btyper\.(\w+\.)*_|from typer(\.\w+)* import _")
    rooms = [path.parent for path in TOP.glob("*/__init__.py")]
    assert not [
        str(path)
        for room in rooms
        for path in room.rglob("*.py")
        if path != Path(__file__) and private.search(path.read_text("utf-8"))
    ]
