"""`insitu decide`, and people with a role in the programme file."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.actor import local_administrator
from insitu.errors import CorrectInput, NotFound
from insitu.model import OrganisationKind, Role, TrialState
from store.access import add_person, viewer_of
from store.audit import audit
from store.catalogue.organisations import add_organisation
from store.catalogue.trials import get_trial, move_trial
from store.database import Connection
from store.decisions import find_decision
from tests.cli.calling import Told
from tests.cli.test_lists import evaluated
from tests.fix_catalogue import START, SmallTrial


@pytest.fixture
def evaluation(conn: Connection, catalogue: SmallTrial) -> int:
    """Of a trial that runs, with a buyer, an operator and the lab."""
    for login, organisation, role in (
        ("buyer", "host", Role.BUYER),
        ("operator", "host", None),
        ("lab", "lab", None),
    ):
        add_person(
            conn, login=login, name=login, organisation=organisation, password_hash="", role=role, now=START
        )
    states = ("shortlisted", "agreement", "deployment", "running")
    for state in states:
        move_trial(conn, trial="t", to=TrialState(state), at=START, login="lab")
    number = evaluated(conn)
    conn.commit()
    return number


def test_a_buyer_decides_and_the_lab_on_behalf(told_here: Told, conn: Connection, evaluation: int) -> None:
    given = ("decide", "t", "buy", "--evaluation", str(evaluation), "--reason", "good")
    with pytest.raises(NotFound):
        told_here(*given, "--login", "operator")
    with pytest.raises(CorrectInput, match="There is no person 'nobody' here"):
        told_here(*given, "--login", "nobody")
    with pytest.raises(CorrectInput, match="A decision is a person's"):
        told_here(*given)
    said = told_here(*given, "--login", "lab")
    who = local_administrator("lab")
    assert said == f"t: buy on evaluation {evaluation}, decided by {who}, for Host.\n"
    made = find_decision(conn, "t")
    assert made is not None
    assert (made.on_behalf, made.reason, get_trial(conn, "t").state) == (True, "good", TrialState.BUY)
    with pytest.raises(CorrectInput, match="is decided: buy"):
        told_here(*given, "--login", "buyer")


def test_on_an_early_look_a_trial_only_stops(told_here: Told, conn: Connection, evaluation: int) -> None:
    number = evaluated(conn, interim=True, verdict="not_met")
    conn.commit()
    rest = ("--evaluation", str(number), "--reason", "harm", "--login", "buyer")
    with pytest.raises(CorrectInput, match="only stop"):
        told_here("decide", "t", "buy", *rest)
    with pytest.raises(CorrectInput, match="not the newest"):
        told_here("decide", "t", "buy", "--evaluation", str(evaluation), "--reason", "x", "--login", "buyer")
    assert told_here("decide", "t", "stop", *rest).startswith("t: stop on evaluation")


def test_a_decision_is_not_entered_by_moving_the_trial(told_here: Told, evaluation: int) -> None:
    with pytest.raises(CorrectInput, match="insitu decide t buy"):
        told_here("move", "t", "buy")


def test_the_programme_file_states_roles_and_a_wrong_one_is_explained(
    told_here: Told, conn: Connection, tmp_path: Path
) -> None:
    add_organisation(conn, code="metro", name="Metro", kind=OrganisationKind.HOST, now=START)
    add_organisation(conn, code="court", name="Court", kind=OrganisationKind.AUDITOR, now=START)
    conn.commit()
    file = tmp_path / "people.toml"

    def register(organisation: str, role: str) -> str:
        stated = f'role = "{role}"\n' if role else ""
        file.write_text(f'[[person]]\nlogin = "ada"\nname = "Ada"\norganisation = "{organisation}"\n{stated}')
        return told_here("register", str(file))

    with pytest.raises(CorrectInput, match="A person of a host is operator or buyer, not auditor"):
        register("metro", "auditor")
    with pytest.raises(CorrectInput, match="A person of an auditor is auditor, not lab"):
        register("court", "lab")
    with pytest.raises(CorrectInput, match=r"person\.0\.role"):
        register("metro", "king")
    assert register("metro", "buyer").startswith("entered person ada")
    assert viewer_of(conn, "ada").role is Role.BUYER
    conn.rollback()
    assert register("metro", "").startswith("there   person ada"), "a role that is not stated stays"
    assert "role was 'buyer', is 'operator'" in register("metro", "operator")
    assert viewer_of(conn, "ada").role is Role.OPERATOR
    assert audit(conn)[-1].action == "change person"
    with pytest.raises(CorrectInput, match="operator or buyer"):
        register("metro", "lab")
