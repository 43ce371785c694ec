"""Packages and evaluations after an erasure: what was written before verifies, what is written afterwards
says what is gone, and an evaluation whose results are gone says so.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from insitu.errors import CorrectInput
from jobs.evaluations import LOGIN
from store.read.progress import list_evaluations
from store.trials import latest_evaluation
from tests.cli.calling import Told
from tests.cli.test_tampering import DAY, Lab, lab
from tests.fix_catalogue import START
from trials.workflow.again import evaluate_again
from trials.workflow.evaluating import evaluate_trial

__all__ = ["lab"]


def verified(told: Told, package: Path, lab: Lab) -> str:
    return told("verify", str(package), "--own")


def evaluated(lab: Lab, day: int) -> None:
    evaluate_trial(lab.conn, "t", now=START + day * DAY, login="judge", simulated=False)
    lab.conn.commit()
    lab.work()


def test_a_package_carries_the_erasure_and_an_older_one_still_verifies(
    lab: Lab, told: Told, tmp_path: Path
) -> None:
    evaluated(lab, 50)
    before, after = tmp_path / "before", tmp_path / "after"
    told("export", "t", "--to", str(before))
    number = latest_evaluation(lab.conn, "t")
    assert number is not None
    lab.conn.commit()

    span = ("--from", "2026-03-05", "--to", "2026-03-06")
    said = told("erase", "--device", "t/a", *span, "--reason", "a visitor asked")
    assert "24  observation" in said
    assert "A copy left before" in said
    assert "Every number agrees." in verified(told, before, lab)
    with pytest.raises(CorrectInput, match=r"were erased \(erasure 1 of .*: a visitor asked\)"):
        told("export", "t", "--to", str(tmp_path / "none"))
    (newest, *_) = list_evaluations(lab.conn, "t")
    assert newest.erasures == [1]
    lab.conn.commit()

    evaluate_trial(lab.conn, "t", now=_now(lab), login="judge", simulated=False)
    lab.conn.commit()
    lab.work()
    told("export", "t", "--to", str(after))
    said = verified(told, after, lab)
    assert "erasure 1 of 24 results of device a (a visitor asked)" in said
    assert "Every number agrees." in said
    evaluation = json.loads((after / "evaluation.json").read_text("utf-8"))
    ((erased, device, reason),) = [
        (one["evidence"]["erased"], one["evidence"]["device"], one["evidence"]["reason"])
        for one in evaluation["deviations"]
        if one["code"] == "results_erased"
    ]
    assert (erased, device, reason) == (24, "a", "a visitor asked")
    assert "24 results of a were erased on" in (after / "report.en.html").read_text("utf-8")
    assert "2026-03-05T01:00:00Z" not in (after / "observations.csv").read_text("utf-8")
    statements = json.loads((after / "witness" / "log.json").read_text("utf-8"))["statements"]
    assert [one for one in statements if json.loads(one["document"])["what"] == "erase"]
    assert lab.bad() == ""


def test_the_night_does_not_replace_a_verdict_whose_results_were_all_erased(lab: Lab, told: Told) -> None:
    evaluated(lab, 50)
    told("erase", "--trial", "t", "--reason", "time is over")
    assert evaluate_again(lab.conn, "t", now=_now(lab), login=LOGIN, simulated=False) is None
    assert next(one.erasures for one in list_evaluations(lab.conn, "t")) == [1]
    lab.conn.commit()
    assert lab.bad() == ""


def _now(lab: Lab) -> datetime:
    ((at,),) = lab.conn.execute("SELECT max(at) + interval '1 second' FROM erasure").fetchall()
    assert isinstance(at, datetime)
    return at
