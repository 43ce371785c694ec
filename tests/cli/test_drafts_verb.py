"""`draft`: the third face of what several people write together, with the page and the API as the others."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.main import get_command

from cli.actor import local_administrator
from cli.group import app
from insitu.errors import ChangedMeanwhile, CorrectInput, InsituError, NotAcceptedHere, NotFound
from store.access import viewer_of
from store.audit import audit
from store.catalogue.trials import get_trial
from store.drafts import find_draft
from tests.cli.test_audited_verbs import World, _logged_in, world
from tests.fix_catalogue import START
from trials.workflow.keeping import keep_draft

__all__ = ["world"]
OTHER = '{"trial": "t", "version": 1, "title": "é"}'


def exit_code(*arguments: str) -> int:
    return int(get_command(app).main(list(arguments), prog_name="insitu", standalone_mode=False) or 0)


def version_of(w: World) -> str:
    return str(json.loads(w.say("draft", "show", "t", "--json"))["version"])


def test_a_draft_is_begun_listed_shown_changed_and_thrown_away(world: World) -> None:
    assert "No trial has a draft" in world.say("draft")
    assert json.loads(world.say("draft", "--json")) == []
    with pytest.raises(NotFound, match="t has no draft"):
        world.say("draft", "show", "t")
    assert "Kept as the draft of t" in world.say("draft", "edit", "t", world.file("a.json", OTHER))
    assert world.say("draft", "show", "t") == OTHER + "\n"
    first = version_of(world)
    (line,) = json.loads(world.say("draft", "--json"))
    assert (line["trial"], line["version"], line["characters"]) == ("t", first, len(OTHER))
    assert first in world.say("draft")
    world.say("draft", "edit", "t", world.file("b.json", OTHER * 2), "--version", first)
    assert version_of(world) != first
    with pytest.raises(ChangedMeanwhile):
        world.say("draft", "drop", "t", "--version", first)
    world.say("draft", "drop", "t", "--version", version_of(world))
    assert find_draft(world.conn, "t") is None
    lines = [(one.action, one.subject, one.login) for one in audit(world.conn)]
    me = local_administrator()
    assert lines == [("keep draft", "t", me), ("keep draft", "t", me), ("drop draft", "t", me)]


def test_a_draft_that_somebody_changed_on_the_page_is_not_replaced(world: World) -> None:
    world.say("draft", "edit", "t", world.file("a.json", OTHER))
    read = version_of(world)
    _logged_in(world, "judy", "judge")
    judge, own = viewer_of(world.conn, "judy"), get_trial(world.conn, "t")
    kept = keep_draft(
        world.conn, own, '{"theirs": 1}', expected=read, viewer=judge, now=START + timedelta(days=1)
    )
    world.conn.commit()
    mine = world.file("mine.json", '{"mine": 1}')
    for version in ([], ["--version", read], ["--version", "nothing"]):
        with pytest.raises(ChangedMeanwhile, match=f"judy kept.*--version {kept.tag}"):
            world.say("draft", "edit", "t", mine, *version)
    assert Path(mine).read_text() == '{"mine": 1}'
    assert world.say("draft", "show", "t") == '{"theirs": 1}\n', "both are there"
    world.say("draft", "edit", "t", mine, "--version", kept.tag)
    assert world.say("draft", "show", "t") == '{"mine": 1}\n'
    world.say("draft", "edit", "t", world.file("a.json", OTHER), "--version", "*")


def test_the_person_of_the_shell_needs_the_right_to_lock(world: World) -> None:
    _logged_in(world, "carol", "company")
    with pytest.raises(NotAcceptedHere, match="carol may not do that"):
        world.say("draft", "edit", "t", world.file("a.json", OTHER))
    assert find_draft(world.conn, "t") is None
    world.say("logout")
    _logged_in(world, "judy", "judge")
    world.say("draft", "edit", "t", world.file("a.json", OTHER))
    stored = find_draft(world.conn, "t")
    assert stored is not None
    assert stored.changed_by == "judy"


def test_a_check_names_every_problem_with_its_line_and_ends_with_1(world: World) -> None:
    plan = world.file("p.json", json.dumps(world.plan(), indent=1))
    assert "Nothing keeps" in world.say("draft", "check", "t", plan)
    broken = world.plan() | {"confidence": 3, "question": 5}
    world.say("draft", "edit", "t", world.file("b.json", json.dumps(broken, indent=1)))
    assert exit_code("draft", "check", "t") == 1
    assert "Nothing keeps" in world.say("draft", "check", "t", plan), "a file is checked in its place"


def test_the_problems_of_a_check_are_those_of_the_lock(
    world: World, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    broken = world.file("b.json", json.dumps(world.plan() | {"confidence": 3}, indent=1))
    assert exit_code("draft", "check", "t", broken, "--json") == 1
    (problem,) = json.loads(capsysbinary.readouterr().out)["problems"]
    with pytest.raises(InsituError) as refused:
        world.say("lock", broken)
    assert problem["field"] in str(refused.value)
    assert f"line {problem['line']}" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff", "UTF-8"), (b"", "empty"), (b"a\0b", "NUL"), (b"x" * 400_001, "at most 400,000")],
)
def test_a_file_that_can_be_no_draft_is_refused_in_words(world: World, content: bytes, words: str) -> None:
    path = world.folder / "bad.json"
    path.write_bytes(content)
    with pytest.raises(CorrectInput, match=words):
        world.say("draft", "edit", "t", str(path))
    with pytest.raises(CorrectInput, match="Cannot read"):
        world.say("draft", "edit", "t", str(world.folder / "nowhere.json"))
    with pytest.raises(NotFound):
        world.say("draft", "show", "nowhere")
