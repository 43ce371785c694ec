"""Packages of a real database: observations around the periods, and receipts, let the checks run again."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from insitu.errors import CorrectInput
from insitu.model import Observation
from insitu.times import to_us
from store.database import Connection
from store.observations import merge
from tests.fix_catalogue import START, SmallTrial
from tests.fix_running import receive, results
from tests.trials.package import forger
from tests.trials.package.conftest import is_settled
from tests.trials.test_workflow import DAY, END, HOUR, plan
from trials.package.trust import TrustedKey
from trials.package.verify import verify
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.exporting import write
from trials.workflow.locking import lock_protocol

STUCK = 21.5


def table(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text("utf-8").splitlines()))


@pytest.fixture
def stuck(conn: Connection, catalogue: SmallTrial) -> int:
    """An evaluation of a probe that is stuck for nine hours before the periods and four hours within them,
    and whose clock was once an hour ahead.
    """
    lock_protocol(conn, plan(), now=START - DAY, login="judge")
    stream = catalogue.datastreams["a", "pm25"]
    values = results()
    values[:4] = STUCK
    before = [
        Observation(stream, to_us(START - hour * HOUR), STUCK, to_us(START - hour * HOUR + HOUR / 60), 0)
        for hour in range(1, 10)
    ]
    merge(conn, before)
    conn.commit()
    receive(conn, stream, [hour for hour in range(960) if hour != 500], values)
    at = START + 500 * HOUR
    merge(conn, [Observation(stream, to_us(at), float(values[500]), to_us(at - HOUR), 0)])
    check_quality(conn, "t", now=END)
    number, _ = evaluate_trial(conn, "t", now=END + DAY, login="judge", simulated=False)
    conn.commit()
    return number


def test_what_lies_around_the_periods_explains_the_flags_in_them(
    conn: Connection, stuck: int, tmp_path: Path
) -> None:
    folder, key = tmp_path / "package", Ed25519PrivateKey.generate()
    write(conn, stuck, folder, key=key, signed_at=END + 9 * DAY)
    assert [row[2] for row in table(folder / "surroundings.csv")[1:]] == ["21.5"] * 9
    ((_, at, receipt),) = table(folder / "receipts.csv")[1:]
    assert np.datetime64(at[:-1]) - np.datetime64(receipt[:-1]) == np.timedelta64(1, "h")
    assert [row[3] for row in table(folder / "observations.csv")[1:6]] == ["4"] * 4 + ["1"]
    checks = verify(folder, [TrustedKey(forger.public(key), "lab")])
    assert [(check.name, check.lines) for check in checks if not check.ok] == []


@pytest.mark.parametrize("name", ["surroundings.csv", "receipts.csv"])
def test_without_it_the_flags_do_not_follow(name: str, conn: Connection, stuck: int, tmp_path: Path) -> None:
    folder, key = tmp_path / "package", Ed25519PrivateKey.generate()
    write(conn, stuck, folder, key=key, signed_at=END + 9 * DAY)
    forger.put_rows(folder, forger.rows(folder, name)[:1], name)
    forger.seal(folder, key)
    failed = [check for check in verify(folder, [TrustedKey(forger.public(key), "lab")]) if not check.ok]
    assert [check.name for check in failed] == ["flags of 960 observations, by running the checks again"]
    check = {"surroundings.csv": "flat_line", "receipts.csv": "time_syntax"}[name]
    assert any(f"of {check} is not found by running it again" in line for line in failed[0].lines)


def test_a_package_without_reports_is_settled_by_its_key(
    conn: Connection, stuck: int, tmp_path: Path
) -> None:
    folder, key = tmp_path / "package", Ed25519PrivateKey.generate()
    write(conn, stuck, folder, key=key, signed_at=END + 9 * DAY)
    (folder / "README.md").unlink()
    descriptor = forger.read(folder / "datapackage.json")
    descriptor["resources"] = [one for one in descriptor["resources"] if one["path"] != "README.md"]
    (folder / "datapackage.json").write_bytes(forger.indented(descriptor))
    forger.sign(folder, key, "2099-01-01T00:00:00Z")
    assert is_settled(verify(folder, [TrustedKey(forger.public(key), "lab")]))


def test_observations_that_no_check_has_seen_ask_for_another_evaluation(
    conn: Connection, catalogue: SmallTrial, stuck: int, tmp_path: Path
) -> None:
    """Around the periods they change no number, but perhaps flags."""
    stream = catalogue.datastreams["a", "pm25"]
    rows = [
        Observation(stream, to_us(END + n * HOUR), float(results()[959]), to_us(END + DAY), 0)
        for n in range(14)
    ]
    merge(conn, rows)
    with pytest.raises(CorrectInput, match="evaluate again, then export"):
        write(conn, stuck, tmp_path / "package", key=None)
    check_quality(conn, "t", now=END + DAY)
    number, _ = evaluate_trial(conn, "t", now=END + 2 * DAY, login="judge", simulated=False)
    write(conn, number, tmp_path / "again", key=None)
    assert all(check.ok for check in verify(tmp_path / "again"))
