"""Follows the recipe of docs/recipes/design.md: with one file and one line, a protocol that names the design
is checked, forecast, locked, evaluated, looked at early, and reported in both languages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from insitu.errors import CorrectInput
from insitu.language import Language
from insitu.model import Verdict
from store.database import Connection
from tests.fix_catalogue import START as FIRST
from tests.fix_catalogue import SmallTrial
from tests.fix_running import receive, results
from tests.trials import headroom
from tests.trials.test_workflow import DAY as A_DAY
from tests.trials.test_workflow import END
from tests.trials.test_workflow import plan as small_plan
from tests.trials.world import (
    DAY,
    START,
    criterion,
    cycle,
    endpoint,
    inputs,
    noise,
    period,
    protocol,
    protocol_text,
    series,
)
from trials.designs import DESIGNS
from trials.designs.early_look import METHOD
from trials.evaluation import Evaluation, document_of
from trials.judge.compute import compute
from trials.judge.outlook import outlook
from trials.package.reading import evaluate_package
from trials.package.writing import write_tables
from trials.plan.protocol import Protocol
from trials.plan.reading import document_of as protocol_document
from trials.report import writer
from trials.report.blocks import Paragraph, Table
from trials.report.build import build
from trials.report.sentence import sentence_of
from trials.report.texts import summary
from trials.series.inputs import TrialInputs
from trials.workflow.checking import check_quality
from trials.workflow.drafts import check_draft
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.locking import lock_protocol

FRENCH = {
    "Room below a limit": "Marge sous une limite",
    "Headroom: mean of limit − day value, with the interval of a mean of day values.": "Marge : moyenne de "
    "limite − valeur du jour, avec l’intervalle d’une moyenne de valeurs du jour.",
    "room below the limit": "marge sous la limite",
    "room of the day": "marge du jour",
    "On {days} days the level lies above the limit of {limit}.": "Le niveau dépasse la limite de {limit} "
    "pendant {days} jours.",
}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The one line in the register, for one test."""
    with monkeypatch.context() as patch:
        patch.setitem(DESIGNS, headroom.DESIGN.name, headroom.DESIGN)
        yield
    assert headroom.DESIGN.name not in DESIGNS


