"""`insitu people`: inviting, resetting, disabling, tokens; and the question of `check` about them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from cli.actor import local_administrator
from cli.leavers import describe_people
from cli.policy import LookAt
from insitu.errors import AlreadyExists, CorrectInput, NotFound
from insitu.model import OrganisationKind
from store import access, factors, people
from store.audit import audit
from store.catalogue.organisations import add_organisation
from store.database import Connection
from store.walls import add_wall
from tests.cli.calling import Told

NOW = datetime.now(UTC)


@pytest.fixture
def lab(conn: Connection) -> Connection:
    add_organisation(conn, code="lab", name="Lab", kind=OrganisationKind.LAB, now=NOW)
    access.add_person(conn, login="lab", name="Lab", organisation="lab", password_hash="$argon2$", now=NOW)
    conn.commit()
    return conn


def test_a_person_is_invited_by_a_link_that_is_shown_once(told_here: Told, lab: Connection) -> None:
    text = told_here("people", "invite", "Marie.Dupont@Ville.fr", "--organisation", "lab", "--manages")
    assert "Give marie.dupont@ville.fr this link" in text
    assert re.search(r"http://127\.0\.0\.1:8080/invitations/[\w-]{43}\n", text)
    member = people.get_member(lab, "marie.dupont@ville.fr")
    assert (member.is_active, member.manages_people) == (False, True)
    for arguments, error in (
        (("invite", "lab", "--organisation", "lab"), AlreadyExists),
        (("invite", "a b", "--organisation", "lab"), CorrectInput),
        (("invite", "new", "--organisation", "nowhere"), NotFound),
        (("reset", "nobody"), NotFound),
        (("disable", "lab"), CorrectInput),
        (("revoke", "7"), NotFound),
    ):
        with pytest.raises(error):
            told_here("people", *arguments)


def test_a_leaver_is_disabled_and_comes_back(told_here: Told, lab: Connection) -> None:
    told_here("people", "invite", "eve", "--organisation", "lab")
    assert "eve is disabled" in told_here("people", "disable", "Eve")
    assert people.get_member(lab, "eve").disabled_at is not None
    lab.rollback()
    with pytest.raises(CorrectInput, match="enable the person first"):
        told_here("people", "reset", "eve")
    told_here("people", "enable", "eve")
    assert "/invitations/" in told_here("people", "reset", "eve")
    told_here("people", "manager", "eve")
    told_here("people", "manager", "eve", "--no-longer")
    done = [line.action for line in audit(lab)]
    assert done == [
        *("invite", "disable", "enable", "invite", "let manage people", "let manage people no longer")
    ]


def test_tokens_are_made_listed_handed_over_and_ended(told_here: Told, lab: Connection) -> None:
    access.add_person(lab, login="ada", name="Ada", organisation="lab", password_hash="$argon2$", now=NOW)
    lab.commit()
    text = told_here("people", "token", "lab", "--name", "Grafana", "--days", "30", "--machine")
    assert re.search(r"\n    insitu_[\w-]{43}\n", text)
    said = told_here("people", "token", "ada", "--name", "notebook", "--days", "400", "--acts")
    assert "notebook reads and acts with the rights of ada." in said
    (machine,) = json.loads(told_here("people", "tokens", "--json"))
    assert (machine["name"], machine["login"], machine["organisation"]) == ("Grafana", "lab", "Lab")
    assert "notebook" in told_here("people", "tokens", "ada")
    number = str(machine["access_token_id"])
    assert "ada answers" in told_here("people", "assign", number, "ada")
    assert "Grafana, has ended" in told_here("people", "revoke", number)
    assert "There is no token" in told_here("people", "tokens")


def test_walls_are_listed_and_ended(told_here: Told, lab: Connection) -> None:
    assert "There is no wall" in told_here("walls")
    viewer = access.viewer_of(lab, "lab")
    for name, trials in (("Hall", ["platform-air"]), ("Yard", [])):
        add_wall(
            lab,
            viewer,
            name=name,
            trials=trials,
            sites=[],
            days=9,
            token_sha256=name[0].encode() * 32,
            now=NOW,
        )
    lab.commit()
    listed = {one["name"]: one for one in json.loads(told_here("walls", "--json"))}
    assert {name: (one["login"], one["trials"]) for name, one in listed.items()} == {
        "Hall": ("lab", ["platform-air"]),
        "Yard": ("lab", []),
    }
    text = told_here("walls")
    assert "platform-air" in text
    assert "all that this person sees" in text
    number = str(listed["Hall"]["wall_link_id"])
    assert f"Wall {number} has ended" in told_here("walls", "end", number)
    assert [one["name"] for one in json.loads(told_here("walls", "--json"))] == ["Yard"]
    with pytest.raises(NotFound, match=f"no wall {number}, or it was ended"):
        told_here("walls", "end", number)
    (line,) = [one for one in audit(lab) if one.action == "end wall"]
    assert (line.login, line.subject, line.detail) == (local_administrator(), number, {"of": "lab"})


def test_the_list_stays_where_no_other_verb_is_named(told_here: Told, lab: Connection) -> None:
    assert told_here("people").startswith("login  name")
    assert json.loads(told_here("people", "--json"))[0]["login"] == "lab"


def test_check_names_people_who_may_have_left_and_tokens_that_end_soon(
    told_here: Told, lab: Connection
) -> None:
    assert describe_people(lab).startswith("everybody signed in")
    long_ago = NOW - timedelta(days=181)
    for login, password_hash in (("gone", "$argon2$"), ("invited", None), ("back", "$argon2$")):
        access.add_person(
            lab, login=login, name=login, organisation="lab", password_hash=password_hash, now=long_ago
        )
    lab.execute("UPDATE person SET last_sign_in_at = clock_timestamp() WHERE login = 'back'")
    lab.commit()
    told_here("people", "token", "lab", "--name", "short", "--days", "20")
    told_here("people", "token", "lab", "--name", "long", "--days", "200")
    with pytest.raises(LookAt) as found:
        describe_people(lab)
    assert "not signed in for 180 days: gone (" in str(found.value)
    assert "short of lab on" in str(found.value)
    assert "long" not in str(found.value)


def test_a_lost_factor_is_reset_and_another_sign_in_unlinked(told_here: Told, lab: Connection) -> None:
    number = people.get_member(lab, "lab").person_id
    with pytest.raises(CorrectInput, match="has no second factor"):
        told_here("people", "reset-factor", "lab")
    factors.offer(lab, number, b"sealed")
    factors.take_step(lab, number, 1, NOW)
    lab.execute("UPDATE person SET issuer = 'https://accounts.example.org', subject = 'm1'")
    lab.commit()
    assert people.get_member(lab, "lab").has_factor
    lab.rollback()
    assert "lab has no second factor any more" in told_here("people", "reset-factor", "Lab")
    assert "No other sign-in knows lab" in told_here("people", "unlink", "lab")
    member = people.get_member(lab, "lab")
    assert (member.has_factor, member.is_linked) == (False, False)
    assert [line.action for line in audit(lab)] == ["reset second factor", "unlink sign-in"]
