"""The lists `trials`, `devices`, `people`, `windows`, `evaluations`: tables for a person, JSON for a program,
and advice while there is nothing to list.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from insitu.errors import NotFound
from insitu.model import OrganisationKind, WindowKind
from store.access import add_person
from store.catalogue.deployments import swap_device
from store.catalogue.devices import add_device
from store.catalogue.organisations import add_organisation
from store.catalogue.trials import add_trial
from store.catalogue.windows import add_window
from store.database import Connection
from store.trials import lock_protocol, save_evaluation, save_protocol
from tests.cli.calling import Told
from tests.fix_catalogue import START, SmallTrial
from tests.test_cli import complaint, run

HASH = "0" * 64
SECRET = "2718.28"


def read(text: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def evaluated(
    conn: Connection,
    *,
    blinded: bool = False,
    interim: bool = False,
    verdict: str = "met",
    afterwards: tuple[dict[str, str], ...] = (),
) -> int:
    """Stores an evaluation of trial `t` by the first version of its protocol; locks that version if
    necessary.
    """
    found = conn.execute("SELECT protocol_id FROM protocol").fetchone()
    if found is None:
        number = save_protocol(conn, trial="t", version=1, document="{}", sha256=HASH, now=START)
        lock_protocol(conn, protocol_id=number, at=START, login="judge")
    else:
        number = found[0]
    made = save_evaluation(
        conn,
        trial="t",
        protocol_id=number,
        evaluated_at=START + timedelta(days=60),
        evaluated_by="judge",
        verdict=verdict,
        interim=interim,
        inputs_sha256=HASH,
        sha256=HASH,
        document=json.dumps({"value": SECRET}),
        blinded=blinded,
        after_the_fact=bool(afterwards),
        afterwards=afterwards,
    )
    conn.commit()
    return made


def test_an_empty_list_is_one_sentence_that_says_what_to_do_and_in_json_an_empty_array(
    told_here: Told,
) -> None:
    for verb, next_step in (
        ("trials", "`insitu register FILE`"),
        ("devices", "`insitu enrol TRIAL DEVICE"),
        ("people", "`insitu register FILE`"),
        ("evaluations", "`insitu evaluate TRIAL`"),
    ):
        text = told_here(verb)
        assert next_step in text
        assert (text.count("\n"), text[-2:]) == (1, ".\n")
        assert read(told_here(verb, "--json")) == []


def test_a_trial_without_windows_or_evaluations_says_how_it_gets_some(
    told_here: Told, catalogue: SmallTrial
) -> None:
    assert told_here("windows", "t").startswith("No window of t is declared: `insitu window maintenance ")
    assert told_here("evaluations", "t").endswith("`insitu evaluate t` makes one.\n")
    assert read(told_here("windows", "t", "--json")) == read(told_here("evaluations", "t", "--json")) == []


@pytest.mark.parametrize("verb", ["devices", "windows", "evaluations"])
def test_a_trial_that_does_not_exist_is_named(told_here: Told, verb: str) -> None:
    with pytest.raises(NotFound, match="There is no trial 'nowhere'"):
        told_here(verb, "nowhere", "--json")


def test_an_error_is_text_on_stderr_also_where_json_is_asked_for(database_url: str) -> None:
    done = run("windows", "nowhere", "--json", INSITU_DATABASE_URL=database_url)
    assert "There is no trial 'nowhere'" in complaint(done)
    assert done.stdout == ""


def test_trials_are_listed_with_their_state_protocol_and_result(
    told_here: Told, conn: Connection, catalogue: SmallTrial
) -> None:
    add_trial(
        conn, code="quiet", title={"en": "Quiet", "fr": "Calme"}, host="host", company="company", now=START
    )
    evaluated(conn)
    assert told_here("trials") == (
        "trial  state  devices  protocol   result  host  company  title\n"
        "quiet  need         0  –          –       Host  Company  Quiet\n"
        "t      need         2  version 1  met     Host  Company  Trial\n"
    )
    quiet, small = read(told_here("trials", "--json"))
    assert quiet["verdict"] is None
    assert small["evaluation_id"]
    assert small | {"evaluation_id": 1} == {
        "trial": "t",
        "title": {"en": "Trial", "fr": "Essai"},
        "state": "need",
        "host": "Host",
        "company": "Company",
        "evaluator": "Judge",
        "need": None,
        "time_zone": "Europe/Paris",
        "created_at": "2026-03-01T00:00:00Z",
        "ends_at": None,
        "devices": 2,
        "protocol_version": 1,
        "locked_at": "2026-03-01T00:00:00Z",
        "has_draft": False,
        "evaluation_id": 1,
        "evaluated_at": "2026-04-30T00:00:00Z",
        "verdict": "met",
        "interim": False,
        "blinded": False,
        "after_the_fact": False,
        "afterwards": [],
        "withdrawn_imports": [],
    }


def hear(conn: Connection, catalogue: SmallTrial, device: str, before: timedelta) -> datetime:
    """Stores a contact of the device, `before` ago; returns its time."""
    at = datetime.now(UTC) - before
    conn.execute(
        "INSERT INTO device_contact (device_id, first_seen_at, last_seen_at, battery) "
        "VALUES (%(id)s, %(at)s, %(at)s, 90)",
        {"id": catalogue.devices[device], "at": at},
    )
    conn.commit()
    return at


def test_devices_are_listed_where_they_stand_now_with_state_and_cause(
    told_here: Told, conn: Connection, catalogue: SmallTrial
) -> None:
    heard = hear(conn, catalogue, "a", timedelta(days=3))
    spare = add_device(conn, trial="t", code="spare", now=START)
    swap_device(conn, old_device_id=catalogue.devices["b"], new_device_id=spare, at=START + timedelta(days=1))
    conn.commit()
    lines = told_here("devices", "t").splitlines()
    assert [re.split(r"\s{2,}", line) for line in lines] == [
        ["trial", "device", "site", "position", "last seen (UTC)", "state", "why"],
        ["t", "a", "station", "a", f"{heard:%Y-%m-%d %H:%M}", "silent", "no message for 3 days"],
        ["t", "b", "–", "–", "–", "retired", "since 2026-03-02 00:00 UTC"],
        ["t", "spare", "station", "b", "–", "never seen", "no message yet"],
    ]
    a, b, _ = read(told_here("devices", "--json"))
    assert a["last_seen_at"] == heard.isoformat().replace("+00:00", "Z")
    assert (a["site"], a["deployed_at"], a["battery"]) == ("station", "2026-03-01T00:00:00Z", 90)
    assert (a["state"], a["causes"], a["why"]) == ("silent", ["silent"], "no message for 3 days")
    assert (b["site"], b["position"], b["state"], b["retired_at"]) == (
        None,
        None,
        "retired",
        "2026-03-02T00:00:00Z",
    )
    assert set(a) == {
        *("trial", "device", "name", "model", "serial", "site", "position", "deployed_at", "last_seen_at"),
        *("state", "causes", "why", "battery", "rssi", "firmware", "clock_offset", "completeness"),
        "retired_at",
    }


def test_a_device_in_a_window_says_which_and_until_when(
    told_here: Told, conn: Connection, catalogue: SmallTrial
) -> None:
    heard = hear(conn, catalogue, "a", timedelta(days=3))
    end = datetime.now(UTC) + timedelta(hours=1)
    add_window(
        conn,
        kind=WindowKind.MAINTENANCE,
        device_id=catalogue.devices["a"],
        start=heard,
        end=end,
        reason="new filter",
        declared_by="metro",
        now=heard,
    )
    conn.commit()
    line = told_here("devices", "t").splitlines()[1]
    assert re.split(r"\s{2,}", line)[5:] == [
        "in window",
        f"maintenance until {end:%Y-%m-%d %H:%M} UTC: new filter",
    ]


def test_people_are_listed_without_what_signing_in_compares(told_here: Told, conn: Connection) -> None:
    add_organisation(conn, code="metro", name="Metro", kind=OrganisationKind.HOST, now=START)
    for login in ("ada", "ben"):
        add_person(
            conn, login=login, name=login.title(), organisation="metro", password_hash="$argon2$", now=START
        )
    conn.execute("UPDATE person SET disabled_at = %s WHERE login = 'ben'", (START + timedelta(days=1),))
    conn.commit()
    assert told_here("people") == (
        "login  name  organisation  role      since (UTC)       disabled (UTC)\n"
        "ada    Ada   metro         operator  2026-03-01 00:00  –\n"
        "ben    Ben   metro         operator  2026-03-01 00:00  2026-03-02 00:00\n"
    )
    text = told_here("people", "--json")
    assert "argon2" not in text
    assert read(text)[1] == {
        "login": "ben",
        "name": "Ben",
        "organisation": "metro",
        "role": "operator",
        "language": "fr",
        "created_at": "2026-03-01T00:00:00Z",
        "disabled_at": "2026-03-02T00:00:00Z",
    }


def test_windows_of_a_trial_its_sites_and_devices_are_listed_and_late_ones_are_marked(
    told_here: Told, conn: Connection, catalogue: SmallTrial
) -> None:
    hour = timedelta(hours=1)
    add_window(
        conn,
        kind=WindowKind.MAINTENANCE,
        site="station",
        start=START + hour,
        end=START + 3 * hour,
        reason="cleaning\n\x1b[31mof the platform",
        declared_by="metro",
        now=START,
    )
    add_window(
        conn,
        kind=WindowKind.INCIDENT,
        device_id=catalogue.devices["a"],
        start=START + 5 * hour,
        end=START + 6 * hour,
        reason="fell",
        declared_by="lab",
        now=START + 9 * hour,
    )
    conn.commit()
    assert told_here("windows", "t") == (
        "kind         of            start (UTC)       end (UTC)         declared (UTC)    by     reason\n"
        "maintenance  site station  2026-03-01 01:00  2026-03-01 03:00  2026-03-01 00:00  metro  "
        "cleaning �[31mof the platform\n"
        "incident     device a      2026-03-01 05:00  2026-03-01 06:00  2026-03-01 09:00  lab    "
        "fell (declared afterwards)\n"
    )
    assert read(told_here("windows", "t", "--json"))[1] == {
        "trial": "t",
        "kind": "incident",
        "target_kind": "device",
        "target": "a",
        "start": "2026-03-01T05:00:00Z",
        "end": "2026-03-01T06:00:00Z",
        "reason": "fell",
        "declared_by": "lab",
        "declared_at": "2026-03-01T09:00:00Z",
        "is_afterwards": True,
    }


def test_a_blinded_result_is_listed_by_no_verb_in_no_form(
    told_here: Told, conn: Connection, catalogue: SmallTrial
) -> None:
    evaluated(conn, blinded=True)
    for words in (("evaluations",), ("evaluations", "t"), ("trials",)):
        text, document = told_here(*words), told_here(*words, "--json")
        assert not re.search(rf"\bmet\b|{SECRET}", text + document)
        assert "blinded" in text
        assert (read(document)[0]["verdict"], read(document)[0]["blinded"]) == (None, True)


def test_a_look_is_listed_as_no_verdict(told_here: Told, conn: Connection, catalogue: SmallTrial) -> None:
    evaluated(conn, interim=True)
    evaluated(conn, interim=True, verdict="not_met")
    first, second = told_here("evaluations").splitlines()[1:]
    assert first.endswith("look, no verdict: stop for harm")
    assert second.endswith("look, no verdict")


def test_a_verdict_whose_criteria_came_afterwards_is_listed_with_the_sentence_beside_it(
    told_here: Told, conn: Connection, catalogue: SmallTrial
) -> None:
    sentence = {"en": "It was locked late.", "fr": "Verrouillé tard."}
    number = evaluated(conn, afterwards=(sentence,))
    for verb, name in (("evaluations", f"Evaluation {number}"), ("trials", "t")):
        text = told_here(verb)
        assert "met, criteria set after the fact" in text
        assert text.endswith(f"\n{name}: It was locked late.\n")
        (line,) = read(told_here(verb, "--json"))
        assert (line["verdict"], line["after_the_fact"], line["afterwards"]) == ("met", True, [sentence])


def test_evaluations_are_listed_newest_first_and_older_ones_are_announced(
    told_here: Told,
    conn: Connection,
    catalogue: SmallTrial,
) -> None:
    older, newer = evaluated(conn, verdict="inconclusive"), evaluated(conn, verdict="not_met")
    lines = told_here("evaluations").splitlines()
    assert [re.split(r"\s{2,}", line.strip()) for line in lines] == [
        ["evaluation", "trial", "evaluated (UTC)", "by", "protocol", "result"],
        [str(newer), "t", "2026-04-30 00:00", "judge", "version 1", "not met"],
        [str(older), "t", "2026-04-30 00:00", "judge", "version 1", "inconclusive"],
    ]
    assert read(told_here("evaluations", "t", "--json"))[0] == {
        "evaluation_id": newer,
        "trial": "t",
        "evaluated_at": "2026-04-30T00:00:00Z",
        "evaluated_by": "judge",
        "verdict": "not_met",
        "interim": False,
        "blinded": False,
        "after_the_fact": False,
        "afterwards": [],
        "withdrawn_imports": [],
        "erasures": [],
        "inputs_sha256": HASH,
        "sha256": HASH,
        "version": 1,
    }
    announced = "There are older ones: --most 10 shows more.\n"
    newest = read(told_here("evaluations", "--most", "1", "--json", err=announced))
    assert [one["evaluation_id"] for one in newest] == [newer]
