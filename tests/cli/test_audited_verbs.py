"""Each verb that changes something leaves a line in the audit log, which names who acted; each verb is either
in `ACTS` or in `NO_LINE` with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from api import totp
from api.passwords import hash_password
from api.sealing import factor_key, seal
from cli.actor import local_administrator
from cli.verbs import VERBS
from insitu.clock import SYSTEM
from insitu.errors import CorrectInput, InsituError, NotAcceptedHere
from insitu.settings import Settings
from store import factors, people
from store.access import add_person
from store.audit import audit, audit_problem
from store.catalogue.devices import add_device
from store.catalogue.networks import add_network_server
from store.catalogue.sensors import add_sensor
from store.catalogue.topics import add_topic
from store.database import Connection, connect
from tests.cli.calling import Told
from tests.fix_catalogue import START, SmallTrial
from tests.fix_running import receive, results
from tests.trials.world import criterion, endpoint, protocol_json
from trials.plan.protocol import Protocol
from trials.workflow.checking import check_quality
from trials.workflow.locking import lock_protocol

DAY = timedelta(days=1)
ANY = re.compile(r"[\s\S]*")
PASSWORD = "correct horse battery staple"

NO_LINE = {
    **dict.fromkeys(("demo", "up", "ingest", "serve", "work"), "runs parts; their acts are those of others"),
    **dict.fromkeys(
        (
            "mappings",
            "trials",
            "erasures",
            "record",
            "devices",
            "windows",
            "evaluations",
            "imports",
            "protocol",
        ),
        "only reads",
    ),
    **dict.fromkeys(("profiles", "power", "report", "verify", "check", "settings", "audit"), "only reads"),
    **dict.fromkeys(("cert", "bench"), "touches no installation"),
    "restore": "makes the installation; tests/end_to_end/test_drill.py looks at the line of its first start",
    "draft": "test_drafts_verb.py looks at its lines",
    "alerts": "tests/jobs/test_verb.py looks at its line",
    "people": "test_accounts.py looks at its lines",
    "walls": "test_accounts.py looks at its lines",
    "plans": "test_plans.py of the API looks at its lines",
    "decide": "test_deciding.py looks at its line",
    "key": "test_verify.py looks at its lines",
    "migrate": "its line is tested below, on an empty database",
    "pull": "needs a storage; begin_import writes its line, as that of import",
    "simulate": "needs a broker; its line is not tested here",
}


@dataclass(frozen=True)
class World:
    conn: Connection
    catalogue: SmallTrial
    told: Told
    folder: Path

    def say(self, *arguments: str) -> str:
        return self.told(*arguments, err=ANY)

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, "utf-8")
        return str(self.folder / name)

    def plan(self) -> dict[str, object]:
        """A blinded before/after of 40 days of device a."""
        made = endpoint(
            "before_after", [criterion("effect", high=-2)], arms=["candidate"], property="pm25", blinded=True
        )
        periods = [
            {"name": name, "start": (START + a * DAY).isoformat(), "end": (START + b * DAY).isoformat()}
            for name, a, b in (("baseline", 0, 20), ("reporting", 20, 40))
        ]
        return protocol_json(made, periods=periods, devices={"candidate": ["a"]}, time_zone="UTC") | {
            "trial": "t"
        }

    def lock(self) -> None:
        lock_protocol(self.conn, Protocol.model_validate(self.plan()), now=START - DAY, login="judge")
        receive(self.conn, self.catalogue.datastreams["a", "pm25"], list(range(960)), results())
        check_quality(self.conn, "t", now=START + 40 * DAY)
        self.conn.commit()

    def add(self, number: int) -> int:
        self.conn.commit()
        return number


def _swap(w: World) -> None:
    w.add(add_device(w.conn, trial="t", code="new", now=START))
    w.say("swap", "t", "a", "new", "--reason", "dead")


def _agreement(w: World) -> None:
    w.say("agreement", "t", w.file("agreement.toml", "signed_on = 2026-02-01\n"))


def _sensor(w: World) -> None:
    w.add(add_sensor(w.conn, device_id=w.catalogue.devices["a"], make="m", model="x"))
    w.say("sensor", "t", "a", "--reason", "new", "--serial", "2")


def _network(w: World) -> None:
    add_network_server(w.conn, code="lora", kind="chirpstack", now=START)
    w.conn.commit()
    w.say("network", "lora", "--enrol")


def _topics(w: World) -> None:
    add_topic(w.conn, topic="x/y", device_id=w.catalogue.devices["a"], suffix="obs", field=None, now=START)
    w.conn.commit()
    w.say("topics", "--withdraw", "x/y")


def _import(w: World) -> None:
    table = w.file("a.csv", "time,pm25\n2026-03-02T00:00:00Z,1\n")
    w.say("import", table, "--trial", "t", "--device", "a", "--map", "pm25=pm25")


def _withdraw(w: World) -> None:
    _import(w)
    w.say("withdraw", "1", "--reason", "wrong")


def _unblind(w: World) -> None:
    w.lock()
    w.say("unblind", "t", "main", "--reason", "done")


def _evaluate(w: World) -> None:
    w.lock()
    w.say("evaluate", "t")


def _export(w: World) -> None:
    _unblind(w)
    w.say("evaluate", "t")
    w.say("export", "t", "--to", str(w.folder / "package"))


def _logged_in(w: World, login: str, organisation: str) -> None:
    add_person(
        w.conn,
        login=login,
        name=login,
        organisation=organisation,
        password_hash=hash_password(PASSWORD),
        now=START,
    )
    w.conn.commit()
    w.say("login", login, "--password-file", w.file("password", PASSWORD))


def _logout(w: World) -> None:
    _logged_in(w, "marie", "lab")
    w.say("logout")


ORGANISATION = '[[organisation]]\ncode = "metro"\nname = "Metro"\nkind = "host"\n'
MAPPING = '[[mapping]]\ntrial = "t"\nfield = "PM"\nproperty = "pm25"\nunit = "ug/m3"\n'

ACTS: dict[str, Callable[[World], object]] = {
    "register": lambda w: w.say("register", w.file("r.toml", ORGANISATION)),
    "map": lambda w: w.say("map", "t", w.file("m.toml", MAPPING)),
    "move": lambda w: w.say("move", "t", "shortlisted"),
    "window": lambda w: w.say(
        *("window", "maintenance", "2026-03-02T00:00", "2026-03-02T01:00"),
        *("--site", "station", "--reason", "r"),
    ),
    "swap": _swap,
    "deployment": lambda w: w.say("deployment", "t", "a", "--reason", "r", "--start", "2026-02-28T00:00:00"),
    "sensor": _sensor,
    "enrol": lambda w: w.say("enrol", "t", "a"),
    "revoke": lambda w: w.say("revoke", "t", "a"),
    "network": _network,
    "topics": _topics,
    "import": _import,
    "withdraw": _withdraw,
    "lock": lambda w: w.say("lock", w.file("p.json", json.dumps(w.plan()))),
    "evaluate": _evaluate,
    "unblind": _unblind,
    "export": _export,
    "replay": lambda w: w.say("replay"),
    "retention": lambda w: w.say("retention", "t", "--purpose", "air"),
    "erase": lambda w: w.say("erase", "--device", "t/a", "--reason", "r"),
    "backup": lambda w: w.say("backup", "--to", str(w.folder / "backups")),
    "catalogue": lambda w: w.say("catalogue", "export", str(w.folder / "lab.zip")),
    "observations": lambda w: w.say("observations", "t", str(w.folder / "t.csv")),
    "broker-config": lambda w: w.say("broker-config", "nats", "--to", str(w.folder)),
    "shards": lambda w: w.say("shards", "--count", "2"),
    "agreement": _agreement,
    "login": lambda w: _logged_in(w, "marie", "lab"),
    "logout": _logout,
}
"""Verb → a call of it that changes something."""


@pytest.fixture
def world(
    conn: Connection,
    catalogue: SmallTrial,
    told_here: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("INSITU_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("INSITU_MQTT_URL", "mqtt://insitu:x@broker.example.org:1883")
    (tmp_path / "data").mkdir()
    return World(conn, catalogue, told_here, tmp_path)


def test_every_verb_leaves_a_line_or_says_here_why_not() -> None:
    missing = set(VERBS) - set(ACTS) - set(NO_LINE)
    assert not missing, f"{missing}: add a call to ACTS that must leave a line, or the reason to NO_LINE"
    assert not set(ACTS) & set(NO_LINE)
    assert not (set(ACTS) | set(NO_LINE)) - set(VERBS)


@pytest.mark.parametrize("verb", sorted(ACTS))
def test_an_act_leaves_a_line_that_names_who_acted(world: World, verb: str) -> None:
    ACTS[verb](world)
    lines = audit(world.conn)
    assert lines, verb
    who = "person:marie" if verb == "login" else local_administrator()
    assert lines[-1].login == who
    assert lines[-1].login.startswith(("local:", "person:"))
    assert audit_problem(world.conn) is None


def test_each_entry_of_a_registration_has_its_line(world: World) -> None:
    text = ORGANISATION + (
        '[[person]]\nlogin = "paul"\nname = "Paul"\norganisation = "metro"\n'
        '[[site]]\ncode = "quay"\nhost = "metro"\nname = "Quay"\n'
        '[[property]]\ncode = "no2"\nname = {en = "NO2", fr = "NO2"}\nunit = "ug/m3"\n'
        '[[need]]\ncode = "clean"\nhost = "metro"\ntitle = {en = "Clean", fr = "Propre"}\n'
        '[[trial]]\ncode = "u"\ntitle = {en = "U", fr = "U"}\nhost = "metro"\ncompany = "company"\n'
        '[[device]]\ntrial = "u"\ncode = "d"\nsite = "quay"\n'
        '[[mapping]]\ntrial = "u"\nfield = "n"\nproperty = "no2"\nunit = "ug/m3"\n'
        '[[network_server]]\ncode = "lora"\nkind = "chirpstack"\n'
        '[[network_address]]\nnetwork_server = "lora"\naddress = "chirpstack/0101010101010101"\n'
        'trial = "u"\ndevice = "d"\n'
    )
    world.say("register", world.file("r.toml", text))
    lines = [(line.action, line.subject) for line in audit(world.conn)]
    assert lines == [
        ("enter organisation", "metro"),
        ("enter person", "paul"),
        ("enter site", "quay"),
        ("enter property", "no2"),
        ("enter need", "clean"),
        ("enter trial", "u"),
        ("enter device", "u/d"),
        ("map", "u"),
        ("enter network server", "lora"),
        ("enter address", "chirpstack/0101010101010101"),
    ]
    world.say("register", world.file("r.toml", text))
    assert len(audit(world.conn)) == len(lines), "nothing changed"


# -- who acts


def test_on_behalf_of_is_for_known_people_and_names_both(world: World) -> None:
    window = ("window", "maintenance", "2026-03-02T00:00", "2026-03-02T01:00", "--site", "station")
    with pytest.raises(CorrectInput, match="There is no person 'nobody' here: nobody is known yet"):
        world.say(*window, "--reason", "r", "--login", "nobody")
    add_person(world.conn, login="marie", name="M", organisation="lab", password_hash="", now=START)
    world.conn.commit()
    with pytest.raises(CorrectInput, match="known are marie"):
        world.say(*window, "--reason", "r", "--login", "nobody")
    world.say(*window, "--reason", "r", "--login", "marie")
    both = f"{local_administrator()} on behalf of marie"
    assert [line.login for line in audit(world.conn)] == [both]
    assert both in world.say("windows", "t")


def test_a_signed_in_person_acts_with_the_rights_of_that_person(world: World) -> None:
    _logged_in(world, "judy", "judge")
    (session,) = (world.folder / "state" / "insitu").iterdir()
    assert session.stat().st_mode & 0o777 == 0o600
    world.say("lock", world.file("p.json", json.dumps(world.plan())))
    assert [(line.action, line.login) for line in audit(world.conn)][-1] == ("lock", "person:judy")
    assert world.conn.execute("SELECT locked_by FROM protocol").fetchall() == [("judy",)]
    with pytest.raises(NotAcceptedHere, match="judy may not do that"):
        world.say("move", "t", "shortlisted")
    with pytest.raises(CorrectInput, match="You act as judy, and only for yourself"):
        world.say("move", "t", "shortlisted", "--login", "marie")
    world.say("logout")
    world.say("move", "t", "shortlisted")
    assert audit(world.conn)[-1].login == local_administrator()


def test_an_ended_session_acts_for_nobody(world: World) -> None:
    _logged_in(world, "marie", "lab")
    world.conn.execute("DELETE FROM signed_in")
    world.conn.commit()
    with pytest.raises(NotAcceptedHere, match="has ended"):
        world.say("move", "t", "shortlisted")
    world.say("logout")
    world.say("move", "t", "shortlisted")


def test_a_wrong_password_signs_nobody_in(world: World) -> None:
    with pytest.raises(InsituError, match="wrong"):
        world.say("login", "marie", "--password-file", world.file("password", "no"))
    assert audit(world.conn) == []


def test_a_person_with_a_second_factor_acts_with_a_code_and_one_who_needs_it_not_without(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _logged_in(world, "marie", "lab")
    monkeypatch.setenv("INSITU_TOTP_REQUIRED", "lab")
    with pytest.raises(NotAcceptedHere, match="marie needs a second factor"):
        world.say("move", "t", "shortlisted")
    world.say("logout")
    number = people.get_member(world.conn, "marie").person_id
    key = factor_key(Settings(data_dir=world.folder / "data"))
    factors.offer(world.conn, number, seal(b"x" * 20, number, key))
    factors.take_step(world.conn, number, 1, START)
    world.conn.commit()
    known = ("login", "marie", "--password-file", world.file("password", PASSWORD))
    with pytest.raises(NotAcceptedHere, match="The code is wrong"):
        world.say(*known, "--code", "000000")
    world.say(*known, "--code", totp.code_of(b"x" * 20, totp.step_at(SYSTEM.now())))
    world.say("move", "t", "shortlisted")
    assert audit(world.conn)[-1].login == "person:marie"


def test_no_login_can_look_like_a_kind_of_actor(world: World) -> None:
    with pytest.raises(InsituError):
        add_person(world.conn, login="local:root", name="", organisation="lab", password_hash="", now=START)


def test_a_migration_leaves_a_line(told: Told, database_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"empty_{uuid4().hex[:8]}"
    url = make_conninfo(database_server, dbname=name)
    monkeypatch.setenv("INSITU_DATABASE_URL", url)
    with psycopg.connect(database_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            told("migrate", err=ANY)
            with connect(url, application="tests") as conn:
                assert [(one.action, one.login) for one in audit(conn)] == [
                    ("migrate", local_administrator())
                ]
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
