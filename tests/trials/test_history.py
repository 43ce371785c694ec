"""A trial with a look, an amendment, late data and a window declared afterwards: its last evaluation and its
package record all of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from insitu.errors import CorrectInput
from insitu.model import Observation, Verdict, WindowKind
from insitu.times import to_us
from store.catalogue.windows import add_window
from store.database import Connection
from store.observations import merge, series
from tests.fix_catalogue import START, SmallTrial
from tests.fix_running import receive, results
from tests.trials.test_workflow import DAY, END, HOUR, plan
from tests.trials.world import TEXT
from trials.evaluation import Evaluation
from trials.package.reading import evaluate_package
from trials.package.strict import written
from trials.package.verify import verify
from trials.plan.protocol import Protocol
from trials.plan.reading import document_of
from trials.report.blocks import Paragraph, Table
from trials.report.build import build
from trials.report.sentence import sentence_of
from trials.report.texts import summary
from trials.sentences import CAUSES
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.exporting import write
from trials.workflow.locking import lock_protocol

LOOK = START + 35.5 * DAY


def first() -> Protocol:
    """One look planned for day 35, and one for day 38 that nobody makes."""
    looks = [(START + 35 * DAY).isoformat(), (START + 37 * DAY).isoformat()]
    return Protocol.model_validate(document_of(plan()) | {"interim_looks": looks})


def second() -> Protocol:
    """An amendment whose check fails everything above 21."""
    document: dict[str, Any] = document_of(first()) | {"version": 2, "reason": TEXT}
    document["checks"] = [
        check
        | ({"parameters": {"fail_low": -50, "fail_high": 21}} if check["check"] == "gross_range" else {})
        for check in document["checks"]
    ]
    return Protocol.model_validate(document)


@pytest.fixture
def lived(conn: Connection, catalogue: SmallTrial) -> tuple[int, Evaluation, Evaluation]:
    """(number of the last evaluation, the look, the last evaluation)."""
    datastream = catalogue.datastreams["a", "pm25"]
    lock_protocol(conn, first(), now=START - DAY, login="judge")
    receive(conn, datastream, [h for h in range(852) if h not in (600, 601)], results())
    check_quality(conn, "t", now=LOOK)
    _, look = evaluate_trial(conn, "t", now=LOOK, login="judge", simulated=False)
    lock_protocol(conn, second(), now=START + 36 * DAY, login="judge")
    receive(conn, datastream, list(range(852, 960)), results())
    receive(conn, datastream, [600, 601], results(), delay=14 * DAY)
    add_window(
        conn,
        kind=WindowKind.MAINTENANCE,
        start=START + 5 * DAY,
        end=START + 6 * DAY,
        reason="cleaning",
        declared_by="host",
        now=END,
        device_id=catalogue.devices["a"],
    )
    check_quality(conn, "t", now=END)
    number, last = evaluate_trial(conn, "t", now=END + DAY, login="judge", simulated=False)
    conn.commit()
    return number, look, last


def test_a_look_is_kept_as_one_and_does_not_end_the_trial(lived: tuple[int, Evaluation, Evaluation]) -> None:
    _, look, last = lived
    assert (look.interim, look.verdict) == (True, Verdict.INCONCLUSIVE)
    assert look.looks is not None
    assert [(one.planned, one.made, one.sha256) for one in look.looks] == [
        (START + 35 * DAY, LOOK, None),
        (START + 37 * DAY, None, None),
    ]
    assert [one.code for one in look.deviations] == []
    assert not last.interim


def test_the_last_evaluation_tells_looks_versions_and_deviations(
    conn: Connection, lived: tuple[int, Evaluation, Evaluation]
) -> None:
    _, _, last = lived
    assert last.looks is not None
    assert [(one.made, one.sha256 is not None) for one in last.looks] == [(LOOK, True), (None, False)]
    assert last.versions is not None
    assert [(one.version, one.changed) for one in last.versions] == [
        (1, []),
        (2, ["checks.0.parameters.fail_high"]),
    ]
    assert [one.code for one in last.deviations] == [
        "window_afterwards",
        "amended_during_reporting",
        "amended_after_result",
        "look_not_made",
    ]


def test_an_amended_check_judges_again_what_it_had_judged(
    conn: Connection, catalogue: SmallTrial, lived: tuple[int, Evaluation, Evaluation]
) -> None:
    datastream = catalogue.datastreams["a", "pm25"]
    found = series(conn, [datastream], START, START + 20 * DAY)[datastream]
    above = found.result > 21
    assert above.sum() > 50
    assert set(found.flag[above].tolist()) == {4}
    assert check_quality(conn, "t", now=END + 2 * DAY) == 0, "once is enough"


def test_why_numbers_changed_names_what_they_were_computed_from(
    lived: tuple[int, Evaluation, Evaluation],
) -> None:
    _, _, last = lived
    assert last.changed
    assert last.causes is not None
    told = {cause.code: cause.evidence for cause in last.causes}
    assert list(told) == ["protocol_version", "more_days", "results_added", "window_declared"]
    assert told["protocol_version"] == {"before": 1, "after": 2}
    assert told["results_added"] == {"datastream": "a/pm25", "added": 110, "late": 2}
    assert told["window_declared"]["target"] == "a"
    for cause in last.causes:
        assert sentence_of(cause) in summary(last)
        assert "{" not in sentence_of(cause)


def test_nothing_new_has_no_cause_and_a_late_result_has_one(
    conn: Connection, catalogue: SmallTrial, lived: tuple[int, Evaluation, Evaluation]
) -> None:
    _, same = evaluate_trial(conn, "t", now=END + 2 * DAY, login="judge", simulated=False)
    assert (same.changed, same.causes) == ([], None)
    at = to_us(START + 150 * HOUR + HOUR / 2)
    merge(conn, [Observation(catalogue.datastreams["a", "pm25"], at, 20.0, to_us(END + 2 * DAY), 0)])
    check_quality(conn, "t", now=END + 3 * DAY)
    _, again = evaluate_trial(conn, "t", now=END + 3 * DAY, login="judge", simulated=False)
    assert [(c.code, c.evidence) for c in again.causes or []] == [
        ("results_added", {"datastream": "a/pm25", "added": 1, "late": 1})
    ]


def test_the_report_shows_all_of_it_in_both_languages(lived: tuple[int, Evaluation, Evaluation]) -> None:
    from trials.evaluation import document_of as evaluation_document

    _, _, last = lived
    for language in ("en", "fr"):
        model = build(evaluation_document(last), language)
        tables = {block.caption: block for block in model.blocks if isinstance(block, Table)}
        said = " ".join(block.text for block in model.blocks if isinstance(block, Paragraph))
        versions = next(t for caption, t in tables.items() if caption.startswith("Versions"))
        assert [row[2] for row in versions.rows] == ["–", "checks.0.parameters.fail_high"]
        looks = next(
            t for t in tables.values() if len(t.rows) == 2 and t.rows[1][2] == "–" and len(t.head) == 3
        )
        assert looks.rows[0][2] == (last.looks or [])[0].sha256
        assert ("110 more results, 2 of them" in said) == (language == "en")
        assert ("110 résultats de plus, dont 2" in said) == (language == "fr")
        assert "{" not in said


def test_a_package_holds_every_version_and_earlier_look_and_verifies(
    conn: Connection, lived: tuple[int, Evaluation, Evaluation], tmp_path: Path
) -> None:
    number, _, last = lived
    folder = tmp_path / "package"
    write(conn, number, folder, key=None)
    assert [(check.name, check.lines) for check in verify(folder) if not check.ok] == []
    assert Protocol.model_validate_json((folder / "protocols" / "1.json").read_text("utf-8")) == first()
    again = evaluate_package(folder)
    assert (again.looks, again.versions, again.deviations) == (last.looks, last.versions, last.deviations)


def test_a_version_or_a_look_that_is_taken_out_of_a_package_is_found(
    conn: Connection, lived: tuple[int, Evaluation, Evaluation], tmp_path: Path
) -> None:
    folder = tmp_path / "package"
    write(conn, lived[0], folder, key=None)
    path = folder / "protocols" / "1.json"
    text = path.read_text("utf-8")
    path.write_text(text.replace('"seed":1', '"seed":2'), "utf-8")
    failed = {check.name: check.lines for check in verify(folder) if not check.ok}
    assert any(
        line.startswith("protocols/1.json has SHA-256") for line in failed["hash of the locked protocol"]
    )
    path.write_text(text, "utf-8")
    catalogue = json.loads((folder / "catalogue.json").read_text("utf-8"))
    catalogue["earlier_evaluations"] = []
    (folder / "catalogue.json").write_bytes(written(catalogue))
    lines = [line for check in verify(folder) if not check.ok for line in check.lines]
    assert any(line.startswith("looks[0].made") for line in lines), lines


@pytest.mark.parametrize("broken", ['{"versions": [{"version": "x"}]}', '{"versions": [7]}'])
def test_versions_that_cannot_be_read_are_one_clear_error(
    conn: Connection, lived: tuple[int, Evaluation, Evaluation], tmp_path: Path, broken: str
) -> None:
    folder = tmp_path / "package"
    write(conn, lived[0], folder, key=None)
    catalogue = json.loads((folder / "catalogue.json").read_text("utf-8")) | json.loads(broken)
    (folder / "catalogue.json").write_bytes(written(catalogue))
    told = {check.name: check.lines for check in verify(folder) if not check.ok}
    (line,) = told["form of every file"]
    assert line.startswith("catalogue.json is not what a package holds")


def test_a_window_that_was_declared_since_asks_for_another_evaluation_before_an_export(
    conn: Connection, catalogue: SmallTrial, lived: tuple[int, Evaluation, Evaluation], tmp_path: Path
) -> None:
    add_window(
        conn,
        kind=WindowKind.INCIDENT,
        start=END - 2 * DAY,
        end=END - DAY,
        reason="flood",
        declared_by="host",
        now=END + 2 * DAY,
        device_id=catalogue.devices["a"],
    )
    with pytest.raises(CorrectInput, match="Windows and Deviations came or changed"):
        write(conn, lived[0], tmp_path / "package", key=None)


def test_every_cause_has_a_sentence_with_its_own_places() -> None:
    assert all(cause.text.endswith(".") for cause in CAUSES.values())
