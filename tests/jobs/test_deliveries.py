"""Notices to real receivers: exactly the expected ones, through crashes, absences and two workers."""

from __future__ import annotations

import hashlib
import hmac
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from insitu.embedded.certificates import TLS, issue
from insitu.settings import parse_networks
from jobs.channels.channel import MailServer, Outlets
from jobs.deliveries import CLAIM, deliver_due
from store.access import viewer_of
from store.database import Connection, connect
from store.erasures import erase_person
from tests.jobs.field import Field
from tests.jobs.sinks import MailSink, WebSink
from trials.workflow.alert_acts import add_channel, confirm_channel, remove_channel, send_test

HERE = parse_networks("127.0.0.0/8, ::1/128")
NEVER = threading.Event()
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TLS:
    return issue(tmp_path_factory.mktemp("tls"), ["localhost", "127.0.0.1"])


@pytest.fixture
def web(tls: TLS) -> Iterator[WebSink]:
    with WebSink().listening(tls) as sink:
        yield sink


def outlets(tls: TLS, mail: MailServer | None = None) -> Outlets:
    return Outlets(pages="https://insitu.example", networks=tuple(HERE), ca=tls.ca, mail=mail)


def subscribe(field: Field, login: str, kind: str, address: str = "") -> tuple[int, str]:
    """(number of the channel, its secret)"""
    made = add_channel(
        field.conn,
        viewer_of(field.conn, login),
        kind,  # type: ignore[arg-type]
        address,
        now=field.now,
        simulated=False,
    )
    field.conn.commit()
    return made.number, made.secret


def try_out(field: Field, channel: int, login: str = "operator") -> None:
    """Queue a test."""
    send_test(field.conn, viewer_of(field.conn, login), channel, now=field.now, simulated=False)
    field.conn.commit()


def deliver(field: Field, to: Outlets) -> int:
    return deliver_due(field.conn, lambda: field.now, to, NEVER)


def lines(conn: Connection) -> list[tuple[str, str | None, int]]:
    """(event, outcome, attempts) of every notice."""
    found = conn.execute("SELECT event, outcome, attempts FROM notice ORDER BY notice_id").fetchall()
    conn.rollback()
    return [(event, outcome, attempts) for event, outcome, attempts in found]


def test_a_webhook_is_signed_so_that_its_receiver_can_check_it(field: Field, web: WebSink, tls: TLS) -> None:
    _, secret = subscribe(field, "operator", "webhook", web.address)
    field.silent.add("n/top")
    field.run(4 * HOUR)
    assert deliver(field, outlets(tls)) == 1
    (got,) = web.received
    stamp, _, digest = got.headers["Insitu-Signature"].partition(",")
    at = stamp.removeprefix("t=")
    expected = hmac.new(secret.encode(), at.encode() + b"." + got.body, hashlib.sha256).hexdigest()
    assert digest == f"v1={expected}"
    assert abs(datetime.now(UTC).timestamp() - int(at)) < 60
    assert got.path == "/hook?x=1"
    document = got.document
    assert (document["event"], document["recipient"]) == ("open", "operator")
    assert (document["alert"]["kind"], document["alert"]["device"]) == ("silent", "top")
    assert document["subject"] == "Device silent: top (The roof)"
    assert document["url"] == "https://insitu.example/trials/n/devices/top"
    assert document["key"] == got.key
    assert lines(field.conn) == [("open", "delivered", 1)]
    assert deliver(field, outlets(tls)) == 0


def test_a_receiver_that_is_away_for_an_hour_gets_each_notice_once_and_in_order(
    field: Field, tls: TLS
) -> None:
    sink = WebSink()
    with sink.listening(tls):
        subscribe(field, "operator", "webhook", sink.address)
    field.silent.add("n/top")
    field.run(3 * HOUR)
    field.silent.clear()
    field.run(2 * HOUR)
    for _ in range(60):
        field.now += MINUTE
        deliver(field, outlets(tls))
    assert sink.received == []
    ((most,),) = field.conn.execute("SELECT max(attempts) FROM notice").fetchall()
    assert 4 <= most <= 8, "it is tried again, ever more rarely"
    with sink.listening(tls):
        for _ in range(90):
            field.now += MINUTE
            deliver(field, outlets(tls))
    assert [one.document["event"] for one in sink.received] == ["open", "resolve"]
    assert [outcome for _, outcome, _ in lines(field.conn)] == ["delivered", "delivered"]