@pytest.fixture
def french(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The French of the report, with that of the new design."""
    with (writer.LOCALE / "fr.po").open("rb") as file:
        catalogue: Catalog = read_po(file)
    for english, other in FRENCH.items():
        catalogue.add(english, other)
    with (tmp_path / "fr.po").open("wb") as file:
        write_po(file, catalogue)
    monkeypatch.setattr(writer, "LOCALE", tmp_path)


def planned(limit: float | None = 42.0, low: float = 2.0, days: tuple[int, int] = (0, 30)) -> Protocol:
    parameters = {} if limit is None else {"limit": limit}
    made = endpoint("headroom", [criterion("room", low=low)], arms=["candidate"], parameters=parameters)
    return protocol(made, periods=[period("reporting", *days)])


def given(plan: Protocol) -> TrialInputs:
    values = 38 + cycle(30 * 24) + noise(np.random.default_rng(3), 0.9, 30 * 24, 1.5)
    return inputs(plan, [series("candidate-1", values)])


def test_the_protocol_check_knows_the_arms_the_statistics_and_the_blocks_of_a_new_design(
    conn: Connection, catalogue: SmallTrial
) -> None:
    document = protocol_document(small_plan())
    document["endpoints"][0] |= {
        "design": "headroom",
        "arms": {"control": "candidate"},
        "schedule": [
            {
                "start": (FIRST + n * A_DAY).isoformat(),
                "end": (FIRST + (n + 1) * A_DAY).isoformat(),
                "on": n == 30,
            }
            for n in (30, 31)
        ],
    }
    wrong = Protocol.model_validate(document)
    with pytest.raises(CorrectInput) as caught:
        lock_protocol(conn, wrong, now=FIRST, login="judge")
    for problem in (
        "endpoints.main.schedule: only a crossover has one, and this is 'headroom'",
        "endpoints.main: headroom needs a candidate arm",
        "endpoints.main: headroom knows no statistic 'effect'; it has room",
    ):
        assert problem in str(caught.value)


def test_a_trial_of_a_new_design_is_drafted_locked_and_evaluated_on_a_database(
    conn: Connection, catalogue: SmallTrial
) -> None:
    document = protocol_document(small_plan())
    room = {"design": "headroom", "criteria": [criterion("room", low=1.0)], "parameters": {"limit": 20.0}}
    document["endpoints"][0] |= room
    plan = Protocol.model_validate(document)
    receive(conn, catalogue.datastreams["a", "pm25"], list(range(960)), results())
    now = FIRST + 19 * A_DAY
    checked = check_draft(conn, "t", protocol_text(plan), now=now, simulated=False)
    assert checked.problems == []
    assert checked.outlook is not None
    assert checked.outlook.endpoints[0].criteria[0].planned is not None
    lock_protocol(conn, plan, now=now, login="judge")
    check_quality(conn, "t", now=END)
    _, found = evaluate_trial(conn, "t", now=END + A_DAY, login="judge", simulated=False)
    assert found.verdict is Verdict.MET


def test_a_new_design_is_foretold_by_what_it_answers_for_the_days_so_far() -> None:
    ahead = (28, 58)
    rehearsed = replace(given(planned()), protocol=planned(days=ahead), now=START + 28 * DAY)
    (found,) = outlook(rehearsed).endpoints
    assert (found.days, found.notes) == (28, [])
    (room,) = found.criteria
    assert room.planned is not None
    assert room.planned.half_width is not None
    assert room.assumed == pytest.approx(4, abs=1)
    lacking = replace(rehearsed, protocol=planned(limit=None, days=ahead))
    (note,) = outlook(lacking).endpoints[0].notes
    assert sentence_of(note) == "Nothing can be foretold without a limit."


def test_a_new_design_is_evaluated_and_its_package_says_the_same(tmp_path: Path) -> None:
    evaluation = compute(given(planned()))
    (result,) = evaluation.endpoints
    (estimate,) = result.estimates
    assert evaluation.verdict is Verdict.MET
    assert (estimate.statistic, estimate.unit) == ("room", "ug/m3")
    assert estimate.value == pytest.approx(4, abs=1)
    assert Evaluation.model_validate(document_of(evaluation)).findings == evaluation.findings
    assert "headroom" in summary(evaluation)
    write_tables(tmp_path, given(planned()), protocol=protocol_text(planned()), evaluation="{}", flags=[])
    assert evaluate_package(tmp_path).endpoints[0].verdict is Verdict.MET


def test_what_a_new_design_cannot_judge_is_its_own_finding() -> None:
    evaluation = compute(given(planned(limit=None)))
    assert evaluation.verdict is Verdict.NOT_EVALUABLE
    (found,) = evaluation.endpoints[0].findings
    assert sentence_of(found) == "No limit is stated: there is no room to measure."


def test_an_early_look_at_a_new_design_stops_for_harm_only() -> None:
    for limit, verdict in ((42.0, Verdict.INCONCLUSIVE), (20.0, Verdict.NOT_MET)):
        looked = compute(replace(given(planned(limit)), now=START + 20 * DAY))
        assert (looked.interim, looked.verdict) == (True, verdict)
        assert [estimate.method for estimate in looked.endpoints[0].estimates] == [METHOD]


@pytest.mark.usefixtures("french")
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_report_of_a_new_design_has_its_words_in_both_languages(language: Language) -> None:
    model = build(document_of(compute(given(planned(limit=38.5, low=-1.0)))), language)
    texts = [block.text for block in model.blocks if isinstance(block, Paragraph)]
    tables = [
        cell for block in model.blocks if isinstance(block, Table) for row in block.rows for cell in row
    ]
    title, method, statistic, series_name, finding_text = (
        (english if language == "en" else other) for english, other in FRENCH.items()
    )
    assert any(title in text for text in texts)
    assert method in texts
    assert statistic in tables
    assert any(finding_text.partition("{")[0] in text for text in texts)
    assert any(series_name in str(block.spec) for block in model.blocks if hasattr(block, "spec"))
    blocks = {
        "en": "day-block bootstrap, days a block: 6",
        "fr": "bootstrap par blocs de jours, jours par bloc\u00a0: 6",
    }
    assert any(blocks[language] in cell for cell in tables)
    assert not [text for text in texts if "{" in text]
