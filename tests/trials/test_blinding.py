"""A blinded endpoint has no result anywhere, but its data capture everywhere; unblinding is recorded for
good.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from insitu.errors import AlreadyExists, CorrectInput, NotFound
from insitu.model import TrialState, Verdict
from store import audit
from store import trials as store_trials
from store.catalogue.trials import get_trial
from store.database import Connection
from tests.fix_catalogue import START
from tests.trials.world import (
    criterion,
    endpoint,
    inputs,
    listed,
    noise,
    period,
    protocol,
    protocol_text,
    series,
)
from trials.evaluation import Evaluation, document_of
from trials.judge.compute import compute
from trials.package.reading import read_inputs
from trials.package.verify import verify
from trials.package.writing import seal, write_tables
from trials.plan.reading import canonical
from trials.report.build import build
from trials.report.texts import summary
from trials.series.inputs import TrialInputs, Unblinding
from trials.workflow.blinding import unblind
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.exporting import write

DAY = timedelta(days=1)
TOLD_WHEN_OPEN = ("estimates", "sensitivity", "lines", "pairs")


def small(*, rank: str = "primary", blinded: bool = True, **more: Any) -> TrialInputs:
    """A before/after of 16 days each, and an open endpoint against a limit."""
    made = endpoint(
        "before_after", [criterion("effect", high=-1)], arms=["candidate"], blinded=blinded, rank=rank
    )
    other = endpoint(
        "limit_compliance", [criterion("mean", high=30)], arms=["candidate"], parameters={"u_meas": 0.1}
    ) | {"name": "open"}
    plan = protocol(made, other, periods=[period("baseline", 0, 16), period("reporting", 16, 32)])
    values = 20 + noise(np.random.default_rng(4), 0.6, 32 * 24)
    values[16 * 24 :] -= 5
    return replace(inputs(plan, [series("candidate-1", values)]), **more)


def early(given: TrialInputs) -> Unblinding:
    return Unblinding("main", given.protocol.periods[-1].end - DAY, "judge", "The filter broke.")


def test_a_blinded_endpoint_has_no_number_and_the_trial_no_verdict() -> None:
    evaluation = compute(small())
    blinded, other = evaluation.endpoints
    assert all(not getattr(blinded, name) for name in TOLD_WHEN_OPEN)
    assert {c.estimate for c in blinded.criteria} == {None}
    assert [f.code for f in blinded.findings] == ["blinded"]
    assert (evaluation.blinded, blinded.blinded, other.blinded) == (True, True, None)
    assert other.verdict is Verdict.MET
    assert all(g.share == 1 and g.passed for g in evaluation.gate), "data capture stays visible"


def test_what_is_open_has_the_numbers_it_would_have_had() -> None:
    given = small()
    told = compute(replace(given, unblinded=[Unblinding("main", given.now, "judge", "Done.")]))
    never = compute(small(blinded=False))
    assert told.endpoints == never.endpoints
    assert told.verdict is Verdict.MET
    assert (told.blinded, told.deviations, never.unblinded) == (None, [], None)
    assert [(u.endpoint, u.login, u.reason) for u in told.unblinded or []] == [("main", "judge", "Done.")]


def test_a_secondary_endpoint_that_is_blinded_leaves_the_trial_its_verdict() -> None:
    evaluation = compute(small(rank="secondary"))
    assert (evaluation.blinded, evaluation.endpoints[0].blinded, evaluation.verdict) == (
        None,
        True,
        Verdict.MET,
    )


def test_unblinding_before_the_reporting_period_has_ended_is_a_deviation() -> None:
    given = small()
    evaluation = compute(replace(given, unblinded=[early(given)]))
    assert [d.code for d in evaluation.deviations] == ["unblinded_early"]
    texts = [getattr(b, "text", "") for b in build(document_of(evaluation), "en").blocks]
    assert any(
        t.startswith("Endpoint main was unblinded on ") and t.endswith("had ended: The filter broke.")
        for t in texts
    )
    texts = [getattr(b, "text", "") for b in build(document_of(evaluation), "fr").blocks]
    assert any(t.startswith("L’aveugle du critère de jugement main a été levé le ") for t in texts)


@pytest.mark.parametrize(("language", "word"), [("en", "Blinded"), ("fr", "En aveugle")])
def test_the_report_of_a_blinded_trial_says_so_and_draws_nothing_of_it(language: Any, word: str) -> None:
    model = build(document_of(compute(small())), language)
    banner = next(b for b in model.blocks if b.kind == "banner")
    assert banner.word == word
    assert "decisions" not in banner.text
    tables = [b for b in model.blocks if b.kind == "table"]
    row = next(row for t in tables for row in t.rows if row[-2] == f"– {word}")
    assert row[1:3] == ["–", "–"]
    assert len([b for b in model.blocks if b.kind == "figure"]) == 2, "those of the open endpoint"
    assert "small: blinded" in summary(compute(small()))


def test_a_protocol_that_is_not_blinded_keeps_its_form() -> None:
    assert "blinded" not in protocol_text(small(blinded=False).protocol)
    assert '"blinded":true' in protocol_text(small().protocol)


def test_a_package_carries_who_unblinded_and_recomputes_it(tmp_path: Path) -> None:
    given = small()
    given = listed(replace(given, unblinded=[early(given)]))
    evaluation = compute(given)
    text = canonical(document_of(evaluation)).decode()
    write_tables(tmp_path, given, protocol=protocol_text(given.protocol), evaluation=text, flags=[])
    seal(tmp_path, evaluation, None)
    assert read_inputs(tmp_path).unblinded == given.unblinded
    assert [check.lines for check in verify(tmp_path) if not check.ok] == []


# -- on the database


def test_unblinding_makes_a_new_evaluation_and_a_line_in_the_audit_log(
    running: Connection, tmp_path: Path
) -> None:
    conn, after = running, START + 41 * DAY
    number, evaluation = evaluate_trial(conn, "t", now=after, login="judge", simulated=False)
    assert evaluation.blinded
    assert get_trial(conn, "t").state == TrialState.RUNNING, "nobody can decide yet"
    stored = store_trials.evaluation(conn, number)
    assert stored is not None
    assert not any(json.loads(stored.document)["endpoints"][0][name] for name in TOLD_WHEN_OPEN)
    with pytest.raises(CorrectInput, match="which is blinded: unblind it first"):
        write(conn, number, tmp_path / "package", key=None)
    again = unblind(
        conn, "t", "main", reason=" All data are in. ", now=after + DAY, login="judge", simulated=False
    )
    assert again == number + 1
    stored = store_trials.evaluation(conn, again)
    assert stored is not None
    told = Evaluation.model_validate_json(stored.document)
    assert (told.verdict, told.blinded, told.deviations) == (Verdict.MET, None, [])
    assert [(c.before, c.verdict_after) for c in told.changed] == [(None, Verdict.MET)]
    assert get_trial(conn, "t").state == TrialState.EVALUATED
    lines = [line for line in audit.audit(conn) if line.action in ("unblind", "evaluate")]
    assert [
        (line.action, line.login, line.detail.get("reason"), line.detail.get("verdict")) for line in lines
    ] == [
        ("evaluate", "person:judge", None, "blinded"),
        ("unblind", "person:judge", "All data are in.", None),
        ("evaluate", "person:judge", None, "met"),
    ]
    write(conn, again, tmp_path / "package", key=None)
    assert all(check.ok for check in verify(tmp_path / "package"))


def test_what_is_not_blinded_cannot_be_unblinded(running: Connection) -> None:
    def ask(endpoint: str = "main", reason: str = "Because.", trial: str = "t") -> int | None:
        return unblind(
            running, trial, endpoint, reason=reason, now=START + 30 * DAY, login="judge", simulated=False
        )

    with pytest.raises(NotFound, match="has no blinded endpoint 'other'"):
        ask("other")
    with pytest.raises(NotFound, match="has no blinded endpoint"):
        ask(trial="nowhere")
    with pytest.raises(CorrectInput, match="Say why"):
        ask(reason="  ")
    assert ask() is None, "there was no evaluation to make anew"
    with pytest.raises(AlreadyExists, match="unblinded already"):
        ask()
    _, evaluation = evaluate_trial(running, "t", now=START + 41 * DAY, login="judge", simulated=False)
    assert [d.code for d in evaluation.deviations] == ["unblinded_early"]