def test_a_notice_that_nobody_takes_for_a_day_is_given_up_and_others_are_not(
    field: Field, web: WebSink, tls: TLS
) -> None:
    broken, _ = subscribe(field, "operator", "webhook", "https://localhost:1/")
    good, _ = subscribe(field, "operator", "webhook", web.address)
    try_out(field, broken)
    try_out(field, good)
    for _ in range(30):
        deliver(field, outlets(tls))
        field.now += HOUR
    assert len(web.received) == 1
    first, second = lines(field.conn)
    assert first[:2] == ("test", "given_up")
    assert second == ("test", "delivered", 1)


CRASHING = """
import sys, threading, time
from datetime import datetime
from pathlib import Path
from insitu.settings import parse_networks
from jobs.channels.channel import Outlets
from jobs.channels.registry import CHANNELS
from jobs.deliveries import deliver_due
from store.database import connect
url, ca, at, sends = sys.argv[1:]
def hang(letter, outlets):
    if sends == "yes":
        CHANNELS["webhook"](letter, outlets)
    print("now", flush=True)
    time.sleep(600)
to = Outlets("https://insitu.example", networks=tuple(parse_networks("127.0.0.0/8, ::1/128")), ca=Path(ca))
now = datetime.fromisoformat(at)
with connect(url, application="tests") as conn:
    deliver_due(conn, lambda: now, to, threading.Event(), channels={"webhook": hang})
"""


@pytest.mark.parametrize("sends", ["no", "yes"])
def test_a_worker_that_is_killed_between_claim_and_record_leaves_a_notice_that_comes_with_the_same_key(
    field: Field, web: WebSink, tls: TLS, database_url: str, sends: str
) -> None:
    """`yes`: it is killed after it has sent, before it could say so."""
    channel, _ = subscribe(field, "operator", "webhook", web.address)
    try_out(field, channel)
    worker = subprocess.Popen(
        [sys.executable, "-c", CRASHING, database_url, str(tls.ca), field.now.isoformat(), sends],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert worker.stdout is not None
    with worker.stdout:
        assert worker.stdout.readline() == b"now\n"
        assert deliver(field, outlets(tls)) == 0, "another one holds the claim"
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    field.now += CLAIM - MINUTE
    assert deliver(field, outlets(tls)) == 0
    field.now += MINUTE
    assert deliver(field, outlets(tls)) == 1
    keys = [one.key for one in web.received]
    assert len(keys) == (2 if sends == "yes" else 1)
    assert len(set(keys)) == 1, "the receiver knows the repeat by its key"
    assert lines(field.conn) == [("test", "delivered", 2)]


def test_workers_at_the_same_time_send_each_notice_once(
    field: Field, web: WebSink, tls: TLS, database_url: str
) -> None:
    for number in range(8):
        channel, _ = subscribe(field, "operator", "webhook", f"{web.address}&n={number}")
        for _ in range(4):
            try_out(field, channel)
            field.now += MINUTE
    begin = threading.Barrier(4)
    tried: list[int] = []

    def work() -> None:
        with connect(database_url, application="tests") as conn:
            begin.wait()
            tried.append(deliver_due(conn, lambda: field.now, outlets(tls), NEVER))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(tried) == 32
    assert len(web.received) == len({one.key for one in web.received}) == 32


def test_a_late_worker_does_not_overwrite_the_answer_of_the_one_that_took_over(field: Field) -> None:
    from store.notices import claim_notice, end_notice

    channel, _ = subscribe(field, "operator", "webhook", "https://example.org/a")
    try_out(field, channel)
    first = claim_notice(field.conn, now=field.now, until=field.now + CLAIM)
    second = claim_notice(field.conn, now=field.now + CLAIM, until=field.now + 2 * CLAIM)
    assert first is not None
    assert second is not None
    assert not end_notice(field.conn, first, "given_up", "late", field.now)
    assert end_notice(field.conn, second, "delivered", "200", field.now)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 500, 204])
