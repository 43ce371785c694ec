"""A catalogue moved to an empty installation is the same one: the second export has the bytes of the first,
and PostgreSQL itself finds the same rows in both.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.people import add_first_person
from insitu.errors import CorrectInput, InsituError, UpgradeInsitu
from store.access import password_of
from store.audit import audit, audit_problem
from store.catalogue.moving import LEFT_OUT, MOVED, STAYS, was_moved
from store.catalogue.organisations import add_organisation
from store.database import Connection, connect
from store.evidence import find_differences
from store.ledger import recount
from tests.api.conftest import filled, own_world_url
from tests.api.world import World
from tests.fix_database import clone
from trials.workflow.again import evaluate_again
from trials.workflow.moving import MANIFEST, export_catalogue, import_catalogue

__all__ = ["filled", "own_world_url"]
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
NASTY = "é\u2028\x7f\x1b\"\\', ,\n[{}] null \U0001f600 ﬀ"
MORE = """\
INSERT INTO alert_rule (person_id, kind, trial_id, is_on, remind_hours)
    SELECT min(p.person_id), 'silent', min(t.trial_id), true, 4 FROM person p, trial t;
INSERT INTO unit_conversion VALUES ('ug/m3', 'mg/m3', 1000, 0), ('K', 'Cel', 1, 273.15), ('1', 'x',
        0.1, 1e-300)
    ON CONFLICT DO NOTHING;
INSERT INTO need (code, host_id, title, description, created_at)
    SELECT 'quiet-one', min(organisation_id), '{"en": "%(n)s", "fr": 1.10}', '{}', now() FROM
        organisation WHERE kind = 'host';
INSERT INTO agreement (trial_id, document, sha256, entered_at, entered_by)
    SELECT min(trial_id), '{}', encode(sha256('{}'), 'hex'), '2026-01-01 00:00:00.000001', 'lab' FROM
        trial;
INSERT INTO retention (trial_id, results_days, rejects_days, raw_fields, set_at, set_by)
    SELECT min(trial_id), 10, 10, ARRAY['a,b', 'c"d'], now(), 'lab' FROM trial ON CONFLICT DO NOTHING;
INSERT INTO protocol_draft SELECT min(trial_id), '%(n)s', now(), 'lab' FROM trial;
INSERT INTO network_server (code, kind, created_at) VALUES ('lora', 'chirpstack', now());
INSERT INTO network_address SELECT 'chirpstack/0101010101010101', max(network_server_id), (SELECT
        min(device_id) FROM device)
    FROM network_server;
INSERT INTO fixed_topic SELECT 'a/ß', min(device_id), 'obs', NULL, now() FROM device;
INSERT INTO fixed_topic SELECT 'a/Z', min(device_id), 'obs', NULL, now() FROM device;
INSERT INTO saved_view (person_id, name, address, place) SELECT min(person_id), '%(n)s', '/fleet?site=a', 1
    FROM person;
INSERT INTO site_plan (site_id, name, rank, image, sha256, width, height, changed_at, changed_by)
    SELECT min(site_id), '%(n)s', -2, decode('89504e4700ff', 'hex'), encode(sha256('x'), 'hex'), 3, 2,
        now(), 'lab' FROM site;
INSERT INTO plan_place SELECT min(deployment_id), max(site_plan_id), 12.5, 0.1, now(), 'lab'
    FROM deployment, site_plan;
INSERT INTO sensor (device_id, make, model) SELECT min(device_id), 'm', '%(n)s' FROM device;
INSERT INTO sensor (device_id, make, model, since, replaces) SELECT min(device_id), 'm', 'x', now(),
        max(sensor_id) FROM sensor;
INSERT INTO mapping (trial_id, devices, field, property_id, unit, role, result_type, expected_interval,
        rule)
    SELECT min(trial_id), '{"p*"}', 'ﬀ', min(property_id), '1', 'candidate', 'number',
        '1 month 2 days 00:00:00.5',
           '{"factor": 1.10}' FROM trial, observed_property;
INSERT INTO unblinding SELECT min(trial_id), 'e', now(), 'judge', '%(n)s' FROM trial;
INSERT INTO decision (trial_id, evaluation_id, evaluation_sha256, protocol_sha256, outcome, reason,
        decided_at, decided_by, on_behalf)
    SELECT trial_id, evaluation_id, e.sha256, '', 'stop', '%(n)s', now(), 'metro-buyer', false FROM
        evaluation e LIMIT 1;
