"""Who hears of what, when, and how often: real database, the time given."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from insitu.model import WindowKind
from store.access import viewer_of
from store.backups import BackupState
from store.catalogue.windows import add_window
from store.database import Connection, connect
from tests.jobs.field import START, Field, add_webhook, build_field
from trials.alerting.kinds import AlertKind
from trials.workflow.alert_acts import acknowledge, set_rule

HOUR = timedelta(hours=1)


def test_a_field_in_order_tells_nobody_anything(field: Field) -> None:
    field.run(6 * HOUR)
    assert field.alerts() == []


def test_a_silent_device_is_one_alert_for_each_who_may_see_it_and_ends_once(field: Field) -> None:
    add_webhook(field, "operator")
    field.silent.add("n/top")
    field.run(6 * HOUR)
    expected = [(who, "silent", "n/top") for who in ("lab", "operator", "north")]
    assert field.alerts() == expected
    assert field.notices("operator") == [("open", "silent")]
    field.silent.clear()
    field.run(3 * HOUR)
    assert field.alerts() == expected
    assert field.notices("operator") == [("open", "silent"), ("resolve", "silent")]
    assert field.still_open("operator") == 0


def test_a_device_that_comes_and_goes_is_one_alert(field: Field) -> None:
    """It sends one message whenever it has been silent long enough for an alert."""
    add_webhook(field, "operator")
    field.silent.add("n/top")
    for _ in range(8):
        field.run(timedelta(minutes=150))
        field.heard(["n/top"])
    assert [line for line in field.alerts("operator") if line[1] == "silent"] == [
        ("operator", "silent", "n/top")
    ]
    assert field.notices("operator") == [("open", "silent")]


def test_a_site_that_goes_dark_is_one_message_and_not_one_for_each_device(conn: Connection) -> None:
    field = build_field(conn, north=40)
    add_webhook(field, "operator")
    add_webhook(field, "north")
    at_quay = {name for name in field.devices if "top" not in name}
    for name in sorted(at_quay):  # the last word of each comes some seconds after that of the one before
        field.heard([name], field.now + timedelta(seconds=9 * len(field.silent)))
        field.silent.add(name)
    field.run(6 * HOUR)
    assert field.alerts("operator") == [("operator", "dark_site", "quay")]
    assert field.notices("operator") == [("open", "dark_site")]
    field.silent.clear()
    field.run(3 * HOUR)
    assert field.notices("operator") == [("open", "dark_site"), ("resolve", "dark_site")]
    assert field.notices("north") == [("open", "dark_site"), ("resolve", "dark_site")]


def test_the_message_about_a_dark_site_counts_only_devices_that_its_reader_may_see(field: Field) -> None:
    add_webhook(field, "operator")
    add_webhook(field, "north")
    field.silent |= {name for name in field.devices if "top" not in name}
    field.run(6 * HOUR)
    contents = dict(
        field.conn.execute(
            "SELECT p.login, n.content FROM notice n JOIN alert_channel USING (alert_channel_id) "
            "JOIN person p USING (person_id)"
        ).fetchall()
    )
    assert contents["operator"]["detail"]["down"] == 6
    assert contents["north"]["detail"]["down"] == 4
    assert contents["north"]["names"] == ["n/d0", "n/d1", "n/d2", "n/d3"]
    assert "s/" not in str(contents["north"])


def test_two_devices_are_no_dark_site(field: Field) -> None:
    field.silent |= {"s/d0", "s/d1"}
    field.run(6 * HOUR)
    assert field.alerts("south") == [("south", "silent", "s/d0"), ("south", "silent", "s/d1")]
    assert field.alerts("operator") == [("operator", "silent", "s/d0"), ("operator", "silent", "s/d1")]


def test_a_device_that_stays_silent_when_its_site_is_back_gets_an_alert_of_its_own(field: Field) -> None:
    add_webhook(field, "north")
    field.silent |= {name for name in field.devices if "top" not in name}
    field.run(6 * HOUR)
    field.silent = {"n/d2"}
    field.run(6 * HOUR)
    assert field.notices("north") == [("open", "dark_site"), ("resolve", "dark_site")]
    assert field.alerts("north") == [("north", "dark_site", "quay"), ("north", "silent", "n/d2")]
    ((content,),) = field.conn.execute("SELECT content FROM notice WHERE event = 'resolve'").fetchall()
    assert content["still"] == ["n/d2"]
    field.silent.clear()
    field.run(3 * HOUR)
    assert field.notices("north")[2:] == [("resolve", "silent")]


def test_a_declared_window_silences(field: Field) -> None:
    add_window(
        field.conn,
        kind=WindowKind.MAINTENANCE,
        start=START + HOUR,
        end=START + 9 * HOUR,
        site="roof",
        reason="r",
        declared_by="lab",
        now=START,
    )
    field.conn.commit()
    field.run(HOUR)
    field.silent.add("n/top")
    field.run(8 * HOUR)
    assert field.alerts() == []
    field.run(HOUR)
    assert field.alerts() == [], "the window is no silence of the device"
    field.run(2 * HOUR)
    assert {line[1:] for line in field.alerts()} == {("silent", "n/top")}


def test_an_outage_of_ours_is_told_as_such_and_blames_no_device(field: Field) -> None:
    add_webhook(field, "operator")
    field.run(HOUR)
    begun = field.now
    everybody = set(field.devices)
    field.silent, field.out_since = set(everybody), begun
    field.run(6 * HOUR)
    assert {line[1:] for line in field.alerts()} == {("outage", "")}
    field.conn.execute(
        "INSERT INTO outage (shard_id, started_at, ended_at) VALUES (0, %s, %s)", (begun, field.now)
    )
    field.silent, field.out_since = set(), None
    field.run(6 * HOUR)
    assert {line[1:] for line in field.alerts()} == {("outage", "")}
    assert field.notices("operator") == [("open", "outage"), ("resolve", "outage")]
    assert field.alerts("buyer") == field.alerts("judge") == []


def test_an_outage_that_nobody_could_see_is_told_once_afterwards(field: Field) -> None:
    """The whole machine was off, the jobs too."""
    add_webhook(field, "operator")
    begun = field.now
    field.now += 5 * HOUR
    field.conn.execute(
        "INSERT INTO outage (shard_id, started_at, ended_at) VALUES (0, %(a)s, %(b)s), (1, %(a)s, %(b)s)",
        {"a": begun, "b": field.now},
    )
    field.conn.commit()
    field.run(8 * HOUR)
    assert field.notices("operator") == [("open", "outage")]
    assert field.alerts("operator") == [("operator", "outage", "")]
    assert field.still_open("operator") == 0


def test_troubles_from_before_the_first_look_are_told_to_nobody(conn: Connection) -> None:
    field = build_field(conn)
    conn.execute("DELETE FROM installation WHERE name = 'alerts_began'")
    conn.commit()
    field.now += 6 * HOUR
    field.look()
    field.run(HOUR)
    assert field.alerts() == []


@pytest.mark.long
def test_reminders_come_daily_until_somebody_knows(field: Field) -> None:
    add_webhook(field, "operator")
    field.silent.add("n/top")
    field.run(52 * HOUR, timedelta(minutes=15))
    assert field.notices("operator") == [("open", "silent"), ("remind", "silent"), ("remind", "silent")]
    viewer = viewer_of(field.conn, "operator")
    ((number,),) = field.conn.execute(
        "SELECT alert_id FROM alert WHERE person_id = %s", (viewer.person_id,)
    ).fetchall()
    acknowledge(field.conn, viewer, number, now=field.now)
    field.conn.commit()
    field.run(50 * HOUR, timedelta(minutes=15))
    assert len(field.notices("operator")) == 3


def test_a_rule_of_a_device_goes_before_one_of_its_site_and_that_before_one_of_its_trial(
    field: Field,
) -> None:
    viewer = viewer_of(field.conn, "operator")
    for scope, is_on in (("", False), ("trial:n", True), ("site:quay", False), ("device:n/d0", True)):
        set_rule(
            field.conn,
            viewer,
            AlertKind.SILENT,
            is_on=is_on,
            remind_hours=0,
            scope=scope,
            now=field.now,
        )
    field.conn.commit()
    field.silent |= {"n/top", "n/d0", "n/d1", "s/d0"}
    field.run(5 * HOUR)
    assert field.alerts("operator") == [("operator", "silent", "n/d0"), ("operator", "silent", "n/top")]


@pytest.mark.parametrize(
    ("kind", "facts", "who"),
    [
        ("battery", {"battery": 5.0}, {"operator", "north"}),
        ("radio", {"rssi": -120.0}, set()),
        ("clock", {"clock_offset": 5000.0}, {"north"}),
    ],
)
def test_each_fact_of_a_device_is_told_to_those_who_want_it_by_default(
    field: Field, kind: str, facts: dict[str, float], who: set[str]
) -> None:
    field.facts("n/top", **facts)
    field.run(4 * HOUR)
    assert {(login, what) for login, what, _ in field.alerts()} == {(login, kind) for login in who}


def test_a_battery_that_empties_is_not_better_because_the_device_is_silent(field: Field) -> None:
    add_webhook(field, "operator")
    field.facts("n/top", battery=5.0)
    field.run(2 * HOUR)
    field.silent.add("n/top")
    field.run(6 * HOUR)
    assert field.notices("operator") == [("open", "battery"), ("open", "silent")]


def test_a_full_disk_is_told_to_the_lab_alone(field: Field) -> None:
    for _ in range(4):
        field.now += timedelta(minutes=5)
        field.look(disk=(10**9, 10**12))
    assert field.alerts() == [("lab", "disk", "")]


@pytest.mark.parametrize("wrong", [{"made_at": -49}, {"received_at": -1}, {"trouble": "no space"}])
def test_backups_that_are_overdue_or_fail_are_told_to_the_lab_until_they_are_in_order(
    field: Field, wrong: dict[str, Any]
) -> None:
    add_webhook(field, "lab")
    kept = BackupState(place="/b/insitu-1", kind="physical", bytes=1, seconds=1.0, every_hours=24.0)
    bad = {name: value if name == "trouble" else value * HOUR for name, value in wrong.items()}

    def look(*, is_wrong: bool) -> None:
        field.now += timedelta(minutes=5)
        ages = {"made_at": -HOUR, "received_at": -timedelta(minutes=1), "trouble": None}
        state = {
            name: field.now + age if isinstance(age, timedelta) else age
            for name, age in (ages | bad if is_wrong else ages).items()
        }
        field.heard(field.devices)
        field.look(backups=replace(kept, **state))

    for _ in range(4):
        look(is_wrong=False)
    assert field.alerts() == []
    for _ in range(3 * 12):
        look(is_wrong=True)
    assert field.alerts() == [("lab", "backup", "")]
    for _ in range(24 * 12):
        look(is_wrong=True)
    for _ in range(4):
        look(is_wrong=False)
    assert field.notices("lab") == [("open", "backup"), ("remind", "backup"), ("resolve", "backup")]
    field.now += timedelta(minutes=5)
    field.look()  # a simulated time: nothing is known of backups
    assert field.still_open("lab") == 0


def test_who_loses_the_sight_of_a_device_hears_no_more_of_it(field: Field) -> None:
    add_webhook(field, "operator")
    field.silent.add("n/top")
    field.run(4 * HOUR)
    number = field.devices["n/top"]
    field.conn.execute("DELETE FROM deployment WHERE device_id = %s", (number,))
    field.conn.commit()
    field.silent.clear()
    field.run(3 * HOUR)
    assert field.notices("operator")[:1] == [("open", "silent")]
    assert field.still_open("operator") == 0


def test_only_one_of_two_workers_looks(field: Field, database_url: str) -> None:
    with connect(database_url, application="tests") as other:
        other.execute("SELECT pg_try_advisory_xact_lock(7031877)")
        assert field.look() is None
        other.rollback()
    assert field.look() is not None


def test_a_disabled_person_hears_nothing(field: Field) -> None:
    field.conn.execute("UPDATE person SET disabled_at = now() WHERE login = 'operator'")
    field.conn.commit()
    field.silent.add("n/top")
    field.run(4 * HOUR)
    assert field.alerts("operator") == []


def test_refused_messages_are_told_to_the_company_from_ten_on(field: Field) -> None:
    for device, refused in (("d0", 9), ("d1", 10)):
        field.conn.execute(
            "INSERT INTO ledger (trial, device, hour, received, rejected, accepted) "
            "VALUES ('n', %s, %s, 60, %s, %s)",
            (device, field.now, refused, 60 - refused),
        )
    field.conn.execute(
        "INSERT INTO ledger (trial, device, hour, received, rejected, accepted) "
        "VALUES ('n', 'd2', %s, 1000, 20, 980)",
        (field.now,),
    )
    field.conn.commit()
    field.run(HOUR)
    assert field.alerts() == [("north", "rejects", "n/d1")]


def test_denied_messages_and_take_overs_are_told_from_the_events_of_the_broker(field: Field) -> None:
    """The broker's events are counted by the clock of the wall."""
    for number, (device, kind, events) in enumerate(
        [
            ("d0", "publish_denied", 3),
            ("d1", "taken_over", 5),
            ("d2", "taken_over", 1),
            ("d3", "id_refused", 1),
        ]
    ):
        field.conn.execute(
            "INSERT INTO credential (device_id, username, token_sha256, nats_hash, mosquitto_hash, "
            "created_at) VALUES (%s, %s, sha256(%s), '', '', now())",
            (field.devices[f"n/{device}"], device, str(number).encode()),
        )
        field.conn.execute(
            "INSERT INTO broker_event (username, hour, kind, events, first_at, last_at, last_topic, "
            "by_other) VALUES (%s, date_trunc('hour', now()), %s, %s, now(), now(), 'x', false)",
            (device, kind, events),
        )
    field.conn.commit()
    field.run(HOUR)
    expected = {("north", "denied", "n/d0")} | {
        (who, "take_over", about) for who in ("lab", "north") for about in ("n/d1", "n/d3")
    }
    assert set(field.alerts()) == expected
    assert len(field.alerts()) == len(expected)


def test_yesterdays_results_are_missed_once_and_not_where_we_had_the_outage(field: Field) -> None:
    """Nobody sends a result here: every device is at 0 % of its plan."""
    field.conn.execute("DELETE FROM alert_rule")
    field.conn.commit()
    field.run(22 * HOUR, HOUR)
    assert field.alerts() == [], "the day is not over"
    field.conn.execute(
        "INSERT INTO outage (shard_id, started_at, ended_at) VALUES (0, %s, %s)",
        (START + HOUR, START + 20 * HOUR),
    )
    field.conn.commit()
    field.run(10 * HOUR, HOUR)
    assert {line[1] for line in field.alerts()} <= {"outage"}, "19 of its 24 hours are ours"
    field.run(26 * HOUR, HOUR)
    told = [line for line in field.alerts("north") if line[1] == "completeness"]
    assert sorted(told) == [
        ("north", "completeness", f"n/{name}") for name in ("d0", "d1", "d2", "d3", "top")
    ]
