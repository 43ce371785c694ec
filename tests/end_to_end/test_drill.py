"""The drill: an installation under load is killed, and comes back on another place from its backup, with the
tables of the chosen moment, and devices that sign in as before.

The digests of the tables are computed by the server, over their rows as text; nothing of Insitu reads them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import paho.mqtt.client as mqtt
import psycopg
import pytest

from insitu.embedded.postgres import Postgres
from tests.end_to_end.test_comes_back import Site
from tests.fix_database import quick_folder
from tests.forked import run_verb
from tests.stack import wait_until

pytestmark = pytest.mark.long

Hashes = dict[str, str]
TOPIC = "insitu/v1/station-air/d1/obs"


def hashes(conn: psycopg.Connection[Any]) -> Hashes:
    """Table → number and digest of its rows."""
    tables = conn.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
        "ORDER BY 1"
    ).fetchall()
    assert len(tables) > 40
    return {
        name: conn.execute(
            "SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') "
            f"FROM {name} t".encode()
        ).fetchall()[0][0]
        for (name,) in tables
    }


def frozen(url: str) -> tuple[datetime, Hashes]:
    """A moment at which nobody commits, and the digests of the tables at that moment."""
    with psycopg.connect(url) as conn:
        tables = conn.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        conn.execute(f"LOCK TABLE {', '.join(name for (name,) in tables)} IN SHARE MODE".encode())
        time.sleep(0.1)
        ((moment,),) = conn.execute("SELECT clock_timestamp()").fetchall()
        found = hashes(conn)
        time.sleep(0.1)
        conn.rollback()
    return moment, found


class Traffic:
    """One device that publishes numbered results at QoS 1, without a pause, until it is stopped; it keeps
    what it has sent, as a device with a memory card does.
    """

    def __init__(self, site: Site, first: int = 1) -> None:
        self._site, self._next = site, first
        self.sent: dict[int, bytes] = {}
        self.acknowledged: dict[int, datetime] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            client, _ = self._site.connect()
            if client is None:
                time.sleep(0.2)
                continue
            while not self._stop.is_set() and client.is_connected():
                self._send(client, self._next)
                self._next += 1
            client.disconnect()
            client.loop_misc()

    def _send(self, client: mqtt.Client, number: int) -> None:
        self.sent[number] = body(number)
        sent = client.publish(TOPIC, self.sent[number], qos=1)
        limit = time.monotonic() + 3
        while not sent.is_published() and time.monotonic() < limit and client.is_connected():
            client.loop(0.01)
        if sent.is_published():
            self.acknowledged[number] = datetime.now(UTC)


def body(number: int) -> bytes:
    results = {"pm25": number / 1000}
    at = datetime.now(UTC).isoformat()
    return json.dumps({"boot": "drill", "seq": number, "time": at, "results": results}).encode()


@pytest.fixture
def folder() -> Iterator[Path]:
    place = Path(mkdtemp(prefix="insitu-drill-", dir=quick_folder()))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def site(folder: Path) -> Iterator[Site]:
    made = Site(folder)
    made.up.environment["INSITU_BACKUP_DIR"] = str(folder / "backups")
    yield made
    made.up.end()


def answers(site: Site) -> dict[str, tuple[str, str]]:
    """Question of `check` → state and detail."""
    done = run_verb("check", "--json", env=site.up.environment, cwd=site.up.folder, timeout=120)
    return {one["question"]: (one["state"], one["detail"]) for one in json.loads(done.stdout)}


def stored(conn: psycopg.Connection[Any]) -> set[int]:
    return {
        round(result * 1000)
        for (result,) in conn.execute("SELECT result FROM observation WHERE result < 100000")
    }


def seconds_of(printed: str) -> float:
    found = re.search(r" in ([\d.]+) s", printed)
    assert found, printed
    return float(found[1])


@pytest.mark.timeout(600)
def test_an_installation_comes_back_from_its_backup(
    site: Site, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.prepare()
    backups = folder / "backups"
    wait_until(lambda: bool(list(backups.glob("insitu-*"))), "the first backup", 60)
    with Traffic(site) as traffic:
        wait_until(lambda: len(traffic.acknowledged) > 200, "traffic", 60)
        os.kill(site.up.child("ingest"), signal.SIGKILL)
        made = json.loads(site.up.cli("backup", "--to", str(backups), "--json"))  # under load
        os.kill(site.up.child("--scheduled"), signal.SIGKILL)
        count = len(traffic.acknowledged)
        wait_until(lambda: len(traffic.acknowledged) > count + 200, "more traffic", 60)
    assert made["kind"] == "physical"
    assert made["archive"]
    wait_until(lambda: stored_now(site) >= set(traffic.acknowledged), "the ingestor", 60)
    chosen, expected = frozen(site.database_url())
    with Traffic(site, max(traffic.sent) + 1) as later:
        wait_until(lambda: len(later.acknowledged) > 100, "later traffic", 60)
        wait_until(lambda: answers(site)["backups"][0] == "ok", "the archive", 90)
        site.up.strike()
        killed = datetime.now(UTC)
    shutil.rmtree(folder / "data")
    with capsys.disabled():
        print(restored_latest(site, backups, later, killed))
    restored_at(site, backups, chosen, expected)
    assert stored_now(site) >= set(traffic.acknowledged)
    asks_for_what_is_missing(site, later)


def restored_latest(site: Site, backups: Path, later: Traffic, killed: datetime) -> str:
    """Everything that there is: only what was committed in the last moment before the end is missing."""
    data = backups.parent / "latest"
    site.up.environment["INSITU_DATA_DIR"] = str(data)
    printed = site.up.cli("restore", str(backups))
    with Postgres(data_dir=data) as server, psycopg.connect(server.url) as conn:
        found = stored(conn)
    missing = [at for number, at in later.acknowledged.items() if number not in found]
    rpo = max(((killed - at).total_seconds() for at in missing), default=0.0)
    assert rpo < 10
    return (
        f"\ndrill: RPO {rpo:.2f} s ({len(missing)} of {len(later.acknowledged)} acknowledged messages lost "
        f"with broker and disk), RTO {seconds_of(printed):.1f} s and the start"
    )


def restored_at(site: Site, backups: Path, chosen: datetime, expected: Hashes) -> None:
    """The chosen moment: every table is as it was. It starts, the old credential is good, nothing is
    wrong.
    """
    data = backups.parent / "at"
    site.up.environment["INSITU_DATA_DIR"] = str(data)
    site.up.cli("restore", str(backups), "--until", (chosen + timedelta(seconds=0.05)).isoformat())
    with Postgres(data_dir=data) as server, psycopg.connect(server.url) as conn:
        assert hashes(conn) == expected
    site.up.start()
    site.data = data
    wait_until(lambda: answers(site)["backups"][0] == "ok", "a backup of its own", 90)
    found = answers(site)
    assert not {name: one for name, one in found.items() if one[0] == "bad"}
    with psycopg.connect(site.database_url()) as conn:
        ((subject,),) = conn.execute("SELECT subject FROM audit WHERE action = 'restore'").fetchall()
        assert subject.startswith("insitu-")


def asks_for_what_is_missing(site: Site, later: Traffic) -> None:
    """The device goes on where it was; the receipt names what the restore has lost, and a repeat stores it
    once.
    """
    last = max(later.sent)
    receipts: list[dict[str, Any]] = []
    client, said = site.connect()
    assert client is not None, said
    client.on_message = lambda _c, _d, message: receipts.append(json.loads(message.payload))
    client.subscribe("insitu/v1/station-air/d1/receipt", 1)
    client.publish(TOPIC, body(last + 1), qos=1)

    def lost() -> set[int]:
        client.loop(0.05)
        ranges = [one for receipt in receipts[-1:] for one in receipt["missing"]]
        return {number for low, high in ranges for number in range(low, high + 1)}

    wait_until(lambda: bool(lost()), "the receipt", 60)
    assert lost() == set(later.sent)
    for number in sorted(lost()):
        client.publish(TOPIC, later.sent[number], qos=1)
        client.loop(0.001)
    wait_until(lambda: client.loop(0.05) == 0 and stored_now(site) >= set(later.sent), "the repeats", 90)
    client.disconnect()
    client.loop_misc()
    with psycopg.connect(site.database_url()) as conn:
        found = conn.execute(
            "SELECT count(*), count(DISTINCT result) FROM observation WHERE result < 100000"
        ).fetchall()
    assert found == [(last + 1, last + 1)]


def stored_now(site: Site) -> set[int]:
    with psycopg.connect(site.database_url()) as conn:
        return stored(conn)