UPDATE trial SET state = 'stop' WHERE trial_id = (SELECT trial_id FROM decision);
INSERT INTO trial_step (trial_id, from_state, to_state, at) SELECT trial_id, 'evaluated', 'stop', now()
        FROM decision;
INSERT INTO erasure (at, by_login, reason, trial, parts) SELECT now(), 'lab', 'asked', code,
        '{results}' FROM trial LIMIT 1;
INSERT INTO erased_rows SELECT max(erasure_id), '', '', 'observation', 5, 5 FROM erasure;
INSERT INTO declared_window (kind, trial_id, period, reason, declared_by, declared_at, ended_at, ended_by)
    SELECT 'incident', min(trial_id), '[2026-01-01 00:00:00.25,)', '%(n)s', 'lab', now(), now(), 'lab'
        FROM trial;
INSERT INTO second_factor (person_id, secret) SELECT min(person_id), sha256('factor') FROM person;
INSERT INTO invitation (token_sha256, person_id, purpose, created_by, expires_at)
    SELECT sha256('invitation'), min(person_id), 'invitation', 'lab', now() + interval '1 day' FROM
        person;
"""
"""A row at least for each table that the world of the API leaves empty."""
SECRET = (
    "person.password_hash",
    "credential.token_sha256",
    "credential.nats_hash",
    "credential.mosquitto_hash",
)


@pytest.fixture
def source(own_world_url: str) -> Iterator[Connection]:
    with connect(own_world_url, application="tests") as conn:
        for statement in MORE.split(";\n"):
            if statement.strip():
                conn.execute((statement % {"n": sql_text(NASTY)}).encode())
        conn.commit()
        yield conn


def sql_text(text: str) -> str:
    """In quotes of SQL, and of JSON inside them."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("'", "''")


@pytest.fixture
def target(database_server: str, migrated_template: str, tmp_path: object) -> Iterator[Connection]:
    """An installation that was only started."""
    with clone(database_server, migrated_template) as url, connect(url, application="tests") as conn:
        add_first_person(conn, tmp_path)  # type: ignore[arg-type]
        yield conn


def exported(conn: Connection) -> bytes:
    done = export_catalogue(conn, by="lab", now=NOW, simulated=False)
    assert done.sha256 == hashlib.sha256(done.content).hexdigest()
    conn.commit()
    return done.content


def enter(conn: Connection, content: bytes, *, simulated: bool = False) -> None:
    try:
        import_catalogue(conn, content, by="local:root", now=NOW, simulated=simulated)
        conn.commit()
    except InsituError:
        conn.rollback()
        raise


def rows_of(conn: Connection, table: str) -> list[str]:
    """Every row as PostgreSQL writes it, without the columns that stay."""
    names = [
        name
        for (name,) in conn.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
            " AND table_schema = 'public' ORDER BY 1",
            (table,),
        )
        if f"{table}.{name}" not in LEFT_OUT
    ]
    columns = ", ".join(f'"{name}"' for name in names)
    return sorted(text for (text,) in conn.execute(f"SELECT ROW({columns})::text FROM {table}".encode()))