def test_only_a_success_is_one_and_no_redirect_is_followed(
    field: Field, web: WebSink, tls: TLS, status: int
) -> None:
    with WebSink().listening(tls) as other:
        web.status, web.headers = status, {"Location": other.address}
        channel, _ = subscribe(field, "operator", "webhook", web.address)
        try_out(field, channel)
        deliver(field, outlets(tls))
        assert other.received == []
    assert len(web.received) == 1
    assert lines(field.conn)[0][1] == ("delivered" if status == 204 else None)


def test_a_receiver_that_answers_byte_by_byte_is_cut_off(
    field: Field, web: WebSink, tls: TLS, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.channels import webhook

    monkeypatch.setattr(webhook, "WITHIN_S", 1.0)
    web.pause_s = 0.2
    channel, _ = subscribe(field, "operator", "webhook", web.address)
    try_out(field, channel)
    begun = datetime.now(UTC)
    deliver(field, outlets(tls))
    assert (datetime.now(UTC) - begun).total_seconds() < 15
    assert lines(field.conn) == [("test", None, 1)]


def test_a_certificate_that_nobody_vouches_for_gets_nothing(field: Field, web: WebSink) -> None:
    channel, _ = subscribe(field, "operator", "webhook", web.address)
    try_out(field, channel)
    deliver(field, Outlets(pages="", networks=tuple(HERE)))
    assert web.received == []


def test_this_machine_is_no_receiver_unless_the_installation_says_so(
    field: Field, web: WebSink, tls: TLS
) -> None:
    channel, _ = subscribe(field, "operator", "webhook", web.address)
    try_out(field, channel)
    deliver(field, Outlets(pages="", ca=tls.ca))
    assert web.received == []
    ((answer,),) = field.conn.execute("SELECT answer FROM notice").fetchall()
    assert "not a public address" in answer


def test_mail_comes_in_the_language_of_its_reader_and_a_repeat_has_the_same_id(field: Field) -> None:
    with MailSink().listening() as sink:
        to = Outlets(
            pages="https://insitu.example",
            mail=MailServer("127.0.0.1", sink.port, "insitu@example.org", plain=True),
        )
        field.conn.execute(
            "UPDATE person SET login = 'operator@example.org', language = 'fr' WHERE login = 'operator'"
        )
        field.conn.commit()
        field.watcher.mails = True
        field.silent.add("n/top")
        field.run(4 * HOUR)
        assert deliver(field, to) == 1, "an address as login needs nothing else"
        field.conn.execute("UPDATE notice SET ended_at = NULL, outcome = NULL")
        field.conn.commit()
        assert deliver(field, to) == 1
    first, repeat = sink.mails
    assert first["Subject"] == "[Insitu] Appareil muet\u00a0: top (The roof)".replace("\u00a0", " ")
    assert first["To"] == "operator@example.org"
    assert sink.recipients[0] == ["operator@example.org"]
    assert first["Message-ID"] == repeat["Message-ID"]
    text = first.get_content()
    assert "Rien n’est arrivé depuis" in text
    assert "https://insitu.example/trials/n/devices/top" in text


def test_mail_goes_over_tls_or_not_at_all(field: Field, tls: TLS) -> None:
    channel, _ = subscribe(field, "operator", "mail", "operator@example.org")
    with MailSink().listening() as plain_server:
        to = outlets(tls, mail=MailServer("localhost", plain_server.port, "insitu@example.org"))
        assert deliver(field, to) == 1
        assert plain_server.mails == [], "a server without STARTTLS"
    with MailSink().listening(tls) as server:
        field.now += HOUR
        deliver(field, outlets(tls, mail=MailServer("localhost", server.port, "insitu@example.org")))
        assert len(server.mails) == 1
    assert channel


def test_an_address_gets_alerts_only_after_its_reader_sent_the_code_back(field: Field) -> None:
    viewer = viewer_of(field.conn, "operator")
    channel, _ = subscribe(field, "operator", "mail", "somebody@example.org")
    with MailSink().listening() as sink:
        to = Outlets(pages="", mail=MailServer("127.0.0.1", sink.port, "insitu@example.org", plain=True))
        field.silent.add("n/top")
        field.run(4 * HOUR)
        deliver(field, to)
        (mail,) = sink.mails
        code = mail.get_content().split(": ")[-1].split()[0]
        confirm_channel(field.conn, viewer, channel, code, now=field.now)
        field.conn.commit()
        field.silent = {"n/d0", "n/top"}
        field.run(4 * HOUR)
        deliver(field, to)
        assert [one["Insitu-Event"] for one in sink.mails] == ["test", "open"]


HOSTILE = "x\r\nBcc: victim@example.org\r\n\r\n<script>\u202e\x00\u2028{0}%s " + "y" * 300


def test_hostile_names_stand_in_one_plain_line_and_add_no_header(
    field: Field, web: WebSink, tls: TLS
) -> None:
    named = HOSTILE.replace("\x00", "")
    field.conn.execute("UPDATE site SET name = %s", (named,))
    field.conn.execute("UPDATE trial SET title = jsonb_build_object('en', %(t)s::text)", {"t": named})
    field.conn.execute("UPDATE person SET login = 'operator@example.org' WHERE login = 'operator'")
    field.conn.commit()
    subscribe(field, "operator@example.org", "webhook", web.address)
    field.watcher.mails = True
    field.silent |= {name for name in field.devices if "top" not in name}
    field.run(4 * HOUR)
    with MailSink().listening() as sink:
        mail = MailServer("127.0.0.1", sink.port, "insitu@example.org", plain=True)
        deliver(field, outlets(tls, mail=mail))
        field.silent = {"n/top"}
        field.run(6 * HOUR)
        deliver(field, outlets(tls, mail=mail))
    assert len(sink.mails) == len(web.received) == 3
    for mail_got in sink.mails:
        assert set(mail_got.keys()) <= {
            *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Insitu-Event"),
            *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
            *("X-Peer", "X-MailFrom", "X-RcptTo"),
        }
        assert len(mail_got["Subject"]) <= 200
        assert not set(str(mail_got["Subject"])) & {"\u202e", "\u2028", "\r", "\n"}
    assert sink.recipients == [["operator@example.org"]] * 3
    for got in web.received:
        assert "\n" not in got.document["subject"]


def test_a_notice_whose_reader_lost_the_right_since_is_dropped(field: Field, web: WebSink, tls: TLS) -> None:
    subscribe(field, "operator", "webhook", web.address)
    field.silent.add("n/top")
    field.run(4 * HOUR)
    field.conn.execute("DELETE FROM deployment WHERE device_id = %s", (field.devices["n/top"],))
    field.conn.commit()
    deliver(field, outlets(tls))
    assert web.received == []
    assert lines(field.conn) == [("open", "dropped", 1)]


def test_nothing_goes_to_a_channel_that_was_removed_or_to_a_person_who_left(
    field: Field, web: WebSink, tls: TLS
) -> None:
    removed, _ = subscribe(field, "operator", "webhook", web.address)
    left, _ = subscribe(field, "north", "webhook", web.address)
    try_out(field, removed)
    try_out(field, left, "north")
    remove_channel(field.conn, viewer_of(field.conn, "operator"), removed, now=field.now)
    field.conn.execute("UPDATE person SET disabled_at = now() WHERE login = 'north'")
    field.conn.commit()
    deliver(field, outlets(tls))
    assert web.received == []
    assert {outcome for _, outcome, _ in lines(field.conn)} == {"dropped"}


@pytest.mark.long
def test_a_summary_comes_on_monday_morning_and_once(field: Field, web: WebSink, tls: TLS) -> None:
    subscribe(field, "operator", "webhook", web.address)
    subscribe(field, "buyer", "webhook", web.address)
    field.run(timedelta(days=15), HOUR)
    deliver(field, outlets(tls))
    got = [(one.document["event"], one.document["recipient"]) for one in web.received]
    assert got == [("digest", "operator")] * 2
    assert web.received[0].document["alert"]["devices"] == 7


def test_with_a_person_its_channels_alerts_and_notices_are_erased(field: Field) -> None:
    channel, _ = subscribe(field, "operator", "webhook", "https://example.org/a")
    try_out(field, channel)
    field.silent.add("n/top")
    field.run(4 * HOUR)
    erase_person(field.conn, "operator", login="lab", reason="left", now=field.now)
    counts = field.conn.execute(
        "SELECT (SELECT count(*) FROM alert_channel), (SELECT count(*) FROM notice), "
        "(SELECT count(*) FROM alert WHERE person_id = (SELECT person_id FROM erasure)), "
        "(SELECT count(*) FROM alert_rule WHERE person_id = (SELECT person_id FROM erasure))"
    ).fetchall()
    assert counts == [(0, 0, 0, 0)]