def everything(conn: Connection) -> dict[str, list[str]]:
    tables = [name for (name,) in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return {name: rows_of(conn, name) for name in tables}


def test_every_table_moves_or_has_a_reason_to_stay(conn: Connection) -> None:
    tables = {n for (n,) in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert set(MOVED) | set(STAYS) == tables, "add it to MOVED or, with the reason, to STAYS"
    assert not set(MOVED) & set(STAYS)
    columns = {
        f"{table}.{name}"
        for table, name in conn.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        )
    }
    assert set(LEFT_OUT) <= {one for one in columns if one.split(".")[0] in MOVED}


def test_the_page_names_every_table_that_moves_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "moving.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(MOVED)


def test_no_moved_row_refers_to_one_that_stays(conn: Connection) -> None:
    keys = conn.execute(
        "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
    ).fetchall()
    assert keys
    place = {name: number for number, name in enumerate(MOVED)}
    for table, other in keys:
        if table in place:
            assert place[other] <= place[table], (table, other)


def change(conn: Connection, draw: random.Random) -> None:
    """Other texts and numbers in columns that take any, and rows away."""
    texts = ["", "0", NASTY, "\t", "１", "1e5", "NaN", "'" * 9, "x" * 90]
    for statement in (
        "UPDATE organisation SET name = %s WHERE organisation_id %% 3 = %s",
        "UPDATE site SET name = %s WHERE site_id %% 3 = %s",
        "UPDATE person SET name = %s WHERE person_id %% 3 = %s",
        "UPDATE device SET model = %s WHERE device_id %% 3 = %s",
        "UPDATE protocol_draft SET text = %s WHERE trial_id %% 3 = %s",
    ):
        conn.execute(statement.encode(), (draw.choice(texts), draw.randrange(3)))
    number = draw.choice([0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 12345678901234567.0])
    conn.execute("UPDATE unit_conversion SET scale = %s, shift = %s", (number or 1, number))
    conn.execute(
        "UPDATE mapping SET rule = %s", (draw.choice(['{"a": 1.10}', '{"a": 1e2, "b": [null]}', "{}"]),)
    )
    spacing = draw.choice(["1 month", "00:00:00.000001", "1 year 2 mons -3 days 04:05:06.000007", None])
    conn.execute("UPDATE mapping SET expected_interval = %s::interval WHERE stamp = 'instant'", (spacing,))
    if draw.random() < 0.5:
        conn.execute("DELETE FROM protocol_draft")
        conn.execute("DELETE FROM alert_rule")
    conn.commit()


@pytest.mark.parametrize("seed", range(6))
def test_the_second_export_has_the_bytes_of_the_first_and_both_databases_the_same_rows(
    source: Connection, target: Connection, seed: int
) -> None:
    if seed:
        change(source, random.Random(seed))
    first = exported(source)
    if not seed:
        assert {name for name in MOVED if not rows_of(source, name)} == set(), "add a row to MORE"
    enter(target, first)
    assert exported(target) == first
    was, is_now = everything(source), everything(target)
    assert {name: is_now[name] for name in MOVED} == {name: was[name] for name in MOVED}
    work = {"audit", "fact_change", "catalogue_version", "broker_state", "installation", "schema_migration"}
    made = {"shard_count", "backup_state"}  # by the migrations
    assert {name for name in STAYS if is_now[name]} <= work | made


def test_the_file_holds_no_secret(source: Connection) -> None:
    secrets = {
        bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)
        for column in SECRET
        for (value,) in source.execute(
            "SELECT {1} FROM {0} WHERE {1} IS NOT NULL".format(*column.split(".")).encode()
        )
    }
    secrets |= {hashlib.sha256(word).hexdigest() for word in (b"factor", b"invitation")}
    secrets = {one for one in secrets if len(one) > 20}  # some devices of the world have `-` as a hash
    assert len(secrets) > 10
    with zipfile.ZipFile(io.BytesIO(exported(source))) as archive:
        text = "".join(archive.read(name).decode() for name in archive.namelist())
    assert [one for one in secrets if one in text] == []


def test_what_is_entered_afterwards_gets_the_next_numbers(source: Connection, target: Connection) -> None:
    enter(target, exported(source))
    ((last,),) = target.execute("SELECT max(organisation_id) FROM organisation").fetchall()
    add_organisation(target, code="next", name="Next", kind="host", now=NOW)  # type: ignore[arg-type]
    assert target.execute("SELECT max(organisation_id) FROM organisation").fetchall() == [(last + 1,)]


def test_the_first_account_goes_on_with_its_password_and_nobody_else_has_one(
    source: Connection, target: Connection
) -> None:
    ((password,),) = target.execute("SELECT password_hash FROM person").fetchall()
    enter(target, exported(source))
    found = target.execute(
        "SELECT login, password_hash FROM person WHERE password_hash IS NOT NULL"
    ).fetchall()
    assert found == [("lab", password)]
    assert password_of(target, "judge") is not None


def test_the_records_agree_with_the_log_of_the_new_installation_and_a_new_one_needs_a_line(
    source: Connection, target: Connection
) -> None:
    content = exported(source)
    assert audit(source)[-1].detail["sha256"] == hashlib.sha256(content).hexdigest()
    enter(target, content)
    last = audit(target)[-1]
    assert (last.action, last.login) == ("import catalogue", "local:root")
    assert last.detail["sha256"] == hashlib.sha256(content).hexdigest()
    assert audit_problem(target) is None
    assert find_differences(target) == []
    assert recount(target) == []
    target.execute(
        "INSERT INTO agreement (trial_id, document, sha256, entered_at, entered_by)"
        " SELECT min(trial_id), '[]', encode(sha256('[]'), 'hex'), now(), 'lab' FROM trial"
    )
    assert any("has no line in the audit log" in one for one in find_differences(target))


@pytest.mark.parametrize("number", [-1, 0])
def test_no_number_needs_no_line_where_nothing_was_moved(source: Connection, number: int) -> None:
    source.execute(
        "INSERT INTO agreement (agreement_id, trial_id, document, sha256, entered_at, entered_by) OVERRIDING "
        "SYSTEM VALUE SELECT %s, min(trial_id), '[]', encode(sha256('[]'), 'hex'), now(), 'lab' FROM trial",
        (number,),
    )
    assert [one for one in find_differences(source) if f"agreement {number} " in one]


def test_records_are_moved_only_where_the_log_says_so_and_how_many(
    source: Connection, target: Connection
) -> None:
    enter(target, exported(source))
    assert find_differences(target) == []
    target.execute(
        "UPDATE installation SET content = (content::jsonb || '{\"agree\": 999}')::text"
        " WHERE name = 'moved here'"
    )
    (found,) = find_differences(target)
    assert "import of a catalogue has another numbers" in found
    source.execute("INSERT INTO installation VALUES ('moved here', '{\"agree\": 999}')")
    assert [one for one in find_differences(source) if "import of a catalogue has no line" in one]


def test_the_night_makes_no_evaluation_without_the_results_that_did_not_move(
    source: Connection, target: Connection, filled: tuple[str, World]
) -> None:
    number = filled[1].evaluation_id
    ((trial, state),) = source.execute(
        "SELECT code, state FROM trial JOIN evaluation USING (trial_id) WHERE evaluation_id = %s", (number,)
    ).fetchall()
    if state == "stop":
        source.execute("UPDATE trial SET state = 'evaluated' WHERE code = %s", (trial,))
        source.execute("DELETE FROM trial_step WHERE to_state = 'stop'")
        source.commit()
    enter(target, exported(source))
    assert was_moved(target, number)
    assert not was_moved(source, number)
    target.execute(
        "INSERT INTO datastream_latest (datastream_id, phenomenon_time, result, received_at)"
        " SELECT min(datastream_id), now(), 1, now() FROM datastream"
    )  # one result, long after, is not those behind it
    assert evaluate_again(target, trial, now=NOW.replace(year=2030), login="job", simulated=False) is None


# -- what is refused, and leaves nothing


def changed(content: bytes, change: Callable[[dict[str, bytes]], None], *, sealed: bool = True) -> bytes:
    """The file with other content, and a manifest that fits it if `sealed`."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    if sealed:
        manifest = json.loads(files[MANIFEST])
        manifest["files"] = {
            name: {"rows": len(json.loads(text)), "sha256": hashlib.sha256(text).hexdigest()}
            for name, text in files.items()
            if name != MANIFEST
        }
        files[MANIFEST] = json.dumps(manifest).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return made.getvalue()


def swap(name: str, was: bytes, text: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        assert was in files[name], files[name][:300]
        files[name] = files[name].replace(was, text, 1)

    return change


def without(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.pop(name) and None


def put(name: str, text: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({name: text})


REFUSED: dict[str, tuple[Callable[[dict[str, bytes]], None], bool, str]] = {
    "a changed row": (swap("site.json", b'"name": "', b'"name": "X'), False, "was changed since the export"),
    "a missing table": (without("need.json"), False, "need.json is missing"),
    "another file": (put("audit.json", b"[]\n"), True, "no part of a catalogue"),
    "no manifest": (put(MANIFEST, b"hello"), False, "cannot be read"),
    "another format": (swap(MANIFEST, b"insitu-catalogue", b"x"), False, "does not say"),
    "a later version": (
        swap(MANIFEST, b'"version": 1', b'"version": 2'),
        False,
        "this Insitu reads version 1",
    ),
    "an unknown column": (swap("site.json", b'{"', b'{"colour": 1, "'), True, "other keys|does not know"),
    "a secret column": (swap("person.json", b'{"', b'{"password_hash": "x", "'), True, "other keys|does not"),
    "rows on one line": (
        lambda files: files.update({"site.json": files["site.json"].replace(b",\n", b",")}),
        True,
        "a row on each line",
    ),
    "no array": (put("site.json", b'{"a": 1}'), True, "a row on each line"),
    "no JSON": (put("protocol_draft.json", b"\xff\n"), False, "SHA-256"),
    "a row that refers to none": (put("site.json", b"[\n]\n"), True, "Nothing was entered"),
    "a word that is none": (swap("trial.json", b'"state": "stop"', b'"state": "won"'), True, "Nothing was"),
    "a number that is none": (
        swap("site.json", b'"site_id": ', b'"site_id": 9999999999'),
        True,
        "Nothing was",
    ),
    "another margin": (swap("protocol.json", b'\\"version\\"', b'\\"Version\\"'), True, "does not agree"),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_a_file_that_was_changed_is_refused_in_words_and_leaves_nothing(
    source: Connection, target: Connection, what: str
) -> None:
    make, sealed, words = REFUSED[what]
    content = changed(exported(source), make, sealed=sealed)
    before = everything(target)
    with pytest.raises((CorrectInput, UpgradeInsitu), match=words):
        enter(target, content)
    assert everything(target) == before


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_zip_of_ours_is_refused(target: Connection, content: bytes) -> None:
    with pytest.raises(CorrectInput, match="no catalogue"):
        enter(target, content)


def test_a_file_with_other_bytes_at_any_place_is_refused_in_words(
    source: Connection, target: Connection
) -> None:
    content, draw, refused = exported(source), random.Random(5), 0
    for _ in range(60):
        at = draw.randrange(content.index(b"PK\x01\x02"))
        broken = content[:at] + draw.randbytes(4) + content[at + 4 :]
        try:
            enter(target, broken)
        except CorrectInput:
            refused += 1
            target.rollback()
        else:  # a moment in the head of a part says nothing
            with zipfile.ZipFile(io.BytesIO(broken)) as one, zipfile.ZipFile(io.BytesIO(content)) as other:
                assert [one.read(name) for name in one.namelist()] == list(map(other.read, other.namelist()))
            break
    assert refused > 3


def test_other_names_and_deep_content_are_refused_before_they_cost_anything(
    source: Connection, target: Connection
) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    for make in (put("bomb.json", b"0"), put("trial.json", deep), put(MANIFEST, deep)):
        with pytest.raises(CorrectInput):
            enter(target, changed(exported(source), make, sealed=False))
        target.rollback()


def test_a_catalogue_of_a_simulated_time_stays_in_simulated_time(
    source: Connection, target: Connection
) -> None:
    with pytest.raises(CorrectInput, match="comes from a real time"):
        enter(target, exported(source), simulated=True)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO organisation (code, name, kind, created_at) VALUES ('x', 'X', 'host', now())",
        "INSERT INTO observed_property (code, name, unit) VALUES ('x', '{}', '1')",
        "INSERT INTO second_factor (person_id, secret) SELECT person_id, 'x' FROM person",
        "INSERT INTO network_server (code, kind, created_at) VALUES ('lora', 'chirpstack', now())",
    ],
)
def test_an_installation_with_a_catalogue_takes_no_other_one(
    source: Connection, target: Connection, statement: str
) -> None:
    target.execute(statement.encode())
    target.commit()
    before = everything(target)
    with pytest.raises(CorrectInput, match=r"has a catalogue already: .+ \(\d+\)"):
        enter(target, exported(source))
    assert everything(target) == before


def test_the_account_of_the_service_exports_and_cannot_import(source: Connection, target: Connection) -> None:
    content = exported(source)
    target.execute("SET ROLE insitu_service")
    export_catalogue(target, by="lab", now=NOW, simulated=False)
    with pytest.raises(InsituError, match="INSITU_OWNER_DATABASE_URL"):
        import_catalogue(target, content, by="local:root", now=NOW, simulated=False)
    target.rollback()
